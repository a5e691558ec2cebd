"""The verdict on a journal: its chain, what was archived of it, its signed checkpoints, and what others kept of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.errors import UserError
from engine.journal.archive import verify_archived, verify_beginning
from engine.journal.archived import Archived
from engine.journal.checkpoints import (
    Checkpoint,
    CheckpointDamaged,
    asked_counts,
    first_wrong,
    parse_checkpoint,
    read_checkpoints,
)
from engine.run_dir import RunDir
from native.log_verify import VerifyReport

_EXPECTED = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`report` is on the segments that are here; `problem` is what else is wrong, empty if nothing is.

    `signed_records`: so many records, from the first, are covered by a signature that was checked.
    """

    report: VerifyReport
    problem: str
    archived: Archived | None
    archive_read: bool
    checkpoints: tuple[Checkpoint, ...]
    torn_checkpoint: bool
    signed_records: int

    @property
    def ok(self) -> bool:
        """Nothing is missing or altered, as far as could be looked at."""
        return self.report.ok and not self.problem

    @property
    def newest(self) -> Checkpoint | None:
        """The newest checkpoint: what to keep elsewhere."""
        return self.checkpoints[-1] if self.checkpoints else None


@dataclass(frozen=True, slots=True)
class Witness:
    """What was kept outside the run: checkpoints, or a count of records with the hash after them."""

    checkpoints: tuple[Checkpoint, ...] = ()
    expected: tuple[tuple[int, str], ...] = ()


def witness(expected: Sequence[str], files: Sequence[Path]) -> Witness:
    """From RECORDS:HASH texts, and files with one checkpoint a line. UserError where one is something else."""
    pairs, checkpoints = [], []
    for text in expected:
        if (match := _EXPECTED.fullmatch(text)) is None:
            raise UserError(f"{text!r} is not RECORDS:HASH, as in 1234:9f86d0… with 64 hex digits")
        pairs.append((int(match[1]), match[2]))
    for path in files:
        try:
            lines = path.read_bytes().splitlines()
            checkpoints += [parse_checkpoint(line) for line in lines]
        except (OSError, CheckpointDamaged) as error:
            raise UserError(f"{path} cannot be used as a checkpoint: {error}") from None
        if not lines:
            raise UserError(f"{path} is empty: it holds no checkpoint")
    return Witness(tuple(checkpoints), tuple(pairs))


def judge(
    run: RunDir,
    keys: Sequence[Ed25519PublicKey] = (),
    archive: Path | None = None,
    kept: Witness = Witness(),
) -> Verdict:
    """Verify a run's journal, offline. With `keys` every checkpoint must be signed by one of them, and one must be there.

    Raises LogError or OSError where the journal cannot be read, UserError where the archive's manifest cannot.
    """
    problem, found, torn = "", tuple[Checkpoint, ...](), False
    try:
        # Before the journal: a live one only grows, and then covers what was signed.
        read = read_checkpoints(run.journal)
        found, torn = read.checkpoints, bool(read.torn)
    except CheckpointDamaged as error:
        problem = str(error)
    asked = tuple(
        sorted(
            {*asked_counts(found), *asked_counts(kept.checkpoints), *(count for count, _ in kept.expected)}
        )
    )
    report, archived = verify_beginning(run, asked)
    hashes = {count: text for count, text in zip(asked, report.hashes, strict=True) if text}
    first = report.first
    if report.ok and archive is not None:
        wrong, older = verify_archived(run, archive.resolve() / run.run_id, report, asked)
        problem = problem or wrong
        hashes |= older
        first = 0 if not wrong else first
    if report.ok and not problem:
        problem = _against(run.run_id, report.records, first, hashes, found, kept, keys)
    signed = found[-1].records if keys and found and report.ok and not problem else 0
    return Verdict(report, problem, archived, archive is not None, found, torn, signed)


def _against(
    run_id: str,
    records: int,
    first: int,
    hashes: dict[int, str],
    found: Sequence[Checkpoint],
    kept: Witness,
    keys: Sequence[Ed25519PublicKey],
) -> str:
    """The first contradiction between a whole chain and what was signed of it or kept elsewhere."""
    if keys and not found:
        return "it is not signed: it has no checkpoints"
    for name, checkpoints in (("checkpoint", found), ("the kept checkpoint", kept.checkpoints)):
        wrong = first_wrong(
            checkpoints, run_id=run_id, records=records, first=first, hashes=hashes, keys=keys
        )
        if wrong is not None:
            return f"{name} {wrong[0].number} {wrong[1]}"
    for each in kept.checkpoints:
        if found and each.number < len(found) and found[each.number] != each:
            return f"checkpoint {each.number} is not the one that was kept"
        if each.number >= len(found):
            return f"the kept checkpoint {each.number} is missing: checkpoints were removed, or replaced by older ones"
    for count, head_hash in kept.expected:
        if count > records:
            return f"{count} records are expected, the journal has {records}: it is truncated"
        if count < first:
            return f"record {count} is archived: name the archive with --archive to compare it"
        if count and hashes.get(count) != head_hash:
            return f"it does not have the expected hash after {count} records"
    return ""
