"""Several orders at once on the local venue: batches, and cancels of many."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from tests.e2e.venue_client import Client, play


def limit(price: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": price, **changes,
    }  # fmt: skip


async def batch(client: Client, orders: Any) -> tuple[int, Any]:
    text = quote(orjson.dumps(orders).decode(), safe="")
    return await client.signed("POST", "/api/v3/batchOrders", batchOrders=text)


def test_a_batch_is_answered_order_by_order() -> None:
    async def scenario(client: Client) -> None:
        small = limit("59900", quantity="0.00001", newClientOrderId="small")
        orders = [limit("59900", newClientOrderId="a"), small, limit("59901")]
        status, answers = await batch(client, orders)
        assert status == 200
        assert set(answers[0]) == {"symbol", "orderId", "orderListId", "newClientOrderId"}
        assert answers[1] == {
            "newClientOrderId": "small", "code": 30002,
            "msg": "The minimum transaction volume cannot be less than:1USDT",
        }  # fmt: skip
        assert set(answers[2]) == {"symbol", "orderId", "orderListId"}
        _, working = await client.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT")
        assert {order["orderId"] for order in working} == {answers[0]["orderId"], answers[2]["orderId"]}
        _, log = await client.get("/control/orders")
        assert [entry["outcome"] for entry in log] == ["accepted", "rejected", "accepted"]

    play(scenario)


def test_a_batch_has_its_limits() -> None:
    async def scenario(client: Client) -> None:
        for orders in (
            [limit("59900")] * 21,
            [limit("59900"), limit("2590", symbol="ETHUSDT")],
            [],
            {"symbol": "BTCUSDT"},
            [1],
        ):
            status, answer = await batch(client, orders)
            assert (status, answer["code"]) == (400, 33333)
            await client.step(1000)
        assert [(await batch(client, [limit("59900")]))[0] for _ in range(3)] == [200, 200, 429]
        await client.step(1010)
        assert (await batch(client, [limit("59900")]))[0] == 200

    play(scenario)


def test_a_lost_answer_to_a_batch() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("lost_ack", match="batchOrders", count=1)
        assert (await batch(client, [limit("59900"), limit("59901")]))[0] == 504
        assert len((await client.signed("GET", "/api/v3/openOrders"))[1]) == 2

    play(scenario)


def test_cancel_the_open_orders_of_up_to_five_symbols() -> None:
    async def scenario(client: Client) -> None:
        for order in (
            limit("59900"),
            limit("2590", symbol="ETHUSDT", quantity="0.1"),
            limit("149", symbol="SOLUSDT", quantity="1"),
        ):
            assert (await client.signed("POST", "/api/v3/order", **order))[0] == 200
        symbols = quote("BTCUSDT,ETHUSDT", safe="")
        _, gone = await client.signed("DELETE", "/api/v3/openOrders", symbol=symbols)
        assert [(order["symbol"], order["status"]) for order in gone] == [
            ("BTCUSDT", "CANCELED"), ("ETHUSDT", "CANCELED"),
        ]  # fmt: skip
        many = quote(",".join(["BTCUSDT"] * 6), safe="")
        assert (await client.signed("DELETE", "/api/v3/openOrders", symbol=many))[1]["code"] == 33333
        status, answer = await client.signed("DELETE", "/api/v3/order/all")
        assert (status, answer["code"], answer["msg"]) == (200, 200, "success")
        assert (await client.signed("GET", "/api/v3/openOrders"))[1] == []

    play(scenario, symbols=["BTCUSDT", "ETHUSDT", "SOLUSDT"])


def test_all_orders_within_a_time() -> None:
    async def scenario(client: Client) -> None:
        await client.order("BUY", "LIMIT", quantity="0.001", price="59900")
        await client.step(1000)
        await client.order("BUY", "LIMIT", quantity="0.001", price="59901")
        path, now = "/api/v3/allOrders", client.now_ms()
        _, both = await client.signed("GET", path, symbol="BTCUSDT")
        assert [order["price"] for order in both] == ["59901", "59900"]
        assert all(order["orderListId"] == "-1" and order["clientOrderId"] is None for order in both)
        _, late = await client.signed("GET", path, symbol="BTCUSDT", startTime=now - 500)
        assert [order["price"] for order in late] == ["59901"]
        week = 8 * 86_400_000
        _, refused = await client.signed("GET", path, symbol="BTCUSDT", startTime=now - week, endTime=now)
        assert refused["code"] == -1128

    play(scenario)
