"""The web site's list of symbols, with the state codes sts, st and tt.

GET www.mexc.com/api/platform/spot/market-v2/web/symbolsV2 (undocumented): `data.symbols` is an object by quote,
{"data": {"symbols": {"USDT": [{"vn": "ABC", "cd": "<32 hex>", "sts": .., "st": .., "tt": .., "ot": <ms>, "ps": .., "qs": ..}]}}}.
ps and qs are decimals of price and quantity; `ca` is a contract address and never a symbol. What the codes mean is not
known for sure: they are handed on as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec

from adapters.mexc.listings.facts import (
    HAS_CONTRACT_ADDRESS,
    HAS_LISTING_ID,
    HAS_PRICE_SCALE,
    HAS_SIZE_SCALE,
    ListingFacts,
    Reading,
    Row,
    Rows,
    ShapeError,
    coin_id,
    decimals,
    decode,
    moment_ms,
    symbol_text,
    whole,
)  # fmt: skip

PATH = "/api/platform/spot/market-v2/web/symbolsV2"


class _ByQuote(msgspec.Struct):
    symbols: dict[str, msgspec.Raw]


class _Answer(msgspec.Struct):
    data: _ByQuote


_answer = msgspec.json.Decoder(_Answer)
_list = msgspec.json.Decoder(list[msgspec.Raw])


class SymbolsV2:
    """Reads the answers of symbolsV2; rows of other quotes are left alone."""

    def __init__(self, quotes: Sequence[str]) -> None:
        self._rows = {quote: Rows(functools.partial(_read, quote)) for quote in quotes}

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol. ShapeError for anything else, and where none of the quotes is in it."""
        by_quote = decode(body, _answer).data.symbols
        reading = Reading()
        for quote, rows in self._rows.items():
            if quote in by_quote:
                listed: list[msgspec.Raw] = decode(bytes(by_quote[quote]), _list)
                one = rows.reading(listed)
                reading.facts.update(one.facts)
                reading.skipped += one.skipped
        if not any(quote in by_quote for quote in self._rows):
            raise ShapeError(f"no list for {', '.join(self._rows)}")
        return reading


def _read(quote: str, row: Row) -> tuple[str, ListingFacts]:
    symbol = symbol_text(f"{symbol_text(row.get('vn'), 'vn')}{quote}")
    listing_id = coin_id(row.get("cd"))
    address = row.get("ca")
    price_decimals, size_decimals = decimals(row.get("ps")), decimals(row.get("qs"))
    return symbol, ListingFacts(
        symbol=symbol,
        listing_id=listing_id,
        open_time_ms=moment_ms(row.get("ot"), "ot"),
        venue_codes=(whole(row.get("sts"), "sts"), whole(row.get("st"), "st"), whole(row.get("tt"), "tt")),
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        fields=(HAS_LISTING_ID if listing_id else 0)
        | (HAS_CONTRACT_ADDRESS if isinstance(address, str) and address else 0)
        | (HAS_PRICE_SCALE if price_decimals >= 0 else 0)
        | (HAS_SIZE_SCALE if size_decimals >= 0 else 0),
    )
