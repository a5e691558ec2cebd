"""Breakers stop what adds risk, and let out what takes it away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.core import event
from tests.core_session import BUY, COIN, LIMIT_MAKER, MONEY, SELL, ready


@pytest.mark.parametrize("limit", ["max_daily_loss", "max_drawdown", "max_volatility_bps"])
def test_an_open_breaker_lets_the_position_out(limit: str) -> None:
    session = ready(**{limit: 100 if limit == "max_volatility_bps" else "5"})
    number, _ = session.place(BUY, 10_000, 1_000, LIMIT_MAKER)
    session.fill(number, 1_000)
    session.book(bids=[(8_990, 5_000)], asks=[(9_010, 5_000)])
    if limit == "max_volatility_bps":
        version = session.engine.books[0].version + 1
        asks = [(9_010, 0), (9_410, 5_000)]
        session.push(event.delta(0, version, version, asks, [(8_990, 0), (9_390, 5_000)]))
    for side, size, denied in ((BUY, 10, True), (SELL, 1_000, False), (SELL, 1, True)):
        _, denial = session.place(side, 8_900, size)
        assert (denial is not None) == denied
        assert denial is None or denial["reason"].startswith("BREAKER_")


def test_no_limit_on_money_keeps_a_position_in() -> None:
    """What was bought within the limits is sold in one order, though it is worth three times as much by now."""
    session = ready(COIN, max_order_notional="100.1", max_fees_per_day="0.06", proposer_budget_notional="101")
    session.push(event.instrument(replace(COIN, taker_fee_ppm=500)))
    number, denied = session.place(BUY, 10_000, 1_000, LIMIT_MAKER)
    assert denied is None
    session.fill(number, 1_000, fee=5 * MONEY // 100)
    session.book(bids=[(29_990, 50_000)], asks=[(30_010, 50_000)])
    assert session.place(BUY, 29_990, 4)[1] is not None
    assert session.place(SELL, 29_990, 1_000)[1] is None


def test_fees_of_several_assets_are_not_mixed() -> None:
    session = ready()
    number, _ = session.place(BUY, 10_010, 1_000)
    session.fill(number, 400, fee=MONEY, fee_asset="MX", trade_id="a")
    session.fill(number, 400, fee=3 * MONEY, fee_asset="AAA", trade_id="b")
    session.fill(number, 200, fee=4 * MONEY, fee_asset="MX", trade_id="c")
    assert session.engine.order(number).base_fees == 3 * MONEY
