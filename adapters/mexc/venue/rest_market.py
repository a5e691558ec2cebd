"""Public endpoints that sum trades up: aggTrades, klines, average price, 24 hour tickers."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from adapters.mexc.venue.candles import DAY_S, REST_INTERVALS
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.numbers import padded, trimmed
from adapters.mexc.venue.rest_auth import known_symbol, number, raw_query, required
from adapters.mexc.venue.signing import parse_params
from adapters.mexc.venue.state import VenueState
from adapters.mexc.venue.tickers import change_text
from engine.core.enums import Side

HOUR_MS = 3_600_000
AVERAGE_MINUTES = 5


class MarketEndpoints:
    """What anybody may ask about past trades."""

    def __init__(self, state: VenueState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/api/v3/aggTrades", self.agg_trades),
            web.get("/api/v3/klines", self.klines),
            web.get("/api/v3/avgPrice", self.average_price),
            web.get("/api/v3/ticker/24hr", self.day),
            web.get("/api/v3/ticker/price", self.price),
        ]

    def _asked(self, request: web.Request) -> tuple[SymbolFeed, dict[str, str]]:
        params = parse_params(raw_query(request), "")
        return self._state.feeds[known_symbol(self._state, params)], params

    async def agg_trades(self, request: web.Request) -> web.Response:
        """GET /api/v3/aggTrades: newest first, times in whole seconds, no ids; at most an hour at once"""
        feed, params = self._asked(request)
        limit = number(params, "limit", 500, 1000)
        if ("startTime" in params) != ("endTime" in params):
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        start_ms, end_ms = number(params, "startTime", 1, 10**18), number(params, "endTime", 10**18, 10**18)
        if "startTime" in params and end_ms - start_ms > HOUR_MS:
            raise VenueError(-1127, "More than 1 hours between startTime and endTime.")
        found = [deal for deal in reversed(feed.trades) if start_ms <= deal.time_ms <= end_ms]
        return answer(
            [
                {
                    "a": None,
                    "f": None,
                    "l": None,
                    "p": deal.price,
                    "q": deal.quantity,
                    "T": deal.time_ms // 1000 * 1000,
                    "m": deal.taker_side == Side.SELL,
                    "M": True,
                }
                for deal in found[:limit]
            ]
        )

    async def klines(self, request: web.Request) -> web.Response:
        """GET /api/v3/klines: eight values a bar, oldest first; the closing time is the next bar's opening"""
        feed, params = self._asked(request)
        interval_s = REST_INTERVALS.get(required(params, "interval"))
        if interval_s is None:
            raise VenueError(33333, "param error: interval")
        limit = number(params, "limit", 500, 1000)
        start_s = -(-number(params, "startTime", 1, 10**18) // 1000)
        bars = feed.candles.bars(interval_s, start_s, number(params, "endTime", 10**18, 10**18) // 1000)
        spec = feed.book.spec
        kept = bars[:limit] if "startTime" in params else bars[-limit:]
        return answer(
            [
                [
                    bar.start_s * 1000,
                    *(
                        trimmed(ticks, spec.price_decimals)
                        for ticks in (bar.open, bar.high, bar.low, bar.close)
                    ),
                    trimmed(bar.lots, spec.size_decimals),
                    bar.end_s * 1000,
                    trimmed(bar.turnover, spec.price_decimals + spec.size_decimals),
                ]
                for bar in kept
            ]
        )

    async def average_price(self, request: web.Request) -> web.Response:
        """GET /api/v3/avgPrice: by volume, over five minutes"""
        feed, _ = self._asked(request)
        recent = feed.candles.since(self._state.clock.now_ms() // 1000 - AVERAGE_MINUTES * 60)
        decimals = feed.book.spec.price_decimals
        ticks = recent.turnover // recent.lots if recent is not None else feed.candles.last_ticks
        return answer({"mins": AVERAGE_MINUTES, "price": trimmed(ticks, decimals)})

    async def day(self, request: web.Request) -> web.Response:
        """GET /api/v3/ticker/24hr: one symbol's, or all"""
        return answer(self._one_or_all(request, self._day))

    async def price(self, request: web.Request) -> web.Response:
        """GET /api/v3/ticker/price: one symbol's, or all"""
        return answer(self._one_or_all(request, _price))

    def _one_or_all(self, request: web.Request, shown: Any) -> Any:
        params = parse_params(raw_query(request), "")
        if params.get("symbol"):
            return shown(self._state.feeds[known_symbol(self._state, params)])
        return [shown(feed) for name, feed in self._state.feeds.items() if self._state.is_known(name)]

    def _day(self, feed: SymbolFeed) -> dict[str, Any]:
        now_ms = self._state.clock.now_ms()
        spec, day = feed.book.spec, feed.candles.since(now_ms // 1000 - DAY_S)
        best = feed.best()
        last = trimmed(day.close, spec.price_decimals) if day else "0"
        opened = trimmed(day.open, spec.price_decimals) if day else "0"
        return {
            "symbol": feed.symbol,
            "priceChange": padded(day.close - day.open, spec.price_decimals) if day else "0",
            "priceChangePercent": change_text(day) if day else "0",
            "prevClosePrice": opened,
            "lastPrice": last,
            "bidPrice": best.bid_price,
            "bidQty": best.bid_quantity,
            "askPrice": best.ask_price,
            "askQty": best.ask_quantity,
            "openPrice": opened,
            "highPrice": trimmed(day.high, spec.price_decimals) if day else "0",
            "lowPrice": trimmed(day.low, spec.price_decimals) if day else "0",
            "volume": trimmed(day.lots, spec.size_decimals) if day else "0",
            "quoteVolume": trimmed(day.turnover, spec.price_decimals + spec.size_decimals) if day else "0",
            "openTime": now_ms,
            "closeTime": now_ms,
            "count": None,
        }


def _price(feed: SymbolFeed) -> dict[str, Any]:
    return {
        "symbol": feed.symbol,
        "price": trimmed(feed.candles.last_ticks, feed.book.spec.price_decimals),
    }
