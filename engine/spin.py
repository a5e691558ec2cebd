"""Adaptive spin: poll for a little while after the last frame, because waking up costs more than all our code.

Halves the latency and costs a core while frames come in (facts: docs/benchmarks.md); off by default.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

SPIN_NS = 3_000_000
IDLE_CHECK_S = 0.001


async def spin(frames: Callable[[], int]) -> None:
    """Keep the loop from sleeping until SPIN_NS after the newest frame; `frames` counts them."""
    seen, until_ns = frames(), 0
    while True:
        count = frames()
        if count != seen:
            seen, until_ns = count, time.monotonic_ns() + SPIN_NS
        # A sleep of 0 has the loop poll its sockets without waiting.
        await asyncio.sleep(0 if time.monotonic_ns() < until_ns else IDLE_CHECK_S)
