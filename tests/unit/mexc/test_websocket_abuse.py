"""What a websocket peer may do wrong: the feed is degraded and counted, comes back, and no other feed notices.

Fragments put together, fragments without end, giant messages and text that is no UTF-8 are in test_mexc_listener.py.
"""

from __future__ import annotations

import asyncio
import random
import resource
import struct
from collections.abc import Callable
from typing import Any

import pytest

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection
from adapters.mexc.futures.connection import FuturesConnection
from tests.unit.mexc.raw_websocket import (
    BINARY,
    CHANNEL_UP,
    CLOSE,
    CONFIRMED,
    CONTINUATION,
    LIMIT,
    PING,
    TEXT,
    attack,
    frame,
    handshake,
    sends,
    serve,
)

BAD = b"evil"
# What RFC 6455 forbids, in bytes behind a feed that came up. Only "good" frames may ever be taken in.
VIOLATIONS = {
    "masked": frame(BINARY, BAD, masked=True),
    "masked text": frame(TEXT, CONFIRMED, masked=True),
    "compressed": frame(BINARY, BAD, reserved=4),
    "compressed text": frame(TEXT, CONFIRMED, reserved=4),
    "compressed in parts": frame(BINARY, BAD, fin=False, reserved=4) + frame(CONTINUATION, BAD),
    "second reserved bit": frame(BINARY, BAD, reserved=2),
    "third reserved bit": frame(BINARY, BAD, reserved=1),
    "reserved bit within a message": frame(BINARY, BAD, fin=False) + frame(CONTINUATION, BAD, reserved=4),
    "data opcode 3": frame(0x3, BAD),
    "control opcode 11": frame(0xB, BAD),
    "continues nothing": frame(CONTINUATION, BAD),
    "continues what ended": frame(BINARY, b"good", fin=False)
    + frame(CONTINUATION)
    + frame(CONTINUATION, BAD),
    "message in a message": frame(BINARY, BAD, fin=False) + frame(BINARY, BAD),
    "text in a message": frame(BINARY, BAD, fin=False) + frame(TEXT, CONFIRMED) + frame(CONTINUATION, BAD),
    "ping in parts": frame(PING, BAD, fin=False),
    "long ping": frame(PING, b"x" * 126),
    "close with half a code": frame(CLOSE, b"\x03"),
    "close with a code that is none": frame(CLOSE, struct.pack(">H", 1005)),
    "close with a reason that is no text": frame(CLOSE, struct.pack(">H", 1000) + b"\xff\xfe"),
    "length written too long": bytes([0x82, 126]) + struct.pack(">H", 5) + BAD,
    "length written far too long": bytes([0x82, 127]) + struct.pack(">Q", 500) + BAD,
    "length below zero": bytes([0x82, 127]) + struct.pack(">Q", 1 << 63) + BAD,
    "length of an exabyte": bytes([0x82, 127]) + struct.pack(">Q", 1 << 60) + BAD,
}


def came_back(connection: Connection) -> bool:
    return connection.status().reconnects >= 2


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_ends_the_connection_and_the_feed_comes_back(recorder: Any, name: str) -> None:
    # What follows in the same read is not taken in either.
    script = sends(CHANNEL_UP, VIOLATIONS[name] + frame(BINARY, BAD))
    attack(script, recorder, came_back)
    assert {data for source, data in recorder.frames if source == 1} == {b"good"}
    assert recorder.feed_states(1)[:4] == [True, False, True, False]
    counts = recorder.counts
    told = counts["mexc.protocol_errors"] + counts["mexc.broken_connections"] + counts["mexc.disconnects"]
    assert told >= 2, counts
    assert counts["mexc.strange_text"] == 0


@pytest.mark.parametrize("name", ["compressed", "message in a message", "continues nothing"])
def test_what_is_wrong_is_told(recorder: Any, name: str) -> None:
    errors: set[str] = set()

    def seen(connection: Connection) -> bool:
        errors.add(connection.status().last_error)
        return any("against the websocket protocol" in error for error in errors)

    attack(sends(CHANNEL_UP, VIOLATIONS[name]), recorder, seen)
    assert recorder.counts["mexc.protocol_errors"] >= 1


def test_empty_fragments_without_end_are_silence(recorder: Any) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await handshake(reader) + CHANNEL_UP + frame(BINARY, fin=False))
        while True:
            writer.write(frame(CONTINUATION, fin=False) * 50)
            await writer.drain()
            await asyncio.sleep(0.005)

    attack(script, recorder, came_back, silent_timeout_s=0.3)
    assert recorder.counts["mexc.silences"] >= 2


