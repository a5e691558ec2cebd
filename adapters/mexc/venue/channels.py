"""MEXC's channel names, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from adapters.mexc.venue.candles import WS_INTERVALS


class Kind(Enum):
    """What a channel carries."""

    DEPTH = "depth"
    DEALS = "deals"
    TICKER = "bookTicker"
    LIMIT_DEPTH = "limit.depth"
    TICKER_BATCH = "bookTicker.batch"
    KLINE = "kline"
    MINI_TICKER = "miniTicker"
    MINI_TICKERS = "miniTickers"
    ORDERS = "orders"
    PRIVATE_DEALS = "private.deals"
    ACCOUNT = "account"


PRIVATE_ORDERS = "spot@private.orders.v3.api.pb"
PRIVATE_DEALS = "spot@private.deals.v3.api.pb"
PRIVATE_ACCOUNT = "spot@private.account.v3.api.pb"
_PRIVATE = {PRIVATE_ORDERS: Kind.ORDERS, PRIVATE_DEALS: Kind.PRIVATE_DEALS, PRIVATE_ACCOUNT: Kind.ACCOUNT}
_AGGREGATED = re.compile(
    r"spot@public\.aggre\.(depth|deals|bookTicker)\.v3\.api\.pb@(10|100)ms@([A-Z0-9]{2,30})"
)
_LIMIT = re.compile(r"spot@public\.limit\.depth\.v3\.api\.pb@([A-Z0-9]{2,30})@(5|10|20)")
_BATCH = re.compile(r"spot@public\.bookTicker\.batch\.v3\.api\.pb@([A-Z0-9]{2,30})")
_KLINE = re.compile(rf"spot@public\.kline\.v3\.api\.pb@([A-Z0-9]{{2,30}})@({'|'.join(WS_INTERVALS)})")
_ZONE = r"(?:24H|UTC[+-](?:1[0-3]|\d)(?::30|:45)?)"
_MINI = re.compile(rf"spot@public\.miniTicker\.v3\.api\.pb@([A-Z0-9]{{2,30}})@{_ZONE}")
_MINIS = re.compile(rf"spot@public\.miniTickers\.v3\.api\.pb@{_ZONE}")
MINI_TICKER = "spot@public.miniTicker.v3.api.pb@"
MINI_TICKERS = "spot@public.miniTickers.v3.api.pb@"
INTERVALS_MS = (10, 100)
LIMIT_DEPTHS = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its kind, and for a public one the symbol (none: all) and interval or number of levels."""

    name: str
    kind: Kind
    symbol: str = ""
    interval_ms: int = 0
    levels: int = 0

    @property
    def is_private(self) -> bool:
        """Whether it needs a listen key."""
        return self.name in _PRIVATE


def parse_channel(name: str) -> Channel | None:
    """The channel of that name; None for one that MEXC would refuse, the retired ones among them."""
    if name in _PRIVATE:
        return Channel(name, _PRIVATE[name])
    if (match := _AGGREGATED.fullmatch(name)) is not None:
        return Channel(name, Kind(match[1]), match[3], interval_ms=int(match[2]))
    if (match := _LIMIT.fullmatch(name)) is not None:
        return Channel(name, Kind.LIMIT_DEPTH, match[1], levels=int(match[2]))
    if (match := _BATCH.fullmatch(name)) is not None:
        return Channel(name, Kind.TICKER_BATCH, match[1])
    if (match := _KLINE.fullmatch(name)) is not None:
        return Channel(name, Kind.KLINE, match[1])
    if (match := _MINI.fullmatch(name)) is not None:
        return Channel(name, Kind.MINI_TICKER, match[1])
    return Channel(name, Kind.MINI_TICKERS) if _MINIS.fullmatch(name) is not None else None


def aggregated(kind: Kind, symbol: str, interval_ms: int) -> str:
    """The name of an aggregated public channel."""
    return f"spot@public.aggre.{kind.value}.v3.api.pb@{interval_ms}ms@{symbol}"


def limit_depth(symbol: str, levels: int) -> str:
    """The name of a top-of-book channel."""
    return f"spot@public.limit.depth.v3.api.pb@{symbol}@{levels}"


def ticker_batch(symbol: str) -> str:
    """The name of the channel of best prices in batches."""
    return f"spot@public.bookTicker.batch.v3.api.pb@{symbol}"


def kline(symbol: str, interval: str) -> str:
    """The name of a kline channel."""
    return f"spot@public.kline.v3.api.pb@{symbol}@{interval}"
