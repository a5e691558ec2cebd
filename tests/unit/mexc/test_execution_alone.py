"""Resolver and reconciler with an adapter that answers by script: what no venue can be made to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.adapter import AdapterError, AssetBalance, Evidence, OpenOrder
from engine.core.enums import OrderReport
from engine.execution.client_ids import client_order_id
from tests.unit.mexc.scripted import RUN_ID, Bench, fill

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

    def test_an_order_found_ended_by_the_last_question_is_settled(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.evidence, bench.adapter.failing = Evidence(report=OrderReport.CANCELED), 3
            assert await bench.resolved(after_cancel=True) == ["CANCELED"]
            assert "execution.unresolved" not in bench.recorder.counts

        bench_run(body)

    def test_a_mistake_of_the_adapter_is_told(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.adapter.query = None
            assert await bench.resolved() == []
            assert bench.recorder.counts["execution.failures"] == 1

        bench_run(body)


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

    def test_a_symbol_that_is_gone_keeps_nothing_else_from_trading(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.state_name = "EXECUTING"
            bench.adapter.symbol_gone = True
            bench.adapter.accounts = [AssetBalance("USDT", 7, 1)]
            await bench.reconciler.reconcile()
            assert bench.recorder.reports(1) == ["AMBIGUOUS"]
            assert bench.recorder.of("RECONCILED")
            assert bench.recorder.counts["execution.symbols_gone"] == 4
            await bench.resolver.close()

        bench_run(body)

    def test_listings_that_are_long_over_are_not_asked_about(self, bench_run: Run) -> None:
        async def body(bench: Bench) -> None:
            bench.order.is_open = False
            bench.recorder.core.fed = False
            bench.adapter.accounts = [AssetBalance("USDT", 7, 1)]
            await bench.reconciler.reconcile()
            assert bench.adapter.asked == ["account"]

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
