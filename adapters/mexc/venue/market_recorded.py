"""A real market: a recorded Binance session replayed as MEXC frames, its liquidity ambient to our orders.

A line of the recording is `<local ns> <raw json>`: `depth@100ms` (U and u become fromVersion and toVersion),
`bookTicker`, `trade`, and one REST snapshot. Both symbols are merged by local time. All times that go out are the
recording's own event times.
"""

from __future__ import annotations

import gzip
import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from adapters.mexc.venue.config import RecordedConfig
from adapters.mexc.venue.config_symbols import SymbolConfig
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.frames import DepthUpdate, Ticker
from adapters.mexc.venue.numbers import padded, parse_scaled, trimmed
from adapters.mexc.venue.state import VenueState
from engine.core.enums import Side

SLICE_NS = 10_000_000
SLICES_PER_STEP = 200  # beyond that a step reports that more is due
SLICES_PER_SLOW = 10


def recording_path(config: RecordedConfig, symbol: str) -> Path:
    """Where a symbol's recording lies; FileNotFoundError, with the remedy, where it does not."""
    folder = config.data_dir or Path(os.environ.get("PENSTOCK_DATA") or "../shared/data")
    path = folder / "market" / f"spot_{symbol.lower()}_20240808.gz"
    if not path.is_file():
        raise FileNotFoundError(f"no recording at {path}: set PENSTOCK_DATA or recorded.data_dir")
    return path


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded message."""

    local_ns: int
    symbol: str
    stream: str  # depth, bookTicker, trade, snapshot
    data: dict[str, Any]


def read_lines(path: Path, symbol: str) -> Iterator[Line]:
    """The recording's lines, in order."""
    with gzip.open(path, "rb") as file:
        for raw in file:
            local, _, text = raw.partition(b" ")
            message = orjson.loads(text)
            stream = message.get("stream")
            if stream is None:
                yield Line(int(local), symbol, "snapshot", message)
            else:
                yield Line(int(local), symbol, stream.split("@")[1], message["data"])


def read_snapshot(path: Path, symbol: str) -> dict[str, Any]:
    """The recording's REST snapshot; ValueError where it has none."""
    for line in read_lines(path, symbol):
        if line.stream == "snapshot":
            return line.data
    raise ValueError(f"{path.name} has no snapshot")


