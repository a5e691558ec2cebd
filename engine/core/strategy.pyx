"""What a strategy is to the core: a set of slots. Python fills them by methods, compiled code by overriding.

    class Quiet(Strategy):                     # Python: define what you want to hear
        def on_book(self, book): ...

    cdef class Loud(Strategy):                 # Cython: override the slot itself, no Python call per event
        cdef int book_slot(self, Book book) except -1: ...

A strategy reads no clock and draws no random number of its own: `now_ns` and seeded parameters are all it needs,
so that a replay does the same.
"""

from engine.core.event cimport ORDER_IOC, ORDER_LIMIT, ORDER_LIMIT_MAKER, ORDER_MARKET, SIDE_BUY, SIDE_SELL
from engine.core.money cimport whole


cdef class Trade:
    """A public trade; valid during on_trade only."""


cdef class Desk:
    """The core's face towards strategies."""

    cdef uint64_t place(self, Strategy strategy, int32_t instrument, uint32_t side, uint32_t order_type,
                        int64_t price_ticks, int64_t size_lots, uint64_t key) except? 0:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef bint cancel(self, Strategy strategy, uint64_t order_no) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int set_timer(self, Strategy strategy, uint32_t timer_id, int64_t delay_ns) except -1:
        raise RuntimeError(f"strategy {strategy.name} is not part of an engine")

    cdef int64_t now(self) noexcept:
        return 0


cdef class Strategy:
    """Base of all strategies: override on_start, on_book, on_trade, on_order, on_timer as needed.

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

    # What a Python strategy overrides.

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

    @property
    def now_ns(self) -> int:
        """When the current event was received, ns UTC: the only clock."""
        return self.desk.now()

    def position(self, instrument: int) -> int:
        """Our position in lots: the sum of our fills."""
        return self.desk.position_lots(instrument)

    def orders(self, instrument: int) -> list:
        """Our open orders on an instrument, oldest first."""
        return [order for order in self.desk.open_orders(instrument) if order.strategy == self.index]

    def book(self, instrument: int) -> Book:
        """The book of an instrument."""
        return self.desk.book(instrument)

    def spec(self, instrument: int):
        """The instrument's specification (engine.core.instrument.InstrumentSpec)."""
        return self.desk.spec(instrument)
