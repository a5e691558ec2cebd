"""Looks between two frames of one read whether a command has come."""

from libc.stdint cimport int64_t


cdef enum:
    SERVE_OTHERS = 1


cdef class Lookout:
    cdef int epoll
    cdef int64_t looked_ns
    cdef unsigned int looks
    cdef int look(self, int64_t now_ns) except -1
    cdef int serve_nearest(self) except -1
    cpdef serve(self, int number)
    cpdef rehearse(self)
