"""The venue's own record held against the limits: what arrived, rested and was executed, without a word of the core's.

The core decides a moment before the venue hears of it (`LONGEST_WAY_NS`), values what it holds by mids that are up to a
round of its housekeeping old (`MARKS_AGE_NS`), or, without a book, by what it paid. So values are taken at the lowest of
these: what is beyond a limit even then was beyond it for the core. Money is in units of one tick times one lot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from backtest.exchange_types import Accepted, Done, Fill, Record
from engine.core.enums import OrderType, Side
from strategies.ready_state.settings import Settings

LONGEST_WAY_NS = 30_000_000
MARKS_AGE_NS = 10_100_000_000
SECOND_NS = 1_000_000_000
MONEY_UNITS = 10**6  # of a symbol of 5 price and 1 size decimals: units of one whole quote coin
MONEY_UNIT = 10**14  # of the core's money in one of them


def units(amount: Any) -> int:
    """A limit of the config in units of one tick times one lot, rounded down."""
    return int(Decimal(str(amount)) * MONEY_UNITS)


@dataclass
class Holding:
    """One symbol, as the venue has it."""

    min_notional: int
    lots: int = 0
    cost: int = 0
    bid: int = 0
    mids: deque[tuple[int, int]] = field(default_factory=deque)  # (time, mid) as told to us, oldest first
    buys: dict[str, int] = field(default_factory=dict)  # open order -> lots left
    sells: dict[str, int] = field(default_factory=dict)
    entered: set[str] = field(default_factory=set)  # orders that bought something
    is_trade: bool = False  # it holds one of the concurrent trades: until what is left can no longer be sold

    def lowest(self, since_ns: int) -> int:
        """The lowest mid in force since then."""
        low = 0
        for at_ns, mid in reversed(self.mids):
            low = min(low or mid, mid)
            if at_ns <= since_ns:
                break
        return low

    def worth(self, more_lots: int, since_ns: int) -> int:
        """What is held, asked for, and `more_lots`, at the least that the core may take it for."""
        lots = self.lots + sum(self.buys.values()) + more_lots
        value = lots * self.lowest(since_ns)
        return min(value, self.cost * lots // self.lots) if self.lots else value


@dataclass
class Audit:
    """Hears everything that happens at the venue; `problems` has what was beyond a limit, `peaks` how near it came."""

    risk: dict[str, Any]
    settings: Settings
    problems: list[str] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    arrivals: list[int] = field(default_factory=list)

    def listed(self, symbol: str, min_notional: int) -> None:
        """The venue has a symbol more."""
        self.holdings[symbol] = Holding(min_notional // MONEY_UNIT)

    def quoted(self, now_ns: int, symbol: str, bid: int, ask: int, *, is_told: bool) -> None:
        """The best prices are these; `is_told`: over a feed that is open."""
        holding = self.holdings[symbol]
        holding.bid = bid
        self._is_over(holding)
        if is_told and bid and ask:
            holding.mids.append((now_ns, (bid + ask) // 2))
            while len(holding.mids) > 1 and holding.mids[1][0] <= now_ns - MARKS_AGE_NS:
                holding.mids.popleft()

    def arrived(
        self, now_ns: int, symbol: str, side: int, order_type: int, lots: int, price: int, name: str
    ) -> None:
        """A request to place an order came in; whether it is taken, is another matter."""
        self._rate(now_ns, name)
        holding = self.holdings[symbol]
        opened = sum(len(each.buys) + len(each.sells) for each in self.holdings.values()) + 1
        self._most("max_open_orders", opened, self.risk["max_open_orders"], name)
        of_symbol = len(holding.buys) + len(holding.sells) + 1
        most = self.risk["max_open_orders_per_instrument"]
        self._most("max_open_orders_per_instrument", of_symbol, most, name)
        if side == Side.BUY:
            self._entry(now_ns, holding, order_type, lots, price, f"{symbol} order {name}")

    def recorded(self, record: Record) -> None:
        """The matching engine did something."""
        if isinstance(record, Accepted):
            order = record.order
            rows = self._rows(order.spec.symbol, order.side)
            rows[order.client_id] = order.size_lots
        elif isinstance(record, Fill):
            self._filled(record)
        elif isinstance(record, Done):
            self._rows(record.order.spec.symbol, record.order.side).pop(record.order.client_id, None)

    # Steps.

    def _rows(self, symbol: str, side: Side) -> dict[str, int]:
        holding = self.holdings[symbol]
        return holding.buys if side is Side.BUY else holding.sells

    def _most(self, limit: str, value: int, most: int, who: str) -> None:
        self.peaks[limit] = max(self.peaks.get(limit, 0), value)
        if value > most:
            self.problems.append(f"{who}: {value} is beyond {limit}, {most}")

    def _rate(self, now_ns: int, name: str) -> None:
        """What left within a window arrives within it and the longest way, so the window is shorter by that."""
        self.arrivals.append(now_ns)
        windows = (
            ("max_orders_per_second", SECOND_NS),
            ("max_orders_per_window", self.risk["order_window_s"] * SECOND_NS),
        )
        for limit, length_ns in windows:
            since_ns, count = now_ns - length_ns + LONGEST_WAY_NS, 0
            while count < len(self.arrivals) and self.arrivals[-1 - count] > since_ns:
                count += 1
            self._most(limit, count, self.risk[limit], f"order {name}")

    def _entry(self, now_ns: int, holding: Holding, order_type: int, lots: int, price: int, who: str) -> None:
        near_ns, old_ns = now_ns - LONGEST_WAY_NS, now_ns - MARKS_AGE_NS
        asked = lots * (holding.lowest(near_ns) if order_type == OrderType.MARKET else price)
        self._most("max_order_notional", asked, units(self.risk["max_order_notional"]), who)
        self._most("max_position_usdt", asked, units(self.settings.max_position_usdt), who)
        position = holding.worth(lots, near_ns)
        self._most("max_position_notional", position, units(self.risk["max_position_notional"]), who)
        others = [each for each in self.holdings.values() if each is not holding and (each.lots or each.buys)]
        gross = sum(each.worth(0, old_ns) for each in others) + holding.worth(lots, old_ns)
        for limit in ("max_gross_exposure", "max_net_exposure"):
            self._most(limit, gross, units(self.risk[limit]), who)
        trades = sum(each.is_trade or bool(each.buys) for each in others) + 1
        self._most("max_concurrent_trades", trades, self.settings.max_concurrent_trades, who)
        if holding.entered or holding.buys:
            self.problems.append(
                f"{who}: a second entry, beside {sorted(holding.entered | set(holding.buys))}"
            )

    def _filled(self, fill: Fill) -> None:
        order, holding = fill.order, self.holdings[fill.order.spec.symbol]
        money = fill.money // MONEY_UNIT
        rows = self._rows(order.spec.symbol, order.side)
        rows[order.client_id] = order.size_lots - fill.filled_lots
        if not rows[order.client_id]:
            del rows[order.client_id]
        if order.side is Side.BUY:
            holding.lots += fill.size_lots
            holding.cost += money
            holding.is_trade = True
            holding.entered.add(order.client_id)
            if len(holding.entered) > 1:
                self.problems.append(f"{order.spec.symbol}: entered by {sorted(holding.entered)}")
            return
        if fill.size_lots > holding.lots:
            self.problems.append(f"{order.spec.symbol}: sold {fill.size_lots} lots, {holding.lots} were held")
        holding.cost -= holding.cost * fill.size_lots // max(holding.lots, 1)
        holding.lots -= fill.size_lots
        self._is_over(holding)

    def _is_over(self, holding: Holding) -> None:
        if holding.is_trade and not holding.buys and holding.lots * holding.bid < holding.min_notional:
            holding.is_trade = False
