"""The local venue replaying a recorded market over real sockets."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.mexc.schema import PushDataV3ApiWrapper
from tests.e2e.venue_client import Client, FollowedBook, frames_of, play

DEPTH = "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"
ORDERS = "spot@private.orders.v3.api.pb"


def lines_of(data_dir: Path, symbol: str) -> list[dict[str, Any]]:
    with gzip.open(data_dir / "market" / f"spot_{symbol.lower()}_20240808.gz") as file:
        return [json.loads(line.partition(b" ")[2]) for line in file]


def rebuilt(lines: list[dict[str, Any]]) -> tuple[int, dict[str, dict[Decimal, Decimal]]]:
    """The book by the simplest means: the snapshot, then every later delta in order."""
    snapshot = next(line for line in lines if "lastUpdateId" in line)
    version = snapshot["lastUpdateId"]
    book = {name: {Decimal(p): Decimal(s) for p, s in snapshot[name]} for name in ("bids", "asks")}
    for line in lines:
        data = line.get("data", {})
        if data.get("e") == "depthUpdate" and data["u"] > version:
            version = data["u"]
            for name, levels in (("bids", data["b"]), ("asks", data["a"])):
                for price, size in levels:
                    if Decimal(size):
                        book[name][Decimal(price)] = Decimal(size)
                    else:
                        book[name].pop(Decimal(price), None)
    return version, book


def decimals(side: dict[str, str]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(size) for price, size in side.items()}


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
def test_a_replayed_book_equals_the_recording(data_dir: Path, symbol: str) -> None:
    lines = lines_of(data_dir, symbol)

    async def scenario(client: Client) -> None:
        channel = f"spot@public.aggre.depth.v3.api.pb@100ms@{symbol}"
        deals_channel = f"spot@public.aggre.deals.v3.api.pb@10ms@{symbol}"
        trades = [line["data"] for line in lines if line.get("stream", "").endswith("@trade")]
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [channel, deals_channel])
            await socket.frame()
            _, snapshot = await client.get(f"/api/v3/depth?symbol={symbol}&limit=5000")
            book, printed = FollowedBook(snapshot), []
            target, truth = rebuilt(lines)
            while book.version < target or len(printed) < len(trades):
                message = await socket.message()
                if message.channel == channel:
                    book.apply(message.publicAggreDepths)
                else:
                    printed += [
                        (Decimal(d.price), Decimal(d.quantity), d.time)
                        for d in message.publicAggreDeals.deals
                    ]
            assert decimals(book.sides["bids"]) == truth["bids"]
            assert decimals(book.sides["asks"]) == truth["asks"]
            assert printed == [(Decimal(t["p"]), Decimal(t["q"]), t["T"]) for t in trades]
            _, end = await client.get(f"/api/v3/depth?symbol={symbol}&limit=5000")
            assert end["lastUpdateId"] == target and decimals(dict(end["asks"])) == truth["asks"]
            assert (await client.get("/control/state"))[1]["ended"] is True
            assert (await socket.ask("PING"))["msg"] == "PONG"  # the connection stays

    play(
        scenario,
        market="recorded",
        clock="system",
        symbols=[symbol],
        recorded={"speed": 5000, "data_dir": data_dir},
    )


def test_our_orders_meet_the_recorded_liquidity_once(data_dir: Path) -> None:
    async def scenario(client: Client) -> None:
        _, before = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=1")
        price, size = before["asks"][0]
        _, first = await client.order("BUY", "IMMEDIATE_OR_CANCEL", quantity=size, price=price)
        _, second = await client.order("BUY", "IMMEDIATE_OR_CANCEL", quantity="0.1", price=price)
        _, after = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=1")
        assert after["asks"] == before["asks"]  # the recording's own depth is never altered
        for ack, status in ((first, "FILLED"), (second, "CANCELED")):
            _, order = await client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=ack["orderId"])
            assert order["status"] == status

    balances = {"USDT": "1000000"}
    play(
        scenario,
        market="recorded",
        recorded={"data_dir": data_dir},
        accounts=[{"api_key": "mx0-demo", "secret": "demo-secret", "balances": balances}],
    )


def test_a_resting_order_is_filled_by_recorded_trades(data_dir: Path) -> None:
    async def scenario(client: Client) -> None:
        _, depth = await client.get("/api/v3/depth?symbol=BTCUSDT&limit=1")
        price = str(Decimal(depth["bids"][0][0]) - 1)
        _, ack = await client.order("BUY", "LIMIT", quantity="0.001", price=price)
        async with client.socket(private=True) as socket:
            await socket.ask("SUBSCRIPTION", [ORDERS, DEPTH])
            statuses: list[int] = []
            while 2 not in statuses:
                for frame in await frames_of(client, socket, 1000):
                    message = PushDataV3ApiWrapper.FromString(frame)
                    if message.channel == ORDERS:
                        body = message.privateOrders
                        assert (body.id, body.isMaker, body.avgPrice) == (ack["orderId"], True, price)
                        statuses.append(body.status)
            assert set(statuses[:-1]) <= {3}

    play(scenario, market="recorded", recorded={"data_dir": data_dir, "speed": 1})
