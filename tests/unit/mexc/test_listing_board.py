"""Listing evidence end to end: the adapter against a server that answers documented bodies, and then something else."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from adapters.mexc import MexcAdapter, MexcConfig
from adapters.mexc.errors import VenueError
from engine.adapter import SourceStatus
from tests.property.test_listing_sources import COIN, CONTRACT, INFO, WEB
from tests.property.test_mexc_tickers import frame, item
from tests.unit.mexc.literal_venue import FORBIDDEN, LiteralVenue, literal_venue, now_ms

CALENDAR, WEB_PATH = "/api/operation/new_coin_calendar", "/api/platform/spot/market-v2/web/symbolsV2"
XI, SELF, ANN = "/api/v3/exchangeInfo", "/api/v3/selfSymbols", "/api/v3/announcements"
OFFLINE, CONTRACTS = "/api/v3/symbol/offline", "/api/v1/contract/detail"
OTHER = {**INFO, "symbol": "OLDUSDT", "baseAsset": "OLD", "status": "1", "firstOpenTime": None}


class Rig:
    """A literal venue, an adapter with quick intervals, and what it told."""

    def __init__(self, venue: LiteralVenue, adapter: MexcAdapter, recorder: Any) -> None:
        self.venue, self.adapter, self.recorder = venue, adapter, recorder

    def told(self, source: str, symbol: str | None = None) -> list[dict[str, Any]]:
        """The changes of a source."""
        found = [each for each in self.recorder.of("LISTING") if each["from"] == source]
        return found if symbol is None else [each for each in found if each["symbol"] == symbol]

    def changes(self, source: str, symbol: str = "") -> list[str]:
        return [each["change"] for each in self.told(source, symbol)]

    def source(self, name: str) -> SourceStatus:
        return next(each for each in self.adapter.status().sources if each.name == name)

    async def until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(
                    f"it never came: {self.recorder.counts} {self.recorder.of('LISTING')[-5:]}"
                )
            await asyncio.sleep(0.005)


def confirm(message: dict[str, Any]) -> list[Any]:
    if message["method"] == "SUBSCRIPTION":
        return [{"id": message["id"], "code": 0, "msg": message["params"][0]}]
    return [{"id": 0, "code": 0, "msg": "PONG"}] if message["method"] == "PING" else []


def answers(venue: LiteralVenue) -> None:
    """Documented bodies, each with one coin."""
    venue.bodies = {
        CALENDAR: {"data": {"newCoins": [COIN]}},
        WEB_PATH: {"data": {"symbols": {"USDT": [WEB]}}},
        XI: {"symbols": [INFO, OTHER]},
        SELF: {"code": 200, "data": ["ABCUSDT"], "msg": None},
        ANN: {
            "code": 0,
            "data": [{"details": [{"title": "MEXC Will List Abc (ABC)", "url": "https://x/1"}]}],
            "msg": "",
        },
        OFFLINE: {"data": [{"symbol": "BADUSDT", "state": 3, "offlineTime": 1_750_000_000_000}]},
        CONTRACTS: {"success": True, "code": 0, "data": [CONTRACT]},
    }
    venue.on_message = confirm


QUICK = {
    "calendar_interval_s": 0.05, "web_interval_s": 0.05, "exchange_info_interval_s": 0.05, "self_symbols_interval_s": 0.05,
    "announcements_interval_s": 0.05, "offline_interval_s": 0.05, "futures_interval_s": 0.05, "near_interval_s": 0.05,
    "outage_interval_s": 0.2,
}  # fmt: skip


@contextlib.asynccontextmanager
async def rig(
    recorder: Any, monkeypatch: pytest.MonkeyPatch, instruments_interval_s: float = 60.0, **listings: Any
) -> AsyncIterator[Rig]:
    monkeypatch.setenv("TEST_MEXC_KEY", "mx0-test")
    monkeypatch.setenv("TEST_MEXC_SECRET", "test-secret-never-shown")
    async with literal_venue() as venue:
        answers(venue)
        config = MexcConfig(
            rest_url=venue.url,
            ws_url=venue.url.replace("http", "ws") + "/ws",
            api_key_env="TEST_MEXC_KEY",
            api_secret_env="TEST_MEXC_SECRET",
            request_timeout_ms=500,
            backoff_initial_s=0.02,
            backoff_max_s=0.05,
            firewall_pause_s=0.01,
            clock_samples=1,
            weight_per_10s=100_000,
            instruments_interval_s=instruments_interval_s,
            listings={"enabled": True, **QUICK, **listings},
        )
        adapter = MexcAdapter(config, run_id="abcdef012345", seed=7)
        try:
            await adapter.start(recorder, [])
            yield Rig(venue, adapter, recorder)
        finally:
            await adapter.close()


@pytest.fixture
def run(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a test's coroutine with a rig."""

    def start(body: Callable[[Rig], Awaitable[None]], **listings: Any) -> None:
        async def main() -> None:
            async with rig(recorder, monkeypatch, **listings) as made:
                await body(made)

        asyncio.run(asyncio.wait_for(main(), 30))

    return start


