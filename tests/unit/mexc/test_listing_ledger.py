"""What is told of a source's answers, and when symbols open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.listings.facts import ListingFacts, ShapeError
from adapters.mexc.listings.ledger import Change, Ledger
from adapters.mexc.listings.openings import Openings
from adapters.mexc.listings.poller import kind_of
from engine.core.enums import ListingChange, ListingSource

SEEN, GONE = ListingChange.SEEN, ListingChange.GONE


def facts(*symbols: str, **more: int) -> dict[str, ListingFacts]:
    return {symbol: ListingFacts(symbol=symbol, **more) for symbol in symbols}  # type: ignore[arg-type]


def told(ledger: Ledger, answer: dict[str, ListingFacts]) -> list[tuple[ListingChange, str]]:
    return [(change, each.symbol) for change, each in ledger.changes(answer, is_whole=True)]


def test_only_changes_are_told() -> None:
    ledger = Ledger()
    assert told(ledger, facts("A", "B")) == [(SEEN, "A"), (SEEN, "B")]
    assert told(ledger, facts("A", "B")) == []
    assert told(ledger, {**facts("A"), **facts("B", status=1)}) == [(SEEN, "B")]


def test_gone_is_what_is_missing_twice_in_a_row() -> None:
    ledger = Ledger()
    told(ledger, facts("A", "B", "C"))
    assert told(ledger, facts("A", "B")) == []
    assert told(ledger, facts("A", "B", "C")) == []
    assert told(ledger, facts("A", "B")) == []
    assert told(ledger, facts("A", "B")) == [(GONE, "C")]
    assert told(ledger, facts("A", "B")) == []
    assert told(ledger, facts("A", "B", "C")) == [(SEEN, "C")]


def test_an_empty_or_halved_answer_cancels_nothing() -> None:
    ledger = Ledger()
    told(ledger, facts(*"ABCDE"))
    for _ in range(9):
        with pytest.raises(ShapeError, match="0 rows after 5"):
            told(ledger, {})
    with pytest.raises(ShapeError, match="2 rows after 5"):
        told(ledger, facts("A", "B"))
    assert told(ledger, facts(*"ABCDE")) == []


def test_a_small_answer_is_believed_the_fifth_time() -> None:
    ledger = Ledger()
    told(ledger, facts(*"ABCDE"))
    for _ in range(4):
        with pytest.raises(ShapeError):
            told(ledger, facts("A"))
    assert told(ledger, facts("A")) == []
    # Once believed, the missing rows are missing once; from here a further small answer counts anew.
    for _ in range(4):
        with pytest.raises(ShapeError):
            told(ledger, facts("A"))
    assert told(ledger, facts("A")) == [(GONE, name) for name in "BCDE"]


def test_a_part_of_a_list_makes_nothing_gone() -> None:
    ledger = Ledger()
    told(ledger, facts("A", "B"))
    assert list(ledger.changes(facts("C"), is_whole=False)) == [(SEEN, ListingFacts(symbol="C"))]
    assert list(ledger.changes({}, is_whole=False)) == []
    assert set(ledger.told()) == {"A", "B", "C"}


@given(st.lists(st.dictionaries(st.sampled_from("ABCDEFG"), st.integers(0, 2), max_size=7), max_size=12))
def test_the_changes_tell_the_state(answers: list[dict[str, int]]) -> None:
    """Applied one after another, the changes give what the ledger holds; a told row is never lost without GONE."""
    ledger, state = Ledger(), dict[str, ListingFacts]()
    for answer in answers:
        said = {name: ListingFacts(symbol=name, status=status) for name, status in answer.items()}
        try:
            changes: list[Change] = list(ledger.changes(said, is_whole=True))
        except ShapeError:
            continue
        for change, each in changes:
            if change is SEEN:
                assert state.get(each.symbol) != each
                state[each.symbol] = each
            else:
                assert each.symbol not in said
                del state[each.symbol]
        assert state == ledger.told()
        assert said.items() <= state.items()


NOW_MS = 1_750_000_000_000


def listing(symbol: str, in_s: float, **more: int) -> ListingFacts:
    return ListingFacts(symbol=symbol, open_time_ms=NOW_MS + int(in_s * 1000), **more)  # type: ignore[arg-type]


def test_the_api_is_believed_before_the_web_site_and_a_new_time_counts() -> None:
    openings = Openings(300, 600)
    openings.note(ListingSource.WEB, SEEN, listing("A", 50), NOW_MS)
    assert openings.of("A") == NOW_MS + 50_000
    openings.note(ListingSource.CALENDAR, SEEN, listing("A", 60), NOW_MS)
    openings.note(ListingSource.EXCHANGE_INFO, SEEN, listing("A", 4000), NOW_MS)
    assert openings.of("A") == NOW_MS + 4_000_000
    assert openings.near(NOW_MS) == []
    openings.note(ListingSource.EXCHANGE_INFO, SEEN, listing("A", 70), NOW_MS)
    assert openings.near(NOW_MS) == ["A"]
    openings.note(ListingSource.EXCHANGE_INFO, GONE, listing("A", 70), NOW_MS)
    assert openings.of("A") == NOW_MS + 60_000
    openings.note(ListingSource.FUTURES, SEEN, listing("A", 1), NOW_MS)
    assert openings.of("A") == NOW_MS + 60_000


def test_near_is_around_the_opening_until_it_trades() -> None:
    openings = Openings(300, 600)
    for symbol, in_s in (("LATER", 301), ("SOON", 299), ("LATE", -599), ("LONGAGO", -601)):
        openings.note(ListingSource.CALENDAR, SEEN, listing(symbol, in_s), NOW_MS)
    assert openings.near(NOW_MS) == ["SOON", "LATE"]
    openings.note(ListingSource.EXCHANGE_INFO, SEEN, listing("LATE", -599, status=1, api_allowed=1), NOW_MS)
    assert openings.near(NOW_MS) == ["SOON"]
    # Online before its time is no reason not to look at it: it may yet be paused.
    openings.note(ListingSource.EXCHANGE_INFO, SEEN, listing("SOON", 299, status=1, api_allowed=1), NOW_MS)
    assert openings.near(NOW_MS) == ["SOON"]
    assert openings.near(NOW_MS + 10**7) == []
    assert openings.of("SOON") == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (VenueError(ErrorClass.WAF, "", http_status=403), "blocked"),
        (VenueError(ErrorClass.AUTH, "", code=401, http_status=401), "blocked"),
        (VenueError(ErrorClass.AMBIGUOUS, "", http_status=404), "vanished"),
        (VenueError(ErrorClass.RATE, "", http_status=429), "limited"),
        (VenueError(ErrorClass.BAD_BODY, ""), "shape"),
        (VenueError(ErrorClass.NOT_SENT, ""), "silent"),
        (VenueError(ErrorClass.AMBIGUOUS, ""), "silent"),
        (VenueError(ErrorClass.CALLER, "", code=33333), "refused"),
    ],
)
def test_what_ails_a_source_has_a_word(error: VenueError, kind: str) -> None:
    assert kind_of(error) == kind
