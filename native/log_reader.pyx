"""Reads and follows an append-only log, and verifies it; format: native/log_format.h."""

import mmap
import os
import re
from pathlib import Path

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from native.log_errors import LogDamaged, LogError

_HEADER = 128


def segment_path(directory: str | os.PathLike[str], stem: str, number: int) -> Path:
    """The file of one segment."""
    return Path(directory) / f"{stem}-{number:08d}.log"


def copy_path(directory: str | os.PathLike[str], stem: str, number: int) -> Path:
    """The durable copy of a segment that is not finished, in a log that is synced."""
    return Path(directory) / f"{stem}-{number:08d}.sync"


def segment_numbers(directory: str | os.PathLike[str], str stem, str suffix=".log") -> list[int]:
    """The numbers of the segments a directory has, ascending; of the durable copies with `suffix` .sync."""
    pattern = re.compile(re.escape(stem) + r"-(\d{8})" + re.escape(suffix))
    found = (pattern.fullmatch(name) for name in os.listdir(directory))
    return sorted(int(match[1]) for match in found if match)


cdef str text_of(const char* field, size_t room):
    """A zero-padded field of a header, whatever a damaged file has in it."""
    return field[:room].split(b"\0", 1)[0].decode("ascii", "replace")


cdef class Segment:
    """One mapped segment; LogError where it has no header of ours."""

    def __cinit__(self, path, uint64_t number):
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < _HEADER:
                raise LogError(f"{path} is shorter than a segment header")
            self.mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.view = memoryview(self.mapping)
        cdef const uint8_t[::1] raw = self.view
        self.base = <const char*>&raw[0]
        self.size = raw.shape[0]
        self.number = number
        self.chained = ((<const log_header_t*>self.base).flags & LOG_CHAINED) != 0

    @property
    def opened(self) -> bool:
        """False while the segment is only prepared ahead."""
        return (<const log_header_t*>self.base).opened != 0

    @property
    def intact(self) -> bool:
        """Whether the header passes its checksum."""
        cdef const log_header_t* header = <const log_header_t*>self.base
        return log_header_valid(header) and header.opened <= 1

    @property
    def valid(self) -> bool:
        """Whether it also names this segment: no file was renamed."""
        return self.intact and (<const log_header_t*>self.base).number == self.number

    @property
    def first_index(self) -> int:
        """The index of the first record."""
        return (<const log_header_t*>self.base).first_index

    @property
    def previous_hash(self) -> str:
        """The chain's hash before that record, hex."""
        cdef const log_header_t* header = <const log_header_t*>self.base
        return (<bytes>header.previous_hash[:32]).hex()

    @property
    def run_id(self) -> str:
        """The run that wrote it."""
        return text_of((<const log_header_t*>self.base).run_id, 16)

    @property
    def build(self) -> str:
        """Version and CPU level of the writer."""
        return text_of((<const log_header_t*>self.base).build, 24)

    @property
    def created_ns(self) -> int:
        """When the file was made, ns UTC."""
        return (<const log_header_t*>self.base).created_ns


