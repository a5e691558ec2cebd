"""exchangeInfo as evidence: whether a symbol is online, open to the API, and for which orders.

`status` is "1" online, "2" paused, "3" offline, "ENABLED" in older answers; `firstOpenTime` (ms) since 2026.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.mexc.instruments import order_type_bits, price_band
from adapters.mexc.listings.facts import (
    HAS_CONTRACT_ADDRESS,
    HAS_PRICE_SCALE,
    HAS_SIZE_SCALE,
    ListingFacts,
    Reading,
    Row,
    Rows,
    decimals,
    decode,
    moment_ms,
    symbol_text,
    truth,
    within,
)  # fmt: skip

PATH = "/api/v3/exchangeInfo"
_STATUS = {"1": 1, "2": 2, "3": 3, "ENABLED": 1}


class _Answer(msgspec.Struct):
    symbols: list[msgspec.Raw]


_answer = msgspec.json.Decoder(_Answer)


class ExchangeInfo:
    """Reads exchangeInfo; symbols of other quotes are left alone."""

    def __init__(self, quotes: Sequence[str]) -> None:
        self._quotes = frozenset(quotes)
        self._rows = Rows(self._read)

    def parse(self, body: bytes) -> Reading:
        """Facts by symbol. Raises ShapeError for anything else."""
        return self._rows.reading(decode(body, _answer).symbols)

    def _read(self, row: Row) -> tuple[str, ListingFacts] | None:
        if str(row.get("quoteAsset")) not in self._quotes:
            return None
        facts = facts_of(row)
        return facts.symbol, facts


def facts_of(row: Row) -> ListingFacts:
    """The facts of one symbol object; ValueError for one that is none."""
    address = row.get("contractAddress")
    price_decimals = decimals(row.get("quotePrecision", row.get("quoteAssetPrecision")))
    size_decimals = decimals(row.get("baseAssetPrecision"))
    order_types, filters = row.get("orderTypes"), row.get("filters")
    band_up_ppm, band_down_ppm = price_band(filters)
    return ListingFacts(
        symbol=symbol_text(row.get("symbol")),
        open_time_ms=moment_ms(row.get("firstOpenTime"), "firstOpenTime"),
        status=_STATUS.get(str(row.get("status")), -1),
        api_allowed=truth(row.get("isSpotTradingAllowed")),
        trade_side_type=within(row.get("tradeSideType"), 4),
        order_types=order_type_bits(order_types) if isinstance(order_types, list) else -1,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        band_up_ppm=band_up_ppm or -1,
        band_down_ppm=band_down_ppm or -1,
        fields=(HAS_CONTRACT_ADDRESS if isinstance(address, str) and address else 0)
        | (HAS_PRICE_SCALE if price_decimals >= 0 else 0)
        | (HAS_SIZE_SCALE if size_decimals >= 0 else 0),
    )
