"""Watched symbols on the real core: from the calendar over the opening to the end, against the local venue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from adapters.mexc.instruments import Opening, spec_of
from engine.adapter import PlaceTicket
from engine.config import parse, resolve
from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import ListingChange, ListingSource, OrderReport, OrderType, Side, Tradable
from engine.core.strategy import Strategy
from engine.execution.client_ids import client_order_id
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.order_book import ASK, BID
from tests.property.test_listing_sources import INFO
from tests.unit.mexc.test_listing_board import QUICK

CONFIG = """
symbols = ["MXUSDT"]
[[strategy]]
name = "market_maker"
id = "scout"
symbols = ["MXUSDT"]
"""
NO_LIMIT = {"rest_weight_per_10s": 1_000_000}
Run = Callable[..., None]


def listing(symbol: str = "NEWUSDT", **changes: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "base": symbol[:-4], "price_decimals": 5, "size_decimals": 1, "start_price": "0.05",
        "typical_size": "2000", "half_spread_ticks": 10, "level_gap_ticks": 5, "band": "0.2", "open_s": 2.5,
    } | changes  # fmt: skip


class Scout(Strategy):
    """Watches each symbol that the calendar names, and remembers what it hears."""

    def __init__(self, watches: bool = True) -> None:
        self.watches = watches
        self.heard: dict[ListingSource, list[Any]] = {}
        self.tradable: list[int] = []

    def on_listing(self, listing: Any) -> None:
        self.heard.setdefault(ListingSource(listing.source), []).append(listing)
        is_news = listing.source == ListingSource.CALENDAR and listing.change == ListingChange.SEEN
        if self.watches and is_news and self.instrument_of(listing.symbol) < 0:
            self.watch(listing.symbol)

    def on_instrument(self, instrument: int) -> None:
        self.tradable.append(self.spec(instrument).tradable)


class Daemon(Rim):
    """What a daemon does for the core, and no more. `events` describes what the adapter handed in."""

    def __init__(self, rig: Any, scout: Scout) -> None:
        self.rig, self.scout = rig, scout
        self.core = Engine()
        self.sequencer = Sequencer(self.core, rig.adapter.decoder(), self)
        self.events: list[dict[str, Any]] = []
        self.jobs: set[asyncio.Task[None]] = set()
        self.faults: list[Any] = []

    # What the adapter takes for the sequencer: all of it, and a copy of the events.

    def ingest(self, what: bytes) -> int:
        self.events.append(describe(what))
        return self.sequencer.ingest(what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sequencer, name)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.get_running_loop().create_task(work)
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    def on_watch(self, symbol: str, on: bool) -> None:
        self.spawn(self.rig.adapter.watch(symbol) if on else self.rig.adapter.unwatch(symbol))

    def on_resync(self, instrument: int, attempt: int) -> None:
        self.spawn(self.rig.adapter.fetch_book(instrument, attempt))

    def on_fault(self, what: str, error: Exception) -> None:
        self.faults.append((what, error))

    async def start(self) -> None:
        self.sequencer.ingest(event.start(self.rig.run_id, 0, False, 1))
        self.sequencer.ingest(event.config(json.dumps(resolve(parse(CONFIG)), sort_keys=True).encode()))
        for spec in await self.rig.adapter.load_instruments(["MXUSDT"]):
            self.sequencer.ingest(event.instrument(spec))
        self.core.attach(self.scout, "scout", ["MXUSDT"])
        await self.rig.adapter.start(self, [self.core.spec(book.instrument) for book in self.core.books])
        self.sequencer.ingest(event.reconciled())

    def feed(self, name: str) -> Any:
        return next((each for each in self.rig.adapter.status().feeds if each.name == name), None)

    def feed_events(self, source: int) -> list[int]:
        return [
            index
            for index, each in enumerate(self.events)
            if each["kind"] == "FEED" and each["source"] == source
        ]


def test_a_listing_is_seen_watched_opened_and_let_go(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout())
        await daemon.start()
        core, scout = daemon.core, daemon.scout
        await rig.until(lambda: core.instrument_of("NEWUSDT") == 1)
        opens_ms = scout.heard[ListingSource.CALENDAR][-1].open_time_ms
        # Before the opening: an instrument that is not open yet, a feed of its own that is up without a frame, an empty book.
        await rig.until(
            lambda: daemon.feed("watch-NEWUSDT") is not None and daemon.feed("watch-NEWUSDT").state == "UP"
        )
        assert core.spec(1).tradable in (Tradable.NO, Tradable.OPENING)
        assert core.spec(1).opens_ns == opens_ms * 1_000_000
        assert core.spec(1).source == 2
        await rig.until(lambda: core.book(1).is_live)
        assert (core.book(1).best_bid_ticks, core.book(1).best_ask_ticks) == (0, 0)
        assert daemon.feed("watch-NEWUSDT").frames == 0
        await rig.until(lambda: Tradable.OPENING in scout.tradable)
        await rig.until(lambda: core.spec(1).tradable == Tradable.YES)
        await rig.until(
            lambda: core.book(1).is_live and core.book(1).best_bid_ticks and core.book(1).best_ask_ticks
        )
        assert scout.tradable == sorted(set(scout.tradable), key=[0, 2, 1].index)
        assert core.book(1).best_bid_ticks < core.book(1).best_ask_ticks
        # Every source that the venue has told of it.
        sources = {
            source for source, heard in scout.heard.items() if any(each.symbol == "NEWUSDT" for each in heard)
        }
        await rig.until(
            lambda: any(each.symbol == "NEWUSDT" for each in scout.heard.get(ListingSource.MARKET_DATA, []))
        )
        assert {
            ListingSource.CALENDAR,
            ListingSource.WEB,
            ListingSource.EXCHANGE_INFO,
            ListingSource.ANNOUNCEMENT,
        } <= sources
        # Its contract is evidence, and its fair price the reference, once it has one.
        futures = [each for each in scout.heard[ListingSource.FUTURES] if each.symbol == "NEWUSDT"]
        assert futures[0].open_time_ms == opens_ms
        await rig.until(lambda: any(each.price for each in scout.heard[ListingSource.FUTURES]))
        codes = [each.venue_codes for each in scout.heard[ListingSource.WEB] if each.symbol == "NEWUSDT"]
        assert codes[-1] == (2, 2, 4)
        assert core.feed_state(2)["up"]
        await rig.adapter.unwatch("NEWUSDT")
        assert core.spec(1).source == 0
        assert not core.feed_state(2)["up"]
        assert daemon.feed("watch-NEWUSDT") is None
        assert len(daemon.feed_events(2)) >= 2
        await rig.adapter.unwatch("MXUSDT")
        assert core.spec(0).source == 1
        assert daemon.faults == []

    rig_run(
        body,
        {"listings": [listing(contract_s=0.5, list_s=1.0, api_s=2.0, open_s=4.5)], "limits": NO_LIMIT},
        weight_per_10s=100_000,
        listings={"enabled": True, **QUICK, "futures_interval_s": 0.25},
        silent_timeout_s=5.0,
    )


def test_a_futures_book_follows_the_venues_through_gaps(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout(watches=False))
        await daemon.start()
        market = rig.adapter._surroundings._board.futures
        ours, venues = market.contracts["MX_USDT"], rig.venue.futures.contracts["MX_USDT"]
        await rig.until(lambda: ours.book is not None and ours.book.is_live)
        rig.fault("gap", count=3, match="push.depth")
        compared = 0

        def compare() -> bool:
            nonlocal compared
            if ours.book.is_live and ours.book.version == venues.version:
                for side, levels in ((ASK, venues.asks), (BID, venues.bids)):
                    assert dict(ours.book.levels(side)) == {
                        price: size for price, (size, _) in levels.items()
                    }
                compared += 1
            return compared > 20 and ours.book.holes >= 1 and ours.last_deal is not None

        await rig.until(compare)
        await rig.until(lambda: ours.reference > 0 and ours.funding is not None)
        assert rig.adapter.status().counters["futures.holes_filled"] >= 1

    rig_run(body, {"limits": NO_LIMIT}, weight_per_10s=100_000, futures={"contracts": ["MX_USDT"]})


def test_numbers_of_feeds_are_used_again_and_books_stay_apart(rig_run: Run) -> None:
    listed = [
        {
            "symbol": f"{letter}XUSDT",
            "base": f"{letter}X",
            "price_decimals": 2,
            "size_decimals": 2,
            "start_price": "10",
        }
        for letter in "ABC"
    ]
    mx = {"symbol": "MXUSDT", "base": "MX", "price_decimals": 4, "size_decimals": 2, "start_price": "3"}

    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout(watches=False))
        await daemon.start()
        core = daemon.core
        for symbol in ("AXUSDT", "BXUSDT", "AXUSDT"):
            await rig.adapter.watch(symbol)
        await rig.until(lambda: all(core.book(index).is_live for index in (0, 1, 2)))
        assert [core.spec(index).source for index in (0, 1, 2)] == [1, 2, 3]
        await rig.adapter.unwatch("AXUSDT")
        await rig.adapter.watch("CXUSDT")
        await rig.until(lambda: core.book(3).is_live)
        assert [core.spec(index).source for index in (0, 1, 2, 3)] == [1, 0, 3, 2]
        assert not core.book(1).is_live
        # Watched again at once, while its feed is still closing.
        await asyncio.gather(rig.adapter.unwatch("CXUSDT"), rig.adapter.watch("CXUSDT"))
        await rig.until(lambda: core.book(3).is_live and core.spec(3).source)
        await rig.adapter.watch("AXUSDT")
        await rig.until(lambda: core.book(1).is_live)
        # An order of a symbol that came at run time is an order of that symbol.
        order_id = client_order_id(rig.run_id, 77)
        ticket = PlaceTicket(
            77, 1, order_id, Side.BUY, OrderType.LIMIT, core.book(1).best_bid_ticks - 50, 1000
        )
        assert (await rig.adapter.place(ticket, lambda: None)).report == OrderReport.WORKING
        assert rig.order_requests() == [order_id]
        assert [order.symbol for order in await rig.adapter.open_orders(1)] == ["AXUSDT"]
        # Each frame went to its own book.
        assert all(core.book(index).best_bid_ticks > 0 for index in range(4))
        assert daemon.faults == []

    rig_run(body, {"listed": [mx, *listed], "limits": NO_LIMIT}, weight_per_10s=100_000)


def test_a_symbol_that_is_not_listed_is_asked_for_until_it_is_or_nobody_wants_it(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout(watches=False))
        await daemon.start()
        never = asyncio.get_running_loop().create_task(rig.adapter.watch("NEVERUSDT"))
        later = asyncio.get_running_loop().create_task(rig.adapter.watch("NEWUSDT"))
        await rig.until(lambda: rig.adapter.status().counters.get("watch_not_listed", 0) > 4)
        assert not never.done()
        rig.fault("html_403", count=3, match="exchangeInfo")
        await rig.until(lambda: rig.adapter.status().counters.get("watch_failures", 0) >= 1)
        await rig.adapter.unwatch("NEVERUSDT")
        await asyncio.wait_for(never, 5)
        await asyncio.wait_for(later, 10)
        assert (daemon.core.instrument_of("NEVERUSDT"), daemon.core.instrument_of("NEWUSDT")) == (-1, 1)

    rig_run(body, {"listings": [listing(list_s=0.8, open_s=60)], "limits": NO_LIMIT}, weight_per_10s=100_000)


def test_configured_instruments_follow_exchange_info(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout(watches=False))
        await daemon.start()
        assert daemon.core.spec(0).tradable == Tradable.YES
        book = rig.venue.state.exchange.books["MXUSDT"]
        before = len([each for each in daemon.events if each["kind"] == "INSTRUMENT"])
        book.spec = book.spec.__class__(
            **{**{f: getattr(book.spec, f) for f in book.spec.__dataclass_fields__}, "tradable": False}
        )
        await rig.until(lambda: daemon.core.spec(0).tradable == Tradable.NO)
        await asyncio.sleep(1.2)
        told = [each for each in daemon.events if each["kind"] == "INSTRUMENT"]
        # One change, one event: it stays in the journal for ever.
        assert len(told) == before + 1

    rig_run(body, instruments_interval_s=1.0, listings=QUICK, weight_per_10s=100_000)


def test_instruments_without_a_feed_get_none(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig, Scout(watches=False))
        daemon.sequencer.ingest(event.start(rig.run_id, 0, False, 1))
        specs = await rig.adapter.load_instruments(["MXUSDT", "BTCUSDT"])
        old = spec_of({**INFO, "symbol": "OLDUSDT"}, 0)
        for spec in (specs[0], old, specs[1]):
            daemon.sequencer.ingest(event.instrument(spec))
        await rig.adapter.start(daemon, [daemon.core.spec(index) for index in range(3)])
        await rig.until(lambda: daemon.feed("market-1").state == "UP")
        assert daemon.feed("market-1").symbols == ["MXUSDT", "BTCUSDT"]
        await asyncio.wait_for(rig.adapter.fetch_book(1, 0), 2)
        await rig.adapter.fetch_book(2, 0)
        await rig.until(lambda: daemon.core.book(2).best_bid_ticks > 0)
        assert daemon.core.book(1).best_bid_ticks == 0

    rig_run(body)


OPENS_MS = 1_750_000_000_000


@pytest.mark.parametrize(
    ("row", "now_ms", "announced_ms", "tradable", "opens_ms"),
    [
        ({"status": "2"}, OPENS_MS - 60_000, 0, Tradable.OPENING, OPENS_MS),
        ({"status": "2"}, OPENS_MS + 60_000, 0, Tradable.OPENING, OPENS_MS),
        ({"status": "2"}, OPENS_MS + 700_000, 0, Tradable.NO, 0),
        ({"status": "2", "isSpotTradingAllowed": False}, OPENS_MS - 60_000, 0, Tradable.NO, OPENS_MS),
        ({"status": "2", "firstOpenTime": None}, OPENS_MS, 0, Tradable.NO, 0),
        ({"status": "2", "firstOpenTime": None}, OPENS_MS, OPENS_MS + 5, Tradable.OPENING, OPENS_MS + 5),
        ({"status": "2", "firstOpenTime": str(OPENS_MS)}, OPENS_MS, OPENS_MS + 5, Tradable.OPENING, OPENS_MS),
        ({"status": "1"}, OPENS_MS - 60_000, 0, Tradable.YES, OPENS_MS),
        ({"status": "ENABLED", "firstOpenTime": 5}, OPENS_MS, 0, Tradable.YES, 0),
        ({"status": "3"}, OPENS_MS - 60_000, 0, Tradable.NO, OPENS_MS),
    ],
)
def test_what_a_row_makes_of_an_instrument(
    row: dict[str, Any], now_ms: int, announced_ms: int, tradable: Tradable, opens_ms: int
) -> None:
    spec = spec_of({**INFO, **row}, 3, Opening(now_ms, announced_ms))
    assert (spec.tradable, spec.opens_ns, spec.source) == (tradable, opens_ms * 1_000_000, 3)
    assert spec.order_types & 1 << OrderType.IOC
    assert not spec.order_types & 1 << OrderType.MARKET
