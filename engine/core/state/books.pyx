"""A maintained order book: exact levels, the version rule, and a trust state (facts of MEXC's protocol: docs/mexc.md).

    RESYNCING --snapshot bridges to the deltas--> LIVE --hole, damage--> RESYNCING
    any --feed down--> STALE --feed up--> RESYNCING

Only a LIVE book may be traded on. While RESYNCING, deltas wait in a bounded buffer for the snapshot.
"""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from engine.core.state.state cimport TRUST_LIVE, TRUST_RESYNCING, TRUST_STALE
from native.order_book cimport (
    BOOK_ASK, BOOK_BID, BOOK_DEFAULT_MAX_OVERFLOW, BOOK_DEFAULT_WINDOW_TICKS, BOOK_OK, book_apply, book_best_lots,
    book_best_ticks, book_clear, book_copy, book_count, book_crossed, book_cursor, book_cursor_next, book_cursor_t,
    book_digest, book_free, book_holds, book_init, book_known_limit_ticks, book_knows, book_let_go, book_load, book_size_at,
)

cdef size_t PENDING_FIRST = 1 << 14
cdef size_t PENDING_MOST = 1 << 22
cdef int WALK_MOST = 4096

TRUST_NAMES = ("RESYNCING", "STALE", "LIVE")


cdef inline size_t delta_bytes(const book_t* delta) noexcept nogil:
    return sizeof(book_t) + (<size_t>delta.n_asks + delta.n_bids) * sizeof(level_t)


cdef void collect(void* context, const void* bytes_, size_t length) noexcept nogil:
    with gil:
        (<list>context).append((<const char*>bytes_)[:length])


