"""One core per run directory: an exclusive lock that says who holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

LOCK_NAME = "lock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LockHeld(Exception):
    """Another process works in this run directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{directory} is in use by {holder}: two engines on one journal or account are never right. "
            "Stop that one, or choose another run directory."
        )
        self.directory = directory
        self.pid = pid


def boot_id(source: Path = BOOT_ID) -> str:
    """This boot's id; process ids mean nothing across boots. "unknown" where the system does not say."""
    try:
        return source.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


class RunLock:
    """Holds a run directory from construction to `release`; the kernel releases it when the process dies.

    `taken_over_from` is the process that held it last and did not release it, None after a clean end.
    Raises LockHeld.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / LOCK_NAME
        self.taken_over_from: int | None = None
        self._fd: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(self._fd)
            os.close(self._fd)
            self._fd = None
            raise LockHeld(directory, pid) from None
        self.taken_over_from = _holder(self._fd, any_boot=True)
        self._write(f"{os.getpid()} {boot_id()}\n")

    def _write(self, text: str) -> None:
        assert self._fd is not None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode("ascii"), 0)

    def release(self) -> None:
        """Gives the directory free; a second call does nothing."""
        if self._fd is None:
            return
        self._write("")
        os.close(self._fd)
        self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(fd: int, *, any_boot: bool = False) -> int | None:
    """The process named in the lock file; None where there is none, or it lived before this boot."""
    words = os.pread(fd, 200, 0).decode("ascii", "replace").split()
    if len(words) != 2 or not words[0].isdecimal() or (words[1] != boot_id() and not any_boot):
        return None
    return int(words[0])
