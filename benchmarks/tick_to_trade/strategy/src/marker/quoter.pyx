"""Quotes around the mid as `market_maker` does, compiled and without an inventory: what a command has to overtake.

For the benchmark it reads a clock, as no other strategy may: nothing is decided by it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

import atexit
from pathlib import Path

from engine.clock cimport wall_ns
from engine.core.event cimport ORDER_LIMIT_MAKER, SIDE_BUY, SIDE_SELL
from engine.core.state.books cimport Book
from engine.core.state.state cimport MAX_INSTRUMENTS
from engine.core.strategy cimport WANTS_BOOK, WANTS_ORDER, Strategy

cdef enum:
    PPM = 1_000_000
    DECISIONS_MOST = 1 << 18

ctypedef struct scale_t:
    int64_t tick_step
    int64_t lot_step
    int64_t quote_scaled     # divided by a price: the lots that are worth so much

ctypedef struct quote_t:
    uint64_t order_no        # 0: none stands
    int64_t price_ticks
    int64_t rest_until_ns
    bint is_cancelling

ctypedef struct decision_t:
    uint64_t order_no
    int64_t at_ns            # UTC


cdef class Quoter(Strategy):
    """A post-only order a side of every instrument, at `half_spread_ppm` (millionths) from the mid.

    Worth `quote_notional`, whole units of the quote currency. One that is off by more than `tolerance_ticks` is cancelled,
    and quoted anew, never sooner than `requote_ms` after the last. `decisions`: a file for when each cancel was decided on,
    written at the end: order and UTC in ns, eight bytes each.
    """
    cdef quote_t* quotes      # a bid and an ask of each instrument
    cdef scale_t* scales
    cdef int64_t half_spread_ppm
    cdef int64_t tolerance_ticks
    cdef int64_t requote_ns
    cdef int64_t quote_notional
    cdef decision_t* decisions
    cdef size_t decided
    cdef str decisions_file

    def __cinit__(self, int64_t half_spread_ppm=400, int64_t tolerance_ticks=0, int64_t requote_ms=50,
                  int64_t quote_notional=50, str decisions=""):
        self.half_spread_ppm, self.tolerance_ticks = half_spread_ppm, tolerance_ticks
        self.requote_ns, self.quote_notional = requote_ms * 1_000_000, quote_notional
        self.wants = WANTS_BOOK | WANTS_ORDER
        self.quotes = <quote_t*>calloc(2 * MAX_INSTRUMENTS, sizeof(quote_t))
        self.scales = <scale_t*>calloc(MAX_INSTRUMENTS, sizeof(scale_t))
        if self.quotes == NULL or self.scales == NULL:
            raise MemoryError("no memory for the quotes")
        self.decisions_file = decisions
        if decisions:
            self.decisions = <decision_t*>malloc(DECISIONS_MOST * sizeof(decision_t))
            if self.decisions == NULL:
                raise MemoryError("no memory for the decisions")
            memset(self.decisions, 1, DECISIONS_MOST * sizeof(decision_t))  # its pages are there before they are needed
            atexit.register(self.write_decisions)

    def __dealloc__(self):
        free(self.quotes)
        free(self.scales)
        free(self.decisions)

    def write_decisions(self) -> None:
        """Into the file named for them."""
        told = (<const char*>self.decisions)[:self.decided * sizeof(decision_t)]
        Path(self.decisions_file).write_bytes(told)

    cdef int start_slot(self) except -1:
        cdef scale_t* scale
        for instrument in self.instruments:
            spec = self.spec(instrument)
            scale = &self.scales[<int>instrument]
            scale.tick_step, scale.lot_step = spec.tick_step, spec.lot_step
            scale.quote_scaled = self.quote_notional * 10 ** (spec.price_decimals + spec.size_decimals)
        return 0

    cdef int book_slot(self, Book book) except -1:
        cdef int64_t bid_ticks = book.market.bid_ticks, ask_ticks = book.market.ask_ticks, half_ticks, mid_ticks, size_lots
        cdef scale_t* scale = &self.scales[book.instrument]
        if bid_ticks <= 0 or ask_ticks <= 0:
            return 0
        mid_ticks = (bid_ticks + ask_ticks) // 2
        half_ticks = max(mid_ticks * self.half_spread_ppm // PPM, scale.tick_step)
        size_lots = scale.quote_scaled // mid_ticks // scale.lot_step * scale.lot_step
        self.quote(book.instrument, SIDE_BUY, (mid_ticks - half_ticks) // scale.tick_step * scale.tick_step, size_lots)
        self.quote(book.instrument, SIDE_SELL, (mid_ticks + half_ticks) // scale.tick_step * scale.tick_step, size_lots)
        return 0

    cdef int quote(self, int instrument, uint32_t side, int64_t price_ticks, int64_t size_lots) except -1:
        cdef quote_t* quote = &self.quotes[2 * instrument + (side == SIDE_SELL)]
        cdef int64_t now_ns = self.desk.now()
        if now_ns < quote.rest_until_ns:
            return 0
        if not quote.order_no:
            quote.order_no = self.desk.place(self, instrument, side, ORDER_LIMIT_MAKER, price_ticks, size_lots, 0)
            quote.price_ticks, quote.is_cancelling = price_ticks, False
            quote.rest_until_ns = now_ns + self.requote_ns
        elif abs(quote.price_ticks - price_ticks) > self.tolerance_ticks and not quote.is_cancelling:
            self.note_decision(quote.order_no)
            quote.is_cancelling = self.desk.cancel(self, quote.order_no)
        return 0

    cdef void note_decision(self, uint64_t order_no) noexcept:
        if self.decisions != NULL and self.decided < DECISIONS_MOST:
            self.decisions[self.decided].order_no, self.decisions[self.decided].at_ns = order_no, wall_ns()
            self.decided += 1

    cdef int order_slot(self, object order) except -1:
        cdef quote_t* quote
        for side in range(2):
            quote = &self.quotes[2 * <int>order.instrument + side]
            if quote.order_no == <uint64_t>order.order_no and not order.is_open:
                quote.order_no = 0
        return 0
