"""Looks between two frames of one read whether a command has come."""

from libc.stdint cimport int64_t


cdef class Lookout:
    cdef int epoll
    cdef object obey
    cdef object rehearsal
    cdef int64_t looked_ns
    cdef int64_t rehearsed_ns
    cdef bint sees(self, int64_t now_ns) noexcept
    cdef bint is_due(self, int64_t now_ns) noexcept