Run = Callable[..., None]


def test_every_source_tells_what_it_has_once(run: Run) -> None:
    async def body(rig: Rig) -> None:
        sources = ("CALENDAR", "WEB", "EXCHANGE_INFO", "SELF", "ANNOUNCEMENT", "FUTURES")
        await rig.until(
            lambda: all(rig.told(name, "ABCUSDT") for name in sources) and rig.told("OFFLINE", "BADUSDT")
        )
        await rig.until(
            lambda: "/ws" in rig.venue.sockets and any(m["method"] == "SUBSCRIPTION" for m in rig.venue.heard)
        )
        await rig.venue.push("/ws", frame([item(b"ABCUSDT", b"1.5"), item(b"XEUR", b"1")], 1_750_000_000_001))
        await rig.until(lambda: rig.told("MARKET_DATA", "ABCUSDT"))
        asked = dict(rig.venue.asked)
        await rig.until(
            lambda: all(rig.venue.asked[path] > asked[path] + 2 for path in asked if path != "/api/v3/time")
        )
        for name in sources:
            assert rig.changes(name, "ABCUSDT") == ["SEEN"]
            assert rig.changes(name) == ["SOURCE_UP"]
        web, ticker = rig.told("WEB", "ABCUSDT")[0], rig.told("MARKET_DATA", "ABCUSDT")[0]
        assert (web["venue_codes"], web["text"], web["open_time_ms"]) == (
            [2, 2, 4],
            "first look",
            1_750_000_000_000,
        )
        assert (ticker["price"], ticker["ts_event_ns"]) == (15 * 10**19, 1_750_000_000_001_000_000)
        assert rig.told("MARKET_DATA", "XEUR") == []
        assert rig.told("ANNOUNCEMENT", "ABCUSDT")[0]["text"] == "MEXC Will List Abc (ABC)"
        status = {each.name: each for each in rig.adapter.status().sources if each.name != "futures stream"}
        assert {each.state for each in status.values()} == {"up"}
        assert len(status) == 8
        assert all(each.answers > 0 and each.failures == 0 for each in status.values())
        # Only the signed source has a signature, and the calendar a time against caches.
        signed = {path for path, query in rig.venue.queries if "signature" in query}
        assert signed == {SELF, "/api/v3/userDataStream"} or signed == {SELF}
        assert all("timestamp" in query for path, query in rig.venue.queries if path == CALENDAR)

    run(body)


def test_changes_are_told_and_are_no_first_look(run: Run) -> None:
    async def body(rig: Rig) -> None:
        await rig.until(lambda: rig.told("EXCHANGE_INFO", "OLDUSDT") and rig.told("CALENDAR", "ABCUSDT"))
        rig.venue.bodies[XI] = {"symbols": [{**INFO, "status": 1}, OTHER, {**OTHER, "symbol": "NEWUSDT"}]}
        rig.venue.bodies[CALENDAR] = {"data": {"newCoins": [{**COIN, "firstOpenTime": 1_760_000_000_000}]}}
        await rig.until(
            lambda: len(rig.told("CALENDAR", "ABCUSDT")) == 2 and rig.told("EXCHANGE_INFO", "NEWUSDT")
        )
        online = rig.told("EXCHANGE_INFO", "ABCUSDT")
        assert [(each["status"], each["text"]) for each in online] == [(2, "first look"), (1, "")]
        assert [each["open_time_ms"] for each in rig.told("CALENDAR", "ABCUSDT")] == [
            1_750_000_000_000,
            1_760_000_000_000,
        ]
        rig.venue.bodies[XI] = {"symbols": [{**INFO, "status": 1}, OTHER]}
        await rig.until(lambda: rig.changes("EXCHANGE_INFO", "NEWUSDT") == ["SEEN", "GONE"])
        assert rig.changes("EXCHANGE_INFO", "OLDUSDT") == ["SEEN"]

    run(body)