def test_a_drip_of_single_bytes_is_a_slow_feed_and_no_fault(recorder: Any) -> None:
    fragments = frame(BINARY, b"go", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"od")
    script = sends(CHANNEL_UP, fragments, frame(BINARY, b"good" * 50), one_by_one=True)
    connection = attack(script, recorder, lambda each: each.status().frames >= 3)
    assert [data for source, data in recorder.frames if source == 1] == [b"good", b"good", b"good" * 50]
    assert connection.status().reconnects == 0


def test_a_peer_that_reads_nothing_and_pings_without_end_is_left(recorder: Any) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await handshake(reader) + CHANNEL_UP)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not writer.is_closing():
            writer.write(frame(PING, b"x" * 125) * 500)
            await writer.drain()

    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attack(script, recorder, lambda _: recorder.counts["mexc.unread"] >= 1)
    assert recorder.feed_states(1)[:2] == [True, False]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64_000


async def _endless_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\n")
    for _ in range(200_000):
        writer.write(b"X-More: " + b"a" * 1000 + b"\r\n")
        await writer.drain()


async def _endless_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for _ in range(200_000):
        writer.write(b"a" * 1000)
        await writer.drain()


async def _slow_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"H")
        await asyncio.sleep(0.01)


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\n<html></html>")


async def _elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")


async def _wrong_key(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await handshake(reader)).replace(b"Accept: ", b"Accept: x") + CHANNEL_UP)


async def _unasked_compression(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await handshake(reader, b"Sec-WebSocket-Extensions: permessage-deflate\r\n"))
    writer.write(frame(TEXT, CONFIRMED) + frame(BINARY, BAD, reserved=4))
    await reader.read()


@pytest.mark.parametrize(
    "script", [_endless_head, _endless_line, _slow_head, _silence, _page, _elsewhere, _wrong_key]
)
def test_a_handshake_that_is_none_is_given_up(recorder: Any, script: Any) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attack(script, recorder, lambda _: recorder.counts["mexc.connect_failures"] >= 2, connect_timeout_ms=300)
    assert recorder.feed_states(1) == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64_000


def test_compression_that_nobody_asked_for_is_not_taken_in(recorder: Any) -> None:
    attack(_unasked_compression, recorder, came_back)
    assert [data for source, data in recorder.frames if source == 1] == []
    assert recorder.feed_states(1) == []


FUTURES_GOOD = b'{"channel":"push.deal"}'


def futures(
    script: Any, until: Callable[[list[str], list[bytes]], object], **changes: Any
) -> tuple[list[str], list[bytes]]:
    """A futures connection at a server with this script: its faults and its messages."""
    faults: list[str] = []
    messages: list[bytes] = []

    async def main() -> None:
        server = await serve(script)
        port = server.sockets[0].getsockname()[1]
        config = MexcConfig(
            futures_ws_url=f"ws://127.0.0.1:{port}/edge", max_message_bytes=LIMIT, backoff_initial_s=0.01, backoff_max_s=0.02,
            **changes,
        )  # fmt: skip
        connection = FuturesConnection(
            config, random.Random(1), messages.append, lambda: None, lambda _, text: faults.append(text)
        )
        task = asyncio.get_running_loop().create_task(connection.run())
        for _ in range(10_000):
            if until(faults, messages):
                break
            await asyncio.sleep(0.001)
        else:
            raise AssertionError(f"it never came: {faults} {messages[:3]}")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()

    asyncio.run(asyncio.wait_for(main(), 20))
    return faults, messages


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_ends_the_futures_connection(name: str) -> None:
    bad = VIOLATIONS[name].replace(b"good", FUTURES_GOOD)
    if name == "continues what ended":
        bad = frame(TEXT, FUTURES_GOOD, fin=False) + frame(CONTINUATION) + frame(CONTINUATION, BAD)
    script = sends(frame(TEXT, FUTURES_GOOD), bad + frame(TEXT, BAD))
    faults, messages = futures(script, lambda faults, messages: len(faults) >= 2)
    assert set(messages) == {FUTURES_GOOD}
    assert all(faults)


def test_futures_fragments_whose_sum_is_too_large_are_cut_off() -> None:
    part = frame(CONTINUATION, b"y" * 5000, fin=False)
    script = sends(frame(TEXT, BAD, fin=False) + part * 400)
    faults, messages = futures(script, lambda faults, messages: len(faults) >= 2)
    assert messages == []
    assert f"a message of more than {LIMIT} bytes" in faults


def test_futures_fragments_around_a_ping_are_one_message() -> None:
    script = sends(
        frame(TEXT, FUTURES_GOOD[:5], fin=False) + frame(PING, b"p") + frame(CONTINUATION, FUTURES_GOOD[5:]),
        one_by_one=True,
    )
    faults, messages = futures(script, lambda faults, messages: messages)
    assert (faults, messages) == ([], [FUTURES_GOOD])
