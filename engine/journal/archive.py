"""Old segments of a journal, compressed into a folder of their own, and back.

`<archive>/<run id>/` holds `journal-<number>.log.gz` and `manifest.json`: of each segment its number, sequence of record
indexes, chain hashes at both ends, sizes and SHA-256. Nothing is removed from a journal before it is here, on disk, was read
back and compared. What is interrupted anywhere is taken up by the next try.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.core.enums import EventKind
from engine.errors import UserError
from engine.journal.archived import FILE_NAME as MARKER_NAME
from engine.journal.archived import STEM, Archived, encode, locked, read_archived
from engine.journal.records import parse
from engine.journal.snapshots import Snapshot, all_valid
from engine.run_dir import RunDir, sync_folder, write_atomically
from native.log_errors import LogError
from native.log_reader import LogReader, segment_numbers, segment_path
from native.log_verify import Damage, VerifyReport, verify

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = 1
CHUNK_BYTES = 1 << 20
KEEP_SEGMENTS = 4
# native/log_format.h
_HEADER = struct.Struct("<8sIIQQq16s24s32sQII")
_SEAL = struct.Struct("<IIQ32sQQ")
_FINISHED = 0x4853494E49464F4C

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ArchivedSegment:
    """One segment in the archive: records `first_index` to `next_index` - 1, the chain's hash before and after them."""

    number: int
    file: str
    first_index: int
    next_index: int
    previous_hash: str
    head_hash: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an archiving did, or would do: segments now in the archive only, their bytes, and what stands in the way."""

    folder: Path
    segments: tuple[int, ...]
    records: int
    bytes: int
    archived_bytes: int
    kept_because: str


def _nothing(done: int, total: int) -> None:
    """No progress is shown."""


def archive(
    run: RunDir, to: Path, *, keep: int = KEEP_SEGMENTS, dry_run: bool = False, progress: Progress = _nothing
) -> Outcome:
    """Move the segments that no restart needs to the archive `to`; the run may go on meanwhile.

    The journal must be whole: LogError, or UserError where it is not, where another archive was begun, or where the folder
    cannot be written. `progress` gets bytes done and in all.
    """
    folder = to.resolve() / run.run_id
    before = read_archived(run.journal)
    if before is not None and Path(before.folder) != folder:
        raise UserError(
            f"{before}: name that archive, --to {Path(before.folder).parent}, or restore it first"
        )
    verify_here(run)
    chosen, because = _removable(run.journal, keep)
    facts = [_facts(run.journal, number) for number in chosen]
    total = sum(each.bytes for each in facts)
    records = facts[-1].next_index if facts else before.records if before else 0
    if dry_run or not facts:
        return Outcome(folder, tuple(chosen), records, total, 0, because)
    try:
        with _held(folder):
            stored = _store(run, folder, facts, progress)
            _remove(run, folder, facts)
    except OSError as error:
        raise UserError(
            f"the archive {folder} cannot be written: {error}. Nothing was lost; try again."
        ) from None
    return Outcome(folder, tuple(chosen), records, total, stored, because)


def verify_here(run: RunDir) -> VerifyReport:
    """Verify the segments that are here; LogError where they are damaged, or do not meet what was archived."""
    report, archived = verify_beginning(run)
    if not report.ok:
        raise LogError(
            f"it is damaged at record {report.index} (segment {report.segment}, offset {report.offset}): "
            f"{report.damage.value}"
        )
    if archived is not None and report.first == archived.records and report.first_hash != archived.head_hash:
        raise LogError(f"it does not follow on what was archived: {archived}")
    return report


def verify_beginning(run: RunDir, asked: tuple[int, ...] = ()) -> tuple[VerifyReport, Archived | None]:
    """A report on the segments that are here, and what was archived at that time."""
    while True:
        archived = read_archived(run.journal)
        report = verify(run.journal, STEM, asked=asked, archived=archived.segments if archived else 0)
        if report.ok or read_archived(run.journal) == archived:
            return report, archived  # else segments were archived under it


# What may go.


def _removable(journal: Path, keep: int) -> tuple[list[int], str]:
    """Finished segments that lie before all snapshots a restart may begin from, and why there are no more."""
    numbers = segment_numbers(journal, STEM)
    snapshots = _usable_snapshots(journal)
    if not snapshots:
        return [], "a restart needs every segment: there is no snapshot that the journal vouches for"
    oldest = min(snapshot.records for snapshot in snapshots)
    needed = _needed_by_readers(journal)
    chosen: list[int] = []
    because = f"the newest {keep} segments are kept"
    for number in numbers[: max(0, len(numbers) - max(keep, 1))]:
        seal = _finished_seal(segment_path(journal, STEM, number))
        if seal is None:
            because = f"segment {number} is in use"
            break
        if seal[0] > oldest:
            because = f"a restart may begin from the snapshot after record {oldest}"
            break
        if number >= needed:
            because = f"a reader that is registered needs segment {needed}"
            break
        chosen.append(number)
    return chosen, because


def _usable_snapshots(journal: Path) -> list[Snapshot]:
    """The snapshots that are whole, and that the journal's own note agrees with."""
    return [snapshot for snapshot in all_valid(journal) if _noted(journal, snapshot)]


