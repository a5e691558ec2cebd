"""For adapters that send an order without a detour through Python."""

from engine.core.risk.gate cimport Approved


cdef class QuickLane:
    cpdef object take(self, Approved approved)
