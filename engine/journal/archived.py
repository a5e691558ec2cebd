"""What was taken from the start of a journal: `archived.json` beside its segments says how much, and where it is.

While segments are removed, put back, or a journal is opened, its folder is locked (flock), so that nobody sees a half.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from native.log_errors import LogError
from native.log_reader import Segment, segment_numbers, segment_path

FILE_NAME = "archived.json"
STEM = "journal"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Archived:
    """The first `segments` segments, of `records` records, are in `folder`; `head_hash` is the chain's after them.

    Some of those segments may be here still: a removal that was interrupted, or is under way.
    """

    run_id: str
    folder: str
    segments: int
    records: int
    head_hash: str

    def __str__(self) -> str:
        return f"the journal's first {self.records:,} records are archived in {self.folder}"


def read_archived(journal: Path) -> Archived | None:
    """What was archived of a journal, None where nothing was. LogError where that cannot be read."""
    try:
        facts = json.loads((journal / FILE_NAME).read_bytes())
        found = Archived(**facts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise LogError(f"{journal / FILE_NAME} cannot be read: {error}") from None
    counts = (found.segments, found.records)
    texts = (found.run_id, found.folder, found.head_hash)
    if not all(type(value) is int and value >= 0 for value in counts) or not all(
        isinstance(value, str) for value in texts
    ):
        raise LogError(f"{journal / FILE_NAME} holds no counts of segments and records")
    if not _HASH.fullmatch(found.head_hash):
        raise LogError(f"{journal / FILE_NAME} holds no hash")
    return found


def encode(archived: Archived) -> bytes:
    """The content of the file."""
    return json.dumps(asdict(archived), indent=2).encode() + b"\n"


def first_segment(journal: Path) -> Segment | None:
    """The oldest segment that is here, None where there is none with a header."""
    for number in segment_numbers(journal, STEM)[:1]:
        path = segment_path(journal, STEM, number)
        return Segment(path, number) if path.stat().st_size >= 128 else None
    return None


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Hold a journal's folder against others that open it, or take segments away."""
    file = os.open(journal, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


@contextmanager
def opening(journal: Path) -> Iterator[int]:
    """Hold a journal while it is opened for writing; how many of its segments may be missing from the start.

    LogError where what was archived does not meet what is here.
    """
    with locked(journal):
        archived = read_archived(journal)
        if archived is not None:
            check_meets(journal, archived)
        yield 0 if archived is None else archived.segments


def check_meets(journal: Path, archived: Archived) -> None:
    """LogError where the oldest segment here does not follow on what was archived."""
    first = first_segment(journal)
    if first is None or first.number > archived.segments:
        raise LogError(f"segment {archived.segments} of the journal in {journal} is missing; {archived}")
    ends = (first.first_index, first.previous_hash)
    if first.number == archived.segments and ends != (archived.records, archived.head_hash):
        raise LogError(f"the journal in {journal} does not follow on what was archived: {archived}")


def check_begins(journal: Path, from_index: int) -> None:
    """LogError where records from `from_index` on were archived; it says where they are, and how they come back."""
    archived = read_archived(journal)
    if archived is None:
        return
    first = first_segment(journal)
    if first is not None and first.first_index > from_index:
        raise LogError(
            f"{archived}. Put them back with 'penstock journal restore {journal.parent} "
            f"--from {Path(archived.folder).parent}'"
        )
