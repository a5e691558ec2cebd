"""The append-only log: hash-chained journal and tape; format and threads: native/log_format.h, native/log_thread.h."""

import os
from dataclasses import dataclass

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset

from native.histogram cimport Histogram
from native.log_errors import LogDamaged, LogError, LogFull

cdef uint64_t _PAGE = 4096
cdef uint64_t _LARGEST = 1 << 32


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What opening a log found: records in it, bytes of a torn tail dropped, hashes that were still missing."""

    records: int
    torn_bytes: int
    rehashed: int


cdef object _open_error(const log_error_t* error, str directory, str stem):
    cdef str place = f"record {error.index}, segment {error.segment}, offset {error.offset}"
    if error.status == LOG_DAMAGED:
        return LogDamaged(
            f"log {stem!r} in {directory} is damaged at {place}: a record that was on disk is gone or changed",
            error.index, error.segment, error.offset,
        )
    if error.status == LOG_MISMATCH:
        return LogError(f"log {stem!r} in {directory} was written with another setting of chained")
    reason = f"cannot open log {stem!r} in {directory}: {os.strerror(error.error)}"
    return LogFull(reason) if error.status == LOG_FULL else LogError(reason)


cdef int _text(char* into, size_t size, str text, str what) except -1:
    cdef bytes raw = text.encode("ascii")
    if <size_t>len(raw) >= size:
        raise ValueError(f"{what} has at most {size - 1} ASCII characters: {text!r}")
    memset(into, 0, size)
    memcpy(into, <const char*>raw, len(raw))
    return 0


cdef int _check_budget(uint64_t budget_bytes, uint64_t segment_bytes, bint sync) except -1:
    if budget_bytes < <uint64_t>(8 if sync else 4) * segment_bytes:
        raise ValueError("budget_bytes holds at least four segments, and as many copies in a log that is synced")
    return 0


cdef class LogWriter:
    """Appends records to the log `<directory>/<stem>-*.log`; one appending thread, one native thread behind it.

    The thread chains (`chained`) and syncs in groups (`sync`), looking for records every `sync_interval_us` and, when
    idle, at down to a tenth of that rate. Opening recovers what a killed writer left (`recovered`). `budget_bytes` > 0
    removes the oldest segments; `reserve_bytes` of a segment are left for `append_reserved` when the disk is full.
    Segments below `archived` may have been taken away from the start of the log.
    Raises LogDamaged where records that were durable are gone, LogError where the log cannot be opened.
    """

    def __cinit__(
        self, directory, *, str stem, str run_id, bint chained, bint sync, uint64_t segment_bytes=64 << 20,
        uint64_t budget_bytes=0, int sync_interval_us=50, reserve_bytes=None, str build="", uint64_t archived=0,
    ):
        cdef log_config_t config
        cdef log_error_t error
        cdef bytes path = os.fsencode(directory)
        cdef uint64_t reserve = min(<uint64_t>65536, segment_bytes // 8) if reserve_bytes is None else reserve_bytes
        if segment_bytes < _PAGE or segment_bytes % _PAGE or segment_bytes > _LARGEST:
            raise ValueError(f"segment_bytes is a multiple of {_PAGE} up to 4 GiB, not {segment_bytes}")
        if 2 * reserve > segment_bytes:
            raise ValueError("reserve_bytes is at most half a segment")
        if budget_bytes:
            _check_budget(budget_bytes, segment_bytes, sync)
        if not 1 <= sync_interval_us <= 1_000_000:
            raise ValueError("sync_interval_us lies in 1..1000000")
        if not stem or "/" in stem or "\0" in stem:
            raise ValueError(f"not a stem for file names: {stem!r}")
        _text(config.stem, sizeof(config.stem), stem, "stem")
        _text(config.run_id, sizeof(config.run_id), run_id, "run_id")
        _text(config.build, sizeof(config.build), build, "build")
        config.segment_bytes = segment_bytes
        config.reserve_bytes = (reserve + 7) & ~<uint64_t>7
        config.budget_bytes = budget_bytes
        config.archived = archived
        config.poll_ns = <int64_t>sync_interval_us * 1000
        config.chained = chained
        config.sync = sync
        cdef const char* raw_path = path
        with nogil:
            self.log = log_open(raw_path, &config, &error)
        if self.log is NULL:
            raise _open_error(&error, os.fsdecode(path), stem)
        found = self.log.recovery
        self.recovered = RecoveryReport(found.next_index, found.torn_bytes, found.rehashed)

    def __dealloc__(self):
        if self.log is not NULL:
            log_close(self.log)
            log_free(self.log)

    cdef int append_parts(
        self, const void* head, size_t head_size, const void* body, size_t body_size
    ) noexcept nogil:
        return log_append(self.log, head, head_size, body, body_size, 0)

    cdef int append_parts_reserved(
        self, const void* head, size_t head_size, const void* body, size_t body_size
    ) noexcept nogil:
        return log_append(self.log, head, head_size, body, body_size, 1)

    cdef void expect(self) noexcept nogil:
        """A record may come soon: have its memory at hand."""
        if not self.log.closed:
            log_expect(self.log)

    cdef object add(self, const uint8_t[::1] record, bint reserved):
        cdef size_t size = record.shape[0]
        cdef uint64_t index = self.log.next_index
        cdef int status = log_append(self.log, &record[0] if size else NULL, size, NULL, 0, reserved)
        if status == LOG_OK:
            return index
        if status == LOG_CLOSED:
            raise LogError("the log is closed")
        if status == LOG_TOO_LARGE:
            raise LogError(f"a record of {size} bytes is too large: at most {self.log.max_payload}")
        if status == LOG_FULL:
            raise LogFull(f"no room for the next segment: {os.strerror(self.log.prepare_error)}")
        raise LogError(f"the log failed: {os.strerror(self.log.failed)}")

    def append(self, const uint8_t[::1] record not None) -> int:
        """Appends one record and returns its index, from 0; it survives the process from here on. LogFull, LogError."""
        return self.add(record, False)

    def append_reserved(self, const uint8_t[::1] record not None) -> int:
        """The same, but may use the reserve when the disk is full: for cancels."""
        return self.add(record, True)

    def wait_durable(self, int64_t timeout_ms) -> bool:
        """Waits until all records so far are on disk; False after `timeout_ms` or an I/O error. LogError if not sync."""
        cdef bint reached
        if not self.log.config.sync:
            raise LogError("the log is not synced")
        with nogil:
            reached = log_wait_durable(self.log, timeout_ms * 1_000_000)
        return reached

    def close(self) -> None:
        """Chains and syncs the rest and seals the log. LogError after an I/O error; a second call does nothing."""
        cdef int status
        with nogil:
            status = log_close(self.log)
        if status != LOG_OK:
            raise LogError(f"the log failed: {os.strerror(self.log.failed)}")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    @property
    def records(self) -> int:
        """How many records the log has, those of earlier sessions and removed segments included."""
        return self.log.records

    @property
    def durable_records(self) -> int:
        """How many of them are on disk; without sync only closing gets them there."""
        return self.log.durable

    @property
    def chained_records(self) -> int:
        """How many of them the writer's thread has taken in."""
        cdef uint8_t digest[32]
        return log_head(self.log, digest)

    @property
    def head_hash(self) -> str:
        """The hash of the last chained record, hex; zeros before the first and in a log that is not chained."""
        cdef uint8_t digest[32]
        log_head(self.log, digest)
        return (<bytes>digest[:32]).hex()

    def head(self) -> tuple[int, str]:
        """How many records are chained, and the hash of the last of them, hex: one moment's."""
        cdef uint8_t digest[32]
        cdef uint64_t count = log_head(self.log, digest)
        return count, (<bytes>digest[:32]).hex()

    def set_budget(self, uint64_t budget_bytes) -> None:
        """Another budget, kept at once by the thread. ValueError in a log that has none, or where it is too small."""
        if not self.log.config.budget_bytes:
            raise ValueError("the log was opened without a budget: nothing of it is ever removed")
        _check_budget(budget_bytes, self.log.config.segment_bytes, self.log.config.sync)
        with nogil:
            log_set_budget(self.log, budget_bytes)

    @property
    def bytes_written(self) -> int:
        """Bytes this session appended: records, headers, seals."""
        return self.log.bytes_written

    @property
    def segment(self) -> int:
        """The number of the segment that takes appends."""
        return self.log.current

    @property
    def failed_errno(self) -> int:
        """The error that ended the log, or that keeps the next segment from being allocated; 0 if all is well."""
        return self.log.failed or self.log.prepare_error

    @property
    def records_dropped_for_readers(self) -> int:
        """Records that were removed to keep the budget although a registered reader still needed them."""
        return self.log.records_dropped

    @property
    def segments_removed(self) -> int:
        """Segments removed to keep the budget."""
        return self.log.segments_removed

    @property
    def durable_latency(self) -> Histogram:
        """From append to durable, ns, of one record in 16 at most; a copy."""
        cdef Histogram copy = Histogram()
        log_latency(self.log, copy.data)
        return copy
