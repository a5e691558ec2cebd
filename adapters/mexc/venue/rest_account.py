"""Account endpoints: balances, own trades, fees, listen keys."""

from __future__ import annotations

import asyncio
import datetime

import orjson
from aiohttp import web

from adapters.mexc.venue import rest_shapes
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.private import money_text
from adapters.mexc.venue.rest_auth import (
    ACCOUNT_READ,
    DEAL_READ,
    DEAL_WRITE,
    authenticate,
    known_symbol,
    number,
    required,
)
from adapters.mexc.venue.state import VenueState


class AccountEndpoints:
    """What an account asks about itself."""

    def __init__(self, state: VenueState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        stream = "/api/v3/userDataStream"
        return [
            web.get("/api/v3/account", self.account),
            web.get("/api/v3/myTrades", self.my_trades),
            web.get("/api/v3/tradeFee", self.trade_fee),
            web.get("/api/v3/selfSymbols", self.self_symbols),
            web.get("/api/v3/uid", self.uid),
            web.get("/api/v3/apiKeyInfo", self.key_info),
            web.get("/api/v3/capital/config/getall", self.coins),
            web.get("/api/v3/mxDeduct/enable", self.deduct),
            web.post("/api/v3/mxDeduct/enable", self.set_deduct),
            web.post(stream, self.create_key),
            web.get(stream, self.list_keys),
            web.put(stream, self.extend_key),
            web.delete(stream, self.delete_key),
        ]

    async def account(self, request: web.Request) -> web.Response:
        """GET /api/v3/account: balances, those of zero left out unless configured otherwise"""
        api_key, _ = await authenticate(self._state, request, ACCOUNT_READ)
        with_zeros = self._state.config.show_zero_balances
        balances = [
            {"asset": asset, "free": money_text(balance.free), "locked": money_text(balance.locked)}
            for asset, balance in self._state.exchange.accounts[api_key].balances.items()
            if with_zeros or balance.free or balance.locked
        ]
        return answer(
            {
                "canTrade": True,
                "canWithdraw": True,
                "canDeposit": True,
                "updateTime": None,
                "accountType": "SPOT",
                "balances": balances,
                "permissions": ["SPOT"],
            }
        )

    async def my_trades(self, request: web.Request) -> web.Response:
        """GET /api/v3/myTrades: newest first, and late by the configured delay"""
        state = self._state
        api_key, params = await authenticate(state, request, DEAL_READ)
        symbol = known_symbol(state, params)
        limit = number(params, "limit", 100, 100)
        start_ms = number(params, "startTime", 1, 10**18)
        end_ms = number(params, "endTime", 10**18, 10**18)
        visible_ms = state.clock.now_ms() - state.config.my_trades_delay_ms
        order_id = params.get("orderId", "")
        order_no = state.ids.order_no(order_id)
        found = [
            fill
            for fill in reversed(state.fills[api_key])
            if fill.order.spec.symbol == symbol
            and (not order_id or fill.order.order_no == order_no)
            and start_ms <= fill.time_ns // 1_000_000 <= min(end_ms, visible_ms)
        ]
        return answer([rest_shapes.own_trade(state.ids, fill) for fill in found[:limit]])

    async def trade_fee(self, request: web.Request) -> web.Response:
        """GET /api/v3/tradeFee: the rates as numbers"""
        _, params = await authenticate(self._state, request, ACCOUNT_READ)
        symbol = self._state.symbols[known_symbol(self._state, params)]
        data = {
            "makerCommission": orjson.Fragment(symbol.maker_fee),
            "takerCommission": orjson.Fragment(symbol.taker_fee),
        }
        return answer({"data": data, "code": 0, "msg": "success", "timestamp": self._state.clock.now_ms()})

    async def self_symbols(self, request: web.Request) -> web.Response:
        """GET /api/v3/selfSymbols"""
        api_key, _ = await authenticate(self._state, request, ACCOUNT_READ)
        allowed = self._state.accounts[api_key].symbols
        names = [
            name
            for name, book in self._state.exchange.books.items()
            if book.spec.tradable and self._state.is_known(name) and (not allowed or name in allowed)
        ]
        return answer({"code": 200, "data": names, "msg": None})

    async def uid(self, request: web.Request) -> web.Response:
        """GET /api/v3/uid"""
        api_key, _ = await authenticate(self._state, request)
        return answer({"uid": str(10_000_001 + list(self._state.accounts).index(api_key))})

    async def key_info(self, request: web.Request) -> web.Response:
        """GET /api/v3/apiKeyInfo?accessKey=: of one's own key"""
        api_key, params = await authenticate(self._state, request)
        if required(params, "accessKey") != api_key:
            raise VenueError(10072, "Api key info invalid")
        account = self._state.accounts[api_key]
        made = datetime.datetime.fromtimestamp(self._state.start_ns // 1_000_000_000, datetime.UTC)
        return answer(
            {
                "note": "",
                "accessKey": api_key,
                "createTime": made.strftime("%Y-%m-%dT%H:%M:%S.000+00:00"),
                "permissions": ",".join(account.permissions),
                "remainingValidity": account.days_valid,
                "ipWhiteList": ",".join(account.ip_white_list),
                "status": "VALID",
            }
        )

    async def coins(self, request: web.Request) -> web.Response:
        """GET /api/v3/capital/config/getall: the assets of all symbols; none can be moved here"""
        await authenticate(self._state, request, ACCOUNT_READ)
        names = {symbol.base: symbol.full_name for symbol in self._state.symbols.values()}
        names |= {symbol.quote: "" for symbol in self._state.symbols.values()}
        return answer(
            [{"coin": coin, "name": name or coin, "networkList": []} for coin, name in sorted(names.items())]
        )

    async def deduct(self, request: web.Request) -> web.Response:
        """GET /api/v3/mxDeduct/enable: whether fees are paid in MX"""
        await authenticate(self._state, request, ACCOUNT_READ)
        return self._deduct()

    async def set_deduct(self, request: web.Request) -> web.Response:
        """POST /api/v3/mxDeduct/enable?mxDeductEnable=true: pay fees in MX from now on, on all accounts here"""
        _, params = await authenticate(self._state, request, DEAL_WRITE)
        wanted = required(params, "mxDeductEnable")
        if wanted not in ("true", "false"):
            raise VenueError(33333, "param error: mxDeductEnable")
        self._state.set_fee_asset("MX" if wanted == "true" else "quote")
        return self._deduct()

    def _deduct(self) -> web.Response:
        data = {"mxDeductEnable": self._state.config.fee_asset == "MX"}
        return answer({"data": data, "code": 0, "msg": "success", "timestamp": self._state.clock.now_ms()})

    async def create_key(self, request: web.Request) -> web.Response:
        """POST /api/v3/userDataStream"""
        api_key, _ = await authenticate(self._state, request)
        return answer({"listenKey": self._state.listen_keys.create(api_key, _now_s())})

    async def list_keys(self, request: web.Request) -> web.Response:
        """GET /api/v3/userDataStream"""
        api_key, _ = await authenticate(self._state, request)
        return answer(self._state.listen_keys.listing(api_key, _now_s()))

    async def extend_key(self, request: web.Request) -> web.Response:
        """PUT /api/v3/userDataStream?listenKey="""
        api_key, params = await authenticate(self._state, request)
        key = required(params, "listenKey")
        self._state.listen_keys.extend(api_key, key, _now_s())
        return answer({"listenKey": key})

    async def delete_key(self, request: web.Request) -> web.Response:
        """DELETE /api/v3/userDataStream?listenKey="""
        api_key, params = await authenticate(self._state, request)
        key = required(params, "listenKey")
        self._state.listen_keys.delete(api_key, key, _now_s())
        return answer({"listenKey": key})


def _now_s() -> float:
    return asyncio.get_running_loop().time()
