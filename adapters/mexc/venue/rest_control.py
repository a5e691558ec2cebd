"""`/control`: not MEXC's. Lets a test set faults, look behind the venue, and move a manual clock."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from aiohttp import web
from pydantic import ValidationError

from adapters.mexc.venue.config import FaultConfig
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.json_answer import answer
from adapters.mexc.venue.market import Market
from adapters.mexc.venue.private import money_text
from adapters.mexc.venue.state import VenueState

STEP_NS = 10_000_000
MAX_STEPS = 100_000


class ControlEndpoints:
    """For this machine only: the middleware refuses peers from elsewhere, whatever the venue listens on."""

    def __init__(self, state: VenueState, market: Market, step: Callable[[], bool]) -> None:
        self._state = state
        self._market = market
        self._step = step

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.get("/control/state", self.state),
            web.get("/control/orders", self.orders),
            web.get("/control/faults", self.list_faults),
            web.post("/control/faults", self.set_fault),
            web.delete("/control/faults", self.clear_faults),
            web.post("/control/step", self.step),
        ]

    async def state(self, request: web.Request) -> web.Response:
        """GET /control/state"""
        state = self._state
        return answer(
            {
                "now_ms": state.clock.now_ms(),
                "market_ms": self._market.now_ns // 1_000_000,
                "market": state.config.market,
                "ended": getattr(self._market, "ended", False),
                "symbols": {name: {"version": feed.version} for name, feed in state.feeds.items()},
                "connections": [
                    {"subscriptions": sorted(connection.subscriptions), "private": bool(connection.account)}
                    for connection in state.hub.connections
                ],
                "sent_frames": state.hub.sent_frames,
                "overflows": state.hub.overflows,
                "orders_received": state.received_total,
                "balances": {
                    key: {
                        asset: {"free": money_text(held.free), "locked": money_text(held.locked)}
                        for asset, held in state.exchange.accounts[key].balances.items()
                    }
                    for key in state.secrets
                },
                "faults": state.faults.listing(),
            }
        )

    async def orders(self, request: web.Request) -> web.Response:
        """GET /control/orders: every order request that came in, oldest first"""
        return answer([received.to_json() for received in self._state.received])

    async def list_faults(self, request: web.Request) -> web.Response:
        """GET /control/faults"""
        return answer(self._state.faults.listing())

    async def set_fault(self, request: web.Request) -> web.Response:
        """POST /control/faults with a FaultConfig as JSON"""
        try:
            fault = FaultConfig.model_validate(orjson.loads(await request.read()))
        except (ValidationError, orjson.JSONDecodeError) as error:
            raise VenueError(33333, f"not a fault: {error}") from error
        self._state.faults.add(self._state.clock.now_ns(), fault)
        return answer(self._state.faults.listing())

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE /control/faults, or ?name=gap for one"""
        self._state.faults.clear(request.query.get("name"))
        return answer(self._state.faults.listing())

    async def step(self, request: web.Request) -> web.Response:
        """POST /control/step?ms=100: move a manual clock and the market with it, 10 ms at a time"""
        state = self._state
        text = request.query.get("ms", "10")
        if not state.clock.is_manual:
            raise VenueError(33333, 'the clock is the system\'s; configure clock = "manual"')
        if not text.isdecimal() or not 1 <= int(text[:9]) // 10 <= MAX_STEPS:
            raise VenueError(33333, "ms must be a multiple of 10")
        for _ in range(int(text) // 10):
            state.clock.step(STEP_NS)
            self._step()
        return answer({"now_ms": state.clock.now_ms()})
