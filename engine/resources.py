"""What the process may run out of: disk and memory, looked at once a second."""

from __future__ import annotations

import os
import time
from pathlib import Path

DISK_FINE, DISK_LOW, DISK_OUT = 0, 1, 2
MB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def disk_state(directory: Path, reduce_below: int, halt_below: int) -> int:
    """DISK_LOW under `reduce_below` free bytes: reduce only. DISK_OUT under `halt_below`: halt."""
    facts = os.statvfs(directory)
    free = facts.f_bavail * facts.f_frsize
    return DISK_OUT if free < halt_below else DISK_LOW if free < reduce_below else DISK_FINE


def anonymous_memory_mb() -> float:
    """Resident memory that belongs to this process alone: RssAnon, resident less shared (/proc/self/statm, proc(5))."""
    # Once a second, amid market data: with a file of Python's it takes 10 us, so 6.
    file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _, resident, shared, *_ = os.read(file, PAGE_BYTES).split()
    finally:
        os.close(file)
    return (int(resident) - int(shared)) * PAGE_BYTES / MB


def process_age_s() -> float:
    """Seconds since this process was started, to the clock tick (starttime of /proc/self/stat, proc(5))."""
    with open("/proc/self/stat", encoding="utf-8") as file:
        after_name = file.read().rpartition(")")[2].split()
    started_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
