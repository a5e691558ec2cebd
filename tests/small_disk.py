"""A real filesystem of a given size, for tests that fill it: a tmpfs, or an ext4 image on a loop device."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MB = 1 << 20


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
        """Let somebody else's file take, or give back, what there is but so many bytes."""
        with self._ballast.open("ab") as file:
            size = os.fstat(file.fileno()).st_size
            wanted = max(0, size + self.free_bytes - free_bytes)
            if wanted > size:
                os.posix_fallocate(file.fileno(), 0, wanted)
            else:
                os.ftruncate(file.fileno(), wanted)


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount it at `path`; the test is skipped, with the reason, where neither kind can be mounted."""
    path.mkdir()
    said = _mount(path, ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs"])
    image = path.with_suffix(".img")
    if said:
        with image.open("wb") as file:
            file.truncate(megabytes * MB)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], capture_output=True, text=True)
        said += "; " + (made.stderr.strip() or _mount(path, ["-o", "loop", str(image)]))
    if said and not os.path.ismount(path):
        pytest.skip(f"no small filesystem can be mounted: {said}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        image.unlink(missing_ok=True)


def _mount(path: Path, arguments: list[str]) -> str:
    """Why it could not be mounted, empty where it was."""
    try:
        done = subprocess.run(["mount", *arguments, str(path)], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"mount ended with {done.returncode}"
