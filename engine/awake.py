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


class Awake:
    """Keeps the loop from sleeping. frames() counts what came; openings(from_ns, to_ns) names the instruments whose known
    opening lies in a span of UTC; rehearse(instrument) goes the way of an order on one.
    """

    def __init__(
        self,
        frames: Callable[[], int],
        openings: Callable[[int, int], Sequence[int]],
        rehearse: Callable[[int], None],
    ) -> None:
        self._frames = frames
        self._openings = openings
        self._rehearse = rehearse

    async def keep(self, *, around_ms: int, after_frames: bool) -> None:
        """Poll from `around_ms` before an opening until as long after it, 0: never, and rehearse every REHEARSE_NS.

        With `after_frames` poll also until SPIN_NS after the newest frame.
        """
        around_ns = around_ms * 1_000_000
        seen, awake_until_ns, look_at_ns, rehearse_at_ns = self._frames(), 0, 0, 0
        opening: Sequence[int] = ()
        while True:
            now_ns = time.monotonic_ns()
            if after_frames and (count := self._frames()) != seen:
                seen, awake_until_ns = count, now_ns + SPIN_NS
            if around_ns and now_ns >= look_at_ns:
                wall_ns = time.time_ns()
                opening = self._openings(wall_ns - around_ns, wall_ns + around_ns)
                look_at_ns = now_ns + int(LOOK_S * 1e9)
            if opening and now_ns >= rehearse_at_ns:
                for instrument in opening[:REHEARSED_AT_ONCE]:
                    self._rehearse(instrument)
                rehearse_at_ns = now_ns + REHEARSE_NS
            # A sleep of 0 has the loop poll its sockets without waiting.
            is_awake = opening or now_ns < awake_until_ns
            await asyncio.sleep(0 if is_awake else IDLE_CHECK_S if after_frames else LOOK_S)
