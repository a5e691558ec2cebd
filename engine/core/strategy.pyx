"""What a strategy is to the core: a set of slots. Python fills them by methods, compiled code by overriding.

    class Quiet(Strategy):                     # Python: define what you want to hear
        def on_book(self, book): ...

    cdef class Loud(Strategy):                 # Cython: override the slot itself, no Python call per event
        cdef int book_slot(self, Book book) except -1: ...

A strategy reads no clock and draws no random number of its own: `now_ns` and seeded parameters are all it needs,
so that a replay does the same.
"""

from engine.core.event cimport ORDER_IOC, ORDER_LIMIT, ORDER_LIMIT_MAKER, ORDER_MARKET, SIDE_BUY, SIDE_SELL
from engine.core.money cimport money_get, money_int, whole


cdef class Trade:
    """A public trade; valid during on_trade only."""


cdef class Listing:
    """What one source says of a symbol that is, or may be, listed; -1 where it does not say. May be kept."""

    @property
    def source(self) -> int:
        """ListingSource."""
        return self.body.source

    @property
    def change(self) -> int:
        """ListingChange; the symbol is empty where it is about the source as a whole."""
        return self.body.change

    @property
    def symbol(self) -> str:
        return self.body.symbol[:32].split(b"\0", 1)[0].decode("ascii", "replace")

    @property
    def listing_id(self) -> str:
        return self.body.listing_id[:40].split(b"\0", 1)[0].decode("ascii", "replace")

    @property
    def open_time_ms(self) -> int:
        """When it opens, by the venue's clock."""
        return self.body.open_time_ms

    @property
    def status(self) -> int:
        """1 online, 2 paused, 3 offline."""
        return self.body.status

    @property
    def api_allowed(self) -> int:
        return self.body.api_allowed

    @property
    def trade_side_type(self) -> int:
        """1 both sides, 2 buy, 3 sell, 4 none."""
        return self.body.trade_side_type

    @property
    def order_types(self) -> int:
        """A bit per OrderType."""
        return self.body.order_types

    @property
    def venue_codes(self) -> tuple:
        """The web site's three state codes, as they are."""
        return self.body.venue_codes[0], self.body.venue_codes[1], self.body.venue_codes[2]

    @property
    def price_decimals(self) -> int:
        return self.body.price_decimals

    @property
    def size_decimals(self) -> int:
        return self.body.size_decimals

    @property
    def band_up_ppm(self) -> int:
        return self.body.band_up_ppm

    @property
    def band_down_ppm(self) -> int:
        return self.body.band_down_ppm

    @property
    def price(self) -> int:
        """A reference price as money (10^-20), 0 where there is none."""
        return money_int(money_get(self.body.price))

    @property
    def fields(self) -> int:
        """What the source's row had: bit 0 listing id, 1 contract address, 2 price scale, 3 size scale."""
        return self.body.fields

    @property
    def text(self) -> str:
        return self.body.text[:128].split(b"\0", 1)[0].decode("utf-8", "replace")


cdef class Desk:
    """The core's face towards strategies."""

    cdef uint64_t place(self, Strategy strategy, int32_t instrument, uint32_t side, uint32_t order_type,
                        int64_t price_ticks, int64_t size_lots, uint64_t key) except? 0:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef bint cancel(self, Strategy strategy, uint64_t order_no) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int set_timer(self, Strategy strategy, uint32_t timer_id, int64_t delay_ns) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int watch(self, Strategy strategy, str symbol, bint on) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int memo(self, Strategy strategy, str key, bytes value) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int alert_of(self, Strategy strategy, str text) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int64_t now(self) noexcept:
        return 0


