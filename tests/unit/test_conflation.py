"""A feed that is left out of: its books, the gate, and what a replay makes of it."""

from __future__ import annotations

import pytest

from engine.core import event
from engine.core.describe import describe
from engine.core.instrument import InstrumentSpec
from tests.core_session import BUY, COIN, START_NS, Session, ready

OTHER = InstrumentSpec("BBBUSDT", "BBB", "USDT", price_decimals=2, size_decimals=3, source=2)
LAG_NS = 1_000_000


def behind() -> Session:
    session = ready(COIN, OTHER)
    session.outputs = session.push(event.conflation(COIN.source, True, 0, LAG_NS))
    return session


def test_the_event_is_described() -> None:
    facts = describe(event.conflation(3, False, 1_234, LAG_NS))
    assert (facts["kind"], facts["source"]) == ("CONFLATION", 3)
    assert (facts["on"], facts["frames"], facts["lag_ns"]) == (False, 1_234, LAG_NS)


def test_its_books_are_stale_and_the_gate_says_that_it_lags() -> None:
    session = behind()
    assert [book.trust for book in session.engine.books] == ["STALE", "LIVE"]
    assert session.outputs == []
    number, denial = session.place(BUY, 10_000, 1_000)
    assert (number, denial and denial["reason"]) == (0, "FEED_LAGGING")
    number, denial = session.place(BUY, 10_000, 1_000, instrument=1)
    assert number and denial is None


def test_deltas_do_not_make_a_stale_book_live_and_a_snapshot_neither() -> None:
    session = behind()
    version = session.engine.books[0].version
    session.push(event.delta(0, version + 5, version + 5, [(10_010, 7)], [], source=COIN.source))
    session.push(event.snapshot(0, version + 9, [(10_010, 1)], [(9_990, 1)], source=COIN.source))
    assert session.engine.books[0].trust == "STALE"


def test_it_catches_up_by_a_snapshot() -> None:
    session = behind()
    outputs = session.push(event.conflation(COIN.source, False, 99, 0))
    assert [(each["kind"], each["instrument"]) for each in outputs] == [("RESYNC", 0)]
    assert session.engine.books[0].trust == "RESYNCING"
    _, denial = session.place(BUY, 10_000, 1_000)
    assert denial is not None
    assert denial["reason"] == "BOOK_NOT_LIVE"
    session.book(0)
    number, denial = session.place(BUY, 10_000, 1_000)
    assert number and denial is None


def test_cancels_pass_meanwhile() -> None:
    session = ready(COIN)
    number, _ = session.place(BUY, 10_000, 1_000)
    session.push(event.conflation(COIN.source, True, 0, LAG_NS))
    assert session.do(lambda puppet: puppet.cancel(number))
    assert [each["kind"] for each in session.outputs] == ["CANCEL"]


def test_a_body_of_another_length_is_refused() -> None:
    session = ready(COIN)
    whole = event.stamped(event.conflation(COIN.source, True, 0, LAG_NS), session.seq + 1, START_NS)
    short = whole[:32] + (16).to_bytes(4, "little") + whole[36:-8]
    with pytest.raises(ValueError, match="cannot have a body of 16 bytes"):
        session.engine.process_bytes(short)
