"""The schedules of a thousand generated listings, without sockets and without a market that moves."""

from __future__ import annotations

import itertools
import random
from typing import get_args

import pytest

from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.config_symbols import (
    PRE_READY_CODES,
    READY_CODES,
    ListingConfig,
    OpeningConfig,
    Outcome,
)
from adapters.mexc.venue.listings import Listing, Listings, Step, schedule
from adapters.mexc.venue.listings_generated import GeneratedConfig, generated_listings
from adapters.mexc.venue.market_opening import STEPS_PER_S, Opening
from adapters.mexc.venue.market_seeded import SeededMarket
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import SymbolStatus
from engine.core.enums import Side

STEP_MS = 250


def venue(count: int, **changes: object) -> tuple[VenueState, Listings]:
    generated = {"count": count, "first_open_s": 30, "every_s": 0.5, **changes}
    config = VenueConfig.model_validate(
        {"clock": "manual", "symbols": ["MXUSDT"], "generated_listings": generated}
    )
    state = VenueState(config)
    return state, Listings(state, SeededMarket(state, config.seeded, config.seed))


def test_generated_listings_are_the_same_each_time_and_of_every_kind() -> None:
    config = GeneratedConfig(count=1000)
    found = generated_listings(config, 7)
    assert found == generated_listings(config, 7) != generated_listings(config, 8)
    assert len({listing.symbol for listing in found}) == 1000
    assert {listing.outcome for listing in found} == set(get_args(Outcome))
    assert all(earlier.open_s < later.open_s for earlier, later in itertools.pairwise(found))
    for listing in found:
        times = [listing.announce_s, listing.at_s("web_s"), listing.at_s("list_s")]
        assert times == sorted(times) and times[-1] < listing.open_s
        assert listing.spec().min_lots >= 1


def test_every_listing_keeps_to_its_outcome() -> None:
    state, listings = venue(1000, life_s=None)
    configs = {name: listing.config for name, listing in listings.by_symbol.items()}
    opened_ms: dict[str, int] = {}
    for _ in range(600 * 1000 // STEP_MS):
        now_ms = state.clock.step(STEP_MS * 1_000_000) // 1_000_000
        listings.advance(state.clock.now_ns())
        for name, symbol in state.symbols.items():
            if name in configs and name not in opened_ms and symbol.status is SymbolStatus.TRADING:
                opened_ms[name] = now_ms
                check_opening(configs[name], listings.by_symbol[name], now_ms)
    assert len(opened_ms) == sum(config.outcome != "cancelled" for config in configs.values())
    for name, config in configs.items():
        check_end(state, listings, name, config)


def check_opening(config: ListingConfig, listing: Listing, now_ms: int) -> None:
    late_ms = now_ms - listing.opens_ms
    assert 0 <= late_ms <= STEP_MS, "it opens when it should"
    shift_ms = listing.opens_ms - listing.open_ms
    told = {"early": shift_ms < 0, "late": shift_ms > 0}
    assert told.get(config.outcome, shift_ms == 0), "what was announced last is true, but for early and late"
    assert listing.codes in (*PRE_READY_CODES, READY_CODES)


def check_end(state: VenueState, listings: Listings, name: str, config: ListingConfig) -> None:
    symbol, outcome = state.symbols.get(name), config.outcome
    if outcome == "cancelled":
        assert symbol is None and name not in listings.by_symbol and name not in listings.offline
        return
    assert symbol is not None
    assert symbol.tradable is (outcome != "not_api_tradable")
    assert symbol.status is (SymbolStatus.PAUSED if outcome == "paused" else SymbolStatus.TRADING)
    assert ("MARKET" in symbol.order_types) is (outcome != "no_market_orders")
    assert symbol.band == (config.moved_band if outcome == "band_moved" else config.band)
    expected = outcome.removesuffix("_suspended") if outcome.endswith("_suspended") else "none"
    assert symbol.suspended == expected
    assert listings.by_symbol[name].codes == READY_CODES


def test_lived_out_listings_are_delisted() -> None:
    state, listings = venue(50, life_s=5)
    for _ in range(120):
        state.clock.step(1_000_000_000)
        listings.advance(state.clock.now_ns())
    assert set(state.symbols) == {"MXUSDT"} and not listings.by_symbol
    told = len(listings.offline)
    assert 0 < told <= 50  # those that were cancelled are not told


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_schedule_opens_once_or_is_cancelled(outcome: Outcome) -> None:
    config = ListingConfig(
        symbol="AUSDT",
        base="A",
        price_decimals=4,
        size_decimals=1,
        start_price="1",
        open_s=100,
        outcome=outcome,
    )
    steps = [(at_s, step) for at_s, step, _ in schedule(config)]
    assert [at_s for at_s, step in steps if step is Step.OPEN] == [config.opens_s]
    cancels = [at_s for at_s, step in steps if step is Step.CANCEL]
    assert bool(cancels) is (outcome == "cancelled") and all(at_s < 100 for at_s in cancels)
    lists = next(at_s for at_s, step in steps if step is Step.LIST)
    allows = [at_s for at_s, step in steps if step is Step.ALLOW]
    assert lists == 50 and allows == ([] if outcome == "not_api_tradable" else [90])


def test_an_opening_runs_as_far_as_it_should_and_fills_each_place_once() -> None:
    config = OpeningConfig(run_ppm=-300_000, calm_s=5, one_sided_ms=50, spread_times=7)
    opening = Opening(config, random.Random(3), 1_000_000)
    moved, times, filled = 0, [], {side: [] for side in Side}
    alone = 0
    while not opening.is_over:
        moved += opening.drift()
        times.append(opening.times())
        alone += opening.is_one_sided
        for side in Side:
            places = list(opening.to_fill(side, 10))
            assert opening.allows(side) or not places
            filled[side] += places
        opening.next_step()
    assert moved == -300_000 and len(times) == 5 * STEPS_PER_S
    assert times[0] == 7 and times == sorted(times, reverse=True) and times[-1] == 1
    assert alone == 5 and all(places == list(range(10)) for places in filled.values())
