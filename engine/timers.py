"""Timers of strategies and of the house: due times in, sequenced TIMER events out."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from engine.core import event

NO_STRATEGY = 0xFFFF
HOUSEKEEPING_NS = 1_000_000_000
MAX_TIMERS = 4096


class Timers:
    """Fires what is due in the order of due time, then strategy, then timer id: the order a replay has, too."""

    def __init__(self, ingest: Callable[[bytes], object], now_ns: Callable[[], int]) -> None:
        self._ingest = ingest
        self._now_ns = now_ns
        self._due: list[tuple[int, int, int]] = []
        self._armed: asyncio.TimerHandle | None = None
        self.refused = 0

    def set(self, timer_id: int, strategy: int, due_ns: int) -> None:
        """Add a timer; beyond MAX_TIMERS it is refused and counted."""
        if len(self._due) >= MAX_TIMERS:
            self.refused += 1
            return
        heapq.heappush(self._due, (due_ns, strategy, timer_id))
        self._arm()

    def keep_house(self) -> None:
        """Start the housekeeping timer, once a second for the session's life."""
        self.set(0, NO_STRATEGY, self._now_ns() + HOUSEKEEPING_NS)

    def close(self) -> None:
        """Fire no more."""
        self._due.clear()
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
        wait_s = max(0.0, (self._due[0][0] - self._now_ns()) / 1e9)
        self._armed = asyncio.get_running_loop().call_later(wait_s, self._fire)

    def _fire(self) -> None:
        now_ns = self._now_ns()
        self._armed = None
        while self._due and self._due[0][0] <= now_ns:
            due_ns, strategy, timer_id = heapq.heappop(self._due)
            if strategy == NO_STRATEGY:
                heapq.heappush(self._due, (now_ns + HOUSEKEEPING_NS, strategy, timer_id))
            self._ingest(event.timer(timer_id, strategy, due_ns))
        if self._due and self._armed is None:
            self._arm()
