"""Symbols that are taken off: the feed of a watched one is closed, what is held stays in sight, and it may return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from adapters.mexc.listings.facts import ListingFacts
from adapters.mexc.listings.openings import Openings
from engine.console.publish import Publisher
from engine.core.enums import ListingChange, ListingSource, OrderType, Tradable
from tests.property.test_listing_sources import INFO
from tests.unit.mexc.real_core import Daemon
from tests.unit.mexc.test_listing_board import QUICK, XI, Rig, rig

Run = Callable[..., None]
GONE = "is not listed any more"


class Watching(Daemon):
    """It opens feeds of watched symbols, and keeps what is told to people."""

    def __init__(self, rig: Any) -> None:
        super().__init__(rig)
        self.alerts: list[str] = []

    def on_watch(self, symbol: str, on: bool) -> None:
        job = asyncio.get_running_loop().create_task(self.rig.adapter.watch(symbol))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    def on_notice(self, record: dict[str, Any]) -> None:
        self.alerts.append(record["text"])

    def feeds(self) -> list[str]:
        return [feed.name for feed in self.rig.adapter.status().feeds]


def test_a_held_symbol_that_is_taken_off_loses_its_feed_and_nothing_else(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Watching(rig)
        await daemon.start()
        core, venue = daemon.core, rig.venue
        daemon.hand.wishes.append(lambda hand, book: hand.watch("ETHUSDT"))
        await rig.until(lambda: core.instrument_of("ETHUSDT") == 2 and core.book(2).is_live)
        number = await daemon.order(
            lambda hand: hand.buy(2, core.book(2).best_ask_ticks + 5, 1000, OrderType.IOC)
        )
        await rig.until(lambda: not core.order(number).is_open and core.position_lots(2))
        held = core.position_lots(2)
        config = venue.state.symbols["ETHUSDT"]

        venue.listings.unlist("ETHUSDT", venue.state.clock.now_ns())
        await rig.until(lambda: "watch-ETHUSDT" not in daemon.feeds() and not core.spec(2).source)
        assert core.spec(2).tradable == Tradable.NO
        # It goes on to be asked for, is said once, and the rest of the run is well.
        asked = rig.adapter.status().counters.get("watch_not_listed", 0)
        await rig.until(lambda: rig.adapter.status().counters.get("watch_not_listed", 0) > asked + 3)
        assert [text for text in daemon.alerts if "ETHUSDT" in text] == [
            f"ETHUSDT {GONE}: what is held of it stays, and has no market data"
        ]
        await rig.until(lambda: all(feed.state == "UP" for feed in rig.adapter.status().feeds))
        document = Publisher(daemon.sequencer, "paper", "USDT", 0).document(rig.adapter.status(), 1.0, 1.0)
        assert document.health == "ok"
        assert [row.symbol for row in document.positions] == ["ETHUSDT"]
        assert "ETHUSDT" not in [row.symbol for row in document.books]
        assert core.position_lots(2) == held

        venue.listings.add_symbol(config)
        await rig.until(lambda: core.spec(2).source and core.book(2).is_live and core.book(2).best_bid_ticks)
        assert core.spec(2).tradable == Tradable.YES
        assert daemon.alerts[-1] == "ETHUSDT is listed again"
        await rig.adapter.unwatch("ETHUSDT")
        assert "watch-ETHUSDT" not in daemon.feeds()
        assert "task_failures" not in rig.adapter.status().counters
        assert daemon.faults == []
        await daemon.end()

    rig_run(body, {"limits": {"rest_weight_per_10s": 1_000_000}}, weight_per_10s=100_000,
            instruments_interval_s=1.0, listings={**QUICK, "enabled": True})  # fmt: skip


def test_a_configured_symbol_that_is_taken_off_is_not_tradable_and_is_said_once(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Watching(rig)
        await daemon.start()
        core, venue = daemon.core, rig.venue
        config = venue.state.symbols["BTCUSDT"]
        venue.listings.unlist("BTCUSDT", venue.state.clock.now_ns(), is_told=False)
        await rig.until(lambda: core.spec(1).tradable == Tradable.NO)
        assert core.spec(1).source
        await asyncio.sleep(1.5)
        assert [text for text in daemon.alerts if GONE in text] == [
            f"BTCUSDT {GONE}: what is held of it stays, and has no market data"
        ]
        assert core.spec(0).tradable == Tradable.YES
        venue.listings.add_symbol(config)
        await rig.until(lambda: core.spec(1).tradable == Tradable.YES)
        assert "BTCUSDT is listed again" in daemon.alerts
        await daemon.end()

    rig_run(body, {"limits": {"rest_weight_per_10s": 1_000_000}}, weight_per_10s=100_000,
            instruments_interval_s=1.0, listings=QUICK)  # fmt: skip


@pytest.fixture
def literal_run(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    def start(body: Callable[[Rig], Any], **listings: Any) -> None:
        async def main() -> None:
            async with rig(recorder, monkeypatch, 1.0, **listings) as made:
                await body(made)

        asyncio.run(asyncio.wait_for(main(), 30))

    return start


def row(symbol: str, **more: Any) -> dict[str, Any]:
    return {**INFO, "symbol": symbol, "baseAsset": symbol[:-4], "status": "1", "firstOpenTime": None, **more}


def test_a_list_that_is_refused_for_one_symbol_does_not_hide_the_others(literal_run: Run) -> None:
    """As MEXC may answer: -1121 for the whole question, with no word on which symbol it is."""
    rows = {name: row(name) for name in ("AAAUSDT", "BBBUSDT", "CCCUSDT")}

    def answer(query: dict[str, str]) -> Any:
        wanted = [name for name in (query.get("symbols") or query.get("symbol") or "").split(",") if name]
        if any(name not in rows for name in wanted):
            return 400, json.dumps({"code": -1121, "msg": "Invalid symbol."})
        return {"symbols": [rows[name] for name in wanted or rows]}

    async def body(rig: Rig) -> None:
        rig.venue.bodies[XI] = answer
        for name in list(rows):
            await rig.adapter.watch(name)
        told = rig.recorder.alerts
        del rows["BBBUSDT"]
        await rig.until(lambda: any("BBBUSDT" in text for text in told))
        rows["CCCUSDT"]["isSpotTradingAllowed"] = False

        def tradable(name: str) -> list[int]:
            return [each["tradable"] for each in rig.recorder.of("INSTRUMENT") if each["symbol"] == name]

        def feeds() -> list[str]:
            return [name for feed in rig.adapter.status().feeds for name in feed.symbols]

        await rig.until(lambda: tradable("CCCUSDT") == [Tradable.YES, Tradable.NO])
        await rig.until(lambda: feeds() == ["AAAUSDT", "CCCUSDT"])
        assert tradable("BBBUSDT") == [Tradable.YES, Tradable.NO]
        assert tradable("AAAUSDT") == [Tradable.YES]
        assert told == [f"BBBUSDT {GONE}: what is held of it stays, and has no market data"]
        assert "instrument_failures" not in rig.adapter.status().counters

    literal_run(body)


def test_one_answer_without_a_symbol_and_an_empty_list_prove_nothing(literal_run: Run) -> None:
    rows = {name: row(name) for name in ("AAAUSDT", "BBBUSDT")}
    short = {"left": 0, "empty": False}

    def answer(query: dict[str, str]) -> Any:
        wanted = [name for name in (query.get("symbols") or query.get("symbol") or "").split(",") if name]
        if short["empty"] and len(wanted) > 1:
            return {"symbols": []}
        if short["left"] and "BBBUSDT" in wanted:
            short["left"] -= 1
            wanted.remove("BBBUSDT")
            return {"symbols": [rows[name] for name in wanted]}
        return {"symbols": [rows[name] for name in wanted or rows]}

    async def body(rig: Rig) -> None:
        rig.venue.bodies[XI] = answer
        for name in rows:
            await rig.adapter.watch(name)
        short["left"] = 1
        await rig.until(lambda: not short["left"])
        short["empty"] = True
        await rig.until(lambda: rig.adapter.status().counters.get("instruments_empty", 0) >= 2)
        assert rig.recorder.alerts == []
        assert "symbols_gone" not in rig.adapter.status().counters

    literal_run(body)


def test_what_is_held_from_a_session_before_and_is_gone_is_said_and_awaited(literal_run: Run) -> None:
    rows: dict[str, Any] = {"AAAUSDT": row("AAAUSDT")}

    def answer(query: dict[str, str]) -> Any:
        wanted = [name for name in (query.get("symbols") or query.get("symbol") or "").split(",") if name]
        return {"symbols": [rows[name] for name in wanted or rows if name in rows]}

    async def body(rig: Rig) -> None:
        rig.venue.bodies[XI] = answer
        rig.recorder.symbols = ["OLDUSDT"]
        old = asyncio.get_running_loop().create_task(rig.adapter.watch("OLDUSDT"))
        new = asyncio.get_running_loop().create_task(rig.adapter.watch("NEWUSDT"))
        await rig.until(lambda: rig.adapter.status().counters.get("watch_not_listed", 0) > 10)
        # One that is not known is not listed yet.
        assert rig.recorder.alerts == [f"OLDUSDT {GONE}: what is held of it stays, and has no market data"]
        assert not old.done() and not new.done()
        rows["OLDUSDT"] = row("OLDUSDT")
        await asyncio.wait_for(old, 5)
        assert rig.recorder.alerts[1:] == ["OLDUSDT is listed again"]
        await rig.adapter.unwatch("NEWUSDT")
        await asyncio.wait_for(new, 5)

    literal_run(body)


def test_ends_are_believed_once_their_time_has_come() -> None:
    openings, now_ms = Openings(300, 600), 1_750_000_000_000
    told = ListingFacts(symbol="ABCUSDT", ts_event_ns=now_ms * 1_000_000)
    assert not openings.has_ended("ABCUSDT", now_ms)
    openings.note(ListingSource.OFFLINE, ListingChange.SEEN, told, now_ms)
    assert not openings.has_ended("ABCUSDT", now_ms - 1)
    assert openings.has_ended("ABCUSDT", now_ms)
    openings.note(ListingSource.OFFLINE, ListingChange.GONE, told, now_ms)
    assert not openings.has_ended("ABCUSDT", now_ms)
    openings.note(
        ListingSource.OFFLINE, ListingChange.SEEN, ListingFacts(symbol="ABCUSDT", ts_event_ns=0), now_ms
    )
    assert not openings.has_ended("ABCUSDT", now_ms)


def test_an_offline_row_needs_the_list_of_those_taken_off(literal_run: Run) -> None:
    """A symbol that is not open yet may be shown as offline as well: its feed stays."""
    rows = {"AAAUSDT": row("AAAUSDT", status="3"), "BADUSDT": row("BADUSDT")}
    # BADUSDT is in the list of symbols taken off (test_listing_board), and online until its row says so, too.

    def answer(query: dict[str, str]) -> Any:
        wanted = [name for name in (query.get("symbols") or query.get("symbol") or "").split(",") if name]
        return {"symbols": [rows[name] for name in wanted or rows]}

    async def body(rig: Rig) -> None:
        rig.venue.bodies[XI] = answer
        await rig.until(lambda: rig.told("OFFLINE", "BADUSDT"))
        for name in rows:
            await rig.adapter.watch(name)
        await asyncio.sleep(0.3)
        assert rig.recorder.alerts == []
        rows["BADUSDT"]["status"] = "3"
        await rig.until(lambda: rig.recorder.alerts)
        assert "BADUSDT" in rig.recorder.alerts[0]
        await rig.until(
            lambda: [feed.symbols for feed in rig.adapter.status().feeds if feed.symbols] == [["AAAUSDT"]]
        )

    literal_run(body)
