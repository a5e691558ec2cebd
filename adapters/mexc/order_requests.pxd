"""Types for order_requests.py: building an order's bytes is compiled."""


cdef class OrderRequests:
    cdef object _signer
    cdef object _recv_window_ms
    cdef bytes _head
    cdef readonly bytes ping
    cdef readonly dict templates
    cdef readonly dict cancels
    cpdef bytes order(self, ticket, spec, timestamp_ms)
    cpdef bytes cancel(self, order, spec, timestamp_ms)
    cdef _order_template(self, instrument, side, order_type, spec)
    cdef _cancel_template(self, instrument, spec)
    cdef _template(self, target, spec)
