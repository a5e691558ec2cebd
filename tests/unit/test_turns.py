"""The loop's turns are counted and measured, and the collector is kept out of the way."""

from __future__ import annotations

import asyncio
import gc
import mmap
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from engine.garbage import MADE_MOST, Garbage
from engine.resources import anonymous_memory_mb, process_age_s
from engine.turns import Turns


def burn(cpu_ms: int) -> None:
    """Take so much processor time."""
    until_ns = time.thread_time_ns() + cpu_ms * 1_000_000
    while time.thread_time_ns() < until_ns:
        pass


def measured(work: Callable[[], Awaitable[None]]) -> Turns:
    turns = Turns(long_ns=5_000_000)

    async def main() -> None:
        turns.start(asyncio.get_running_loop())
        await work()
        turns.stop()
        await asyncio.sleep(0)

    uvloop.run(main())
    return turns


def test_a_long_turn_is_told() -> None:
    async def work() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        burn(8)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    before_ns = time.monotonic_ns()
    turns = measured(work)
    assert before_ns <= turns.began_ns <= time.monotonic_ns()
    assert turns.histogram.count >= 5
    assert turns.n_long >= 1
    assert len(turns.long_turns()) == turns.n_long
    assert all(at_s >= 0 and took_ns > 5_000_000 for at_s, took_ns in turns.long_turns())
    assert turns.histogram.max == max(took_ns for _, took_ns in turns.long_turns())


def test_a_turn_is_not_what_it_waits() -> None:
    async def work() -> None:
        await asyncio.sleep(0.03)
        await asyncio.sleep(0.03)

    turns = measured(work)
    assert turns.histogram.count
    assert turns.histogram.mean < 30_000_000


def test_the_newest_long_turns_are_kept() -> None:
    turns = Turns(long_ns=0)

    async def main() -> None:
        turns.start(asyncio.get_running_loop())
        for _ in range(400):
            await asyncio.sleep(0)
        turns.stop()
        await asyncio.sleep(0)

    uvloop.run(main())
    assert turns.n_long > 256
    kept = turns.long_turns()
    assert len(kept) == 256
    assert kept == sorted(kept, key=lambda each: each[0])


def test_turns_are_measured_once() -> None:
    async def main() -> None:
        turns = Turns()
        turns.start(asyncio.get_running_loop())
        with pytest.raises(RuntimeError, match="measured already"):
            turns.start(asyncio.get_running_loop())
        turns.stop()
        turns.stop()
        await asyncio.sleep(0)

    uvloop.run(main())


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.usefixtures("collector")
def test_garbage_is_collected_where_there_is_some() -> None:
    observed: list[str] = []
    garbage = Garbage(lambda stage, ns: observed.append(stage))
    garbage.freeze()
    try:
        assert not gc.isenabled()
        garbage.collect_where_due()
        assert garbage.collections == 0
        for _ in range(MADE_MOST):
            cycle: list[object] = []
            cycle.append(cycle)
        garbage.collect_where_due()
        assert garbage.collections == 1
        assert observed == ["collect"]
        garbage.collect_where_due()
        assert garbage.collections == 1
    finally:
        garbage.close()
    gc.collect()
    assert garbage.collections == 1


def test_the_process_knows_its_age_and_memory() -> None:
    assert 0 < process_age_s() < 86_400
    before_mb = anonymous_memory_mb()
    # Memory of its own: the allocator may have some left that was used before.
    with mmap.mmap(-1, 16 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"x" * (16 << 20))
        assert anonymous_memory_mb() - before_mb > 8
