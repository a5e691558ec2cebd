"""Executor, resolver and reconciler with an adapter that answers by script: what no venue can be made to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from engine.adapter import AdapterError, AssetBalance, Evidence, OpenOrder, OrderRef, PlaceTicket, VenueFill
from engine.core.enums import OrderReport
from engine.execution.client_ids import client_order_id
from engine.execution.executor import Executor, ExecutorLimits
from engine.execution.reconcile import ReconcileLimits, Reconciler
from engine.execution.resolver import Resolver, ResolverLimits

RUN_ID = "abcdef012345"
FAST = ResolverLimits(
    attempts=4, first_wait_s=0.001, longest_wait_s=0.002, fill_attempts=2, fill_wait_s=0.001
)


def fill(trade_id: str, lots: int, order_no: int = 1, **fields: Any) -> VenueFill:
    values: dict[str, Any] = {
        "instrument": 0, "venue_order_id": "", "client_order_id": client_order_id(RUN_ID, order_no),
        "trade_id": trade_id, "side": 1, "price_ticks": 10, "size_lots": lots, "money": 10 * lots, "fee": 1,
        "fee_asset": "USDT", "is_maker": False, "ts_event_ns": 5, **fields,
    }  # fmt: skip
    return VenueFill(**values)


class Scripted:
    """An adapter whose answers are set, and whose questions are noted."""

    name = "scripted"

    def __init__(self) -> None:
        self.private_restored = asyncio.Event()
        self.evidence: Evidence | None = None
        self.open: list[OpenOrder] = []
        self.trades: list[VenueFill] = []
        self.accounts: list[AssetBalance] = []
        self.window_ns = 0
        self.failing = 0
        self.asked: list[str] = []
        self.on_place: Callable[[PlaceTicket, Callable[[], None]], Any] | None = None
        self.on_account: Callable[[], None] = lambda: None

    def note(self, question: str) -> None:
        self.asked.append(question)
        if self.failing:
            self.failing -= 1
            raise AdapterError("no answer", retry_after_s=0.001)

    async def place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
        self.asked.append(f"place {ticket.client_order_id}")
        assert self.on_place is not None
        answer: Evidence = await self.on_place(ticket, before_send)
        return answer

    async def cancel(self, order: OrderRef) -> Evidence:
        self.note("cancel")
        assert self.evidence is not None
        return self.evidence

    async def query(self, order: OrderRef) -> Evidence | None:
        self.note("query")
        return self.evidence

    async def open_orders(self, instrument: int | None = None) -> list[OpenOrder]:
        self.note("open_orders")
        return self.open

    async def trades_of(self, order: OrderRef) -> list[VenueFill]:
        self.note("trades_of")
        return self.trades

    async def trades_since(self, instrument: int, since_ns: int) -> list[VenueFill]:
        self.note(f"trades_since {since_ns}")
        return self.trades

    async def account(self) -> list[AssetBalance]:
        self.note("account")
        self.on_account()
        return self.accounts

    def acceptance_window_ns(self) -> int:
        return self.window_ns


class Bench:
    def __init__(
        self, recorder: Any, approved: Any, standing_order: Any, limits: ExecutorLimits | None = None
    ) -> None:
        self.adapter: Any = Scripted()
        self.recorder, self.approved = recorder, approved
        self.recorder.core.known[1] = standing_order(1, placed_ns=1000, state_name="UNKNOWN")
        self.resolver = Resolver(self.adapter, recorder, RUN_ID, FAST)
        self.executor = Executor(self.adapter, recorder, RUN_ID, self.resolver, limits)
        self.reconciler = Reconciler(
            self.adapter,
            recorder,
            RUN_ID,
            self.resolver,
            1,
            ReconcileLimits(first_wait_s=0.001, account_rounds=3, healthy_every_s=0.001),
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, not for ever."""
        for _ in range(3000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"it never came: {self.recorder.events}")

    @property
    def order(self) -> Any:
        return self.recorder.core.known[1]

    async def resolved(self, **options: bool) -> list[str]:
        """Resolve order 1 and wait for the end; all reports of it."""
        self.resolver.resolve(1, **options)
        self.resolver.resolve(1)
        assert self.resolver.unresolved == [1]
        await self.until(lambda: not self.resolver.unresolved and not self.resolver.fills_pending)
        reports: list[str] = self.recorder.reports(1)
        return reports


@pytest.fixture
def bench_run(recorder: Any, approved: Any, standing_order: Any) -> Callable[..., None]:
    def run(body: Callable[[Bench], Any], limits: ExecutorLimits | None = None) -> None:
        async def main() -> None:
            bench = Bench(recorder, approved, standing_order, limits)
            await body(bench)
            await bench.executor.close()

        asyncio.run(asyncio.wait_for(main(), 10))

    return run


