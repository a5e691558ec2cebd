"""Types for executor.py: an order's way out is compiled."""

from libc.stdint cimport int64_t

from engine.core.risk.gate cimport Approved
from engine.execution.quick_lane cimport QuickLane


cdef class _Lane:
    cdef Py_ssize_t _free
    cdef object _waiting
    cpdef bint try_enter(self)
    cpdef leave(self)


cdef class _Sending:
    cdef Executor _executor
    cdef readonly object approved
    cdef readonly object began_ns
    cdef readonly object sent_ns
    cdef readonly bint redeemed
    cpdef before_send(self)
    cpdef note_sent(self, began_ns, sent_ns)


cdef class Executor:
    cdef object _adapter
    cdef object _sequencer
    cdef object _run_id
    cdef object _resolver
    cdef QuickLane _quick
    cdef object _limits
    cdef Py_ssize_t _pending_places
    cdef _Lane _place_lane
    cdef _Lane _cancel_lane
    cdef dict _places
    cdef set _cancels
    cdef set _expected                 # orders that are approved and come to be submitted
    cdef int64_t went_ns               # the sequencer's: when the first one since it last asked had gone the shortest way
    cdef list _gone                    # what went the shortest way, or never will, and is not followed yet
    cdef bint in_batch                 # the sequencer's: more is submitted at once; `end_batch` comes
    cdef bint _is_follow_due
    cdef readonly object sent
    cpdef expect(self, list approvals)
    cdef end_batch(self)
    cpdef submit(self, Approved approved)
    cpdef bint try_cancel(self, Approved approved) except -1
    cdef bint _may_cancel(self, order_no) except -1
    cdef _submit_place(self, Approved approved)
    cdef _submit_cancel(self, Approved approved)
    cdef bint _take_quick(self, Approved approved)
    cdef _follow_place(self, _Sending sending, begun)
    cdef _follow_cancel(self, Approved approved, begun)
    cdef _note_gone(self, Approved approved, begin, int64_t began_ns, int64_t sent_ns)
    cdef _follow(self, Approved approved, begin, int64_t began_ns, int64_t sent_ns)
    cdef _follow_soon(self)
    cpdef _follow_gone(self)
    cdef _begin(self, _Sending sending)
    cdef _begin_cancel(self, approved)
    cdef _redeem(self, approved)
