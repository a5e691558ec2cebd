"""When the loop polls instead of sleeping: around a known opening, and for a little while after each frame (`run.spin`).

A processor that was asleep, and code that has not run for a second, cost several times what the code itself does (figures:
docs/benchmarks.md). So around an opening the loop stays awake, and the way of an order is rehearsed up to its first byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

SPIN_NS = 3_000_000
IDLE_CHECK_S = 0.001
LOOK_S = 0.05
REHEARSE_NS = 2_000_000
REHEARSED_AT_ONCE = 4


async def stay_awake(
    frames: Callable[[], int],
    openings: Callable[[], Sequence[int]],
    rehearse: Callable[[int], None],
    *,
    after_frames: bool,
) -> None:
    """Keep the loop from sleeping while `openings` names an instrument, which is rehearsed every REHEARSE_NS.

    With `after_frames` also until SPIN_NS after the newest frame; `frames` counts them.
    """
    seen, awake_until_ns, look_at_ns, rehearse_at_ns = frames(), 0, 0, 0
    opening: Sequence[int] = ()
    while True:
        now_ns = time.monotonic_ns()
        if after_frames and (count := frames()) != seen:
            seen, awake_until_ns = count, now_ns + SPIN_NS
        if now_ns >= look_at_ns:
            opening, look_at_ns = openings(), now_ns + int(LOOK_S * 1e9)
        if opening and now_ns >= rehearse_at_ns:
            for instrument in opening[:REHEARSED_AT_ONCE]:
                rehearse(instrument)
            rehearse_at_ns = now_ns + REHEARSE_NS
        # A sleep of 0 has the loop poll its sockets without waiting.
        is_awake = opening or now_ns < awake_until_ns
        await asyncio.sleep(0 if is_awake else IDLE_CHECK_S if after_frames else LOOK_S)
