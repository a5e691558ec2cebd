"""State snapshots: what the core was after a given journal record, so that a restart replays only the rest.

File `snapshot-<records>.bin`, little-endian: magic, u32 version, u32 reserved, u64 journal records, u64 state
size, state, SHA-256 of everything before it.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from engine.run_dir import sync_folder
from native.hashing import Sha256

MAGIC = b"PSTKSNP1"
VERSION = 1
KEEP = 3
MAX_STATE_BYTES = 1 << 30
_HEAD = struct.Struct("<8sIIQQ")
_DIGEST_BYTES = 32
_NAME = re.compile(r"snapshot-(\d{12})\.bin")


class SnapshotDamaged(Exception):
    """The file is not a whole snapshot of this version."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`state` after the first `records` journal records."""

    records: int
    state: bytes | memoryview

    @property
    def state_hash(self) -> str:
        """SHA-256 of the state, in hex: what the journal notes of it. Others may run meanwhile."""
        return hashlib.sha256(self.state).hexdigest()


@dataclass(frozen=True, slots=True)
class Found:
    """The newest usable snapshot, and what was passed over on the way to it: file and reason."""

    snapshot: Snapshot | None
    skipped: tuple[tuple[Path, str], ...]


def write_snapshot(directory: Path, snapshot: Snapshot, *, keep: int = KEEP) -> Path:
    """Writes atomically (fsync, rename, fsync of the folder) and removes all but the newest `keep`.

    The journal must be durable up to `snapshot.records` before this is called. ValueError for values out of range; after
    an OSError nothing of it is left behind.
    """
    if not 0 <= snapshot.records < 10**12 or keep < 1:
        raise ValueError("a snapshot has 0 <= records < 10^12, and at least one is kept")
    if len(snapshot.state) > MAX_STATE_BYTES:
        raise ValueError(f"a state has at most {MAX_STATE_BYTES} bytes, not {len(snapshot.state)}")
    head = _HEAD.pack(MAGIC, VERSION, 0, snapshot.records, len(snapshot.state))
    path = directory / f"snapshot-{snapshot.records:012d}.bin"
    fresh = path.with_suffix(".tmp")
    try:
        with fresh.open("wb") as file:
            file.write(head)
            file.write(snapshot.state)
            file.write(_digest(head, snapshot.state))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(directory)
    for _, old in _listed(directory)[keep:]:
        old.unlink(missing_ok=True)
    return path


def read_snapshot(path: Path) -> Snapshot:
    """Reads and checks one file; SnapshotDamaged says what is wrong with it, OSError if it cannot be read."""
    raw = path.read_bytes()
    if len(raw) < _HEAD.size + _DIGEST_BYTES:
        raise SnapshotDamaged("shorter than a snapshot's head")
    magic, version, reserved, records, size = _HEAD.unpack_from(raw)
    if magic != MAGIC:
        raise SnapshotDamaged("not a snapshot")
    if version != VERSION or reserved:
        raise SnapshotDamaged(f"version {version}, this build reads {VERSION}")
    if len(raw) != _HEAD.size + size + _DIGEST_BYTES:
        raise SnapshotDamaged(f"{len(raw)} bytes long, its head says {_HEAD.size + size + _DIGEST_BYTES}")
    state = raw[_HEAD.size : _HEAD.size + size]
    if _digest(raw[: _HEAD.size], state) != raw[-_DIGEST_BYTES:]:
        raise SnapshotDamaged("fails its checksum")
    return Snapshot(records, state)


def latest_valid(directory: Path, *, journal_records: int | None = None) -> Found:
    """The newest snapshot that is whole and, where `journal_records` is given, not ahead of the journal."""
    skipped: list[tuple[Path, str]] = []
    for records, path in _listed(directory):
        try:
            snapshot = read_snapshot(path)
        except (SnapshotDamaged, OSError) as error:
            skipped.append((path, str(error)))
            continue
        if snapshot.records != records:
            skipped.append((path, f"holds the state after {snapshot.records} records: the file was renamed"))
        elif journal_records is not None and records > journal_records:
            skipped.append((path, f"is ahead of the journal, which has {journal_records} records"))
        else:
            return Found(snapshot, tuple(skipped))
    return Found(None, tuple(skipped))


def all_valid(directory: Path) -> list[Snapshot]:
    """Every snapshot that is whole, the newest first."""
    found = []
    for records, path in _listed(directory):
        try:
            snapshot = read_snapshot(path)
        except (SnapshotDamaged, OSError):
            continue
        if snapshot.records == records:
            found.append(snapshot)
    return found


def _listed(directory: Path) -> list[tuple[int, Path]]:
    """Snapshot files, newest first."""
    matches = ((_NAME.fullmatch(path.name), path) for path in directory.iterdir())
    return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)


def _digest(head: bytes, state: bytes | memoryview) -> bytes:
    running = Sha256()
    running.update(head)
    running.update(state)
    return running.digest()
