"""Signed checkpoints of a journal: how far it reached, what its chain's hash was, when, by whose key.

They stand beside the segments in `checkpoints.jsonl`, one JSON object a line in one canonical form, numbered from 0. The
Ed25519 signature (RFC 8032) is over DOMAIN and the line without it. Only what is durable is signed, so that no crash and
no loss of power ever leaves a journal behind its newest checkpoint. Format and what it proves: docs/journal.md.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.errors import UserError
from engine.run_dir import sync_folder

FILE_NAME = "checkpoints.jsonl"
DOMAIN = b"penstock journal checkpoint 1\n"
MAX_LINE_BYTES = 1024
_COUNT = 2**63
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "run_id": re.compile(r"[0-9a-z]{12}"),
    "head_hash": re.compile(r"[0-9a-f]{64}"),
    "key_id": re.compile(r"[0-9a-f]{16}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
}
_COUNTS = ("version", "number", "records", "seq", "time_ns")


class CheckpointDamaged(Exception):
    """A line is no checkpoint; says which and why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The journal of `run_id` had `records` records, the last with `head_hash`, when `seq` was the newest number given."""

    version: int
    run_id: str
    number: int
    records: int
    seq: int
    head_hash: str
    time_ns: int
    key_id: str
    signature: str

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        facts = asdict(self)
        del facts["signature"]
        return DOMAIN + _canonical(facts)

    @property
    def line(self) -> bytes:
        """The checkpoint as it stands in the file, newline included."""
        return _canonical(asdict(self)) + b"\n"

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether the signature is this key's."""
        try:
            key.verify(bytes.fromhex(self.signature), self.signed_bytes)
        except InvalidSignature:
            return False
        return True


def _canonical(facts: Mapping[str, object]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode("ascii")


def key_id(key: Ed25519PublicKey) -> str:
    """A key's short name: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def parse_checkpoint(line: bytes) -> Checkpoint:
    """One line with or without its newline; CheckpointDamaged unless it is exactly what `Checkpoint.line` writes."""
    text = line.removesuffix(b"\n")
    if len(text) > MAX_LINE_BYTES:
        raise CheckpointDamaged(f"is longer than {MAX_LINE_BYTES} bytes")
    try:
        facts = json.loads(text)
        found = Checkpoint(**facts)
    except (ValueError, TypeError, RecursionError):
        raise CheckpointDamaged("is no checkpoint") from None
    for name in _COUNTS:
        value = getattr(found, name)
        if type(value) is not int or not 0 <= value < _COUNT:
            raise CheckpointDamaged(f"{name} is no count: {value!r}")
    for name, shape in _SHAPES.items():
        value = getattr(found, name)
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise CheckpointDamaged(f"{name} has another form: {value!r}")
    if found.version != 1:
        raise CheckpointDamaged(f"has version {found.version}, this build reads 1")
    if found.line != text + b"\n":
        raise CheckpointDamaged("is not in its canonical form")
    return found


@dataclass(frozen=True, slots=True)
class Read:
    """The checkpoints of a file in order, and the bytes of a last line that was never completed."""

    checkpoints: tuple[Checkpoint, ...]
    torn: bytes


def read_checkpoints(journal: Path) -> Read:
    """What a journal's folder has; empty without a file. CheckpointDamaged names the first line that is wrong."""
    try:
        raw = (journal / FILE_NAME).read_bytes()
    except FileNotFoundError:
        return Read((), b"")
    *lines, torn = raw.split(b"\n")
    found: list[Checkpoint] = []
    for number, line in enumerate(lines):
        try:
            checkpoint = parse_checkpoint(line)
        except CheckpointDamaged as error:
            raise CheckpointDamaged(f"line {number + 1} of {FILE_NAME} {error}") from None
        if checkpoint.number != number:
            raise CheckpointDamaged(
                f"line {number + 1} of {FILE_NAME} is checkpoint {checkpoint.number}: "
                "checkpoints were removed, repeated or reordered"
            )
        if found and checkpoint.records < found[-1].records:
            raise CheckpointDamaged(
                f"line {number + 1} of {FILE_NAME} goes back to {checkpoint.records} records"
            )
        found.append(checkpoint)
    return Read(tuple(found), torn)


def read_newest(journal: Path) -> Read:
    """The newest checkpoint alone, by the end of the file, however long that is; else as `read_checkpoints`."""
    try:
        with (journal / FILE_NAME).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4 * MAX_LINE_BYTES))
            *lines, torn = file.read().split(b"\n")
    except FileNotFoundError:
        return Read((), b"")
    try:
        return Read(tuple(parse_checkpoint(line) for line in lines[-1:]), torn)
    except CheckpointDamaged as error:
        raise CheckpointDamaged(f"the last line of {FILE_NAME} {error}") from None


