"""The local venue's futures side: market data of contracts over REST and `/edge`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.test_venue_listings import listing
from tests.e2e.venue_client import Client, play

BASE = "/api/v1/contract"


async def data(client: Client, path: str) -> Any:
    status, answer = await client.get(f"{BASE}/{path}")
    assert status == 200 and (answer["success"], answer["code"]) == (True, 0)
    return answer["data"]


class Edge:
    """A futures websocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.pushes: list[dict[str, Any]] = []

    async def ask(self, method: str, **param: object) -> dict[str, Any]:
        """Send, and wait for what is no push."""
        await self.socket.send_json({"method": method, "param": param, "gzip": False})
        while True:
            message: dict[str, Any] = json.loads((await self.socket.receive(timeout=10)).data)
            if not message["channel"].startswith("push."):
                return message
            self.pushes.append(message)

    async def pushed(self, client: Client, ms: int) -> list[dict[str, Any]]:
        """Everything pushed while the manual clock moves on."""
        await client.step(ms)
        assert (await self.ask("ping"))["channel"] == "pong"
        pushes, self.pushes = self.pushes, []
        return pushes


@asynccontextmanager
async def edge(client: Client) -> AsyncIterator[Edge]:
    async with client.session.ws_connect(client.venue.futures_ws_url) as socket:
        yield Edge(socket)


def test_answers_have_the_recorded_keys(data_dir: Path) -> None:
    fixtures = data_dir / "mexc" / "rest_fixtures" / "gct_pr1897_http.json"
    routes = json.loads(fixtures.read_text())["routes"]

    async def scenario(client: Client) -> None:
        await client.step(3000)
        for name, query in (
            ("detail", "?symbol=BTC_USDT"), ("ticker", "?symbol=BTC_USDT"), ("depth/BTC_USDT", "?limit=5"),
            ("depth_commits/BTC_USDT/10", ""), ("funding_rate/BTC_USDT", ""), ("deals/BTC_USDT", ""),
            ("index_price/BTC_USDT", ""), ("fair_price/BTC_USDT", ""), ("support_currencies", ""),
        ):  # fmt: skip
            theirs = routes[f"{BASE}/{name}"]["GET"][0]["data"]
            ours = (await client.get(f"{BASE}/{name}{query}"))[1]
            same_keys(theirs, ours, name)
        missing = routes[f"{BASE}/depth/BTCUSDT"]["GET"][0]["data"]
        assert (await client.get(f"{BASE}/depth/BTCUSDT"))[1] == missing

    play(scenario)


def same_keys(theirs: Any, ours: Any, where: str) -> None:
    if isinstance(theirs, dict):
        assert set(theirs) == set(ours), where
        for key in theirs:
            same_keys(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list) and theirs and ours:
        same_keys(theirs[0], ours[0], f"{where}[0]")
    elif not isinstance(theirs, list):
        numbers = (int, float)
        both_numbers = isinstance(theirs, numbers) and isinstance(ours, numbers)
        assert type(theirs) is type(ours) or both_numbers, where


def test_a_contract_follows_its_spot_market() -> None:
    async def scenario(client: Client) -> None:
        await client.step(5000)
        depth = await data(client, "depth/BTC_USDT?limit=20")
        bid, ask = depth["bids"][0][0], depth["asks"][0][0]
        assert bid < ask and 5 <= len(depth["bids"]) <= 20
        assert [row[0] for row in depth["asks"]] == sorted(row[0] for row in depth["asks"])
        index = (await data(client, "index_price/BTC_USDT"))["indexPrice"]
        assert abs((bid + ask) / 2 - index) < index * 0.001
        ticker = await data(client, "ticker?symbol=BTC_USDT")
        assert (ticker["bid1"], ticker["ask1"]) == (bid, ask)
        assert ticker["minAskPrice"] < bid < ask < ticker["maxBidPrice"]
        deals = await data(client, "deals/BTC_USDT?limit=10")
        _, spot = await client.get("/api/v3/trades?symbol=BTCUSDT&limit=10")
        assert [(deal["t"], deal["T"]) for deal in deals] == [
            (trade["time"], 1 if trade["tradeType"] == "BID" else 2) for trade in spot
        ]
        assert (await data(client, "ping")) == client.now_ms()
        funding = await data(client, "funding_rate/BTC_USDT")
        assert 0 < funding["nextSettleTime"] - client.now_ms() <= 8 * 3_600_000
        assert len(await data(client, "detail")) == len(await data(client, "ticker")) == 2
        _, unknown = await client.get(f"{BASE}/detail?symbol=NOPE_USDT")
        assert unknown == {"success": False, "code": 1001, "message": "Contract does not exist"}

    play(scenario)


def apply(book: dict[str, dict[float, int]], change: dict[str, Any]) -> None:
    for side in ("asks", "bids"):
        for price, contracts, _ in change[side]:
            if contracts:
                book[side][price] = contracts
            else:
                book[side].pop(price, None)


@pytest.mark.parametrize("compress", [False, True])
def test_depth_follows_by_versions(compress: bool) -> None:
    async def scenario(client: Client) -> None:
        await client.step(200)
        async with edge(client) as socket:
            assert (await socket.ask("sub.depth", symbol="BTC_USDT", compress=compress))["data"] == "success"
            start = await data(client, "depth/BTC_USDT")
            book = {side: {row[0]: row[1] for row in start[side]} for side in ("asks", "bids")}
            version, applied = start["version"], 0
            for push in await socket.pushed(client, 4000):
                change = push["data"]
                assert push["channel"] == "push.depth" and push["symbol"] == "BTC_USDT"
                if change["version"] <= version:
                    continue
                begin = change.get("begin") or change["version"]
                assert begin <= version + 1 <= change["version"]
                assert (change["version"] - begin == 1) is compress
                apply(book, change)
                version, applied = change["version"], applied + 1
            end = await data(client, "depth/BTC_USDT")
            if compress and version < end["version"]:  # the last version waits for its pair
                for commit in reversed(
                    await data(client, f"depth_commits/BTC_USDT/{end['version'] - version}")
                ):
                    apply(book, commit)
                    version = commit["version"]
            assert version == end["version"] and applied >= 19
            assert book == {side: {row[0]: row[1] for row in end[side]} for side in ("asks", "bids")}

    play(scenario)


