"""What one symbol publishes: changes gathered per interval and turned into frames once."""

from __future__ import annotations

from collections import deque

from adapters.mexc.venue import frames
from adapters.mexc.venue.candles import WS_INTERVALS, Candles
from adapters.mexc.venue.channels import (
    INTERVALS_MS,
    LIMIT_DEPTHS,
    Kind,
    aggregated,
    kline,
    limit_depth,
    ticker_batch,
)
from adapters.mexc.venue.clock import Clock
from adapters.mexc.venue.faults import FaultInjector
from adapters.mexc.venue.frames import Deal, DepthUpdate, Kline, Ticker
from adapters.mexc.venue.numbers import padded, parse_scaled, trimmed
from adapters.mexc.venue.streams import Hub
from backtest.exchange_types import BookChange
from backtest.matching_book import MatchingBook
from engine.core.enums import Side

RECENT_TRADES = 1000


class _Interval:
    """What has changed since the last frame of one interval."""

    def __init__(self, symbol: str, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self.depth_channel = aggregated(Kind.DEPTH, symbol, interval_ms)
        self.deals_channel = aggregated(Kind.DEALS, symbol, interval_ms)
        self.ticker_channel = aggregated(Kind.TICKER, symbol, interval_ms)
        self.batch_channel = ticker_batch(symbol) if interval_ms == INTERVALS_MS[0] else ""
        self.levels: dict[tuple[Side, int], int] = {}
        self.from_version = 0
        self.deals: list[Deal] = []
        self.ticker: Ticker | None = None


class SymbolFeed:
    """Gathers one symbol's book changes, prints and best prices, and publishes them at each interval's end.

    `is_replayed`: the depth published comes from a recording (`publish_depth`), not from the matching book.
    """

    def __init__(
        self, book: MatchingBook, hub: Hub, faults: FaultInjector, clock: Clock, *, is_replayed: bool = False
    ) -> None:
        spec = book.spec
        self.book = book
        self.symbol = spec.symbol
        self.is_replayed = is_replayed
        self.version = book.version
        self.trades: deque[Deal] = deque(maxlen=RECENT_TRADES)
        self.candles = Candles()
        self._kline_channels = [
            (kline(spec.symbol, interval), interval, length_s) for interval, length_s in WS_INTERVALS.items()
        ]
        self.trade_total = 0
        self.first_frame_ns = 0  # when the first frame with data of this symbol went to a listener
        self._has_new_trades = False
        self._price_decimals = spec.price_decimals
        self._size_decimals = spec.size_decimals
        self._hub = hub
        self._faults = faults
        self._clock = clock
        self._intervals = [_Interval(spec.symbol, interval_ms) for interval_ms in INTERVALS_MS]
        self._limit_channels = [(limit_depth(spec.symbol, levels), levels) for levels in LIMIT_DEPTHS]
        self._limit_version = 0
        self.start_snapshot: tuple[int, list[tuple[str, str]], list[tuple[str, str]]] = (self.version, [], [])

    # what happened

    def on_book_change(self, change: BookChange) -> None:
        """A level of the matching book changed; a recording's own book and versions know nothing of that."""
        if self.is_replayed:
            return
        self.version = change.version
        for interval in self._intervals:
            if self._hub.has(interval.depth_channel):
                if not interval.levels:
                    interval.from_version = change.version
                interval.levels[change.side, change.price_ticks] = change.size_lots
            else:
                interval.levels.clear()

    def on_trade(self, ticks: int, lots: int, taker_side: Side, time_ms: int, trade_id: str) -> None:
        """A trade printed."""
        price, size = trimmed(ticks, self._price_decimals), trimmed(lots, self._size_decimals)
        deal = Deal(price, size, int(taker_side), time_ms, trade_id)
        self.trades.append(deal)
        self.trade_total += 1
        self.candles.add(time_ms, ticks, lots)
        self._has_new_trades = True
        for interval in self._intervals:
            if self._hub.has(interval.deals_channel):
                interval.deals.append(deal)

    def on_ticker(self, ticker: Ticker) -> None:
        """A recorded best bid and ask, to go out at the next interval's end."""
        for interval in self._intervals:
            if self._wants_ticker(interval):
                interval.ticker = ticker

    def publish_depth(self, update: DepthUpdate, send_ms: int) -> None:
        """Send a recorded delta now, on the channels of both intervals."""
        self.version = max(self.version, update.to_version)  # the snapshot may be newer than a delta
        for interval in self._intervals:
            if self._hub.has(interval.depth_channel):
                self._send_depth(interval.depth_channel, update, send_ms)

    # what goes out

    def flush(self, interval_ms: int, send_ms: int) -> None:
        """An interval ended: publish what it gathered."""
        for interval in self._intervals:
            if interval.interval_ms == interval_ms:
                self._flush_interval(interval, send_ms)
        if interval_ms == INTERVALS_MS[-1]:
            if self._limit_version != self.version:
                self._flush_limit_depth(send_ms)
            if self._has_new_trades:
                self._flush_klines(send_ms)

    def _flush_interval(self, interval: _Interval, send_ms: int) -> None:
        if interval.levels:
            self._send_depth(interval.depth_channel, self._gathered(interval), send_ms)
            interval.levels.clear()
        if interval.deals:
            frame = frames.deals_frame(interval.deals_channel, self.symbol, send_ms, interval.deals)
            self._publish(interval.deals_channel, frame)
            interval.deals.clear()
        if self._wants_ticker(interval):
            ticker = interval.ticker if self.is_replayed else self._new_best(interval)
            if ticker is not None:
                self._send_ticker(interval, ticker, send_ms)
            if self.is_replayed:
                interval.ticker = None

    def _gathered(self, interval: _Interval) -> DepthUpdate:
        asks: list[tuple[str, str]] = []
        bids: list[tuple[str, str]] = []
        for (side, price), lots in interval.levels.items():
            level = (padded(price, self._price_decimals), padded(lots, self._size_decimals))
            (bids if side is Side.BUY else asks).append(level)
        return DepthUpdate(interval.from_version, self.version, asks, bids)

    def best(self) -> Ticker:
        """The matching book's best bid and ask."""
        texts: list[str] = []
        for side in (self.book.bids, self.book.asks):
            level = side.best()
            if level is None:
                texts += ["", ""]
            else:
                texts += [
                    trimmed(level.price_ticks, self._price_decimals),
                    trimmed(level.total, self._size_decimals),
                ]
        return Ticker(texts[0], texts[1], texts[2], texts[3], self.version)

    def _new_best(self, interval: _Interval) -> Ticker | None:
        last = interval.ticker
        if last is not None and last.version == self.version:
            return None
        best = self.best()
        if last is None and not best.bid_price and not best.ask_price:
            return None  # nothing has ever been quoted
        interval.ticker = best
        is_same = last is not None and (
            (last.bid_price, last.bid_quantity, last.ask_price, last.ask_quantity)
            == (best.bid_price, best.bid_quantity, best.ask_price, best.ask_quantity)
        )
        return None if is_same else best

    def _send_depth(self, channel: str, update: DepthUpdate, send_ms: int) -> None:
        now_ns = self._clock.now_ns()
        if self._faults.hit("gap", now_ns, channel):
            return
        has_body = not self._faults.hit("bodyless", now_ns, channel)
        one_sided = self._faults.hit("one_sided", now_ns, channel)
        if self._faults.hit("other_decimals", now_ns, channel):
            update = DepthUpdate(
                update.from_version,
                update.to_version,
                _trimmed_levels(update.asks),
                _trimmed_levels(update.bids),
            )
        copies = 2 if self._faults.hit("duplicate", now_ns, channel) else 1
        for part in frames.split_sides(update) if one_sided else [update]:
            frame = frames.depth_frame(channel, self.symbol, send_ms, part, has_body=has_body)
            for _ in range(copies):
                self._publish(channel, frame)

    def _wants_ticker(self, interval: _Interval) -> bool:
        return self._hub.has(interval.ticker_channel) or self._hub.has(interval.batch_channel)

    def _send_ticker(self, interval: _Interval, ticker: Ticker, send_ms: int) -> None:
        channel, now_ns = interval.ticker_channel, self._clock.now_ns()
        if self._faults.hit("one_sided", now_ns, channel):
            ticker = Ticker(ticker.bid_price, ticker.bid_quantity, "", "", ticker.version)
        if self._faults.hit("other_decimals", now_ns, channel):
            ticker = Ticker(
                _padded_text(ticker.bid_price, self._price_decimals),
                _padded_text(ticker.bid_quantity, self._size_decimals),
                _padded_text(ticker.ask_price, self._price_decimals),
                _padded_text(ticker.ask_quantity, self._size_decimals),
                ticker.version,
            )
        if self._hub.has(channel):
            self._publish(channel, frames.ticker_frame(channel, self.symbol, send_ms, ticker))
        if self._hub.has(interval.batch_channel):
            frame = frames.ticker_batch_frame(interval.batch_channel, self.symbol, send_ms, ticker)
            self._publish(interval.batch_channel, frame)

    def _flush_klines(self, send_ms: int) -> None:
        self._has_new_trades = False
        for channel, interval, length_s in self._kline_channels:
            bar = self.candles.current(length_s) if self._hub.has(channel) else None
            if bar is None:
                continue
            shown = Kline(
                interval=interval,
                start_s=bar.start_s,
                end_s=bar.end_s,
                open=trimmed(bar.open, self._price_decimals),
                close=trimmed(bar.close, self._price_decimals),
                high=trimmed(bar.high, self._price_decimals),
                low=trimmed(bar.low, self._price_decimals),
                volume=trimmed(bar.lots, self._size_decimals),
                amount=trimmed(bar.turnover, self._price_decimals + self._size_decimals),
            )
            self._publish(channel, frames.kline_frame(channel, self.symbol, send_ms, shown))

    def _flush_limit_depth(self, send_ms: int) -> None:
        wanted = [(name, levels) for name, levels in self._limit_channels if self._hub.has(name)]
        if not wanted:
            return
        self._limit_version = self.version
        version, bids, asks = self.depth(max(levels for _, levels in wanted))
        for name, levels in wanted:
            frame = frames.limit_depth_frame(
                name, self.symbol, send_ms, asks[:levels], bids[:levels], version
            )
            self._publish(name, frame)

    def _publish(self, channel: str, frame: bytes) -> None:
        if self._faults.hit("unknown_field", self._clock.now_ns(), channel):
            frame += frames.UNKNOWN_FIELD
        self.first_frame_ns = self.first_frame_ns or self._clock.now_ns()
        self._hub.publish(channel, frame)

    # snapshots

    def depth(self, limit: int) -> tuple[int, list[tuple[str, str]], list[tuple[str, str]]]:
        """(version, bids, asks), best first, as padded texts."""
        bids, asks = self.levels(Side.BUY, limit), self.levels(Side.SELL, limit)
        return self.version, self._texts(bids), self._texts(asks)

    def levels(self, side: Side, limit: int) -> list[tuple[int, int]]:
        """(price in ticks, lots) of a side, best first."""
        depth = self.book.ambient_depth if self.is_replayed else self.book.depth
        return depth(side, limit)

    def _texts(self, levels: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [
            (padded(price, self._price_decimals), padded(lots, self._size_decimals)) for price, lots in levels
        ]


def _trimmed_levels(levels: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(_trimmed_text(price), _trimmed_text(size)) for price, size in levels]


def _trimmed_text(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _padded_text(text: str, decimals: int) -> str:
    return padded(parse_scaled(text, decimals), decimals) if text else ""
