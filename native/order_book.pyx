"""The L2 order book in integer ticks and lots; all work is in order_book.h."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from native.level cimport level_t

cdef extern from "native/stopwatch.h" nogil:
    int64_t stopwatch_ns()

BID = BOOK_BID
ASK = BOOK_ASK
MAX_PRICE_TICKS = BOOK_MAX_PRICE_TICKS


cdef int check(int status) except -1:
    """Raise what a status other than BOOK_OK stands for."""
    if status == BOOK_OK:
        return 0
    if status == BOOK_BAD_PRICE:
        raise ValueError(f"a price must be 1 to {BOOK_MAX_PRICE_TICKS} ticks")
    if status == BOOK_BAD_SIZE:
        raise ValueError("a size must not be negative")
    if status == BOOK_BAD_SETTING:
        raise ValueError("window_ticks must be a power of two, 256 to 2^20, and max_overflow at most 2^20")
    raise MemoryError("no memory for an order book")


cdef int checked_side(int side) except -1:
    """The side, where it is one."""
    if side != BOOK_BID and side != BOOK_ASK:
        raise ValueError(f"a side is BID ({BOOK_BID}) or ASK ({BOOK_ASK}), not {side}")
    return side


cdef level_t *native_levels(list levels) except NULL:
    """The (price, size) pairs as a C array that the caller frees; one more than needed, so never NULL."""
    cdef level_t *out = <level_t *>malloc((len(levels) + 1) * sizeof(level_t))
    if out == NULL:
        raise MemoryError("no memory for levels")
    try:
        for i, (price_ticks, size_lots) in enumerate(levels):
            out[<size_t>i].price_ticks = price_ticks
            out[<size_t>i].size_lots = size_lots
    except (TypeError, ValueError, OverflowError):
        free(out)
        raise
    return out


cdef void append_bytes(void *context, const void *data, size_t length) noexcept with gil:
    (<list>context).append((<const char *>data)[:length])


cdef class OrderBook:
    """Price levels of one instrument, exact, best first.

    window_ticks (a power of two) are direct-mapped around the best price of each side; at most max_overflow
    further levels are kept per side. Raises ValueError for settings out of range.
    """

    def __cinit__(self, uint32_t window_ticks=BOOK_DEFAULT_WINDOW_TICKS,
                  uint32_t max_overflow=BOOK_DEFAULT_MAX_OVERFLOW):
        check(book_init(&self.c, window_ticks, max_overflow))

    def __dealloc__(self):
        book_free(&self.c)

    def set(self, int side, int64_t price_ticks, int64_t size_lots):
        """Set one level; size 0 removes it. Raises ValueError for a price or size out of range."""
        check(book_set(&self.c, checked_side(side), price_ticks, size_lots))

    def apply(self, int side, levels):
        """Set many (price_ticks, size_lots) of one side: all, or none where ValueError is raised."""
        pairs = list(levels)
        checked_side(side)
        cdef level_t *native = native_levels(pairs)
        cdef int status = book_apply(&self.c, native, len(pairs), side)
        free(native)
        check(status)

    def holds(self, int side, levels):
        """Whether a side has these levels, all of its window, as they stand, so that to apply them again changes nothing."""
        pairs = list(levels)
        checked_side(side)
        cdef level_t *native = native_levels(pairs)
        cdef bint found = book_holds(&self.c, native, len(pairs), side)
        free(native)
        return found

    def load(self, asks, bids, uint32_t depth_limit=0):
        """Replace the book by a snapshot; a side with depth_limit levels or more is unknown beyond its worst.

        Raises ValueError, and changes nothing, where a level is refused.
        """
        ask_pairs, bid_pairs = list(asks), list(bids)
        cdef level_t *native = native_levels(ask_pairs + bid_pairs)
        cdef int status = book_load(&self.c, native, len(ask_pairs), native + <size_t>len(ask_pairs),
                                    len(bid_pairs), depth_limit)
        free(native)
        check(status)

    def clear(self):
        """Empty both sides and call every price known."""
        book_clear(&self.c)

    def let_go(self):
        """As clear, and give the memory of the levels back to the system."""
        book_let_go(&self.c)

    @property
    def best_bid(self):
        """(price_ticks, size_lots) of the highest bid, or None."""
        return self.level(BOOK_BID, 0)

    @property
    def best_ask(self):
        """(price_ticks, size_lots) of the lowest ask, or None."""
        return self.level(BOOK_ASK, 0)

    @property
    def is_crossed(self):
        """Whether the best bid is at or above the best ask."""
        return bool(book_crossed(&self.c))

    @property
    def known_bid_floor_ticks(self):
        """Bids below this price are unknown, not empty."""
        return book_known_limit_ticks(&self.c, BOOK_BID)

    @property
    def known_ask_ceiling_ticks(self):
        """Asks above this price are unknown, not empty."""
        return book_known_limit_ticks(&self.c, BOOK_ASK)

    @property
    def dropped(self):
        """Levels forgotten so far because the overflow was full."""
        return self.c.bids.dropped + self.c.asks.dropped

    @property
    def recentred(self):
        """How often a window was moved."""
        return self.c.bids.recentred + self.c.asks.recentred

    def set_known_limit(self, int side, int64_t price_ticks):
        """Say that the side is known up to this price and not beyond it."""
        book_set_known_limit(&self.c, checked_side(side), price_ticks)

    def levels(self, int side, n=None):
        """The best n (None: all) levels as (price_ticks, size_lots), best first."""
        cdef book_cursor_t cursor = book_cursor(&self.c, checked_side(side))
        cdef level_t level
        cdef uint32_t left = book_count(&self.c, side) if n is None else n
        found = []
        while left and book_cursor_next(&cursor, &level):
            found.append((level.price_ticks, level.size_lots))
            left -= 1
        return found

    def level(self, int side, uint32_t nth):
        """The nth level from the best (0) as (price_ticks, size_lots), or None."""
        cdef level_t level
        if not book_level(&self.c, checked_side(side), nth, &level):
            return None
        return (level.price_ticks, level.size_lots)

    def size_at(self, int side, int64_t price_ticks):
        """The size in lots at a price; 0 where there is no level."""
        return book_size_at(&self.c, checked_side(side), price_ticks)

    def knows(self, int side, int64_t price_ticks):
        """Whether the lack of a level at this price means that it is empty."""
        return bool(book_knows(&self.c, checked_side(side), price_ticks))

    def count(self, int side):
        """How many levels the side has."""
        return book_count(&self.c, checked_side(side))

    def canonical_bytes(self):
        """What a state hash covers: equal books give equal bytes, however they came about."""
        parts = []
        book_digest(&self.c, append_bytes, <void *>parts)
        return b"".join(parts)


def time_updates(OrderBook book, list updates, uint32_t batch, uint32_t rounds):
    """Nanoseconds per update of (side, price_ticks, size_lots), one sample per batch, timed natively.

    The updates are applied rounds times in a row; a last batch that is not full is left out.
    """
    cdef size_t n = len(updates), i, at
    cdef uint32_t round_no
    cdef int64_t started
    cdef int *sides = <int *>malloc((n + 1) * sizeof(int))
    cdef level_t *levels = native_levels([(price, size) for _, price, size in updates])
    samples = []
    for i in range(n):
        sides[i] = checked_side(updates[i][0])
    for round_no in range(rounds):
        at = 0
        while at + batch <= n:
            started = stopwatch_ns()
            for i in range(at, at + batch):
                book_set(&book.c, sides[i], levels[i].price_ticks, levels[i].size_lots)
            samples.append((stopwatch_ns() - started) / <double>batch)
            at += batch
    free(sides)
    free(levels)
    return samples
