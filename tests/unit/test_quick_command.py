"""The quick way of a command: into the core at once, amid market data, and once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from adapters.mexc.decoder import MexcDecoder
from engine import control
from engine.control import ControlClient, Reply, Request
from engine.control_server import ControlServer
from engine.core import event
from engine.core.enums import CommandKind
from engine.core.risk.gate import Approved
from engine.quick_command import QuickCommand
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_writer import LogWriter
from tests.core_session import BUY, ready


def frame(payload: bytes) -> bytes:
    return struct.pack("<I", len(payload)) + payload


class Core:
    """A core with an open order, behind a control server that takes the quick way; `told` is what came out of it."""

    def __init__(self, run_dir: Path) -> None:
        self.session = ready()
        self.number, _ = self.session.place(BUY, 9_990, 100)
        self.session.engine.gate.take()
        self.told: list[str] = []
        self.approved: list[Approved] = []
        core = self

        class Rim_(Rim):
            def on_approved(self, approved: Approved) -> None:
                core.approved.append(approved)
                core.told.append("approved")

        self.journal = LogWriter(run_dir, stem="journal", run_id="r" * 12, chained=True, sync=False)
        self.sequencer = Sequencer(
            self.session.engine, MexcDecoder("r" * 12, 1000), Rim_(), self.journal, seq=self.session.seq
        )
        self.server = ControlServer(
            run_dir, self.handle, QuickCommand(self.sequencer), acknowledge=self.acknowledge
        )
        self.sequencer.bind_commands(self.server)

    async def handle(self, request: Request) -> Reply:
        self.told.append(f"handled {request.command}")
        return Reply(request.id, True)

    async def acknowledge(self, request: Request, seq: int) -> Reply:
        self.told.append("acknowledged")
        return Reply(request.id, True, seq=seq)

    def talk(self, body: Callable[[Core], Awaitable[None]]) -> None:
        async def main() -> None:
            await self.server.start()
            try:
                await body(self)
            finally:
                await self.server.close()

        asyncio.run(main())
        self.journal.close()


def read_reply(link: socket.socket) -> Reply:
    (length,) = struct.unpack("<I", link.recv(4, socket.MSG_WAITALL))
    return msgspec.msgpack.decode(link.recv(length, socket.MSG_WAITALL), type=Reply)


def test_a_command_is_carried_out_before_anything_else_is_done_for_it(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            core.server.work()  # it is let in
            link.sendall(frame(msgspec.msgpack.encode(Request("one", "cancel_all"))))
            core.server.work()
            assert core.told == ["approved"], "and it is acknowledged when the loop goes on"
            assert (core.approved[0].order_no, core.approved[0].is_cancel) == (core.number, True)
            reply = await asyncio.to_thread(read_reply, link)
            assert (reply.ok, reply.seq) == (True, core.session.engine.seq)
            assert core.told == ["approved", "acknowledged"]

    Core(tmp_path).talk(body)


def test_the_quick_way_carries_out_once_what_comes_twice(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        client = ControlClient(tmp_path)
        first = await asyncio.to_thread(client.call, "halt", "same")
        again = await asyncio.to_thread(client.call, "halt", "same")
        assert first == again
        assert (core.told, core.session.engine.halt_epoch) == (["acknowledged"], 1)
        reused = await asyncio.to_thread(client.call, "reduce_only", "same")
        assert not reused.ok
        assert not core.session.engine.is_reduce_only
        await asyncio.to_thread(client.call, "flatten", "other")
        reused = await asyncio.to_thread(client.call, "reduce_only", "other")
        assert "already used for flatten" in reused.text
        assert not core.session.engine.is_reduce_only

    Core(tmp_path).talk(body)


def test_an_id_that_the_core_knows_from_before_is_left_to_the_ordinary_way(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        core.sequencer.ingest(event.command(CommandKind.HALT, "before"))
        assert (await asyncio.to_thread(ControlClient(tmp_path).call, "halt", "before")).ok
        assert core.told == ["handled halt"]

    Core(tmp_path).talk(body)


def test_a_command_in_pieces_or_with_another_behind_it_is_carried_out(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            one, two = (frame(msgspec.msgpack.encode(Request(name, "halt"))) for name in ("one", "two"))
            link.sendall(one[:7])
            await asyncio.sleep(0.01)
            link.sendall(one[7:])
            assert (await asyncio.to_thread(read_reply, link)).id == "one"
            link.sendall(two + frame(msgspec.msgpack.encode(Request("three", "status"))))
            assert [(await asyncio.to_thread(read_reply, link)).id for _ in range(2)] == ["two", "three"]
        assert core.told == ["handled halt", "handled halt", "handled status"]

    Core(tmp_path).talk(body)


def test_a_rehearsal_leaves_no_trace(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        before = (core.session.engine.full_hash(), core.session.engine.seq, core.journal.records)
        for _ in range(100):
            core.server.rehearse()
        assert (core.session.engine.full_hash(), core.session.engine.seq, core.journal.records) == before
        assert (core.told, core.server._answers) == ([], {})
        # What is rehearsed may be said, and is carried out.
        assert (await asyncio.to_thread(ControlClient(tmp_path).call, "cancel_all", "0" * 32)).ok
        assert core.told == ["approved", "acknowledged"]
        core.server.rehearse()

    Core(tmp_path).talk(body)


def test_a_command_overtakes_the_frames_behind_the_one_in_process(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            core.server.work()
            link.sendall(frame(msgspec.msgpack.encode(Request("one", "halt"))))
            for _ in range(2_000):  # without a turn of the loop
                core.sequencer.ingest_frame_bytes(1, b"no frame")
            assert core.session.engine.is_halted

    Core(tmp_path).talk(body)


def connected(stack: contextlib.ExitStack, core: Core, run_dir: Path) -> list[socket.socket]:
    """Three clients, one after the other."""
    address = stack.enter_context(control.reachable(run_dir))
    links = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(3)]
    for link in links:
        link.connect(address)
        core.server.work()
    return links


def test_every_client_is_looked_at_whoever_came_last(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with contextlib.ExitStack() as stack:
            links = connected(stack, core, tmp_path)
            links.append(links.pop(1))  # the last one in came not last
            for number, link in enumerate(links):
                before = core.session.engine.seq
                link.sendall(frame(msgspec.msgpack.encode(Request(f"id-{number}", "reduce_only"))))
                for _ in range(2_000):  # without a turn of the loop
                    core.sequencer.ingest_frame_bytes(1, b"no frame")
                assert core.session.engine.seq == before + 2_001
            links[0].close()  # a client that has gone is no obstacle
            for _ in range(2_000):
                core.sequencer.ingest_frame_bytes(1, b"no frame")
            links[1].sendall(b"")
            await asyncio.sleep(0.01)
        assert core.told.count("acknowledged") == 3

    Core(tmp_path).talk(body)


def test_whoever_stays_is_looked_at_first_when_another_has_left(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with contextlib.ExitStack() as stack:
            links = connected(stack, core, tmp_path)
            for link in links[1:]:
                link.close()
                core.server.work()
            links[0].sendall(frame(msgspec.msgpack.encode(Request("one", "halt"))))
            core.sequencer.heed()
            assert core.session.engine.is_halted

    Core(tmp_path).talk(body)


def test_a_command_is_heeded_between_two_turns_of_the_loop(tmp_path: Path) -> None:
    async def body(core: Core) -> None:
        with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            core.server.work()
            core.sequencer.heed()
            assert not core.session.engine.is_halted
            link.sendall(frame(msgspec.msgpack.encode(Request("one", "halt"))))
            until = time.monotonic() + 2
            while (
                not core.session.engine.is_halted and time.monotonic() < until
            ):  # it is looked for now and then
                core.sequencer.heed()
            assert core.session.engine.is_halted

    Core(tmp_path).talk(body)
