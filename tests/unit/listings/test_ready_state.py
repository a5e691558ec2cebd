"""ready_state by what it does, one listing at a time: the real core, gate and matching engine under a virtual clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from backtest.exchange_types import SymbolStatus
from engine.core import event
from engine.core.enums import CommandKind, EventKind, ListingChange, ListingSource, Side
from strategies.ready_state.states import State
from tests.simulation.listings_script import MINUTE, Play, Script
from tests.simulation.listings_stage import ASKS, BIDS, OPENS, Stage, kinds_of
from tests.simulation.listings_world import MS, SECOND, World


def test_a_listing_goes_from_the_first_word_to_the_last_exit() -> None:
    stage = Stage("on_time", hold_s=120)
    seen = []
    for second in range(-1_700, 300):
        stage.until(second * SECOND)
        if stage.symbol in stage.world.strategy.listings and (not seen or seen[-1] is not stage.state):
            seen.append(stage.state)
    assert seen == [
        State.ANNOUNCED, State.PRE_READY, State.READY, State.ARMED, State.OPENING, State.MANAGING, State.CLOSED,
        State.RECONCILED,
    ]  # fmt: skip
    assert stage.memo["state"] == "RECONCILED"
    assert stage.memo["result"].endswith("USDT before fees")
    assert set(stage.memo["evidence"]) >= {"CALENDAR", "WEB", "EXCHANGE_INFO", "MARKET_DATA"}
    assert len(stage.entries) == 1
    assert stage.position == 0


def test_it_is_armed_a_minute_before_and_not_sooner() -> None:
    stage = Stage().until(-61 * SECOND)
    assert stage.state is State.READY
    assert stage.world.feeds
    assert stage.until(-59 * SECOND).state is State.ARMED
    assert stage.until(-400 * MS).state is State.OPENING
    assert stage.entries == []


def test_the_first_book_is_answered_in_its_own_event() -> None:
    stage = Stage().until(-1 * MS)
    stage.until(5 * SECOND)
    assert stage.entries[0]["at_ns"] - OPENS < 2 * SECOND  # the first book may have one side only
    assert stage.entries[0]["lots"] * stage.entries[0]["price"] <= 50 * 10**6


def test_one_web_site_alone_makes_nothing_ready() -> None:
    stage = Stage("one_source").until(-1 * SECOND)
    assert stage.state is State.PRE_READY
    assert Stage("one_source", min_sources=1).until(-100 * SECOND).state is State.READY


def test_a_source_that_is_down_makes_nothing_ready_and_takes_nothing_back() -> None:
    stage = Stage().until(-3 * MINUTE)
    assert stage.state is State.READY
    down = event.listing(ListingSource.CALENDAR, ListingChange.SOURCE_DOWN, text="403")
    stage.world.push(down)
    stage.world.push(event.listing(ListingSource.WEB, ListingChange.SOURCE_DOWN, text="changed shape"))
    assert stage.until(-2 * MINUTE).state is State.READY
    late = Stage().until(-29 * MINUTE)
    late.world.push(down)
    late.world.push(event.listing(ListingSource.WEB, ListingChange.SOURCE_DOWN, text="changed shape"))
    assert late.until(-3 * MINUTE).state is State.PRE_READY
    late.world.push(event.listing(ListingSource.WEB, ListingChange.SOURCE_UP))
    assert late.until(-2 * MINUTE).state is State.READY


def test_a_time_that_moves_away_disarms_and_arms_again() -> None:
    stage = Stage("never").until(-20 * SECOND)
    assert stage.state is State.ARMED
    moved = (OPENS + 30 * MINUTE) // MS
    stage.world.tell(ListingSource.CALENDAR, stage.symbol, open_time_ms=moved, listing_id="x")
    assert stage.state is State.POSTPONED
    assert "moved by +1800 s" in stage.memo["note"]
    assert stage.until(10 * MINUTE).state is State.POSTPONED
    assert stage.until(29 * MINUTE + 30 * SECOND).state is State.ARMED
    assert stage.listing.rearmed == 1


def test_a_book_before_the_exchange_opens_it_is_no_opening() -> None:
    """Online, with orders in its book, and a time of its own that lies ahead."""
    stage = Stage().until(-100 * SECOND)
    stage.world.change(stage.symbol, tradable=1)
    stage.world.quote(stage.symbol, ASKS, BIDS)
    stage.until(-1 * SECOND)
    assert stage.entries == []
    assert stage.state is State.ARMED
    stage.until(10 * SECOND)
    assert len(stage.entries) == 1
    assert stage.entries[0]["at_ns"] >= OPENS - 500 * MS


def test_the_memo_follows_evidence_and_time_without_a_change_of_state() -> None:
    world = World(1, {"baseline_s": 1})
    world.tell(ListingSource.ANNOUNCEMENT, "OLDUSDT", text="an old one")
    world.run(world.now_ns + 2 * SECOND)
    world.tell(ListingSource.ANNOUNCEMENT, "N0001USDT", text="MEXC will list it")
    world.run(world.now_ns + 100 * MS)
    assert json.loads(world.strategy.memos()["N0001USDT"])["open_ms"] == -1
    written = len(world.records)
    world.tell(ListingSource.CALENDAR, "N0001USDT", open_time_ms=OPENS // MS)
    world.run(world.now_ns + 1 * SECOND)
    memo = json.loads(world.strategy.memos()["N0001USDT"])
    assert (memo["state"], memo["open_ms"]) == ("ANNOUNCED", OPENS // MS)
    assert set(memo["evidence"]) == {"ANNOUNCEMENT", "CALENDAR"}
    for _ in range(
        50
    ):  # a source that changes its mind ten times a second, and then again what it said at first
        world.tell(ListingSource.CALENDAR, "N0001USDT", open_time_ms=(OPENS + world.now_ns % MINUTE) // MS)
        world.run(world.now_ns + 100 * MS)
    assert 5 <= kinds_of(world.records[written:]).count(EventKind.MEMO) <= 7
    world.run(world.now_ns + 10 * SECOND)
    assert (
        json.loads(world.strategy.memos()["N0001USDT"])["open_ms"]
        == world.strategy.listings["N0001USDT"].open_ms
    )


def test_a_late_one_is_waited_for_within_the_window_and_no_longer() -> None:
    stage = Stage("late", delay_ns=300 * SECOND).until(299 * SECOND)
    assert stage.state is State.OPENING
    assert stage.until(310 * SECOND).state is State.MANAGING
    stale = Stage("never").until(601 * SECOND)
    assert stale.state is State.STALE
    assert stale.memo["result"] == "stale: it did not open in time"


def test_what_vanishes_is_cancelled_and_listed_anew_later() -> None:
    stage = Stage("never").until(-10 * SECOND)
    for source in (ListingSource.CALENDAR, ListingSource.WEB):
        stage.world.lose(source, stage.symbol)
    assert stage.state is not State.CANCELLED
    stage.world.lose(ListingSource.EXCHANGE_INFO, stage.symbol)
    assert stage.state is State.CANCELLED
    assert not stage.world.feeds
    again = (OPENS + 60 * MINUTE) // MS
    stage.world.tell(ListingSource.CALENDAR, stage.symbol, open_time_ms=again)
    stage.until(1 * SECOND)
    assert (stage.state, stage.listing.generation) == (State.ANNOUNCED, 1)


def test_offline_cancels() -> None:
    stage = Stage("never").until(-100 * SECOND)
    stage.world.tell(ListingSource.OFFLINE, stage.symbol)
    assert stage.state is State.CANCELLED


def test_symbols_that_traded_all_along_are_no_listings() -> None:
    world = World(1, {})
    for number in range(50):
        facts = {"status": 1, "api_allowed": 1, "trade_side_type": 1, "order_types": 62}
        world.tell(ListingSource.EXCHANGE_INFO, f"OLD{number}USDT", open_time_ms=1_600_000_000_000, **facts)
        world.tell(ListingSource.WEB, f"OLD{number}USDT", venue_codes=(2, 2, 4))
        if number % 2:
            world.tell(ListingSource.MARKET_DATA, f"OLD{number}USDT")
    world.run(world.now_ns + 110 * SECOND)
    assert world.strategy.listings == {}
    for number in range(0, 50, 2):
        world.tell(ListingSource.MARKET_DATA, f"OLD{number}USDT")  # it trades seldom
    world.run(world.now_ns + 10 * SECOND)
    assert world.strategy.listings == {}
    world.tell(
        ListingSource.EXCHANGE_INFO, "NEWUSDT", status=1, api_allowed=1, trade_side_type=1, order_types=62
    )
    world.tell(
        ListingSource.EXCHANGE_INFO, "NEWEUR", status=1, api_allowed=1, trade_side_type=1, order_types=62
    )
    world.run(world.now_ns + 1 * SECOND)
    assert list(world.strategy.listings) == ["NEWUSDT"]


def refusing(stage: Stage, code: Callable[[int, Any], int]) -> None:
    stage.world.refusals[stage.symbol] = code


def test_not_yet_is_tried_again_with_growing_pauses_within_bounds() -> None:
    stage = Stage(max_attempts=6, retry_ms=100, retry_growth_percent=200)
    refusing(stage, lambda now, approved: 10007)
    stage.until(50 * SECOND)
    times = [order["at_ns"] for order in stage.entries]
    assert len(times) == 6
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert all(gap >= 100 * MS * 2**number for number, gap in enumerate(gaps))
    assert stage.state is State.RECONCILED
    assert stage.memo["result"] == "blocked: refused, 10007, 6 times"
    assert len({order["no"] for order in stage.entries}) == 6


def test_not_yet_and_then_open_is_entered_once() -> None:
    stage = Stage()
    refusing(stage, lambda now, approved: 30000 if now < OPENS + 3 * SECOND else 0)
    stage.until(20 * SECOND)
    assert stage.state is State.MANAGING
    filled = [order for order in stage.orders if order.is_buy and order.filled_lots]
    assert len(filled) == 1
    assert stage.listing.attempts == len(stage.entries) > 1


@pytest.mark.parametrize("code", [10101, 30027, 700002, 33333])
def test_other_refusals_block_at_once(code: int) -> None:
    stage = Stage()
    refusing(stage, lambda now, approved: code)
    stage.until(10 * SECOND)
    assert len(stage.entries) == 1
    assert stage.memo["result"] == f"blocked: refused, {code}"


def test_a_refused_market_order_goes_out_once_as_one_with_a_limit() -> None:
    stage = Stage(order_type="MARKET")
    refusing(stage, lambda now, approved: 30019 if approved.order_type == 2 else 0)
    stage.until(10 * SECOND)
    assert [order["type"] for order in stage.entries] == [2, 4]
    assert stage.state is State.MANAGING


def test_a_limit_outside_of_the_band_is_priced_anew_once() -> None:
    stage = Stage()
    refusing(stage, lambda now, approved: 30087 if approved.side == Side.BUY else 0)
    stage.until(10 * SECOND)
    assert len(stage.entries) == 2
    assert stage.entries[1]["price"] == stage.entries[1]["best_ask"] <= stage.entries[0]["price"]
    assert stage.memo["result"] == "blocked: refused, 30087"


def test_while_an_entry_is_unknown_there_is_no_other() -> None:
    stage = Stage()
    stage.world.ack_loss_percent = 100
    stage.world.settle = lambda number: None  # type: ignore[method-assign]
    stage.until(30 * SECOND)
    assert stage.state is State.UNKNOWN
    assert len(stage.entries) == 1
    assert stage.memo["state"] == "UNKNOWN"


def test_max_concurrent_trades_holds_others_back() -> None:
    world = World(3, {"max_concurrent_trades": 1, "hold_s": 2_000})
    for number in (1, 2):
        Play(world, Script(number, "on_time", OPENS, OPENS, 50_000, "flat", is_thin=False, has_flag=False))
    world.run(OPENS + 70 * SECOND)
    states = sorted(listing.state for listing in world.strategy.listings.values())
    assert states == [State.MANAGING, State.RECONCILED]
    assert len({order["symbol"] for order in world.place_log}) == 1


def test_the_paper_delay_holds_the_entry_back() -> None:
    stage = Stage(real_data_delay_s=5).until(20 * SECOND)
    assert stage.entries[0]["at_ns"] >= OPENS + 5 * SECOND


def test_a_live_run_takes_no_paper_delay_before_and_after_a_restart() -> None:
    stage = Stage(is_live=True, real_data_delay_s=5).until(-30 * SECOND)
    stage.world.restart()
    stage.until(4 * SECOND)
    assert stage.entries[0]["at_ns"] < OPENS + 3 * SECOND
    assert stage.world.strategy.is_live
    assert not Stage().world.strategy.is_live


def test_a_halted_symbol_is_told_of_once_and_sold_when_it_can_be() -> None:
    stage = Stage(hold_s=30)
    stage.until(10 * SECOND)
    assert stage.position > 0
    stage.world.exchange.change_symbol(stage.symbol, status=SymbolStatus.PAUSED)
    stage.world.change(stage.symbol, tradable=0)
    stage.until(90 * SECOND)
    assert stage.position > 0
    told = [text for text in stage.world.alerts if "cannot be sold" in text]
    assert len(told) == 1
    assert stage.memo["note"].startswith("cannot be sold")
    stage.play.resume()
    stage.until(300 * SECOND)
    assert stage.position == 0


def test_a_restart_goes_on_with_the_exits() -> None:
    stage = Stage(hold_s=60, take_profit="none", stop_loss_ppm=900_000)
    stage.until(10 * SECOND)
    plan = stage.listing.exit_plan
    assert stage.position > 0
    assert plan is not None
    stage.world.restart()
    assert stage.state is State.MANAGING
    assert stage.listing.exit_plan == replace(plan, high_ticks=stage.listing.exit_plan.high_ticks)
    stage.until(100 * SECOND)
    assert stage.position == 0
    assert stage.state is State.RECONCILED
    assert len(stage.entries) == 1


@pytest.mark.parametrize("later_ms", [0, 60])
@pytest.mark.parametrize("outcome", ["on_time", "early"])
def test_a_crash_between_order_and_memo_loses_nothing_and_enters_no_second_time(
    outcome: str, later_ms: int
) -> None:
    """The journal ends right behind the order, which had not left yet, or was executed. An early one was not armed."""
    stage = Stage(outcome, delay_ns=-100 * SECOND if outcome == "early" else 0, hold_s=60)
    stage.until(-100 * SECOND - 1 * MS)
    while not stage.entries:
        stage.world.run(stage.world.now_ns + 1 * MS)
    stage.world.run(stage.world.now_ns + later_ms * MS)
    kinds = kinds_of(stage.world.records)
    del stage.world.records[kinds.index(EventKind.PLACE) + 1 :]
    stage.world.restart()
    assert stage.listing.entry is not None
    assert (stage.position > 0) == (later_ms > 0)
    stage.until(100 * SECOND)
    filled = [number for number, truth in stage.world.truth.items() if truth["lots"]]
    entered = [order["no"] for order in stage.entries if order["no"] in filled]
    assert len(entered) == 1
    assert stage.position == 0
    assert stage.state is State.RECONCILED


def test_a_finished_listing_and_its_memo_are_forgotten_in_time() -> None:
    stage = Stage("never", keep_finished_s=100).until(650 * SECOND)
    assert stage.state is State.STALE
    stage.until(750 * SECOND)
    assert stage.world.strategy.listings == {}
    assert stage.world.strategy.memos() == {}


def test_nothing_new_is_followed_before_all_sources_had_their_say() -> None:
    world = World(1, {})
    world.tell(ListingSource.CALENDAR, "OLDUSDT", open_time_ms=OPENS // MS)
    world.tell(ListingSource.CALENDAR, "NEWUSDT", open_time_ms=OPENS // MS)
    world.run(world.now_ns + 30 * SECOND)
    world.tell(ListingSource.MARKET_DATA, "OLDUSDT")
    assert world.strategy.listings == {}
    world.run(world.now_ns + 31 * SECOND)
    assert list(world.strategy.listings) == ["NEWUSDT"]


def test_what_was_entered_once_is_not_entered_again_by_a_session_that_forgot_it() -> None:
    stage = Stage(hold_s=30, keep_finished_s=60).until(300 * SECOND)
    assert stage.world.strategy.listings == {}
    assert len(stage.entries) == 1
    later = (OPENS + 20 * MINUTE) // MS
    stage.world.restart()
    stage.world.tell(ListingSource.CALENDAR, stage.symbol, open_time_ms=later)
    stage.until(25 * MINUTE)
    assert len(stage.entries) == 1


def test_a_halt_blocks_entries() -> None:
    stage = Stage().until(-10 * SECOND)
    stage.world.push(event.command(CommandKind.HALT))
    stage.until(10 * SECOND)
    assert stage.entries == []
    assert stage.memo["result"] == "blocked: denied, HALTED"


def test_no_more_listings_are_followed_than_there_is_room_for() -> None:
    world = World(1, {"max_listings": 3})
    for number in range(6):
        world.tell(ListingSource.CALENDAR, f"N{number}USDT", open_time_ms=OPENS // MS)
    world.run(world.now_ns + 61 * SECOND)
    assert len(world.strategy.listings) == 3
    assert world.strategy.unfollowed == 3


def test_a_name_that_is_no_ascii_is_counted_and_survived() -> None:
    world = World(1, {})
    world.tell(ListingSource.CALENDAR, "币安人生USDT", open_time_ms=OPENS // MS)
    world.run(world.now_ns + 1 * SECOND)
    assert world.strategy.listings == {}
    assert world.strategy.board.ignored == 1


def test_no_more_symbols_are_kept_than_there_is_room_for() -> None:
    world = World(1, {"max_symbols": 2})
    for number in range(4):
        world.tell(ListingSource.CALENDAR, f"N{number}USDT", open_time_ms=OPENS // MS)
    assert world.strategy.board.ignored == 2
    assert world.strategy.board.columns.capacity == 2
