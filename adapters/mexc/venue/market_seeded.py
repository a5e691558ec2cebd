"""A made market: seeded participants on the matching engine, lively and the same for the same seed and steps.

A fair price per symbol walks at random in integers, pulled back to where it began and pushed together with the other
symbols. Every symbol draws from a generator of its own, so that one more does not change the others; a symbol that is
added later begins with an opening (`market_opening`). Makers quote a ladder around the fair price, some of it always
a little stale; arbitrageurs hit quotes that the fair price has passed; the others trade for reasons of their own.
Quoting inside the spread earns it from the latter and loses to the former.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from adapters.mexc.venue.config import SeededConfig
from adapters.mexc.venue.config_symbols import ListingConfig, OpeningConfig, SymbolConfig
from adapters.mexc.venue.market_opening import Opening
from adapters.mexc.venue.numbers import parse_scaled
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import CancelRequest, PlaceRequest, SymbolStatus
from backtest.matching_book import MatchingBook
from engine.core.enums import OrderType, Side

STEP_NS = 10_000_000
SLOW_EVERY = 10  # steps of the 100 ms interval
MILLI = 1000  # the fair price is kept in thousandths of a tick
MAKER, TAKER, ARBITRAGEUR = "market-maker", "market-taker", "market-arbitrageur"
_RATE_SCALE = 1_000_000
_NOISE = 1024  # half-width of the uniform draws that make up one step of the walk


@dataclass(slots=True)
class _Participants:
    """One symbol's state."""

    config: SymbolConfig
    book: MatchingBook
    fair: int  # thousandths of a tick
    anchor: int
    typical_lots: int
    rng: random.Random
    opening: Opening | None = None
    slots: dict[tuple[Side, int], int] = field(default_factory=dict)  # ladder place -> order number


