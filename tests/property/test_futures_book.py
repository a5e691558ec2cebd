"""A futures book from snapshot, changes, holes and commits: it is live only where it equals the venue's book."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.futures.book import ContractBook
from adapters.mexc.futures.messages import DepthRecord
from native.order_book import ASK, BID

PRICES = st.integers(1, 12)
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 3)), max_size=3)
CHANGES = st.lists(st.tuples(LEVELS, LEVELS, st.integers(1, 3)), min_size=1, max_size=14)


def price(ticks: int, side: int) -> Decimal:
    """Bids from 0.1 to 1.2, asks from 10.1 upwards: never crossed."""
    return Decimal(ticks + (100 if side == ASK else 0)) / 10


class Venue:
    """The true book after each version, and the changes that led there."""

    def __init__(self, changes: list[tuple[list[tuple[int, int]], list[tuple[int, int]], int]]) -> None:
        self.version = 100
        self.sides: dict[int, dict[Decimal, int]] = {ASK: {}, BID: {}}
        self.records: list[DepthRecord] = []
        self.history = {100: self.book()}
        for asks, bids, span in changes:
            sides = {
                side: [(price(t, side), n) for t, n in levels] for side, levels in ((ASK, asks), (BID, bids))
            }
            for side, levels in sides.items():
                for at, contracts in levels:
                    if contracts:
                        self.sides[side][at] = contracts
                    else:
                        self.sides[side].pop(at, None)
            self.records.append(DepthRecord(sides[ASK], sides[BID], self.version + 1, self.version + span))
            self.version += span
            self.history[self.version] = self.book()

    def book(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        asks = sorted((int(at * 10), n) for at, n in self.sides[ASK].items())
        bids = sorted(((int(at * 10), n) for at, n in self.sides[BID].items()), reverse=True)
        return asks, bids

    def snapshot(self, version: int) -> DepthRecord:
        asks, bids = self.history[version]
        scaled = [[(Decimal(t) / 10, n) for t, n in side] for side in (asks, bids)]
        return DepthRecord(scaled[0], scaled[1], version, version)


def shown(book: ContractBook) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return book.levels(ASK), book.levels(BID)


@given(CHANGES, st.data())
def test_a_live_book_is_the_venues_book(changes: list, data: st.DataObject) -> None:  # type: ignore[type-arg]
    """Changes get lost and come twice; snapshots are of any age; what is live is right, and ends right once resynced."""
    venue, book = Venue(changes), ContractBook(1, 1000)
    for record in venue.records:
        for _ in range(data.draw(st.sampled_from([0, 1, 1, 1, 2]))):
            book.apply(record)
        if not book.is_live and data.draw(st.booleans()):
            if data.draw(st.booleans()) and book.version:
                book.fill_hole([each for each in venue.records if each.end <= record.end])
            else:
                book.load(
                    venue.snapshot(
                        data.draw(st.sampled_from(sorted(v for v in venue.history if v <= record.end)))
                    )
                )
        if book.is_live:
            assert shown(book) == venue.history[book.version]
    book.load(venue.snapshot(venue.version))
    assert book.is_live
    assert shown(book) == venue.book()


def record(begin: int, end: int, *bids: tuple[str, int]) -> DepthRecord:
    return DepthRecord([], [(Decimal(at), n) for at, n in bids], begin, end)


def test_the_version_rule() -> None:
    book = ContractBook(1, 1000)
    assert not book.apply(record(5, 5, ("1.0", 9)))
    assert book.load(record(4, 4, ("1.0", 1), ("0.9", 2)))
    assert (book.version, book.best_bid) == (5, (10, 9))
    # Old, overlapping, next.
    assert book.apply(record(3, 5, ("1.0", 7)))
    assert book.best_bid == (10, 9)
    assert book.apply(record(4, 6, ("1.0", 0)))
    assert (book.version, book.best_bid) == (6, (9, 2))
    # A hole: the book stands still, what comes later waits.
    assert not book.apply(record(8, 8, ("1.1", 1)))
    assert not book.apply(record(9, 9, ("1.2", 1)))
    assert (book.holes, book.version, book.best_bid) == (1, 6, (9, 2))
    assert not book.fill_hole([record(8, 8, ("1.1", 1))])
    assert book.fill_hole([record(6, 6), record(7, 7, ("0.9", 0)), record(8, 8, ("1.1", 1))])
    assert (book.version, book.best_bid) == (9, (12, 1))
    book.stop()
    assert not book.is_live
    assert not book.apply(record(10, 10))


def test_a_snapshot_that_is_too_old_leaves_the_hole() -> None:
    book = ContractBook(1, 1000)
    book.apply(record(9, 9))
    assert not book.load(record(7, 7))
    assert book.load(record(8, 8))
    assert book.version == 9


def test_a_price_off_the_scale_is_an_error() -> None:
    with pytest.raises(ValueError, match="scale"):
        ContractBook(0, 1000).load(record(1, 1, ("1.5", 1)))