Run = Callable[..., None]


class TestResolver:
    def test_absence_is_believed_when_three_answers_agree(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            assert await bench.resolved() == ["NEVER_ACCEPTED"]
            assert bench.adapter.asked == ["query", "open_orders", "trades_of"]

        bench_run(body)

    def test_absence_before_the_window_ends_proves_nothing(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.window_ns = 10**12
            assert await bench.resolved() == []
            assert bench.adapter.asked == ["query"] * 4
            assert bench.recorder.counts["execution.unresolved"] == 1

        bench_run(body)

    def test_an_open_order_without_a_record_is_open(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            working = Evidence(report=OrderReport.WORKING, venue_order_id="v", cumulative_lots=0)
            bench.adapter.open = [OpenOrder(client_order_id(RUN_ID, 1), "v", "X", 0, working)]
            assert await bench.resolved() == ["WORKING"]

        bench_run(body)

    def test_a_trade_without_a_record_is_an_order_that_ended(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.trades = [fill("a", 3, venue_order_id="v"), fill("b", 4), fill("c", 50, order_no=2)]
            assert await bench.resolved() == ["CANCELED"]
            update = bench.recorder.of("ORDER_UPDATE")[0]
            assert (update["cumulative_lots"], update["cumulative_money"], update["venue_order_id"]) == (
                7,
                70,
                "v",
            )

        bench_run(body)

    def test_an_order_that_was_accepted_once_is_never_called_never_accepted(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.venue_order_id = "v"
            bench.adapter.trades = [fill("a", 3, client_order_id="", venue_order_id="v")]
            assert await bench.resolved() == ["CANCELED"]
            assert bench.recorder.of("ORDER_UPDATE")[0]["cumulative_lots"] == 3
            assert bench.recorder.counts["execution.order_record_gone"] == 1

        bench_run(body)

    def test_no_answer_is_asked_again(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.failing = 3
            assert await bench.resolved() == ["NEVER_ACCEPTED"]
            assert bench.recorder.counts["execution.resolver_retries"] == 3

        bench_run(body)

    def test_an_order_that_got_known_meanwhile_is_left_alone(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.state_name = "EXECUTING"
            assert await bench.resolved() == []
            assert bench.adapter.asked == []
            bench.order.is_open = False
            assert await bench.resolved(after_cancel=True) == []

        bench_run(body)

    def test_fills_that_are_listed_late_are_waited_for(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.evidence = Evidence(
                report=OrderReport.FILLED, cumulative_lots=5, venue_order_id="v"
            )
            assert await bench.resolved() == ["FILLED"]
            assert bench.recorder.counts["execution.fills_missing"] == 1
            assert bench.recorder.of("FILL") == []
            bench.recorder.core.known[1].is_open = True
            bench.recorder.core.known[1].state_name, bench.recorder.core.known[1].filled_lots = "UNKNOWN", 0
            bench.adapter.trades, bench.adapter.failing = [fill("a", 5)], 1
            await bench.resolved()
            assert [each["trade_id"] for each in bench.recorder.of("FILL")] == ["a"]

        bench_run(body)

    def test_a_working_order_after_a_lost_cancel_had_its_cancel_refused(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.evidence = Evidence(report=OrderReport.WORKING, cumulative_lots=0)
            assert await bench.resolved(after_cancel=True) == ["WORKING", "CANCEL_REJECTED"]

        bench_run(body)

    def test_a_mistake_of_the_adapter_is_told(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.query = None
            assert await bench.resolved() == []
            assert bench.recorder.counts["execution.failures"] == 1

        bench_run(body)


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


class TestReconciler:
    def test_the_account_counts_only_when_nothing_is_executed_around_it(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            bench.adapter.accounts = [AssetBalance("USDT", 7, 1), AssetBalance("X" * 16, 1, 1)]
            bench.adapter.trades = [fill("a", 1)]

            def one_more() -> None:
                if len(bench.adapter.trades) < 3:
                    bench.adapter.trades.append(
                        fill(f"b{len(bench.adapter.trades)}", 1, client_order_id="foreign")
                    )

            bench.adapter.on_account = one_more
            found = await bench.reconciler.reconcile()
            assert (found.fills, found.balances) == (3, 1)
            assert bench.adapter.asked.count("account") == 3
            assert bench.recorder.counts["execution.foreign_fills"] == 2
            assert bench.recorder.counts["execution.assets_skipped"] == 1
            kinds = [each["kind"] for each in bench.recorder.events]
            assert kinds == ["FILL", "BALANCE", "RECONCILED"]

        bench_run(body)

    def test_an_asset_that_the_account_does_not_list_is_at_zero(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            bench.adapter.accounts = [AssetBalance("USDT", 7, 1)]
            bench.recorder.core.held = {"USDT": (9, 0), "MX": (5, 0), "BTC": (0, 0)}
            assert (await bench.reconciler.reconcile()).balances == 2
            told = [(each["asset"], each["free"], each["locked"]) for each in bench.recorder.of("BALANCE")]
            assert told == [("USDT", 7, 1), ("MX", 0, 0)]
            assert all(each["absolute"] for each in bench.recorder.of("BALANCE"))

        bench_run(body)

    def test_an_execution_that_only_the_open_order_shows_is_settled_before_the_account_counts(
        self, bench_run: Run
    ) -> None:
        async def body(bench: Bench) -> None:
            def shown(lots: int) -> list[OpenOrder]:
                evidence = Evidence(report=OrderReport.WORKING, venue_order_id="v", cumulative_lots=lots)
                return [OpenOrder(client_order_id(RUN_ID, 1), "v", "X", 0, evidence)]

            def execute() -> None:
                bench.adapter.open = shown(5)
                bench.adapter.trades = [] if bench.adapter.asked.count("account") < 2 else [fill("a", 5)]

            bench.adapter.open = shown(0)
            bench.adapter.on_account = execute
            bench.adapter.accounts = [AssetBalance("USDT", 7, 1)]
            await bench.reconciler.reconcile()
            assert bench.adapter.asked.count("account") >= 2
            kinds = [each["kind"] for each in bench.recorder.events]
            assert kinds.index("BALANCE") > kinds.index("FILL")
            assert bench.recorder.reports(1) == ["WORKING", "WORKING"]

        bench_run(body)

    def test_an_account_that_never_rests_is_not_believed(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            bench.adapter.on_account = lambda: bench.adapter.trades.append(
                fill(str(len(bench.adapter.trades)), 1)
            )
            with pytest.raises(AdapterError, match="3 readings"):
                await bench.reconciler.reconcile()
            assert bench.recorder.of("RECONCILED") == []

        bench_run(body)

    def test_executions_are_asked_for_since_the_oldest_open_order_and_then_since_the_last_time(
        self, bench_run: Run
    ) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.evidence = Evidence(report=OrderReport.WORKING, cumulative_lots=0)
            margin = 120 * 10**9
            before = bench.recorder.now_ns()
            await bench.reconciler.reconcile()
            await bench.reconciler.reconcile()
            since = [int(each.split()[1]) for each in bench.adapter.asked if each.startswith("trades_since")]
            assert since[0] == 1000 - margin
            assert since[-1] >= before - margin

        bench_run(body)

    def test_executions_that_a_whole_private_feed_pushed_are_not_asked_for_again(
        self, bench_run: Run
    ) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            now_ns = 10**18
            bench.recorder.now_ns = lambda: now_ns
            bench.adapter.private_restored = asyncio.Event()
            bench.adapter.private_restored.set()
            working = asyncio.create_task(bench.reconciler.run())
            await bench.until(lambda: bench.recorder.of("RECONCILED"))
            now_ns += 86_400 * 10**9
            await bench.until(lambda: bench.reconciler.since_ns == now_ns)
            whole_ns, bench.recorder.core.reconcile_pending = now_ns, True
            now_ns += 3_600 * 10**9
            bench.adapter.asked.clear()
            bench.adapter.private_restored.set()
            await bench.until(lambda: len(bench.recorder.of("RECONCILED")) == 2)
            working.cancel()
            assert f"trades_since {whole_ns - 120 * 10**9}" in bench.adapter.asked

        bench_run(body)

    def test_a_fill_without_client_id_is_found_by_the_venues_order_id(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.venue_order_id = "v"
            bench.adapter.evidence = Evidence(
                report=OrderReport.WORKING, venue_order_id="v", cumulative_lots=0
            )
            bench.adapter.trades = [fill("a", 1, client_order_id="", venue_order_id="v")]
            await bench.reconciler.reconcile()
            assert [each["order_no"] for each in bench.recorder.of("FILL")] == [1]

        bench_run(body)

    def test_no_answer_is_asked_again(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            bench.adapter.failing = 3
            await bench.reconciler.reconcile_until_done()
            assert bench.recorder.counts["execution.reconcile_retries"] == 3

        bench_run(body)