def test_a_hole_is_mended_from_the_commits() -> None:
    async def scenario(client: Client) -> None:
        async with edge(client) as socket:
            await socket.ask("sub.depth", symbol="BTC_USDT", compress=False)
            await client.fault("gap", match="push.depth", count=1, at_s=0.5)
            versions = [push["data"]["version"] for push in await socket.pushed(client, 2000)]
            (missing,) = set(range(versions[0], versions[-1] + 1)) - set(versions)
            commits = await data(client, "depth_commits/BTC_USDT/1000")
            assert missing in {commit["version"] for commit in commits}

    play(scenario)


def test_deals_tickers_funding_and_what_there_is_not() -> None:
    async def scenario(client: Client) -> None:
        async with edge(client) as socket:
            for method in ("sub.deal", "sub.ticker", "sub.funding.rate"):
                answer = await socket.ask(method, symbol="BTC_USDT")
                assert (answer["channel"], answer["data"]) == (f"rs.{method}", "success")
            pushes = await socket.pushed(client, 3000)
            by_channel = {push["channel"]: push for push in pushes}
            assert set(by_channel) == {"push.deal", "push.ticker", "push.funding.rate"}
            assert isinstance(by_channel["push.deal"]["data"], list)
            assert by_channel["push.ticker"]["data"]["symbol"] == "BTC_USDT"
            assert by_channel["push.funding.rate"]["data"]["rate"] == 0.0001
            assert (await socket.ask("sub.deal", symbol="NOPE_USDT"))["channel"] == "rs.error"
            assert (await socket.ask("sub.dreams", symbol="BTC_USDT"))["channel"] == "rs.error"
            assert (await socket.ask("login"))["channel"] == "rs.error"
            await socket.socket.send_str("{")
            assert json.loads((await socket.socket.receive()).data)["channel"] == "rs.error"
            for method in ("unsub.deal", "unsub.ticker", "unsub.funding.rate"):
                assert (await socket.ask(method, symbol="BTC_USDT"))["channel"] == f"rs.{method}"
            assert await socket.pushed(client, 2000) == []

    play(scenario)


def test_who_does_not_ping_is_closed_whatever_is_sent() -> None:
    async def scenario(client: Client) -> None:
        async with edge(client) as quiet, edge(client) as pinging:
            await quiet.ask("sub.deal", symbol="BTC_USDT")
            closed = asyncio.create_task(until_closed(quiet))
            while not closed.done():
                assert (await pinging.ask("ping"))["channel"] == "pong"
                await client.step(100)

    play(scenario, limits={"time_scale": 200})


async def until_closed(socket: Edge) -> None:
    async for _ in socket.socket:
        pass


def test_a_listing_comes_as_a_contract_too() -> None:
    start_ms = 1_700_000_000_000

    async def scenario(client: Client) -> None:
        async with edge(client) as socket:
            assert (await socket.ask("sub.contract"))["data"] == "success"
            (told,) = await socket.pushed(client, 3000)
            row = told["data"]
            assert told["channel"] == "push.contract" and row["symbol"] == "NEW_USDT"
            assert (row["createTime"], row["openingTime"]) == (start_ms + 3000, start_ms + 10_000)
            assert row["apiAllowed"] is False
            assert row == await data(client, "detail?symbol=NEW_USDT")
            assert (await data(client, "depth/NEW_USDT"))["bids"] == []
            (moved,) = await socket.pushed(client, 5000)
            assert moved["data"]["openingTime"] == start_ms + 13_000
            (opened,) = await socket.pushed(client, 6000)
            assert opened["data"]["symbol"] == "NEW_USDT"
            assert (await data(client, "depth/NEW_USDT"))["bids"] != []
            await client.step(3000)
            _, gone = await client.get(f"{BASE}/detail?symbol=NEW_USDT")
            assert gone["code"] == 1001

    contract = {"contract_s": 3, "contract_api_allowed": False, "delist_s": 16}
    play(scenario, listings=[listing(outcome="postponed", shift_s=3, notice_s=8, **contract)])


def test_twenty_requests_in_two_seconds_and_no_more() -> None:
    async def scenario(client: Client) -> None:
        answers = [(await client.get(f"{BASE}/ping"))[1]["code"] for _ in range(21)]
        assert answers == [0] * 20 + [510]
        assert (await client.get(f"{BASE}/ticker"))[1]["code"] == 0
        await client.step(2010)
        assert (await client.get(f"{BASE}/ping"))[1]["code"] == 0

    play(scenario)


def test_faults_of_the_futures_websocket() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("refuse_upgrade", match="/edge", count=1)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with edge(client):
                pass
        async with edge(client) as cut, client.socket() as spot:
            await client.fault("refuse_subscription", match="sub.deal", count=1)
            assert (await cut.ask("sub.deal", symbol="BTC_USDT"))["channel"] == "rs.error"
            assert (await cut.ask("sub.deal", symbol="BTC_USDT"))["data"] == "success"
            await client.fault("disconnect", match="edge", count=1)
            await asyncio.wait_for(until_closed(cut), 5)
            assert (await spot.ask("PING"))["msg"] == "PONG"

    play(scenario)
