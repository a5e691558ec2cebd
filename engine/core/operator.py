"""The operator's hand in the core: what a person commands to be traded is proposed here, and judged by the same gate.

FLATTEN sells, or buys back, what is held, as IOC orders at the farthest price that the limits allow, one at a time: the
next follows when the one before has ended. It gives up, and says so, after `ATTEMPTS` in a row that moved nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.enums import OrderType, Side
from engine.core.risk.reasons import Reason
from engine.core.strategy import Strategy

if TYPE_CHECKING:
    from engine.core.desk import TradingDesk
    from engine.core.instrument import InstrumentSpec
    from engine.core.order import Order
    from engine.core.state.books import Book

OPERATOR = "operator"
ATTEMPTS = 20
RETRY_MS = 500
BPS, PPM = 10_000, 1_000_000


class Operator(Strategy):
    """A strategy that does nothing of its own: the core tells it what to flatten."""

    def __init__(self, desk: TradingDesk) -> None:
        self.trading_desk = desk
        self.attempts: dict[int, int] = {}

    def flatten(self, instrument: int) -> None:
        """Begin to bring a position to zero. Other orders on it must have been cancelled, or be on their way to it."""
        if self.position(instrument) and instrument not in self.attempts:
            self.attempts[instrument] = 0
            self.set_timer(instrument, 0)

    def on_timer(self, timer_id: int) -> None:
        """Try again."""
        if timer_id in self.attempts:
            self._propose(timer_id)

    def on_order(self, order: Order) -> None:
        """The one before has ended."""
        if order.is_open or order.instrument not in self.attempts:
            return
        if order.filled_lots:
            self.attempts[order.instrument] = 0
        self._propose(order.instrument)

    def _propose(self, instrument: int) -> None:
        """One order for as much as one may be worth; where it cannot be, a timer tries again."""
        symbol = self.book(instrument).symbol
        position = self.position(instrument)
        if not position:
            del self.attempts[instrument]
            self.alert(f"{symbol} is flat")
            return
        if self.trading_desk.open_orders(instrument):
            # Its end is told by on_order, or it is a strategy's that is being cancelled.
            self.set_timer(instrument, RETRY_MS)
            return
        self.attempts[instrument] += 1
        problem = self._order(instrument, position)
        if problem and self.attempts[instrument] >= ATTEMPTS:
            del self.attempts[instrument]
            self.alert(f"{symbol} could not be flattened: {problem}; a person must look")
        elif problem:
            self.set_timer(instrument, RETRY_MS)

    def _order(self, instrument: int, position: int) -> str:
        """Propose the order; what stood against it, or an empty text."""
        side = Side.SELL if position > 0 else Side.BUY
        book, spec = self.book(instrument), self.spec(instrument)
        if not book.best_bid_ticks or not book.best_ask_ticks:
            return "its book has no two sides"
        price_ticks = farthest_price(spec, book, side, self.trading_desk.limits())
        lots = self._most_lots(spec, abs(position), max(price_ticks, book.best_bid_ticks))
        if lots < spec.min_lots or spec.notional(price_ticks, lots) < spec.min_notional:
            return "what is left is below the venue's minimum"
        propose = self.sell if side is Side.SELL else self.buy
        if propose(instrument, price_ticks, lots, OrderType.IOC):
            return ""
        return f"denied, {Reason(self.denied_reason).name}"

    def _most_lots(self, spec: InstrumentSpec, held_lots: int, price_ticks: int) -> int:
        """As much of a position as one order may be worth."""
        most = min(spec.max_notional, self.trading_desk.limits()["max_order_notional"])
        lots = min(held_lots, spec.max_lots, most // spec.notional(price_ticks, 1))
        return lots // spec.lot_step * spec.lot_step


def farthest_price(spec: InstrumentSpec, book: Book, side: Side, limits: dict[str, int]) -> int:
    """The price, ticks, of an order that takes: as far as slippage, collar and the venue's band let it reach."""
    twice_mid = book.best_bid_ticks + book.best_ask_ticks
    best = book.best_ask_ticks if side is Side.BUY else book.best_bid_ticks
    band_ppm = spec.band_up_ppm if side is Side.BUY else spec.band_down_ppm
    from_mid = twice_mid * limits["price_collar_bps"] // (2 * BPS)
    if band_ppm:
        from_mid = min(from_mid, twice_mid * band_ppm // (2 * PPM))
    reach = best * limits["max_slippage_bps"] // BPS
    if side is Side.BUY:
        return min(best + reach, twice_mid // 2 + from_mid) // spec.tick_step * spec.tick_step
    lowest = max(best - reach, -(-twice_mid // 2) - from_mid)
    return -(-lowest // spec.tick_step) * spec.tick_step
