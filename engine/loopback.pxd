"""A connection to ourselves."""


cdef class Loopback:
    cdef object sender
    cdef object receiver
    cdef int out
    cdef int into
    cdef int rehearse(self) noexcept
