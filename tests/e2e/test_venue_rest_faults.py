"""The local venue's REST limits, faults and control endpoints."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from adapters.mexc.venue.middleware import is_local
from tests.e2e.venue_client import Client, play


def test_too_much_weight_is_answered_429() -> None:
    async def scenario(client: Client) -> None:
        answers = [(await client.get("/api/v3/exchangeInfo"))[0] for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        assert (await client.get("/api/v3/ping"))[0] == 200
        await client.step(10_010)
        assert (await client.get("/api/v3/exchangeInfo"))[0] == 200

    play(scenario, limits={"rest_weight_per_10s": 30})


def test_fault_http_5xx_rate_limited_and_html_403() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("http_5xx", count=1, status=502, match="/time")
        assert (await client.get("/api/v3/ping"))[0] == 200
        assert (await client.get("/api/v3/time"))[0] == 502
        await client.fault("rate_limited", count=1, retry_after_s=7)
        async with client.session.get(client.venue.rest_url + "/api/v3/time") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "7")
        await client.fault("html_403", count=1)
        async with client.session.get(client.venue.rest_url + "/api/v3/time") as response:
            assert response.status == 403 and "text/html" in response.headers["Content-Type"]
        assert (await client.get("/api/v3/time"))[0] == 200
        _, faults = await client.get("/control/faults")
        assert [fault["hits"] for fault in faults] == [1, 1, 1]

    play(scenario)


@pytest.mark.parametrize("cut", [False, True])
def test_fault_lost_ack_with_fill(cut: bool) -> None:
    async def scenario(client: Client) -> None:
        await client.fault("lost_ack", count=1, cut=cut)
        order = client.order("BUY", "MARKET", quoteOrderQty="100", newClientOrderId="lost")
        if cut:
            with pytest.raises(aiohttp.ClientError):
                await order
        else:
            assert await order == (504, {"code": 504, "msg": "Gateway Timeout"})
        _, found = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="lost")
        assert found["status"] == "FILLED"
        _, log = await client.get("/control/orders")
        assert [(entry["client_id"], entry["outcome"]) for entry in log] == [("lost", "accepted")]

    play(scenario)


def test_fault_lost_ack_of_a_cancel() -> None:
    async def scenario(client: Client) -> None:
        await client.order("BUY", "LIMIT", quantity="0.001", price="59900", newClientOrderId="c")
        await client.fault("lost_ack", match="DELETE")
        assert (await client.order("BUY", "LIMIT", quantity="0.001", price="59900"))[0] == 200
        status, _ = await client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="c")
        assert status == 504
        _, order = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="c")
        assert order["status"] == "CANCELED"

    play(scenario)


def test_fault_ack_delay() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("ack_delay", count=1, delay_ms=60)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await client.order("BUY", "LIMIT", quantity="0.001", price="59900"))[0] == 200
        assert loop.time() - began >= 0.05  # uvloop keeps time in whole milliseconds

    play(scenario)


def test_fault_stale_snapshot() -> None:
    async def scenario(client: Client) -> None:
        _, first = await client.get("/api/v3/depth?symbol=BTCUSDT")
        await client.step(2000)
        await client.fault("stale_snapshot", count=1)
        _, stale = await client.get("/api/v3/depth?symbol=BTCUSDT")
        _, fresh = await client.get("/api/v3/depth?symbol=BTCUSDT")
        assert stale["lastUpdateId"] == first["lastUpdateId"] < fresh["lastUpdateId"]

    play(scenario)


def test_control_is_for_this_machine() -> None:
    assert is_local("127.0.0.1") and is_local("::1")
    assert not is_local("10.0.0.1") and not is_local(None) and not is_local("nonsense")


def test_control_refuses_what_it_does_not_know() -> None:
    async def scenario(client: Client) -> None:
        async with client.session.post(
            client.venue.rest_url + "/control/faults", json={"name": "fire"}
        ) as response:
            assert response.status == 400
        async with client.session.post(client.venue.rest_url + "/control/faults", data=b"{") as response:
            assert response.status == 400
        await client.fault("gap")
        await client.fault("silent")
        async with client.session.delete(client.venue.rest_url + "/control/faults?name=gap") as response:
            assert [fault["name"] for fault in await response.json()] == ["silent"]
        async with client.session.post(client.venue.rest_url + "/control/step?ms=x") as response:
            assert response.status == 400

    play(scenario)


def test_who_goes_on_after_429_is_banned() -> None:
    async def scenario(client: Client) -> None:
        answers = [(await client.get("/api/v3/exchangeInfo"))[0] for _ in range(6)]
        assert answers == [200, 429, 429, 429, 418, 418]
        async with client.session.get(client.venue.rest_url + "/api/v3/ping") as response:
            assert (response.status, response.headers["Retry-After"]) == (418, "61")
        await client.step(60_010)
        assert (await client.get("/api/v3/ping"))[0] == 200

    play(scenario, limits={"rest_weight_per_10s": 10, "refusals_before_ban": 3, "ban_s": 60})


def test_endpoints_have_weights_and_limits_of_their_own() -> None:
    async def scenario(client: Client) -> None:
        assert [(await client.get("/api/v3/ticker/24hr"))[0] for _ in range(3)] == [200, 200, 429]
        assert (await client.get("/api/v3/ticker/price"))[0] == 200
        signed = [(await client.signed("GET", "/api/v3/account"))[0] for _ in range(3)]
        assert signed == [200, 200, 429]
        await client.step(1010)
        assert (await client.signed("GET", "/api/v3/account"))[0] == 200

    play(scenario, limits={"rest_weight_per_10s": 80, "account_per_s": 2})


def test_fault_banned() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("banned", count=1, retry_after_s=9)
        async with client.session.get(client.venue.rest_url + "/api/v3/time") as response:
            assert (response.status, response.headers["Retry-After"]) == (418, "9")

    play(scenario)


def test_fault_latency_and_configured_latency() -> None:
    async def scenario(client: Client) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await client.get("/api/v3/ping")
        assert loop.time() - began >= 0.018
        await client.fault("latency", delay_ms=80, jitter_ms=5, match="/time")
        began = loop.time()
        await client.get("/api/v3/time")
        assert loop.time() - began >= 0.098

    play(scenario, rest_latency_ms=20, rest_jitter_ms=1)


def test_web_faults_firewall_vanished_silent_and_changed_shape() -> None:
    calendar = "/api/operation/new_coin_calendar"
    symbols = "/api/platform/spot/market-v2/web/symbolsV2"

    async def scenario(client: Client) -> None:
        for name, status in (("html_403", 403), ("http_404", 404)):
            await client.fault(name, count=1, match="new_coin_calendar")
            async with client.session.get(client.venue.rest_url + calendar) as response:
                assert response.status == status and "text/html" in response.headers["Content-Type"]
            assert (await client.get(symbols))[0] == 200
        await client.fault("changed_shape", count=1, match=calendar)
        assert "newCoins" not in (await client.get(calendar))[1]["data"]
        assert "newCoins" in (await client.get(calendar))[1]["data"]
        await client.fault("changed_shape", count=1, match=symbols)
        assert isinstance((await client.get(symbols))[1]["data"], list)
        assert set((await client.get(symbols))[1]["data"]["symbols"]) == {"USDT"}
        await client.fault("http_silent", count=1, match=symbols)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get(symbols), 0.2)
        assert (await client.get(symbols))[0] == 200

    play(scenario)
