"""The loop that polls instead of sleeping: around which openings it does, and what it rehearses meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from engine.awake import LOOK_S, REHEARSED_AT_ONCE, Awake


def awake_run(openings: Callable[[], list[int]], done: Callable[[list[int]], bool]) -> list[int]:
    """What was rehearsed until `done`, or until 5 s are over."""
    rehearsed: list[int] = []

    def span(from_ns: int, to_ns: int) -> list[int]:
        assert to_ns - from_ns == 2 * 2_000_000_000
        assert from_ns < time.time_ns() < to_ns
        return openings()

    async def main() -> None:
        work: asyncio.Task[Any] = asyncio.get_running_loop().create_task(
            Awake(lambda: 0, span, rehearsed.append, lambda: 0).keep(around_ms=2000, after_frames=False)
        )
        for _ in range(5000):
            if done(rehearsed):
                break
            await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(main())
    return rehearsed


def test_what_is_about_to_open_is_rehearsed_again_and_again() -> None:
    assert set(awake_run(lambda: [3, 8], lambda rehearsed: len(rehearsed) >= 20)) == {3, 8}


def test_only_the_first_few_are_rehearsed_at_once() -> None:
    rehearsed = awake_run(lambda: list(range(40)), lambda rehearsed: len(rehearsed) >= 3 * REHEARSED_AT_ONCE)
    assert set(rehearsed) == set(range(REHEARSED_AT_ONCE))


def test_nothing_is_rehearsed_without_an_opening_and_it_begins_and_ends_with_one() -> None:
    looks = iter([[], [], [5], [], []])
    looked: list[list[int]] = []

    def openings() -> list[int]:
        looked.append(next(looks, []))
        return looked[-1]

    rehearsed = awake_run(openings, lambda _: len(looked) >= 5)
    assert set(rehearsed) == {5}
    # Every 2 ms for as long as one look lasts.
    assert 1 <= len(rehearsed) <= LOOK_S / 0.002 + 1


def test_while_frames_come_every_instrument_is_rehearsed_in_turn() -> None:
    rehearsed: list[int] = []
    frames = iter(range(1_000_000_000))

    async def main() -> None:
        awake = Awake(lambda: next(frames), lambda *_: [], rehearsed.append, lambda: 3)
        work = asyncio.get_running_loop().create_task(awake.keep(around_ms=0, after_frames=True))
        for _ in range(5000):
            if len(rehearsed) >= 9:
                break
            await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(main())
    assert rehearsed[:9] == [1, 2, 0, 1, 2, 0, 1, 2, 0]
