"""Mini tickers: the last day of one symbol, and of all symbols in one message.

MEXC pushes both every three seconds (`mini_tickers_ms`), each symbol that has ever traded in it: a new symbol is seen
at the first push after its first trade, not at that trade.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.mexc.venue import frames
from adapters.mexc.venue.candles import DAY_S, Bar
from adapters.mexc.venue.channels import MINI_TICKER, MINI_TICKERS
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.frames import MiniTicker
from adapters.mexc.venue.numbers import padded, trimmed
from adapters.mexc.venue.streams import Hub

RATE_DECIMALS = 4
_ZONE = re.compile(r"UTC([+-])(\d{1,2})(?::(\d\d))?")


class MiniTickers:
    """Publishes at the end of each interval what somebody listens to."""

    def __init__(self, hub: Hub, feeds: Mapping[str, SymbolFeed], interval_ms: int) -> None:
        self._hub = hub
        self._feeds = feeds
        self._interval_ms = interval_ms
        self._next_ms = 0

    def flush(self, now_ms: int) -> None:
        """Publish if an interval has ended."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms - now_ms % self._interval_ms + self._interval_ms
        for name in self._hub.channels_of(MINI_TICKERS):
            zone = name.removeprefix(MINI_TICKERS)
            items = [mini_ticker(feed, zone, now_ms) for feed in self._feeds.values()]
            found = [item for item in items if item is not None]
            if found:
                self._hub.publish(name, frames.mini_tickers_frame(name, now_ms, found))
        for name in self._hub.channels_of(MINI_TICKER):
            symbol, _, zone = name.removeprefix(MINI_TICKER).partition("@")
            feed = self._feeds.get(symbol)
            item = mini_ticker(feed, zone, now_ms) if feed is not None else None
            if item is not None:
                self._hub.publish(name, frames.mini_ticker_frame(name, now_ms, item))


def mini_ticker(feed: SymbolFeed, zone: str, now_ms: int) -> MiniTicker | None:
    """A symbol's last 24 hours, and its change since the zone's midnight; None before its first trade."""
    now_s = now_ms // 1000
    day = feed.candles.since(now_s - DAY_S)
    if day is None:
        return None
    zoned = feed.candles.since(_midnight_s(zone, now_s)) or day
    spec = feed.book.spec
    return MiniTicker(
        symbol=feed.symbol,
        price=trimmed(day.close, spec.price_decimals),
        rate=change_text(day),
        zoned_rate=change_text(zoned),
        high=trimmed(day.high, spec.price_decimals),
        low=trimmed(day.low, spec.price_decimals),
        turnover=trimmed(day.turnover, spec.price_decimals + spec.size_decimals),
        quantity=trimmed(day.lots, spec.size_decimals),
    )


def change_text(bar: Bar) -> str:
    """Close against open as a fraction with four decimals: `-0.2361`."""
    return padded((bar.close - bar.open) * 10**RATE_DECIMALS // bar.open, RATE_DECIMALS)


def _midnight_s(zone: str, now_s: int) -> int:
    match = _ZONE.fullmatch(zone)
    if match is None:
        return now_s - DAY_S  # 24H
    offset_s = (int(match[2]) * 60 + int(match[3] or 0)) * 60 * (1 if match[1] == "+" else -1)
    return (now_s + offset_s) // DAY_S * DAY_S - offset_s
