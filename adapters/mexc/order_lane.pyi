import asyncio
from collections.abc import Awaitable, Callable

from adapters.mexc.clock import VenueClock
from adapters.mexc.http_answer import HttpAnswer
from adapters.mexc.limits import RequestLimits
from adapters.mexc.order_connection import OrderConnection
from engine.adapter import Evidence
from engine.core.engine import Engine
from engine.core.instrument import InstrumentSpec
from engine.core.order import Order
from engine.execution.quick_lane import QuickLane
from native.mexc_request import RequestTemplate

class Gone:
    answer: asyncio.Future[HttpAnswer] | None
    def __call__(self) -> Awaitable[Evidence]: ...

class OrderLane(QuickLane):
    def __init__(
        self,
        core: Engine,
        free: list[OrderConnection],
        templates: dict[int, tuple[InstrumentSpec, RequestTemplate]],
        cancels: dict[int, tuple[InstrumentSpec, RequestTemplate]],
        instruments: list[InstrumentSpec],
        limits: RequestLimits,
        clock: VenueClock,
        run_id: str,
        timeout_s: float,
        answer: Callable[[asyncio.Future[HttpAnswer], int], Awaitable[Evidence]],
        canceled: Callable[[asyncio.Future[HttpAnswer], Order], Awaitable[Evidence]],
    ) -> None: ...
