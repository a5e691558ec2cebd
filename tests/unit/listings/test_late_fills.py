"""Whatever an order of a listing executes, and whenever that is told, is held, managed and told of: through the real core."""

from __future__ import annotations

import pytest

from engine.core import event
from engine.core.enums import OrderReport, Side
from strategies.ready_state.states import State
from tests.simulation.listings_stage import Stage
from tests.simulation.listings_world import MS, SECOND

HOLDS: dict[str, object] = {"take_profit": "none", "stop_loss_ppm": 900_000, "trailing_ppm": 0}


def refuse_first(stage: Stage, code: int = 10007, count: int = 1) -> list[int]:
    """The first entries are refused; their numbers come into the list that is returned."""
    refused: list[int] = []

    def code_of(now: int, approved: object) -> int:
        if getattr(approved, "side", 0) == Side.BUY and len(refused) < count:
            refused.append(approved.order_no)  # type: ignore[attr-defined]
            return code
        return 0

    stage.world.refusals[stage.symbol] = code_of
    return refused


def executed(stage: Stage, number: int, lots: int) -> None:
    """The venue tells that an order was executed after all; its market buys what is sold later."""
    world, instrument = stage.world, stage.world.engine.instrument_of(stage.symbol)
    spec = world.engine.spec(instrument)
    entry = stage.listing.entry
    price = entry.price_ticks if entry is not None else 50_000
    account = world.exchange.accounts["trader"]
    account.balance(spec.base).free += lots * 10 ** (20 - spec.size_decimals)
    world.push(
        event.order_update(
            number, OrderReport.FILLED, instrument=instrument, cumulative_lots=lots,
            cumulative_money=spec.notional(price, lots), venue_order_id=f"V{number}",
        )
    )  # fmt: skip


def late(stage: Stage) -> list[str]:
    return [text for text in stage.world.alerts if "executed late" in text]


def test_a_late_fill_of_an_earlier_attempt_is_managed_with_the_position() -> None:
    stage = Stage(hold_s=60, **HOLDS)
    refused = refuse_first(stage)
    stage.until(20 * SECOND)
    assert stage.state is State.MANAGING
    before = stage.listing.held_lots
    executed(stage, refused[0], 500)
    assert stage.listing.held_lots == stage.position == before + 500
    assert len(late(stage)) == 1
    assert f"{before + 500} lots are held" in late(stage)[0]
    stage.until(120 * SECOND)
    assert stage.position == 0
    assert stage.state is State.RECONCILED


def test_a_late_fill_of_an_earlier_attempt_outlives_a_restart() -> None:
    stage = Stage(hold_s=60, **HOLDS)
    refused = refuse_first(stage, count=3)
    stage.until(20 * SECOND)
    for number in refused:
        executed(stage, number, 300)
    held = stage.position
    stage.world.restart()
    assert stage.listing.held_lots == stage.position == held
    stage.until(120 * SECOND)
    assert stage.position == 0
    assert stage.state is State.RECONCILED


def test_an_earlier_attempt_executed_after_a_restart_is_managed() -> None:
    stage = Stage(hold_s=60, **HOLDS)
    refused = refuse_first(stage)
    stage.until(20 * SECOND)
    stage.world.restart()
    stage.until(25 * SECOND)
    executed(stage, refused[0], 500)
    assert stage.listing.held_lots == stage.position
    assert len(late(stage)) == 1
    stage.until(120 * SECOND)
    assert stage.position == 0


def test_a_late_fill_while_the_next_attempt_is_due_ends_the_entering() -> None:
    stage = Stage(retry_ms=5_000, retry_max_ms=5_000, hold_s=60, **HOLDS)
    refused = refuse_first(stage, count=10)
    while not refused:
        stage.world.run(stage.world.now_ns + 100 * MS)
    stage.world.run(stage.world.now_ns + 1 * SECOND)
    executed(stage, refused[0], 500)
    assert stage.state is State.MANAGING
    assert len(late(stage)) == 1
    stage.world.run(stage.world.now_ns + 20 * SECOND)
    assert len(stage.entries) == 1
    assert stage.listing.held_lots == stage.position == 500
    stage.until(120 * SECOND)
    assert stage.position == 0


@pytest.mark.parametrize("restart", [False, True])
def test_a_fill_after_the_end_begins_the_exits_again(restart: bool) -> None:
    stage = Stage(hold_s=30, **HOLDS)
    refused = refuse_first(stage)
    stage.until(100 * SECOND)
    assert stage.state is State.RECONCILED
    assert not stage.world.feeds
    if restart:
        stage.world.restart()
    executed(stage, refused[0], 500)
    assert stage.state is State.MANAGING
    assert stage.listing.held_lots == stage.position == 500
    assert len(late(stage)) == 1
    stage.until(160 * SECOND)
    assert stage.position == 0
    assert stage.state is State.RECONCILED


def test_a_fill_after_a_blocked_entry_is_managed() -> None:
    stage = Stage(hold_s=30, **HOLDS)
    refused = refuse_first(stage, code=10101)
    stage.until(30 * SECOND)
    assert stage.memo["result"] == "blocked: refused, 10101"
    executed(stage, refused[0], 500)
    assert stage.state is State.MANAGING
    stage.until(160 * SECOND)
    assert stage.position == 0
    assert stage.state is State.RECONCILED


def test_a_fill_of_a_listing_that_is_forgotten_is_found_again() -> None:
    stage = Stage(hold_s=30, keep_finished_s=60, **HOLDS)
    refused = refuse_first(stage)
    stage.until(200 * SECOND)
    world = stage.world
    assert world.strategy.listings == {}
    instrument = world.engine.instrument_of(stage.symbol)
    spec = world.engine.spec(instrument)
    world.exchange.accounts["trader"].balance(spec.base).free += 500 * 10 ** (20 - spec.size_decimals)
    world.push(
        event.order_update(
            refused[0], OrderReport.FILLED, instrument=instrument, cumulative_lots=500,
            cumulative_money=spec.notional(50_000, 500), venue_order_id="V1",
        )
    )  # fmt: skip
    assert stage.state is State.MANAGING
    assert stage.listing.held_lots == stage.position == 500
    assert len(late(stage)) == 1
    stage.until(260 * SECOND)
    assert stage.position == 0


def test_a_late_fill_of_an_old_exit_is_not_sold_again() -> None:
    stage = Stage(hold_s=15, exit_retry_ms=50, stop_retry_max_ms=50, **HOLDS)
    stage.until(10 * SECOND)
    held = stage.position
    refused: list[int] = []

    def refuse_exits(now: int, approved: object) -> int:
        refused.append(approved.order_no)  # type: ignore[attr-defined]
        return 30087

    stage.world.refusals[stage.symbol] = refuse_exits
    stage.until(40 * SECOND)
    assert len(refused) > 20
    assert len(stage.listing.exits) <= 10
    instrument = stage.listing.instrument
    spec = stage.world.engine.spec(instrument)
    stage.world.push(
        event.order_update(
            refused[0], OrderReport.FILLED, instrument=instrument, cumulative_lots=refused_lots(stage, refused[0]),
            cumulative_money=spec.notional(50_000, held), venue_order_id="V1",
        )
    )  # fmt: skip
    assert stage.position == 0
    assert stage.listing.held_lots == 0
    sent = len(stage.world.place_log)
    stage.world.refusals.clear()
    stage.until(60 * SECOND)
    assert len(stage.world.place_log) - sent <= 1
    assert stage.state is State.RECONCILED


def refused_lots(stage: Stage, number: int) -> int:
    return int(next(order["lots"] for order in stage.world.place_log if order["no"] == number))
