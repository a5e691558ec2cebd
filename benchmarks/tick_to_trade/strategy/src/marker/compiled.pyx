"""The marker strategy compiled: the same decisions, its slot filled directly."""

from libc.stdint cimport int64_t

from engine.core.event cimport ORDER_IOC, SIDE_BUY
from engine.core.state.books cimport Book
from engine.core.strategy cimport WANTS_BOOK, Strategy

cdef enum:
    MARKER_SCALE = 10_000
    MARKER = 7_777
    ORDER_LOTS = 10_000


cdef class Marker(Strategy):
    """Buys the least size, plus the frame's number in lots, at the best ask: immediate or cancel."""

    def __cinit__(self):
        self.wants = WANTS_BOOK

    cdef int book_slot(self, Book book) except -1:
        cdef int64_t bid_lots = book.market.bid_lots
        if bid_lots % MARKER_SCALE == MARKER:
            self.desk.place(self, book.instrument, SIDE_BUY, ORDER_IOC, book.market.ask_ticks,
                            ORDER_LOTS + bid_lots // MARKER_SCALE, 0)
        return 0
