"""The symbols that this key may trade: GET /api/v3/selfSymbols, signed; {"code": 200, "data": ["ABCUSDT", ..], "msg": null}."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.mexc.listings.facts import ListingFacts, Reading, decode, symbol_text

PATH = "/api/v3/selfSymbols"


class _Answer(msgspec.Struct):
    data: list[object]


_answer = msgspec.json.Decoder(_Answer)


class SelfSymbols:
    """Reads the list; symbols of other quotes are left alone."""

    def __init__(self, quotes: Sequence[str]) -> None:
        self._quotes = tuple(quotes)

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol. Raises ShapeError for anything else."""
        reading = Reading()
        for name in decode(body, _answer).data:
            try:
                symbol = symbol_text(name)
            except ValueError:
                reading.skipped += 1
                continue
            if symbol.endswith(self._quotes):
                reading.facts[symbol] = ListingFacts(symbol=symbol, api_allowed=1)
        return reading
