"""MEXC's channel names, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a channel carries."""

    DEPTH = "depth"
    DEALS = "deals"
    TICKER = "bookTicker"
    LIMIT_DEPTH = "limit.depth"
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
INTERVALS_MS = (10, 100)
LIMIT_DEPTHS = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its kind, and for a public one the symbol and interval or number of levels."""

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
    return None


def aggregated(kind: Kind, symbol: str, interval_ms: int) -> str:
    """The name of an aggregated public channel."""
    return f"spot@public.aggre.{kind.value}.v3.api.pb@{interval_ms}ms@{symbol}"


def limit_depth(symbol: str, levels: int) -> str:
    """The name of a top-of-book channel."""
    return f"spot@public.limit.depth.v3.api.pb@{symbol}@{levels}"
