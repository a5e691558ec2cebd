"""The gate: every intent passes it, and only what it approved can leave."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from engine.core.event cimport event_t, place_t
from engine.core.money cimport int128_t
from engine.core.state.state cimport State, state_t

ctypedef struct intent_t:
    int64_t price_ticks        # 0 for a market order
    int64_t size_lots
    int64_t worst_ticks        # of a market order: the last price it reaches in our book; 0: depth unknown
    uint64_t key               # idempotency key; 0: none
    int32_t instrument
    uint32_t strategy
    uint32_t side
    uint32_t order_type

ctypedef struct verdict_t:
    uint32_t reason            # 0: approved
    int64_t reserve_ticks      # the price that the exposure counts at
    int128_t notional
    int128_t fee               # at the taker's rate
    int128_t limit
    int128_t value

cdef int gate_check(state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil
cdef bint is_reduction(const state_t* s, const intent_t* intent) noexcept nogil
cdef uint64_t intent_hash(uint64_t order_no, const intent_t* intent) noexcept nogil


@cython.final
cdef class Approved:
    cdef readonly uint64_t order_no
    cdef readonly uint64_t halt_epoch
    cdef readonly uint64_t intent_hash
    cdef readonly int64_t price_ticks
    cdef readonly int64_t size_lots
    cdef readonly int64_t expires_ns
    cdef readonly int32_t instrument
    cdef readonly uint32_t strategy
    cdef readonly uint32_t side
    cdef readonly uint32_t order_type
    cdef readonly bint is_cancel
    cdef readonly bint is_rehearsal
    cdef bint used
    cpdef redeem(self, uint64_t halt_epoch, int64_t now_ns)
    cdef bint is_good(self, uint64_t halt_epoch, int64_t now_ns) noexcept


cdef class Gate:
    cdef State state
    cdef list passed           # what was approved and journaled, and not taken yet
    cdef int check(self, const intent_t* intent, verdict_t* verdict) noexcept
    cdef int rehearse(self, const intent_t* intent, verdict_t* verdict) noexcept
    cdef int release(self, const event_t* header, const place_t* place) except -1
    cdef int release_rehearsal(self, const event_t* header, place_t* place) except -1
    cdef int release_cancel(self, const event_t* header, uint64_t order_no) except -1
    cdef int release_cancel_rehearsal(self, const event_t* header, uint64_t order_no) except -1
    cpdef list take(self)
