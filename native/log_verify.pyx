"""Verifies a log at native speed and names the first damaged record; oracle: tests/oracles/log_chain.py."""

import os
from array import array
from dataclasses import dataclass
from enum import Enum

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from native.log_errors import LogError
from native.log_reader import copy_path, segment_numbers, segment_path

from native.log_reader cimport (
    LOG_BUDGETED, LOG_CHAINED, LOG_SEAL_ROLLED, Segment, log_header_t, log_header_valid,
)


cdef extern from "native/log_copy.h" nogil:
    ctypedef struct log_prefix_t:
        uint64_t end

    log_prefix_t log_prefix(const char* base, uint64_t size)


cdef extern from "native/log_verify.h" nogil:
    ctypedef struct log_verify_t:
        uint64_t index
        uint8_t hash[32]
        uint64_t mark
        int pending
        uint64_t kind
        const uint64_t* asked
        uint8_t* answers
        uint64_t asked_left

    int DAMAGE_NONE
    int DAMAGE_CHANGED
    int DAMAGE_REMOVED
    int DAMAGE_REORDERED
    int DAMAGE_BAD_HEADER
    int DAMAGE_UNDECIDED
    int log_verify_walk(log_verify_t* state, const char* base, uint64_t end, int chained, uint64_t* offset)
    int log_verify_tail(const log_verify_t* state, const char* tail, uint64_t size, int chained, int last)
    void log_verify_answer(log_verify_t* state)
    int log_is_zero(const uint8_t* data, size_t size)


class Damage(Enum):
    """The kind of damage. TORN_TAIL is none: a record was under way when the power or the process went."""

    NONE = "ok"
    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    TORN_TAIL = "torn tail"
    BAD_HEADER = "bad header"


_DAMAGES = tuple(Damage)
_PASSES = 8


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a log holds up to its end, or up to the first damage: that record's index, segment and byte offset.

    `first` is the index of the oldest record that is here, `first_hash` the chain's hash before it, `hashes` the chain's
    hash, hex, after each count that was asked for; empty where the log never has so many, or no longer begins before it.
    """

    damage: Damage
    records: int
    head_hash: str
    index: int
    segment: int
    offset: int
    first: int
    first_hash: str
    hashes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Nothing is missing or altered; a torn tail is repaired when the log is opened for writing."""
        return self.damage in (Damage.NONE, Damage.TORN_TAIL)


cdef class _Verifier:
    """One pass over a log."""

    cdef str directory
    cdef str stem
    cdef log_verify_t state
    cdef uint64_t segment
    cdef uint64_t offset
    cdef uint64_t archived
    cdef bint goes_on
    cdef uint64_t first
    cdef bytes first_hash
    cdef object asked
    cdef bytearray answers

    def __cinit__(self, str directory, str stem, asked, uint64_t archived, bint goes_on):
        cdef const uint64_t[::1] counts
        self.directory = directory
        self.stem = stem
        self.archived = archived
        self.goes_on = goes_on
        self.first = 0
        self.first_hash = bytes(32)
        memset(&self.state, 0, sizeof(self.state))
        self.asked = array("Q", asked)
        self.answers = bytearray(32 * len(self.asked))
        if len(self.asked):
            counts = self.asked
            self.state.asked = &counts[0]
            self.state.answers = <uint8_t*><char*>self.answers
            self.state.asked_left = len(self.asked)

    cdef int run(self) except -1:
        """The kind of damage; state, segment and offset say where."""
        cdef list numbers = segment_numbers(self.directory, self.stem)
        cdef list opened = []
        cdef Segment part
        cdef int damage = DAMAGE_NONE
        self.state.mark = max((_mark_of_copy(self.directory, self.stem, n) for n in numbers), default=0)
        for number in numbers:
            self.segment = number
            if number != numbers[0] + len(opened):
                self.segment = numbers[0] + len(opened)
                damage = DAMAGE_REMOVED
                break
            path = segment_path(self.directory, self.stem, number)
            size = path.stat().st_size
            part = Segment(path, number) if size >= sizeof(log_header_t) else None
            if part is None or not part.opened:
                if number == numbers[len(numbers) - 1] and self.unused(part):
                    break
                damage = DAMAGE_BAD_HEADER
                break
            opened.append(part)
            if (<const log_header_t*>part.base).durable_mark > self.state.mark and part.valid:
                self.state.mark = (<const log_header_t*>part.base).durable_mark
        cdef int found = self.walk_all(opened, last=damage == DAMAGE_NONE)
        if found != DAMAGE_NONE:
            return found
        rolled = self.state.kind == LOG_SEAL_ROLLED and len(opened) == len(numbers)
        if damage == DAMAGE_NONE and rolled and not self.goes_on:
            # Asked again, for a live log may have rolled since the listing: the next file was there before the seal.
            if not segment_path(self.directory, self.stem, self.segment + 1).exists():
                damage = DAMAGE_REMOVED
        if damage != DAMAGE_NONE:
            self.segment = (<Segment>opened[len(opened) - 1]).number + 1 if opened else 0
            self.offset = 0
        return damage

    cdef bint unused(self, Segment part):
        """Whether a segment is only prepared: nothing but zeros behind its header."""
        return part is None or not any(part.mapping[sizeof(log_header_t) : 4096])

    cdef int walk_all(self, list opened, bint last) except -1:
        cdef Segment part
        cdef int damage
        for position, part in enumerate(opened):
            self.segment = part.number
            self.offset = 0
            damage = self.header(part, position == 0)
            if damage == DAMAGE_NONE:
                damage = self.walk(part, last and position == len(opened) - 1)
            if damage != DAMAGE_NONE:
                return damage
        return DAMAGE_NONE

    cdef int header(self, Segment part, bint first) except -1:
        """Checks a segment's header against what came before it."""
        cdef const log_header_t* header = <const log_header_t*>part.base
        if not part.intact:
            return DAMAGE_BAD_HEADER
        if not part.valid:  # a renamed file
            return DAMAGE_REORDERED
        if first and part.number > 0:
            if not header.flags & LOG_BUDGETED and part.number > self.archived:
                self.segment = 0
                return DAMAGE_REMOVED
            self.state.index = self.first = header.first_index
            memcpy(self.state.hash, header.previous_hash, 32)
            self.first_hash = self.state.hash[:32]
            log_verify_answer(&self.state)
        if header.first_index != self.state.index:
            return DAMAGE_REMOVED if header.first_index > self.state.index else DAMAGE_REORDERED
        if memcmp(header.previous_hash, self.state.hash, 32) == 0:
            return DAMAGE_NONE
        # The thread fills this in when it gets here; where it had not, the hashes before are missing or this is new.
        return DAMAGE_NONE if log_is_zero(header.previous_hash, 32) and self.is_unhashed(part) else DAMAGE_BAD_HEADER

    cdef bint is_unhashed(self, Segment part):
        """Whether a segment's first record has no hash yet, as is so before the thread reached the segment."""
        cdef log_verify_t copy = self.state
        cdef uint64_t offset = 0
        copy.pending = 0
        copy.asked_left = 0
        log_verify_walk(&copy, part.base, part.size, part.chained, &offset)
        return copy.pending or copy.index == self.state.index

    cdef int walk(self, Segment part, bint last) except -1:
        cdef int damage
        cdef bytes tail
        with nogil:
            damage = log_verify_walk(&self.state, part.base, part.size, part.chained, &self.offset)
        if damage == DAMAGE_NONE and (<const log_header_t*>part.base).durable_mark > self.state.index:
            return DAMAGE_BAD_HEADER
        if damage != DAMAGE_UNDECIDED:
            return damage
        # A copy: the mapping of a live segment may be truncated under us, and then reading past the seal is fatal.
        with open(segment_path(self.directory, self.stem, part.number), "rb") as file:
            file.seek(self.offset)
            tail = file.read()
        return log_verify_tail(&self.state, <const char*>tail, len(tail), part.chained, last)


