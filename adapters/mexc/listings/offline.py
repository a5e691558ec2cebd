"""Symbols that were or will be taken off: GET /api/v3/symbol/offline (since 2026; seen in other clients).

{"data": [{"symbol": "ABCUSDT", "state": 3, "offlineTime": <ms>}]}. The time is told as the event's, and in the text: it is no
opening.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.mexc.listings.facts import (
    ListingFacts,
    Reading,
    Row,
    Rows,
    decode,
    moment_ms,
    symbol_text,
    within,
)

PATH = "/api/v3/symbol/offline"
_NS_PER_MS = 1_000_000


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)


class Offline:
    """Reads the list; symbols of other quotes are left alone."""

    def __init__(self, quotes: Sequence[str]) -> None:
        self._quotes = tuple(quotes)
        self._rows = Rows(self._read)

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol. Raises ShapeError for anything else."""
        return self._rows.reading(decode(body, _answer).data)

    def _read(self, row: Row) -> tuple[str, ListingFacts] | None:
        symbol = symbol_text(row.get("symbol"))
        if not symbol.endswith(self._quotes):
            return None
        offline_ms = moment_ms(row.get("offlineTime"), "offlineTime")
        return symbol, ListingFacts(
            symbol=symbol,
            status=within(row.get("state"), 99),
            text=f"offline at {offline_ms} ms" if offline_ms > 0 else "offline",
            ts_event_ns=offline_ms * _NS_PER_MS if offline_ms > 0 else 0,
        )
