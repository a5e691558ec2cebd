"""An order as Python sees it: a copy taken at one moment."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from engine.core.state.state cimport order_t


cdef class Order:
    cdef readonly uint64_t order_no
    cdef readonly int64_t price_ticks
    cdef readonly int64_t size_lots
    cdef readonly int64_t filled_lots
    cdef readonly int64_t placed_ns
    cdef readonly int64_t updated_ns
    cdef readonly int32_t instrument
    cdef readonly int32_t venue_code
    cdef readonly uint32_t strategy
    cdef readonly uint32_t side
    cdef readonly uint32_t order_type
    cdef readonly uint32_t state
    cdef readonly bint cancel_pending
    cdef readonly bint is_canceled
    cdef readonly bint is_open
    cdef readonly str venue_order_id
    cdef readonly object filled_money
    cdef readonly object fees
    cdef readonly object base_fees
    cdef readonly str fee_asset

cdef Order order_view(const order_t* order)
