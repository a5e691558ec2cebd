"""A command that comes while several orders of one event are sent: it overtakes those that are left."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import hashlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from adapters.mexc.decoder import MexcDecoder
from engine import control
from engine.adapter import Evidence
from engine.control import LENGTH, CommandName, Handler, Reply, Request
from engine.control_server import ControlServer
from engine.core import event
from engine.core.describe import describe
from engine.core.enums import CommandKind, EventKind, OrderReport
from engine.core.risk.gate import ApprovalVoid, Approved
from engine.execution.executor import Executor
from engine.execution.quick_lane import QuickLane
from engine.execution.resolver import Resolver
from engine.journal.records import JOURNAL_STEM, read_log
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

    def __init__(self, run_dir: Path, orders: int = 1) -> None:
        self.session = ready()
        self.numbers = [self.session.place(BUY, 9_000 + at, 100)[0] for at in range(orders)]
        for number in self.numbers:
            self.session.update(number, OrderReport.WORKING, venue_order_id=f"v{number}")
        self.open_no = self.numbers[0]
        self.session.engine.gate.take()
        self.journal = LogWriter(run_dir, stem=JOURNAL_STEM, run_id=RUN_ID, chained=True, sync=False)
        self.sequencer = Sequencer(
            self.session.engine, MexcDecoder(RUN_ID, 1000), Rim(), self.journal, seq=self.session.seq
        )
        self.handler: Handler = self.refuse
        self.server = ControlServer(
            run_dir,
            lambda request: self.handler(request),
            QuickCommand(self.sequencer),
            acknowledge=self.acknowledge,
        )
        self.sequencer.bind_commands(self.server)
        adapter: Any = SimpleNamespace(name="lane", cancel=self.cancel, place=self.place)
        self.executor = Executor(
            adapter, self.sequencer, RUN_ID, Resolver(adapter, self.sequencer, RUN_ID, seed=1)
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
        puppet = self.session.puppets[0]
        puppet.todo = todo
        await self.server.start()
        try:
            with control.reachable(run_dir) as address, socket.socket(socket.AF_UNIX) as link:
                link.connect(address)
                self.server.work()
                request = framed("one", command)
                self.lane.meanwhile = meanwhile or (lambda: self.once(lambda: link.sendall(request)))
                timer = event.timer(1, puppet.index, self.session.now_ns)
                self.sequencer.process_batch(event.batch([event.stamped(timer, 1, self.session.now_ns)]))
                self.told_at_once = list(self.lane.told)
                await asyncio.sleep(0.05)
                await self.executor.close()
        finally:
            await self.server.close()

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


def test_a_halt_stops_the_second_order_of_the_event(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "halt")
    first, second = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first)]
    assert desk.lane.told == [("order", first)]
    assert desk.session.engine.is_halted
    assert not desk.session.engine.order(second).is_open, "reported as never accepted"


@pytest.mark.parametrize("command", ["cancel_all", "reduce_only"])
def test_the_chain_of_actions_has_the_events_own_before_those_of_a_command_amid_it(
    tmp_path: Path, command: CommandName
) -> None:
    desk = Desk(tmp_path, orders=3)
    expected = bytes.fromhex(desk.session.engine.actions_hash)
    desk.send_two(tmp_path, command)
    for record in read_log(tmp_path, JOURNAL_STEM):
        if record.kind >= EventKind.PLACE:
            expected = hashlib.sha256(expected + record.raw).digest()
    assert desk.session.engine.actions_hash == expected.hex()


def test_the_halt_flag_does_so_without_a_word(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    flag = ctypes.c_uint64(0)
    desk.sequencer.bind_halt_flag(ctypes.addressof(flag))
    desk.send_two(tmp_path, "halt", lambda: setattr(flag, "value", 1))
    first, second = desk.session.puppets[0].result
    assert desk.lane.told == [("order", first)]
    assert desk.session.engine.is_halted
    assert not desk.session.engine.order(second).is_open


def test_cancels_go_before_the_second_order_and_its_own_cancel_after_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "cancel_all")
    first, second = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), ("cancel", desk.open_no), ("order", second)]
    late = [told for told in desk.lane.told if told not in desk.told_at_once]
    assert sorted(late) == [("late cancel", first), ("late cancel", second)], (
        "they waited for their orders' answers"
    )
    assert not any(desk.session.engine.order(number).is_open for number in (desk.open_no, first, second))


def test_the_journal_has_the_event_whole_before_the_command(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "cancel_all")
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    first, second = desk.session.puppets[0].result
    kinds = [(each["kind"], each.get("order_no")) for each in told]
    command = next(at for at, each in enumerate(told) if each["kind"] == "COMMAND")
    assert kinds[:command] == [("PLACE", first), ("PLACE", second)]
    assert [each["kind"] for each in told[command + 1 : command + 4]] == ["CANCEL"] * 3
    assert [each["seq"] for each in told] == sorted(each["seq"] for each in told)


def test_the_cancels_of_an_event_go_before_its_orders_and_a_command_between_the_two(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "halt", lambda one: [one.buy(0, 9_100, 100), one.cancel(desk.open_no)])
    first, _ = desk.session.puppets[0].result
    assert desk.told_at_once == [("cancel", desk.open_no)]
    assert not desk.session.engine.order(first).is_open, "reported as never accepted"


def test_a_commands_first_cancel_overtakes_the_cancels_of_an_event_and_its_others_do_not(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, orders=4)
    one, two, three, four = desk.numbers

    def decide(puppet: Puppet) -> list[bool]:
        desk.sequencer.is_followed = True
        return [puppet.cancel(three), puppet.cancel(four)]

    desk.send(tmp_path, "cancel_all", decide)
    assert desk.told_at_once == [("cancel", number) for number in (three, one, four, two)]
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    decided = [each["order_no"] for each in told if each["kind"] == "CANCEL"]
    assert decided == [three, four, one, two], "the event's own were decided, and recorded, first"


def test_the_cancel_of_an_order_of_the_same_event_waits_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "reduce_only", lambda one: [one.cancel(one.buy(0, 9_100, 100))], lambda: None)
    first = desk.open_no + 1
    assert desk.told_at_once == [("order", first)]
    assert desk.lane.told == [("order", first), ("late cancel", first)]


def test_a_command_is_obeyed_right_behind_the_last_order_of_an_event(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "cancel_all", lambda one: [one.buy(0, 9_100, 100)])
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), ("cancel", desk.open_no)]


def test_the_first_cancel_of_all_is_out_before_the_others_are_decided(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    desk.send(tmp_path, "cancel_all", lambda one: [one.buy(0, 9_100, 100)])
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), *(("cancel", number) for number in desk.numbers)]
    assert desk.lane.pending[1] == 1, "the others were not decided on yet"
    assert desk.lane.pending[2] > 1
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    canceled = [each["order_no"] for each in told if each["kind"] == "CANCEL"]
    assert canceled == [*desk.numbers, first], "each once, in the order in which they were placed"


@pytest.mark.filterwarnings("ignore:coroutine")  # what cannot be begun without a loop
def test_a_cancel_that_cannot_leave_keeps_no_other_from_leaving_and_may_be_asked_for_again(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, orders=3)
    desk.executor.take_lane(None)
    for _ in range(2):
        desk.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        assert not any(desk.session.engine.order(number).cancel_pending for number in desk.numbers)
    desk.journal.close()
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    for kind in ("CANCEL", "ORDER_UPDATE", "QUERY"):
        assert sorted(each["order_no"] for each in told if each["kind"] == kind) == sorted(
            2 * desk.numbers
        ), kind


def test_a_command_overtakes_the_only_order_of_a_frame_that_others_wait_behind(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def decide(one: Puppet) -> list[int]:
        desk.sequencer.is_followed = True
        desk.lane.meanwhile()  # the command comes while the strategy decides
        return [one.buy(0, 9_100, 100)]

    desk.send(tmp_path, "cancel_all", decide)
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("cancel", desk.open_no), ("order", first)]
    assert desk.lane.told[2:] == [("late cancel", first)], "it waited for its order's answer"


def test_a_halt_behind_the_command_that_is_carried_out_is_not_lost(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    two = framed("one", "status") + framed("two", "cancel_all")
    replies = desk.send_in_one(tmp_path, two, lambda link: link.sendall(framed("three", "halt")), 3)
    assert replies == ["one", "two", "three"]
    assert desk.lane.told == [("cancel", number) for number in desk.numbers]
    assert desk.session.engine.is_halted
    assert (desk.faults, dict(desk.server.refused)) == ([], {})


def test_a_client_that_is_done_while_its_command_is_carried_out_has_its_reply(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    two = framed("one", "status") + framed("two", "cancel_all")
    replies = desk.send_in_one(tmp_path, two, lambda link: link.shutdown(socket.SHUT_WR), 2)
    assert replies == ["one", "two"]
    assert not any(desk.session.engine.order(number).is_open for number in desk.numbers)
    assert (desk.faults, dict(desk.server.refused)) == ([], {})