@pytest.mark.parametrize(
    ("path", "source", "spoiled", "reason"),
    [
        (CALENDAR, "CALENDAR", FORBIDDEN, "blocked"),
        (CALENDAR, "CALENDAR", {"data": {"newCoins": []}}, "shape: 0 rows after 1"),
        (WEB_PATH, "WEB", FORBIDDEN, "blocked"),
        (WEB_PATH, "WEB", {"data": {"symbols": [WEB]}}, "shape"),
        (WEB_PATH, "WEB", "<html>Just a moment</html>", "shape: not the shape it had: a web page"),
        (XI, "EXCHANGE_INFO", {"symbols": {"ABCUSDT": INFO}}, "shape"),
        (XI, "EXCHANGE_INFO", (404, "gone"), "vanished"),
        (SELF, "SELF", {"code": 200, "data": "none"}, "shape"),
        (ANN, "ANNOUNCEMENT", (404, ""), "vanished"),
        (OFFLINE, "OFFLINE", (429, "slow down"), "limited"),
        (CONTRACTS, "FUTURES", (503, "sorry"), "silent"),
    ],
)
def test_a_source_that_fails_is_degraded_alone_and_restored(
    run: Run, path: str, source: str, spoiled: Any, reason: str
) -> None:
    async def body(rig: Rig) -> None:
        sources = ("CALENDAR", "WEB", "EXCHANGE_INFO", "SELF", "ANNOUNCEMENT", "FUTURES", "OFFLINE")
        await rig.until(lambda: all(rig.changes(name) == ["SOURCE_UP"] for name in sources))
        good = rig.venue.bodies[path]
        rig.venue.bodies[path] = spoiled
        await rig.until(lambda: "SOURCE_DOWN" in rig.changes(source))
        down = next(each for each in rig.told(source, "") if each["change"] == "SOURCE_DOWN")
        assert down["text"].startswith(reason)
        assert rig.source(source.lower()).state == "down"
        assert rig.source(source.lower()).reason.startswith(reason)
        others = {name: rig.source(name.lower()).answers for name in sources if name != source}
        await rig.until(
            lambda: all(rig.source(name.lower()).answers > before for name, before in others.items())
        )
        assert all(rig.changes(name) == ["SOURCE_UP"] for name in others)
        rig.venue.bodies[path] = good
        await rig.until(
            lambda: rig.changes(source)[-1] == "SOURCE_UP" and rig.source(source.lower()).state == "up"
        )
        assert rig.changes(source).count("SOURCE_DOWN") == 1
        assert "GONE" not in [each["change"] for each in rig.told(source)]

    run(body)


