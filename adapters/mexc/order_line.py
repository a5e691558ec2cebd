"""The timed way out: an order's budget, bytes and connection, in one call from the approval to the socket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from adapters.mexc.config import Credentials
from adapters.mexc.http_answer import HttpAnswer
from adapters.mexc.order_lane import OrderLane
from adapters.mexc.order_pool import OrderPool
from adapters.mexc.order_requests import CANCEL, PLACE, OrderRequests
from adapters.mexc.rest import RestClient, refusal_of
from engine.adapter import Evidence, OrderRef, PlaceTicket
from engine.core.engine import Engine
from engine.core.instrument import InstrumentSpec
from engine.execution.ports import reference

Begun = asyncio.Future[HttpAnswer] | Exception | None


class OrderLine:
    """Orders and cancels of one account over a pool of warm connections. Shares clock and limits with `rest`."""

    def __init__(
        self,
        rest: RestClient,
        credentials: Credentials,
        count: Callable[[str], object],
        rng: random.Random,
    ) -> None:
        self._rest = rest
        self.requests = OrderRequests(rest.config, credentials)
        self.pool = OrderPool(rest.config, self.requests.ping, count, rng)

    def order(
        self, ticket: PlaceTicket, spec: InstrumentSpec, before_send: Callable[[], None]
    ) -> Coroutine[Any, Any, bytes]:
        """Send a new order now, where a connection is free; await the body of the answer, or VenueError.

        `before_send` is called right before the first byte; what it raises comes out of the awaiting, and then nothing was
        sent. NOT_SENT where the budget or the connections do not allow it in time.
        """
        return self._send(PLACE, lambda: self.requests.order(ticket, spec, self._now_ms()), before_send)

    def lane(
        self,
        core: Engine,
        run_id: str,
        instruments: list[InstrumentSpec],
        evidence: Callable[[Coroutine[Any, Any, bytes], InstrumentSpec], Awaitable[Evidence]],
        canceled: Callable[[OrderRef, Coroutine[Any, Any, bytes]], Awaitable[Evidence]],
    ) -> OrderLane:
        """The same way in one native call. `instruments` may change; `evidence` and `canceled` read an answer's body."""
        return OrderLane(
            core, self.pool.free_connections, self.requests.templates, self.requests.cancels, instruments,
            self._rest.limits, self._rest.clock, run_id, self._rest.config.request_timeout_ms / 1000,
            lambda begun, instrument: evidence(self._await(PLACE, begun), instruments[instrument]),
            lambda begun, order: canceled(reference(run_id, order), self._await(CANCEL, begun)),
        )  # fmt: skip

    def cancel(self, order: OrderRef, spec: InstrumentSpec) -> Coroutine[Any, Any, bytes]:
        """Send a cancel, as `order` does."""
        return self._send(CANCEL, lambda: self.requests.cancel(order, spec, self._now_ms()), None)

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()

    def _now_ms(self) -> int:
        return self._rest.clock.timestamp_ms(time.time_ns())

    def _send(
        self, endpoint: str, build: Callable[[], bytes], before_send: Callable[[], None] | None
    ) -> Coroutine[Any, Any, bytes]:
        begun: Begun
        try:
            self._rest.limits.spend_now(endpoint)
            begun = self.pool.begin(build, before_send)
        except Exception as error:  # noqa: BLE001 - raised where the answer is awaited
            begun = error
        return self._finish(endpoint, build, before_send, begun)

    async def _finish(
        self,
        endpoint: str,
        build: Callable[[], bytes],
        before_send: Callable[[], None] | None,
        begun: Begun,
    ) -> bytes:
        if isinstance(begun, Exception):
            raise begun
        return self._read(
            endpoint, await (self.pool.send(build, before_send) if begun is None else self.pool.answer(begun))
        )

    async def _await(self, endpoint: str, begun: asyncio.Future[HttpAnswer]) -> bytes:
        return self._read(endpoint, await self.pool.answer(begun))

    def _read(self, endpoint: str, answer: HttpAnswer) -> bytes:
        refusal = refusal_of(
            answer.status, answer.headers.get("retry-after"), answer.body, self._rest.config.firewall_pause_s
        )
        if refusal is not None:
            self._rest.limits.close(endpoint, refusal)
            raise refusal
        return answer.body
