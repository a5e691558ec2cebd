"""The local venue's websocket faults, each by its name."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

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
