"""A maintained order book: exact levels, the version rule, and a trust state."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from engine.core.event cimport book_t
from engine.core.state.state cimport market_t
from native.level cimport level_t
from native.order_book cimport order_book_t

cdef enum BookOutcome:
    BOOK_IGNORED = 0           # wholly old
    BOOK_CHANGED = 1
    BOOK_BUFFERED = 2          # waits for a snapshot
    BOOK_HOLE = 3              # a version is missing: resync
    BOOK_DAMAGED = 4           # crossed, or a level that cannot be: resync


cdef class Book:
    cdef order_book_t book
    cdef market_t* market
    cdef readonly int32_t instrument
    cdef readonly str symbol
    cdef readonly int64_t version
    cdef readonly uint32_t resync_attempt
    cdef readonly uint64_t deltas
    cdef readonly uint64_t overlaps
    cdef readonly uint64_t duplicates
    cdef readonly uint64_t holes
    cdef readonly uint64_t damages
    cdef readonly uint64_t resyncs
    cdef char* pending
    cdef size_t pending_used
    cdef size_t pending_room
    cdef int on_delta(self, const book_t* delta, const level_t* levels, int64_t now_ns) except -1
    cdef void rehearse(self, const book_t* delta, const level_t* levels) noexcept
    cdef int on_snapshot(self, const book_t* snapshot, const level_t* levels, int64_t now_ns) except -1
    cdef void distrust(self, uint32_t trust) noexcept
    cdef void let_go(self) noexcept
    cdef int64_t worst_fill_ticks(self, bint buy, int64_t size_lots) noexcept
    cdef int _apply(self, const book_t* delta, const level_t* levels, int64_t now_ns) noexcept
    cdef void _publish(self, int64_t now_ns) noexcept
    cdef int _keep(self, const book_t* delta, const level_t* levels) except -1
