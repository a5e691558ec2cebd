"""Rebound in Python: one method for each thing it wants to hear of."""

from decimal import Decimal

from engine import OrderType, Strategy

BPS = 10_000


class Rebound(Strategy):
    """Buys `notional` when trades fall by `drop_bps` from their high; sells it all `hold_ms` after the purchase."""

    def __init__(self, notional="50", drop_bps=10, hold_ms=1000):
        if not Decimal(notional) > 0 or drop_bps <= 0 or hold_ms <= 0:
            raise ValueError("notional, drop_bps and hold_ms must be positive")
        self.notional = Decimal(notional)
        self.drop_bps = drop_bps
        self.hold_ms = hold_ms
        self.high = {}
        self.denials = {}

    def on_start(self):
        """A restart finds the position that the session before left: it is sold like any other."""
        for instrument in self.instruments:
            self.high[instrument] = 0
            if self.position(instrument):
                self.set_timer(instrument, self.hold_ms)

    def on_trade(self, trade):
        """Follow the high; buy once the price has fallen far enough below it."""
        instrument = trade.instrument
        self.high[instrument] = max(self.high[instrument], trade.price_ticks)
        fallen = trade.price_ticks * BPS <= self.high[instrument] * (BPS - self.drop_bps)
        if not fallen or self.position(instrument) or self.orders(instrument):
            return
        self.high[instrument] = trade.price_ticks
        ask_ticks = self.book(instrument).best_ask_ticks
        if ask_ticks and not self.buy(
            instrument, ask_ticks, self.size_lots(instrument, ask_ticks), OrderType.IOC
        ):
            self.note_denial(instrument)

    def on_order(self, order):
        """A purchase that ended, with anything in hand, is sold after `hold_ms`."""
        if order.is_buy and not order.is_open and self.position(order.instrument):
            self.set_timer(order.instrument, self.hold_ms)

    def on_timer(self, timer_id):
        """Timer ids are ours to choose: here, the instrument."""
        position = self.position(timer_id)
        bid_ticks = self.book(timer_id).best_bid_ticks
        if position <= 0 or self.orders(timer_id):
            return
        if not bid_ticks or not self.sell(timer_id, bid_ticks, position, OrderType.IOC):
            self.note_denial(timer_id)
        self.set_timer(timer_id, self.hold_ms)  # until nothing is left

    def size_lots(self, instrument, price_ticks):
        """How many whole lots `notional` buys. Integers: a float would not be exact."""
        spec = self.spec(instrument)
        lots = int(self.notional.scaleb(spec.price_decimals + spec.size_decimals)) // price_ticks
        return lots // spec.lot_step * spec.lot_step

    def note_denial(self, instrument):
        """Denials are no errors: count them, and try again at the next occasion."""
        reason = self.denied_reason
        self.denials[reason] = self.denials.get(reason, 0) + 1
