"""Orders and what they do to positions and cash, in plain Python: the twin of engine/core/state/{orders,portfolio}.pyx."""

from __future__ import annotations

from dataclasses import dataclass

from engine.core.enums import OrderReport, Side
from engine.core.instrument import InstrumentSpec

PPM = 1_000_000


def toward_zero(amount: int, parts: int, whole: int) -> int:
    """amount * parts / whole without its fraction."""
    share = abs(amount) * parts // whole
    return share if amount >= 0 else -share


@dataclass
class TwinOrder:
    """One order as the ledger knows it."""

    number: int
    instrument: int
    side: int
    order_type: int
    price: int
    size: int
    reserve_price: int
    state: str = "APPROVED"
    is_open: bool = True
    cancel_pending: bool = False
    filled: int = 0
    filled_money: int = 0
    reported: tuple[int, int] = (0, 0)
    dealt: tuple[int, int] = (0, 0)

    @property
    def left(self) -> int:
        """What may still be executed."""
        return max(self.size - self.filled, 0) if self.is_open else 0


class Ledger:
    """Positions and money as a function of what was placed and what the venue said since."""

    def __init__(self, specs: list[InstrumentSpec]) -> None:
        self.specs = specs
        self.orders: dict[int, TwinOrder] = {}
        self.position = [0] * len(specs)
        self.cost = [0] * len(specs)
        self.realised = [0] * len(specs)
        self.cash_flow = [0] * len(specs)
        self.total: dict[str, int] = {}
        self.fees_worth = 0
        self.seen_trades: set[tuple[int, str]] = set()
        self.errors = self.rejects = 0

    def placed(self, order: TwinOrder) -> None:
        self.orders[order.number] = order

    def restart(self) -> None:
        """A new session: nobody knows what became of what was on its way."""
        for order in self.orders.values():
            if order.is_open:
                order.cancel_pending = False
                if order.state == "APPROVED":
                    order.state = "UNKNOWN"

    def update(self, number: int, report: int, cumulative: tuple[int, int] | None = None) -> None:
        self.errors += report == OrderReport.AMBIGUOUS
        self.rejects += report == OrderReport.REJECTED
        order = self.orders.get(number)
        if order is None:
            return
        if cumulative is not None and cumulative[0] > order.reported[0]:
            order.reported = cumulative
            self._execute(order)
        if not order.is_open:
            if report == OrderReport.CANCEL_REJECTED:
                order.cancel_pending = False
            return
        if report == OrderReport.WORKING:
            order.state = "EXECUTING"
        elif report == OrderReport.FILLED:
            order.state = "UNKNOWN"  # executions that nobody told us of are still open exposure
        elif report == OrderReport.AMBIGUOUS:
            if order.state == "APPROVED" or not order.cancel_pending:
                order.state = "UNKNOWN"
        elif report == OrderReport.CANCEL_REJECTED:
            order.cancel_pending = False
        elif report == OrderReport.CANCELED or order.filled:
            order.state, order.is_open = "COMPLETED", False
        else:
            order.state, order.is_open = "FAILED", False

    def fill(
        self, number: int, instrument: int, side: int, lots: int, money: int, fee: int, trade_id: str
    ) -> None:
        """One execution with its fee in the quote asset."""
        if (number, trade_id) in self.seen_trades:
            return
        self.seen_trades.add((number, trade_id))
        order = self.orders.get(number)
        if order is not None and order.dealt[0] + lots > order.size:
            return  # more than the order's size can only be a repetition
        self._pay(instrument, fee)
        if order is None:
            self._book(instrument, side, lots, money)
            return
        order.dealt = (order.dealt[0] + lots, order.dealt[1] + money)
        self._execute(order)

    def _pay(self, instrument: int, fee: int) -> None:
        self._add(self.specs[instrument].quote, -fee)
        self.fees_worth += fee

    def _execute(self, order: TwinOrder) -> None:
        lots, money = max(order.reported, order.dealt, key=lambda account: account[0])
        if order.dealt[0] == order.reported[0]:
            lots, money = order.reported
        if lots <= order.filled:
            return
        self._book(order.instrument, order.side, lots - order.filled, money - order.filled_money)
        order.filled, order.filled_money = lots, money
        if order.filled >= order.size:
            order.state, order.is_open = "COMPLETED", False
        elif order.state == "APPROVED":
            order.state = "EXECUTING"
        elif order.state == "FAILED":
            order.state = "COMPLETED"

    def _book(self, i: int, side: int, lots: int, money: int) -> None:
        """Average cost: what closes releases its part of the cost, what opens adds to it."""
        sign = 1 if side == Side.BUY else -1
        spec = self.specs[i]
        self._add(spec.base, sign * lots * 10 ** (20 - spec.size_decimals))
        self._add(spec.quote, -sign * money)
        self.cash_flow[i] -= sign * money
        held = self.position[i]
        closing = min(lots, abs(held)) if held * sign < 0 else 0
        closed_money = toward_zero(money, closing, lots)
        released = toward_zero(self.cost[i], closing, abs(held)) if closing else 0
        # A sale brings its money and costs what was released; buying back is the same with both signs turned.
        self.realised[i] += -sign * closed_money - released if closing else 0
        self.cost[i] += -released + sign * (money - closed_money)
        self.position[i] += sign * lots

    def _add(self, asset: str, amount: int) -> None:
        self.total[asset] = self.total.get(asset, 0) + amount

    # What follows from the open orders.

    def open_on(self, instrument: int | None = None) -> list[TwinOrder]:
        return [o for o in self.orders.values() if o.is_open and instrument in (None, o.instrument)]

    def open_lots(self, instrument: int, side: int) -> int:
        return sum(order.left for order in self.open_on(instrument) if order.side == side)

    def unknown(self, instrument: int) -> int:
        return sum(order.state == "UNKNOWN" for order in self.open_on(instrument))

    def reserved(self, asset: str) -> int:
        """What open orders may still take of an asset: a buy its money and the taker's fee, a sale its lots."""
        total = 0
        for order in self.open_on():
            spec = self.specs[order.instrument]
            if order.side == Side.SELL and spec.base == asset:
                total += order.left * 10 ** (20 - spec.size_decimals)
            elif order.side == Side.BUY and spec.quote == asset:
                money = spec.notional(order.reserve_price, order.left)
                total += money - (-money * spec.taker_fee_ppm // PPM)
        return total
