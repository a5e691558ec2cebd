"""The web site's calendar of new coins: what will open, and when.

GET www.mexc.com/api/operation/new_coin_calendar (undocumented; the shape is known from independent clients):
{"data": {"newCoins": [{"vcoinId": "<32 hex>", "vcoinName": "ABC", "vcoinNameFull": .., "firstOpenTime": <ms>, ..}]}}.
It names no quote: a symbol is `vcoinName` and the first of the configured quotes.
"""

from __future__ import annotations

import msgspec

from adapters.mexc.listings.facts import (
    HAS_LISTING_ID,
    ListingFacts,
    Reading,
    Row,
    Rows,
    coin_id,
    decode,
    moment_ms,
    symbol_text,
)  # fmt: skip

PATH = "/api/operation/new_coin_calendar"


class _Coins(msgspec.Struct):
    new_coins: list[msgspec.Raw] = msgspec.field(name="newCoins")


class _Answer(msgspec.Struct):
    data: _Coins


_answer = msgspec.json.Decoder(_Answer)


class Calendar:
    """Reads the calendar's answers."""

    def __init__(self, quote: str) -> None:
        self._quote = quote
        self._rows = Rows(self._read)

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol. Raises ShapeError for anything but a calendar."""
        return self._rows.reading(decode(body, _answer).data.new_coins)

    def _read(self, row: Row) -> tuple[str, ListingFacts]:
        symbol = symbol_text(f"{symbol_text(row.get('vcoinName'), 'vcoinName')}{self._quote}")
        open_time_ms = moment_ms(row.get("firstOpenTime"), "firstOpenTime")
        if open_time_ms < 0:
            raise ValueError("firstOpenTime is missing")
        listing_id = coin_id(row.get("vcoinId"))
        fields = HAS_LISTING_ID if listing_id else 0
        return symbol, ListingFacts(
            symbol=symbol, listing_id=listing_id, open_time_ms=open_time_ms, fields=fields
        )