class SeededMarket:
    """Moves all symbols on by one step of 10 ms."""

    def __init__(self, state: VenueState, config: SeededConfig, seed: int) -> None:
        self._state = state
        self._exchange = state.exchange
        self._config = config
        self._seed = seed
        self._rng = random.Random(seed)
        self._steps = 0
        self.now_ns = 0
        self._maker_chance = int(config.maker_rate_hz * _RATE_SCALE / 100)
        self._taker_chance = int(config.taker_rate_hz * _RATE_SCALE / 100)
        for name in (MAKER, TAKER, ARBITRAGEUR):
            self._exchange.add_account(name, {}, house=True)
        self._symbols = {name: self._participants(symbol) for name, symbol in state.symbols.items()}

    def _participants(self, config: SymbolConfig) -> _Participants:
        fair = parse_scaled(config.start_price, config.price_decimals) * MILLI
        if not fair:
            raise ValueError(f"{config.symbol}: the seeded market needs a start_price")
        typical = max(1, parse_scaled(config.typical_size, config.size_decimals))
        rng = random.Random(f"{self._seed}:{config.symbol}")
        return _Participants(config, self._exchange.books[config.symbol], fair, fair, typical, rng)

    def add(self, config: SymbolConfig) -> None:
        """A symbol was listed; its market opens once its status is `trading`. ValueError without a price."""
        symbol = self._participants(config)
        opening = config.opening if isinstance(config, ListingConfig) else OpeningConfig()
        symbol.opening = Opening(opening, symbol.rng, symbol.fair)
        self._symbols[config.symbol] = symbol

    def remove(self, symbol: str) -> None:
        """A symbol goes."""
        self._symbols.pop(symbol, None)

    def start(self, now_ns: int) -> None:
        """Fill the ladders and let the market run in."""
        self.now_ns = now_ns
        for symbol in self._symbols.values():
            for place in range(self._config.levels):
                for side in Side:
                    self._quote(symbol, side, place)
        for _ in range(self._config.warm_up_steps):
            self._trade_step()
        self._state.dispatch(self._exchange.take_records())
        for feed in self._state.feeds.values():
            feed.start_snapshot = feed.depth(5000)

    def step(self, now_ns: int) -> bool:
        """One step at `now_ns`."""
        self.now_ns = now_ns
        self._trade_step()
        self._state.dispatch(self._exchange.take_records())
        self._steps += 1
        self._state.flush(now_ns // 1_000_000, with_slow=self._steps % SLOW_EVERY == 0)
        return False

    def _trade_step(self) -> None:
        common = _noise(self._rng)
        for symbol in self._symbols.values():
            if symbol.book.spec.status is not SymbolStatus.TRADING:
                continue
            self._walk(symbol, common)
            if symbol.opening is not None:
                self._opening_step(symbol, symbol.opening)
            for _ in range(_draws(symbol.rng, self._maker_chance)):
                side = Side.BUY if symbol.rng.getrandbits(1) else Side.SELL
                self._quote(symbol, side, self._ladder_place(symbol))
            if symbol.opening is not None and symbol.opening.is_one_sided:
                continue
            for _ in range(_draws(symbol.rng, self._taker_chance)):
                self._take(symbol)
            self._arbitrage(symbol)

    def _opening_step(self, symbol: _Participants, opening: Opening) -> None:
        for side in Side:
            for place in opening.to_fill(side, self._config.levels):
                self._quote(symbol, side, place)
        opening.next_step()
        if opening.is_over:
            symbol.opening = None

    def _walk(self, symbol: _Participants, common: int) -> None:
        # per step a tenth of the deviation per second, half of its variance shared by all symbols
        shock = (7 * common + 7 * _noise(symbol.rng)) // 10
        volatility_ticks = symbol.config.volatility_ticks
        if symbol.opening is not None:
            drift = symbol.opening.drift()
            symbol.fair += drift
            symbol.anchor += drift
            volatility_ticks *= symbol.opening.times()
        symbol.fair += volatility_ticks * MILLI * shock // (10 * _NOISE)
        symbol.fair += (symbol.anchor - symbol.fair) // 3000
        symbol.fair = max(symbol.fair, MILLI * 100 * symbol.config.half_spread_ticks)

    def _ladder_place(self, symbol: _Participants) -> int:
        """Places near the touch are quoted more often."""
        levels = self._config.levels
        return min(symbol.rng.randrange(levels), symbol.rng.randrange(levels))

    def _quote(self, symbol: _Participants, side: Side, place: int) -> None:
        config, rng, opening = symbol.config, symbol.rng, symbol.opening
        if opening is not None and not opening.allows(side):
            return
        old = symbol.slots.pop((side, place), 0)
        if old and old in self._exchange.accounts[MAKER].open_orders:
            self._exchange.cancel(self.now_ns, CancelRequest(MAKER, old))
        distance = (
            config.half_spread_ticks
            + place * config.level_gap_ticks
            + rng.randrange(config.level_gap_ticks + 1)
        )
        if opening is not None:
            distance *= opening.times()
        fair_ticks = symbol.fair // MILLI
        price = fair_ticks - distance if side is Side.BUY else fair_ticks + 1 + distance
        if price <= 0:
            return
        lots = self._size(symbol) * (2 + place) // 2
        order = self._exchange.place(
            self.now_ns, PlaceRequest(MAKER, config.symbol, side, OrderType.LIMIT_MAKER, lots, price)
        )
        if order is not None:
            symbol.slots[side, place] = order.order_no

    def _size(self, symbol: _Participants) -> int:
        """Mostly small, sometimes large."""
        draw = symbol.rng.randrange(1, 1000)
        return max(1, symbol.typical_lots * draw * draw // 400_000)

    def _take(self, symbol: _Participants) -> None:
        side = Side.BUY if symbol.rng.getrandbits(1) else Side.SELL
        best = symbol.book.opposite(side).best()
        if best is None:
            return
        slack = symbol.config.half_spread_ticks
        limit = best.price_ticks + (slack if side is Side.BUY else -slack)
        self._immediate(TAKER, symbol, side, limit, self._size(symbol))

    def _arbitrage(self, symbol: _Participants) -> None:
        """Take every quote that the fair price has passed by more than a tick."""
        fair_ticks = symbol.fair // MILLI
        ask, bid = symbol.book.asks.best(), symbol.book.bids.best()
        if ask is not None and ask.price_ticks < fair_ticks:
            self._immediate(ARBITRAGEUR, symbol, Side.BUY, fair_ticks - 1, 20 * symbol.typical_lots)
        elif bid is not None and bid.price_ticks > fair_ticks + 1:
            self._immediate(ARBITRAGEUR, symbol, Side.SELL, fair_ticks + 2, 20 * symbol.typical_lots)

    def _immediate(self, account: str, symbol: _Participants, side: Side, limit: int, lots: int) -> None:
        if limit > 0:
            self._exchange.place(
                self.now_ns, PlaceRequest(account, symbol.config.symbol, side, OrderType.IOC, lots, limit)
            )


def _draws(rng: random.Random, chance: int) -> int:
    """How often something with this chance per step (in millionths, may exceed one) happens now."""
    certain, rest = divmod(chance, _RATE_SCALE)
    return certain + (rng.randrange(_RATE_SCALE) < rest)


def _noise(rng: random.Random) -> int:
    """A bell-shaped draw with a standard deviation of `_NOISE`: the sum of three uniform ones."""
    return sum(rng.randrange(-_NOISE, _NOISE + 1) for _ in range(3))
