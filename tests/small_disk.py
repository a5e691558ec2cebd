"""A real filesystem of a given size, for tests that fill it: a tmpfs, or an ext4 image on a loop device."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MB = 1 << 20
BLOCK_BYTES = 4096


class SmallDisk:
    """One that is mounted at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    @property
    def free_bytes(self) -> int:
        """What is left for others than root."""
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def leave(self, free_bytes: int) -> None:
        """Let somebody else's file take, or give back, what there is but so many bytes, to a few blocks."""
        with self._ballast.open("ab") as file:
            size = os.fstat(file.fileno()).st_size
            wanted = max(0, size + self.free_bytes - free_bytes)
            if wanted <= size:
                os.ftruncate(file.fileno(), wanted)
            while wanted > size:
                try:
                    os.posix_fallocate(file.fileno(), 0, wanted)
                    return
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    wanted -= BLOCK_BYTES  # the filesystem itself needed some


@contextmanager
def small_disk(path: Path, megabytes: int, kind: str = "tmpfs") -> Iterator[SmallDisk]:
    """Mount a tmpfs, or ext4 on a loop device, at `path`; the test is skipped, with the reason, where that cannot be."""
    path.mkdir()
    image = path.with_suffix(".img")
    if kind == "tmpfs":
        said = _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(path))
    else:
        with image.open("wb") as file:
            file.truncate(megabytes * MB)
        said = _run("mkfs.ext4", "-q", "-m", "0", str(image)) or _run(
            "mount", "-o", "loop", str(image), str(path)
        )
    if said:
        pytest.skip(f"no small {kind} can be mounted: {said}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        image.unlink(missing_ok=True)


def _run(*command: str) -> str:
    """Why it failed, empty where it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{command[0]} ended with {done.returncode}"
