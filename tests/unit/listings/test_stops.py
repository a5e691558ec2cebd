"""Exits that the venue, the band or the gate stand against: a stop waits for no more than a moment, and nobody is left untold."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from engine.config import parse, resolve
from engine.config_plugins import plugin_problems
from engine.core import event
from engine.core.enums import Side
from engine.plugins import PluginError, check_limits
from strategies.ready_state import ReadyState
from strategies.ready_state.states import State
from tests.simulation import listings_world
from tests.simulation.listings_script import Play
from tests.simulation.listings_stage import OPENS, Stage
from tests.simulation.listings_world import MS, SECOND


def entered(**params: Any) -> Stage:
    """A position, whose market is the test's from now on."""
    stage = Stage(**{"hold_s": 3_000, **params})
    stage.until(-1 * MS)
    while stage.symbol not in stage.world.strategy.listings or stage.state is not State.MANAGING:
        stage.world.run(stage.world.now_ns + 100 * MS)
        assert stage.world.now_ns < OPENS + 60 * SECOND
    return stage


def quote(stage: Stage, percent: int, spread_ticks: int = 4) -> None:
    """The market's mid in percent of the entry."""
    assert stage.listing.entry is not None
    mid = stage.listing.entry.price_ticks * percent // 100
    half = spread_ticks // 2
    turn = stage.world.now_ns // MS % 2
    stage.world.quote(stage.symbol, {mid + half: 10**6 + turn}, {mid - half: 10**6 + turn})


def play(stage: Stage, percent: int, seconds: int) -> None:
    for _ in range(seconds * 10):
        quote(stage, percent)
        stage.world.run(stage.world.now_ns + 101 * MS)


def sales(stage: Stage) -> list[dict[str, Any]]:
    return [order for order in stage.world.place_log if order["side"] == Side.SELL]


@pytest.fixture
def own_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script's market ends with the entry."""
    tick = Play.tick

    def until_entered(self: Play) -> None:
        listing = self.world.strategy.listings.get(self.script.symbol)
        if listing is None or listing.state is not State.MANAGING:
            tick(self)

    monkeypatch.setattr(Play, "tick", until_entered)


pytestmark = pytest.mark.usefixtures("own_ticks")


def test_a_stop_does_not_wait_for_the_pauses_of_take_profits() -> None:
    stage = entered(take_profit="scalping")
    stage.world.refusals[stage.symbol] = lambda now, approved: 30087
    play(stage, 107, 150)
    listing = stage.listing
    assert listing.exit_step_ms >= 32_000
    assert listing.exit_retry_ms > stage.world.now_ns // MS + 2_000
    stage.world.refusals.clear()
    play(stage, 90, 1)
    assert stage.position == 0
    assert sales(stage)[-1]["lots"] == listing.sold_lots


def test_a_stop_that_is_refused_is_sent_again_within_its_short_cap() -> None:
    stage = entered(take_profit="none")
    stage.world.refusals[stage.symbol] = lambda now, approved: 30087
    play(stage, 90, 60)
    times = [order["at_ns"] for order in sales(stage)]
    assert len(times) > 40
    assert max(later - sooner for sooner, later in pairwise(times)) < 1_300 * MS
    # The first reaches below the bid; once the venue's band refused that, the bid itself is asked for.
    assert sales(stage)[0]["price"] < sales(stage)[1]["price"]
    assert len([text for text in stage.world.alerts if "outside of the price band" in text]) == 1


def halted(seconds: int = 100, **params: Any) -> Stage:
    """A stop that the venue refuses as it would all sales, in a market that stands still, for so long."""
    stage = entered(take_profit="none", **params)
    stage.world.refusals[stage.symbol] = lambda now, approved: 30016
    play(stage, 90, seconds)
    assert stage.position > 0
    return stage


def waits_ms(stage: Stage) -> int:
    """How long it is until the next try."""
    return stage.listing.exit_retry_ms - stage.world.now_ns // MS


def test_without_a_sign_a_halted_symbol_is_tried_ever_more_slowly() -> None:
    stage = halted()
    times = [order["at_ns"] for order in sales(stage)][-7:]
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert all(later > sooner * 1.8 for sooner, later in pairwise(pauses))
    assert 30 * SECOND < pauses[-1] < 34 * SECOND
    assert waits_ms(stage) > 20_000
    assert "30016" in stage.listing.exit_blocked


@pytest.mark.parametrize("sign", ["trade", "bid", "row"])
def test_a_sign_that_it_trades_has_the_stop_tried_at_once(sign: str) -> None:
    stage = halted()
    stage.world.refusals.clear()
    before = len(sales(stage))
    now_ns = stage.world.now_ns
    if sign == "trade":
        stage.trade()
    elif sign == "bid":
        quote(stage, 89)
    else:
        stage.world.change(stage.symbol, band_up_ppm=150_000)
    assert len(sales(stage)) == before + 1
    assert sales(stage)[-1]["at_ns"] == now_ns
    stage.world.run(now_ns + SECOND)
    assert stage.position == 0


@pytest.mark.parametrize("sign", ["trade", "bid"])
def test_signs_that_mean_nothing_cost_one_order_a_pause(sign: str) -> None:
    stage = halted()
    before, begin_ns = len(sales(stage)), stage.world.now_ns
    for turn in range(600):
        if sign == "trade":
            stage.trade()
        quote(stage, 80 + turn % 8 if sign == "bid" else 90)
        stage.world.run(stage.world.now_ns + 100 * MS)
    more = [order["at_ns"] for order in sales(stage)[before:]]
    assert more[0] == begin_ns
    assert len(more) == 12
    assert all(5_000 * MS <= later - sooner < 5_300 * MS for sooner, later in pairwise(more))
    # The signs end: it is as slow as before.
    play(stage, 90, 1)
    play(stage, 90, 9)
    assert waits_ms(stage) > 20_000


