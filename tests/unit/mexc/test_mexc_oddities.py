"""What MEXC does that one would not expect, on the real core against the local venue: the books balance all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.mexc.venue import rest_shapes
from backtest.exchange_types import OrderStatus
from engine.core.enums import OrderReport, OrderType
from engine.execution.ports import reference
from tests.unit.mexc.real_core import Daemon

Run = Callable[..., None]
KEY = "mx0-test"
LOTS = 1000


@pytest.fixture
def daemon_run(rig_run: Run) -> Run:
    """Run a coroutine with a daemon that is started; at the end nothing may have failed."""

    def run(body: Callable[[Any, Daemon], Any], venue: dict[str, Any] | None = None, **config: Any) -> None:
        async def with_daemon(rig: Any) -> None:
            daemon = Daemon(rig)
            await daemon.start()
            await body(rig, daemon)
            assert daemon.faults == []
            await daemon.end()

        rig_run(with_daemon, venue, **{"recv_window_ms": 2000, **config})

    return run


def account(rig: Any) -> Any:
    return rig.venue.state.exchange.accounts[KEY]


def venue_order(rig: Any, number: int) -> Any:
    """The venue's own record of an order, None before it has it."""
    return account(rig).by_client_id(f"{rig.run_id}-{number}")


async def agree(rig: Any, daemon: Daemon) -> None:
    """Wait until position and balances are the venue's, to the last unit."""

    def equal() -> bool:
        fills = rig.venue.state.fills[KEY]
        mine = [fill for fill in fills if fill.order.spec.symbol == "MXUSDT"]
        lots = sum(fill.size_lots if fill.order.side == 1 else -fill.size_lots for fill in mine)
        totals = {asset: each.free + each.locked for asset, each in account(rig).balances.items()}
        held = {asset: total for asset, (total, _) in daemon.core.balances().items()}
        return daemon.core.position_lots(0) == lots and all(
            held.get(asset, 0) == total for asset, total in totals.items()
        )

    try:
        await rig.until(equal, 8.0)
    except AssertionError:
        raise AssertionError(f"{daemon.core.balances()} {account(rig).balances}") from None


async def take(daemon: Daemon, order_type: int = OrderType.IOC, lots: int = LOTS) -> int:
    """Buy at the best ask and beyond."""
    core = daemon.core
    return await daemon.order(
        lambda hand: int(
            hand.buy(
                0, 0 if order_type == OrderType.MARKET else core.book(0).best_ask_ticks + 5, lots, order_type
            )
        )
    )


async def ended(rig: Any, daemon: Daemon, number: int) -> Any:
    await rig.until(lambda: not daemon.core.order(number).is_open)
    return daemon.core.order(number)


@pytest.mark.parametrize("pushed", [True, False], ids=["pushed", "asked"])
def test_a_part_of_an_order_is_cancelled(daemon_run: Run, pushed: bool) -> None:
    """Status PARTIALLY_CANCELED, 5 on the websocket: an end, with what was executed before."""

    async def body(rig: Any, daemon: Daemon) -> None:
        core = daemon.core
        open_states = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

        def more_than_there_is(hand: Any) -> int:
            limit = core.book(0).best_ask_ticks + 4
            there = sum(lots for ticks, lots in core.book(0).levels(2) if ticks <= limit)
            return int(hand.buy(0, limit, there + 5_000, OrderType.IOC))

        # The market may move meanwhile, and leave nothing or everything to be had.
        for _ in range(10):
            if not pushed:
                rig.fault("silent", match="private")
            number = await daemon.order(more_than_there_is)
            await rig.until(
                lambda: venue_order(rig, number) and venue_order(rig, number).status not in open_states  # noqa: B023
            )
            if not pushed:
                rig.clear()
                await rig.until(lambda: core.order(number).venue_order_id)  # noqa: B023
                await daemon.reconciler.reconcile_until_done()
            order = await ended(rig, daemon, number)
            await agree(rig, daemon)
            if venue_order(rig, number).status is OrderStatus.PARTIALLY_CANCELED:
                break
        assert venue_order(rig, number).status is OrderStatus.PARTIALLY_CANCELED
        assert order.is_canceled
        assert 0 < order.filled_lots < order.size_lots

    daemon_run(body)


def test_pushes_that_come_twice_count_once(daemon_run: Run) -> None:
    async def body(rig: Any, daemon: Daemon) -> None:
        hub = rig.venue.state.hub
        publish = hub.publish_private

        def twice(*message: Any) -> None:
            publish(*message)
            publish(*message)

        hub.publish_private = twice
        for _ in range(3):
            order = await ended(rig, daemon, await take(daemon))
            assert order.filled_lots > 0
            await asyncio.sleep(0.11)
        await agree(rig, daemon)

    daemon_run(body)


@pytest.mark.parametrize(
    "fault", [{"name": "ack_after_fill", "delay_ms": 80}, {"name": "lost_ack", "count": 1}]
)
def test_a_fill_before_its_answer_or_without_one_counts_once(daemon_run: Run, fault: dict[str, Any]) -> None:
    async def body(rig: Any, daemon: Daemon) -> None:
        rig.fault(**fault)
        order = await ended(rig, daemon, await take(daemon))
        assert order.filled_lots > 0
        await rig.until(lambda: daemon.executor is not None and not daemon.executor.under_way)
        await agree(rig, daemon)
        assert len(rig.order_requests()) == 1

    daemon_run(body)


