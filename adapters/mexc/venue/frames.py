"""Protobuf frames of MEXC's public channels, as bytes. Each is built once and then sent to every subscriber."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.mexc.schema import PushDataV3ApiWrapper

_Wrapper: Any = PushDataV3ApiWrapper  # its fields are made at import, so types do not know them
UNKNOWN_FIELD = b"\xa0\x06\x01"  # field 100, varint 1


@dataclass(frozen=True, slots=True)
class DepthUpdate:
    """Changed levels as (price, quantity) texts, quantities absolute, and the versions that they span."""

    from_version: int
    to_version: int
    asks: list[tuple[str, str]]
    bids: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Deal:
    """One public print; `taker_side` 1 buy, 2 sell."""

    price: str
    quantity: str
    taker_side: int
    time_ms: int
    trade_id: str


@dataclass(frozen=True, slots=True)
class Ticker:
    """Best bid and ask; empty texts for an empty side."""

    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str
    version: int


def wrapper(channel: str, symbol: str, send_ms: int) -> Any:
    """A message without a body."""
    message = _Wrapper()
    message.channel = channel
    message.symbol = symbol
    message.sendTime = send_ms
    return message


def _event_type(channel: str) -> str:
    return channel.rpartition("@")[0]


def depth_frame(
    channel: str, symbol: str, send_ms: int, update: DepthUpdate, *, has_body: bool = True
) -> bytes:
    """A book delta."""
    message = wrapper(channel, symbol, send_ms)
    if has_body:
        body = message.publicAggreDepths
        for price, quantity in update.asks:
            body.asks.add(price=price, quantity=quantity)
        for price, quantity in update.bids:
            body.bids.add(price=price, quantity=quantity)
        body.eventType = _event_type(channel)
        body.fromVersion = str(update.from_version)
        body.toVersion = str(update.to_version)
    return bytes(message.SerializeToString())


def deals_frame(channel: str, symbol: str, send_ms: int, deals: list[Deal]) -> bytes:
    """Prints, oldest first."""
    message = wrapper(channel, symbol, send_ms)
    body = message.publicAggreDeals
    for deal in deals:
        body.deals.add(
            price=deal.price,
            quantity=deal.quantity,
            tradeType=deal.taker_side,
            time=deal.time_ms,
            tradeId=deal.trade_id,
        )
    body.eventType = _event_type(channel)
    return bytes(message.SerializeToString())


def ticker_frame(channel: str, symbol: str, send_ms: int, ticker: Ticker) -> bytes:
    """Best bid and ask."""
    message = wrapper(channel, symbol, send_ms)
    body = message.publicAggreBookTicker
    body.bidPrice = ticker.bid_price
    body.bidQuantity = ticker.bid_quantity
    body.askPrice = ticker.ask_price
    body.askQuantity = ticker.ask_quantity
    body.version = str(ticker.version)
    return bytes(message.SerializeToString())


def limit_depth_frame(
    channel: str,
    symbol: str,
    send_ms: int,
    asks: list[tuple[str, str]],
    bids: list[tuple[str, str]],
    version: int,
) -> bytes:
    """The best levels of both sides."""
    message = wrapper(channel, symbol, send_ms)
    body = message.publicLimitDepths
    for price, quantity in asks:
        body.asks.add(price=price, quantity=quantity)
    for price, quantity in bids:
        body.bids.add(price=price, quantity=quantity)
    body.eventType = channel.split("@")[0] + "@" + channel.split("@")[1]
    body.version = str(version)
    return bytes(message.SerializeToString())


def split_sides(update: DepthUpdate) -> list[DepthUpdate]:
    """A delta as one-sided deltas with gapless versions, where its range is wide enough for that."""
    if not update.asks or not update.bids or update.from_version == update.to_version:
        return [update]
    middle = update.from_version
    return [
        DepthUpdate(update.from_version, middle, update.asks, []),
        DepthUpdate(middle + 1, update.to_version, [], update.bids),
    ]
