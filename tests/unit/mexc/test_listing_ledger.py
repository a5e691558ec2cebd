"""What is told of a source's answers, and when symbols open."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.listings.facts import ListingFacts, Reading, ShapeError
from adapters.mexc.listings.ledger import Change, Ledger
from adapters.mexc.listings.openings import Openings
from adapters.mexc.listings.poller import Poller, PollPlan, kind_of
from adapters.mexc.listings.teller import Teller
from engine.core.describe import describe
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


def test_a_list_does_not_take_back_what_was_told_since_it_was_asked_for() -> None:
    now_s = 10.0
    ledger = Ledger(lambda: now_s)
    list(ledger.changes({**facts("A", status=2), **facts("B")}, is_whole=True))
    # Asked at 20, answered at 30; in between a question about A alone, and a push of a new row, were newer.
    now_s = 25.0
    list(ledger.changes({**facts("A", status=1), **facts("C")}, is_whole=False))
    late = {**facts("A", status=2), **facts("B", status=5)}
    assert [each.symbol for _, each in ledger.changes(late, is_whole=True, asked_s=20.0)] == ["B"]
    assert ledger.told()["A"].status == 1
    # A list that was asked for after that is believed again.
    later = list(ledger.changes(late, is_whole=True, asked_s=26.0))
    assert [(change, each.symbol, each.status) for change, each in later] == [(SEEN, "A", 2)]
    assert [(change, each.symbol) for change, each in ledger.changes(late, is_whole=True, asked_s=27.0)] == [
        (GONE, "C")
    ]


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


class Heard:
    """Takes the sequencer's place for a teller."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def ingest(self, what: bytes) -> None:
        self.told.append(describe(what))

    def now_ns(self) -> int:
        return 5


def poller(heard: Heard, answers: list[Any], is_calm: Callable[[], bool], interval_s: float = 0.02) -> Poller:
    """Asks a list of answers, the last of them for ever; an exception is raised."""

    async def fetch() -> bytes:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return bytes(answer)

    def parse(body: bytes) -> Reading:
        return Reading(facts(*body.decode().split()))

    plan = PollPlan(ListingSource.SELF, interval_s, fetch, parse)
    teller = Teller(heard, lambda name: 1, lambda *_: None)  # type: ignore[arg-type]
    return Poller(plan, teller, Ledger(), random.Random(7), 1.0, is_calm)


def run_for(work: Coroutine[Any, Any, None], until: Callable[[], bool]) -> float:
    """Runs a task until something is so; answers how long it took, in seconds."""

    async def main() -> float:
        began = time.monotonic()
        task = asyncio.get_running_loop().create_task(work)
        while not until():
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return time.monotonic() - began

    return asyncio.run(main())


def test_one_lost_answer_is_no_news_and_two_are() -> None:
    lost = VenueError(ErrorClass.AMBIGUOUS, "TimeoutError")
    heard = Heard()
    asking = poller(heard, [b"A", lost, b"A", lost, lost, b"A B"], lambda: True)
    run_for(asking.run(), lambda: any(each["symbol"] == "B" for each in heard.told))
    assert [(each["change"], each["symbol"], each["text"]) for each in heard.told] == [
        ("SOURCE_UP", "", ""),
        ("SEEN", "A", "first look"),
        ("SOURCE_DOWN", "", "silent: TimeoutError"),
        ("SOURCE_UP", "", ""),
        ("SEEN", "B", ""),
    ]


def test_a_failing_source_waits_twice_as_long_each_time_up_to_a_bound() -> None:
    heard = Heard()
    asking = poller(heard, [VenueError(ErrorClass.WAF, "", http_status=403)], lambda: True, 0.01)
    run_for(asking.run(), lambda: heard.told != [])
    waits = []
    for failures in range(10):
        asking._failures = failures
        waits.append(asking.wait_s())
    for failures, wait_s in enumerate(waits):
        whole_s = min(0.01 * 2**failures, 1.0)
        assert 0.9 * whole_s <= wait_s <= 1.1 * whole_s


def test_no_whole_list_is_asked_for_while_a_symbol_opens_but_not_for_ever() -> None:
    heard = Heard()
    asking = poller(heard, [b"A"], lambda: False, 0.6)
    # It does not become calm: it waits one interval, and asks.
    took_s = run_for(asking.run(), lambda: heard.told != [])
    assert took_s >= 0.6


def test_what_is_told_of_parts_is_bounded() -> None:
    ledger = Ledger()
    for number in range(20_010):
        list(ledger.changes(facts(str(number)), is_whole=False))
    assert len(ledger) == 20_000
    assert "9" not in ledger.told()
