"""Perpetual contracts that follow the spot market: a book with versions, deals, prices. Market data only.

A contract's book is its spot book, moved by a basis that wanders within a few hundredths of a percent, on a coarser
price grid and in contracts. Every change of it is one version; the last thousand are kept, as MEXC keeps them.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

from adapters.mexc.venue.config_symbols import SymbolConfig
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.frames import Deal
from adapters.mexc.venue.numbers import parse_scaled
from backtest.exchange_types import SymbolStatus
from backtest.fees import PPM
from engine.core.enums import Side

LEVELS = 20
KEPT_COMMITS = 1000
KEPT_DEALS = 500
MAX_BASIS_PPM = 400
FIRST_VERSION = 30_000_000_000
FUNDING_CYCLE_MS = 8 * 3_600_000

Levels = dict[int, tuple[int, int]]  # price in the contract's ticks -> (contracts, orders)


@dataclass(frozen=True, slots=True)
class Commit:
    """One version's changed levels as (price, contracts, orders); no contracts: the level is gone."""

    version: int
    asks: list[tuple[int, int, int]]
    bids: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class ContractDeal:
    """One trade; `taker_side` 1 buy, 2 sell."""

    price_ticks: int
    contracts: int
    taker_side: int
    time_ms: int
    number: int


class Contract:
    """One contract. Before its opening its book is empty."""

    def __init__(
        self,
        config: SymbolConfig,
        number: int,
        seed: int,
        *,
        create_ms: int,
        opening_ms: int,
        api_allowed: bool,
    ) -> None:
        self.config = config
        self.symbol = f"{config.base}_{config.quote}"
        self.number = number
        self.create_ms = create_ms
        self.opening_ms = opening_ms  # 0: long ago
        self.api_allowed = api_allowed
        self.is_open = False
        # as a rule one decimal less than the spot price, and about the square root of the spot market's lots
        self.price_decimals = max(0, config.price_decimals - 1)
        self.size_decimals = config.size_decimals // 2
        self.lots_per_contract = 10 ** (config.size_decimals - self.size_decimals)
        self.version = FIRST_VERSION + number * 1_000_000
        self.asks: Levels = {}
        self.bids: Levels = {}
        self.commits: deque[Commit] = deque(maxlen=KEPT_COMMITS)
        self.deals: deque[ContractDeal] = deque(maxlen=KEPT_DEALS)
        self._basis_ppm = 0
        self._rng = random.Random(f"{seed}:{self.symbol}")
        self._seen_trades = 0
        self._deals = number * 1_000_000_000

    # moving

    def follow(self, feed: SymbolFeed) -> tuple[Commit | None, list[ContractDeal]]:
        """100 ms went by on the spot market: the change of the book, if any, and the new deals."""
        if feed.book.spec.status is not SymbolStatus.TRADING:
            self._seen_trades = feed.trade_total
            return None, []
        step_ppm = self._rng.randrange(-8, 9)
        self._basis_ppm = min(MAX_BASIS_PPM, max(-MAX_BASIS_PPM, self._basis_ppm + step_ppm))
        asks = self._moved(feed.levels(Side.SELL, LEVELS), is_ask=True)
        bids = self._moved(feed.levels(Side.BUY, LEVELS), is_ask=False)
        return self._commit(asks, bids), self._new_deals(feed)

    def _moved(self, levels: list[tuple[int, int]], *, is_ask: bool) -> Levels:
        """Bids are rounded down and asks up, so that the book does not cross."""
        moved: Levels = {}
        for ticks, lots in levels:
            price = self._price(ticks, up=is_ask)
            contracts, orders = moved.get(price, (0, 0))
            moved[price] = (contracts + max(1, lots // self.lots_per_contract), orders + 1)
        return moved

    def _price(self, spot_ticks: int, *, up: bool) -> int:
        unit = PPM * int(10 ** (self.config.price_decimals - self.price_decimals))
        scaled = spot_ticks * (PPM + self._basis_ppm)
        return -(-scaled // unit) if up else scaled // unit

    def _commit(self, asks: Levels, bids: Levels) -> Commit | None:
        changed = [_changes(old, new) for old, new in ((self.asks, asks), (self.bids, bids))]
        if not changed[0] and not changed[1]:
            return None
        self.asks, self.bids = asks, bids
        self.version += 1
        commit = Commit(self.version, changed[0], changed[1])
        self.commits.append(commit)
        return commit

    def _new_deals(self, feed: SymbolFeed) -> list[ContractDeal]:
        count = min(feed.trade_total - self._seen_trades, len(feed.trades))
        self._seen_trades = feed.trade_total
        newest: list[Deal] = [feed.trades[-place] for place in range(count, 0, -1)]
        found = [self._deal(deal) for deal in newest]
        self.deals.extend(found)
        return found

    def _deal(self, deal: Deal) -> ContractDeal:
        self._deals += 1
        ticks = parse_scaled(deal.price, self.config.price_decimals)
        lots = parse_scaled(deal.quantity, self.config.size_decimals)
        price = self._price(ticks, up=deal.taker_side == Side.BUY)
        contracts = max(1, lots // self.lots_per_contract)
        return ContractDeal(price, contracts, deal.taker_side, deal.time_ms, self._deals)

    # prices

    @property
    def last_ticks(self) -> int:
        """The last deal's price, 0 before the first."""
        return self.deals[-1].price_ticks if self.deals else 0

    @property
    def best(self) -> tuple[int, int]:
        """(bid, ask); 0 for an empty side."""
        return max(self.bids, default=0), min(self.asks, default=0)

    @property
    def fair_ticks(self) -> int:
        """Between the best prices, else the last one."""
        bid, ask = self.best
        return (bid + ask) // 2 if bid and ask else self.last_ticks


def merged(commits: list[Commit]) -> Commit:
    """Several versions as one change: the last word on each level counts."""
    asks = {price: (price, contracts, orders) for c in commits for price, contracts, orders in c.asks}
    bids = {price: (price, contracts, orders) for c in commits for price, contracts, orders in c.bids}
    return Commit(commits[-1].version, list(asks.values()), list(bids.values()))


def _changes(old: Levels, new: Levels) -> list[tuple[int, int, int]]:
    gone = [(price, 0, 0) for price in old if price not in new]
    return gone + [(price, *level) for price, level in new.items() if old.get(price) != level]
