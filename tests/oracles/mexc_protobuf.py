"""MEXC's frames in plain Python: the twin of native/mexc_protobuf.h, with the same errors at the same places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from native.mexc_protobuf import FrameError, FrameKind

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
KINDS = {
    303: FrameKind.LIMIT_DEPTH,
    304: FrameKind.PRIVATE_ORDER,
    306: FrameKind.PRIVATE_DEAL,
    307: FrameKind.PRIVATE_ACCOUNT,
    313: FrameKind.DEPTH,
    314: FrameKind.DEALS,
    315: FrameKind.BOOK_TICKER,
}
MAX_TIME_MS = (2**63 - 1) // 1_000_000
# field number -> (name, type): t text, m money, i int32, b bool, d time
ORDER = {
    1: ("id", "t"), 2: ("client_id", "t"), 3: ("price", "m"), 4: ("quantity", "m"), 5: ("amount", "m"),
    6: ("avg_price", "m"), 7: ("order_type", "i"), 8: ("trade_type", "i"), 9: ("is_maker", "b"),
    10: ("remain_amount", "m"), 11: ("remain_quantity", "m"), 12: ("last_deal_quantity", "m"),
    13: ("cumulative_quantity", "m"), 14: ("cumulative_amount", "m"), 15: ("status", "i"),
    16: ("create_time_ms", "d"),
}  # fmt: skip
DEAL = {
    1: ("price", "m"), 2: ("quantity", "m"), 3: ("amount", "m"), 4: ("trade_type", "i"), 5: ("is_maker", "b"),
    6: ("is_self_trade", "b"), 7: ("trade_id", "t"), 8: ("client_order_id", "t"), 9: ("order_id", "t"),
    10: ("fee_amount", "m"), 11: ("fee_currency", "t"), 12: ("time_ms", "d"),
}  # fmt: skip
ACCOUNT = {
    1: ("asset", "t"), 2: ("coin_id", "t"), 3: ("balance", "m"), 4: ("balance_change", "m"), 5: ("frozen", "m"),
    6: ("frozen_change", "m"), 7: ("type", "t"), 8: ("time_ms", "d"),
}  # fmt: skip
PRIVATE = {
    FrameKind.PRIVATE_ORDER: ORDER,
    FrameKind.PRIVATE_DEAL: DEAL,
    FrameKind.PRIVATE_ACCOUNT: ACCOUNT,
}


class Refused(Exception):
    """A frame that is not decoded, with its FrameError."""

    def __init__(self, error: FrameError) -> None:
        self.error = error


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise Refused(FrameError.TRUNCATED)
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if value >= 1 << 64:
                raise Refused(FrameError.BAD_VARINT)
            return value, at + i + 1
    raise Refused(FrameError.BAD_VARINT)


def fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of each field; a fault is raised when it is reached."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if tag >= 1 << 32:
            raise Refused(FrameError.BAD_VARINT)
        if number == 0:
            raise Refused(FrameError.BAD_FIELD)
        if wire_type == VARINT:
            value, at = read_varint(data, at)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            length, at = read_varint(data, at)
        elif wire_type in (FIXED64, FIXED32):
            length = 8 if wire_type == FIXED64 else 4
        else:
            raise Refused(FrameError.BAD_WIRE_TYPE)
        if at + length > len(data):
            raise Refused(FrameError.TRUNCATED)
        yield number, wire_type, data[at : at + length]
        at += length


def read_units(text: bytes, decimals: int) -> int:
    if not text:
        raise Refused(FrameError.MISSING_FIELD)
    shape = re.fullmatch(rb"(\d+)(?:\.(\d+))?", text)
    if shape is None:
        raise Refused(FrameError.BAD_NUMBER)
    fraction = (shape[2] or b"").rstrip(b"0")
    if len(fraction) > decimals:
        raise Refused(FrameError.OUT_OF_SCALE)
    value = int(shape[1] + fraction.ljust(decimals, b"0"))
    if value >= 1 << 63:
        raise Refused(FrameError.OVERFLOW)
    return value


def read_money(text: bytes) -> tuple[int, bool]:
    """(value in 10^-20, whether it was rounded away from zero)."""
    if not text:
        return 0, False
    shape = re.fullmatch(rb"(-?)(\d+)(?:\.(\d+))?", text)
    if shape is None:
        raise Refused(FrameError.BAD_NUMBER)
    fraction = (shape[3] or b"").rstrip(b"0")
    rounded = len(fraction) > 20
    value = int(shape[2] + fraction[:20].ljust(20, b"0")) + rounded
    if value >= 1 << 127:
        raise Refused(FrameError.OVERFLOW)
    return (-value if shape[1] else value), rounded


def read_time(value: int) -> int:
    if value > MAX_TIME_MS:
        raise Refused(FrameError.OVERFLOW)
    return value


class PlainDecoder:
    """As native.mexc_protobuf.Decoder."""

    def __init__(self, symbols: list[tuple[str, int, int]], max_levels: int = 8192) -> None:
        self.scales = [(price_decimals, size_decimals) for _, price_decimals, size_decimals in symbols]
        self.index = {name.encode(): i for i, (name, _, _) in enumerate(symbols)}
        self.max_levels = max_levels

    def decode(self, frame: bytes) -> dict[str, Any]:
        """The same dictionary as the native decoder's, of a frame without an error; raises Refused otherwise."""
        found: dict[str, Any] = {"kind": FrameKind.HEARTBEAT, "error": FrameError.OK}
        found |= {"channel": b"", "send_time_ms": 0, "create_time_ms": 0}
        symbol, body, n_bodies = b"", b"", 0
        for number, wire_type, value in fields(frame):
            if (number, wire_type) == (1, BYTES):
                found["channel"] = value
            elif (number, wire_type) == (3, BYTES):
                symbol = value
            elif (number, wire_type) == (5, VARINT):
                found["create_time_ms"] = read_time(value)
            elif (number, wire_type) == (6, VARINT):
                found["send_time_ms"] = read_time(value)
            elif 301 <= number <= 399:
                if wire_type != BYTES:
                    raise Refused(FrameError.BAD_WIRE_TYPE)
                if n_bodies:
                    raise Refused(FrameError.DUPLICATE_BODY)
                found["kind"], body, n_bodies = KINDS.get(number, FrameKind.HEARTBEAT), value, 1
        kind = found["kind"]
        found["symbol"] = self.find_symbol(symbol, found["channel"])
        if found["symbol"] < 0 and kind not in (FrameKind.HEARTBEAT, FrameKind.PRIVATE_ACCOUNT):
            named = symbol or found["channel"]
            raise Refused(FrameError.UNKNOWN_SYMBOL if named else FrameError.MISSING_FIELD)
        if kind in PRIVATE:
            return found | private_body(body, PRIVATE[kind])
        bodies: dict[FrameKind, Callable[..., dict[str, Any]]] = {
            FrameKind.DEPTH: self.depth,
            FrameKind.LIMIT_DEPTH: self.depth,
            FrameKind.DEALS: self.deals,
            FrameKind.BOOK_TICKER: self.ticker,
        }
        return found | bodies[kind](body, *self.scales[found["symbol"]], kind) if kind in bodies else found

    def find_symbol(self, symbol: bytes, channel: bytes) -> int:
        if symbol:
            return self.index.get(symbol, -1)
        for part in channel.split(b"@")[1:][:-3:-1]:
            if part in self.index:
                return self.index[part]
        return -1

    def depth(self, body: bytes, price_decimals: int, size_decimals: int, kind: FrameKind) -> dict[str, Any]:
        found: dict[str, Any] = {"from_version": 0, "to_version": 0, "last_order_time_ms": 0}
        sides: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
        deltas = kind == FrameKind.DEPTH
        for number, wire_type, value in fields(body):
            if wire_type == BYTES and number in sides:
                if len(sides[1]) + len(sides[2]) >= self.max_levels:
                    raise Refused(FrameError.TOO_MANY_LEVELS)
                texts = {n: text for n, wire, text in fields(value) if wire == BYTES}
                price = read_units(texts.get(1, b""), price_decimals)
                size = read_units(texts.get(2, b""), size_decimals)
                if price == 0:
                    raise Refused(FrameError.BAD_VALUE)
                sides[number].append((price, size))
            elif (number, wire_type) == (4, BYTES):
                found["from_version"] = read_units(value, 0)
                if not deltas:
                    found["to_version"] = found["from_version"]
            elif (number, wire_type) == (5, BYTES) and deltas:
                found["to_version"] = read_units(value, 0)
            elif (number, wire_type) == (6 if deltas else 5, VARINT):
                found["last_order_time_ms"] = read_time(value)
        if deltas and not (found["from_version"] and found["to_version"]):
            raise Refused(FrameError.MISSING_FIELD)
        return found | {"asks": sides[1], "bids": sides[2]}

    def deals(self, body: bytes, price_decimals: int, size_decimals: int, _: FrameKind) -> dict[str, Any]:
        trades: list[tuple[int, int, int, int]] = []
        for number, wire_type, value in fields(body):
            if (number, wire_type) != (1, BYTES):
                continue
            if len(trades) == self.max_levels:
                raise Refused(FrameError.TOO_MANY_LEVELS)
            deal: dict[tuple[int, int], Any] = {}
            for n, wire, item in fields(value):
                deal[n, wire] = read_time(item) if (n, wire) == (4, VARINT) else item
            price = read_units(deal.get((1, BYTES), b""), price_decimals)
            size = read_units(deal.get((2, BYTES), b""), size_decimals)
            side = deal.get((3, VARINT), 0)
            if price == 0 or side not in (1, 2):
                raise Refused(FrameError.BAD_VALUE)
            trades.append((price, size, side, deal.get((4, VARINT), 0) * 1_000_000))
        return {"trades": trades}

    def ticker(self, body: bytes, price_decimals: int, size_decimals: int, _: FrameKind) -> dict[str, Any]:
        texts: dict[int, bytes] = {}
        found: dict[str, Any] = {"last_order_time_ms": 0}
        for number, wire_type, value in fields(body):
            if wire_type == BYTES:
                texts[number] = value
            elif (number, wire_type) == (6, VARINT):
                found["last_order_time_ms"] = read_time(value)
        for name, number in (("bid", 1), ("ask", 3)):
            price = size = 0
            if texts.get(number):
                price = read_units(texts[number], price_decimals)
                size = read_units(texts.get(number + 1, b""), size_decimals)
            found[name] = (price, size if price else 0)
        version = read_units(texts[5], 0) if texts.get(5) else 0
        return found | {"from_version": version, "to_version": version}


def private_body(body: bytes, schema: dict[int, tuple[str, str]]) -> dict[str, Any]:
    defaults = {"t": b"", "m": 0, "i": 0, "b": False, "d": 0}
    found: dict[str, Any] = {name: defaults[kind] for name, kind in schema.values()}
    found["present"] = rounded = 0
    for number, wire_type, value in fields(body):
        name, kind = schema.get(number, ("", ""))
        if not name or wire_type != (BYTES if kind in "tm" else VARINT):
            continue
        if kind == "m":
            found[name], was_rounded = read_money(value)
            rounded += was_rounded
        elif kind == "i":
            found[name] = (value & 0xFFFFFFFF) - ((value & 0x80000000) << 1)
        elif kind == "d":
            found[name] = read_time(value)
        else:
            found[name] = bool(value) if kind == "b" else value
        found["present"] |= 1 << number
        if value == b"":
            found["present"] &= ~(1 << number)
    return {"rounded": rounded, "body": found}
