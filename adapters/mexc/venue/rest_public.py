"""Public endpoints: ping, time, exchangeInfo, defaultSymbols, depth, trades, ticker."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from adapters.mexc.venue.config_symbols import SymbolConfig
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.numbers import parse_scaled, trimmed
from adapters.mexc.venue.rest_auth import known_symbol, number, raw_query
from adapters.mexc.venue.signing import parse_params
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import MONEY_DECIMALS, SymbolStatus
from engine.core.enums import Side

_STATUS = {SymbolStatus.TRADING: "1", SymbolStatus.PAUSED: "2", SymbolStatus.DISABLED: "2"}
_SIDE_TYPE = {"all": 1, "buy": 2, "sell": 3, "none": 4}


class PublicEndpoints:
    """What anybody may ask."""

    def __init__(self, state: VenueState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/api/v3/ping", self.ping),
            web.get("/api/v3/time", self.time),
            web.get("/api/v3/exchangeInfo", self.exchange_info),
            web.get("/api/v3/defaultSymbols", self.default_symbols),
            web.get("/api/v3/depth", self.depth),
            web.get("/api/v3/trades", self.trades),
            web.get("/api/v3/ticker/bookTicker", self.book_ticker),
        ]

    async def ping(self, request: web.Request) -> web.Response:
        """GET /api/v3/ping"""
        return answer({})

    async def time(self, request: web.Request) -> web.Response:
        """GET /api/v3/time"""
        return answer({"serverTime": self._state.clock.now_ms()})

    async def default_symbols(self, request: web.Request) -> web.Response:
        """GET /api/v3/defaultSymbols: what may be traded by API."""
        state = self._state
        names = [
            name
            for name, book in state.exchange.books.items()
            if book.spec.tradable and book.spec.status is SymbolStatus.TRADING
        ]
        return answer({"code": 0, "data": names, "msg": "success", "timestamp": state.clock.now_ms()})

    async def exchange_info(self, request: web.Request) -> web.Response:
        """GET /api/v3/exchangeInfo?symbol= or ?symbols=A,B"""
        params = parse_params(raw_query(request), "")
        wanted = [name for name in (params.get("symbols") or params.get("symbol") or "").split(",") if name]
        symbols = [
            self._symbol(symbol)
            for symbol in self._state.symbols.values()
            if self._state.exchange.books[symbol.symbol].spec.status is not SymbolStatus.HIDDEN
            and (not wanted or symbol.symbol in wanted)
        ]
        return answer(
            {
                "timezone": "CST",
                "serverTime": self._state.clock.now_ms(),
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": symbols,
            }
        )

    def _symbol(self, config: SymbolConfig) -> dict[str, Any]:
        spec = self._state.exchange.books[config.symbol].spec
        band = {"bidMultiplierUp": config.band, "askMultiplierDown": config.band}
        return {
            "symbol": config.symbol,
            "status": _STATUS[spec.status],
            "baseAsset": config.base,
            "baseAssetPrecision": config.size_decimals,
            "quoteAsset": config.quote,
            "quotePrecision": config.price_decimals,
            "quoteAssetPrecision": config.price_decimals,
            "baseCommissionPrecision": config.size_decimals,
            "quoteCommissionPrecision": config.price_decimals,
            "orderTypes": list(config.order_types),
            "isSpotTradingAllowed": spec.tradable,
            "isMarginTradingAllowed": False,
            "quoteAmountPrecision": config.min_notional,
            "baseSizePrecision": config.min_size,
            "permissions": ["SPOT"],
            "filters": [{"filterType": "PERCENT_PRICE_BY_SIDE", **band}]
            if parse_scaled(config.band, 6)
            else [],
            "maxQuoteAmount": config.max_notional,
            "makerCommission": config.maker_fee,
            "takerCommission": config.taker_fee,
            "quoteAmountPrecisionMarket": config.min_notional,
            "maxQuoteAmountMarket": config.max_notional_market,
            "fullName": config.full_name or config.base,
            "tradeSideType": _SIDE_TYPE[config.sides],
            "contractAddress": config.contract_address,
            "conceptPlateIds": [],
            "st": False,
            "firstOpenTime": config.first_open_ms,
        }

    async def depth(self, request: web.Request) -> web.Response:
        """GET /api/v3/depth?symbol=&limit=: best first, sizes padded."""
        state = self._state
        params = parse_params(raw_query(request), "")
        symbol = known_symbol(state, params)
        limit = number(params, "limit", 100, 5000)
        feed = state.feeds[symbol]
        version, bids, asks = feed.depth(limit)
        if state.faults.hit("stale_snapshot", state.clock.now_ns(), symbol):
            version, bids, asks = feed.start_snapshot
        return answer(
            {
                "lastUpdateId": version,
                "bids": bids[:limit],
                "asks": asks[:limit],
                "timestamp": state.clock.now_ms(),
            }
        )

    async def trades(self, request: web.Request) -> web.Response:
        """GET /api/v3/trades?symbol=&limit=: newest first."""
        params = parse_params(raw_query(request), "")
        symbol = known_symbol(self._state, params)
        limit = number(params, "limit", 500, 1000)
        deals = list(self._state.feeds[symbol].trades)[-limit:]
        return answer(
            [
                {
                    "id": None,
                    "price": deal.price,
                    "qty": deal.quantity,
                    "quoteQty": _product(deal.price, deal.quantity),
                    "time": deal.time_ms,
                    "isBuyerMaker": deal.taker_side == Side.SELL,
                    "isBestMatch": True,
                    "tradeType": "BID" if deal.taker_side == Side.BUY else "ASK",
                }
                for deal in reversed(deals)
            ]
        )

    async def book_ticker(self, request: web.Request) -> web.Response:
        """GET /api/v3/ticker/bookTicker: one symbol's, or all"""
        state = self._state
        params = parse_params(raw_query(request), "")
        if params.get("symbol"):
            return answer(_best(state.feeds[known_symbol(state, params)]))
        return answer([_best(feed) for name, feed in state.feeds.items() if state.is_known(name)])


def _best(feed: SymbolFeed) -> dict[str, str]:
    _, bids, asks = feed.depth(1)
    bid, ask = (bids or [("", "")])[0], (asks or [("", "")])[0]
    return {
        "symbol": feed.symbol,
        "bidPrice": bid[0],
        "bidQty": bid[1],
        "askPrice": ask[0],
        "askQty": ask[1],
    }


def _product(price: str, quantity: str) -> str:
    half = MONEY_DECIMALS // 2
    return trimmed(parse_scaled(price, half) * parse_scaled(quantity, half), MONEY_DECIMALS)
