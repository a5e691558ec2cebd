"""What a strategy is to the core: a set of slots. Python fills them by methods, compiled code by overriding."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from engine.core.event cimport listing_t
from engine.core.state.books cimport Book


cdef class Trade:
    cdef readonly int64_t price_ticks
    cdef readonly int64_t size_lots
    cdef readonly int64_t ts_event_ns
    cdef readonly int32_t instrument
    cdef readonly uint32_t side


cdef class Listing:
    cdef listing_t body
    cdef readonly int64_t ts_event_ns
    cdef readonly int64_t ts_recv_ns


cdef class Desk:
    """The core's face towards strategies."""
    cdef uint64_t place(self, Strategy strategy, int32_t instrument, uint32_t side, uint32_t order_type,
                        int64_t price_ticks, int64_t size_lots, uint64_t key) except? 0
    cdef bint cancel(self, Strategy strategy, uint64_t order_no) except -1
    cdef int set_timer(self, Strategy strategy, uint32_t timer_id, int64_t delay_ns) except -1
    cdef int watch(self, Strategy strategy, str symbol, bint on) except -1
    cdef int memo(self, Strategy strategy, str key, bytes value) except -1
    cdef int alert_of(self, Strategy strategy, str text) except -1
    cdef int64_t now(self) noexcept


cdef class Strategy:
    cdef Desk desk
    cdef readonly str name
    cdef readonly uint32_t index
    cdef readonly list instruments
    cdef readonly uint32_t wants
    cdef readonly uint32_t denied_reason
    cdef int start_slot(self) except -1
    cdef int book_slot(self, Book book) except -1
    cdef int trade_slot(self, Trade trade) except -1
    cdef int order_slot(self, object order) except -1
    cdef int timer_slot(self, uint32_t timer_id) except -1
    cdef int listing_slot(self, Listing listing) except -1
    cdef int instrument_slot(self, int32_t instrument) except -1

cdef enum:
    WANTS_BOOK = 1
    WANTS_TRADE = 2
    WANTS_ORDER = 4
    WANTS_TIMER = 8
    WANTS_LISTING = 16
    WANTS_INSTRUMENT = 32