class RecordedMarket:
    """Plays the recording in slices of 10 ms of its own time, `speed` times as fast as it was.

    The book starts as the recording's snapshot, so that a client may ask for depth at any moment; deltas that are
    older than the snapshot are published all the same and dropped by whoever follows the procedure.
    """

    def __init__(self, state: VenueState, config: RecordedConfig) -> None:
        self._state = state
        self._config = config
        self._paths = {name: recording_path(config, name) for name in state.symbols}
        lines = [read_lines(path, name) for name, path in self._paths.items()]
        self._lines = heapq.merge(*lines, key=lambda line: line.local_ns)
        self._next: Line | None = next(self._lines, None)
        self._began_ns: int | None = None  # the venue's time when the recording began to run
        self._first_ns = self._next.local_ns if self._next is not None else 0
        self._slices = 0
        self._offset_ns = 0  # the recording's event time minus its local time
        self._venue_now_ns = 0
        self.ended = False

    @property
    def now_ns(self) -> int:
        """The recording's event time, as far as it is known."""
        return self._first_ns + self._slices * SLICE_NS + self._offset_ns

    def start(self, now_ns: int) -> None:
        """Set the books to the snapshots."""
        self._venue_now_ns = now_ns
        for name, path in self._paths.items():
            feed = self._state.feeds[name]
            snapshot = read_snapshot(path, name)
            self._apply(feed, Side.BUY, snapshot["bids"])
            self._apply(feed, Side.SELL, snapshot["asks"])
            feed.version = int(snapshot["lastUpdateId"])
            feed.start_snapshot = feed.depth(5000)

    def step(self, now_ns: int) -> bool:
        """Play everything that is due; True where it is more than one step may do."""
        self._venue_now_ns = now_ns
        if self._began_ns is None:
            if self._config.start_on_subscribe and not any(
                c.subscriptions for c in self._state.hub.connections
            ):
                return False
            self._began_ns = now_ns
        due = int((now_ns - self._began_ns) * self._config.speed) // SLICE_NS
        for _ in range(SLICES_PER_STEP):
            if self._slices >= due or self.ended:
                return False
            self._play_slice()
        return True

    def add(self, config: SymbolConfig) -> None:
        """ValueError: a recording has no new symbols."""
        raise ValueError(f"{config.symbol} cannot be added: the market is a recording")

    def remove(self, symbol: str) -> None:
        """ValueError: a recording's symbols stay."""
        raise ValueError(f"{symbol} cannot be removed: the market is a recording")

    def _play_slice(self) -> None:
        self._slices += 1
        until_ns = self._first_ns + self._slices * SLICE_NS
        while self._next is not None and self._next.local_ns < until_ns:
            self._play(self._next)
            self._next = next(self._lines, None)
        self._state.dispatch(self._state.exchange.take_records())
        send_ms = self.now_ns // 1_000_000
        self._state.flush(send_ms, with_slow=self._slices % SLICES_PER_SLOW == 0 or self._next is None)
        self.ended = self._next is None

    def _play(self, line: Line) -> None:
        feed = self._state.feeds[line.symbol]
        if line.stream == "depth":
            self._play_depth(feed, line)
        elif line.stream == "trade":
            self._play_trade(feed, line.data)
        elif line.stream == "bookTicker":
            self._play_ticker(feed, line.data)

    def _play_depth(self, feed: SymbolFeed, line: Line) -> None:
        data = line.data
        self._offset_ns = data["E"] * 1_000_000 - line.local_ns
        first, last = int(data["U"]), int(data["u"])
        spec = feed.book.spec
        asks = [_texts(level, spec.price_decimals, spec.size_decimals) for level in data["a"]]
        bids = [_texts(level, spec.price_decimals, spec.size_decimals) for level in data["b"]]
        if last > feed.version:
            # what is taken away first: a level that moved through us must not meet us as a ghost
            for is_removal in (True, False):
                self._apply(feed, Side.BUY, data["b"], is_removal)
                self._apply(feed, Side.SELL, data["a"], is_removal)
        feed.publish_depth(DepthUpdate(first, last, asks, bids), data["E"])

    def _apply(
        self, feed: SymbolFeed, side: Side, levels: list[list[str]], only_removals: bool | None = None
    ) -> None:
        spec, exchange = feed.book.spec, self._state.exchange
        for price, size in levels:
            lots = parse_scaled(size, spec.size_decimals)
            if only_removals is None or only_removals is (lots == 0):
                ticks = parse_scaled(price, spec.price_decimals)
                exchange.set_ambient(self._venue_now_ns, spec.symbol, side, ticks, lots)

    def _play_trade(self, feed: SymbolFeed, data: dict[str, Any]) -> None:
        spec = feed.book.spec
        ticks = parse_scaled(data["p"], spec.price_decimals)
        lots = parse_scaled(data["q"], spec.size_decimals)
        taker = Side.SELL if data["m"] else Side.BUY
        self._state.exchange.ambient_trade(self._venue_now_ns, spec.symbol, taker, ticks, lots)
        feed.on_trade(ticks, lots, taker, int(data["T"]), f"{data['t']}X0_{data['t']}X0")

    def _play_ticker(self, feed: SymbolFeed, data: dict[str, Any]) -> None:
        spec = feed.book.spec
        bid, bid_size = (
            parse_scaled(data["b"], spec.price_decimals),
            parse_scaled(data["B"], spec.size_decimals),
        )
        ask, ask_size = (
            parse_scaled(data["a"], spec.price_decimals),
            parse_scaled(data["A"], spec.size_decimals),
        )
        feed.on_ticker(
            Ticker(
                trimmed(bid, spec.price_decimals),
                trimmed(bid_size, spec.size_decimals),
                trimmed(ask, spec.price_decimals),
                trimmed(ask_size, spec.size_decimals),
                int(data["u"]),
            )
        )


def _texts(level: list[str], price_decimals: int, size_decimals: int) -> tuple[str, str]:
    price, size = level
    return (
        padded(parse_scaled(price, price_decimals), price_decimals),
        padded(parse_scaled(size, size_decimals), size_decimals),
    )
