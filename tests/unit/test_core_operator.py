"""FLATTEN: what is open is cancelled, what is held is sold or bought back, within the gate's limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.core import event
from engine.core.enums import CommandKind, OrderReport
from engine.core.operator import ATTEMPTS, Operator
from tests.core_session import BUY, COIN, IOC, MONEY, SELL, Session, ready

OTHER = replace(COIN, symbol="BBBUSDT", base="BBB", source=1)


def holding(lots: int, **limits: Any) -> Session:
    """A session that holds so many lots (negative: short) of AAA, with an operator."""
    session = ready(COIN, OTHER, **limits)
    session.engine.attach_operator(Operator(session.engine))
    number, denied = session.place(BUY if lots > 0 else SELL, 10_010 if lots > 0 else 9_990, abs(lots), IOC)
    assert denied is None
    session.fill(number, abs(lots))
    assert session.engine.position_lots(0) == lots
    return session


def due(session: Session, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The outputs of the timers that were set."""
    timers = [each for each in outputs if each["kind"] == "SET_TIMER"]
    session.now_ns = max([session.now_ns, *(each["due_ns"] for each in timers)])
    return [
        out
        for each in timers
        for out in session.push(event.timer(each["timer_id"], each["strategy"], each["due_ns"]))
    ]


def flatten(session: Session, instrument: int = -1) -> list[dict[str, Any]]:
    return session.command(CommandKind.FLATTEN, instrument=instrument)


@pytest.mark.parametrize(("lots", "side", "price"), [(1_000, "SELL", 9_941), (-1_000, "BUY", 10_060)])
def test_a_position_is_closed_by_one_order_as_far_as_slippage_allows(
    lots: int, side: str, price: int
) -> None:
    session = holding(lots, max_slippage_bps=50)
    outputs = due(session, flatten(session, 0))
    (sent,) = [each for each in outputs if each["kind"] == "PLACE"]
    assert (sent["side"], sent["order_type"], sent["size_lots"], sent["price_ticks"]) == (
        side,
        "IOC",
        abs(lots),
        price,
    )
    told = session.fill(sent["order_no"], abs(lots))
    assert session.engine.position_lots(0) == 0
    assert "AAAUSDT is flat" in [each.get("text") for each in told]


def test_what_is_open_is_cancelled_first() -> None:
    session = holding(1_000)
    resting, _ = session.place(BUY, 9_900, 100)
    outputs = flatten(session)
    assert [each["order_no"] for each in outputs if each["kind"] == "CANCEL"] == [resting]
    waiting = due(session, outputs)
    assert [each["kind"] for each in waiting] == ["SET_TIMER"]
    session.update(resting, OrderReport.CANCELED)
    assert [each["side"] for each in due(session, waiting) if each["kind"] == "PLACE"] == ["SELL"]


def test_the_rest_of_a_partial_fill_follows() -> None:
    session = holding(1_000)
    (first,) = [each for each in due(session, flatten(session)) if each["kind"] == "PLACE"]
    session.fill(first["order_no"], 400)
    (second,) = [
        each for each in session.update(first["order_no"], OrderReport.CANCELED) if each["kind"] == "PLACE"
    ]
    assert second["size_lots"] == 600


def test_a_position_above_the_largest_order_goes_in_parts() -> None:
    session = holding(1_000, max_order_notional="100.5")
    session.limits(max_order_notional="40")
    sold = 0
    outputs = due(session, flatten(session))
    while sent := [each for each in outputs if each["kind"] == "PLACE"]:
        assert sent[0]["notional"] <= 40 * MONEY
        sold += sent[0]["size_lots"]
        outputs = session.fill(sent[0]["order_no"], sent[0]["size_lots"])
    assert sold == 1_000


def test_it_gives_up_and_says_so() -> None:
    session = holding(1_000)
    session.book(bids=[])
    outputs = flatten(session)
    told: list[str] = []
    for _ in range(ATTEMPTS + 1):
        outputs = due(session, outputs)
        told += [each["text"] for each in outputs if each["kind"] == "ALERT"]
    assert told == ["AAAUSDT could not be flattened: its book has no two sides; a person must look"]


def test_dust_is_told_of() -> None:
    session = holding(1_000)
    session.push(event.instrument(replace(COIN, min_notional=1000 * MONEY)))
    outputs = flatten(session, 0)
    told: list[str] = []
    for _ in range(ATTEMPTS + 1):
        outputs = due(session, outputs)
        told += [each["text"] for each in outputs if each["kind"] == "ALERT"]
    assert told == [
        "AAAUSDT could not be flattened: what is left is below the venue's minimum; a person must look"
    ]


def test_nothing_is_flattened_before_the_core_trades_or_where_there_is_no_such_instrument() -> None:
    session = holding(1_000)
    assert "no instrument 7" in flatten(session, 7)[0]["text"]
    fresh = Session()
    fresh.push(event.start("testrun00000", 0, False, 1))
    assert "before venue and core agree" in flatten(fresh)[0]["text"]
