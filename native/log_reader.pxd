"""The append-only log's reader, for compiled followers."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "native/log_format.h" nogil:
    int LOG_RECORD
    int LOG_SEAL
    int LOG_EMPTY
    int LOG_BAD
    int LOG_END
    int LOG_CHAINED
    int LOG_BUDGETED
    int LOG_SEAL_ROLLED
    uint64_t LOG_FINISHED
    uint32_t LOG_RECORD_HEAD

    ctypedef struct log_header_t:
        uint32_t flags
        uint64_t number
        uint64_t first_index
        char run_id[16]
        char build[24]
        int64_t created_ns
        uint8_t previous_hash[32]
        uint64_t durable_mark
        uint32_t opened

    ctypedef struct log_seal_t:
        uint64_t next_index
        uint8_t hash[32]
        uint64_t kind
        uint64_t finished

    int log_probe(const char* base, uint64_t offset, uint64_t end, int chained, uint32_t* size)
    uint64_t log_stride(uint64_t size, int chained)
    uint64_t log_index(const char* record)
    int log_header_valid(const log_header_t* header)


cdef class Segment:
    """One mapped segment, read-only; views of it keep the mapping."""
    cdef readonly object mapping
    cdef object view
    cdef const char* base
    cdef uint64_t size
    cdef readonly uint64_t number
    cdef int chained


cdef class LogReader:
    cdef readonly str directory
    cdef readonly str stem
    cdef str reader_path
    cdef Segment segment
    cdef uint64_t next_segment
    cdef uint64_t offset
    cdef uint64_t expected
    cdef uint64_t wanted
    cdef bint started
    cdef bint open_next(self) except -1
    # 1 and a record, whose bytes stay valid until the next call; 0: none yet. Raises LogDamaged.
    cdef int next_record(self, const char** payload, size_t* length, uint64_t* index) except -1
