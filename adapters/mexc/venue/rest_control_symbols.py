"""`/control/symbols`: list, open, pause, change and remove symbols by hand."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from adapters.mexc.venue.config_symbols import ListingConfig
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.listings import Listings
from adapters.mexc.venue.state import VenueState

_SHOWN = {"status", "tradable", "sides", "suspended", "order_types", "band", "first_open_ms"}


class SymbolControlEndpoints:
    """Like the schedule of a listing, by hand."""

    def __init__(self, state: VenueState, listings: Listings) -> None:
        self._state = state
        self._listings = listings

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/control/symbols", self.show),
            web.post("/control/symbols", self.add),
            web.patch("/control/symbols/{symbol}", self.change),
            web.delete("/control/symbols/{symbol}", self.remove),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """GET /control/symbols: all symbols, and the listings among them and to come"""
        return answer(self._listing())

    async def add(self, request: web.Request) -> web.Response:
        """POST /control/symbols with a ListingConfig as JSON: its times count from now"""
        try:
            config = ListingConfig.model_validate(orjson.loads(await request.read()))
            now_ns = self._state.clock.now_ns()
            self._listings.add(config, now_ns)
            self._listings.advance(now_ns)
        except (ValidationError, ValueError) as error:
            raise VenueError(33333, f"not a listing: {error}") from error
        return answer(self._listing())

    async def change(self, request: web.Request) -> web.Response:
        """PATCH /control/symbols/{symbol} with keys of SymbolConfig: {"status": "trading"} opens it"""
        try:
            changes = orjson.loads(await request.read())
            if not isinstance(changes, dict):
                raise ValueError("the body must be an object")
            self._listings.change_symbol(request.match_info["symbol"], **changes)
        except (ValidationError, ValueError) as error:
            raise VenueError(33333, f"not a change: {error}") from error
        return answer(self._listing())

    async def remove(self, request: web.Request) -> web.Response:
        """DELETE /control/symbols/{symbol}: delisted, its orders end; also of a listing that has not come yet"""
        try:
            self._listings.unlist(request.match_info["symbol"], self._state.clock.now_ns())
        except ValueError as error:
            raise VenueError(33333, str(error)) from error
        return answer(self._listing())

    def _listing(self) -> dict[str, Any]:
        feeds = self._state.feeds
        return {
            "symbols": {
                name: config.model_dump(mode="json", include=_SHOWN)
                for name, config in self._state.symbols.items()
            },
            "listings": {
                name: {
                    "state": listing.state,
                    "outcome": listing.config.outcome,
                    "open_ms": listing.open_ms,
                    "opens_ms": listing.opens_ms,
                    "opened_ns": listing.opened_ns,
                    "first_frame_ns": feeds[name].first_frame_ns if name in feeds else 0,
                    "codes": listing.codes,
                }
                for name, listing in self._listings.by_symbol.items()
            },
        }
