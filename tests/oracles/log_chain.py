"""The log format's plain-Python twin: parses segment files and computes the hash chain with hashlib."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 128
SEAL_BYTES = 64
SEAL_SIZE = 0xFFFFFFFF
GENESIS = bytes(32)


def chain(payloads: Iterable[bytes], first_index: int = 0, head: bytes = GENESIS) -> bytes:
    """hash_i = SHA256(hash_{i-1} || size || index || payload), over all payloads."""
    for index, payload in enumerate(payloads, first_index):
        head = hashlib.sha256(head + struct.pack("<IQ", len(payload), index) + payload).digest()
    return head


@dataclass(frozen=True)
class RawRecord:
    """Where a record stands in its segment file, and what it holds."""

    offset: int
    stride: int
    index: int
    payload: bytes
    stored_hash: bytes


def parse(path: Path) -> list[RawRecord]:
    """The records of one chained segment, by the layout alone: no checksum is looked at."""
    raw = path.read_bytes()
    found = []
    offset = HEADER_BYTES
    while offset + 16 <= len(raw):
        size, _, index = struct.unpack_from("<IIQ", raw, offset)
        if size in (0, SEAL_SIZE):
            break
        body = offset + 16
        hash_at = body + (size + 7) // 8 * 8
        stride = hash_at + 32 - offset
        found.append(RawRecord(offset, stride, index, raw[body : body + size], raw[hash_at : hash_at + 32]))
        offset += stride
    return found
