"""Types for limits.py: what an order's budget takes is compiled."""


cdef class Window:
    cdef double _length_s
    cdef object _spent
    cdef Py_ssize_t _total
    cpdef double wait_s(self, double now_s, Py_ssize_t amount, Py_ssize_t limit) except? -1
    cpdef spend(self, double now_s, Py_ssize_t amount)


cdef class Budget:
    cdef readonly Py_ssize_t weight
    cdef Window _window
    cdef Py_ssize_t _per_second
    cdef Window _second
    cdef public double closed_until_s
    cpdef double wait_s(self, double now_s, Py_ssize_t weight, Py_ssize_t limit) except? -1
    cpdef spend(self, double now_s, Py_ssize_t weight)


cdef class RequestLimits:
    cdef dict _own
    cdef Py_ssize_t _weight_per_10s
    cdef Py_ssize_t _for_questions
    cdef object _now_s
    cdef dict _budgets
    cdef double _all_closed_until_s
    cpdef Budget budget(self, endpoint)
    cpdef bint allows(self, Budget budget, double now_s) except -1
    cpdef spend_now(self, endpoint)
    cdef double _closed_for_s(self, Budget budget, double now_s) except? -1
