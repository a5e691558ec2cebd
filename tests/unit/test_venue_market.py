"""The venue's made market and its faults, without sockets."""

from __future__ import annotations

import random
from statistics import median

import pytest

from adapters.mexc.venue.config import FaultConfig, VenueConfig
from adapters.mexc.venue.faults import FaultInjector
from adapters.mexc.venue.market_seeded import STEP_NS, SeededMarket
from adapters.mexc.venue.numbers import padded, parse_scaled, trimmed
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import CancelRequest, PlaceRequest
from engine.core.enums import OrderType, Side

SECOND_NS = 1_000_000_000


def made_market(seed: int) -> tuple[VenueState, SeededMarket]:
    config = VenueConfig(clock="manual", private_push_delay_ms=0, seed=seed)
    state = VenueState(config)
    market = SeededMarket(state, config.seeded, seed)
    market.start(state.clock.now_ns())
    return state, market


def test_the_market_is_lively_and_its_spreads_are_several_ticks_wide() -> None:
    state, market = made_market(5)
    began = {name: feed.version for name, feed in state.feeds.items()}
    spreads: dict[str, list[int]] = {name: [] for name in state.feeds}
    for _ in range(30 * 100):
        market.step(state.clock.step(STEP_NS))
        for name, feed in state.feeds.items():
            bid, ask = feed.book.bids.best(), feed.book.asks.best()
            if bid is not None and ask is not None:
                spreads[name].append(ask.price_ticks - bid.price_ticks)
    for name, feed in state.feeds.items():
        assert (feed.version - began[name]) / 30 > 50
        assert len(feed.trades) > 30
        assert len(spreads[name]) > 2900 and min(spreads[name]) > 0
        assert 3 <= median(spreads[name]) <= 100


def test_who_quotes_inside_the_spread_is_filled_on_both_sides() -> None:
    state, market = made_market(6)
    exchange, account = state.exchange, state.exchange.accounts["mx0-demo"]
    book = exchange.books["SOLUSDT"]
    for step in range(60 * 100):
        now_ns = state.clock.step(STEP_NS)
        market.step(now_ns)
        bid, ask = book.bids.best(), book.asks.best()
        if step % 20 or bid is None or ask is None or ask.price_ticks - bid.price_ticks < 3:
            continue
        for number in list(account.open_orders):
            exchange.cancel(now_ns, CancelRequest("mx0-demo", number))
        for side, ticks in ((Side.BUY, bid.price_ticks + 1), (Side.SELL, ask.price_ticks - 1)):
            order = PlaceRequest("mx0-demo", "SOLUSDT", side, OrderType.LIMIT_MAKER, 500, ticks)
            exchange.place(now_ns, order)
    fills = state.fills["mx0-demo"]
    assert {fill.order.side for fill in fills} == set(Side) and len(fills) > 30
    assert all(fill.is_maker for fill in fills)


def test_the_same_seed_and_steps_make_the_same_trades() -> None:
    def trades(seed: int) -> list[tuple[str, str, str]]:
        state, market = made_market(seed)
        for _ in range(500):
            market.step(state.clock.step(STEP_NS))
        return [
            (name, deal.price, deal.quantity) for name, feed in state.feeds.items() for deal in feed.trades
        ]

    assert trades(1) == trades(1) != trades(2)


def test_a_fault_keeps_to_its_time_count_and_subject() -> None:
    faults = FaultInjector(random.Random(1))
    faults.add(0, FaultConfig(name="gap", at_s=1, for_s=2, count=2, match="BTC"))
    strikes = [
        (second, subject)
        for second in range(5)
        for subject in ("BTCUSDT", "ETHUSDT")
        if faults.hit("gap", second * SECOND_NS, subject)
    ]
    assert strikes == [(1, "BTCUSDT"), (2, "BTCUSDT")]
    assert faults.listing()[0]["hits"] == 2
    assert faults.hit("duplicate", 0) is None


def test_a_probability_is_kept_to_and_repeats_with_its_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        faults = FaultInjector(random.Random(seed))
        faults.add(0, FaultConfig(name="gap", probability=0.2))
        return [faults.hit("gap", 0) is not None for _ in range(1000)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 150 < sum(strikes(1)) < 250


def test_decimal_texts_are_exact_both_ways() -> None:
    assert parse_scaled("60000.10", 2) == parse_scaled("60000.1000", 2) == 6_000_010
    assert (padded(5, 8), trimmed(500_000_000, 8), trimmed(5, 0), padded(-15, 1)) == (
        "0.00000005",
        "5",
        "5",
        "-1.5",
    )
    for bad in ("1.234", "", "-1", "1e5", ".5", "1.", "١", "1 ", "0x1", "1" * 31):
        with pytest.raises(ValueError, match="decimal"):
            parse_scaled(bad, 2)
