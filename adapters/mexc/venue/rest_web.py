"""The exchange's web endpoints, which are not part of its API: the calendar of new coins, and symbolsV2.

They are undocumented and lie behind a firewall; the faults html_403, http_404, http_silent and changed_shape are for
them first of all. Shapes: as several independent clients read them.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from adapters.mexc.venue.config_symbols import READY_CODES, SymbolConfig, WebCodes
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.listings import Listings
from adapters.mexc.venue.private import coin_id
from adapters.mexc.venue.state import VenueState

CALENDAR = "/api/operation/new_coin_calendar"
SYMBOLS = "/api/platform/spot/market-v2/web/symbolsV2"


class WebEndpoints:
    """What the exchange's own pages ask."""

    def __init__(self, state: VenueState, listings: Listings) -> None:
        self._state = state
        self._listings = listings

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [web.get(CALENDAR, self.calendar), web.get(SYMBOLS, self.symbols)]

    async def calendar(self, request: web.Request) -> web.Response:
        """GET new_coin_calendar?timestamp=: announced listings, those that opened within the last day among them"""
        now_ms = self._state.clock.now_ms()
        coins = [
            {
                "vcoinId": coin_id(listing.config.base),
                "vcoinName": listing.config.base,
                "vcoinNameFull": listing.config.full_name or listing.config.base,
                "firstOpenTime": listing.open_ms,
                "zone": listing.config.zone,
                "introductionEn": "",
                "introductionCn": "",
            }
            for listing in self._listings.by_symbol.values()
            if listing.in_calendar and listing.open_ms > now_ms - 86_400_000
        ]
        coins.sort(key=lambda coin: str(coin["firstOpenTime"]))
        if self._state.faults.hit("changed_shape", self._state.clock.now_ns(), request.path):
            return answer({"code": 0, "msg": "success", "data": {"list": coins}})
        return answer({"code": 0, "msg": "success", "data": {"newCoins": coins}, "timestamp": now_ms})

    async def symbols(self, request: web.Request) -> web.Response:
        """GET symbolsV2: a dict by quote asset, symbols that are not in exchangeInfo yet among them"""
        by_quote: dict[str, list[dict[str, Any]]] = {}
        listings = self._listings.by_symbol
        for config in self._state.symbols.values():
            if config.symbol not in listings and self._state.is_known(config.symbol):
                by_quote.setdefault(config.quote, []).append(_row(config, READY_CODES, config.first_open_ms))
        for listing in listings.values():
            if listing.codes is not None:
                row = _row(listing.config, listing.codes, listing.open_ms)
                by_quote.setdefault(listing.config.quote, []).append(row)
        for rows in by_quote.values():
            for place, row in enumerate(rows, 1):
                row["srt"] = place
        if self._state.faults.hit("changed_shape", self._state.clock.now_ns(), request.path):
            return answer({"code": 0, "data": [row for rows in by_quote.values() for row in rows]})
        data = {"symbols": by_quote}
        return answer({"code": 0, "msg": "success", "data": data, "timestamp": self._state.clock.now_ms()})


def _row(config: SymbolConfig, codes: WebCodes, open_ms: int) -> dict[str, Any]:
    status, state, trading = codes
    return {
        "mcd": coin_id(config.quote),
        "cd": coin_id(config.base),
        "vn": config.base,
        "fn": config.full_name or config.base,
        "fne": config.full_name or config.base,
        "srt": 0,
        "sts": status,
        "tp": "NEW",
        "in": "",
        "ot": open_ms,
        "cp": [],
        "ci": [],
        "ps": config.price_decimals,
        "qs": config.size_decimals,
        "cdm": "",
        "st": state,
        "dst": 1,
        "tt": trading,
        "ca": config.contract_address,
    }
