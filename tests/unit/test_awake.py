"""The loop that polls instead of sleeping: around which openings it does, and what it rehearses meanwhile."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.venue.frames import DepthUpdate, depth_frame
from engine.awake import LOOK_S, REHEARSED_AT_ONCE, Awake
from engine.core import event
from engine.core.risk.gate import Approved
from engine.execution.executor import Executor
from engine.execution.quick_lane import QuickLane
from engine.execution.resolver import Resolver
from engine.rim import Rim
from engine.sequencer import Sequencer
from tests.core_session import COIN, ready

S = 1_000_000_000
RUN_ID = "abcdef012345"
ANY_UPDATE = DepthUpdate(1, 1, [("3.5", "1")], [])


class Ear(QuickLane):
    """Notes the instruments of the rehearsals that come as far as here."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.enough = 0
        self.event = asyncio.Event()

    def event_after(self, count: int) -> asyncio.Event:
        """Is set once so many were heard."""
        self.enough = count
        return self.event

    def take(self, approved: Approved) -> None:
        assert approved.is_rehearsal and approved.expires_ns == 0
        self.heard.append(approved.instrument)
        if len(self.heard) == self.enough:
            self.event.set()


class Stage:
    """A core with an instrument for each time of opening (ns UTC, 0: none), and an executor that rehearses."""

    def __init__(self, *opens_ns: int) -> None:
        specs = [
            replace(COIN, symbol=f"C{i}USDT", base=f"C{i}", source=1, opens_ns=opens)
            for i, opens in enumerate(opens_ns)
        ]
        session = ready(*specs)
        self.sequencer = Sequencer(session.engine, MexcDecoder(RUN_ID), Rim(), seq=session.seq)
        self.sequencer.introduce_instruments()
        adapter: Any = SimpleNamespace(name="ear")
        executor = Executor(
            adapter, self.sequencer, RUN_ID, Resolver(adapter, self.sequencer, RUN_ID, seed=1)
        )
        self.ear = Ear()
        executor.take_lane(self.ear)
        self.sequencer.bind_executor(executor)

    def frame(self, instrument: int = 0, update: DepthUpdate = ANY_UPDATE) -> None:
        """One of an instrument."""
        self.sequencer.ingest_frame_bytes(1, depth_frame("depth", f"C{instrument}USDT", 1, update))


def keep_awake(
    stage: Stage,
    done: Callable[[], bool],
    each: Callable[[], object] = lambda: None,
    loop: Any = uvloop.new_event_loop,
    **settings: Any,
) -> float:
    """Until `done`, or until 5 s are over, `each` every millisecond; answers the seconds."""

    async def main() -> float:
        began = time.monotonic()
        work = asyncio.get_running_loop().create_task(Awake(stage.sequencer).keep(**settings))
        while not done() and time.monotonic() < began + 5:
            each()
            await asyncio.sleep(0.001)
        assert not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        heard = len(stage.ear.heard)
        await asyncio.sleep(0.01)
        assert len(stage.ear.heard) == heard, "whoever is not kept awake rehearses no more"
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_about_to_open_or_has_just_opened_is_rehearsed_again_and_again(loop: Any) -> None:
    now_ns = time.time_ns()
    stage = Stage(0, now_ns + 50 * S, now_ns - 50 * S, now_ns + 1000 * S)
    heard = stage.ear.heard
    keep_awake(stage, lambda: len(heard) >= 20, loop=loop, around_ms=100_000, after_frames_ms=0)
    assert set(heard) == {1, 2}


def test_only_the_first_few_are_rehearsed_at_once() -> None:
    stage = Stage(*[time.time_ns()] * (REHEARSED_AT_ONCE + 3))
    heard = stage.ear.heard
    keep_awake(stage, lambda: len(heard) >= 20, around_ms=100_000, after_frames_ms=0)
    assert set(heard) == set(range(REHEARSED_AT_ONCE))


def test_nothing_is_rehearsed_without_an_opening() -> None:
    stage = Stage(0, time.time_ns() + 1000 * S)
    until = time.monotonic() + 3 * LOOK_S
    keep_awake(stage, lambda: time.monotonic() > until, around_ms=100_000, after_frames_ms=0)
    keep_awake(stage, lambda: time.monotonic() > until + LOOK_S, around_ms=0, after_frames_ms=3)
    assert stage.ear.heard == []


def test_while_frames_come_every_instrument_is_rehearsed_in_turn() -> None:
    stage = Stage(0, 0, 0)
    heard = stage.ear.heard
    keep_awake(stage, lambda: len(heard) >= 9, stage.frame, around_ms=0, after_frames_ms=3)
    assert heard[:9] == [1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_the_loop_sleeps_again_some_time_after_the_newest_frame() -> None:
    stage = Stage(0)

    async def main() -> float:
        awake = Awake(stage.sequencer)
        work = asyncio.get_running_loop().create_task(awake.keep(around_ms=0, after_frames_ms=3))
        until_s = time.monotonic() + 5
        while not stage.ear.heard and time.monotonic() < until_s:
            stage.frame()
            await asyncio.sleep(0.001)
        assert stage.ear.heard, "it was awake"
        await asyncio.sleep(0.1)
        began_s = time.thread_time()
        await asyncio.sleep(0.3)
        spent_s = time.thread_time() - began_s
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return spent_s

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) < 0.15, "half of it would be a loop that polls"


