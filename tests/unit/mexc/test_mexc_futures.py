"""Futures market data: messages in recorded and documented shapes, and the whole of it against a literal venue."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.mexc import MexcAdapter, MexcConfig
from adapters.mexc.futures.market import FuturesMarket
from adapters.mexc.futures.messages import (
    DealRecord,
    PriceRecord,
    commits_of,
    deals_of,
    depth_of,
    funding_of,
    parse_answer,
    parse_push,
    price_of,
)  # fmt: skip
from adapters.mexc.listings.facts import ShapeError
from tests.property.test_listing_sources import CONTRACT, VALUES
from tests.unit.mexc.literal_venue import LiteralVenue, literal_venue

EDGE = "/edge"
DETAIL, DEPTH = "/api/v1/contract/detail", "/api/v1/contract/depth/BTC_USDT"
COMMITS = "/api/v1/contract/depth_commits/BTC_USDT/1000"
READERS = (depth_of, commits_of, deals_of, funding_of, price_of)


def recorded(data_dir: Path, path: str, which: int = 0) -> object:
    routes = json.loads((data_dir / "mexc/rest_fixtures/gct_pr1897_http.json").read_text())["routes"]
    return parse_answer(json.dumps(routes[path]["GET"][which]["data"]).encode())


def test_recorded_answers_are_read(data_dir: Path) -> None:
    depth = depth_of(recorded(data_dir, "/api/v1/contract/depth/BTC_USDT"))
    assert (depth.begin, depth.end) == (30094456680, 30094456680)
    assert (depth.asks[0], depth.bids[4]) == ((Decimal("87631.5"), 11008), (Decimal("87631"), 4097))
    commits = commits_of(recorded(data_dir, "/api/v1/contract/depth_commits/BTC_USDT/10"))
    assert [each.begin for each in commits] == list(range(30093377497, 30093377502))
    assert commits[2].bids == [(Decimal("87658"), 1)]
    deals = deals_of(recorded(data_dir, "/api/v1/contract/deals/BTC_USDT"))
    assert deals[0] == DealRecord(Decimal("87511.3"), 51, 2, 1767211407368)
    funding = funding_of(recorded(data_dir, "/api/v1/contract/funding_rate/BTC_USDT"))
    assert (funding.rate, funding.next_settle_ms) == (Decimal("0.0001"), 1767225600000)
    fair = price_of(recorded(data_dir, "/api/v1/contract/fair_price/BTC_USDT"))
    assert fair == PriceRecord(Decimal("87790.2"), Decimal(0), 1767208306192)
    ticker = price_of(recorded(data_dir, "/api/v1/contract/ticker"))
    assert (ticker.fair, ticker.last) == (Decimal("87722.5"), Decimal("87718.1"))
    with pytest.raises(ShapeError, match="refused: Contract does not exist"):
        recorded(data_dir, "/api/v1/contract/depth/BTCUSDT")


def test_numbers_keep_every_digit() -> None:
    """Java writes small numbers with an exponent; a float would round the rest."""
    data = b'{"asks":[[2.5E-7,3,1]],"bids":[[0.1234567890123456789,2,1]],"version":7}'
    text = b'{"channel":"push.depth","symbol":"A_USDT","data":' + data + b"}"
    depth = depth_of(parse_push(text).data)
    assert depth.asks == [(Decimal("0.00000025"), 3)]
    assert depth.bids == [(Decimal("0.1234567890123456789"), 2)]
    spanned = depth_of({"asks": [], "bids": [], "begin": 5, "end": 9, "version": 9})
    assert (spanned.begin, spanned.end) == (5, 9)
    assert depth_of({"asks": [], "bids": [], "begin": 0, "end": 0, "version": 9}).begin == 9
    assert deals_of({"p": 1, "v": 2, "T": 1, "t": 3}) == [DealRecord(Decimal(1), 2, 1, 3)]


@pytest.mark.parametrize("read", READERS)
@given(data=VALUES)
@example(data={"asks": [[1, 2]], "bids": [["x"]], "version": 3})
def test_any_data_is_read_or_refused(read: Callable[[object], object], data: object) -> None:
    for value in (data, [data], {"asks": data, "bids": [], "version": 5}, {"p": data, "v": 1, "T": 1}):
        with contextlib.suppress(ValueError):
            read(value)


@given(
    text=st.binary(max_size=60)
    | VALUES.map(
        lambda value: json.dumps({"channel": "push.depth", "symbol": "BTC_USDT", "data": value}).encode()
    )
)
@example(text=b"[" * 100_000)
def test_any_message_is_taken_or_counted(text: bytes) -> None:
    async def main() -> int:
        counts: list[str] = []
        config = MexcConfig(rest_url="http://127.0.0.1:1", futures={"contracts": ["BTC_USDT"]})
        nothing: Any = lambda *_: None  # noqa: E731
        market = FuturesMarket(
            config, nothing, nothing, lambda name: counts.append(name) or 1, *[nothing] * 4
        )  # type: ignore[func-returns-value]
        for channel in (b"push.depth", b"push.deal", b"push.ticker", b"push.funding.rate", b"push.contract"):
            market.take(text.replace(b"push.depth", channel))
        return len(counts)

    assert asyncio.run(main()) <= 5


class Rig:
    """A literal futures venue with a book that a test moves, and the adapter."""

    def __init__(self, venue: LiteralVenue, adapter: MexcAdapter, recorder: Any) -> None:
        self.venue, self.adapter, self.recorder = venue, adapter, recorder

    @property
    def market(self) -> FuturesMarket:
        found = self.adapter._surroundings._board.futures  # type: ignore[union-attr]
        assert found is not None
        return found

    async def until(self, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(
                    f"it never came: {self.recorder.counts} {self.venue.heard[-5:]} {self.venue.asked}"
                )
            await asyncio.sleep(0.005)

    async def depth(self, begin: int, end: int, *bids: list[float]) -> None:
        data = {"asks": [], "bids": list(bids), "begin": begin, "end": end, "version": end}
        await self.venue.push(EDGE, {"channel": "push.depth", "symbol": "BTC_USDT", "data": data, "ts": 1})

    async def ticker(self, name: str, fair: float) -> None:
        data = {"symbol": name, "lastPrice": 9.5, "fairPrice": fair, "timestamp": 1_750_000_000_000}
        await self.venue.push(EDGE, {"channel": "push.ticker", "symbol": name, "data": data, "ts": 1})

    def prices(self, symbol: str) -> list[int]:
        return [
            each["price"]
            for each in self.recorder.of("LISTING")
            if each["symbol"] == symbol and "price" in each
        ]

    def subscribed(self) -> list[tuple[str, str]]:
        return [
            (m["method"], m.get("param", {}).get("symbol", ""))
            for m in self.venue.heard
            if m["method"] != "ping"
        ]


@contextlib.asynccontextmanager
async def rig(recorder: Any, futures: dict[str, Any], listings: dict[str, Any]) -> AsyncIterator[Rig]:
    async with literal_venue() as venue:
        venue.bodies = {
            DETAIL: lambda query: {"success": True, "code": 0, "data": (
                {"symbol": "BTC_USDT", "priceScale": 1} if query.get("symbol") else [CONTRACT])},
            DEPTH: {"success": True, "code": 0, "data": {"asks": [[101, 1, 1]], "bids": [[100.5, 2, 1]], "version": 10}},
            COMMITS: {"success": True, "code": 0, "data": []},
        }  # fmt: skip
        venue.on_message = lambda message: (
            [{"channel": "pong", "data": 1}] if message["method"] == "ping"
            else [{"channel": f"rs.{message['method']}", "data": "success", "ts": 1}]
        )  # fmt: skip
        config = MexcConfig(
            rest_url=venue.url, ws_url=venue.url.replace("http", "ws") + "/ws", request_timeout_ms=500,
            backoff_initial_s=0.02, backoff_max_s=0.05, clock_samples=1, weight_per_10s=100_000, futures=futures,
            listings={"calendar": False, "web": False, "exchange_info": False, "announcements": False, "offline": False,
                      "market_data": False, "futures_interval_s": 0.1, "near_interval_s": 0.1, **listings},
        )  # fmt: skip
        adapter = MexcAdapter(config, run_id="abcdef012345", seed=7)
        try:
            await adapter.start(recorder, [])
            yield Rig(venue, adapter, recorder)
        finally:
            await adapter.close()


def run(
    recorder: Any, body: Callable[[Rig], Awaitable[None]], futures: dict[str, Any], **listings: Any
) -> None:
    async def main() -> None:
        async with rig(
            recorder, {"reference_interval_s": 0.0, "ping_interval_s": 0.1, **futures}, listings
        ) as made:
            await body(made)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_configured_contract_is_followed_through_holes_and_reconnections(recorder: Any) -> None:
    async def body(rig: Rig) -> None:
        contract = rig.market.contracts["BTC_USDT"]
        await rig.until(lambda: contract.book is not None and contract.book.is_live)
        book = contract.book
        assert book is not None
        assert (book.version, book.best_bid, book.best_ask) == (10, (1005, 2), (1010, 1))
        await rig.depth(11, 12, [100.7, 5, 1])
        await rig.until(lambda: book.best_bid == (1007, 5))
        # A hole, filled by the commits: newest first, as the venue lists them.
        rig.venue.bodies[COMMITS]["data"] = [
            {"asks": [], "bids": [[100.9, 1, 1]], "version": 14}, {"asks": [], "bids": [[100.7, 0, 0]], "version": 13},
        ]  # fmt: skip
        await rig.depth(14, 14, [100.9, 1, 1])
        await rig.until(lambda: book.is_live and book.version == 14)
        assert (book.best_bid, book.holes) == ((1009, 1), 1)
        assert recorder.counts["mexc.futures.holes_filled"] == 1
        # A hole that the commits do not fill: a new snapshot.
        rig.venue.bodies[COMMITS]["data"] = []
        rig.venue.bodies[DEPTH]["data"] = {"asks": [], "bids": [[99, 1, 1]], "version": 30}
        await rig.depth(29, 29, [98.0, 1, 1])
        await rig.until(lambda: book.is_live and book.version == 30)
        assert (book.best_bid, book.best_ask) == ((990, 1), None)
        stream = next(each for each in rig.adapter.status().sources if each.name == "futures stream")
        assert (stream.reason, stream.rows, stream.skipped) == ("1 of 1 books live", 1, 2)
        # Trades and funding; then the connection ends, and all is asked for again.
        await rig.venue.push(
            EDGE,
            {"channel": "push.deal", "symbol": "BTC_USDT", "data": [{"p": 99.5, "v": 3, "T": 2, "t": 7}]},
        )
        await rig.venue.push(
            EDGE,
            {
                "channel": "push.funding.rate",
                "symbol": "BTC_USDT",
                "data": {"rate": 0.0001, "nextSettleTime": 9},
            },
        )
        await rig.until(lambda: contract.funding is not None and contract.last_deal is not None)
        assert contract.last_deal == DealRecord(Decimal("99.5"), 3, 2, 7)
        assert contract.funding is not None
        assert contract.funding.rate == Decimal("0.0001")
        before = len(rig.subscribed())
        await rig.venue.sockets[EDGE].close()
        await rig.until(lambda: len(rig.subscribed()) == 2 * before)
        await rig.until(lambda: book.is_live)
        depth = next(m for m in rig.venue.heard if m["method"] == "sub.depth")
        assert depth == {
            "method": "sub.depth",
            "gzip": False,
            "param": {"symbol": "BTC_USDT", "compress": False},
        }
        assert any(m == {"method": "ping"} for m in rig.venue.heard)

    run(recorder, body, {"contracts": ["BTC_USDT"]})


def test_the_reference_price_of_a_watched_symbol_is_told_as_evidence(recorder: Any) -> None:
    async def body(rig: Rig) -> None:
        await rig.until(lambda: any(each["symbol"] == "ABCUSDT" for each in recorder.of("LISTING")))
        watching = asyncio.get_running_loop().create_task(rig.adapter.watch("ABCUSDT"))
        await rig.until(lambda: ("sub.ticker", "ABC_USDT") in rig.subscribed())
        await rig.ticker("ABC_USDT", 1.25)
        await rig.until(lambda: rig.prices("ABCUSDT") == [125 * 10**18])
        told = next(each for each in recorder.of("LISTING") if "price" in each)
        assert (told["from"], told["change"], told["open_time_ms"]) == (
            "FUTURES",
            "SEEN",
            CONTRACT["openingTime"],
        )
        assert told["ts_event_ns"] == 1_750_000_000_000_000_000
        # A step below 500 millionths is no news; a contract that nobody follows is none at all.
        await rig.ticker("ABC_USDT", 1.2505)
        await rig.ticker("XYZ_USDT", 2.0)
        await rig.ticker("ABC_USDT", 1.26)
        await rig.until(lambda: len(rig.prices("ABCUSDT")) == 2)
        assert rig.prices("ABCUSDT")[1] == 126 * 10**18
        assert rig.prices("XYZUSDT") == []
        # The polls go on and tell nothing new, for a price is no change of the contract.
        asked = rig.venue.asked[DETAIL]
        await rig.until(lambda: rig.venue.asked[DETAIL] > asked + 2)
        assert len([each for each in recorder.of("LISTING") if each["symbol"] == "ABCUSDT"]) == 3
        await rig.adapter.unwatch("ABCUSDT")
        await rig.until(lambda: ("unsub.ticker", "ABC_USDT") in rig.subscribed())
        await asyncio.wait_for(watching, 5)

    run(recorder, body, {}, enabled=True)


def test_contract_pushes_are_evidence_and_a_silent_stream_is_replaced(recorder: Any) -> None:
    async def body(rig: Rig) -> None:
        await rig.until(lambda: ("sub.contract", "") in rig.subscribed())
        new = {**CONTRACT, "symbol": "NEW_USDT", "openingTime": 1_760_000_000_000, "state": 4}
        await rig.venue.push(EDGE, {"channel": "push.contract", "symbol": "NEW_USDT", "data": new, "ts": 1})
        await rig.until(lambda: any(each["symbol"] == "NEWUSDT" for each in recorder.of("LISTING")))
        told = next(each for each in recorder.of("LISTING") if each["symbol"] == "NEWUSDT")
        assert (told["from"], told["status"], told["open_time_ms"]) == ("FUTURES", 2, 1_760_000_000_000)
        await rig.venue.push(EDGE, {"channel": "push.contract", "symbol": "BAD", "data": {"symbol": 5}})
        await rig.until(lambda: recorder.counts["mexc.listings.futures.bad_row"] >= 1)
        stream = next(each for each in rig.adapter.status().sources if each.name == "futures stream")
        assert (stream.state, stream.failures) == ("up", 0)
        rig.venue.on_message = lambda message: []
        await rig.until(lambda: recorder.counts["mexc.futures.silent"] >= 1)

    run(recorder, body, {"silent_timeout_s": 0.4}, enabled=True)
