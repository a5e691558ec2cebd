"""The journal's readers on files: `LogReader`, `verify` and `check_recovered`. Input: edits to a log of two segments.

The first byte says how many of the log's bytes behind the headers are edited, and whether the checksums are made right again.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import struct
import tempfile
from pathlib import Path

from native.hashing import crc32c_of
from native.log_errors import LogError
from native.log_reader import LogReader, Segment, copy_path, segment_path
from native.log_verify import verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import HEADER_BYTES, SEAL_SIZE, chain

STEM = "journal"
PAYLOADS = [bytes([index]) * (1 + index * 37 % 400) for index in range(24)]
_SIZE, _RECORD = struct.Struct("<I"), struct.Struct("<IIQ")


def _scratch() -> Path:
    """A folder in memory, where there is one."""
    shm = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="penstock-fuzz-", dir=shm if os.access(shm, os.W_OK) else None))


def _written() -> dict[str, bytes]:
    folder = _scratch()
    try:
        with LogWriter(
            folder, stem=STEM, run_id="abcdef012345", chained=True, sync=True, segment_bytes=4096
        ) as log:
            for payload in PAYLOADS:
                log.append(payload)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    finally:
        shutil.rmtree(folder)


FILES = _written()
NAMES = sorted(name for name in FILES if name.endswith(".log"))
HEAD_HASH = chain(PAYLOADS).hex()
FOLDER = _scratch()
_on_disk: dict[str, bytes] = {}
atexit.register(shutil.rmtree, FOLDER)


def seeds() -> list[bytes]:
    """Edits of each kind: (segment, action, offset of 2 bytes, value)."""
    edits = [
        (0, 0, 200, 1),
        (1, 0, 150, 128),
        (0, 1, 1000, 32),
        (1, 2, 600, 9),
        (0, 3, 128, 64),
        (1, 4, 0, 0),
        (0, 5, 3, 7),
    ]
    packed = [struct.pack(">BBHB", *edit) for edit in edits]
    return [b"\0", *(bytes([how]) + edit for edit in packed for how in (0, 1)), b"\1" + b"".join(packed[:4])]


def edited(name: str, data: bytearray, action: int, offset: int, value: int) -> None:
    """One edit: a bit, zeros, a cut, a copy, the end, or a byte of the header."""
    span = max(len(data) - HEADER_BYTES, 1)
    at = HEADER_BYTES + offset % span
    if action == 0 and at < len(data):
        data[at] ^= 1 << value % 8
    elif action == 1:
        data[at : at + value] = bytes(min(value, max(len(data) - at, 0)))
    elif action == 2:
        del data[at : at + value]
    elif action == 3:
        to = HEADER_BYTES + offset * 7 % span
        data[to : to + value] = data[at : at + value]
    elif action == 4:
        del data[at:]
    elif data:
        data[offset % min(HEADER_BYTES, len(data))] = value


def repair(data: bytearray) -> None:
    """Makes the records' checksums right, as somebody with a hex editor and a calculator would."""
    at = HEADER_BYTES
    while at + _RECORD.size <= len(data):
        (size,) = _SIZE.unpack_from(data, at)
        if size in (0, SEAL_SIZE) or at + 16 + size > len(data):
            return
        crc = crc32c_of(struct.pack("<Q", size) + bytes(data[at + 8 : at + 16 + size])) or 0xFFFFFFFF
        _SIZE.pack_into(data, at + 4, crc)
        at += 16 + (size + 7 & ~7) + 32


def check(data: bytes) -> None:
    """A changed record is never verified, the reader says LogError or gives what was written, and no file does any harm."""
    if not data:
        return
    how, files = data[0], {name: bytearray(FILES[name]) for name in NAMES}
    header_touched = False
    for at in range(1, min(len(data) - 4, 40), 5):
        segment, action, offset, value = struct.unpack_from(">BBHB", data, at)
        name, action = NAMES[segment % len(NAMES)], action % 6
        header_touched |= action == 5
        edited(name, files[name], action, offset, value)
    for name, raw in files.items():
        if how & 1:
            repair(raw)
        if _on_disk.get(name) != raw:
            (FOLDER / name).write_bytes(raw)
            _on_disk[name] = bytes(raw)
    with contextlib.suppress(LogError):
        report = verify(FOLDER, STEM)
        if report.ok and report.head_hash == HEAD_HASH:
            assert [bytes(view) for _, view in LogReader(FOLDER, STEM)] == PAYLOADS
        elif report.ok and not header_touched:
            # What was cut off whole is what a signed checkpoint tells; the chain says that what is left is as it was.
            assert report.head_hash == chain(PAYLOADS[: report.records]).hex(), (
                f"a changed log is verified: {report}"
            )
    read = []
    with contextlib.suppress(LogError):
        for index, view in LogReader(FOLDER, STEM):
            read.append((index, bytes(view)))
    first = read[0][0] if read else 0
    assert [index for index, _ in read] == list(range(first, first + len(read)))
    if not how & 1:  # the reader goes by the checksums; that they were made right again is for verify to tell
        assert all(payload == PAYLOADS[index] for index, payload in read)
    for number, name in enumerate(NAMES):
        if len(files[name]) >= HEADER_BYTES:
            part = Segment(segment_path(FOLDER, STEM, number), number)
            assert len(part.build) <= 24 and len(part.run_id) <= 16
    assert not copy_path(FOLDER, STEM, 0).exists()
