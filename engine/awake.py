"""When the loop polls instead of sleeping: around a known opening, and for a little while after each frame (`run.spin`).

A processor that was asleep, and code that has not run for a second, cost several times what the code itself does (figures:
docs/benchmarks.md). So around an opening the loop stays awake, and the way of an order is rehearsed up to its first byte;
while it polls after frames the same is done for every instrument in turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

SPIN_NS = 3_000_000
IDLE_CHECK_S = 0.001
LOOK_S = 0.05
REHEARSE_NS = 2_000_000
REHEARSE_SPINNING_NS = 500_000
REHEARSED_AT_ONCE = 4


class Awake:
    """Keeps the loop from sleeping. frames() counts what came; openings(from_ns, to_ns) names the instruments whose known
    opening lies in a span of UTC; rehearse(instrument) goes the way of an order on one; instruments() is how many there are.
    """

    def __init__(
        self,
        frames: Callable[[], int],
        openings: Callable[[int, int], Sequence[int]],
        rehearse: Callable[[int], None],
        instruments: Callable[[], int],
    ) -> None:
        self._frames = frames
        self._openings = openings
        self._rehearse = rehearse
        self._instruments = instruments
        self._turn = 0

    async def keep(self, *, around_ms: int, after_frames: bool) -> None:
        """Poll from `around_ms` before an opening until as long after it, 0: never, and rehearse every REHEARSE_NS.

        With `after_frames` poll also until SPIN_NS after the newest frame, and rehearse one instrument after another.
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
            if now_ns >= rehearse_at_ns and (opening or now_ns < awake_until_ns):
                for instrument in opening[:REHEARSED_AT_ONCE] or self._next():
                    self._rehearse(instrument)
                rehearse_at_ns = now_ns + (REHEARSE_NS if opening else REHEARSE_SPINNING_NS)
            # A sleep of 0 has the loop poll its sockets without waiting.
            is_awake = opening or now_ns < awake_until_ns
            await asyncio.sleep(0 if is_awake else IDLE_CHECK_S if after_frames else LOOK_S)

    def _next(self) -> Sequence[int]:
        """The instrument whose turn it is, as a sequence; an empty one where there is none."""
        count = self._instruments()
        self._turn += 1
        return (self._turn % count,) if count else ()
