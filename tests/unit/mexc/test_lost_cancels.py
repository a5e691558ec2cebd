"""A cancel without a clear answer, on the real core: its outcome is found out, or the order may be cancelled again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from adapters.mexc.decoder import MexcDecoder
from engine.adapter import Evidence, OrderRef, PlaceTicket
from engine.core import event
from engine.core.enums import CommandKind, OrderReport
from engine.execution.executor import Executor
from engine.execution.ports import update_event
from engine.execution.resolver import Resolver, ResolverLimits
from engine.rim import Rim
from engine.sequencer import Sequencer
from tests.core_session import BUY, ready
from tests.unit.mexc.real_core import Daemon
from tests.unit.mexc.scripted import RUN_ID, Scripted

LOST = Evidence(report=OrderReport.AMBIGUOUS, text="no answer")
WORKING = Evidence(report=OrderReport.WORKING, venue_order_id="v1", cumulative_lots=0)
PATIENT = ResolverLimits(attempts=1000, first_wait_s=0.001, longest_wait_s=0.002)


class Desk(Rim):
    """Core, sequencer, executor and resolver around an adapter that answers by script; one order is on its way.

    `on_cancel` makes the answers to cancels; `canceled` counts those that were asked for.
    """

    def __init__(self, limits: ResolverLimits) -> None:
        session = ready()
        session.now_ns = time.time_ns()
        session.book()
        self.number, _ = session.place(BUY, 9_000, 100)
        self.core = session.engine
        (self.approved,) = self.core.gate.take()
        self.adapter: Any = Scripted()
        self.adapter.on_place, self.adapter.cancel = self._place, self._cancel
        self.adapter.window_ns = 10**12
        self.on_cancel: Callable[[], Evidence] = lambda: LOST
        self.canceled = 0
        self.placed: asyncio.Future[Evidence] = asyncio.get_running_loop().create_future()
        self.sequencer = Sequencer(self.core, MexcDecoder(RUN_ID, 1000), self, seq=session.seq)
        self.resolver = Resolver(self.adapter, self.sequencer, RUN_ID, limits)
        self.executor = Executor(self.adapter, self.sequencer, RUN_ID, self.resolver)
        self.sequencer.bind_executor(self.executor)
        self.executor.submit(self.approved)

    def on_query(self, order_no: int) -> None:
        self.executor.resolve(order_no)

    async def _place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
        before_send()
        return await self.placed

    async def _cancel(self, order: OrderRef) -> Evidence:
        self.canceled += 1
        await asyncio.sleep(0)
        return self.on_cancel()

    @property
    def order(self) -> Any:
        return self.core.order(self.number)

    def cancel_all(self) -> None:
        self.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, within the time of a test."""
        async with asyncio.timeout(3):
            while not condition():  # noqa: ASYNC110 - bounded above
                await asyncio.sleep(0.001)

    async def cancel_again(self) -> None:
        """The order works and may be cancelled: so it is."""
        await self.until(lambda: not self.order.cancel_pending)
        assert (self.order.state_name, self.canceled) == ("EXECUTING", 1)
        self.on_cancel = lambda: Evidence(report=OrderReport.CANCELED)
        self.cancel_all()
        await self.until(lambda: not self.order.is_open)
        assert (self.order.is_canceled, self.canceled) == (True, 2)


def with_desk(body: Callable[[Desk], Any], limits: ResolverLimits = PATIENT) -> None:
    async def main() -> None:
        desk = Desk(limits)
        try:
            await body(desk)
        finally:
            await desk.executor.close()

    asyncio.run(main())


def test_a_cancel_that_never_got_through_the_venue_may_be_repeated(rig_run: Callable[..., None]) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        core = daemon.core
        number = await daemon.order(lambda hand: hand.buy(0, core.book(0).best_bid_ticks - 50, 1000))
        await rig.until(lambda: core.order(number).venue_order_id)
        rig.fault("http_5xx", match="/api/v3/order", count=4)  # three cancels, and the question after them
        daemon.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        assert core.order(number).cancel_pending
        await rig.until(lambda: not core.order(number).cancel_pending)
        assert core.order(number).state_name == "EXECUTING"
        daemon.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        await rig.until(lambda: not core.order(number).is_open)
        assert core.order(number).is_canceled
        assert daemon.faults == []
        await daemon.end()

    rig_run(body)


def test_a_cancel_that_is_lost_while_the_order_itself_is_looked_for() -> None:
    async def body(desk: Desk) -> None:
        desk.cancel_all()  # it waits for the order's own answer, and that does not come
        desk.placed.set_result(LOST)
        await desk.until(lambda: desk.canceled and not desk.executor.under_way)
        assert (desk.order.state_name, desk.resolver.unresolved) == ("UNKNOWN", [desk.number])
        desk.adapter.evidence = WORKING
        await desk.cancel_again()

    with_desk(body)


def test_a_cancel_that_is_lost_after_a_feed_told_of_the_order_that_is_looked_for() -> None:
    async def body(desk: Desk) -> None:
        desk.placed.set_result(LOST)
        await desk.until(lambda: "query" in desk.adapter.asked and not desk.executor.under_way)
        desk.sequencer.ingest(update_event(desk.number, 0, WORKING))
        desk.cancel_all()
        desk.adapter.evidence = WORKING
        await desk.cancel_again()

    with_desk(body, ResolverLimits(first_wait_s=0.05))


def test_a_cancel_that_was_taken_of_an_order_that_still_works() -> None:
    async def body(desk: Desk) -> None:
        desk.placed.set_result(WORKING)
        await desk.until(lambda: not desk.executor.under_way)
        desk.adapter.evidence = WORKING
        desk.on_cancel = lambda: WORKING
        desk.cancel_all()
        await desk.cancel_again()

    with_desk(body)


def test_an_answer_to_a_question_from_before_a_cancel_says_nothing_of_it() -> None:
    async def body(desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Evidence]] = []

        def query(order: OrderRef) -> asyncio.Future[Evidence]:
            answers.append(loop.create_future())
            return answers[-1]

        desk.adapter.query = query
        desk.placed.set_result(LOST)
        await desk.until(lambda: answers)
        desk.sequencer.ingest(update_event(desk.number, 0, WORKING))
        desk.cancel_all()
        await desk.until(lambda: desk.canceled and not desk.executor.under_way)
        answers[0].set_result(WORKING)
        await desk.until(lambda: len(answers) == 2)
        assert desk.order.cancel_pending
        answers[1].set_result(Evidence(report=OrderReport.CANCELED))
        await desk.until(lambda: not desk.order.is_open)
        assert (desk.order.is_canceled, desk.canceled) == (True, 1)

    with_desk(body)


def test_a_cancel_whose_outcome_nobody_tells_may_be_repeated() -> None:
    async def body(desk: Desk) -> None:
        desk.placed.set_result(WORKING)
        await desk.until(lambda: not desk.executor.under_way)
        desk.adapter.failing = 10
        desk.cancel_all()
        await desk.cancel_again()
        assert desk.sequencer.counters["execution.unresolved"] == 1

    with_desk(body, ResolverLimits(attempts=3, first_wait_s=0.001))


def test_a_cancel_may_be_repeated_after_the_adapter_broke_over_its_outcome() -> None:
    async def body(desk: Desk) -> None:
        desk.placed.set_result(WORKING)
        await desk.until(lambda: not desk.executor.under_way)
        desk.adapter.query = None
        desk.cancel_all()
        await desk.cancel_again()
        assert desk.sequencer.counters["execution.failures"] == 1

    with_desk(body)
