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