class CheckpointWriter:
    """Signs and appends the checkpoints of one journal after what `read_newest` found, from any thread."""

    def __init__(self, journal: Path, run_id: str, key: Ed25519PrivateKey, found: Read) -> None:
        self.path = journal / FILE_NAME
        self.run_id = run_id
        self.newest = found.checkpoints[-1] if found.checkpoints else None
        self._key = key
        self._key_id = key_id(key.public_key())
        self._number = 0 if self.newest is None else self.newest.number + 1
        self._lock = threading.Lock()
        if found.torn:  # a kill or a full disk, in the middle of a line
            os.truncate(self.path, self.path.stat().st_size - len(found.torn))

    def sign(self, records: int, head_hash: str, seq: int, time_ns: int) -> Checkpoint:
        """The next checkpoint, appended and on disk; the newest one where that covers as much.

        OSError where it cannot be written: then nothing of it is left.
        """
        with self._lock:
            if self.newest is not None and records <= self.newest.records:
                return self.newest
            self.newest = self._append(records, head_hash, seq, time_ns)
            self._number += 1
            return self.newest

    def _append(self, records: int, head_hash: str, seq: int, time_ns: int) -> Checkpoint:
        unsigned = Checkpoint(
            1, self.run_id, self._number, records, seq, head_hash, time_ns, self._key_id, ""
        )
        facts = asdict(unsigned) | {"signature": self._key.sign(unsigned.signed_bytes).hex()}
        checkpoint = Checkpoint(**facts)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(file).st_size
            try:
                if os.write(file, checkpoint.line) != len(checkpoint.line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file)
            except OSError:
                os.ftruncate(file, size)
                raise
        finally:
            os.close(file)
        if self._number == 0:
            sync_folder(self.path.parent)
        return checkpoint


def open_checkpoints(
    journal: Path, run_id: str, key: Ed25519PrivateKey | None, records: int
) -> CheckpointWriter | None:
    """The writer for a journal of so many records that is being taken up again; None without a key.

    UserError where its checkpoints are damaged, or were signed over more than there is.
    """
    try:
        found = read_newest(journal)
    except CheckpointDamaged as error:
        raise UserError(f"the journal's checkpoints in {journal} are damaged: {error}") from None
    newest = found.checkpoints[-1] if found.checkpoints else None
    if newest is not None and newest.run_id != run_id:
        raise UserError(f"the journal's checkpoints in {journal} are of another run, {newest.run_id}")
    if newest is not None and newest.records > records:
        raise UserError(
            f"the journal in {journal} has {records} records, but a checkpoint was signed over {newest.records}: it was "
            f"cut, or replaced by an older copy. Put the whole journal back; where it was restored on purpose, move "
            f"{FILE_NAME} away."
        )
    return None if key is None else CheckpointWriter(journal, run_id, key, found)


def asked_counts(checkpoints: Iterable[Checkpoint]) -> list[int]:
    """The counts of records that the chain's hash is needed at, ascending."""
    return sorted({checkpoint.records for checkpoint in checkpoints})


def first_wrong(
    checkpoints: Sequence[Checkpoint],
    *,
    run_id: str,
    records: int,
    first: int,
    hashes: Mapping[int, str],
    keys: Sequence[Ed25519PublicKey],
) -> tuple[Checkpoint, str] | None:
    """The first checkpoint that does not hold, and why; None where all hold.

    `records` and `first` are how far the journal reaches and where it begins, `hashes` the chain's hash after a count.
    Without `keys` no signature is looked at. What lies before `first` cannot be compared.
    """
    known = {key_id(key): key for key in keys}
    for checkpoint in checkpoints:
        if checkpoint.run_id != run_id:
            return checkpoint, f"is of another run, {checkpoint.run_id}"
        if keys and checkpoint.key_id not in known:
            return checkpoint, f"is signed with another key, {checkpoint.key_id}"
        if keys and not checkpoint.is_signed_by(known[checkpoint.key_id]):
            return checkpoint, "has a signature that is not the key's"
        if checkpoint.records > records:
            return (
                checkpoint,
                f"covers {checkpoint.records} records, the journal has {records}: it is truncated",
            )
        if checkpoint.records >= max(first, 1) and hashes.get(checkpoint.records) != checkpoint.head_hash:
            return checkpoint, f"does not match the chain after {checkpoint.records} records"
    return None
