"""Breakers stop what adds risk, and let out what takes it away."""

from __future__ import annotations

import pytest

from engine.core import event
from tests.core_session import BUY, LIMIT_MAKER, SELL, ready


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