def test_a_source_that_fails_is_asked_less_often(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def body(rig: Rig) -> None:
        rig.venue.bodies[CALENDAR] = FORBIDDEN
        await rig.until(lambda: rig.source("calendar").state == "down")
        began, before = (
            asyncio.get_running_loop().time(),
            (rig.venue.asked[CALENDAR], rig.venue.asked[WEB_PATH]),
        )
        await rig.until(lambda: rig.venue.asked[CALENDAR] >= before[0] + 3)
        # Doubled waits up to outage_interval_s (0.2 s), where the others go on at 0.05 s.
        assert asyncio.get_running_loop().time() - began > 0.35
        assert rig.venue.asked[WEB_PATH] - before[1] >= 5
        assert rig.changes("CALENDAR") == ["SOURCE_DOWN"]

    run(body)
    lines = [record for record in caplog.records if "CALENDAR is degraded" in record.getMessage()]
    assert len(lines) == 1


def test_refused_and_broken_mini_tickers_degrade_their_source(run: Run) -> None:
    async def body(rig: Rig) -> None:
        await rig.until(lambda: rig.venue.heard)
        await rig.until(lambda: rig.source("market_data").state == "down")
        assert rig.changes("MARKET_DATA")[0] == "SOURCE_DOWN"
        assert rig.source("market_data").reason.startswith("blocked")
        rig.venue.on_message = confirm
        await rig.until(lambda: any(m["method"] == "SUBSCRIPTION" for m in rig.venue.heard[3:]))
        await rig.until(lambda: not rig.venue.sockets["/ws"].closed)
        await asyncio.sleep(0.2)
        await rig.venue.push("/ws", frame([item(b"ABCUSDT", b"1")]))
        await rig.until(lambda: rig.changes("MARKET_DATA")[-1] == "SOURCE_UP")
        await rig.venue.push("/ws", frame([item(b"DEFUSDT", b"1")])[:-2])
        await rig.until(lambda: rig.changes("MARKET_DATA")[-1] == "SOURCE_DOWN")
        assert rig.source("market_data").reason == "shape: mini tickers: TRUNCATED"
        await rig.venue.push("/ws", frame([item(b"DEFUSDT", b"1")]))
        await rig.until(lambda: rig.told("MARKET_DATA", "DEFUSDT"))
        assert rig.told("MARKET_DATA", "DEFUSDT")[0]["text"] == ""
        await rig.until(lambda: rig.source("market_data").state == "up")

    def refuse(message: dict[str, Any]) -> list[Any]:
        if message["method"] == "SUBSCRIPTION":
            text = f"Not Subscribed successfully! [{message['params'][0]}].  Reason： Blocked! "
            return [{"id": message["id"], "code": 0, "msg": text}]
        return confirm(message)

    async def refused_first(rig: Rig) -> None:
        await body(rig)

    async def main(rig: Rig) -> None:
        rig.venue.on_message = refuse
        await refused_first(rig)

    run(main)


def test_thousands_of_symbols_are_told_without_a_long_pause(run: Run) -> None:
    rows = [{**OTHER, "symbol": f"S{number}USDT", "baseAsset": f"S{number}"} for number in range(2500)]

    async def body(rig: Rig) -> None:
        await rig.until(lambda: rig.told("EXCHANGE_INFO", "OLDUSDT"))
        rig.venue.bodies[XI] = {"symbols": [INFO, OTHER, *rows]}
        await rig.until(lambda: len(rig.told("EXCHANGE_INFO")) >= 2502)
        assert rig.source("exchange_info").rows == 2502

    run(body, calendar=False, web=False, futures=False, announcements=False, offline=False)


def test_symbols_near_their_opening_are_asked_about_alone(run: Run) -> None:
    async def body(rig: Rig) -> None:
        soon = {**COIN, "vcoinName": "SOON", "firstOpenTime": now_ms() + 60_000}
        rig.venue.bodies[CALENDAR] = {"data": {"newCoins": [COIN, soon]}}
        row = {**INFO, "symbol": "SOONUSDT", "baseAsset": "SOON", "firstOpenTime": soon["firstOpenTime"]}

        def info(query: dict[str, str]) -> Any:
            return {"symbols": [row] if "SOONUSDT" in query.get("symbols", "") else [INFO, OTHER]}

        rig.venue.bodies[XI] = info
        await rig.until(lambda: rig.told("EXCHANGE_INFO", "SOONUSDT"))
        row["status"] = "1"
        await rig.until(lambda: [each["status"] for each in rig.told("EXCHANGE_INFO", "SOONUSDT")][-1] == 1)
        asked = [query["symbols"] for path, query in rig.venue.queries if path == XI and "symbols" in query]
        assert set(asked) == {"SOONUSDT"}

    run(body, exchange_info_interval_s=3600)


def test_nothing_is_asked_unless_it_is_enabled(run: Run) -> None:
    async def body(rig: Rig) -> None:
        await asyncio.sleep(0.4)
        assert rig.recorder.of("LISTING") == []
        assert set(rig.venue.asked) <= {"/api/v3/time", "/api/v3/userDataStream"}
        assert rig.adapter.status().sources == []

    run(body, enabled=False)


def test_intervals_that_would_get_us_blocked_are_refused_at_mexc_alone() -> None:
    async def main() -> None:
        adapter = MexcAdapter(MexcConfig(listings={"web_interval_s": 1.0}), run_id="abcdef012345")
        with pytest.raises(VenueError, match=r"listings\.web_interval_s must be at least 5 s"):
            await adapter.load_instruments(["BTCUSDT"])

    asyncio.run(main())
    local = MexcConfig(rest_url="http://127.0.0.1:1", listings={"web_interval_s": 1.0})
    assert local.too_often() == ""
    assert (local.web_url, local.futures_url) == ("http://127.0.0.1:1", "http://127.0.0.1:1")
    assert local.futures_ws_url == "ws://127.0.0.1:1/edge"
    assert MexcConfig().web_url == "https://www.mexc.com"
    assert json.loads(MexcConfig().model_dump_json())["listings"]["enabled"] is False
