"""A flag in shared memory that halts trading even while the core's loop is busy.

`halt.flag` is one 4 KiB page, little-endian: {magic u64} at 0 and {word u64} at 64, a cache line of its own. A word
other than zero means halt. Anybody who may write the file sets it; the core reads it before every event and intent
(through `word_address`), and clears it when a resume has been journaled.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Self

FILE_NAME = "halt.flag"
MAGIC = int.from_bytes(b"PHALT001", "little")
PAGE_BYTES = 4096
WORD_OFFSET = 64


class HaltFlag:
    """The flag of one run directory; made where it is absent, left as it is where it is there."""

    def __init__(self, run_dir: Path | str) -> None:
        path = Path(run_dir) / FILE_NAME
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < PAGE_BYTES:
                os.posix_fallocate(file, 0, PAGE_BYTES)
            self._map = mmap.mmap(file, PAGE_BYTES)
        finally:
            os.close(file)
        self._words = memoryview(self._map).cast("Q")
        if self._words[0] not in (0, MAGIC):
            self.close()
            raise ValueError(f"{path} is not a halt flag of this version")
        self._words[0] = MAGIC

    def set(self) -> None:
        """Halt: takes effect before the core's next event or intent."""
        self._words[WORD_OFFSET // 8] = 1

    def clear(self) -> None:
        """Take the halt back; only the core does this, when a resume has been journaled."""
        self._words[WORD_OFFSET // 8] = 0

    @property
    def is_set(self) -> bool:
        """Whether a halt is asked for."""
        return self._words[WORD_OFFSET // 8] != 0

    @property
    def word_address(self) -> int:
        """The address of the word, for compiled code that reads it; good until `close`."""
        pointer = ctypes.c_uint64.from_buffer(self._map, WORD_OFFSET)
        address = ctypes.addressof(pointer)
        del pointer
        return address

    def close(self) -> None:
        """Unmap the flag; the file and its state stay."""
        self._words.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
