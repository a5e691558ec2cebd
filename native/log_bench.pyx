"""Times the log and the signer from inside, without the GIL; for benchmarks/micro/journal.py."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from native.hashing cimport HmacSha256
from native.histogram cimport Histogram
from native.log_writer cimport LOG_OK, LogWriter


cdef extern from "native/log_segment.h" nogil:
    ctypedef int clockid_t
    int CLOCK_MONOTONIC
    int64_t log_clock_ns(int clock)


cdef extern from "native/log_writer.h" nogil:
    void log_sleep(int64_t ns)


def time_append(LogWriter log not None, uint64_t count, size_t size, int64_t interval_ns=0) -> Histogram:
    """Appends `count` records of `size` bytes, one every `interval_ns`; ns of each append (copy and commit)."""
    cdef Histogram times = Histogram()
    cdef uint8_t record[4096]
    cdef uint64_t i
    cdef int64_t start_ns, end_ns, due_ns
    cdef int status = LOG_OK
    if size > sizeof(record):
        raise ValueError("size is at most 4096")
    memset(record, 7, sizeof(record))
    with nogil:
        due_ns = log_clock_ns(CLOCK_MONOTONIC)
        for i in range(count):
            start_ns = log_clock_ns(CLOCK_MONOTONIC)
            if interval_ns and start_ns < due_ns:
                log_sleep(due_ns - start_ns)
                start_ns = log_clock_ns(CLOCK_MONOTONIC)
            status = log.append_parts(record, size, NULL, 0)
            end_ns = log_clock_ns(CLOCK_MONOTONIC)
            if status != LOG_OK:
                break
            times.add(end_ns - start_ns)
            due_ns += interval_ns
    if status != LOG_OK:
        raise RuntimeError(f"an append failed with status {status}")
    return times


def time_sign(HmacSha256 signer not None, uint64_t count, size_t size) -> float:
    """Mean ns of one HMAC over `size` bytes, out of `count`."""
    cdef uint8_t message[4096]
    cdef uint8_t digest[32]
    cdef uint64_t i
    cdef int64_t start_ns
    if size > sizeof(message) or not count:
        raise ValueError("size is at most 4096 and count at least 1")
    memset(message, 7, sizeof(message))
    with nogil:
        start_ns = log_clock_ns(CLOCK_MONOTONIC)
        for i in range(count):
            message[i % size if size else 0] ^= 1
            signer.sign_raw(message, size, digest)
        start_ns = log_clock_ns(CLOCK_MONOTONIC) - start_ns
    return <double>start_ns / <double>count
