"""Listings in the core: evidence told to strategies, watched symbols, memos; live, after a restart and in a snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import ListingChange, ListingSource, OrderReport, Tradable
from engine.core.risk.reasons import Reason
from engine.core.strategy import Listing, Strategy
from tests.core_session import BUY, COIN, MONEY, SECOND_NS, Session, ready

NEW = replace(COIN, symbol="NEWUSDT", base="NEW", source=7, tradable=Tradable.OPENING)


class Lister(Strategy):
    """Watches what it is told of."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.remembered: dict[str, bytes] = {}

    def on_start(self) -> None:
        self.remembered = self.memos()
        self.heard.append("start")

    def on_listing(self, listing: Listing) -> None:
        self.heard.append(listing)
        if listing.symbol:
            self.watch(listing.symbol)

    def on_instrument(self, instrument: int) -> None:
        self.heard.append(("instrument", instrument, self.spec(instrument).tradable))

    def on_book(self, book: Any) -> None:
        self.heard.append(("book", book.symbol, book.best_ask_ticks))

    def on_timer(self, timer_id: int) -> None:
        if timer_id == 1:
            self.memo("NEWUSDT", b"armed")
        elif timer_id == 2:
            self.memo("NEWUSDT", b"")
        elif timer_id == 3:
            self.unwatch("NEWUSDT")
        elif timer_id == 4:
            self.memo("x" * 48, b"value")
        else:
            self.alert("it is time")


def listening(*, reconciled: bool = True) -> tuple[Session, Lister]:
    session = Session()
    session.push(event.start("testrun00000", 0, False, 1))
    session.limits(strategies=("lister",))
    session.push(event.instrument(COIN))
    session.push(event.balance("USDT", 1000 * MONEY, 0, True))
    lister = Lister()
    session.engine.attach(lister, "lister", ["AAAUSDT"])
    if reconciled:
        session.push(event.reconciled())
    return session, lister


def tell(session: Session, **more: Any) -> list[dict[str, Any]]:
    what = {"source": ListingSource.CALENDAR, "change": ListingChange.SEEN, "symbol": "NEWUSDT"} | more
    return session.push(event.listing(**what))


def timer(session: Session, timer_id: int) -> list[dict[str, Any]]:
    return session.push(event.timer(timer_id, 0, session.now_ns))


def test_what_a_source_says_comes_whole() -> None:
    session, lister = listening()
    said = {
        "listing_id": "ab" * 16, "open_time_ms": 1_750_000_000_000, "status": 2, "api_allowed": 1, "trade_side_type": 1,
        "order_types": 0b10010, "venue_codes": (2, 2, 4), "price_decimals": 6, "size_decimals": 2, "band_up_ppm": 200_000,
        "band_down_ppm": 100_000, "price": 3 * MONEY, "fields": 13, "text": "ABC – Listing",
    }  # fmt: skip
    tell(session, **said, ts_event_ns=5)
    heard = lister.heard[-1]
    assert {name: getattr(heard, name) for name in said} == said
    assert (heard.source, heard.change, heard.symbol) == (
        ListingSource.CALENDAR,
        ListingChange.SEEN,
        "NEWUSDT",
    )
    assert (heard.ts_event_ns, heard.ts_recv_ns) == (5, session.now_ns)


def test_what_is_not_said_is_minus_one() -> None:
    session, lister = listening()
    session.push(event.listing(ListingSource.WEB, ListingChange.SOURCE_DOWN, text="blocked"))
    heard = lister.heard[-1]
    assert (heard.symbol, heard.text, heard.open_time_ms, heard.venue_codes) == (
        "",
        "blocked",
        -1,
        (-1, -1, -1),
    )


def test_listings_that_come_early_are_told_once_the_strategy_has_started() -> None:
    session, lister = listening(reconciled=False)
    tell(session)
    assert lister.heard == []
    session.push(event.reconciled())
    assert lister.heard[0] == "start"
    assert lister.heard[1].symbol == "NEWUSDT"


def test_a_watched_symbol_is_asked_for_once_and_heard_when_it_is_there() -> None:
    session, lister = listening()
    asked = tell(session)
    assert [(each["kind"], each["symbol"], each["on"]) for each in asked] == [("WATCH", "NEWUSDT", True)]
    assert tell(session) == []
    session.push(event.instrument(NEW))
    assert lister.heard[-1] == ("instrument", 1, Tradable.OPENING)
    assert lister.instrument_of("NEWUSDT") == 1
    assert lister.instruments == [0, 1]
    session.push(event.feed(7, True))
    session.push(event.snapshot(1, 5, [], [], source=7))
    session.push(event.delta(1, 6, 6, [(10_010, 5)], [(9_990, 5)], source=7))
    assert lister.heard[-1] == ("book", "NEWUSDT", 10_010)
    session.push(event.instrument(replace(NEW, tradable=Tradable.YES)))
    assert lister.heard[-1] == ("instrument", 1, Tradable.YES)
    assert session.engine.book(1).is_live


