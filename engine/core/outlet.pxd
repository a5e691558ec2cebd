"""Where the core's outputs may leave before an event is done."""


cdef class Outlet:
    cdef int let_out(self) except -1