def test_a_sign_right_after_a_refusal_is_not_lost() -> None:
    """One trade, and then silence: the pause after the refusal is waited for by a timer."""
    stage = halted(64)
    while waits_ms(stage) < 30_000:
        play(stage, 90, 1)
    refused_ms = stage.listing.halted_ms
    stage.trade()
    stage.world.refusals.clear()
    before = len(sales(stage))
    stage.world.run((refused_ms + 4_999) * MS)
    assert len(sales(stage)) == before
    stage.world.run((refused_ms + 5_001) * MS)
    assert len(sales(stage)) == before + 1


def test_denials_that_pass_by_themselves_do_not_lengthen_the_pauses() -> None:
    stage = entered(take_profit="scalping")
    world, listing = stage.world, stage.listing
    world.push(event.feed(0, False, private=True))
    play(stage, 107, 30)
    assert stage.position > 0
    assert listing.note == "take profit: denied, RECONCILIATION_PENDING"
    assert listing.exit_retry_ms - world.now_ns // MS <= 250
    assert sales(stage) == []
    world.push(event.feed(0, True, private=True))
    world.push(event.reconciled())
    play(stage, 107, 1)
    assert sales(stage)


def test_a_bid_outside_of_the_band_is_told_once_and_tried_for_on_and_on() -> None:
    stage = entered(take_profit="none")
    for _ in range(300):
        quote(stage, 80, spread_ticks=stage.play.script.price // 2)
        stage.world.run(stage.world.now_ns + 100 * MS)
    assert stage.position > 0
    told = [text for text in stage.world.alerts if "outside of the price band" in text]
    assert len(told) == 1
    assert stage.memo["note"] == "cannot be sold: the bid is outside of the price band"
    play(stage, 80, 1)
    assert stage.position == 0


def test_a_sale_is_sent_at_the_edge_of_the_band_where_that_takes() -> None:
    """20 % under the mid is the band's floor; `band_margin_ppm` above it would leave out the bid."""
    stage = entered(take_profit="none", band_margin_ppm=100_000)
    assert stage.listing.entry is not None
    ask = stage.listing.entry.price_ticks
    bid = ask * 7 // 10  # 17.6 % under the mid
    for turn in range(20):
        stage.world.quote(stage.symbol, {ask: 10**6 + turn % 2}, {bid: 10**6 + turn % 2})
        stage.world.run(stage.world.now_ns + 100 * MS)
    assert stage.position == 0
    assert sales(stage)[0]["price"] <= bid


@pytest.mark.parametrize(("exit_slippage_ppm", "passes"), [(30_000, True), (30_001, False), (32_000, False)])
def test_an_exit_that_the_gate_would_deny_is_a_configuration_error(
    exit_slippage_ppm: int, passes: bool
) -> None:
    limits = {"max_slippage_bps": 300}
    stage = entered(limits=limits, take_profit="none", exit_slippage_ppm=exit_slippage_ppm)
    risk = {**listings_world.WIDE, **limits}
    if passes:
        stage.world.strategy.check_limits(risk)
    else:
        with pytest.raises(
            ValueError, match=r"risk\.max_slippage_bps = 300 allows 3 %.* to at least (301|320),"
        ):
            stage.world.strategy.check_limits(risk)
    for _ in range(20):  # at a price that ticks divide well
        stage.world.quote(stage.symbol, {40_010: 10**6}, {40_000: 10**6})
        stage.world.run(stage.world.now_ns + 100 * MS)
    assert (stage.position == 0) is (
        passes or exit_slippage_ppm == 30_001
    )  # less than a tick is rounded away
    if exit_slippage_ppm == 32_000:
        assert "SLIPPAGE" in stage.listing.note


@pytest.mark.parametrize("name", ["exit_slippage_ppm", "entry_slippage_ppm"])
@pytest.mark.parametrize("limit", ["max_slippage_bps", "price_collar_bps"])
def test_orders_that_reach_too_far_are_named_before_the_run(name: str, limit: str) -> None:
    text = f"""
        symbols = ["BTCUSDT"]
        [risk]
        price_collar_bps = 1000
        max_slippage_bps = 1000
        {limit} = 450
        [[strategy]]
        name = "ready_state"
        params = {{ {name} = 45_001 }}
    """.replace(f"{limit} = 1000\n", "")
    (problem,) = plugin_problems(parse(text))
    assert problem.path == "strategy[0].params"
    assert f"{name} = 45001 lets" in problem.what
    assert f"Raise risk.{limit} to at least 451, or lower {name} to at most 45000" in problem.what
    assert plugin_problems(parse(text.replace("45_001", "45_000"))) == []
    with pytest.raises(PluginError, match=r"strategy ReadyState: .*Raise risk"):
        check_limits([ReadyState(**{name: 45_001})], resolve(parse(text)))


def test_a_position_that_grew_over_the_limits_on_money_is_sold_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"max_order_notional": "12", "max_position_notional": "12", "proposer_budget_notional": "15"}
    monkeypatch.setattr(listings_world, "WIDE", {**listings_world.WIDE, **limits})
    stage = entered(max_position_usdt="10", take_profit="conservative")
    assert stage.position > 0
    play(stage, 300, 3)
    assert stage.position == 0
    assert sum(order["lots"] for order in sales(stage)) == stage.listing.bought_lots
