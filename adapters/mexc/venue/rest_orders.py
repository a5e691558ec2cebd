"""Order endpoints: place, test, cancel, query, open and all orders."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from adapters.mexc.venue import rest_shapes
from adapters.mexc.venue.config import FaultConfig
from adapters.mexc.venue.errors import VenueError, order_refusal
from adapters.mexc.venue.json_answer import answer, error_answer
from adapters.mexc.venue.middleware import cut
from adapters.mexc.venue.numbers import parse_scaled
from adapters.mexc.venue.rest_auth import (
    DEAL_READ,
    DEAL_WRITE,
    authenticate,
    known_symbol,
    number,
    required,
)
from adapters.mexc.venue.state import ReceivedOrder, VenueState
from backtest.exchange_types import (
    MONEY_DECIMALS,
    Accepted,
    CancelRequest,
    Order,
    PlaceRequest,
    Reason,
    Rejected,
)
from engine.core.enums import OrderType, Side

MAX_CLIENT_ID_LENGTH = 32
ORDERS_PER_BATCH = 20
DAY_MS = 86_400_000


class OrderEndpoints:
    """What an account does with orders."""

    def __init__(self, state: VenueState) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/api/v3/order", self.place),
            web.post("/api/v3/order/test", self.test),
            web.post("/api/v3/batchOrders", self.place_batch),
            web.delete("/api/v3/order/all", self.cancel_all),
            web.delete("/api/v3/order", self.cancel),
            web.get("/api/v3/order", self.query),
            web.get("/api/v3/openOrders", self.open_orders),
            web.delete("/api/v3/openOrders", self.cancel_open),
            web.get("/api/v3/allOrders", self.all_orders),
        ]

    # placing

    async def place(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v3/order"""
        state, received_ns = self._state, self._state.clock.now_ns()
        api_key, params = await authenticate(state, request, DEAL_WRITE)
        try:
            response = answer(rest_shapes.ack(state.ids, await self._place(api_key, params, received_ns)))
        except VenueError as error:
            response = error_answer(error)
        return await self._answer_with_faults(request, response)

    async def place_batch(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v3/batchOrders: up to twenty of one symbol, each answered for itself, in their order"""
        received_ns = self._state.clock.now_ns()
        api_key, params = await authenticate(self._state, request, DEAL_WRITE)
        answers = []
        for order in _parse_batch(required(params, "batchOrders")):
            client_id = order.get("newClientOrderId", "")
            try:
                placed = await self._place(api_key, order, received_ns)
                answers.append(rest_shapes.batch_ack(self._state.ids, placed))
            except VenueError as error:
                named = {"newClientOrderId": client_id} if client_id else {}
                answers.append({**named, "msg": error.message, "code": error.code})
        return await self._answer_with_faults(request, answer(answers))

    async def _place(self, api_key: str, params: dict[str, str], received_ns: int) -> Order:
        """Place and log one order; VenueError where it is refused."""
        state = self._state
        client_id = params.get("newClientOrderId", "")
        received = ReceivedOrder(received_ns, api_key, _unsigned(params), client_id)
        state.received.append(received)
        state.received_total += 1
        try:
            return await self._place_logged(api_key, params, received)
        except VenueError as error:
            received.outcome, received.code = "rejected", error.code
            raise

    async def _place_logged(self, api_key: str, params: dict[str, str], received: ReceivedOrder) -> Order:
        request = self._parse(api_key, params)
        outcome = await self._state.submit(request)
        if isinstance(outcome, Rejected):
            raise self._refusal(request, outcome.reason, outcome.limit)
        assert isinstance(outcome, Accepted)
        received.outcome = "accepted"
        received.order_id = self._state.ids.order_id(outcome.order.order_no)
        return outcome.order

    async def _answer_with_faults(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """The order or cancel is processed; what may still go wrong is its answer."""
        state, now_ns = self._state, self._state.clock.now_ns()
        subject = f"{request.method} {request.path}"
        for name in ("ack_after_fill", "ack_delay"):
            if (fault := state.faults.hit(name, now_ns, subject)) is not None:
                await asyncio.sleep(fault.delay_ms / 1000)
        if (fault := state.faults.hit("lost_ack", now_ns, subject)) is not None:
            return _lost(request, fault)
        return response

    async def test(self, request: web.Request) -> web.Response:
        """POST /api/v3/order/test: whatever refuses an order refuses it here; nothing is placed."""
        state = self._state
        api_key, params = await authenticate(state, request, DEAL_WRITE)
        order = self._parse(api_key, params)
        if (refusal := state.exchange.refusal(state.clock.now_ns(), order)) is not None:
            raise self._refusal(order, *refusal)
        return answer({})

    def _refusal(self, request: PlaceRequest, reason: Reason, limit: int) -> VenueError:
        config = self._state.symbols.get(
            request.symbol
        )  # None: it was removed while the order was on its way
        spec = config.spec() if config is not None else None
        code = config.market_order_code if config is not None else 0
        return order_refusal(reason, limit, spec, request.side, request.order_type, code)

    def _parse(self, api_key: str, params: dict[str, str]) -> PlaceRequest:
        symbol = known_symbol(self._state, params)
        spec = self._state.exchange.books[symbol].spec
        side, order_type = _parse_side(params), _parse_type(params)
        client_id = params.get("newClientOrderId", "")
        if len(client_id) > MAX_CLIENT_ID_LENGTH:
            raise VenueError(33333, f"newClientOrderId is longer than {MAX_CLIENT_ID_LENGTH}")
        if order_type is OrderType.MARKET:
            lots = _scaled(params, "quantity", spec.size_decimals, 10096) if params.get("quantity") else 0
            money = 0
            if not lots:
                required(params, "quoteOrderQty")
                money = _scaled(params, "quoteOrderQty", MONEY_DECIMALS, 10096)
            return PlaceRequest(api_key, symbol, side, order_type, lots, 0, money, client_id)
        lots = _scaled(params, "quantity", spec.size_decimals, 10096)
        ticks = _scaled(params, "price", spec.price_decimals, 10096)
        return PlaceRequest(api_key, symbol, side, order_type, lots, ticks, 0, client_id)

    # cancelling

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v3/order"""
        api_key, params = await authenticate(self._state, request, DEAL_WRITE)
        order = self._find(api_key, params)
        if order is None:
            raise VenueError(-2011, "Unknown order sent.")
        await self._cancel(api_key, order)
        body = rest_shapes.canceled(self._state.ids, order, params.get("newClientOrderId", ""))
        return await self._answer_with_faults(request, answer(body))

    async def _cancel(self, api_key: str, order: Order) -> None:
        outcome = await self._state.submit(CancelRequest(api_key, order.order_no))
        if isinstance(outcome, Rejected):
            raise VenueError(-2011, "Unknown order sent.")

    async def cancel_open(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v3/openOrders?symbol=A,B: up to five symbols"""
        state = self._state
        api_key, params = await authenticate(state, request, DEAL_WRITE)
        symbols = required(params, "symbol").split(",")
        if len(symbols) > 5:
            raise VenueError(33333, "param error: symbol")
        for symbol in symbols:
            known_symbol(state, {"symbol": symbol})
        return await self._answer_with_faults(request, answer(await self._end(api_key, set(symbols))))

    async def cancel_all(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v3/order/all: every open order of the account"""
        api_key, _ = await authenticate(self._state, request, DEAL_WRITE)
        await self._end(api_key, None)
        body = {"code": 200, "msg": "success", "timestamp": self._state.clock.now_ms()}
        return await self._answer_with_faults(request, answer(body))

    async def _end(self, api_key: str, symbols: set[str] | None) -> list[dict[str, Any]]:
        """Cancel the open orders of these symbols (None: of all); those that were, as they are answered."""
        ended: list[dict[str, Any]] = []
        for order in list(self._state.exchange.accounts[api_key].open_orders.values()):
            if symbols is None or order.spec.symbol in symbols:
                outcome = await self._state.submit(CancelRequest(api_key, order.order_no))
                if not isinstance(outcome, Rejected):
                    ended.append(rest_shapes.canceled(self._state.ids, order))
        return ended

    # asking

    async def query(self, request: web.Request) -> web.Response:
        """GET /api/v3/order"""
        api_key, params = await authenticate(self._state, request, DEAL_READ)
        order = self._find(api_key, params)
        if order is None:
            raise VenueError(-2013, "Order does not exist.")
        return answer(rest_shapes.full(self._state.ids, order))

    async def open_orders(self, request: web.Request) -> web.Response:
        """GET /api/v3/openOrders"""
        api_key, params = await authenticate(self._state, request, DEAL_READ)
        symbol = known_symbol(self._state, params) if params.get("symbol") else ""
        orders = self._state.exchange.accounts[api_key].open_orders.values()
        return answer(
            [
                rest_shapes.full(self._state.ids, order)
                for order in reversed(list(orders))
                if not symbol or order.spec.symbol == symbol
            ]
        )

    async def all_orders(self, request: web.Request) -> web.Response:
        """GET /api/v3/allOrders: newest first"""
        api_key, params = await authenticate(self._state, request, DEAL_READ)
        symbol = known_symbol(self._state, params)
        limit = number(params, "limit", 500, 1000)
        end_ms = number(params, "endTime", self._state.clock.now_ms(), 10**18)
        start_ms = number(params, "startTime", end_ms - DAY_MS, 10**18)
        if end_ms - start_ms > 7 * DAY_MS:
            raise VenueError(-1128, "Combination of optional parameters invalid: more than 7 days.")
        orders = self._state.exchange.accounts[api_key].orders.values()
        found = [
            order
            for order in reversed(list(orders))
            if order.spec.symbol == symbol and start_ms <= order.created_ns // 1_000_000 <= end_ms
        ]
        return answer([rest_shapes.full(self._state.ids, order) for order in found[:limit]])

    def _find(self, api_key: str, params: dict[str, str]) -> Order | None:
        symbol = known_symbol(self._state, params)
        order_id, client_id = params.get("orderId", ""), params.get("origClientOrderId", "")
        if not order_id and not client_id:
            raise VenueError(
                700004, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            )
        account = self._state.exchange.accounts[api_key]
        order = (
            account.orders.get(self._state.ids.order_no(order_id))
            if order_id
            else account.by_client_id(client_id)
        )
        return order if order is not None and order.spec.symbol == symbol else None


def _unsigned(params: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name != "signature"}


def _parse_batch(text: str) -> list[dict[str, str]]:
    try:
        orders = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise VenueError(33333, "param error: batchOrders is no JSON list") from error
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise VenueError(33333, "param error: batchOrders is no list of orders")
    if not 1 <= len(orders) <= ORDERS_PER_BATCH:
        raise VenueError(33333, f"param error: batchOrders takes 1 to {ORDERS_PER_BATCH} orders")
    if len({order.get("symbol") for order in orders}) > 1:
        raise VenueError(33333, "param error: the orders of a batch have one symbol")
    return [{str(name): str(value) for name, value in order.items()} for order in orders]


def _parse_side(params: dict[str, str]) -> Side:
    text = required(params, "side")
    if text not in Side.__members__:
        raise VenueError(33333, "param error: side")
    return Side[text]


def _parse_type(params: dict[str, str]) -> OrderType:
    text = required(params, "type")
    if text not in rest_shapes.ORDER_TYPES:
        raise VenueError(33333, "param error: type")
    return rest_shapes.ORDER_TYPES[text]


def _scaled(params: dict[str, str], name: str, decimals: int, code: int) -> int:
    try:
        value = parse_scaled(required(params, name), decimals)
    except ValueError as error:
        raise VenueError(code, f"{name} has too many decimals or is no number") from error
    if not value:
        raise VenueError(10102, f"{name} must be greater than zero")
    return value


def _lost(request: web.Request, fault: FaultConfig) -> web.StreamResponse:
    if fault.cut:
        cut(request)
    return answer({"code": 504, "msg": "Gateway Timeout"}, status=504)