def test_a_frame_is_followed_by_a_rehearsal_on_its_instrument_but_not_every_one() -> None:
    stage = Stage(0, 0)
    soon: list[tuple[Any, ...]] = []
    stage.sequencer.rehearse_after_frames(lambda *call: soon.append(call), stage.sequencer.rehearse)
    stage.frame(1)
    stage.frame(0)
    (call, instrument), *others = soon
    assert instrument == 1 and len(others) <= 1, "the second came right behind the first"
    assert stage.ear.heard == [], "what was read with a frame comes first"
    call(instrument)
    assert stage.ear.heard == [1]


def test_the_newest_frame_is_rehearsed_and_changes_nothing() -> None:
    stage = Stage(0)
    core = stage.sequencer.core
    book = core.books[0]
    stage.sequencer.rehearse_after_frames(lambda *_: None, None)

    def assert_unchanged_by_rehearsals() -> None:
        before = (core.full_hash(), book.canonical_bytes(), book.updated_ns, repr(book), core.seq)
        for _ in range(8):
            stage.sequencer.rehearse(0)
        assert (core.full_hash(), book.canonical_bytes(), book.updated_ns, repr(book), core.seq) == before

    for price, size in (("100.20", "1"), ("100.20", "0"), ("100.05", "2")):
        version = book.version + 1
        stage.frame(0, DepthUpdate(version, version, [(price, size)], [("99.90", "7")]))
        assert book.version == version
        assert_unchanged_by_rehearsals()
    # Other levels of the same version stand now, and the frame must not come back.
    levels = ([(10_005, 9)], [(9_990, 8)])
    for each in (
        event.feed(1, False),
        event.feed(1, True),
        event.snapshot(0, book.version, *levels, source=1),
    ):
        stage.sequencer.ingest(each)
        assert_unchanged_by_rehearsals()
    assert (book.best_ask_lots, book.best_bid_lots) == (9, 8)
    stage.frame(0, DepthUpdate(book.version + 1, book.version + 1, [("100.05", "3")], []))
    assert book.best_ask_lots == 3_000


def test_the_loop_polls_for_as_long_as_it_is_told_to() -> None:
    stage = Stage(0)
    todo = iter([lambda: None, stage.frame])  # the frame once it is kept awake
    until_s = time.monotonic() + 0.3
    keep_awake(
        stage,
        lambda: time.monotonic() > until_s,
        lambda: next(todo, lambda: None)(),
        around_ms=0,
        after_frames_ms=60_000,
    )
    assert len(stage.ear.heard) > 100, "one frame, and it went on rehearsing"


def test_a_frame_wakes_a_loop_that_sleeps() -> None:
    stage = Stage(0, 0)

    async def main() -> None:
        awake = Awake(stage.sequencer)
        awake.rehearse_after(1)
        assert stage.ear.heard == [1], "before it is kept awake it rehearses at once"
        rehearsed = stage.ear.event_after(3)
        work = asyncio.get_running_loop().create_task(awake.keep(around_ms=0, after_frames_ms=5_000))
        stage.sequencer.rehearse_after_frames(asyncio.get_running_loop().call_soon, awake.rehearse_after)
        await asyncio.sleep(0)
        stage.frame(1)
        async with asyncio.timeout(5):
            await rehearsed.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_the_connection_to_ourselves_is_closed_with_the_rest() -> None:
    stage = Stage(0)
    gc.collect()  # what others left open is closed before it is counted
    before = os.listdir("/proc/self/fd")
    keep_awake(stage, lambda: len(stage.ear.heard) >= 40, stage.frame, around_ms=0, after_frames_ms=3)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def unread(link: socket.socket) -> int:
    """The bytes that wait in a socket."""
    (waiting,) = struct.unpack("i", fcntl.ioctl(link, termios.FIONREAD, b"\0" * 4))
    return int(waiting)


def tcp_sockets(names: set[str]) -> Iterator[socket.socket]:
    """Other handles of those of these descriptors that are some."""
    paths = [path for path in (Path(f"/proc/self/fd/{name}") for name in names) if path.is_socket()]
    for path in paths:
        link = socket.socket(fileno=os.dup(int(path.name)))
        if link.family == socket.AF_INET:
            yield link
        else:
            link.close()


def test_what_a_read_of_the_connection_to_ourselves_left_is_read_by_the_next() -> None:
    stage = Stage(0)
    before = set(os.listdir("/proc/self/fd"))
    ends: list[socket.socket] = []

    def leave_some() -> None:
        stage.frame()
        if not ends and len(stage.ear.heard) > 10:
            ends.extend(tcp_sockets(set(os.listdir("/proc/self/fd")) - before))
            for end in ends:
                end.send(b"\0" * 300)

    def is_read() -> bool:
        return bool(ends) and min(unread(end) for end in ends) == 0  # of one end nobody reads

    keep_awake(stage, is_read, leave_some, around_ms=0, after_frames_ms=3)
    assert len(ends) == 2
    assert is_read()
    for end in ends:
        end.close()
