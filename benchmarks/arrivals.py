"""When a message became readable at its receiver's socket, by the kernel itself (tracepoint sock:sk_data_ready).

For root, where the kernel has tracefs. The clock right before a sender's system call is early by whatever keeps the sender from
getting there, the clock after it is late.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

TRACEFS = Path("/sys/kernel/tracing/instances")
NAME = "penstock-arrivals"
BUFFER_KB = 1024
ROW = re.compile(r"-(?P<tid>\d+)\s+\[\d+\].*?\s(?P<s>\d+)\.(?P<us>\d{6}): sk_data_ready: family=1 ")


class Arrivals:
    """Of messages over Unix sockets, since it was entered: `by_thread` of those that a thread sent, ns UTC, to the microsecond.

    `is_known` is False where this cannot be measured; then there are none.
    """

    def __init__(self) -> None:
        self.instance = TRACEFS / NAME
        self.is_known = False

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """While this context lasts."""
        with contextlib.suppress(OSError):
            self.instance.mkdir(exist_ok=True)
            self._write("trace_clock", "mono")
            self._write("buffer_size_kb", str(BUFFER_KB))
            self._write("events/sock/sk_data_ready/filter", "family == 1")
            self._write("events/sock/sk_data_ready/enable", "1")
            self._write("tracing_on", "1")
            self.is_known = os.access(self.instance / "trace", os.R_OK)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._write("events/sock/sk_data_ready/enable", "0")
                self.instance.rmdir()

    def _write(self, file: str, text: str) -> None:
        (self.instance / file).write_text(text)

    def by_thread(self, tid: int) -> list[int]:
        """What it sent since the last call."""
        if not self.is_known:
            return []
        offset_ns = time.time_ns() - time.monotonic_ns()
        rows = ROW.finditer((self.instance / "trace").read_text())
        found = [
            int(row["s"]) * 10**9 + int(row["us"]) * 1000 + offset_ns
            for row in rows
            if int(row["tid"]) == tid
        ]
        self._write("trace", "")
        return found
