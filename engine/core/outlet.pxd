"""Where the core's outputs may leave before an event is done."""


cdef class Outlet:
    cdef int on_first_cancel(self) except -1
