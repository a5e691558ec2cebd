"""The version rule of maintained books: against a dictionary twin, and case by case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import event
from tests.core_session import Session, ready
from tests.oracles.order_book import ASK, BID, DictBook

Levels = list[tuple[int, int]]
Delta = tuple[int, int, Levels, Levels]


class TwinBook:
    """The rule in plain words: old is skipped, overlap is applied, a hole or a crossed book begins anew."""

    def __init__(self) -> None:
        self.book = DictBook()
        self.trust, self.version = "STALE", 0
        self.pending: list[Delta] = []
        self.resyncs_asked = 0

    def feed(self, up: bool) -> None:
        self.trust, self.pending = ("RESYNCING" if up else "STALE"), []
        self.resyncs_asked += up

    def _apply(self, delta: Delta) -> bool:
        """False at a hole."""
        first, last, asks, bids = delta
        if last <= self.version:
            return True
        if first > self.version + 1 or first > last:
            return False
        for side, levels in ((ASK, asks), (BID, bids)):
            for price, size in levels:
                self.book.set(side, price, size)
        self.version = last
        return True

    @property
    def crossed(self) -> bool:
        bid, ask = self.book.best(BID), self.book.best(ASK)
        return bid is not None and ask is not None and bid[0] >= ask[0]

    def _begin_anew(self, pending: list[Delta]) -> None:
        self.trust, self.pending = "RESYNCING", pending
        self.resyncs_asked += 1

    def delta(self, delta: Delta) -> None:
        if self.trust != "LIVE":
            self.pending.append(delta)
        elif not self._apply(delta) or self.crossed:
            self._begin_anew([delta])

    def snapshot(self, version: int, asks: Levels, bids: Levels, depth: int) -> None:
        if self.trust != "RESYNCING":
            return
        self.book.load(asks, bids, depth)
        self.version = version
        for nth, delta in enumerate(self.pending):
            if not self._apply(delta):
                self._begin_anew(self.pending[nth:])
                return
        if self.crossed:
            self._begin_anew([])
        else:
            self.trust, self.pending = "LIVE", []


PRICES = st.integers(1, 12)
ASKS = st.lists(st.tuples(PRICES.map(lambda n: 10 + n), st.integers(0, 3)), max_size=4)
BIDS = st.lists(st.tuples(PRICES.map(lambda n: 13 - n), st.integers(0, 3)), max_size=4)
FULL_ASKS = st.lists(
    st.tuples(PRICES.map(lambda n: 12 + n), st.integers(1, 3)), max_size=4, unique_by=lambda x: x[0]
)
FULL_BIDS = st.lists(st.tuples(st.integers(1, 11), st.integers(1, 3)), max_size=4, unique_by=lambda x: x[0])
STEPS = st.sampled_from([0] * 7 + [1] * 4 + [2]).flatmap(
    lambda kind: [
        # From and to are counted from the newest version that was sent: mostly the next, sometimes old or too far.
        st.tuples(st.just("delta"), st.sampled_from([1, 1, 1, 1, 0, -2, 2]), st.integers(0, 3), ASKS, BIDS),
        st.tuples(
            st.just("snapshot"), st.integers(-4, 1), FULL_ASKS, FULL_BIDS, st.sampled_from([0, 0, 2, 4])
        ),
        st.tuples(st.just("feed"), st.sampled_from([True, True, False])),
    ][kind]
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_equals_twin(steps: list[tuple[Any, ...]]) -> None:
    session, twin = ready(), TwinBook()
    book = session.engine.books[0]
    session.push(event.feed(0, True))
    twin.feed(True)
    newest = 100
    asked = 1
    for name, *facts in steps:
        if name == "delta":
            start, span, asks, bids = facts
            first, last = newest + start, newest + start + span
            newest = max(newest, last)
            outputs = session.push(event.delta(0, first, last, asks, bids))
            twin.delta((first, last, asks, bids))
        elif name == "snapshot":
            back, asks, bids, depth = facts
            outputs = session.push(event.snapshot(0, newest + back, asks, bids, depth))
            twin.snapshot(newest + back, asks, bids, depth)
        else:
            outputs = session.push(event.feed(0, facts[0]))
            twin.feed(facts[0])
        asked += sum(each["kind"] == "RESYNC" for each in outputs)
        assert (book.trust, asked) == (twin.trust, twin.resyncs_asked)
        if twin.trust == "LIVE":
            assert book.version == twin.version
            assert book.levels(BID) == twin.book.levels(BID)
            assert book.levels(ASK) == twin.book.levels(ASK)
            best = [twin.book.best(side) or (0, 0) for side in (BID, ASK)]
            assert [
                (book.best_bid_ticks, book.best_bid_lots),
                (book.best_ask_ticks, book.best_ask_lots),
            ] == best
            assert [book.knows(BID, n) for n in range(1, 25)] == [
                twin.book.knows(BID, n) for n in range(1, 25)
            ]
            assert [book.knows(ASK, n) for n in range(1, 25)] == [
                twin.book.knows(ASK, n) for n in range(1, 25)
            ]


@pytest.fixture
def session() -> Session:
    session = ready()
    session.push(event.feed(0, True))
    session.push(event.snapshot(0, 100, [(110, 5), (111, 5)], [(100, 5), (99, 5)], depth_limit=2))
    assert session.engine.books[0].is_live
    return session


def test_a_delta_may_be_of_one_side(session: Session) -> None:
    session.push(event.delta(0, 101, 101, [(109, 1)], []))
    session.push(event.delta(0, 102, 102, [], [(100, 0)]))
    book = session.engine.books[0]
    assert (book.best_ask_ticks, book.best_bid_ticks) == (109, 99)


def test_beyond_the_depth_of_the_snapshot_is_unknown_not_empty(session: Session) -> None:
    book = session.engine.books[0]
    assert (book.known_bid_floor_ticks, book.known_ask_ceiling_ticks) == (99, 111)
    assert not book.knows(BID, 98) and not book.knows(ASK, 112)
    # A market order that would reach there has no known worst price.
    session.push(event.delta(0, 101, 101, [(112, 50)], []))
    number, denied = session.place(1, 0, 12, 2)
    assert number == 0 and denied is not None and denied["reason"] == "SLIPPAGE"


def test_a_damaged_level_resyncs_and_a_crossed_book_is_never_live(session: Session) -> None:
    outputs = session.push(event.delta(0, 101, 101, [(109, -1)], []))
    assert [each["kind"] for each in outputs] == ["RESYNC"]
    assert session.engine.books[0].trust == "RESYNCING"
    session.push(event.snapshot(0, 101, [(110, 5)], [(100, 5)]))
    assert session.engine.books[0].is_live
    session.push(event.delta(0, 102, 102, [(100, 1)], []))
    assert session.engine.books[0].trust == "RESYNCING"


def test_a_malformed_frame_that_may_have_been_a_delta_resyncs(session: Session) -> None:
    assert session.push(event.malformed(0, 0, 3, False)) == []
    assert session.engine.books[0].is_live
    session.push(event.malformed(1, -1, 3, True))
    assert session.engine.books[0].is_live, "another feed's"
    outputs = session.push(event.malformed(0, -1, 3, True))
    assert [each["kind"] for each in outputs] == ["RESYNC"]


def test_the_buffer_is_bounded_and_a_snapshot_still_bridges_to_what_is_left(session: Session) -> None:
    session.push(event.feed(0, True))
    many = [(200 + n, 1) for n in range(8_000)]  # 128 kB each; the buffer holds 4 MB
    for version in range(201, 261):
        session.push(event.delta(0, version, version, many, []))
    outputs = session.push(event.snapshot(0, 200, [(110, 5)], [(100, 5)]))
    assert [each["kind"] for each in outputs] == ["RESYNC"], "its deltas are gone"
    session.push(event.snapshot(0, 255, [(110, 5)], [(100, 5)]))
    book = session.engine.books[0]
    assert book.is_live and book.version == 260 and book.levels(ASK, 2) == [(110, 5), (200, 1)]


def test_versions_at_the_ends_of_their_range_do_not_wrap(session: Session) -> None:
    top = 2**63 - 1
    session.push(event.feed(0, True))
    session.push(event.snapshot(0, top, [(110, 5)], [(100, 5)]))
    session.push(event.delta(0, -(2**63), -(2**63), [], []))
    session.push(event.delta(0, -(2**63), top, [], []))
    assert session.engine.books[0].version == top
    session.push(event.feed(0, True))
    session.push(event.snapshot(0, -(2**63), [(110, 5)], [(100, 5)]))
    outputs = session.push(event.delta(0, -(2**63), 5, [], []))
    assert [each["kind"] for each in outputs] in ([], ["RESYNC"])
