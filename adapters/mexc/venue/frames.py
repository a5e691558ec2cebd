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


@dataclass(frozen=True, slots=True)
class MiniTicker:
    """A symbol's last 24 hours; `turnover` in quote, `quantity` in base, rates as fractions."""

    symbol: str
    price: str
    rate: str
    zoned_rate: str
    high: str
    low: str
    turnover: str
    quantity: str


@dataclass(frozen=True, slots=True)
class Kline:
    """A bar; times in seconds, `volume` in base, `amount` in quote."""

    interval: str
    start_s: int
    end_s: int
    open: str
    close: str
    high: str
    low: str
    volume: str
    amount: str


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


def ticker_batch_frame(channel: str, symbol: str, send_ms: int, ticker: Ticker) -> bytes:
    """Best bid and ask as a batch of one."""
    message = wrapper(channel, symbol, send_ms)
    body = message.publicBookTickerBatch
    body.items.add(
        bidPrice=ticker.bid_price,
        bidQuantity=ticker.bid_quantity,
        askPrice=ticker.ask_price,
        askQuantity=ticker.ask_quantity,
    )
    body.version = str(ticker.version)
    return bytes(message.SerializeToString())


def kline_frame(channel: str, symbol: str, send_ms: int, kline: Kline) -> bytes:
    """A bar as it stands."""
    message = wrapper(channel, symbol, send_ms)
    body = message.publicSpotKline
    body.interval = kline.interval
    body.windowStart, body.windowEnd = kline.start_s, kline.end_s
    body.openingPrice, body.closingPrice = kline.open, kline.close
    body.highestPrice, body.lowestPrice = kline.high, kline.low
    body.volume, body.amount = kline.volume, kline.amount
    return bytes(message.SerializeToString())


def mini_ticker_frame(channel: str, send_ms: int, ticker: MiniTicker) -> bytes:
    """One symbol's day."""
    message = wrapper(channel, ticker.symbol, send_ms)
    _fill_mini_ticker(message.publicMiniTicker, ticker)
    return bytes(message.SerializeToString())


def mini_tickers_frame(channel: str, send_ms: int, tickers: list[MiniTicker]) -> bytes:
    """The day of all symbols; the wrapper names none."""
    message = wrapper(channel, "", send_ms)
    message.ClearField("symbol")
    for ticker in tickers:
        _fill_mini_ticker(message.publicMiniTickers.items.add(), ticker)
    return bytes(message.SerializeToString())


def _fill_mini_ticker(body: Any, ticker: MiniTicker) -> None:
    body.symbol, body.price = ticker.symbol, ticker.price
    body.rate = body.lastCloseRate = ticker.rate
    body.zonedRate = body.lastCloseZonedRate = ticker.zoned_rate
    body.high = body.lastCloseHigh = ticker.high
    body.low = body.lastCloseLow = ticker.low
    body.volume, body.quantity = ticker.turnover, ticker.quantity


def split_sides(update: DepthUpdate) -> list[DepthUpdate]:
    """A delta as one-sided deltas with gapless versions, where its range is wide enough for that."""
    if not update.asks or not update.bids or update.from_version == update.to_version:
        return [update]
    middle = update.from_version
    return [
        DepthUpdate(update.from_version, middle, update.asks, []),
        DepthUpdate(middle + 1, update.to_version, [], update.bids),
    ]
