"""The native book equals its dictionary twin, whatever is done to it, and stays within its bounds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native.order_book import ASK, BID, MAX_PRICE_TICKS, OrderBook
from tests.oracles.order_book import DictBook

SIDES = st.sampled_from([BID, ASK])
# Close together, spread over several windows of 256 ticks, and at the ends of the range.
PRICES = st.one_of(
    st.integers(9_900, 10_100),
    st.integers(1, 20_000),
    st.integers(1, MAX_PRICE_TICKS),
    st.sampled_from([1, 2, 64, MAX_PRICE_TICKS - 1, MAX_PRICE_TICKS]),
)
SIZES = st.one_of(st.just(0), st.integers(0, 5), st.integers(1, 2**63 - 1))
UPDATES = st.lists(st.tuples(SIDES, PRICES, SIZES), max_size=200)


def assert_equal(book: OrderBook, twin: DictBook) -> None:
    for side in (BID, ASK):
        assert book.levels(side) == twin.levels(side)
        assert book.count(side) == len(twin.sides[side])
    assert book.best_bid == twin.best(BID)
    assert book.best_ask == twin.best(ASK)
    assert book.canonical_bytes() == twin.canonical_bytes()
    bid, ask = twin.best(BID), twin.best(ASK)
    assert book.is_crossed == (bid is not None and ask is not None and bid[0] >= ask[0])


@given(UPDATES)
@settings(max_examples=300, deadline=None)
def test_equals_twin_after_every_update(updates: list[tuple[int, int, int]]) -> None:
    book, twin = OrderBook(window_ticks=256), DictBook()
    for side, price, size in updates:
        book.set(side, price, size)
        twin.set(side, price, size)
        assert book.best_bid == twin.best(BID)
        assert book.best_ask == twin.best(ASK)
        assert book.size_at(side, price) == size
    assert_equal(book, twin)


@given(UPDATES, UPDATES, st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_snapshot_then_updates_equal_twin(
    snapshot: list[tuple[int, int, int]], updates: list[tuple[int, int, int]], depth_limit: int
) -> None:
    asks = [(price, size) for side, price, size in snapshot if side == ASK]
    bids = [(price, size) for side, price, size in snapshot if side == BID]
    book, twin = OrderBook(window_ticks=256), DictBook()
    book.set(BID, 77, 1)
    book.load(asks, bids, depth_limit)
    twin.load(asks, bids, depth_limit)
    for side, price, size in updates:
        book.set(side, price, size)
        twin.set(side, price, size)
        assert book.knows(side, price) == twin.knows(side, price)
    assert_equal(book, twin)
    assert book.known_bid_floor_ticks == twin.known[BID]
    assert book.known_ask_ceiling_ticks == twin.known[ASK]


@pytest.mark.parametrize("window_ticks", [256, 16_384])
def test_a_moving_market_recentres_and_loses_nothing(window_ticks: int) -> None:
    rng = random.Random(7)
    book, twin = OrderBook(window_ticks=window_ticks), DictBook()
    middle = 1_000_000
    for i in range(20_000):
        if i % 20 == 0:
            middle += rng.randint(-window_ticks // 8, window_ticks // 8)
        side = rng.choice((BID, ASK))
        distance = int(rng.expovariate(1 / 300))
        price = middle - distance if side == BID else middle + 1 + distance
        size = 0 if rng.random() < 0.4 else rng.randint(1, 10**9)
        book.set(side, price, size)
        twin.set(side, price, size)
        stale = twin.best(side)
        if stale and rng.random() < 0.3:
            book.set(side, stale[0], 0)
            twin.set(side, stale[0], 0)
        if i % 1_000 == 0:
            assert_equal(book, twin)
    assert_equal(book, twin)
    assert book.recentred > 10
    assert book.dropped == 0


@given(UPDATES, st.integers(0, 8))
@settings(max_examples=200, deadline=None)
def test_what_a_bounded_book_knows_is_true(updates: list[tuple[int, int, int]], max_overflow: int) -> None:
    book, twin = OrderBook(window_ticks=256, max_overflow=max_overflow), DictBook()
    for side, price, size in updates:
        book.set(side, price, size)
        twin.set(side, price, size)
        assert book.count(side) <= 256 + max_overflow
    for side in (BID, ASK):
        levels = book.levels(side)
        assert set(levels) <= set(twin.levels(side))
        assert [level for level in levels if book.knows(side, level[0])] == [
            level for level in twin.levels(side) if book.knows(side, level[0])
        ]
    if book.dropped == 0:
        assert_equal(book, twin)


@given(UPDATES, UPDATES, st.integers(0, 4), st.sampled_from([BID, ASK]))
@settings(max_examples=300, deadline=None)
def test_levels_that_a_book_holds_change_nothing_when_they_are_applied_again(
    updates: list[tuple[int, int, int]], told: list[tuple[int, int, int]], max_overflow: int, side: int
) -> None:
    book = OrderBook(window_ticks=256, max_overflow=max_overflow)
    for which, price, size in updates:
        book.set(which, price, size)
    levels = [(price, size) for which, price, size in told if which == side]
    book.apply(side, levels)
    before = (book.canonical_bytes(), book.dropped, book.recentred, book.best_bid, book.best_ask)
    if book.holds(side, levels):
        assert all(book.size_at(side, price) == size for price, size in levels)
        book.apply(side, levels)
        assert (
            book.canonical_bytes(),
            book.dropped,
            book.recentred,
            book.best_bid,
            book.best_ask,
        ) == before


def test_what_a_book_holds() -> None:
    book = OrderBook(window_ticks=256)
    assert not book.holds(BID, []), "an empty side has no window yet"
    book.apply(BID, [(10_000, 5), (9_990, 3), (5_000, 1)])
    assert book.holds(BID, [(10_000, 5), (9_990, 3), (9_991, 0)])
    assert not book.holds(BID, [(10_000, 4)]), "another size"
    assert not book.holds(BID, [(9_991, 1)]), "no such level"
    assert not book.holds(BID, [(9_990, 0)]), "it is there"
    assert not book.holds(BID, [(5_000, 1)]), "beyond the window"
    with pytest.raises(ValueError, match="side"):
        book.holds(7, [])


def test_full_overflow_drops_the_farthest_level_and_says_so() -> None:
    book = OrderBook(window_ticks=256, max_overflow=2)
    book.apply(BID, [(10_000, 1), (5_000, 1), (4_000, 1), (3_000, 1)])
    assert book.levels(BID) == [(10_000, 1), (5_000, 1), (4_000, 1)]
    assert (book.dropped, book.known_bid_floor_ticks) == (1, 3_001)
    book.apply(ASK, [(10_001, 1), (30_000, 1), (40_000, 1), (20_000, 1)])
    assert book.levels(ASK) == [(10_001, 1), (20_000, 1), (30_000, 1)]
    assert (book.dropped, book.known_ask_ceiling_ticks) == (2, 39_999)
    assert book.knows(ASK, 39_999) and not book.knows(ASK, 40_000)


@pytest.mark.parametrize(
    ("price", "size"), [(0, 1), (-1, 1), (MAX_PRICE_TICKS + 1, 1), (5, -1), (-(2**63), -(2**63))]
)
def test_bad_levels_are_refused_and_change_nothing(price: int, size: int) -> None:
    book = OrderBook()
    book.set(BID, 100, 1)
    before = book.canonical_bytes()
    with pytest.raises(ValueError, match="must"):
        book.set(BID, price, size)
    with pytest.raises(ValueError, match="must"):
        book.apply(ASK, [(101, 7), (price, size)])
    with pytest.raises(ValueError, match="must"):
        book.load([(101, 7)], [(price, size)])
    assert book.canonical_bytes() == before


@pytest.mark.parametrize(
    ("window_ticks", "max_overflow"), [(0, 1), (128, 1), (300, 1), (1 << 21, 1), (256, (1 << 20) + 1)]
)
def test_settings_out_of_range_are_refused(window_ticks: int, max_overflow: int) -> None:
    with pytest.raises(ValueError, match="window_ticks must be a power of two"):
        OrderBook(window_ticks, max_overflow)


def test_questions_to_an_empty_and_a_cut_book() -> None:
    book = OrderBook()
    assert (book.best_bid, book.best_ask, book.is_crossed, book.levels(ASK)) == (None, None, False, [])
    book.load([(101, 1), (102, 2)], [(99, 1)], depth_limit=2)
    assert (book.known_ask_ceiling_ticks, book.known_bid_floor_ticks) == (102, 1)
    assert book.size_at(ASK, 103) == 0 and not book.knows(ASK, 103)
    assert book.size_at(BID, 98) == 0 and book.knows(BID, 98)
    assert (book.level(ASK, 1), book.level(ASK, 2), book.levels(ASK, 1)) == ((102, 2), None, [(101, 1)])
    book.set_known_limit(BID, 90)
    assert not book.knows(BID, 89)
    with pytest.raises(ValueError, match="a side is"):
        book.set(3, 1, 1)
    book.clear()
    assert book.canonical_bytes() == OrderBook().canonical_bytes()


def anonymous_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell what memory is used"
)
def test_a_book_let_go_gives_its_memory_back_and_can_be_used_again() -> None:
    asks = [(price, 1) for price in range(1, 70_000)]
    book, fresh = OrderBook(), anonymous_kb()
    book.load(asks, [])
    filled = anonymous_kb()
    assert filled - fresh > 16_384 * 8 // 1024
    book.let_go()
    assert filled - anonymous_kb() > 16_384 * 8 // 1024
    assert book.canonical_bytes() == OrderBook().canonical_bytes()
    book.load(asks, [(1, 5)])
    assert book.levels(ASK) == asks and book.best_bid == (1, 5)
