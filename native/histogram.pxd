"""A log-linear latency histogram in nanoseconds."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "native/histogram.h" nogil:
    ctypedef struct histogram_t:
        uint64_t count
        uint64_t sum
        uint64_t max

    void histogram_record(histogram_t* histogram, int64_t value_ns)
    uint64_t histogram_rank(const histogram_t* histogram, uint64_t rank)
    void histogram_merge(histogram_t* into, const histogram_t* source)
    void histogram_reset(histogram_t* histogram)


cdef class Histogram:
    cdef histogram_t* data
    cdef void add(self, int64_t value_ns) noexcept nogil
    cdef uint64_t percentile_ns(self, double percent) noexcept nogil