def test_the_price_of_a_market_order_is_not_what_it_traded_at(daemon_run: Run) -> None:
    async def body(rig: Any, daemon: Daemon) -> None:
        number = await take(daemon, OrderType.MARKET)
        order = await ended(rig, daemon, number)
        found = await rig.adapter.query(reference(rig.run_id, order))
        record = rest_shapes.full(rig.venue.state.ids, venue_order(rig, number))
        assert found.report == OrderReport.FILLED
        average_ticks = found.cumulative_money // (found.cumulative_lots * 10**14)
        printed_ticks = int(record["price"].replace(".", "").ljust(5, "0"))
        assert abs(printed_ticks - average_ticks) > 100
        money = sum(fill.money for fill in rig.venue.state.fills[KEY])
        assert found.cumulative_money == money
        await agree(rig, daemon)

    daemon_run(body)


@pytest.mark.parametrize("fee_asset", ["quote", "received", "MX"])
def test_a_fee_in_any_asset_is_booked_there(daemon_run: Run, fee_asset: str) -> None:
    async def body(rig: Any, daemon: Daemon) -> None:
        await ended(rig, daemon, await take(daemon))
        await rig.until(lambda: rig.venue.state.fills[KEY])
        assert {fill.fee_asset for fill in rig.venue.state.fills[KEY]} == {
            "USDT" if fee_asset == "quote" else "MX"
        }
        assert all(fill.fee > 0 for fill in rig.venue.state.fills[KEY])
        await agree(rig, daemon)

    daemon_run(body, {"fee_asset": fee_asset})


def test_trades_that_are_listed_late_do_not_count_twice(daemon_run: Run) -> None:
    """An order is executed and its answer lost while pushes are silent; trades are listed 0.7 s late."""

    async def body(rig: Any, daemon: Daemon) -> None:
        rig.fault("silent", match="private")
        rig.fault("lost_ack", count=1)
        number = await take(daemon)
        await rig.until(lambda: venue_order(rig, number) and venue_order(rig, number).filled_lots > 0)
        rig.clear()
        await daemon.reconciler.reconcile_until_done()
        order = await ended(rig, daemon, number)
        assert order.filled_lots == venue_order(rig, number).filled_lots
        await agree(rig, daemon)
        await asyncio.sleep(1.0)
        await agree(rig, daemon)

    daemon_run(body, {"my_trades_delay_ms": 700})


def test_a_balance_that_is_not_listed_is_zero(daemon_run: Run) -> None:
    async def body(rig: Any, daemon: Daemon) -> None:
        assert daemon.core.balances()["MX"][0] > 0
        account(rig).balances["MX"].free = 0
        assert all(each.asset != "MX" for each in await rig.adapter.account())
        await daemon.reconciler.reconcile_until_done()
        assert daemon.core.balances()["MX"][0] == 0

    daemon_run(body)


def test_unknown_fields_and_numbers_for_strings_are_taken(
    daemon_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(shape: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def made(*arguments: Any) -> dict[str, Any]:
            answer = shape(*arguments)
            for name in ("executedQty", "cummulativeQuoteQty", "price", "qty", "quoteQty", "commission"):
                if name in answer:
                    answer[name] = float(answer[name])
            return {**answer, "tomorrow": {"nobody": ["knows", None]}}

        return made

    for name in ("ack", "full", "own_trade", "canceled"):
        monkeypatch.setattr(rest_shapes, name, odd(getattr(rest_shapes, name)))

    async def body(rig: Any, daemon: Daemon) -> None:
        core = daemon.core
        await ended(rig, daemon, await take(daemon))
        resting = await daemon.order(lambda hand: int(hand.buy(0, core.book(0).best_bid_ticks - 50, LOTS)))
        await rig.until(lambda: core.order(resting).venue_order_id)
        await daemon.reconciler.reconcile_until_done()
        found = await rig.adapter.trades_since(0, 0)
        assert [each.size_lots for each in found] == [each.size_lots for each in rig.venue.state.fills[KEY]]
        daemon.hand.wishes.append(lambda hand, book: hand.cancel(resting))
        order = await ended(rig, daemon, resting)
        assert order.is_canceled
        await agree(rig, daemon)

    daemon_run(body)


def test_a_refused_balance_reconciles_the_account(daemon_run: Run) -> None:
    """10101: our balances were wrong. The account is read again at once."""

    async def body(rig: Any, daemon: Daemon) -> None:
        rig.adapter.private_restored.clear()
        running = asyncio.get_running_loop().create_task(daemon.reconciler.run())
        account(rig).balances["USDT"].free = 10**20
        order = await ended(rig, daemon, await take(daemon))
        assert (order.state_name, order.venue_code) == ("FAILED", 10101)
        await rig.until(lambda: daemon.core.balances()["USDT"][0] == 10**20)
        running.cancel()

    daemon_run(body)
