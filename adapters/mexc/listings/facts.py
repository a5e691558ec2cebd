"""What a source says of one symbol, and the tolerant readers of its fields.

MEXC's web endpoints are not documented and have changed types: "1" and 1 and "ENABLED", a number here and its text there.
So each field is read in every form that was seen; what is missing is "not said" (-1), and a row that cannot be read raises
ValueError, is counted and skipped. An answer of another *shape* raises ShapeError: nothing may be concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

# Bits of ListingFacts.fields: what the source's row had.
HAS_LISTING_ID, HAS_CONTRACT_ADDRESS, HAS_PRICE_SCALE, HAS_SIZE_SCALE = 1, 2, 4, 8
MAX_DECIMALS = 18
# 2001 to 2255: a number outside is no time in milliseconds, and its nanoseconds would not fit an event.
_FIRST_MS, LAST_MS = 10**12, 9 * 10**12
_SYMBOL = re.compile(r"[A-Za-z0-9._$-]{1,31}")
_COIN_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
_INT32 = 2**31 - 1

Row = Mapping[str, object]
_Shape = TypeVar("_Shape")


class ShapeError(ValueError):
    """An answer that is not what this source answers; nothing may be concluded from it."""


class ListingFacts(msgspec.Struct, frozen=True):
    """What one source says of one symbol; -1, "" and a price of 0 are "not said".

    The fields are those of `engine.core.event.listing`: times in ms of the venue, decimals of price and size, the price band
    in millionths, `order_types` a bit per OrderType, `price` in units of 10^-20, `fields` the HAS_ bits.
    """

    symbol: str = ""
    listing_id: str = ""
    open_time_ms: int = -1
    status: int = -1
    api_allowed: int = -1
    trade_side_type: int = -1
    order_types: int = -1
    venue_codes: tuple[int, int, int] = (-1, -1, -1)
    price_decimals: int = -1
    size_decimals: int = -1
    band_up_ppm: int = -1
    band_down_ppm: int = -1
    price: int = 0
    fields: int = 0
    text: str = ""
    ts_event_ns: int = 0


class Reading(msgspec.Struct):
    """One answer: the facts by key (a symbol, or what else is unique), and how many rows could not be read."""

    facts: dict[str, ListingFacts] = msgspec.field(default_factory=dict)
    skipped: int = 0


_decode_row = msgspec.json.Decoder(dict[str, object], float_hook=str)


class Rows:
    """Turns raw rows into facts; a row that is the same as in the last answer is not read again.

    `read` answers the key and facts of a row, or None for one that does not matter; it raises ValueError for a bad one.
    A list of 2,500 symbols is asked for again and again and hardly changes: only bytes are compared then.
    """

    def __init__(self, read: Callable[[Row], tuple[str, ListingFacts] | None]) -> None:
        self._read = read
        self._last: dict[bytes, tuple[str, ListingFacts] | ValueError | None] = {}
        self._next: dict[bytes, tuple[str, ListingFacts] | ValueError | None] = {}

    def reading(self, rows: Iterable[msgspec.Raw]) -> Reading:
        """All rows of an answer. ShapeError where more than half of them cannot be read."""
        reading, total = Reading(), 0
        self._next = {}
        for raw in rows:
            total += 1
            row = bytes(raw)
            found = self._last[row] if row in self._last else self._parse(row)
            self._next[row] = found
            if isinstance(found, ValueError):
                reading.skipped += 1
            elif found is not None:
                reading.facts[found[0]] = found[1]
        self._last = self._next
        if reading.skipped * 2 > total:
            raise ShapeError(f"{reading.skipped} of {total} rows cannot be read")
        return reading

    def _parse(self, row: bytes) -> tuple[str, ListingFacts] | ValueError | None:
        try:
            return self._read(_decode_row.decode(row))
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            return ValueError(str(error)[:80])


def decode(body: bytes, shape: msgspec.json.Decoder[_Shape]) -> _Shape:
    """An answer in its envelope; ShapeError where it is none."""
    try:
        return shape.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        shown = "a web page" if body.lstrip()[:1] == b"<" else str(error)[:60]
        raise ShapeError(f"not the shape it had: {shown}") from None


def symbol_text(value: object, what: str = "symbol") -> str:
    """A symbol or part of one: 1 to 31 ASCII letters, digits and few others. (MEXC has Chinese names; no order takes them.)"""
    if isinstance(value, str) and _SYMBOL.fullmatch(value):
        return value
    raise ValueError(f"{what}: {str(value)[:40]!r} is no symbol")


def coin_id(value: object) -> str:
    """MEXC's id of a coin, 32 digits of lower hex; "" for anything else."""
    return value if isinstance(value, str) and _COIN_ID.fullmatch(value) else ""


def whole(value: object, what: str, most: int = _INT32) -> int:
    """A number that is whole, as a number or a text; -1 where it is not said. ValueError for anything else, or above `most`."""
    if value is None or value == "":
        return -1
    if isinstance(value, bool):
        raise ValueError(f"{what}: {value} is no number")
    if isinstance(value, str):
        value = _whole_of_text(value, what)
    if isinstance(value, int) and 0 <= value <= most:
        return value
    raise ValueError(f"{what}: {str(value)[:40]!r} is no number up to {most}")


def _whole_of_text(text: str, what: str) -> int:
    number = exact(text, what)
    if number != number.to_integral_value():
        raise ValueError(f"{what}: {text[:40]!r} is not whole")
    return int(number)


def exact(value: object, what: str) -> Decimal:
    """A decimal as a JSON integer or a text, with an exponent too (Java writes 2.5E-7); ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20:
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        try:
            return Decimal(value)
        except InvalidOperation:
            pass
    raise ValueError(f"{what}: {str(value)[:40]!r} is no number")


def moment_ms(value: object, what: str) -> int:
    """A time in ms; -1 where it is 0 or not said. ValueError for one that is no time in ms."""
    moment = whole(value, what, LAST_MS)
    if moment <= 0:
        return -1
    if moment < _FIRST_MS:
        raise ValueError(f"{what}: {moment} is no time in milliseconds")
    return moment


def within(value: object, most: int) -> int:
    """A whole number from 0 to `most`; -1 for anything else."""
    try:
        return whole(value, "number", most)
    except ValueError:
        return -1


def decimals(value: object) -> int:
    """A number of decimals, 0 to 18; -1 for anything else."""
    return within(value, MAX_DECIMALS)


def truth(value: object) -> int:
    """1 or 0 for a flag in any form seen; -1 for anything else."""
    text = str(value).lower()
    return 1 if text in ("true", "1") else 0 if text in ("false", "0") else -1
