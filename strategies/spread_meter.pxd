"""The smallest compiled strategy, for cimport."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from engine.core.state.books cimport Book
from engine.core.strategy cimport Strategy, Trade

ctypedef struct meter_t:
    uint64_t books             # changes of the book that were heard
    uint64_t two_sided         # of these: with a bid and an ask
    int64_t spread_sum_ticks   # over the two-sided ones
    int64_t spread_least_ticks
    int64_t spread_most_ticks
    uint64_t trades
    int64_t traded_lots


cdef class SpreadMeter(Strategy):
    cdef meter_t* meters       # by instrument
    cdef readonly uint64_t books
    cdef readonly uint64_t trades
    cdef readonly uint64_t order_every
    cdef readonly int64_t order_lots
    cdef readonly uint64_t proposed
    cdef int propose(self, Book book) except -1
