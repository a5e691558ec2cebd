"""What the benchmarks of the core run on: a prepared engine, strategies, and seeded in-memory events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from engine import InstrumentSpec, OrderType, Side, Strategy
from engine.core import event
from engine.core.decoder import FrameDecoder
from engine.core.engine import Engine
from engine.core.enums import OrderReport
from engine.core.instrument import ALL_ORDER_TYPES
from engine.core.state.books import Book
from engine.core.strategy import Trade

SEED = 20_260_923
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
MID_TICKS = 6_000_000  # 60,000.00
DEPTH = 20
ORDER_LOTS = 10_000  # 0.0001 of the base asset
START_NS = 1_790_000_000_000_000_000
STEP_NS = 100_000  # 10,000 events per second of the events' own time
MONEY = 10**20
RISK: dict[str, Any] = {
    "currency": "USDT",
    "max_order_notional": "10000",
    "max_position_notional": "200000",
    "max_gross_exposure": "800000",
    "max_net_exposure": "800000",
    "max_fees_per_day": "1000000",
    "max_daily_loss": "500000",
    "max_drawdown": "500000",
    "proposer_budget_notional": "100000000",
    "max_concentration_bps": 10_000,
    "max_open_orders": 200,
    "max_open_orders_per_instrument": 50,
    "max_orders_per_second": 500,
    "max_orders_per_window": 1_000,
    "order_window_s": 10,
    "price_collar_bps": 500,
    "max_slippage_bps": 100,
    "max_errors_per_window": 50,
    "max_rejects_per_window": 50,
    "breaker_window_s": 60,
    "max_volatility_bps": 1_000,
    "volatility_window_s": 60,
    "max_feed_silence_ms": 5_000,
    "max_feed_lag_ms": 5_000,
    "max_clock_skew_ms": 5_000,
    "proposer_window_s": 60,
    "intent_ttl_ms": 1_000,
    "opening_early_ms": 500,
}


class NoFrames(FrameDecoder):
    """In-memory events need no decoder."""

    def add_instrument(self, index: int, symbol: str, price_decimals: int, size_decimals: int) -> None:
        """Nothing to learn."""


class Counter(Strategy):
    """The least that a Python strategy can do with a changed quote."""

    def __init__(self) -> None:
        self.quotes = 0

    def on_book(self, book: Book) -> None:
        """Count it."""
        self.quotes += 1


class Listener(Strategy):
    """Reads what it hears, as strategies do: spreads, traded size, and now and then an order."""

    def __init__(self, order_every: int = 0, order_lots: int = ORDER_LOTS) -> None:
        self.order_every = order_every
        self.order_lots = order_lots
        self.books = self.trades = self.orders_heard = 0
        self.spread_sum_ticks = self.traded_lots = self.proposed = 0

    def on_book(self, book: Book) -> None:
        """Add the spread up; on every so-many-th change, join the best price of a side."""
        self.books += 1
        self.spread_sum_ticks += book.best_ask_ticks - book.best_bid_ticks
        if self.order_every and self.books % self.order_every == 0:
            self.proposed += 1
            if self.proposed % 2:
                self.buy(book.instrument, book.best_bid_ticks, self.order_lots, OrderType.LIMIT_MAKER)
            else:
                self.sell(book.instrument, book.best_ask_ticks, self.order_lots, OrderType.LIMIT_MAKER)

    def on_trade(self, trade: Trade) -> None:
        """Add the size up."""
        self.trades += 1
        self.traded_lots += trade.size_lots

    def on_order(self, order: Any) -> None:
        """Count what is told of our orders."""
        self.orders_heard += 1


def spec(symbol: str) -> InstrumentSpec:
    """An instrument as a crypto venue has them: cents, 10^-8 lots, a minimal notional, a price band, fees."""
    return InstrumentSpec(
        symbol=symbol, base=symbol[:-4], quote="USDT", price_decimals=2, size_decimals=8,
        order_types=ALL_ORDER_TYPES, min_lots=100, max_lots=10**12, band_up_ppm=200_000, band_down_ppm=200_000,
        maker_fee_ppm=0, taker_fee_ppm=500, min_notional=MONEY, max_notional=4_000_000 * MONEY,
    )  # fmt: skip


def opening() -> Iterator[bytes]:
    """The events up to where strategies can be attached."""
    document = {"mode": "paper", "risk": RISK, "strategy": [{"id": "bench", "name": "bench"}]}
    yield event.start("bench0000000", 0, False, SEED)
    yield event.config(json.dumps(document).encode())
    for symbol in SYMBOLS:
        yield event.instrument(spec(symbol))
        yield event.balance(symbol[:-4], 10 * MONEY, 0, True)
    yield event.balance("USDT", 5_000_000 * MONEY, 0, True)


def going_live() -> Iterator[bytes]:
    """The events that make every book LIVE and let strategies trade."""
    yield event.feed(0, True)
    for instrument in range(len(SYMBOLS)):
        asks = [(MID_TICKS + k, 10**8) for k in range(1, DEPTH + 1)]
        bids = [(MID_TICKS - k, 10**8) for k in range(1, DEPTH + 1)]
        yield event.snapshot(instrument, 1, asks, bids)
    yield event.reconciled()


@dataclass
class Stream:
    """Seeded events of books that change around a mid that stands still; each is stamped with its own time."""

    rng: random.Random = field(default_factory=lambda: random.Random(SEED))
    now_ns: int = START_NS + 1_000_000_000
    sizes: list[dict[int, int]] = field(default_factory=list)
    versions: list[int] = field(default_factory=lambda: [1] * len(SYMBOLS))

    def __post_init__(self) -> None:
        """Every book as going_live() leaves it."""
        offsets = [k for k in range(-DEPTH, DEPTH + 1) if k]
        self.sizes = [{MID_TICKS + k: 10**8 for k in offsets} for _ in SYMBOLS]

    def stamp(self, bare: bytes) -> bytes:
        """The event with the next time of arrival."""
        self.now_ns += STEP_NS
        return event.stamped(bare, 0, self.now_ns)

    def best(self, instrument: int) -> tuple[int, int]:
        """Best bid and ask as the book has them now."""
        prices = [price for price, size in self.sizes[instrument].items() if size]
        return (
            max(price for price in prices if price < MID_TICKS),
            min(price for price in prices if price > MID_TICKS),
        )

    def delta(self, instrument: int) -> bytes:
        """One level a side changes, most of them near the top; the deepest stay, so that no side is ever empty."""
        self.versions[instrument] += 1
        version, changed = self.versions[instrument], []
        for sign in (1, -1):
            price = MID_TICKS + sign * min(1 + int(self.rng.expovariate(1 / 4)), DEPTH)
            keep = abs(price - MID_TICKS) == DEPTH or self.rng.random() > 0.3
            self.sizes[instrument][price] = size = self.rng.randint(1, 10**9) if keep else 0
            changed.append([(price, size)])
        return self.stamp(event.delta(instrument, version, version, *changed, ts_event_ns=self.now_ns))

    def trade(self, instrument: int) -> bytes:
        """A public trade of either side."""
        side = self.rng.choice((Side.BUY, Side.SELL))
        price = MID_TICKS + (1 if side == Side.BUY else -1)
        item = (price, self.rng.randint(1, 10**8), side, self.now_ns)
        return self.stamp(event.trades(instrument, [item], ts_event_ns=self.now_ns))

    def quote(self, instrument: int) -> bytes:
        """Best bid and ask in one event of their own."""
        bid, ask = ((price, self.sizes[instrument][price]) for price in self.best(instrument))
        version = self.versions[instrument]
        return self.stamp(event.quote(instrument, version, bid, ask, ts_event_ns=self.now_ns))

    def filled(self, order_no: int, instrument: int, buy: bool) -> list[bytes]:
        """What the venue tells of an order at the best price of its side: working, then filled at once."""
        price = self.best(instrument)[0 if buy else 1]
        money = price * ORDER_LOTS * 10**10
        working = event.order_update(
            order_no,
            OrderReport.WORKING,
            instrument=instrument,
            venue_order_id=f"V{order_no}",
            ts_event_ns=self.now_ns,
        )
        dealt = event.fill(
            order_no, instrument=instrument, side=Side.BUY if buy else Side.SELL, price_ticks=price,
            size_lots=ORDER_LOTS, money=money, fee=0, fee_asset="USDT", is_maker=True, trade_id=f"T{order_no}",
        )  # fmt: skip
        return [self.stamp(working), self.stamp(dealt)]


def mixed(count: int, order_every: int, stream: Stream) -> list[bytes]:
    """Book deltas of two levels (45 %), trades (45 %) and quotes (10 %) over all instruments.

    On every `order_every`-th delta the strategy is expected to propose; its fill follows at once. 0: it never does.
    """
    found: list[bytes] = []
    deltas = orders = 0
    while len(found) < count:
        instrument, what = stream.rng.randrange(len(SYMBOLS)), stream.rng.random()
        if what < 0.45:
            found.append(stream.delta(instrument))
            deltas += 1
            if order_every and deltas % order_every == 0:
                orders += 1
                found += stream.filled(orders, instrument, buy=orders % 2 == 1)
        elif what < 0.9:
            found.append(stream.trade(instrument))
        else:
            found.append(stream.quote(instrument))
    return found[:count]


def quotes(count: int, stream: Stream) -> list[bytes]:
    """Changes of the top of the book alone: one level a side, so that each is told to the strategy."""
    return [stream.delta(stream.rng.randrange(len(SYMBOLS))) for _ in range(count)]


def batches(events: list[bytes], size: int) -> list[bytes]:
    """Events in batches of this many, as Sequencer.process_batch takes them."""
    return [event.batch(events[at : at + size]) for at in range(0, len(events), size)]


def prepare(feed: Any, core: Engine, strategy: Strategy) -> None:
    """Bring a core to where it trades; `feed` takes one bare event."""
    for each in opening():
        feed(each)
    core.attach(strategy, "bench", list(SYMBOLS))
    for each in going_live():
        feed(each)
