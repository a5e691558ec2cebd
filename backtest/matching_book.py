"""One symbol's book for matching: price levels that hold our orders and ambient liquidity together.

Ambient liquidity is size set from outside, of a recording or a live feed. It has no orders, only an amount per
price; an order of ours that joins such a level remembers how much of it stands ahead (`Order.ahead_lots`).
Two rules follow the usual conservative reading of level-2 data: size that disappears is taken to have stood
behind us, unless less remains than we thought was ahead; and size that we take is remembered as taken until the
outside sets that level again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from backtest.exchange_types import Order, SymbolSpec
from engine.core.enums import Side


class Level:
    """One price: orders in time priority, and ambient size among them."""

    __slots__ = ("ambient", "lots", "orders", "price_ticks", "taken")

    def __init__(self, price_ticks: int) -> None:
        self.price_ticks = price_ticks
        self.orders: dict[int, Order] = {}
        self.lots = 0  # of our orders
        self.ambient = 0
        self.taken = 0

    @property
    def ambient_available(self) -> int:
        """Ambient lots that nobody of ours has taken yet."""
        return self.ambient - self.taken if self.ambient > self.taken else 0

    @property
    def total(self) -> int:
        """All lots that an incoming order could meet here."""
        return self.lots + self.ambient_available

    def queue(self) -> list[tuple[Order | None, int]]:
        """Who is served in which order, and with how much; None is ambient size."""
        passed = 0
        available = self.ambient_available
        served: list[tuple[Order | None, int]] = []
        for order in self.orders.values():
            if order.ahead_lots > passed:
                served.append((None, order.ahead_lots - passed))
                passed = order.ahead_lots
            served.append((order, order.remaining_lots))
        if available > passed:
            served.append((None, available - passed))
        return served

    def pass_ambient(self, lots: int) -> None:
        """Ambient size at the front of the queue is gone: everybody moves up."""
        for order in self.orders.values():
            order.ahead_lots = order.ahead_lots - lots if order.ahead_lots > lots else 0

    def set_ambient(self, lots: int) -> None:
        """The outside says what stands here now; what we had taken before is forgotten."""
        self.ambient = lots
        self.taken = 0
        for order in self.orders.values():
            if order.ahead_lots > lots:
                order.ahead_lots = lots


class BookSide:
    """Levels of one side. Keys ascend in attractiveness, so that the best one is last."""

    __slots__ = ("_keys", "_sign", "levels", "resting", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []
        self.levels: dict[int, Level] = {}
        self.resting: dict[int, Order] = {}

    def level(self, price_ticks: int) -> Level:
        """The level at a price, made where there is none."""
        found = self.levels.get(price_ticks)
        if found is None:
            found = self.levels[price_ticks] = Level(price_ticks)
            insort(self._keys, price_ticks * self._sign)
        return found

    def drop_if_empty(self, level: Level) -> None:
        """Forget a level that holds nothing; harmless where it is gone already."""
        if level.orders or level.ambient or self.levels.get(level.price_ticks) is not level:
            return
        del self.levels[level.price_ticks]
        del self._keys[bisect_left(self._keys, level.price_ticks * self._sign)]

    def best(self) -> Level | None:
        """The most attractive level with anything left on it."""
        for key in reversed(self._keys):
            level = self.levels[key * self._sign]
            if level.lots or level.ambient > level.taken:
                return level
        return None

    def from_best(self) -> Iterator[Level]:
        """Levels with anything left, best first; the side must not change meanwhile."""
        for key in reversed(self._keys):
            level = self.levels[key * self._sign]
            if level.lots or level.ambient > level.taken:
                yield level

    def ambient_levels(self, limit: int) -> list[tuple[int, int]]:
        """(price, ambient lots as last set), best first."""
        found: list[tuple[int, int]] = []
        for key in reversed(self._keys):
            if len(found) == limit:
                break
            level = self.levels[key * self._sign]
            if level.ambient:
                found.append((level.price_ticks, level.ambient))
        return found

    def reaches(self, price_ticks: int, limit_ticks: int) -> bool:
        """Whether a level of this side at `price_ticks` satisfies an opposite order limited to `limit_ticks`."""
        return price_ticks >= limit_ticks if self._sign > 0 else price_ticks <= limit_ticks

    def rest(self, order: Order) -> Level:
        """Put an order at the end of its level's queue."""
        level = self.level(order.price_ticks)
        order.ahead_lots = level.ambient_available
        level.orders[order.order_no] = order
        level.lots += order.remaining_lots
        self.resting[order.order_no] = order
        return level

    def fill(self, level: Level, order: Order, lots: int) -> None:
        """A resting order was filled by `lots`; call it before the order itself counts them."""
        level.lots -= lots
        if order.remaining_lots == lots:
            del level.orders[order.order_no]
            del self.resting[order.order_no]

    def remove(self, order: Order) -> Level:
        """Take an order out with whatever is left of it."""
        level = self.levels[order.price_ticks]
        del level.orders[order.order_no]
        level.lots -= order.remaining_lots
        del self.resting[order.order_no]
        self.drop_if_empty(level)
        return level


class MatchingBook:
    """Both sides of one symbol, its version and its last price."""

    __slots__ = ("asks", "bids", "last_ticks", "money_unit", "spec", "units_per_lot", "version")

    def __init__(self, spec: SymbolSpec) -> None:
        self.spec = spec
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.version = spec.first_version
        self.last_ticks = 0
        self.money_unit = spec.money_per_tick_lot
        self.units_per_lot = spec.units_per_lot

    def side(self, side: Side) -> BookSide:
        """The side on which orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """The side that orders of `side` trade with."""
        return self.asks if side is Side.BUY else self.bids

    def money(self, price_ticks: int, size_lots: int) -> int:
        """Price times size in money units; exact."""
        return price_ticks * size_lots * self.money_unit

    def depth(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """(price, total lots), best first."""
        found: list[tuple[int, int]] = []
        for level in self.side(side).from_best():
            if len(found) == limit:
                break
            found.append((level.price_ticks, level.total))
        return found

    def ambient_depth(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """(price, ambient lots as last set), best first: the recording's own book, whatever we took of it."""
        return self.side(side).ambient_levels(limit)

    def size_at(self, side: Side, price_ticks: int) -> int:
        """Total lots at a price, 0 where there is no level."""
        level = self.side(side).levels.get(price_ticks)
        return level.total if level is not None else 0

    def reference_ticks(self) -> int:
        """What a price band is measured from: the mid, else the last price, else the one side; 0 if nothing."""
        bid, ask = self.bids.best(), self.asks.best()
        if bid is not None and ask is not None:
            return (bid.price_ticks + ask.price_ticks) // 2
        if self.last_ticks:
            return self.last_ticks
        one = bid or ask
        return one.price_ticks if one is not None else 0
