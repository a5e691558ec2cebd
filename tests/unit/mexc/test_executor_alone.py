"""The executor with an adapter that answers by script: what is sent when, and what no venue can be made to say."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from engine.adapter import Evidence, OrderRef, PlaceTicket
from engine.core.enums import OrderReport
from engine.core.risk.gate import Approved
from engine.execution.executor import ExecutorLimits
from engine.execution.ports import update_event
from engine.execution.quick_lane import QuickLane
from tests.unit.mexc.scripted import RUN_ID, Bench

Run = Callable[..., None]


class TestExecutor:
    def test_an_adapter_that_breaks_leaves_an_order_unknown(self, bench_run: Run) -> None:
        async def broken(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
            before_send()
            raise ZeroDivisionError

        async def body(bench: Bench) -> None:
            bench.adapter.on_place = broken
            bench.executor.submit(bench.approved(1))
            await bench.until(lambda: bench.recorder.reports(1) and not bench.resolver.unresolved)
            assert bench.recorder.reports(1) == ["AMBIGUOUS", "NEVER_ACCEPTED"]
            assert bench.recorder.counts["execution.failures"] == 1
            assert bench.adapter.asked.count(f"place {RUN_ID}-1") == 1

        bench_run(body)

    def test_a_quick_lane_that_breaks_leaves_an_order_unknown(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            class Broken(QuickLane):
                def take(self, approved: Approved) -> None:
                    raise ZeroDivisionError

            bench.executor.take_lane(Broken())
            bench.executor.submit(bench.approved(1))
            await bench.until(lambda: bench.recorder.reports(1) and not bench.resolver.unresolved)
            assert bench.recorder.reports(1)[0] == "AMBIGUOUS"
            assert bench.recorder.counts["execution.failures"] == 1

        bench_run(body)

    @pytest.mark.parametrize("is_quick", [True, False])
    def test_a_command_that_fails_between_two_answers_takes_no_answer_with_it(
        self, bench_run: Run, is_quick: bool
    ) -> None:
        class Quick(QuickLane):
            def take(self, approved: Approved) -> Callable[[], Awaitable[Evidence]]:
                approved.redeem(approved.halt_epoch, 0)
                self.began_ns, self.sent_ns = 1, 2
                return works

        async def works() -> Evidence:
            return Evidence(report=OrderReport.WORKING)

        async def place(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
            before_send()
            return await works()

        def fail() -> None:
            raise OSError("no disk")

        async def body(bench: Bench) -> None:
            bench.recorder.heed = fail
            bench.adapter.on_place = place
            bench.executor.take_lane(Quick() if is_quick else None)
            for number in (1, 2, 3):
                bench.executor.submit(bench.approved(number))
            await bench.until(lambda: not bench.executor.under_way)
            assert [bench.recorder.reports(number) for number in (1, 2, 3)] == [["WORKING"]] * 3
            assert bench.recorder.counts["execution.failures"] >= 3
            bench.executor.submit(bench.approved(4))  # of the three lanes, none was kept
            await bench.until(lambda: bench.recorder.reports(4))

        bench_run(body, ExecutorLimits(parallel_places=3))

    def test_orders_beyond_the_queue_are_told_of_when_what_caused_them_is_over(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            again: list[int] = [3, 4, 5]
            ingest = bench.recorder.ingest

            def place_another(update: bytes) -> None:
                ingest(update)
                before = len(bench.recorder.events)
                if again:
                    bench.executor.submit(bench.approved(again.pop(0)))
                assert len(bench.recorder.events) == before, "told within the call that submits"

            bench.recorder.ingest = place_another
            for number in (1, 2):
                bench.executor.submit(bench.approved(number))
            assert bench.recorder.events == []
            assert bench.executor.under_way == 2
            bench.executor.submit(bench.approved(2, is_cancel=True))  # finds an order that has ended
            bench.recorder.core.known[2] = dataclasses.replace(bench.order, order_no=2)
            await bench.until(lambda: not bench.executor.under_way)
            assert [bench.recorder.reports(number) for number in range(1, 6)] == [["NEVER_ACCEPTED"]] * 5
            assert bench.recorder.counts["execution.queue_full"] == 5
            assert bench.adapter.asked == []
            bench.executor.submit(bench.approved(6))
            await bench.executor.close()
            assert bench.recorder.reports(6) == ["NEVER_ACCEPTED"]

        bench_run(body, ExecutorLimits(pending_places=0))

    def test_an_adapter_that_does_not_redeem_is_found_out(self, bench_run: Run) -> None:
        async def careless(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
            return Evidence(report=OrderReport.WORKING)

        async def body(bench: Bench) -> None:
            bench.adapter.on_place = careless
            bench.executor.submit(bench.approved(1))
            await bench.until(lambda: bench.recorder.reports(1))
            assert bench.recorder.reports(1)[0] == "AMBIGUOUS"
            assert bench.executor.sent == 0

        bench_run(body)

    def test_an_order_that_is_being_sent_is_not_called_never_accepted(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            released = asyncio.Event()

            async def slow(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
                await released.wait()
                before_send()
                return Evidence(report=OrderReport.WORKING)

            bench.adapter.on_place = slow
            bench.executor.submit(bench.approved(1))
            await bench.reconciler.reconcile()
            bench.adapter.asked.clear()
            assert await bench.resolved() == []
            assert "open_orders" not in bench.adapter.asked
            released.set()
            await bench.until(lambda: bench.recorder.reports(1))
            assert bench.recorder.reports(1) == ["WORKING"]

        bench_run(body)

    def test_an_adapter_that_can_sends_within_submit(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            sent: list[str] = []

            def at_once(ticket: PlaceTicket, before_send: Callable[[], None]) -> Any:
                before_send()
                sent.append(ticket.client_order_id)

                async def answer() -> Evidence:
                    return Evidence(report=OrderReport.WORKING)

                return answer()

            bench.adapter.place = at_once
            bench.executor.submit(bench.approved(1))
            assert (sent, bench.executor.sent) == ([f"{RUN_ID}-1"], 1)
            assert bench.recorder.reports(1) == []
            await bench.until(lambda: bench.recorder.reports(1))
            assert bench.recorder.reports(1) == ["WORKING"]

        bench_run(body)

    def test_a_halt_before_submit_sends_nothing(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            sent: list[int] = []

            def at_once(ticket: PlaceTicket, before_send: Callable[[], None]) -> Any:
                before_send()
                sent.append(ticket.order_no)

            bench.adapter.place = at_once
            bench.recorder.core.halt_epoch = 1
            bench.executor.submit(bench.approved(1))
            await bench.until(lambda: bench.recorder.reports(1))
            assert bench.recorder.reports(1) == ["NEVER_ACCEPTED"]
            assert (sent, bench.executor.sent) == ([], 0)

        bench_run(body)

    def test_no_more_are_under_way_than_lanes_and_each_gets_its_turn(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            under_way: set[int] = set()
            most: list[int] = []
            order: list[int] = []

            async def slow(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
                before_send()
                under_way.add(ticket.order_no)
                order.append(ticket.order_no)
                most.append(len(under_way))
                await asyncio.sleep(0.002)
                under_way.discard(ticket.order_no)
                return Evidence(report=OrderReport.WORKING)

            bench.adapter.on_place = slow
            for number in range(1, 10):
                bench.executor.submit(bench.approved(number))
            await bench.until(lambda: not bench.executor.under_way)
            assert max(most) == 2
            assert order == list(range(1, 10))

        bench_run(body, ExecutorLimits(parallel_places=2))

    def test_a_cancel_is_begun_within_the_call_that_submits_it(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            begun: list[str] = []

            def cancel(order: OrderRef) -> Awaitable[Evidence]:
                begun.append(order.client_order_id)
                return answered()

            async def answered() -> Evidence:
                return Evidence(report=OrderReport.CANCELED)

            bench.adapter.cancel = cancel
            bench.executor.submit(bench.approved(1, is_cancel=True))
            assert begun == [f"{RUN_ID}-1"]
            await bench.until(lambda: bench.recorder.reports(1))
            assert bench.recorder.reports(1) == ["CANCELED"]

        bench_run(body)

    def test_a_cancel_does_not_wait_for_an_answer_that_a_feed_has_told_already(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            released = asyncio.Event()
            canceled: list[str] = []

            async def slow(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
                before_send()
                await released.wait()
                return Evidence(report=OrderReport.WORKING, venue_order_id="v1")

            async def cancel(order: OrderRef) -> Evidence:
                canceled.append(order.venue_order_id)
                return Evidence(report=OrderReport.CANCELED)

            bench.adapter.on_place, bench.adapter.cancel = slow, cancel
            for order_no in (1, 2):
                bench.executor.submit(bench.approved(order_no))
            bench.executor.submit(bench.approved(2, is_cancel=True))
            await asyncio.sleep(0.01)
            assert canceled == [], "the venue may not know the order yet"
            told = Evidence(report=OrderReport.WORKING, venue_order_id="v1")
            bench.recorder.ingest(update_event(1, 0, told))
            bench.executor.submit(bench.approved(1, is_cancel=True))
            await bench.until(lambda: canceled)
            assert canceled == ["v1"] and not released.is_set()
            released.set()
            await bench.until(lambda: not bench.executor.under_way)

        bench_run(body)

    def test_closing_does_not_wait_for_ever(self, bench_run: Run) -> None:
        async def stuck(ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
            await asyncio.sleep(60)
            return Evidence(report=OrderReport.WORKING)

        async def body(bench: Bench) -> None:
            bench.adapter.on_place = stuck
            bench.executor.submit(bench.approved(1))
            bench.executor.submit(bench.approved(1, is_cancel=True))
            await asyncio.sleep(0.01)
            assert bench.executor.under_way == 2
            await bench.executor.close()
            assert bench.executor.under_way == 0
            assert bench.recorder.reports(1) == []

        bench_run(body, ExecutorLimits(close_timeout_s=0.05))
