"""A pool of warm connections for orders and cancels: opened ahead, pinged while idle, replaced when lost."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import random
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Backoff, is_worth_a_line
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.http_answer import HttpAnswer
from adapters.mexc.order_connection import LostConnection, OrderConnection
from adapters.mexc.tls import TlsLayer, client_context

_log = logging.getLogger("penstock.mexc.orders")
# An order's answer is some hundred bytes.
_MAX_BODY_BYTES = 1 << 20


class OrderPool:
    """`config.order_connections` connections to one host. `ping`: a request that keeps one warm; `count` hears oddities.

    A request is written to a free connection within `begin`; nothing is ever sent twice.
    """

    def __init__(
        self, config: MexcConfig, ping: bytes, count: Callable[[str], object], rng: random.Random
    ) -> None:
        self._config = config
        self._ping = ping
        self._count = count
        self._backoff = Backoff(config.backoff_initial_s, config.backoff_max_s, rng)
        address = urlsplit(config.rest_url)
        self._host = address.hostname or ""
        self._port = address.port or (443 if address.scheme == "https" else 80)
        self._context = client_context(config.ca_file) if address.scheme == "https" else None
        self._session: ssl.SSLSession | None = None
        self._all: set[OrderConnection] = set()
        self.free_connections: list[OrderConnection] = []  # the one used last is the warmest, and last
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._failures = 0
        self._noted: collections.Counter[str] = collections.Counter()
        # Between two answers: what must not wait for the second.
        self.heed: Callable[[], object] = lambda: None
        self.opened = 0
        self.resumed = 0

    def open(self) -> None:
        """Start to open connections; they are kept until `close`."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep(), name="mexc order connections")

    async def close(self) -> None:
        """Close all of them; requests under way are lost."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        for connection in list(self._all):
            connection.close()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def is_open(self) -> bool:
        """Whether connections are kept."""
        return self._keeper is not None

    @property
    def free(self) -> int:
        """How many could carry a request now."""
        return sum(each.is_free for each in self.free_connections)

    def begin(
        self, build: Callable[[], bytes], before_send: Callable[[], None] | None = None
    ) -> asyncio.Future[HttpAnswer] | None:
        """Build a request and write it to a free connection, all within this call; None where none is free.

        What `build` or `before_send` raises comes out of here, and then nothing was sent. The future ends in the answer or
        in LostConnection.
        """
        connection = self._take()
        if connection is None:
            return None
        try:
            request = build()
            if before_send is not None:
                before_send()
        except BaseException:  # whatever it is, the connection is as good as before
            self._on_free(connection)
            raise
        return connection.send(request, self._config.request_timeout_ms / 1000)

    async def send(
        self, build: Callable[[], bytes], before_send: Callable[[], None] | None = None
    ) -> HttpAnswer:
        """`begin`, once a connection is free; raises VenueError: NOT_SENT where none was in time, AMBIGUOUS after that."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._config.order_wait_ms / 1000
        while (answer := self.begin(build, before_send)) is None:
            if self._keeper is None or not await self._wait_free(deadline_s - loop.time()):
                raise VenueError(ErrorClass.NOT_SENT, "no connection was free in time")
        return await self.answer(answer)

    async def answer(self, begun: asyncio.Future[HttpAnswer]) -> HttpAnswer:
        """The answer to what was begun; raises VenueError AMBIGUOUS where there is none."""
        try:
            return await begun
        except LostConnection as error:
            self._count("order_connections_lost")
            raise VenueError(ErrorClass.AMBIGUOUS, f"connection lost: {error}") from None

    async def _wait_free(self, timeout_s: float) -> bool:
        if timeout_s <= 0:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)
        return True

    def _take(self) -> OrderConnection | None:
        """The one used last is the warmest."""
        while self.free_connections:
            connection = self.free_connections.pop()
            if connection.is_free:
                return connection
        return None

    def _on_free(self, connection: OrderConnection) -> None:
        self.free_connections.append(connection)
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    def _on_lost(self, connection: OrderConnection) -> None:
        self._all.discard(connection)
        with contextlib.suppress(ValueError):
            self.free_connections.remove(connection)
        self._wake.set()

    async def _keep(self) -> None:
        """Replace what is missing, ping what is idle, for ever."""
        while True:
            self._wake.clear()
            if len(self._all) < self._config.order_connections:
                await self._open_one()
                continue
            await self._ping_oldest()
            await self._rest(self._config.order_ping_s / (2 * self._config.order_connections))

    async def _rest(self, longest_s: float) -> None:
        """Until an order waits or a connection is lost, within a time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._wake.wait()

    async def _open_one(self) -> None:
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, LostConnection) as error:
            # A connection may carry a certificate's fault or an address: the kind is enough, but for the certificate's.
            text = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
            self._count("order_connect_failures")
            self._noted["failures"] += 1
            if is_worth_a_line(self._noted["failures"]):
                _log.warning("no order connection: %s %s", type(error).__name__, text or error)
            await self._rest(self._backoff.wait_s(self._failures))
            self._failures += 1
            return
        self._failures = 0
        self.opened += 1
        self.resumed += connection.is_resumed

    async def _connect(self) -> OrderConnection:
        loop = asyncio.get_running_loop()

        made: list[OrderConnection] = []

        def make() -> OrderConnection:
            tls = TlsLayer(self._context, self._host, self._session) if self._context else None
            made.append(
                OrderConnection(tls, _MAX_BODY_BYTES, self._on_free, self._on_lost, lambda: self.heed())
            )
            return made[-1]

        try:
            async with asyncio.timeout(self._config.connect_timeout_ms / 1000):
                _, connection = await loop.create_connection(make, self._host, self._port)
                await connection.ready
        except BaseException:  # a cancellation as well must leave no connection behind
            for each in made:
                each.close()
            raise
        if not connection.is_lost:
            self._all.add(connection)
        return connection

    async def _ping_oldest(self) -> None:
        """One connection at a time, so that the others stay free."""
        idle = [each for each in self.free_connections if each.is_free]
        if not idle:
            return
        oldest = min(idle, key=lambda each: each.last_used_s)
        self._session = oldest.session or self._session
        if oldest.loop.time() - oldest.last_used_s < self._config.order_ping_s:
            return
        self.free_connections.remove(oldest)
        try:
            await oldest.send(self._ping, self._config.request_timeout_ms / 1000)
        except LostConnection as error:
            self._count("order_connections_stale")
            self._noted["stale"] += 1
            if is_worth_a_line(self._noted["stale"]):
                _log.warning("an idle order connection was lost: %s", error)
