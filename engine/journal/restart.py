"""The restart: the durable state from the newest snapshot and the journal after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.core.engine import Engine
from engine.journal.records import HEADER_BYTES, JOURNAL_STEM, TAPE_STEM, read_log
from engine.journal.snapshots import Snapshot, latest_valid, write_snapshot
from native.log_errors import LogError
from native.log_reader import LogReader, segment_numbers
from native.log_writer import LogWriter

# In front of a snapshot's state: the newest sequence number and the newest time that the core knew.
_STAMP_BYTES = 16


@dataclass(frozen=True, slots=True)
class Restart:
    """What a restart found: journal records, how many of them a snapshot spared, and the highest number given so far."""

    records: int
    from_snapshot: int
    seq: int
    skipped_snapshots: tuple[str, ...]


def restore(core: Engine, run_dir: Path, journal_records: int | None) -> Restart:
    """Bring a fresh core to the durable state of a run's journal of so many records; None for as many as there are.

    The tape only tells which sequence numbers were given.
    """
    journal = run_dir / "journal"
    found = latest_valid(journal, journal_records=journal_records)
    start = 0
    if found.snapshot is not None:
        start = found.snapshot.records
        saved = bytes(found.snapshot.state)
        stamp, state = saved[:_STAMP_BYTES], saved[_STAMP_BYTES:]
        core.load_durable(
            state, int.from_bytes(stamp[:8], "little"), int.from_bytes(stamp[8:], "little", signed=True)
        )
    records = start
    for record in read_log(journal, JOURNAL_STEM, start):
        if not record.is_note:
            core.apply_bytes(record.raw)
        records += 1
    skipped = tuple(f"{path.name}: {reason}" for path, reason in found.skipped)
    return Restart(records, start, max(core.seq, newest_tape_seq(run_dir / "tape")), skipped)


def newest_tape_seq(tape: Path) -> int:
    """The highest sequence number on the tape, 0 where there is none: only the last segments are read."""
    newest = 0
    if segment_numbers(tape, TAPE_STEM):
        for _, payload in LogReader(tape, TAPE_STEM, from_index=newest_segment_start(tape)):
            newest = int.from_bytes(payload[:8], "little")
    return newest


def newest_segment_start(tape: Path) -> int:
    """The first record of the last tape segment that has any."""
    from native.log_reader import Segment, segment_path

    for number in reversed(segment_numbers(tape, TAPE_STEM)):
        try:
            segment = Segment(segment_path(tape, TAPE_STEM, number), number)
        except LogError:
            continue  # prepared ahead on a full disk: it has not even a header
        if segment.valid and any(True for _ in LogReader(tape, TAPE_STEM, from_index=segment.first_index)):
            return segment.first_index
    return 0


def take_snapshot(core: Engine, journal: LogWriter, kept: bytearray) -> Snapshot:
    """The durable state as of the newest journal record, for `write_snapshot`; to be called between two events.

    It lies in `kept`, and holds until the next one is taken there.
    """
    stamp = core.seq.to_bytes(8, "little") + core.now_ns.to_bytes(8, "little", signed=True)
    return Snapshot(journal.records, core.state.durable_copy(kept, stamp))


__all__ = ["HEADER_BYTES", "Restart", "restore", "take_snapshot", "write_snapshot"]
