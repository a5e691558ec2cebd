"""Rebound compiled: the same strategy, its slots filled directly, so that a trade costs no Python call."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from engine.core.event cimport ORDER_IOC, SIDE_BUY, SIDE_SELL
from engine.core.strategy cimport WANTS_ORDER, WANTS_TIMER, WANTS_TRADE, Strategy, Trade

from decimal import Decimal

cdef int64_t BPS = 10_000
cdef enum:
    INSTRUMENTS = 64


cdef class Rebound(Strategy):
    """Buys `notional` when trades fall by `drop_bps` from their high; sells it all `hold_ms` after the purchase."""

    cdef object notional
    cdef int64_t drop_bps
    cdef int64_t hold_ns
    cdef int64_t high[INSTRUMENTS]

    def __init__(self, notional="50", drop_bps=10, hold_ms=1000):
        if not Decimal(notional) > 0 or drop_bps <= 0 or hold_ms <= 0:
            raise ValueError("notional, drop_bps and hold_ms must be positive")
        self.notional = Decimal(notional)
        self.drop_bps = drop_bps
        self.hold_ns = hold_ms * 1_000_000
        self.wants = WANTS_TRADE | WANTS_ORDER | WANTS_TIMER  # without it no slot but start_slot is called

    cdef int start_slot(self) except -1:
        if any(instrument >= INSTRUMENTS for instrument in self.instruments):
            raise ValueError(f"at most {INSTRUMENTS} instruments")
        for instrument in self.instruments:
            self.high[<int32_t>instrument] = 0
            if self.position(instrument):
                self.desk.set_timer(self, instrument, self.hold_ns)
        return 0

    cdef int trade_slot(self, Trade trade) except -1:
        cdef int32_t instrument = trade.instrument
        cdef int64_t ask_ticks
        self.high[instrument] = max(self.high[instrument], trade.price_ticks)
        if trade.price_ticks * BPS > self.high[instrument] * (BPS - self.drop_bps):
            return 0
        # From here on it is rare, and may cost what Python costs.
        if self.position(instrument) or self.orders(instrument):
            return 0
        self.high[instrument] = trade.price_ticks
        ask_ticks = self.book(instrument).best_ask_ticks
        if ask_ticks:
            self.desk.place(self, instrument, SIDE_BUY, ORDER_IOC, ask_ticks, self.size_lots(instrument, ask_ticks), 0)
        return 0

    cdef int order_slot(self, object order) except -1:
        if order.is_buy and not order.is_open and self.position(order.instrument):
            self.desk.set_timer(self, order.instrument, self.hold_ns)
        return 0

    cdef int timer_slot(self, uint32_t timer_id) except -1:
        cdef int64_t position = self.position(timer_id)
        cdef int64_t bid_ticks = self.book(timer_id).best_bid_ticks
        if position <= 0 or self.orders(timer_id):
            return 0
        if bid_ticks:
            self.desk.place(self, <int32_t>timer_id, SIDE_SELL, ORDER_IOC, bid_ticks, position, 0)
        self.desk.set_timer(self, timer_id, self.hold_ns)
        return 0

    cdef int64_t size_lots(self, int32_t instrument, int64_t price_ticks) except -1:
        spec = self.spec(instrument)
        cdef int64_t lots = int(self.notional.scaleb(spec.price_decimals + spec.size_decimals)) // price_ticks
        return lots // <int64_t>spec.lot_step * <int64_t>spec.lot_step
