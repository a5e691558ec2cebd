"""The writing side of one order connection."""


cdef class OrderWire:
    cdef readonly int socket
    cdef readonly object transport
    cdef readonly object tls
    cdef object encrypt
    cdef object take_encrypted
    cdef public bint is_free
    cdef bint is_backed_up
    cdef bint has_room(self) except -1
    cdef int rehearse(self, const char *data, Py_ssize_t size) except -1
    cdef int put(self, const char *data, Py_ssize_t size) except -1
    cdef int give(self, const char *data, Py_ssize_t size) except -1


cdef class Wired:
    cdef public OrderWire wire
    cdef public object gone
