"""A page of shared memory that the core writes its status to and anybody with the file may read, without a lock.

Layout of `status.page`, little-endian: a 64-byte header {magic u64, generation u64}, then two slots of
{generation u64, length u32, crc32 u32, payload}. Generation g is written into slot g % 2 and then announced in the
header, so a writer that is killed halfway leaves the page before it intact. A reader takes a payload only if its
generation and checksum agree: a torn read cannot be mistaken for a page.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.console.status import MAX_PAYLOAD_BYTES

FILE_NAME = "status.page"
MAGIC = int.from_bytes(b"PSTATUS1", "little")
_HEADER_BYTES = 64
_SLOT_HEADER = struct.Struct("<QII")
_SLOT_BYTES = _SLOT_HEADER.size + MAX_PAYLOAD_BYTES
_PAGE_BYTES = _HEADER_BYTES + 2 * _SLOT_BYTES
_READ_ATTEMPTS = 100


class StatusPage:
    """The page of one run directory; writers make it, readers find it."""

    def __init__(self, file: int, *, writable: bool) -> None:
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._map = mmap.mmap(file, _PAGE_BYTES, access=access)
        self._words = memoryview(self._map)[:_HEADER_BYTES].cast("Q")

    @classmethod
    def create(cls, run_dir: Path | str) -> Self:
        """The page for writing; one that is already there goes on from its generation."""
        file = os.open(Path(run_dir) / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < _PAGE_BYTES:
                os.posix_fallocate(file, 0, _PAGE_BYTES)
            page = cls(file, writable=True)
        finally:
            os.close(file)
        page._words[0] = MAGIC
        return page

    @classmethod
    def open(cls, run_dir: Path | str) -> Self:
        """The page for reading; raises FileNotFoundError where there is none, ValueError where it is none of ours."""
        file = os.open(Path(run_dir) / FILE_NAME, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(file).st_size < _PAGE_BYTES:
                raise ValueError(f"{FILE_NAME} is shorter than a status page")
            page = cls(file, writable=False)
        finally:
            os.close(file)
        if page._words[0] != MAGIC:
            page.close()
            raise ValueError(f"{FILE_NAME} is not a status page of this version")
        return page

    @property
    def generation(self) -> int:
        """How many payloads have been written so far."""
        return self._words[1]

    def write(self, payload: bytes) -> None:
        """Publish `payload`; raises ValueError above 64 KiB. One writer at a time."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"a status of {len(payload)} bytes does not fit into {MAX_PAYLOAD_BYTES}")
        generation = self._words[1] + 1
        start = _HEADER_BYTES + (generation % 2) * _SLOT_BYTES
        _SLOT_HEADER.pack_into(self._map, start, generation, len(payload), zlib.crc32(payload))
        body = start + _SLOT_HEADER.size
        self._map[body : body + len(payload)] = payload
        self._words[1] = generation

    def read(self) -> bytes | None:
        """The newest payload; None where nothing has been written, or none could be had whole in many attempts."""
        for _ in range(_READ_ATTEMPTS):
            generation = self._words[1]
            if generation == 0:
                return None
            start = _HEADER_BYTES + (generation % 2) * _SLOT_BYTES
            found, length, checksum = _SLOT_HEADER.unpack_from(self._map, start)
            if found != generation or length > MAX_PAYLOAD_BYTES:
                continue
            body = start + _SLOT_HEADER.size
            payload = self._map[body : body + length]
            if zlib.crc32(payload) == checksum:
                return payload
        return None

    def close(self) -> None:
        """Unmap the page; the file stays."""
        self._words.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