cdef class Strategy:
    """Base of all strategies: override on_start, on_book, on_trade, on_order, on_timer, on_listing, on_instrument as needed.

    Orders are proposed with buy() and sell(): they answer the order's number, or 0 where the gate denied it, and then
    `denied_reason` has the code. Prices and sizes are integers: a float is a TypeError, never cut to one. Orders,
    positions and books are read through `orders`, `position` and `book`.
    """

    def __cinit__(self, *args, **kwargs):
        self.desk = Desk()
        self.name = type(self).__name__
        self.instruments = []
        self.wants = (
            WANTS_BOOK * (type(self).on_book is not Strategy.on_book)
            | WANTS_TRADE * (type(self).on_trade is not Strategy.on_trade)
            | WANTS_ORDER * (type(self).on_order is not Strategy.on_order)
            | WANTS_TIMER * (type(self).on_timer is not Strategy.on_timer)
            | WANTS_LISTING * (type(self).on_listing is not Strategy.on_listing)
            | WANTS_INSTRUMENT * (type(self).on_instrument is not Strategy.on_instrument)
        )

    # The slots. A compiled strategy overrides these and sets `wants`.

    cdef int start_slot(self) except -1:
        self.on_start()
        return 0

    cdef int book_slot(self, Book book) except -1:
        self.on_book(book)
        return 0

    cdef int trade_slot(self, Trade trade) except -1:
        self.on_trade(trade)
        return 0

    cdef int order_slot(self, object order) except -1:
        self.on_order(order)
        return 0

    cdef int timer_slot(self, uint32_t timer_id) except -1:
        self.on_timer(timer_id)
        return 0

    cdef int listing_slot(self, Listing listing) except -1:
        self.on_listing(listing)
        return 0

    cdef int instrument_slot(self, int32_t instrument) except -1:
        self.on_instrument(instrument)
        return 0

    # What a Python strategy overrides.

    def check_limits(self, risk) -> None:
        """Asked before a run begins, of the resolved [risk] table: ValueError where the parameters cannot work with it.

        Say what is wrong, why, and what to do. A replay does not ask: what was recorded, happened.
        """

    def on_start(self) -> None:
        """Instruments are known and venue and core agree; books may still be RESYNCING."""

    def on_book(self, book: Book) -> None:
        """A LIVE book of one of the strategy's instruments changed."""

    def on_trade(self, trade: Trade) -> None:
        """A public trade on one of the strategy's instruments."""

    def on_order(self, order) -> None:
        """One of the strategy's orders changed: acknowledged, filled, ended, unknown."""

    def on_timer(self, timer_id: int) -> None:
        """A timer set with set_timer is due."""

    def on_listing(self, listing: Listing) -> None:
        """A source told something new of a symbol's listing; each source tells changes only."""

    def on_instrument(self, instrument: int) -> None:
        """An instrument that the strategy watches became known, or changed."""

    # What a strategy may do.

    def buy(self, instrument: int, price_ticks, size_lots, order_type: int = ORDER_LIMIT, key: int = 0) -> int:
        """Propose to buy; the order's number, or 0 where it was denied (see denied_reason)."""
        return self.desk.place(self, instrument, SIDE_BUY, order_type, whole(price_ticks), whole(size_lots), key)

    def sell(self, instrument: int, price_ticks, size_lots, order_type: int = ORDER_LIMIT, key: int = 0) -> int:
        """Propose to sell; the order's number, or 0 where it was denied (see denied_reason)."""
        return self.desk.place(self, instrument, SIDE_SELL, order_type, whole(price_ticks), whole(size_lots), key)

    def cancel(self, order_no: int) -> bool:
        """Ask for the cancel of an open order; False where it is not open, or a cancel is on its way."""
        return self.desk.cancel(self, order_no)

    def set_timer(self, timer_id: int, delay_ms: int) -> None:
        """Have on_timer(timer_id) called once, delay_ms from this event."""
        self.desk.set_timer(self, timer_id, delay_ms * 1_000_000)

    def watch(self, symbol: str) -> None:
        """Have a symbol's instrument and book kept, though the config does not name it; see on_instrument."""
        self.desk.watch(self, symbol, True)

    def unwatch(self, symbol: str) -> None:
        """No longer keep a watched symbol's book."""
        self.desk.watch(self, symbol, False)

    def instrument_of(self, symbol: str) -> int:
        """The instrument of a symbol, -1 where it is not known."""
        return self.desk.instrument_of(symbol)

    def memo(self, key: str, value: bytes) -> None:
        """Journal what must be known after a restart, by a key of at most 47 characters; b"" forgets it.

        ValueError where key or value (1,000 bytes) is too long, OverflowError beyond 4096 memos of all strategies.
        """
        self.desk.memo(self, key, value)

    def memos(self) -> dict:
        """key -> value of all memos of this strategy, those of sessions before this one too."""
        return self.desk.memos_of(self.index)

    def alert(self, text: str) -> None:
        """Tell people, and the journal; cut to 119 bytes."""
        self.desk.alert_of(self, text)

    @property
    def now_ns(self) -> int:
        """When the current event was received, ns UTC: the only clock."""
        return self.desk.now()

    @property
    def is_live(self) -> bool:
        """Whether the session sends real orders, by the event that began it."""
        return self.desk.is_live

    def position(self, instrument: int) -> int:
        """Our position in lots: the sum of our fills."""
        return self.desk.position_lots(instrument)

    def orders(self, instrument: int) -> list:
        """Our open orders on an instrument, oldest first."""
        return [order for order in self.desk.open_orders(instrument) if order.strategy == self.index]

    def history(self, instrument: int) -> list:
        """Our orders on an instrument that are still remembered, ended ones too, oldest first: for a restart."""
        return [order for order in self.desk.known_orders(instrument) if order.strategy == self.index]

    def order(self, order_no: int):
        """One of our orders, ended ones too while they are remembered; None where there is no such."""
        order = self.desk.order(order_no)
        return order if order is not None and order.strategy == self.index else None

    def book(self, instrument: int) -> Book:
        """The book of an instrument."""
        return self.desk.book(instrument)

    def spec(self, instrument: int):
        """The instrument's specification (engine.core.instrument.InstrumentSpec)."""
        return self.desk.spec(instrument)
