"""What the exchange tells of symbols that come and go: announcements, and symbols that were taken offline."""

from __future__ import annotations

from aiohttp import web

from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.listings import Listings
from adapters.mexc.venue.rest_auth import number, raw_query
from adapters.mexc.venue.signing import parse_params
from adapters.mexc.venue.state import VenueState

OFFLINE = 3  # SymbolStatus as exchangeInfo numbers it
DEFAULT_LIMIT, MOST = 20, 100


class NoticeEndpoints:
    """Notices of symbols."""

    def __init__(self, state: VenueState, listings: Listings) -> None:
        self._state = state
        self._listings = listings

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/api/v3/announcements", self.announcements),
            web.get("/api/v3/symbol/offline", self.offline),
        ]

    async def announcements(self, request: web.Request) -> web.Response:
        """GET /api/v3/announcements?language=&page=&limit=: newest first"""
        params = parse_params(raw_query(request), "")
        limit = number(params, "limit", DEFAULT_LIMIT, MOST)
        page = number(params, "page", 1, 10**6)
        entries = list(self._listings.announcements)
        shown = [
            {
                "title": entry.title,
                "url": f"https://www.mexc.com/announcements/article/{entry.number}",
                "language": params.get("language", "en-US"),
                "postTime": entry.post_ms,
            }
            for entry in entries[(page - 1) * limit : page * limit]
        ]
        pages = max(1, -(-len(entries) // limit))
        return answer({"code": 0, "data": [{"details": shown, "totalPage": str(pages)}], "msg": ""})

    async def offline(self, request: web.Request) -> web.Response:
        """GET /api/v3/symbol/offline"""
        rows = [
            {"symbol": symbol, "state": OFFLINE, "offlineTime": since_ms}
            for symbol, since_ms in self._listings.offline.items()
        ]
        return answer({"code": 0, "data": rows, "msg": "success"})
