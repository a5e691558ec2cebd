"""The book of one contract on the native order book, with the version rule checked.

Rule (futures documentation): load a snapshot of version v; skip changes up to v; the next one must begin at v + 1 or before
it. A hole stops the book: it takes no change until the missing ones, or a new snapshot, are there.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.mexc.futures.messages import DepthRecord, Levels
from native.decimal import parse_decimal
from native.order_book import ASK, BID, OrderBook

# Changes that wait for a snapshot; with more of them the oldest are of no use any more.
_MOST_WAITING = 2000


class ContractBook:
    """`is_live` where every change since the snapshot was applied; `holes` counts the times it was not so."""

    def __init__(self, price_decimals: int, depth_limit: int) -> None:
        self.price_decimals = price_decimals
        self.version = 0
        self.is_live = False
        self.holes = 0
        self._depth_limit = depth_limit
        self._book = OrderBook()
        self._waiting: list[DepthRecord] = []

    @property
    def best_bid(self) -> tuple[int, int] | None:
        """(price in ticks, contracts) of the best bid."""
        return self._book.best_bid

    @property
    def best_ask(self) -> tuple[int, int] | None:
        """(price in ticks, contracts) of the best ask."""
        return self._book.best_ask

    def levels(self, side: int) -> list[tuple[int, int]]:
        """All levels of a side, best first."""
        return self._book.levels(side)

    def stop(self) -> None:
        """The connection is lost: what comes next does not follow on what was there."""
        self.is_live = False
        self._waiting.clear()

    def load(self, snapshot: DepthRecord) -> bool:
        """Start from a snapshot, then take what waited; False where that leaves a hole: a newer snapshot is needed.

        Raises ValueError for a price off the contract's scale.
        """
        asks, bids = self._ticks(snapshot.asks), self._ticks(snapshot.bids)
        self._book.load(asks, bids, self._depth_limit)
        self.version, self.is_live = snapshot.end, True
        return self._catch_up()

    def fill_hole(self, commits: Iterable[DepthRecord]) -> bool:
        """Go on from the missing changes, oldest first; False where they do not reach back to ours."""
        if self.version:
            missing = [each for each in commits if each.end > self.version]
            if missing and missing[0].begin <= self.version + 1:
                self.is_live = all(self._take(each) for each in missing)
                return self.is_live and self._catch_up()
        return False

    def apply(self, change: DepthRecord) -> bool:
        """Take a change in; False where the book is not live after it. Raises ValueError as `load` does."""
        if not self.is_live:
            if len(self._waiting) == _MOST_WAITING:
                del self._waiting[: _MOST_WAITING // 2]
            self._waiting.append(change)
            return False
        if not self._take(change):
            self.is_live = False
            self.holes += 1
            self._waiting.append(change)
        return self.is_live

    def _catch_up(self) -> bool:
        waiting, self._waiting = self._waiting, []
        for at, change in enumerate(waiting):
            if not self._take(change):
                self.is_live = False
                self._waiting = waiting[at:]
                break
        return self.is_live

    def _take(self, change: DepthRecord) -> bool:
        """Apply what follows on ours; an old one changes nothing; False for a hole."""
        if change.end <= self.version:
            return True
        if change.begin > self.version + 1:
            return False
        asks, bids = self._ticks(change.asks), self._ticks(change.bids)
        self._book.apply(ASK, asks)
        self._book.apply(BID, bids)
        self.version = change.end
        return True

    def _ticks(self, levels: Levels) -> list[tuple[int, int]]:
        return [(parse_decimal(f"{price:f}", self.price_decimals), contracts) for price, contracts in levels]
