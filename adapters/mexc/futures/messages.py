"""MEXC's futures messages as typed records; REST answers and websocket pushes share most of them.

Envelope of REST: {"success": true, "code": 0, "data": ..}; of the stream: {"channel": "push.deal", "symbol": .., "data": ..}.
Prices are JSON numbers: they are taken as their text, so that no float comes near them. Amounts are Decimal, sizes contracts.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from adapters.mexc.listings.facts import LAST_MS, Row, ShapeError, decode, exact, whole, within

_MOST = 2**63 - 1
_object = msgspec.json.Decoder(dict[str, object], float_hook=str)

Levels = list[tuple[Decimal, int]]


class DepthRecord(msgspec.Struct, frozen=True):
    """A book, or what changed of it: (price, contracts) per side, 0 contracts remove. Versions `begin` to `end`."""

    asks: Levels
    bids: Levels
    begin: int
    end: int


class DealRecord(msgspec.Struct, frozen=True):
    """One trade; `side` of the taker: 1 buy, 2 sell."""

    price: Decimal
    contracts: int
    side: int
    time_ms: int


class FundingRecord(msgspec.Struct, frozen=True):
    """A funding rate, and when it is settled next."""

    rate: Decimal
    next_settle_ms: int


class PriceRecord(msgspec.Struct, frozen=True):
    """Fair and last price of a contract; 0 where not said."""

    fair: Decimal
    last: Decimal
    time_ms: int


class Push(msgspec.Struct, frozen=True):
    """One message of the stream: its channel, its contract where it names one, and its data."""

    channel: str
    symbol: str
    data: object


def parse_push(text: bytes) -> Push:
    """A message of the stream; ShapeError where it is none."""
    message = decode(text, _object)
    channel = message.get("channel")
    if not isinstance(channel, str):
        raise ShapeError("a message without a channel")
    return Push(channel, str(message.get("symbol") or ""), message.get("data"))


def parse_answer(body: bytes) -> object:
    """The data of a REST answer; ShapeError where it is none, or says that it failed."""
    answer = decode(body, _object)
    if answer.get("success") is False or answer.get("code") not in (0, None):
        raise ShapeError(f"refused: {str(answer.get('message') or answer.get('code'))[:80]}")
    return answer.get("data")


def depth_of(data: object) -> DepthRecord:
    """A book or its change. Its versions are `begin` and `end` where it has them, else the one `version`."""
    row = _row(data, "depth")
    version = whole(row.get("version"), "version", _MOST)
    begin, end = whole(row.get("begin"), "begin", _MOST), whole(row.get("end"), "end", _MOST)
    if begin <= 0 or end <= 0:
        begin = end = version
    if begin <= 0 or end < begin:
        raise ShapeError("depth: no version")
    return DepthRecord(_levels(row.get("asks"), "asks"), _levels(row.get("bids"), "bids"), begin, end)


def commits_of(data: object) -> list[DepthRecord]:
    """The latest changes of a book, oldest first (MEXC lists the newest first)."""
    if not isinstance(data, list):
        raise ShapeError("depth commits: no list")
    return sorted((depth_of(item) for item in data), key=lambda record: record.begin)


def deals_of(data: object) -> list[DealRecord]:
    """Trades: a list of them or, in older pushes, one."""
    deals = []
    for item in data if isinstance(data, list) else [data]:
        row = _row(item, "deal")
        side = whole(row.get("T"), "T")
        if side not in (1, 2):
            raise ShapeError(f"deal: side {side}")
        contracts = whole(row.get("v"), "v", _MOST)
        deals.append(DealRecord(_price(row.get("p"), "p"), contracts, side, whole(row.get("t"), "t", _MOST)))
    return deals


def funding_of(data: object) -> FundingRecord:
    """A funding rate; a push calls it `rate`, REST `fundingRate`."""
    row = _row(data, "funding")
    rate = exact(row.get("fundingRate", row.get("rate")), "fundingRate")
    return FundingRecord(rate, whole(row.get("nextSettleTime"), "nextSettleTime", _MOST))


def price_of(data: object) -> PriceRecord:
    """Fair and last price out of a ticker or a fair price."""
    row = _row(data, "price")
    fair, last = row.get("fairPrice", row.get("price")), row.get("lastPrice")
    time_ms = within(row.get("timestamp"), LAST_MS)
    return PriceRecord(
        exact(fair, "fairPrice") if fair is not None else Decimal(0),
        exact(last, "lastPrice") if last is not None else Decimal(0),
        max(time_ms, 0),
    )


def _row(data: object, what: str) -> Row:
    if isinstance(data, dict):
        return data
    raise ShapeError(f"{what}: no object")


def _price(value: object, what: str) -> Decimal:
    price = exact(value, what)
    if price <= 0:
        raise ShapeError(f"{what}: {price} is no price")
    return price


def _levels(side: object, what: str) -> Levels:
    """[[price, contracts, orders], ..]"""
    if not isinstance(side, list):
        raise ShapeError(f"{what}: no list")
    levels = []
    for level in side:
        if not isinstance(level, list) or len(level) < 2:
            raise ShapeError(f"{what}: {str(level)[:40]} is no level")
        contracts = whole(level[1], what, _MOST)
        if contracts < 0:
            raise ShapeError(f"{what}: a level without a size")
        levels.append((_price(level[0], what), contracts))
    return levels
