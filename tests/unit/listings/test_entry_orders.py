"""Entries that meet resistance: refusals that pass, somebody who was first, cancels that fail, books too thin for MARKET."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from engine.core.enums import OrderReport, OrderType, Side
from strategies.ready_state.states import State
from tests.simulation.listings_script import Play
from tests.simulation.listings_stage import Stage
from tests.simulation.listings_world import MS, SECOND, World


def refuse_once(stage: Stage, code: int) -> None:
    refused: list[int] = []

    def code_of(now: int, approved: object) -> int:
        if refused:
            return 0
        refused.append(code)
        return code

    stage.world.refusals[stage.symbol] = code_of


@pytest.mark.parametrize(("code", "pause_ms"), [(700003, 50), (429, 1_000), (510, 1_000), (30029, 1_000)])
def test_a_refusal_that_passes_is_tried_again(code: int, pause_ms: int) -> None:
    stage = Stage()
    refuse_once(stage, code)
    stage.until(20 * SECOND)
    first, second = stage.entries
    assert second["at_ns"] - first["at_ns"] >= pause_ms * MS
    assert stage.state is State.MANAGING


def test_refusals_that_pass_are_bounded_by_the_attempts() -> None:
    stage = Stage(max_attempts=4)
    stage.world.refusals[stage.symbol] = lambda now, approved: 429
    stage.until(55 * SECOND)
    assert len(stage.entries) == 4
    assert stage.memo["result"] == "blocked: refused, 429, 4 times"


@pytest.mark.parametrize("code", [30032, 700006])
def test_other_refusals_end_it(code: int) -> None:
    stage = Stage()
    refuse_once(stage, code)
    stage.until(20 * SECOND)
    assert len(stage.entries) == 1
    assert stage.memo["result"] == f"blocked: refused, {code}"


def test_two_strategies_do_not_enter_the_same_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "more_names", ("other",))
    stage = Stage().until(20 * SECOND)
    assert len(stage.entries) == 1
    states = {stage.state, stage.world.others[0].listings[stage.symbol].state}
    assert State.MANAGING in states
    blocked = next(
        each.listings[stage.symbol]
        for each in (stage.world.strategy, stage.world.others[0])
        if each.listings[stage.symbol].state is not State.MANAGING
    )
    assert blocked.result == "blocked: denied, DUPLICATE_INTENT: it was entered already"


@pytest.mark.parametrize("answer", ["lost", "rejected"])
def test_a_resting_entry_is_cancelled_until_it_is_gone(answer: str) -> None:
    stage = Stage(order_type="LIMIT", entry_slippage_ppm=1)
    world = stage.world
    cancel, sent = world.cancel, []

    def fail(approved: Any) -> None:
        sent.append(world.now_ns)
        if len(sent) > 5:
            cancel(approved)
            return
        if answer == "lost":
            # Its order is then found working: so the resolver tells that the cancel did nothing.
            world.report(approved.order_no, OrderReport.AMBIGUOUS)
        world.after(
            100 * MS, lambda: world.report(approved.order_no, OrderReport.CANCEL_REJECTED, venue_code=-1)
        )

    world.cancel = fail  # type: ignore[method-assign]
    thin_out(stage)
    stage.until(60 * SECOND)
    assert len(sent) == 6
    gaps = [later - sooner for sooner, later in pairwise(sent)]
    assert min(gaps) >= 400 * MS
    assert gaps[-1] > 5 * SECOND
    assert stage.listing.live_entry is None
    assert not world.engine.open_orders(stage.listing.instrument)


def thin_out(stage: Stage) -> None:
    """The asks are gone as soon as an order is on its way: a LIMIT rests, an IOC finds nothing."""
    world, send = stage.world, stage.world.send

    def send_and_thin(approved: Any) -> None:
        send(approved)
        if not approved.is_cancel and approved.side == Side.BUY:
            stage.play.mid = stage.play.mid * 11 // 10

            def quote() -> None:
                world.quote(stage.symbol, {stage.play.mid + 10: 10**6}, {stage.play.mid - 10: 10**6})

            world.at(world.now_ns, quote)

    world.send = send_and_thin  # type: ignore[method-assign]


@pytest.mark.parametrize(("lots_at_ask", "kind"), [(10**6, OrderType.MARKET), (100, OrderType.IOC)])
def test_a_market_order_is_sent_only_where_our_book_fills_it_within_the_money(
    lots_at_ask: int, kind: OrderType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 USDT at 0.5 are 1,000 lots: beyond the few at the ask, a deep level costs 5 % more."""

    def tick(self: Play) -> None:
        mid = self.script.price
        self.world.quote(self.script.symbol, {mid: lots_at_ask, mid * 105 // 100: 10**7}, {mid - 10: 10**6})

    monkeypatch.setattr(Play, "tick", tick)
    stage = Stage(order_type="MARKET").until(20 * SECOND)
    assert [order["type"] for order in stage.entries] == [kind]
    assert stage.listing.entry is not None
    assert 0 < stage.listing.entry.filled_money <= 50 * 10**20
    assert stage.state is State.MANAGING


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"max_spread_ppm": 1}, "the spread is over max_spread_ppm"),
        (
            {"band_margin_ppm": 999_999, "entry_slippage_ppm": 500_000},
            "the ask is outside of the venue's price band",
        ),
    ],
)
def test_a_listing_that_waits_for_a_price_says_why(params: dict[str, Any], why: str) -> None:
    stage = Stage(**params).until(20 * SECOND)
    assert stage.entries == []
    assert stage.state is State.OPENING
    assert stage.memo["note"] == f"waits for a price: {why}"
