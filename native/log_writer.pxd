"""The append-only log's writer, for compiled appenders (one thread)."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from native.histogram cimport histogram_t


cdef extern from "native/log_lifecycle.h" nogil:
    int LOG_OK
    int LOG_CLOSED
    int LOG_TOO_LARGE
    int LOG_FULL
    int LOG_FAILED
    int LOG_DAMAGED
    int LOG_MISMATCH
    int LOG_STEM_MAX

    ctypedef struct log_config_t:
        char stem[64]
        char run_id[16]
        char build[24]
        uint64_t segment_bytes
        uint64_t reserve_bytes
        uint64_t budget_bytes
        uint64_t archived
        int64_t poll_ns
        int chained
        int sync

    ctypedef struct log_error_t:
        int status
        int error
        uint64_t index
        uint64_t segment
        uint64_t offset

    ctypedef struct log_recovery_t:
        uint64_t number
        uint64_t next_index
        uint64_t torn_bytes
        uint64_t rehashed

    ctypedef struct log_writer_t:
        log_config_t config
        log_recovery_t recovery
        uint64_t next_index
        uint64_t max_payload
        int closed
        uint64_t records
        uint64_t bytes_written
        uint64_t durable
        uint64_t published
        uint64_t records_dropped
        uint64_t segments_removed
        uint64_t current
        uint64_t budget_bytes
        int failed
        int prepare_error

    log_writer_t* log_open(const char* directory, const log_config_t* config, log_error_t* error)
    int log_append(
        log_writer_t* log, const void* head, size_t head_size, const void* body, size_t body_size, int reserved
    )
    void log_expect(const log_writer_t* log)
    int log_close(log_writer_t* log)
    void log_free(log_writer_t* log)
    int log_wait_durable(log_writer_t* log, int64_t timeout_ns)
    void log_set_budget(log_writer_t* log, uint64_t budget_bytes)
    uint64_t log_head(log_writer_t* log, uint8_t* hash)
    void log_latency(log_writer_t* log, histogram_t* into)


cdef class LogWriter:
    cdef log_writer_t* log
    cdef readonly object recovered
    # Both: copy and commit; LOG_OK, or the status why nothing was appended. The record's index is log.next_index before.
    cdef int append_parts(
        self, const void* head, size_t head_size, const void* body, size_t body_size
    ) noexcept nogil
    cdef int append_parts_reserved(
        self, const void* head, size_t head_size, const void* body, size_t body_size
    ) noexcept nogil
    cdef void expect(self) noexcept nogil
    cdef object add(self, const uint8_t[::1] record, bint reserved)