cdef _verify_once(str directory, str stem, asked, archived, goes_on):
    """One pass; FileNotFoundError where retention removed a segment under it."""
    cdef _Verifier verifier = _Verifier(directory, stem, asked, archived, goes_on)
    damage = _DAMAGES[verifier.run()]
    return VerifyReport(
        damage=damage,
        records=verifier.state.index,
        head_hash=(<bytes>verifier.state.hash[:32]).hex(),
        index=verifier.state.index,
        segment=verifier.segment,
        offset=verifier.offset,
        first=verifier.first,
        first_hash=verifier.first_hash.hex(),
        hashes=tuple(_hex(verifier.answers[at : at + 32]) for at in range(0, len(verifier.answers), 32)),
    )


cdef str _hex(answer):
    return answer.hex() if any(answer) else ""


cdef bytes _head(path, ssize_t size):
    """The first bytes of a file, all for -1; none where it is not there (any more)."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""


cdef uint64_t _mark_of_copy(directory, stem, number) except? 0:
    """The durable mark of a segment that is not finished: its copy holds it."""
    cdef bytes head = _head(copy_path(directory, stem, number), sizeof(log_header_t))
    cdef const log_header_t* header = <const log_header_t*><const char*>head
    return header.durable_mark if len(head) == sizeof(log_header_t) and log_header_valid(header) else 0


def check_recovered(directory: str | os.PathLike[str], str stem) -> None:
    """LogError where a segment lacks durable records that its copy has: opening for writing puts them back.

    A kill never leaves it so, nor is a live log ever so: only a power failure loses what was mapped.
    """
    cdef bytes copy, segment
    for number in segment_numbers(directory, stem, ".sync"):
        copy = _head(copy_path(directory, stem, number), -1)
        segment = _head(segment_path(directory, stem, number), -1)
        # The copy is asked for again, for a live log may have finished the segment and removed it.
        lacks = log_prefix(copy, len(copy)).end > log_prefix(segment, len(segment)).end
        if lacks and copy_path(directory, stem, number).exists():
            raise LogError(
                f"segment {number} of log {stem!r} in {directory} lacks records that are in its durable copy, as after "
                "a power failure: start the run again, which puts them back"
            )


def verify(
    directory: str | os.PathLike[str], str stem, *, asked=(), archived: int = 0, goes_on: bool = False
) -> VerifyReport:
    """Checks every header, checksum, index, hash and seal of a log, live ones too.

    `asked` are ascending counts of records: see `VerifyReport.hashes`. Segments below `archived` may be missing from the
    start. `goes_on` says that segments which follow are kept elsewhere.

    Raises LogError where there is none, or it is to be recovered first: see `check_recovered`.

    Damage is reported when two passes find the same: in a live log a pass may meet a record or a hash half written.
    After a power failure a log may have gaps in what was not durable yet; they are reported until opening repaired it.
    Records cut off the very end of a log that was never sealed cannot be told from records that were never written:
    compare `records` and `head_hash` with what was published elsewhere.
    """
    cdef str folder = os.fspath(directory)
    before = None
    for _ in range(_PASSES):
        if not segment_numbers(folder, stem):
            raise LogError(f"there is no log {stem!r} in {folder}")
        try:
            check_recovered(folder, stem)
            report = _verify_once(folder, stem, asked, archived, goes_on)
        except FileNotFoundError:
            continue
        if report.damage is Damage.NONE or report == before:
            return report
        before = report
    if before is None:
        raise LogError(f"segments of log {stem!r} in {folder} are removed faster than they can be read")
    return before
