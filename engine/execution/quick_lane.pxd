"""For adapters that send an order without a detour through Python."""

from libc.stdint cimport int64_t

from engine.core.risk.gate cimport Approved


cdef class QuickLane:
    cdef public int64_t began_ns
    cdef public int64_t sent_ns
    cpdef object take(self, Approved approved)
