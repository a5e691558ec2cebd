"""A websocket server that sends whatever bytes it is told to, right or wrong, and a feed beside it that behaves."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection, FeedPlan

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CONTINUATION, TEXT, BINARY, CLOSE, PING = 0x0, 0x1, 0x2, 0x8, 0x9
LIMIT = 1 << 14
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONFIRMED = b'{"id":1,"code":0,"msg":"chan"}'


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = False
) -> bytes:
    """One frame; `reserved`: RSV1 to 3 as bits 4, 2, 1."""
    head = bytes([fin << 7 | reserved << 4 | opcode])
    size, mask_bit = len(payload), masked << 7
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(each ^ key[at % 4] for at, each in enumerate(payload))


CHANNEL_UP = frame(TEXT, CONFIRMED) + frame(BINARY, b"good")


async def handshake(reader: asyncio.StreamReader, extra: bytes = b"") -> bytes:
    """The answer to a client's upgrade; `extra`: more header lines."""
    request = await reader.readuntil(b"\r\n\r\n")
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(
        hashlib.sha1(key.split(b":", 1)[1].strip() + _GUID, usedforsecurity=False).digest()
    )
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n" + extra + b"\r\n"
    )


def sends(*parts: bytes, one_by_one: bool = False) -> Script:
    """Upgrade, wait for the subscription, send these, and stay."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await handshake(reader))
        await reader.read(1)
        for part in parts:
            for piece in [bytes([byte]) for byte in part] if one_by_one else [part]:
                writer.write(piece)
                await writer.drain()
                if one_by_one:
                    await asyncio.sleep(0)
        await reader.read()

    return script


async def serve(script: Script) -> asyncio.Server:
    """A server on a free port that runs the script for each connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(reader, writer)
        finally:
            writer.close()

    return await asyncio.start_server(connected, "127.0.0.1", 0)


async def _behaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await handshake(reader) + frame(TEXT, CONFIRMED))
    while True:
        writer.write(frame(BINARY, b"steady"))
        await writer.drain()
        await asyncio.sleep(0.005)


def attack(
    script: Script, recorder: Any, until: Callable[[Connection], object], **changes: Any
) -> Connection:
    """One feed at a server with this script and one at a server that behaves, until a condition holds.

    In the end the feed that behaves must never have been down, and still get frames.
    """

    async def main() -> Connection:
        settings: dict[str, Any] = {
            "max_message_bytes": LIMIT, "backoff_initial_s": 0.01, "backoff_max_s": 0.02, "subscribe_timeout_s": 1.0, **changes,
        }  # fmt: skip
        connections, tasks, servers = [], [], []
        for source, each in ((1, script), (2, _behaves)):
            server = await serve(each)
            servers.append(server)
            port = server.sockets[0].getsockname()[1]

            async def address(port: int = port) -> str:
                return f"ws://127.0.0.1:{port}/ws"

            plan = FeedPlan(f"feed-{source}", source, ("X",), ("chan",))
            connection = Connection(plan, MexcConfig(**settings), recorder, random.Random(1), address)
            connections.append(connection)
            tasks.append(asyncio.get_running_loop().create_task(connection.run()))
        try:
            await _wait(lambda: recorder.feed_states(2) == [True], recorder)
            await _wait(lambda: until(connections[0]), recorder)
            steady = len(recorder.frames)
            await _wait(lambda: any(source == 2 for source, _ in recorder.frames[steady:]), recorder)
            assert recorder.feed_states(2) == [True]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for server in servers:
                server.close()
        return connections[0]

    return asyncio.run(asyncio.wait_for(main(), 30))


async def _wait(condition: Callable[[], object], recorder: Any) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"it never came: {recorder.counts} {recorder.events[-5:]}")
