"""Looks between two frames of one read whether a command has come."""

from libc.stdint cimport int64_t


cdef class Lookout:
    cdef int epoll
    cdef int64_t looked_ns
    cdef int sees(self, int64_t now_ns) noexcept
    cpdef serve(self, int number)
    cpdef rehearse(self)
