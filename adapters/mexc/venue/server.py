"""The local MEXC venue: REST, websocket and control on one port of the loopback interface.

async with Venue(VenueConfig(seed=7)) as venue:
    print(venue.rest_url, venue.ws_url)
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType

from aiohttp import web

from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.futures import Futures
from adapters.mexc.venue.futures_hub import FuturesHub
from adapters.mexc.venue.futures_websocket import FuturesWebsocketEndpoint
from adapters.mexc.venue.listings import Listings
from adapters.mexc.venue.market import Market
from adapters.mexc.venue.market_recorded import RecordedMarket
from adapters.mexc.venue.market_seeded import SeededMarket
from adapters.mexc.venue.middleware import make_middleware
from adapters.mexc.venue.rest_account import AccountEndpoints
from adapters.mexc.venue.rest_control import ControlEndpoints
from adapters.mexc.venue.rest_control_symbols import SymbolControlEndpoints
from adapters.mexc.venue.rest_futures import FuturesEndpoints
from adapters.mexc.venue.rest_market import MarketEndpoints
from adapters.mexc.venue.rest_notices import NoticeEndpoints
from adapters.mexc.venue.rest_orders import OrderEndpoints
from adapters.mexc.venue.rest_public import PublicEndpoints
from adapters.mexc.venue.rest_web import WebEndpoints
from adapters.mexc.venue.state import VenueState
from adapters.mexc.venue.tls import Certificate
from adapters.mexc.venue.websocket import WebsocketEndpoint

TICK_S = 0.010
MAX_BODY_BYTES = 64 * 1024
CATCH_UP_S = 0.5  # a loop that is further behind than this drops the missed steps


class Venue:
    """A venue that can be started and stopped in any event loop. ValueError for a configuration without sense."""

    def __init__(self, config: VenueConfig | None = None) -> None:
        self.config = config or VenueConfig()
        self.state = VenueState(self.config)
        self.market: Market = (
            SeededMarket(self.state, self.config.seeded, self.config.seed)
            if self.config.market == "seeded"
            else RecordedMarket(self.state, self.config.recorded)
        )
        self.listings = Listings(self.state, self.market)
        hub = FuturesHub(self.config.limits, self.state.faults, self.state.clock)
        self.futures = Futures(self.state, self.listings, hub)
        self._runner: web.AppRunner | None = None
        self._certificate: Certificate | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def rest_url(self) -> str:
        """Base of the REST endpoints, of the web endpoints and of the futures ones, without a trailing slash."""
        return f"http{'s' if self.config.tls else ''}://{self.config.host}:{self._port}"

    @property
    def ws_url(self) -> str:
        """The websocket's address; append `?listenKey=` for private channels."""
        return f"ws{'s' if self.config.tls else ''}://{self.config.host}:{self._port}/ws"

    @property
    def futures_ws_url(self) -> str:
        """The futures websocket's address."""
        return f"ws{'s' if self.config.tls else ''}://{self.config.host}:{self._port}/edge"

    @property
    def ca_pem_path(self) -> Path | None:
        """The certificate to trust while the venue runs with TLS; None without."""
        return self._certificate.ca_pem_path if self._certificate is not None else None

    async def start(self) -> None:
        """Fill the books, then listen."""
        now_ns = self.state.clock.now_ns()
        self.market.start(now_ns)
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        self._certificate = Certificate() if self.config.tls else None
        context = self._certificate.context if self._certificate is not None else None
        site = web.TCPSite(self._runner, self.config.host, self.config.port, ssl_context=context)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._ticker = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        for connection in [*self.state.hub.connections, *self.futures.hub.connections]:
            connection.abort()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._certificate is not None:
            self._certificate.remove()
            self._certificate = None

    async def __aenter__(self) -> Venue:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def failure(self) -> None:
        """Wait until the venue's own loop fails; raises what it failed with."""
        if self._ticker is not None:
            await asyncio.shield(self._ticker)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[make_middleware(self.state)], client_max_size=MAX_BODY_BYTES)
        for endpoints in (
            PublicEndpoints(self.state),
            OrderEndpoints(self.state),
            AccountEndpoints(self.state),
            MarketEndpoints(self.state),
            NoticeEndpoints(self.state, self.listings),
            FuturesEndpoints(self.state, self.futures),
            WebEndpoints(self.state, self.listings),
            ControlEndpoints(self.state, self.market, self.step),
            SymbolControlEndpoints(self.state, self.listings),
        ):
            app.add_routes(endpoints.routes())
        app.router.add_get("/ws", WebsocketEndpoint(self.state).handle)
        app.router.add_get("/edge", FuturesWebsocketEndpoint(self.state, self.futures).handle)
        return app

    def step(self) -> bool:
        """Move everything to now by the venue's clock; True where the market has more to do."""
        self.state.pump()
        now_ns = self.state.clock.now_ns()
        self.listings.advance(now_ns)
        has_more = self.market.step(now_ns)
        self.futures.flush(now_ns // 1_000_000)
        return has_more

    async def _run(self) -> None:
        """Move the market every 10 ms; a manual clock moves it by `/control/step` instead."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            self.state.hub.tick(loop.time())
            self.futures.hub.tick(loop.time())
            self.state.close_expired(loop.time())
            if self.state.clock.is_manual:
                self.state.pump()
            else:
                while self.step():
                    await asyncio.sleep(0)
                    await self.state.hub.drained()
            due_s += TICK_S
            delay_s = due_s - loop.time()
            if delay_s < -CATCH_UP_S:
                due_s = loop.time()
            await asyncio.sleep(max(0.0, delay_s))
