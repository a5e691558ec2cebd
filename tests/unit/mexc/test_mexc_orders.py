"""Executor, resolver and reconciliation over real sockets: nothing is sent twice, and what is unknown gets known."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.order_requests import OrderRequests
from engine.adapter import AdapterError, OrderRef
from engine.core.enums import OrderType, Side
from engine.execution.client_ids import client_order_id
from engine.execution.executor import Executor, ExecutorLimits
from engine.execution.reconcile import ReconcileLimits, Reconciler
from engine.execution.resolver import Resolver, ResolverLimits

Run = Callable[..., None]
FAST = ResolverLimits(first_wait_s=0.01, longest_wait_s=0.05, fill_wait_s=0.05)
# MXUSDT trades near 3.5 with 4 and 2 decimals: a passive and an aggressive buy within its band of 5 %.
PASSIVE, AGGRESSIVE, SIZE = 33_800, 36_200, 1000


class Desk:
    """Executor, resolver and reconciler around a rig."""

    def __init__(
        self, rig: Any, approved: Any, standing_order: Any, limits: ExecutorLimits | None = None
    ) -> None:
        self.rig, self.approved, self.standing_order = rig, approved, standing_order
        recorder, adapter = rig.recorder, rig.adapter
        self.resolver = Resolver(adapter, recorder, rig.run_id, FAST)
        self.executor = Executor(adapter, recorder, rig.run_id, self.resolver, limits)
        fast = ReconcileLimits(first_wait_s=0.01, longest_wait_s=0.05)
        self.reconciler = Reconciler(adapter, recorder, rig.run_id, self.resolver, lambda: 2, fast)
        self._answered = 0

    def place(self, order_no: int, price_ticks: int, order_type: int = OrderType.LIMIT, **fields: Any) -> Any:
        self.rig.recorder.core.known[order_no] = self.standing_order(
            order_no, instrument=1, placed_ns=self.rig.recorder.now_ns()
        )
        ticket = self.approved(
            order_no, instrument=1, side=Side.BUY, order_type=order_type,
            price_ticks=price_ticks, size_lots=SIZE, **fields,
        )  # fmt: skip
        self.executor.submit(ticket)
        return ticket

    def cancel(self, order_no: int) -> None:
        self.executor.submit(self.approved(order_no, instrument=1, is_cancel=True))

    def query_as_the_core_does(self) -> None:
        """The core asks about each order that became UNKNOWN."""
        updates = self.rig.recorder.of("ORDER_UPDATE")
        for update in updates[self._answered :]:
            if update["report"] == "AMBIGUOUS":
                self.executor.resolve(update["order_no"])
        self._answered = len(updates)

    async def until(self, *reports: str, order_no: int = 1) -> None:
        """Wait until all of these were reported of an order."""

        def there() -> bool:
            self.query_as_the_core_does()
            return set(reports) <= set(self.rig.recorder.reports(order_no))

        await self.rig.until(there)

    async def settled(self, order_no: int = 1) -> str:
        """The last report, once the order has ended and nothing is under way."""

        def there() -> bool:
            self.query_as_the_core_does()
            order = self.rig.recorder.core.known[order_no]
            return not order.is_open and not self.executor.under_way and not self.resolver.unresolved

        await self.rig.until(there)
        return str(self.rig.recorder.reports(order_no)[-1])

    def sent_once(self, *order_nos: int) -> bool:
        """Whether the venue got exactly one request for each of these orders, and no other."""
        wanted = sorted(client_order_id(self.rig.run_id, number) for number in order_nos)
        return sorted(self.rig.order_requests()) == wanted


@pytest.fixture
def desk_run(rig_run: Run, approved: Any, standing_order: Any) -> Run:
    """Run a coroutine with a desk on a started rig whose private feed is up."""

    def run(body: Callable[[Desk], Any], venue: dict[str, Any] | None = None, **config: Any) -> None:
        limits = config.pop("limits", None)

        async def with_desk(rig: Any) -> None:
            await rig.start()
            await rig.until(lambda: rig.recorder.feed_states(0) == [True])
            desk = Desk(rig, approved, standing_order, limits)
            try:
                await body(desk)
            finally:
                await desk.executor.close()

        rig_run(with_desk, venue, **config)

    return run


def test_only_an_approval_is_taken(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        for forged in (object(), None, SimpleNamespace(order_no=1, is_cancel=False, is_rehearsal=False)):
            with pytest.raises(TypeError, match="Approved"):
                desk.executor.submit(forged)  # type: ignore[arg-type]
        assert desk.sent_once()

    desk_run(body)


def test_an_order_works_and_is_cancelled(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, PASSIVE)
        await desk.until("WORKING")
        update = desk.rig.recorder.of("ORDER_UPDATE")[0]
        assert update["venue_order_id"]
        listed = await desk.rig.adapter.open_orders()
        assert [each.client_order_id for each in listed] == [client_order_id(desk.rig.run_id, 1)]
        desk.cancel(1)
        assert await desk.settled() == "CANCELED"
        assert await desk.rig.adapter.open_orders(1) == []
        assert desk.sent_once(1)
        assert desk.executor.sent == 1

    desk_run(body)


def test_a_fill_comes_with_price_fee_and_trade_id(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, AGGRESSIVE, OrderType.IOC)
        assert await desk.settled() in ("FILLED", "CANCELED")
        await desk.rig.until(lambda: desk.rig.recorder.of("FILL"))
        fill = desk.rig.recorder.of("FILL")[0]
        assert (fill["order_no"], fill["side"], fill["is_maker"]) == (1, "BUY", False)
        assert fill["money"] == fill["price_ticks"] * fill["size_lots"] * 10**14
        assert fill["fee"] > 0
        order = desk.rig.recorder.core.known[1]
        trades = await desk.rig.adapter.trades_since(1, 0)
        assert sum(trade.size_lots for trade in trades) == order.filled_lots
        assert {trade.trade_id for trade in trades} == {
            each["trade_id"] for each in desk.rig.recorder.of("FILL")
        }

    desk_run(body)


def test_a_refusal_is_reported_with_its_code(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, 70_000)
        assert await desk.settled() == "REJECTED"
        update = desk.rig.recorder.of("ORDER_UPDATE")[-1]
        assert update["venue_code"] == 30087
        assert update["text"].startswith("filter:")

    desk_run(body)


@pytest.mark.parametrize("order_type", [OrderType.FOK, OrderType.MARKET, OrderType.LIMIT_MAKER])
def test_every_order_type_is_accepted(desk_run: Run, order_type: int) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, PASSIVE if order_type == OrderType.LIMIT_MAKER else AGGRESSIVE, order_type)
        await desk.until("WORKING")
        assert desk.sent_once(1)

    desk_run(body)


def test_a_void_approval_sends_nothing(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.recorder.core.halt_epoch = 1
        desk.place(1, PASSIVE)
        assert await desk.settled() == "NEVER_ACCEPTED"
        desk.place(2, PASSIVE, halt_epoch=1, is_expired=True)
        assert await desk.settled(2) == "NEVER_ACCEPTED"
        texts = [each["text"] for each in desk.rig.recorder.of("ORDER_UPDATE")]
        assert texts == [
            "not sent: the approval of order 1 was voided by a halt",
            "not sent: the approval of order 2 expired before it was",  # as long as a text may be
        ]
        used = desk.place(3, PASSIVE, halt_epoch=1)
        await desk.until("WORKING", order_no=3)
        desk.executor.submit(used)
        await desk.until("NEVER_ACCEPTED", order_no=3)
        assert desk.sent_once(3)
        assert desk.rig.recorder.counts["execution.void"] == 3

    desk_run(body)


def test_a_full_queue_sends_nothing_and_cancels_still_go(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, PASSIVE)
        # The private feed may tell of the order before its own answer is here.
        await desk.rig.until(lambda: desk.rig.recorder.reports(1) and not desk.executor.under_way)
        desk.rig.fault("ack_delay", delay_ms=400)
        desk.place(2, PASSIVE)
        desk.place(3, PASSIVE)
        assert desk.rig.recorder.reports(3) == []
        await desk.until("NEVER_ACCEPTED", order_no=3)
        desk.cancel(1)
        await desk.until("CANCELED")
        await desk.until("WORKING", order_no=2)
        assert desk.sent_once(1, 2)
        assert desk.rig.recorder.counts["execution.queue_full"] == 1

    desk_run(body, limits=ExecutorLimits(parallel_places=1, pending_places=1))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("price", [PASSIVE, AGGRESSIVE])
def test_a_lost_answer_is_resolved_by_query_and_never_sent_again(
    desk_run: Run, cut: bool, price: int
) -> None:
    async def body(desk: Desk) -> None:
        # Without private pushes, only the query can tell.
        desk.rig.recorder.decoder = None
        desk.rig.fault("lost_ack", cut=cut, count=1)
        desk.place(1, price)
        await desk.until("AMBIGUOUS")
        await desk.rig.until(lambda: len(desk.rig.recorder.reports(1)) >= 2)
        reports = desk.rig.recorder.reports(1)
        assert reports[0] == "AMBIGUOUS"
        assert reports[1] in ("WORKING", "FILLED")
        assert desk.rig.recorder.of("ORDER_UPDATE")[1]["venue_order_id"]
        if price == AGGRESSIVE:
            lots = desk.rig.recorder.core.known[1].filled_lots
            assert lots > 0
            await desk.rig.until(
                lambda: sum(each["size_lots"] for each in desk.rig.recorder.of("FILL")) >= lots
            )
        assert desk.sent_once(1)

    desk_run(body)


def test_an_order_that_never_arrived_is_never_accepted_but_not_too_early(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        desk.rig.fault("http_5xx", match="/api/v3/order", count=1)
        began = loop.time()
        desk.place(1, PASSIVE)
        assert await desk.settled() == "NEVER_ACCEPTED"
        assert loop.time() - began >= 1.0
        assert loop.time() - began >= desk.rig.adapter.acceptance_window_ns() / 1e9 - 0.02
        assert desk.rig.recorder.reports(1) == ["AMBIGUOUS", "NEVER_ACCEPTED"]
        assert desk.rig.order_requests() == []

    desk_run(body)


def test_a_query_without_answer_is_asked_again(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.recorder.decoder = None
        desk.rig.fault("lost_ack", count=1)
        desk.rig.fault("http_5xx", count=4, at_s=0.0, match="/api/v3/openOrders")
        desk.place(1, PASSIVE)
        await asyncio.sleep(0.02)
        desk.rig.fault("html_403", count=3, match="/api/v3/order")
        await desk.until("WORKING")
        assert desk.sent_once(1)

    desk_run(body)


def test_an_unsent_order_is_told_as_such(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        pool = desk.rig.adapter._line.pool
        # One that is being accepted while the venue stops would stay open, without anybody at its other end.
        await desk.rig.until(lambda: pool.free == MexcConfig().order_connections)
        await desk.rig.venue.stop()
        await desk.rig.until(lambda: not pool.free)
        desk.place(1, PASSIVE)
        await desk.until("NEVER_ACCEPTED")

    desk_run(body)


@pytest.mark.parametrize("name", ["ack_after_fill", "ack_delay"])
def test_an_answer_behind_its_fill_ends_well(desk_run: Run, name: str) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.fault(name, delay_ms=80)
        desk.place(1, AGGRESSIVE)
        await desk.rig.until(lambda: "FILLED" in desk.rig.recorder.reports(1) and not desk.executor.under_way)
        assert desk.rig.recorder.of("FILL")
        assert desk.sent_once(1)

    desk_run(body)


def test_a_cancel_waits_for_its_orders_answer(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.fault("ack_delay", delay_ms=100)
        desk.place(1, PASSIVE)
        desk.cancel(1)
        assert await desk.settled() == "CANCELED"
        assert desk.rig.recorder.reports(1)[-1] == "CANCELED"

    desk_run(body)


def test_a_cancel_of_an_order_that_ended_sends_nothing(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, 70_000)
        desk.cancel(1)
        assert await desk.settled() == "REJECTED"
        desk.cancel(99)  # which the core does not know
        await desk.rig.until(lambda: not desk.executor.under_way)
        assert desk.rig.recorder.reports(99) == []

    desk_run(body)


def test_a_cancel_without_answer_is_repeated(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.place(1, PASSIVE)
        await desk.until("WORKING")
        desk.rig.fault("http_5xx", match="/api/v3/order", count=2)
        desk.cancel(1)
        assert await desk.settled() == "CANCELED"

    desk_run(body)


def test_a_cancel_that_never_gets_through_leaves_the_order_working(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.recorder.decoder = None
        desk.place(1, PASSIVE)
        await desk.until("WORKING")
        desk.rig.fault("http_5xx", match="/api/v3/order", count=4)
        desk.cancel(1)
        await desk.until("AMBIGUOUS", "CANCEL_REJECTED")
        assert desk.rig.recorder.core.known[1].is_open

    desk_run(body)


def test_a_cancel_of_a_filled_order_finds_the_fill(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        desk.rig.recorder.decoder = None
        desk.place(1, AGGRESSIVE)
        await desk.until("WORKING")
        desk.cancel(1)
        assert await desk.settled() == "FILLED"

    desk_run(body)


def test_reconciliation_takes_over_the_venues_truth(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        recorder = desk.rig.recorder
        desk.place(1, PASSIVE)
        desk.place(2, PASSIVE + 10)
        await desk.until("WORKING", order_no=1)
        await desk.until("WORKING", order_no=2)
        # The core slept: one order was cancelled and one filled meanwhile, and none was told.
        recorder.decoder = None
        order = recorder.core.known[2]
        ref = OrderRef(2, 1, client_order_id(desk.rig.run_id, 2))
        await desk.rig.adapter.cancel(ref)
        desk.place(3, AGGRESSIVE)
        await desk.until("WORKING", order_no=3)
        recorder.core.known[4] = desk.standing_order(4, instrument=1, placed_ns=recorder.now_ns())
        recorder.core.known[5] = desk.standing_order(5, instrument=0)
        recorder.core.known[5].is_open = False
        recorder.events.clear()
        found = await asyncio.wait_for(desk.reconciler.reconcile_until_done(), 5)
        assert (found.open_orders, found.asked_orders, found.foreign_orders) == (1, 3, 0)
        assert found.fills >= 1
        assert not order.is_open
        assert recorder.reports(1)[-1] == "WORKING"
        assert recorder.reports(2) == ["CANCELED"]
        assert recorder.reports(3) == ["FILLED"]
        assert recorder.reports(4)[0] == "AMBIGUOUS"
        kinds = [each["kind"] for each in recorder.events]
        assert kinds[-1] == "RECONCILED" or "RECONCILED" in kinds
        balances = {each["asset"]: each for each in recorder.of("BALANCE") if each["absolute"]}
        assert balances["MX"]["free"] > 20_000 * 10**20
        assert balances["USDT"]["locked"] > 0
        assert found.balances == len(balances)
        assert any(each["order_no"] == 3 for each in recorder.of("FILL"))
        # What the venue never had is resolved on its own.
        await desk.until("NEVER_ACCEPTED", order_no=4)

    desk_run(body)


def test_reconciliation_leaves_foreign_orders_alone_and_tells(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        params = {"symbol": "MXUSDT", "side": "BUY", "type": "LIMIT", "quantity": "10", "price": "3.4"}
        rest = desk.rig.adapter._rest
        await rest.signed("POST", "/api/v3/order", {**params, "newClientOrderId": "somebody"})
        await rest.signed(
            "POST", "/api/v3/order", {**params, "newClientOrderId": client_order_id(desk.rig.run_id, 77)}
        )
        found = await desk.reconciler.reconcile()
        assert (found.open_orders, found.foreign_orders) == (2, 1)
        assert desk.rig.recorder.counts["execution.foreign_orders"] == 1
        assert desk.rig.recorder.counts["execution.open_but_ended_here"] == 1
        assert len(await desk.rig.adapter.open_orders(1)) == 2

    desk_run(body)


def test_reconciliation_follows_each_return_of_the_private_feed(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        recorder = desk.rig.recorder
        running = asyncio.get_running_loop().create_task(desk.reconciler.run())
        await desk.rig.until(lambda: len(recorder.of("RECONCILED")) == 1)
        desk.rig.fault("http_5xx", match="/api/v3/account", count=2)
        desk.rig.fault("disconnect", count=1)
        await desk.rig.until(lambda: len(recorder.of("RECONCILED")) == 2)
        assert recorder.counts["execution.reconcile_retries"] == 2
        running.cancel()

    desk_run(body)


def test_a_key_that_is_refused_halts_trading(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        adapter = desk.rig.adapter
        adapter._line.requests = OrderRequests(adapter._config, Credentials("mx0-test", "wrong"))
        desk.place(1, PASSIVE)
        assert await desk.settled() == "REJECTED"
        halts = desk.rig.recorder.of("COMMAND")
        assert [each["command"] for each in halts] == ["HALT"]
        assert halts[0]["idempotency_id"] == "mexc-700002-1"

    desk_run(body)


def test_without_a_key_no_order_goes(desk_run: Run) -> None:
    async def body(desk: Desk) -> None:
        line, desk.rig.adapter._line = desk.rig.adapter._line, None
        desk.place(1, PASSIVE)
        assert await desk.settled() == "REJECTED"
        assert desk.rig.recorder.of("COMMAND")[0]["command"] == "HALT"
        assert desk.rig.order_requests() == []
        desk.rig.adapter._line = line

    desk_run(body)


def test_a_full_page_of_trades_is_split(desk_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(desk: Desk) -> None:
        for order_no in range(1, 7):
            desk.place(order_no, AGGRESSIVE, OrderType.IOC)
            await desk.settled(order_no)
        whole = await desk.rig.adapter.trades_since(1, 0)
        at_once = max(collections.Counter(trade.ts_event_ns for trade in whole).values())
        monkeypatch.setattr("adapters.mexc.adapter._TRADES_PAGE", at_once + 1)
        split = await desk.rig.adapter.trades_since(1, 0)
        assert [each.trade_id for each in split] == [each.trade_id for each in whole]
        assert len(whole) >= 6
        monkeypatch.setattr("adapters.mexc.adapter._TRADES_PAGE", 1)
        with pytest.raises(AdapterError, match="hidden"):
            await desk.rig.adapter.trades_since(1, 0)

    desk_run(body)


def test_symbols_that_are_not_there_are_named(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        with pytest.raises(Exception, match="no such symbol at MEXC: NOPEUSDT"):
            await rig.adapter.load_instruments(["MXUSDT", "NOPEUSDT"])
        with pytest.raises(Exception, match="listed twice"):
            await rig.adapter.load_instruments(["MXUSDT", "MXUSDT"])

    rig_run(body)
