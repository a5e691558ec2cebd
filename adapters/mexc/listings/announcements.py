"""The newest announcements: GET /api/v3/announcements (since 2026; seen in other clients).

{"code": 0, "data": [{"details": [{"title": .., "url": .., "language": .., "postTime": <ms>}], "totalPage": "123"}], "msg": ""}.
A title that speaks of a spot listing gives each ticker in brackets as a symbol, as in "MEXC Will List Abc (ABC)"; every
other one is told as it is, without a symbol.
"""

from __future__ import annotations

import re

import msgspec

from adapters.mexc.listings.facts import ListingFacts, Reading, Row, decode, moment_ms, symbol_text

PATH = "/api/v3/announcements"
PAGE_SIZE = 20
_NS_PER_MS = 1_000_000
_TICKER = re.compile(r"\(\$?([A-Z0-9]{1,20})\)")
_LISTS = re.compile(r"\b(list|lists|listed|listing|launch|launches)\b", re.I)
_OTHER = re.compile(r"delist|remov|suspend|futures|perpetual|margin|\bETF\b|postpone|delay", re.I)


class _Page(msgspec.Struct):
    details: list[msgspec.Raw]


class _Answer(msgspec.Struct):
    data: list[_Page] | _Page


_answer = msgspec.json.Decoder(_Answer)
_row = msgspec.json.Decoder(dict[str, object], float_hook=str)


class Announcements:
    """Reads a page of announcements; `quote` is added to a ticker."""

    def __init__(self, quote: str) -> None:
        self._quote = quote

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol and address of the announcement. Raises ShapeError for anything else."""
        data = decode(body, _answer).data
        reading = Reading()
        for page in data if isinstance(data, list) else [data]:
            for raw in page.details:
                try:
                    reading.facts.update(self._read(_row.decode(raw)))
                except (ValueError, msgspec.DecodeError, RecursionError):
                    reading.skipped += 1
        return reading

    def _read(self, row: Row) -> dict[str, ListingFacts]:
        title, address = row.get("title"), row.get("url")
        if not isinstance(title, str) or not title.strip():
            raise ValueError("an announcement without a title")
        text = " ".join(title.split())
        posted_ms = moment_ms(row.get("postTime"), "postTime")
        ts_event_ns = posted_ms * _NS_PER_MS if posted_ms > 0 else 0
        key = address if isinstance(address, str) and address else text
        return {
            f"{symbol} {key}": ListingFacts(symbol=symbol, text=text, ts_event_ns=ts_event_ns)
            for symbol in symbols_of(text, self._quote) or [""]
        }


def symbols_of(title: str, quote: str) -> list[str]:
    """The symbols whose spot listing a title announces; none where it speaks of something else."""
    if not _LISTS.search(title) or _OTHER.search(title):
        return []
    tickers = dict.fromkeys(_TICKER.findall(title))
    return [symbol_text(f"{ticker}{quote}") for ticker in tickers if ticker != quote]
