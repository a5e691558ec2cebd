"""Reading a run's records: which are inputs, which outputs, and both logs merged in the order of their numbers."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.core.enums import EventKind
from engine.journal.archived import check_begins
from native.log_reader import LogReader

JOURNAL_STEM = "journal"
TAPE_STEM = "tape"
# event_t (engine/core/event.pxd): seq, ts_event_ns, ts_recv_ns, kind, source, instrument, length, reserved
_HEADER = struct.Struct("<QqqHHiII")
HEADER_BYTES = _HEADER.size
_COMMAND_AT_INTENT = struct.Struct("<4xI")


class Record(NamedTuple):
    """One record of the tape or journal: `raw` is header and body."""

    seq: int
    kind: int
    raw: bytes

    @property
    def is_note(self) -> bool:
        """Whether it is the rim's own note, no part of a replay."""
        return EventKind.NOTE_SNAPSHOT <= self.kind < EventKind.TAPE_FRAME

    @property
    def is_output(self) -> bool:
        """Whether the core answered it; a halt that the core met between two intents is such an answer."""
        if self.kind == EventKind.COMMAND:
            return bool(_COMMAND_AT_INTENT.unpack_from(self.raw, HEADER_BYTES)[0])
        return EventKind.PLACE <= self.kind < EventKind.NOTE_SNAPSHOT

    @property
    def at_intent(self) -> int:
        """Of a halt met between two intents: the intent, from 1."""
        return int(_COMMAND_AT_INTENT.unpack_from(self.raw, HEADER_BYTES)[0])

    @property
    def ts_recv_ns(self) -> int:
        """When it came in, by our clock."""
        return int(_HEADER.unpack_from(self.raw)[2])

    @property
    def body(self) -> bytes:
        """What follows the header."""
        return self.raw[HEADER_BYTES:]


def parse(raw: bytes) -> Record:
    """A record from its bytes; ValueError where it is shorter than it says."""
    if len(raw) < HEADER_BYTES:
        raise ValueError(f"a record of {len(raw)} bytes is shorter than its header")
    header = _HEADER.unpack_from(raw)
    if len(raw) != HEADER_BYTES + header[6]:
        raise ValueError(
            f"record {header[0]} has {len(raw)} bytes where its header says {HEADER_BYTES + header[6]}"
        )
    return Record(header[0], header[3], raw)


def note(kind: EventKind, seq: int, ts_recv_ns: int, document: bytes) -> bytes:
    """A note of the rim's for the journal."""
    return _HEADER.pack(seq, 0, ts_recv_ns, kind, 0, -1, len(document), 0) + document


def split(outputs: bytes) -> Iterator[bytes]:
    """The single records of what one event brought out."""
    at = 0
    while at < len(outputs):
        end = at + HEADER_BYTES + _HEADER.unpack_from(outputs, at)[6]
        yield outputs[at:end]
        at = end


def read_log(directory: Path, stem: str, from_index: int = 0) -> Iterator[Record]:
    """The records of one log, in order; LogError where the journal's first ones were archived."""
    if stem == JOURNAL_STEM:
        check_begins(directory, from_index)
    for _, payload in LogReader(directory, stem, from_index=from_index):
        yield parse(bytes(payload))


def read_run(run_dir: Path) -> Iterator[Record]:
    """All records of a run by sequence number; the input first, then what it brought out, in the journal's order."""
    tape = ((record.seq, 0, record) for record in read_log(run_dir / "tape", TAPE_STEM))
    journal = ((record.seq, 1, record) for record in read_log(run_dir / "journal", JOURNAL_STEM))
    for _, _, record in heapq.merge(tape, journal, key=lambda item: item[:2]):
        yield record