def _noted(journal: Path, snapshot: Snapshot) -> bool:
    reader = LogReader(journal, STEM, from_index=snapshot.records)
    try:
        found = reader.poll()
        if found is None or found[0] != snapshot.records:
            return False
        record = parse(bytes(found[1]))
        if record.kind != EventKind.NOTE_SNAPSHOT:
            return False
        return bool(json.loads(record.body) == {"records": snapshot.records, "sha256": snapshot.state_hash})
    finally:
        reader.close()


def _needed_by_readers(journal: Path) -> int:
    """The oldest segment that a registered reader needs (native/log_retention.h)."""
    needed = 1 << 62
    for path in (journal / "readers").glob(f"{STEM}.*"):
        text = path.read_text().strip()
        if text.isdecimal():
            needed = min(needed, int(text))
    return needed


def _finished_seal(path: Path) -> tuple[int, str] | None:
    """Next index and hash of a segment that was finished; None before that."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < _HEADER.size + _SEAL.size:
            return None
        file.seek(size - _SEAL.size)
        mark, _, next_index, head_hash, _, finished = _SEAL.unpack(file.read(_SEAL.size))
    return (next_index, head_hash.hex()) if (mark, finished) == (0xFFFFFFFF, _FINISHED) else None


def _facts(journal: Path, number: int) -> ArchivedSegment:
    path = segment_path(journal, STEM, number)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        header = _HEADER.unpack(file.read(_HEADER.size))
        file.seek(0)
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    seal = _finished_seal(path)
    assert seal is not None, "chosen because it is finished"
    return ArchivedSegment(
        number, f"{path.name}.gz", header[4], seal[0], header[8].hex(), seal[1], size, digest.hexdigest()
    )


# Into the archive.


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Make the archive's folder and hold it; UserError where another process is at work in it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is at work in {folder}: wait until it has ended") from None
        for left in folder.glob(".*.tmp"):
            left.unlink()
        yield
    finally:
        os.close(file)


def _store(run: RunDir, folder: Path, facts: list[ArchivedSegment], progress: Progress) -> int:
    """Compress what is not in the archive yet, the manifest after each; how many bytes the files have."""
    known = {each.number: each for each in read_manifest(folder, run.run_id)}
    done, total, stored = 0, sum(each.bytes for each in facts), 0
    for each in facts:
        target = folder / each.file
        if known.get(each.number) != each or not _holds(target, each):
            _compress(segment_path(run.journal, STEM, each.number), target, each)
            known[each.number] = each
            _write_manifest(folder, run.run_id, known)
        stored += target.stat().st_size
        done += each.bytes
        progress(done, total)
    return stored


def _compress(source: Path, target: Path, facts: ArchivedSegment) -> None:
    """Write, sync, read back and compare; only then the file gets its name."""
    fresh = target.with_name(f".{target.name}.tmp")
    try:
        with source.open("rb") as original, fresh.open("wb") as file:
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                while chunk := original.read(CHUNK_BYTES):
                    packed.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not _holds(fresh, facts):
            raise OSError(f"what was written to {fresh} does not read back as {source}")
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(target.parent)


def _holds(path: Path, facts: ArchivedSegment) -> bool:
    """Whether an archived file holds that segment, byte for byte."""
    digest = hashlib.sha256()
    try:
        for chunk in _unpacked(path):
            digest.update(chunk)
    except (OSError, EOFError, ValueError):
        return False
    return digest.hexdigest() == facts.sha256


def _unpacked(path: Path) -> Iterator[bytes]:
    with gzip.open(path, "rb") as packed:
        while chunk := packed.read(CHUNK_BYTES):
            yield chunk


def _remove(run: RunDir, folder: Path, facts: list[ArchivedSegment]) -> None:
    """Say where the segments are, then take them away, the oldest first: at each moment the rest is in one piece."""
    last = facts[-1]
    marker = Archived(run.run_id, str(folder), last.number + 1, last.next_index, last.head_hash)
    with locked(run.journal):
        write_atomically(run.journal / MARKER_NAME, encode(marker))
        sync_folder(run.journal)
        for each in facts:
            segment_path(run.journal, STEM, each.number).unlink()
        sync_folder(run.journal)


def _write_manifest(folder: Path, run_id: str, known: dict[int, ArchivedSegment]) -> None:
    segments = [asdict(known[number]) for number in sorted(known)]
    document = {"version": MANIFEST_VERSION, "run_id": run_id, "segments": segments}
    write_atomically(folder / MANIFEST_NAME, json.dumps(document, indent=1).encode() + b"\n")
    sync_folder(folder)


def read_manifest(folder: Path, run_id: str) -> list[ArchivedSegment]:
    """The archived segments of a run in order, none where there is no manifest. UserError where it cannot be used."""
    try:
        document = json.loads((folder / MANIFEST_NAME).read_bytes())
        version, owner = document["version"], document["run_id"]
        found = [ArchivedSegment(**each) for each in document["segments"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder / MANIFEST_NAME} cannot be read: {error}") from None
    if version != MANIFEST_VERSION or owner != run_id:
        raise UserError(
            f"{folder / MANIFEST_NAME} is of run {owner}, version {version}: not of {run_id}, version 1"
        )
    for each in found:
        if each.file != f"{STEM}-{each.number:08d}.log.gz":
            raise UserError(f"{folder / MANIFEST_NAME} names another file for segment {each.number}")
    return found


# Out of the archive.


def verify_archived(
    run: RunDir, folder: Path, before: VerifyReport, asked: tuple[int, ...]
) -> tuple[str, dict[int, str]]:
    """Verify the archived segments up to where `before`, the report on those that are here, begins.

    Answers what is wrong, empty if nothing is, and the chain's hash after each of the counts asked for.
    """
    hashes: dict[int, str] = {}
    records, head_hash, number = 0, "00" * 32, 0
    known = {each.number: each for each in read_manifest(folder, run.run_id)}
    while records < before.first:
        if (facts := known.get(number)) is None:
            return f"segment {number} is not in the archive {folder}", hashes
        if not _holds(folder / facts.file, facts):
            return f"archived segment {number} is missing, or not what the manifest says", hashes
        with tempfile.TemporaryDirectory() as place:
            _unpack(folder / facts.file, segment_path(place, STEM, number))
            report = verify(place, STEM, asked=asked, archived=number, goes_on=True)
        if report.damage is not Damage.NONE:
            return f"archived segment {number}, record {report.index}: {report.damage.value}", hashes
        if (report.first, report.first_hash) != (records, head_hash):
            return f"archived segment {number} does not follow on the one before it", hashes
        hashes.update((count, text) for count, text in zip(asked, report.hashes, strict=True) if text)
        records, head_hash, number = report.records, report.head_hash, number + 1
    if (records, head_hash) != (before.first, before.first_hash):
        return f"the journal does not follow on archived segment {number - 1}", hashes
    return "", hashes


def _unpack(source: Path, target: Path) -> None:
    with target.open("wb") as file:
        for chunk in _unpacked(source):
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def restore_segments(run: RunDir, source: Path, *, progress: Progress = _nothing) -> int:
    """Put the archived segments of a run back from the archive `source`; how many there were. They stay in the archive.

    UserError where one is missing or damaged: the newest ones are back then, and the next try goes on from there.
    """
    folder = source.resolve() / run.run_id
    known = {each.number: each for each in read_manifest(folder, run.run_id)}
    present = segment_numbers(run.journal, STEM)
    wanted = list(range(present[0])) if present else []
    done, total = 0, sum(known[number].bytes for number in wanted if number in known)
    for number in reversed(wanted):  # the newest first: at each moment the journal is in one piece
        facts = known.get(number)
        if facts is None or not _holds(folder / facts.file, facts):
            raise UserError(f"segment {number} is not in the archive {folder}, or damaged there")
        fresh = run.journal / f".{STEM}-{number:08d}.tmp"
        try:
            _unpack(folder / facts.file, fresh)
            with locked(run.journal):
                fresh.replace(segment_path(run.journal, STEM, number))
                sync_folder(run.journal)
        except OSError as error:
            raise UserError(
                f"segment {number} cannot be put back: {error}. The archive still has it."
            ) from None
        finally:
            fresh.unlink(missing_ok=True)
        done += facts.bytes
        progress(done, total)
    with locked(run.journal):
        (run.journal / MARKER_NAME).unlink(missing_ok=True)
        sync_folder(run.journal)
    return len(wanted)
