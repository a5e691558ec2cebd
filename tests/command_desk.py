"""A session with orders open, a command socket before it and a lane behind it: for tests of what overtakes what."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from adapters.mexc.decoder import MexcDecoder
from engine import control
from engine.adapter import Evidence
from engine.control import LENGTH, CommandName, Handler, Reply, Request
from engine.control_server import ControlServer
from engine.core import event
from engine.core.enums import CommandKind, OrderReport
from engine.core.risk.gate import ApprovalVoid, Approved
from engine.execution.executor import Executor
from engine.execution.quick_lane import QuickLane
from engine.execution.resolver import Resolver
from engine.journal.records import JOURNAL_STEM
from engine.quick_command import QuickCommand
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_writer import LogWriter
from tests.core_session import BUY, START_NS, Puppet, ready

RUN_ID = "r" * 12


class Lane(QuickLane):
    """Sends whatever may go at once; each is answered when the loop goes on. `told`: what went, in order."""

    def __init__(self) -> None:
        self.core: Any = None
        self.told: list[tuple[str, int]] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.pending: list[int] = []  # of how many orders a cancel was decided on, as each went

    def take(self, approved: Approved) -> Callable[[], Awaitable[Evidence]] | None:
        try:
            approved.redeem(self.core.halt_epoch, START_NS)
        except ApprovalVoid:
            return None
        self.told.append(("cancel" if approved.is_cancel else "order", approved.order_no))
        orders = (self.core.order(number) for number in range(1, approved.order_no + 8))
        self.pending.append(sum(order is not None and order.cancel_pending for order in orders))
        self.meanwhile()
        report = OrderReport.CANCELED if approved.is_cancel else OrderReport.WORKING

        async def answer() -> Evidence:
            return Evidence(report=report, venue_order_id=f"v{approved.order_no}", text="")

        return answer


class Desk:
    """A session with orders open, one if nothing else is said, whose strategy sends more in one event."""

    def __init__(
        self,
        run_dir: Path,
        orders: int = 1,
        rim: Rim | None = None,
        executor: type[Executor] = Executor,
    ) -> None:
        self.session = ready()
        self.numbers = [self.session.place(BUY, 9_000 + at, 100)[0] for at in range(orders)]
        for number in self.numbers:
            self.session.update(number, OrderReport.WORKING, venue_order_id=f"v{number}")
        self.open_no = self.numbers[0]
        self.session.engine.gate.take()
        self.journal = LogWriter(run_dir, stem=JOURNAL_STEM, run_id=RUN_ID, chained=True, sync=False)
        self.sequencer = Sequencer(
            self.session.engine, MexcDecoder(RUN_ID, 1000), rim or Rim(), self.journal, seq=self.session.seq
        )
        self.handler: Handler = self.refuse
        self.server = ControlServer(
            run_dir,
            lambda request: self.handler(request),
            QuickCommand(self.sequencer),
            acknowledge=self.acknowledge,
        )
        self.sequencer.bind_commands(self.server)
        self.adapter: Any = SimpleNamespace(name="lane", cancel=self.cancel, place=self.place)
        self.executor = executor(
            self.adapter, self.sequencer, RUN_ID, Resolver(self.adapter, self.sequencer, RUN_ID, seed=1)
        )
        self.faults: list[Any] = []
        self.lane = Lane()
        self.lane.core = self.session.engine
        self.executor.take_lane(self.lane)
        self.sequencer.bind_executor(self.executor)

    async def refuse(self, request: Request) -> Reply:
        raise AssertionError(f"{request.command} went the ordinary way")

    async def acknowledge(self, request: Request, seq: int) -> Reply:
        return Reply(request.id, True, seq=seq)

    async def cancel(self, reference: Any) -> Evidence:
        self.lane.told.append(("late cancel", reference.order_no))
        return Evidence(report=OrderReport.CANCELED, text="")

    async def place(self, ticket: Any, before_send: Callable[[], None]) -> Evidence:
        before_send()
        raise AssertionError("an order went although it was void")

    def send_two(
        self, run_dir: Path, command: CommandName, meanwhile: Callable[[], object] | None = None
    ) -> None:
        """Two orders in one event; the command is sent while the first of them is, or something else done."""
        self.send(run_dir, command, lambda one: [one.buy(0, 9_100, 100), one.sell(0, 11_000, 100)], meanwhile)

    def send(
        self,
        run_dir: Path,
        command: CommandName,
        todo: Callable[[Puppet], Any],
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """The strategy does this in one event; the command is sent while the first of what comes of it is."""
        asyncio.run(self._send(run_dir, command, todo, meanwhile))
        self.journal.close()

    async def _send(
        self,
        run_dir: Path,
        command: CommandName,
        todo: Callable[[Puppet], Any],
        meanwhile: Callable[[], object] | None,
    ) -> None:
        await self.server.start()
        try:
            with control.reachable(run_dir) as address, socket.socket(socket.AF_UNIX) as link:
                link.connect(address)
                self.server.work()
                request = framed("one", command)
                self.link = link
                self.lane.meanwhile = meanwhile or (lambda: self.once(lambda: link.sendall(request)))
                self.decide(todo)
                self.told_at_once = list(self.lane.told)
                await asyncio.sleep(0.05)
                await self.executor.close()
        finally:
            await self.server.close()

    def decide(self, todo: Callable[[Puppet], Any]) -> None:
        """The strategy does this in one event."""
        puppet = self.session.puppets[0]
        puppet.todo = todo
        timer = event.timer(1, puppet.index, self.session.now_ns)
        self.sequencer.process_batch(event.batch([event.stamped(timer, 1, self.session.now_ns)]))

    def once(self, do: Callable[[], object]) -> None:
        """Do this, and nothing when the next request leaves."""
        self.lane.meanwhile = lambda: None
        do()

    def obey(self, request: Request) -> Awaitable[Reply]:
        """A handler as the daemon's: a command is carried out within its call."""
        if request.command == "cancel_all":
            self.sequencer.ingest(event.command(CommandKind.CANCEL_ALL, idempotency_id=request.id))
        return self.acknowledge(request, 0)

    def send_in_one(
        self, run_dir: Path, first: bytes, meanwhile: Callable[[socket.socket], object], replies: int
    ) -> list[str]:
        """Send these bytes at once, and do something with the link while the first cancel leaves. The ids of the replies."""
        return asyncio.run(self._send_in_one(run_dir, first, meanwhile, replies))

    async def _send_in_one(
        self, run_dir: Path, first: bytes, meanwhile: Callable[[socket.socket], object], replies: int
    ) -> list[str]:
        self.handler = self.obey
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.faults.append(context))
        await self.server.start()
        try:
            with control.reachable(run_dir) as address, socket.socket(socket.AF_UNIX) as link:
                link.settimeout(2)
                link.connect(address)
                self.server.work()
                self.lane.meanwhile = lambda: self.once(lambda: meanwhile(link))
                link.sendall(first)
                found = [await asyncio.to_thread(read_reply, link) for _ in range(replies)]
                await self.executor.close()
        finally:
            await self.server.close()
            self.journal.close()
        gc.collect()  # a task that failed unseen tells the loop when it goes
        return [reply.id for reply in found if reply.ok]


def framed(name: str, command: CommandName) -> bytes:
    payload = msgspec.msgpack.encode(Request(name, command))
    return LENGTH.pack(len(payload)) + payload


def read_reply(link: socket.socket) -> Reply:
    (length,) = LENGTH.unpack(link.recv(LENGTH.size, socket.MSG_WAITALL))
    return msgspec.msgpack.decode(link.recv(length, socket.MSG_WAITALL), type=Reply)


def followed(desk: Desk, *cancels: int) -> Callable[[Puppet], list[bool]]:
    """Decide on these in an event behind which others wait."""

    def decide(puppet: Puppet) -> list[bool]:
        desk.sequencer.is_followed = True
        return [puppet.cancel(number) for number in cancels]

    return decide