cdef class Book:
    """One instrument's order book as strategies see it. Prices in ticks, sizes in lots; 0 where a side is empty."""

    def __cinit__(self, int instrument, str symbol):
        if book_init(&self.book, BOOK_DEFAULT_WINDOW_TICKS, BOOK_DEFAULT_MAX_OVERFLOW) != BOOK_OK:
            raise MemoryError(f"no memory for the book of {symbol}")
        self.instrument = instrument
        self.symbol = symbol
        self.pending = <char*>malloc(PENDING_FIRST)
        if self.pending == NULL:
            raise MemoryError(f"no memory for the book of {symbol}")
        self.pending_room = PENDING_FIRST

    def __dealloc__(self):
        book_free(&self.book)
        free(self.pending)

    cdef void distrust(self, uint32_t trust) noexcept:
        """Stop trusting the book; what is buffered belongs to a stream that ended."""
        self.market.trust = trust
        self.pending_used = 0
        self.resync_attempt = 0

    cdef void let_go(self) noexcept:
        """Forget levels and buffered changes, and the memory that they took: no feed carries this book now."""
        self.distrust(TRUST_STALE)
        book_let_go(&self.book)
        if self.pending_room > PENDING_FIRST:
            smaller = <char*>realloc(self.pending, PENDING_FIRST)
            if smaller != NULL:
                self.pending, self.pending_room = smaller, PENDING_FIRST

    cdef int _keep(self, const book_t* delta, const level_t* levels) except -1:
        cdef size_t need = delta_bytes(delta), room = self.pending_room
        if need > PENDING_MOST:
            return BOOK_DAMAGED
        if self.pending_used + need > PENDING_MOST:
            # The snapshot is long overdue: what waited longest is the least use to it.
            self.pending_used = 0
        while room < self.pending_used + need:
            room *= 2
        if room != self.pending_room:
            grown = <char*>realloc(self.pending, room)
            if grown == NULL:
                raise MemoryError(f"no memory for the deltas of {self.symbol}")
            self.pending = grown
            self.pending_room = room
        memcpy(self.pending + self.pending_used, delta, sizeof(book_t))
        memcpy(self.pending + self.pending_used + sizeof(book_t), levels, need - sizeof(book_t))
        self.pending_used += need
        return BOOK_BUFFERED

    cdef void _publish(self, int64_t now_ns) noexcept:
        cdef market_t* market = self.market
        market.bid_ticks = book_best_ticks(&self.book, BOOK_BID)
        market.bid_lots = book_best_lots(&self.book, BOOK_BID)
        market.ask_ticks = book_best_ticks(&self.book, BOOK_ASK)
        market.ask_lots = book_best_lots(&self.book, BOOK_ASK)
        market.updated_ns = now_ns

    cdef int _apply(self, const book_t* delta, const level_t* levels, int64_t now_ns) noexcept:
        """The version rule: old is skipped, overlap is applied (sizes are absolute), a hole ends trust."""
        if delta.to_version <= self.version:
            self.duplicates += 1
            return BOOK_IGNORED
        # Not version + 1: versions are the venue's, up to the end of their range.
        if (delta.from_version > self.version and delta.from_version - 1 > self.version) or (
                delta.from_version > delta.to_version):
            self.holes += 1
            return BOOK_HOLE
        if delta.from_version <= self.version:
            self.overlaps += 1
        if (book_apply(&self.book, levels, delta.n_asks, BOOK_ASK) != BOOK_OK
                or book_apply(&self.book, levels + delta.n_asks, delta.n_bids, BOOK_BID) != BOOK_OK):
            self.damages += 1
            return BOOK_DAMAGED
        self.version = delta.to_version
        self.deltas += 1
        return BOOK_CHANGED

    cdef int on_delta(self, const book_t* delta, const level_t* levels, int64_t now_ns) except -1:
        """Apply a delta, or keep it for the snapshot; BOOK_HOLE and BOOK_DAMAGED ask for a resync."""
        cdef int outcome
        if self.market.trust != TRUST_LIVE:
            return self._keep(delta, levels)
        outcome = self._apply(delta, levels, now_ns)
        if outcome == BOOK_CHANGED:
            self._publish(now_ns)
            if book_crossed(&self.book):
                self.damages += 1
                outcome = BOOK_DAMAGED
        if outcome == BOOK_HOLE or outcome == BOOK_DAMAGED:
            self.distrust(TRUST_RESYNCING)
            # The delta after the hole is the first that a fresh snapshot may have to bridge to.
            self._keep(delta, levels)
        return outcome

    cdef void rehearse(self, const book_t* delta, const level_t* levels) noexcept:
        """Apply the newest delta again, where that changes nothing: what the next one needs is at hand then."""
        if (self.market.trust == TRUST_LIVE and delta.to_version == self.version
                and book_holds(&self.book, levels, delta.n_asks, BOOK_ASK)
                and book_holds(&self.book, levels + delta.n_asks, delta.n_bids, BOOK_BID)):
            book_apply(&self.book, levels, delta.n_asks, BOOK_ASK)
            book_apply(&self.book, levels + delta.n_asks, delta.n_bids, BOOK_BID)

    cdef int on_snapshot(self, const book_t* snapshot, const level_t* levels, int64_t now_ns) except -1:
        """Load a snapshot and bridge it to the buffered deltas; BOOK_HOLE where it is too old for them."""
        cdef size_t offset = 0
        cdef const book_t* delta
        cdef int outcome
        if self.market.trust == TRUST_LIVE:
            return BOOK_IGNORED
        self.resync_attempt += 1
        if book_load(&self.book, levels, snapshot.n_asks, levels + snapshot.n_asks, snapshot.n_bids,
                     snapshot.depth_limit) != BOOK_OK:
            self.damages += 1
            return BOOK_DAMAGED
        self.version = snapshot.to_version
        while offset < self.pending_used:
            delta = <const book_t*>(self.pending + offset)
            outcome = self._apply(delta, <const level_t*>(self.pending + offset + sizeof(book_t)), now_ns)
            if outcome == BOOK_HOLE or outcome == BOOK_DAMAGED:
                # Before this delta nothing can be bridged any more; a newer snapshot may reach it.
                self.pending_used -= offset
                memmove(self.pending, self.pending + offset, self.pending_used)
                return outcome
            offset += delta_bytes(delta)
        self.pending_used = 0
        if book_crossed(&self.book):
            self.damages += 1
            return BOOK_DAMAGED
        self.market.trust = TRUST_LIVE
        self.resync_attempt = 0
        self.resyncs += 1
        self._publish(now_ns)
        return BOOK_CHANGED

    cdef int64_t worst_fill_ticks(self, bint buy, int64_t size_lots) noexcept:
        """The last price that a market order of this size reaches; 0 where our known depth does not hold it."""
        cdef int side = BOOK_ASK if buy else BOOK_BID
        cdef book_cursor_t cursor = book_cursor(&self.book, side)
        cdef level_t level
        cdef int walked = 0
        while walked < WALK_MOST and book_cursor_next(&cursor, &level):
            if not book_knows(&self.book, side, level.price_ticks):
                return 0
            size_lots -= level.size_lots
            if size_lots <= 0:
                return level.price_ticks
            walked += 1
        return 0

    @property
    def best_bid_ticks(self) -> int:
        return self.market.bid_ticks

    @property
    def best_bid_lots(self) -> int:
        return self.market.bid_lots

    @property
    def best_ask_ticks(self) -> int:
        return self.market.ask_ticks

    @property
    def best_ask_lots(self) -> int:
        return self.market.ask_lots

    @property
    def spread_ticks(self) -> int:
        return self.market.ask_ticks - self.market.bid_ticks

    @property
    def is_live(self) -> bool:
        return self.market.trust == TRUST_LIVE

    @property
    def trust(self) -> str:
        """RESYNCING, STALE or LIVE."""
        return TRUST_NAMES[self.market.trust]

    @property
    def updated_ns(self) -> int:
        """When the newest change came in, by our clock."""
        return self.market.updated_ns

    @property
    def known_bid_floor_ticks(self) -> int:
        """Below this price the snapshot was cut: levels there are unknown, not empty. 0: all known."""
        return book_known_limit_ticks(&self.book, BOOK_BID)

    @property
    def known_ask_ceiling_ticks(self) -> int:
        """Above this price levels are unknown, not empty; the highest price there can be: all known."""
        return book_known_limit_ticks(&self.book, BOOK_ASK)

    def knows(self, side: int, price_ticks: int) -> bool:
        """Whether the size at this price is known, an empty one too. side: Side."""
        return bool(book_knows(&self.book, BOOK_BID if side == 1 else BOOK_ASK, price_ticks))

    def size_at(self, side: int, price_ticks: int) -> int:
        """The size in lots at a price of one side (Side)."""
        return book_size_at(&self.book, BOOK_BID if side == 1 else BOOK_ASK, price_ticks)

    def levels(self, side: int, n: int = 20) -> list:
        """The best n levels of a side as (price_ticks, size_lots), best first."""
        cdef uint32_t found
        cdef int which = BOOK_BID if side == 1 else BOOK_ASK
        cdef uint32_t room = min(<uint32_t>max(n, 0), book_count(&self.book, which))
        cdef level_t* out = <level_t*>malloc((room + 1) * sizeof(level_t))
        if out == NULL:
            raise MemoryError("no memory for the levels")
        try:
            found = book_copy(&self.book, which, out, room)
            return [(out[i].price_ticks, out[i].size_lots) for i in range(found)]
        finally:
            free(out)

    def canonical_bytes(self) -> bytes:
        """The book's version, trust and levels in one form: part of the full hash."""
        return self.version.to_bytes(8, "little", signed=True) + self.trust.encode() + self.level_bytes()

    def level_bytes(self) -> bytes:
        """The levels alone, as native.order_book.OrderBook.canonical_bytes has them."""
        parts = []
        book_digest(&self.book, collect, <void*>parts)
        return b"".join(parts)

    def __repr__(self) -> str:
        return (f"Book({self.symbol} {self.market.bid_lots}@{self.market.bid_ticks} / "
                f"{self.market.ask_lots}@{self.market.ask_ticks} {self.trust} v{self.version})")
