"""The local venue's websocket faults, each by its name."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import aiohttp
import pytest
from google.protobuf.message import DecodeError

from adapters.mexc.schema import PushDataV3ApiWrapper
from tests.e2e.venue_client import Client, frames_of, play

DEPTH = "spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT"


def ranges(frames: list[bytes]) -> list[tuple[int, int]]:
    deltas = [PushDataV3ApiWrapper.FromString(frame).publicAggreDepths for frame in frames]
    return [(int(delta.fromVersion), int(delta.toVersion)) for delta in deltas]


def holes(found: list[tuple[int, int]]) -> int:
    return sum(later[0] != earlier[1] + 1 for earlier, later in itertools.pairwise(found))


def faulty(name: str, check: Callable[[list[bytes]], None], **values: object) -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            assert holes(ranges(await frames_of(client, socket))) == 0
            await client.fault(name, **values)
            check(await frames_of(client, socket))
            await client.clear()
            assert holes(ranges(await frames_of(client, socket))) == 0

    play(scenario)


def test_fault_gap() -> None:
    faulty("gap", lambda frames: check_equal(holes(ranges(frames)), 1), count=1, at_s=0.2)


def test_fault_duplicate() -> None:
    faulty("duplicate", lambda frames: check_equal(len(frames) - len(set(frames)), 2), count=2)


def test_fault_silent() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            await client.fault("silent", for_s=1)
            await client.step(990)
            await socket.socket.send_json({"method": "PING"})
            await client.step(10)
            assert socket.texts == [] and socket.frames == []
            assert (await frames_of(client, socket)) != []
            assert not socket.socket.closed

    play(scenario)


def test_fault_bodyless() -> None:
    def check(frames: list[bytes]) -> None:
        bodies = [PushDataV3ApiWrapper.FromString(frame).WhichOneof("body") for frame in frames]
        assert bodies.count(None) == 1 and bodies[0] is None

    faulty("bodyless", check, count=1)


def test_fault_one_sided() -> None:
    def check(frames: list[bytes]) -> None:
        deltas = [PushDataV3ApiWrapper.FromString(frame).publicAggreDepths for frame in frames]
        assert all(
            not delta.asks or not delta.bids or delta.fromVersion == delta.toVersion for delta in deltas
        )
        assert holes(ranges(frames)) == 0

    faulty("one_sided", check)


def test_fault_garbage_frame() -> None:
    def check(frames: list[bytes]) -> None:
        with pytest.raises(DecodeError):
            PushDataV3ApiWrapper.FromString(frames[0])
        assert holes(ranges(frames[1:])) == 0

    faulty("garbage_frame", check, count=1)


def test_fault_unknown_field() -> None:
    def check(frames: list[bytes]) -> None:
        assert all(frame.endswith(b"\xa0\x06\x01") for frame in frames)
        assert holes(ranges(frames)) == 0

    faulty("unknown_field", check)


def test_fault_probability_draws_from_the_seed() -> None:
    def check(frames: list[bytes]) -> None:
        assert holes(ranges(frames)) > 3

    faulty("gap", check, probability=0.3)


def test_fault_disconnect() -> None:
    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            await client.fault("disconnect", count=1)
            await asyncio.wait_for(socket.until_closed(), 5)
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            assert await frames_of(client, socket)

    play(scenario)


def test_fault_refuse_subscription() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("refuse_subscription", match="depth", count=1)
        async with client.socket() as socket:
            answer = await socket.ask("SUBSCRIPTION", [TICKER, DEPTH], 3)
            assert answer == {"id": 3, "code": 0, "msg": TICKER}
            refused = await socket.text()
            assert refused["code"] == 0 and refused["msg"].startswith(
                f"Not Subscribed successfully! [{DEPTH}]."
            )
            assert (await socket.ask("SUBSCRIPTION", [DEPTH]))["msg"] == DEPTH

    play(scenario)


def check_equal(found: int, expected: int) -> None:
    assert found == expected


def test_fault_refuse_upgrade() -> None:
    async def scenario(client: Client) -> None:
        await client.fault("refuse_upgrade", count=1)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with client.socket():
                pass
        assert refused.value.status == 503
        async with client.socket() as socket:
            assert (await socket.ask("PING"))["msg"] == "PONG"

    play(scenario)


def test_fault_deal_before_order() -> None:
    orders, deals = "spot@private.orders.v3.api.pb", "spot@private.deals.v3.api.pb"

    async def scenario(client: Client) -> None:
        await client.fault("deal_before_order", delay_ms=50)
        async with client.socket(private=True) as socket:
            await socket.ask("SUBSCRIPTION", [orders, deals])
            assert (await client.order("BUY", "MARKET", quoteOrderQty="10"))[0] == 200
            first, *later = [(await socket.message()).channel for _ in range(3)]
            assert (first, later) == (deals, [orders, orders])

    play(scenario)


def test_fault_other_decimals() -> None:
    """Depth trims and best prices pad, as no venue has promised that it will not."""

    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH, TICKER])
            await client.fault("other_decimals")
            messages = [PushDataV3ApiWrapper.FromString(frame) for frame in await frames_of(client, socket)]
        levels = [level for m in messages for level in m.publicAggreDepths.asks]
        tickers = [m.publicAggreBookTicker for m in messages if m.channel == TICKER]
        assert levels and not any("." in level.price and level.price.endswith("0") for level in levels)
        assert any("." not in level.quantity for level in levels)
        assert tickers and all(len(t.bidPrice.split(".")[1]) == 2 for t in tickers)
        assert all(len(t.askQuantity.split(".")[1]) == 8 for t in tickers)

    play(scenario)


def test_a_connection_ends_after_its_life() -> None:
    """Twenty-four hours, scaled down to a fraction of a second."""

    async def scenario(client: Client) -> None:
        async with client.socket() as socket:
            await socket.ask("SUBSCRIPTION", [DEPTH])
            await asyncio.wait_for(socket.until_closed(), 5)

    play(scenario, limits={"connection_life_s": 86_400, "time_scale": 432_000, "no_data_s": 1e9})
