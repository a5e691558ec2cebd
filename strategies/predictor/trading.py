"""The optional orders of both predictors: one small position per instrument, bought and sold at the touch.

It is called when a prediction pays, and while there is something to look after: never in the way of the signals.
Integers only; all orders are IOC, so that nothing rests in the market; long or flat, as on a spot market.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from engine import InstrumentSpec, OrderType, Strategy
from engine.core.order import Order
from strategies.predictor.model import Settings

ORDERS_KNOWN = 64  # of an instrument; what older ones may still be told of is left to people


@dataclass(slots=True)
class Deal:
    """One instrument: what our own orders hold, and when to act again."""

    held_lots: int = 0
    sell_from_ns: int = 0
    rest_until_ns: int = 0
    filled_lots: dict[int, int] = field(default_factory=dict)  # by order, as last told
    forgotten_no: int = 0  # the newest order that left filled_lots


class Trader:
    """Buys `notional` when told that a prediction pays, and sells it after `hold_ms`; ValueError for a notional of none."""

    def __init__(self, strategy: Strategy, settings: Settings) -> None:
        self.strategy = strategy
        try:
            self.notional = Decimal(settings.notional)
        except InvalidOperation as error:
            raise ValueError(f"notional {settings.notional!r} is no number") from error
        if not self.notional.is_finite() or self.notional <= 0:
            raise ValueError("notional must be a positive amount")
        self.hold_ns = settings.hold_ms * 1_000_000
        self.rest_ns = settings.rest_ms * 1_000_000
        self.deals: dict[int, Deal] = {}

    def start(self, instrument: int) -> bool:
        """Find what orders of sessions before hold; whether there is something to look after."""
        deal = self.deals[instrument] = Deal()
        for order in self.strategy.history(instrument):
            self.on_order(order)
        return deal.held_lots > 0 or bool(self.strategy.orders(instrument))

    def on_order(self, order: Order) -> None:
        """Count what an order executed since it was last told."""
        deal = self.deals[order.instrument]
        if order.order_no <= deal.forgotten_no:
            return
        new = order.filled_lots - deal.filled_lots.get(order.order_no, 0)
        deal.held_lots += new if order.is_buy else -new
        deal.filled_lots[order.order_no] = order.filled_lots
        if len(deal.filled_lots) > ORDERS_KNOWN:
            deal.forgotten_no = min(deal.filled_lots)
            del deal.filled_lots[deal.forgotten_no]

    def consider(self, instrument: int, bid_ticks: int, ask_ticks: int, pays: bool) -> bool:
        """Act, where it is time to; whether there is still something to look after."""
        strategy, deal, now_ns = self.strategy, self.deals[instrument], self.strategy.now_ns
        if strategy.orders(instrument):
            return True
        held_lots = min(deal.held_lots, strategy.position(instrument))
        if held_lots > 0:
            if now_ns >= max(deal.sell_from_ns, deal.rest_until_ns):
                deal.rest_until_ns = now_ns + self.rest_ns
                strategy.sell(instrument, bid_ticks, held_lots, OrderType.IOC)
            return True
        if pays and now_ns >= deal.rest_until_ns:
            deal.rest_until_ns = now_ns + self.rest_ns
            deal.sell_from_ns = now_ns + self.hold_ns
            lots = size_lots(strategy.spec(instrument), self.notional, ask_ticks)
            return lots > 0 and strategy.buy(instrument, ask_ticks, lots, OrderType.IOC) != 0
        return False


def size_lots(spec: InstrumentSpec, notional: Decimal, price_ticks: int) -> int:
    """The lots that a notional buys at a price, whole steps."""
    lots = int(notional.scaleb(spec.price_decimals + spec.size_decimals)) // price_ticks
    return lots // spec.lot_step * spec.lot_step


def fee_rate(spec: InstrumentSpec) -> float:
    """The taker's fee both ways, as a share of the price: for the screening of predictions only."""
    return 2.0 * spec.taker_fee_ppm / 1_000_000.0