cdef class LogReader:
    """Iterates a log's records in order and follows it while it grows.

    Starts at record `from_index`, or at the oldest one there is if that is later. `register` names this reader, so that
    retention knows which segments it still needs. Raises LogDamaged at a record that is missing or fails its checksum.
    """

    def __init__(self, directory: str | os.PathLike[str], str stem, *, uint64_t from_index=0, str register=""):
        self.directory = os.fspath(directory)
        self.stem = stem
        self.wanted = from_index
        self.started = False
        if register:
            if not re.fullmatch(r"[a-z0-9_]+", register):
                raise ValueError(f"a reader's name is lower-case letters, digits and _: {register!r}")
            folder = os.path.join(self.directory, "readers")
            os.makedirs(folder, exist_ok=True)
            self.reader_path = os.path.join(folder, f"{stem}.{register}")

    cdef bint open_next(self) except -1:
        """Opens the first or the next segment; False where it is not there yet."""
        cdef Segment segment
        if not self.started and not self._seek():
            return False
        path = segment_path(self.directory, self.stem, self.next_segment)
        if not path.exists():
            later = [n for n in segment_numbers(self.directory, self.stem) if n > self.next_segment]
            if later:
                raise self._damage("a segment is missing", self.next_segment, 0)
            return False
        if path.stat().st_size < _HEADER:
            return False
        segment = Segment(path, self.next_segment)
        if not segment.opened:
            return False
        if not segment.valid:
            raise self._damage("the segment header is damaged", self.next_segment, 0)
        if not self.started:
            self.expected = segment.first_index
            self.started = True
        if segment.first_index != self.expected:
            raise self._damage("records are missing before this segment", self.next_segment, 0)
        self.segment = segment
        self.offset = _HEADER
        self.next_segment += 1
        self._announce()
        return True

    def _seek(self) -> bool:
        """Chooses the segment that holds the wanted record, or the oldest."""
        numbers = segment_numbers(self.directory, self.stem)
        if not numbers:
            return False
        self.next_segment = numbers[0]
        for number in reversed(numbers):
            path = segment_path(self.directory, self.stem, number)
            if path.stat().st_size < _HEADER:
                continue
            segment = Segment(path, number)
            if segment.opened and segment.valid and segment.first_index <= self.wanted:
                self.next_segment = number
                break
        return True

    def _announce(self) -> None:
        """Tells retention which segment this reader needs from here on."""
        if self.reader_path is None:
            return
        fresh = os.path.join(os.path.dirname(self.reader_path), f".{os.path.basename(self.reader_path)}")
        with open(fresh, "w", encoding="ascii") as file:
            file.write(f"{self.segment.number}\n")
        os.replace(fresh, self.reader_path)

    def _damage(self, str what, uint64_t segment, uint64_t offset) -> LogDamaged:
        return LogDamaged(
            f"log {self.stem!r} in {self.directory}: {what} (record {self.expected}, segment {segment}, "
            f"offset {offset})", self.expected, segment, offset,
        )

    cdef int next_record(self, const char** payload, size_t* length, uint64_t* index) except -1:
        cdef uint32_t size = 0
        cdef int probe
        cdef const char* record
        while True:
            if self.segment is None and not self.open_next():
                return 0
            probe = log_probe(self.segment.base, self.offset, self.segment.size, self.segment.chained, &size)
            if probe == LOG_EMPTY:
                return 0
            if probe == LOG_SEAL:
                if (<const log_seal_t*>(self.segment.base + self.offset)).next_index != self.expected:
                    raise self._damage("records are missing before the seal", self.segment.number, self.offset)
                self.segment = None
                continue
            if probe != LOG_RECORD:
                raise self._damage("the record fails its checksum", self.segment.number, self.offset)
            record = self.segment.base + self.offset
            if log_index(record) != self.expected:
                raise self._damage("the record is out of sequence", self.segment.number, self.offset)
            payload[0] = record + LOG_RECORD_HEAD
            length[0] = size
            index[0] = self.expected
            self.offset += log_stride(size, self.segment.chained)
            self.expected += 1
            if index[0] >= self.wanted:
                return 1

    def poll(self) -> tuple[int, memoryview] | None:
        """The next record's index and payload, or None where there is none yet. The view stays valid."""
        cdef const char* payload
        cdef size_t length
        cdef uint64_t index
        cdef Segment segment
        if not self.next_record(&payload, &length, &index):
            return None
        segment = self.segment
        start = <uint64_t>(payload - segment.base)
        return index, segment.view[start : start + length]

    def __iter__(self):
        """Yields (index, payload) up to the last record committed by now; iterating again goes on from there."""
        while (found := self.poll()) is not None:
            yield found

    @property
    def next_index(self) -> int:
        """The index of the record that comes next."""
        return self.expected

    def close(self) -> None:
        """Lets the segment go and ends the registration."""
        self.segment = None
        if self.reader_path is not None and os.path.exists(self.reader_path):
            os.unlink(self.reader_path)
