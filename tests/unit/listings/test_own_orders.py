"""Strategy.order and Strategy.history: one's own orders, open and ended, and nobody else's."""

from __future__ import annotations

from engine.core.enums import OrderReport
from tests.core_session import BUY, COIN, SELL, ready


def test_a_strategy_finds_its_own_orders_and_no_others() -> None:
    session = ready(COIN, names=("one", "two"))
    first, _ = session.place(BUY, 9_990, 1_000)
    other, _ = session.place(BUY, 9_980, 1_000, puppet=1)
    last, _ = session.place(SELL, 10_020, 1_000)
    session.update(first, OrderReport.WORKING)
    session.fill(first, 400)
    session.update(
        first, OrderReport.CANCELED, cumulative_lots=400, cumulative_money=COIN.notional(9_990, 400)
    )
    one, two = session.puppets
    assert [order.order_no for order in one.history(0)] == [first, last]
    assert [order.order_no for order in two.history(0)] == [other]
    assert [order.order_no for order in one.orders(0)] == [last]
    ended = one.order(first)
    assert ended is not None
    assert (ended.filled_lots, ended.is_open, ended.state_name) == (400, False, "COMPLETED")
    assert one.order(other) is None
    assert one.order(10**9) is None
