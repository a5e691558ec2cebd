"""Settings, entry prices, memos, refusals, explanations: the parts of ready_state by themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.enums import ListingSource, OrderType
from engine.core.instrument import InstrumentSpec
from strategies.ready_state import memo
from strategies.ready_state.entry import entry_cap, entry_lots, entry_price, plan_entry
from strategies.ready_state.evidence import Evidence
from strategies.ready_state.explain import activity_boost, activity_points, advance_opportunity
from strategies.ready_state.listing import RECORDS_KEPT, IllegalTransition, Listing, OrderRecord, pruned
from strategies.ready_state.managing import plan_for
from strategies.ready_state.settings import Settings
from strategies.ready_state.states import FINAL, HOLDING, TRANSITIONS, WAITING, State
from tests.core_session import MONEY

SPEC = InstrumentSpec(
    "NEWUSDT", "NEW", "USDT", 4, 1, band_up_ppm=200_000, min_notional=MONEY, max_notional=1_000 * MONEY
)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"max_position_usdt": 50.0}, "never a float"),
        ({"max_position_usdt": "-1"}, "above 0"),
        ({"max_position_usdt": "much"}, "no amount"),
        ({"order_type": "STOP"}, "order_type must be one of"),
        ({"take_profit": "moon"}, "no preset"),
        ({"take_profit": [[100, 600_000], [200, 600_000]]}, "more than the whole position"),
        ({"take_profit": [[200, 1], [100, 1]]}, "gains must grow"),
        ({"codes": [[2, 2, 4, "sure", 0, 85]]}, "codes"),
        ({"max_attempts": 0}, "max_attempts must be at least 1"),
        ({"arm_lead_s": 999}, "arm_lead_s"),
        ({"stop_loss_ppm": 1_000_000}, "stop_loss_ppm must be under"),
        ({"retry_growth_percent": 90}, "retry_growth_percent"),
    ],
)
def test_settings_that_cannot_be_are_named(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**params)


def test_a_take_profit_of_ones_own_is_taken() -> None:
    assert Settings(take_profit=[[50_000, 500_000]]).phases == ((50_000, 500_000),)


# States.


def test_every_state_has_its_row_and_final_ones_lead_nowhere() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {State.RECONCILED, State.CANCELLED, State.STALE} == FINAL
    assert not FINAL & HOLDING
    assert not WAITING & FINAL


def test_every_state_can_be_reached_and_can_end() -> None:
    reached, ends = {State.ANNOUNCED}, set(FINAL)
    for _ in State:
        reached |= {target for state in reached for target in TRANSITIONS[state]}
        ends |= {state for state, targets in TRANSITIONS.items() if targets & ends}
    assert reached == set(State)
    assert ends == set(State)


@given(st.lists(st.sampled_from(State), max_size=60))
def test_no_way_outside_of_the_table_is_taken(wanted: list[State]) -> None:
    listing = Listing("NEWUSDT", 1)
    for number, state in enumerate(wanted):
        before = listing.state
        if state in TRANSITIONS[before]:
            listing.move(state, number)
            assert (listing.state, listing.since_ms) == (state, number)
        else:
            with pytest.raises(IllegalTransition):
                listing.move(state, number)
            assert listing.state is before


def test_an_attempt_has_a_key_of_its_own_and_the_same_one_after_a_restart() -> None:
    keys = set()
    for listing_id in ("a" * 32, "b" * 32, ""):
        for generation in range(3):
            for attempts in range(20):
                one = Listing("NEWUSDT", 1, listing_id=listing_id, generation=generation, attempts=attempts)
                other = Listing("NEWUSDT", 9, listing_id=listing_id, generation=generation, attempts=attempts)
                assert one.attempt_key() == other.attempt_key() != 0
                keys.add(one.attempt_key())
    assert len(keys) == 180


# Entry.


@given(
    bid=st.integers(1, 10**6), spread=st.integers(1, 10**5), first=st.integers(1, 10**6),
    band=st.sampled_from([0, 5_000, 20_000, 200_000]), at_ask=st.booleans(),
)  # fmt: skip
def test_an_entry_is_priced_within_band_cap_and_slippage_or_not_at_all(
    bid: int, spread: int, first: int, band: int, at_ask: bool
) -> None:
    settings = Settings(max_spread_ppm=10**9)
    spec = InstrumentSpec("NEWUSDT", "NEW", "USDT", 4, 1, band_up_ppm=band, tick_step=3)
    plan = plan_entry(0, spec, settings)
    cap, ask = entry_cap(plan, first, settings), bid + spread
    price = entry_price(plan, bid, ask, cap, settings, at_ask=at_ask)
    if not price:
        return
    assert ask <= price <= cap
    assert price % 3 == 0
    assert price * 1_000_000 <= ask * 1_020_000
    if band:
        assert 2 * price * 1_000_000 <= (bid + ask) * (1_000_000 + band)
    lots = entry_lots(plan, price)
    assert spec.notional(price, lots) <= 50 * MONEY


def test_a_wide_spread_is_waited_out() -> None:
    plan = plan_entry(0, SPEC, Settings())
    assert entry_price(plan, 10_000, 10_150, 11_000, Settings(), at_ask=False) > 10_150
    assert entry_price(plan, 10_000, 10_250, 11_000, Settings(), at_ask=False) == 0


def test_the_futures_price_bounds_the_entry() -> None:
    settings = Settings(max_premium_ppm=100_000)
    plan = plan_entry(0, SPEC, settings, futures_price=MONEY)  # 1.0 is 10,000 ticks
    assert entry_cap(plan, 10_900, settings) == 11_000
    assert entry_cap(plan, 10_000, settings) == 10_200


def test_an_order_type_that_the_venue_does_not_take_is_not_planned() -> None:
    no_market = InstrumentSpec(
        "NEWUSDT", "NEW", "USDT", 4, 1, order_types=1 << OrderType.LIMIT | 1 << OrderType.IOC
    )
    limit_only = InstrumentSpec("NEWUSDT", "NEW", "USDT", 4, 1, order_types=1 << OrderType.LIMIT)
    assert plan_entry(0, SPEC, Settings(order_type="MARKET")).order_type == OrderType.MARKET
    assert plan_entry(0, no_market, Settings(order_type="MARKET")).order_type == OrderType.IOC
    assert plan_entry(0, limit_only, Settings()).order_type == OrderType.LIMIT


# Memos.


def held(exits: int) -> Listing:
    listing = Listing("NEWUSDT", 7, State.MANAGING, 1_790_000_000_000, "a" * 32, 2, 1_790_000_000_000)
    listing.opened_ms, listing.attempts, listing.last_no, listing.cap_ticks = 1_790_000_000_001, 3, 41, 12_345
    listing.entry = OrderRecord(40, 450, 11_000, 400, 400 * 11_000 * 10**15, 1, "attempt 3", False)
    listing.exit_plan = plan_for(listing, SPEC, Settings(), 1_790_000_000_500)
    listing.exits = [OrderRecord(41 + i, 100, 12_000, 50, 10**20, why="take profit") for i in range(exits)]
    listing.sold_lots, listing.proceeds, listing.switched = 100, 123 * MONEY, True
    listing.note = "n" * 500
    return listing


@pytest.mark.parametrize("exits", [0, 1, 8])
def test_a_memo_tells_people_and_a_restart_the_same_within_its_limit(exits: int) -> None:
    listing = held(exits)
    evidence = Evidence(
        "NEWUSDT", 0, seen_ns=dict.fromkeys(map(int, ListingSource), 1_790_000_000_000_000_000)
    )
    value = memo.encode(listing, evidence, 975, SPEC)
    assert len(value) <= 1000
    told = json.loads(value)
    assert told["state"] == "MANAGING"
    assert told["entry"]["filled"] == "40.0"
    assert told["entry"]["avg"] == "1.1"
    assert told["confidence"] == 975
    assert len(told["evidence"]) == len(ListingSource)
    back = memo.decode("NEWUSDT", value, 3)
    same = (
        "state", "since_ms", "listing_id", "generation", "open_ms", "opened_ms", "attempts", "last_no", "cap_ticks",
        "sold_lots", "proceeds", "switched", "repriced", "bought_lots",
    )  # fmt: skip
    assert {name: getattr(back, name) for name in same} == {name: getattr(listing, name) for name in same}
    assert back.entry is not None
    assert listing.entry is not None
    assert (back.entry.no, back.entry.filled_money) == (listing.entry.no, listing.entry.filled_money)
    plan = memo.restore_plan(back, value, SPEC, Settings().trailing_ppm)
    assert plan == listing.exit_plan
    live = listing.live_exit
    assert (back.live_exit is None) == (live is None)
    if live is not None and back.live_exit is not None:
        assert (back.live_exit.no, back.live_exit.why) == (live.no, live.why)


def test_executions_of_earlier_attempts_come_through_a_memo_within_its_limit() -> None:
    listing = held(8)
    listing.earlier = [
        OrderRecord(20 + i, 10**9, 11_000, 10**9, 10**9 * 11_000 * 10**15, i, is_open=False)
        for i in range(10)
    ]
    evidence = Evidence(
        "NEWUSDT", 0, seen_ns=dict.fromkeys(map(int, ListingSource), 1_790_000_000_000_000_000)
    )
    value = memo.encode(listing, evidence, 975, SPEC)
    assert len(value) <= 1000
    back = memo.decode("NEWUSDT", value, 3)
    assert (back.bought_lots, back.filled_money) == (listing.bought_lots, listing.filled_money)
    newest = back.find(29)
    assert newest is not None
    assert newest.filled_lots == 10**9


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2)), max_size=60))
def test_no_record_of_an_order_that_is_open_or_executed_something_is_dropped(
    orders: list[tuple[bool, int]],
) -> None:
    records = [OrderRecord(i, 5, 1, lots, is_open=is_open) for i, (is_open, lots) in enumerate(orders)]
    kept = pruned(records)
    assert [each for each in kept if not each.is_idle] == [each for each in records if not each.is_idle]
    idle = [each for each in records if each.is_idle]
    assert [each for each in kept if each.is_idle] == idle[-RECORDS_KEPT:]


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"state":"LOST","since_ms":1,"open_ms":1}', b"\xff"])
def test_a_memo_that_is_none_of_ours_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        memo.decode("NEWUSDT", value, 1)


# Explanations.


def test_activities_give_the_published_points() -> None:
    assert activity_points([]) == 0
    assert activity_points(["AIRDROP"]) == 8
    assert activity_points(["AIRDROP", "LAUNCH_EVENT"]) == 20
    assert activity_points(["SOMETHING"]) == 5
    assert activity_boost("MEXC will list Abc (ABC)") == 250
    assert activity_boost("Maintenance of the wallet") == 0


def test_the_advance_opportunity_gives_its_vector() -> None:
    tuesday_10h = 1_783_418_400_000
    assert advance_opportunity("Quantum AI", tuesday_10h, tuesday_10h - 6 * 3_600_000) == 970
    assert advance_opportunity("Quantum AI", tuesday_10h, tuesday_10h - 3 * 3_600_000) == 0
