"""The venue's clock: the system's, or one that only moves when it is told to."""

from __future__ import annotations

import time


class Clock:
    """Nanoseconds UTC that never run backwards."""

    def __init__(self, manual_start_ns: int | None = None) -> None:
        self.is_manual = manual_start_ns is not None
        self._now_ns = manual_start_ns or 0

    def now_ns(self) -> int:
        """Now."""
        if not self.is_manual:
            self._now_ns = max(self._now_ns, time.time_ns())
        return self._now_ns

    def now_ms(self) -> int:
        """Now in milliseconds, as MEXC gives its times."""
        return self.now_ns() // 1_000_000

    def step(self, delta_ns: int) -> int:
        """Move a manual clock on; returns the new time."""
        if not self.is_manual:
            raise ValueError("this clock is the system's")
        self._now_ns += delta_ns
        return self._now_ns
