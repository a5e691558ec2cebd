"""A market maker: one quote a side around the mid, leaning against its own inventory.

Integers only. It quotes post-only, replaces a quote that is off by more than `tolerance_ticks`, never more often than
`requote_ms`, and rests after a denial. It reads no clock but the event's: a replay quotes the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine import InstrumentSpec, OrderType, Side, Strategy
from engine.core.order import Order
from engine.core.state.books import Book

PPM = 1_000_000


@dataclass(slots=True)
class Quote:
    """What stands, or is on its way, on one side of one book."""

    order_no: int = 0
    price_ticks: int = 0
    cancelling: bool = False
    rest_until_ns: int = 0


@dataclass(slots=True)
class Desk:
    """One instrument: its scale and limits as integers, and a quote a side.

    `quote_scaled` and `inventory_scaled` divided by twice the mid are the lots that are worth so much.
    """

    tick_step: int
    lot_step: int
    quote_scaled: int
    inventory_scaled: int
    bid: Quote
    ask: Quote


class MarketMaker(Strategy):
    """Quotes `quote_notional` a side at `half_spread_ppm` (millionths) from the mid, shifted against the position.

    quote_notional: quote currency, a decimal string. inventory_notional: the position at which the shift is a full
    `half_spread_ppm` and the heavier side stops quoting.
    """

    def __init__(
        self,
        quote_notional: str = "100",
        inventory_notional: str = "500",
        half_spread_ppm: int = 150,
        tolerance_ticks: int = 2,
        requote_ms: int = 250,
        rest_ms: int = 1000,
    ) -> None:
        if half_spread_ppm <= 0 or tolerance_ticks < 0 or requote_ms <= 0 or rest_ms <= 0:
            raise ValueError(
                "half_spread_ppm, requote_ms and rest_ms must be positive, tolerance_ticks not negative"
            )
        self.quote_notional = Decimal(quote_notional)
        self.inventory_notional = Decimal(inventory_notional)
        if not 0 < self.quote_notional <= self.inventory_notional:
            raise ValueError("quote_notional must be positive and at most inventory_notional")
        self.half_spread_ppm = half_spread_ppm
        self.tolerance_ticks = tolerance_ticks
        self.requote_ns = requote_ms * 1_000_000
        self.rest_ns = rest_ms * 1_000_000
        self.desks: dict[int, Desk] = {}

    def on_start(self) -> None:
        """Take over what the last session left open: it is cancelled, and quoted anew."""
        for instrument in self.instruments:
            spec = self.spec(instrument)
            self.desks[instrument] = Desk(
                spec.tick_step,
                spec.lot_step,
                twice_scaled(spec, self.quote_notional),
                twice_scaled(spec, self.inventory_notional),
                Quote(),
                Quote(),
            )
            for order in self.orders(instrument):
                self.cancel(order.order_no)

    def on_book(self, book: Book) -> None:
        """Move the quotes to where the book wants them."""
        desk = self.desks[book.instrument]
        twice_mid = book.best_bid_ticks + book.best_ask_ticks
        if not book.best_bid_ticks or not book.best_ask_ticks:
            return
        step = desk.tick_step
        half_spread = max(step, twice_mid * self.half_spread_ppm // (2 * PPM))
        full = desk.inventory_scaled // twice_mid // desk.lot_step * desk.lot_step
        position = self.position(book.instrument)
        shift = half_spread * max(-full, min(full, position)) // max(full, 1)
        bid = min((twice_mid // 2 - half_spread - shift) // step * step, book.best_ask_ticks - step)
        ask = max(-(-(twice_mid // 2 + half_spread - shift) // step) * step, book.best_bid_ticks + step)
        size = desk.quote_scaled // twice_mid // desk.lot_step * desk.lot_step
        self._quote(book.instrument, Side.BUY, desk.bid, bid, size if position < full else 0)
        self._quote(book.instrument, Side.SELL, desk.ask, ask, size if position > -full else 0)

    def on_order(self, order: Order) -> None:
        """Forget a quote that ended."""
        desk = self.desks.get(order.instrument)
        if desk is None or order.is_open:
            return
        for quote in (desk.bid, desk.ask):
            if quote.order_no == order.order_no:
                quote.order_no = 0
                quote.cancelling = False

    def _quote(self, instrument: int, side: Side, quote: Quote, price_ticks: int, size_lots: int) -> None:
        now_ns = self.now_ns
        if quote.order_no:
            off = abs(quote.price_ticks - price_ticks) > self.tolerance_ticks or not size_lots
            if off and not quote.cancelling and now_ns >= quote.rest_until_ns:
                quote.cancelling = self.cancel(quote.order_no)
            return
        if not size_lots or price_ticks <= 0 or now_ns < quote.rest_until_ns:
            return
        propose = self.buy if side is Side.BUY else self.sell
        quote.order_no = propose(instrument, price_ticks, size_lots, OrderType.LIMIT_MAKER)
        quote.price_ticks = price_ticks
        quote.rest_until_ns = now_ns + (self.requote_ns if quote.order_no else self.rest_ns)


def twice_scaled(spec: InstrumentSpec, notional: Decimal) -> int:
    """Twice a notional in units of tick times lot."""
    return int(notional.scaleb(spec.price_decimals + spec.size_decimals)) * 2
