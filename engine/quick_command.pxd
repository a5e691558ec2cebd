"""A command's way into the core without a detour through Python."""

from libc.stdint cimport uint64_t

from engine.core.event cimport told_t
from engine.sequencer cimport Sequencer


cdef class QuickCommand:
    cdef Sequencer sequencer
    cdef bint is_new(self, const told_t* told, size_t size, dict answers) except -1
    cdef uint64_t take(self, const char* data, size_t size, dict answers) except? 0
    cdef int rehearse(self, dict answers) except -1
