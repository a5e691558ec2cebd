"""Types for limits.py: what an order's budget takes is compiled."""


cdef class Window:
    cdef double _length_s
    cdef object _spent
    cdef Py_ssize_t _total
    cpdef double wait_s(self, double now_s, Py_ssize_t amount, Py_ssize_t limit) except? -1
    cpdef spend(self, double now_s, Py_ssize_t amount)


cdef class RequestLimits:
    cdef dict _own
    cdef Py_ssize_t _weight_per_10s
    cdef Py_ssize_t _for_questions
    cdef object _now_s
    cdef object _weights
    cdef dict _seconds
    cdef dict _closed_until
    cpdef spend_now(self, endpoint)
    cpdef bint try_spend(self, endpoint) except -1
    cpdef bint may_spend(self, endpoint) except -1
    cdef double _closed_for_s(self, endpoint, double now_s) except? -1
    cdef double _wait_s(self, endpoint, double now_s, Py_ssize_t weight, Py_ssize_t limit) except? -1
    cdef _spend(self, endpoint, double now_s, Py_ssize_t weight)
