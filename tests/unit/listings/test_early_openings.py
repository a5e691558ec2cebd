"""ready_state where a symbol trades before its announced time: the exchange's row may say so, or public trades alone."""

from __future__ import annotations

import pytest

from engine.core.enums import EventKind, ListingSource
from strategies.ready_state.states import State
from tests.simulation.listings_script import MINUTE
from tests.simulation.listings_stage import ASKS, BIDS, OPENS, Stage, kinds_of
from tests.simulation.listings_world import MS, SECOND


def test_an_opening_before_its_time_is_taken() -> None:
    stage = Stage("early", delay_ns=-100 * SECOND).until(-90 * SECOND)
    assert len(stage.entries) == 1
    assert stage.entries[0]["at_ns"] < OPENS - 95 * SECOND


@pytest.mark.parametrize("tradable", [1, 2])
@pytest.mark.parametrize("seconds", [100, 30], ids=["ready", "armed"])
def test_a_trade_before_the_announced_time_is_an_opening(seconds: int, tradable: int) -> None:
    stage = Stage("never").until(-seconds * SECOND).open_before_its_time()
    stage.world.change(stage.symbol, tradable=tradable)
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.until(-(seconds - 5) * SECOND)
    assert stage.entries == []
    stage.trade()
    assert [order["at_ns"] for order in stage.entries] == [stage.world.now_ns]
    assert stage.until(-(seconds - 6) * SECOND).state is State.MANAGING
    assert stage.trade().until(0).listing.attempts == 1


def test_after_an_early_trade_the_first_book_with_both_sides_is_entered() -> None:
    stage = Stage("never").until(-30 * SECOND).open_before_its_time()
    stage.world.quote(stage.symbol, ASKS, {})
    stage.trade().until(-20 * SECOND)
    assert stage.entries == []
    stage.world.quote(stage.symbol, ASKS, BIDS)
    assert [order["at_ns"] for order in stage.entries] == [stage.world.now_ns]


def test_a_trade_of_what_the_api_may_not_trade_is_no_opening() -> None:
    stage = Stage("never").until(-30 * SECOND).open_before_its_time()
    stage.world.change(stage.symbol, tradable=0)
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.trade().until(-20 * SECOND)
    assert stage.entries == []
    assert stage.listing.opened_ms == 0
    stage.world.change(stage.symbol, tradable=2)
    stage.world.quote(stage.symbol, ASKS, {**BIDS, 49_800: 10_000})
    assert len(stage.entries) == 1


def test_an_early_trade_counts_in_its_session_only() -> None:
    stage = Stage("never").until(-30 * SECOND).open_before_its_time()
    stage.world.quote(stage.symbol, ASKS, {})
    stage.trade()
    stage.world.restart()
    stage.until(-20 * SECOND)
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.until(-10 * SECOND)
    assert stage.entries == []
    assert len(stage.trade().entries) == 1


def test_an_early_trade_does_not_outlive_a_postponement() -> None:
    stage = Stage("never").until(-30 * SECOND).open_before_its_time()
    stage.world.quote(stage.symbol, ASKS, {})
    stage.trade()
    stage.world.tell(ListingSource.CALENDAR, stage.symbol, open_time_ms=(OPENS + 30 * MINUTE) // MS)
    assert stage.state is State.POSTPONED
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.until(-10 * SECOND)
    assert stage.entries == []
    assert len(stage.trade().entries) == 1


@pytest.mark.parametrize("seconds", [100, 30], ids=["ready", "armed"])
def test_no_memo_is_written_in_the_event_of_an_entry(seconds: int) -> None:
    stage = Stage("never").until(-seconds * SECOND).open_before_its_time()
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.until(-(seconds - 5) * SECOND)
    stage.world.tell(ListingSource.FUTURES, stage.symbol, price=0)
    before = len(stage.world.records)
    stage.trade()
    kinds = kinds_of(stage.world.records[before:])
    assert kinds.count(EventKind.PLACE) == 1
    assert EventKind.MEMO not in kinds
    stage.until(-(seconds - 7) * SECOND)
    assert "FUTURES" in stage.memo["evidence"]
