"""REST order books: `MexcDecoder.decode_document` against the standard library. Input: the document."""

from __future__ import annotations

import json
import re
import struct
from decimal import Decimal
from typing import Any

from adapters.mexc.decoder import MexcDecoder
from engine.core.describe import describe

HEAD, BOOK, LEVEL = struct.Struct("<QqqHHiII"), struct.Struct("<qqIIII"), struct.Struct("<qq")
PRICE_DECIMALS, SIZE_DECIMALS = 2, 8
_decoder = MexcDecoder("abcdef012345", depth_limit=100)
_decoder.add_instrument(5, "BTCUSDT", PRICE_DECIMALS, SIZE_DECIMALS)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


def seeds() -> list[bytes]:
    """Books as MEXC sends them, and what it sends in their place."""
    book = {
        "lastUpdateId": 8427012,
        "bids": [["60000.01", "0.5"], ["59999.99", "0.00000001"]],
        "asks": [["60000.02", "1"], ["60001", "2.5", "extra"]],
        "timestamp": 1736411506000,
    }
    empty: dict[str, object] = {"lastUpdateId": "9", "bids": [], "asks": []}
    texts = [
        json.dumps(book),
        json.dumps(empty),
        '{"code":-1121,"msg":"Invalid symbol.","_extend":null}',
        '{"lastUpdateId":1,"asks":[["1","x"]],"bids":[]}',
        '{"lastUpdateId":1,"asks":[[1.5,2]],"bids":[]}',
        '{"lastUpdateId":1,"asks":[],"bids":[],"timestamp":9223372036854775807}',
        '{"lastUpdateId":18446744073709551615,"asks":[],"bids":[]}',
        "<html>403 Forbidden</html>",
        '{"asks":' + "[" * 3000,
    ]
    return [text.encode() for text in texts]


def _units(text: Any, decimals: int) -> int:
    """The text as units; ValueError where it is none."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    value = Decimal(text).scaleb(decimals) if len(text) < 28 else _long_units(text, decimals)
    if value != int(value) or not 0 <= value < 2**63:
        raise ValueError(text)
    return int(value)


def _long_units(text: str, decimals: int) -> Decimal:
    whole, _, fraction = text.partition(".")
    if fraction[decimals:].strip("0") or len(whole.lstrip("0")) > 19:
        raise ValueError(text)
    return Decimal(
        int(whole.lstrip("0") or "0") * 10**decimals + int(fraction[:decimals].ljust(decimals, "0") or "0")
    )


def _whole(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 1000:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise ValueError(value)
    return value


def expected_levels(side: Any) -> list[tuple[int, int]]:
    """One side as ticks and lots; ValueError where it is none."""
    levels = []
    for level in side:
        if not isinstance(level, list) or len(level) < 2:
            raise ValueError(level)
        price, size = _units(level[0], PRICE_DECIMALS), _units(level[1], SIZE_DECIMALS)
        if price == 0:
            raise ValueError(level)
        levels.append((price, size))
    return levels


def check(document: bytes) -> None:
    """ValueError, or a whole event with exactly the document's levels, version and time."""
    try:
        event = _decoder.decode_document(5, document)
    except ValueError:
        return
    _, ts_event_ns, _, kind, _, instrument, length, _ = HEAD.unpack_from(event)
    assert (kind, instrument, len(event)) == (4, 5, HEAD.size + length)
    assert describe(event)["kind"] == "BOOK_SNAPSHOT"
    _, version, n_asks, n_bids, limit, _ = BOOK.unpack_from(event, HEAD.size)
    levels = list(LEVEL.iter_unpack(event[HEAD.size + BOOK.size :]))
    answer = json.loads(document)
    assert levels[:n_asks] == expected_levels(answer["asks"])
    assert levels[n_asks:] == expected_levels(answer["bids"])
    assert n_asks + n_bids == len(levels)
    assert (version, limit) == (_whole(answer["lastUpdateId"]), 100)
    assert ts_event_ns == _whole(answer.get("timestamp", 0)) * 1_000_000
