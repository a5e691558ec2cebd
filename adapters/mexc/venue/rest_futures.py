"""`/api/v1/contract`: public endpoints of the futures API, in its envelope."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from adapters.mexc.venue import futures_shapes
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.futures import Futures
from adapters.mexc.venue.futures_contracts import Contract
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.state import VenueState

BASE = "/api/v1/contract"
MOST_LEVELS = 1000


class FuturesEndpoints:
    """What anybody may ask of contracts."""

    def __init__(self, state: VenueState, futures: Futures) -> None:
        self._state = state
        self._futures = futures

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get(f"{BASE}/ping", self.ping),
            web.get(f"{BASE}/detail", self.detail),
            web.get(f"{BASE}/support_currencies", self.currencies),
            web.get(f"{BASE}/depth/{{symbol}}", self.depth),
            web.get(f"{BASE}/depth_commits/{{symbol}}/{{count}}", self.commits),
            web.get(f"{BASE}/index_price/{{symbol}}", self.index_price),
            web.get(f"{BASE}/fair_price/{{symbol}}", self.fair_price),
            web.get(f"{BASE}/funding_rate/{{symbol}}", self.funding_rate),
            web.get(f"{BASE}/deals/{{symbol}}", self.deals),
            web.get(f"{BASE}/ticker", self.ticker),
        ]

    def _now_ms(self) -> int:
        return self._state.clock.now_ms()

    def _feed(self, contract: Contract) -> SymbolFeed | None:
        return self._state.feeds.get(contract.config.symbol)

    def _asked(self, request: web.Request) -> Contract | None:
        return self._futures.contracts.get(request.match_info["symbol"])

    async def ping(self, request: web.Request) -> web.Response:
        """GET ping: the time"""
        return _data(self._now_ms())

    async def detail(self, request: web.Request) -> web.Response:
        """GET detail?symbol=: all contracts, those that have not opened among them, or one"""
        return self._one_or_all(request, lambda contract: futures_shapes.detail(contract))

    async def currencies(self, request: web.Request) -> web.Response:
        """GET support_currencies: what contracts are settled in"""
        return _data(sorted({contract.config.quote for contract in self._futures.contracts.values()}))

    async def depth(self, request: web.Request) -> web.Response:
        """GET depth/{symbol}?limit="""
        contract = self._asked(request)
        if contract is None:
            return _unknown()
        text = request.query.get("limit", "")
        limit = min(int(text), MOST_LEVELS) if text.isdecimal() and len(text) < 6 else MOST_LEVELS
        return _data(
            {
                "asks": futures_shapes.levels(contract, contract.asks, limit, best_first=False),
                "bids": futures_shapes.levels(contract, contract.bids, limit, best_first=True),
                "version": contract.version,
                "timestamp": self._now_ms(),
            }
        )

    async def commits(self, request: web.Request) -> web.Response:
        """GET depth_commits/{symbol}/{count}: the last changes, newest first"""
        contract, count = self._asked(request), request.match_info["count"]
        if contract is None:
            return _unknown()
        kept = min(int(count), MOST_LEVELS) if count.isdecimal() and len(count) < 6 else 0
        newest = list(contract.commits)[-kept:] if kept else []
        return _data([futures_shapes.changes(contract, commit) for commit in reversed(newest)])

    async def index_price(self, request: web.Request) -> web.Response:
        """GET index_price/{symbol}"""
        contract = self._asked(request)
        if contract is None:
            return _unknown()
        price = futures_shapes.index_price(contract, self._feed(contract))
        return _data({"symbol": contract.symbol, "indexPrice": price, "timestamp": self._now_ms()})

    async def fair_price(self, request: web.Request) -> web.Response:
        """GET fair_price/{symbol}"""
        contract = self._asked(request)
        if contract is None:
            return _unknown()
        price = futures_shapes.number(contract.fair_ticks, contract.price_decimals)
        return _data({"symbol": contract.symbol, "fairPrice": price, "timestamp": self._now_ms()})

    async def funding_rate(self, request: web.Request) -> web.Response:
        """GET funding_rate/{symbol}"""
        contract = self._asked(request)
        return _unknown() if contract is None else _data(futures_shapes.funding(contract, self._now_ms()))

    async def deals(self, request: web.Request) -> web.Response:
        """GET deals/{symbol}?limit=: newest first"""
        contract = self._asked(request)
        if contract is None:
            return _unknown()
        text = request.query.get("limit", "")
        limit = min(int(text), 100) if text.isdecimal() and 0 < len(text) < 6 else 100
        newest = list(contract.deals)[::-1][:limit]
        return _data([futures_shapes.deal(contract, deal) for deal in newest])

    async def ticker(self, request: web.Request) -> web.Response:
        """GET ticker?symbol=: of all contracts, or of one"""
        now_ms = self._now_ms()
        return self._one_or_all(request, lambda c: futures_shapes.ticker(c, self._feed(c), now_ms))

    def _one_or_all(self, request: web.Request, shown: Any) -> web.Response:
        symbol = request.query.get("symbol", "")
        if not symbol:
            return _data([shown(contract) for contract in self._futures.contracts.values()])
        contract = self._futures.contracts.get(symbol)
        return _unknown() if contract is None else _data(shown(contract))


def _data(data: Any) -> web.Response:
    return answer({"success": True, "code": 0, "data": data})


def _unknown() -> web.Response:
    return answer({"success": False, "code": 1001, "message": "Contract does not exist"})