def test_openings_are_those_of_watched_instruments_within_a_span_of_time() -> None:
    session, _ = listening()
    core = session.engine
    opens_ns = 1_000 * SECOND_NS
    session.push(event.instrument(replace(NEW, opens_ns=opens_ns)))
    number = core.instrument_of("NEWUSDT")
    assert core.openings(opens_ns, opens_ns) == [number]
    assert core.openings(opens_ns - 5, opens_ns + 5) == [number]
    assert core.openings(opens_ns + 1, opens_ns + 5) == core.openings(0, opens_ns - 1) == []
    session.push(event.instrument(replace(NEW, opens_ns=opens_ns, source=0)))
    assert core.openings(opens_ns, opens_ns) == []
    session.push(event.instrument(replace(NEW, opens_ns=0)))
    assert core.openings(-opens_ns, opens_ns) == []


def test_an_unwatched_symbol_is_heard_no_more_and_a_book_without_a_feed_is_stale() -> None:
    session, lister = listening()
    tell(session)
    session.push(event.instrument(NEW))
    session.push(event.feed(7, True))
    session.push(event.snapshot(1, 5, [(10_010, 5)], [(9_990, 5)], source=7))
    assert [(each["kind"], each["on"]) for each in timer(session, 3)] == [("WATCH", False)]
    heard = len(lister.heard)
    session.push(event.delta(1, 6, 6, [(10_020, 5)], [], source=7))
    session.push(event.instrument(replace(NEW, source=0)))
    assert len(lister.heard) == heard
    assert lister.instruments == [0]
    assert session.engine.book(1).trust == "STALE"
    assert session.engine.book(1).levels(BUY) == []  # its memory is given back
    session.push(event.instrument(NEW))
    session.push(event.feed(7, True))
    session.push(event.snapshot(1, 9, [(10_010, 5)], [(9_990, 5)], source=7))
    assert session.engine.book(1).is_live
    assert len(session.engine.book(1).levels(BUY)) == 1


def test_a_memo_is_there_after_a_restart_and_in_a_snapshot() -> None:
    session, _ = listening()
    assert [each["kind"] for each in timer(session, 1)] == ["MEMO"]
    live = session.engine
    restarted, snapshot = Engine(), Engine()
    for record in session.records:
        restarted.apply_bytes(record)
    snapshot.load_durable(live.state.durable_bytes(), live.seq, live.now_ns)
    for core in (restarted, snapshot):
        assert core.memos_of(0) == {"NEWUSDT": b"armed"}
        assert core.durable_hash() == live.durable_hash()


def test_an_empty_memo_takes_it_away() -> None:
    session, lister = listening()
    before = len(session.engine.state.durable_bytes())
    timer(session, 1)
    assert lister.memos() == {"NEWUSDT": b"armed"}
    timer(session, 2)
    assert lister.memos() == {}
    assert len(session.engine.state.durable_bytes()) == before


def test_a_memo_of_too_long_a_key_stops_the_strategy_that_wrote_it() -> None:
    session, _ = listening()
    assert [each["kind"] for each in timer(session, 4)] == ["STRATEGY_STOPPED"]


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_saved_state_with_less_than_its_memos_is_refused(cut: int) -> None:
    session, _ = listening()
    timer(session, 1)
    saved = session.engine.state.durable_bytes()
    with pytest.raises(ValueError, match="saved"):
        Engine().load_durable(saved[:-cut], 1, 1)


def test_a_strategy_tells_people() -> None:
    session, _ = listening()
    assert [(each["kind"], each["text"]) for each in timer(session, 9)] == [("ALERT", "it is time")]


def test_not_yet_ends_an_order_and_opens_no_breaker() -> None:
    session = ready(max_rejects_per_window=1)
    for _ in range(5):
        number, denied = session.place(BUY, 9_990, 1_000)
        assert denied is None
        session.update(number, OrderReport.NOT_YET, venue_code=30000)
        order = session.engine.order(number)
        assert (order.state_name, order.venue_code, order.is_open) == ("FAILED", 30000, False)


def test_a_public_trade_shows_that_it_is_open() -> None:
    session = ready()
    far = replace(COIN, tradable=Tradable.OPENING, opens_ns=session.now_ns + 3600 * SECOND_NS)
    session.push(event.instrument(far))
    denied = session.place(BUY, 9_990, 1_000)[1]
    assert denied is not None and denied["reason"] == Reason.NOT_OPEN_YET.name
    session.push(event.trades(0, [(10_000, 1, BUY, session.now_ns)]))
    assert session.place(BUY, 9_990, 1_000)[1] is None
    session.push(event.instrument(replace(far, tradable=Tradable.NO)))
    denied = session.place(BUY, 9_990, 1_000)[1]
    assert denied is not None and denied["reason"] == Reason.NOT_TRADABLE.name
