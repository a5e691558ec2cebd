"""When a frame is acknowledged: not within the read of it, and at once when it was taken in."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from tests.unit.mexc.raw_websocket import BINARY, CHANNEL_UP, attack, frame, handshake

TCP_INFO_BYTES = 104
UNACKNOWLEDGED_AT = 24  # tcpi_unacked of Linux's struct tcp_info
FRAMES = 20

pytestmark = pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="TCP_INFO is Linux's")


def unacknowledged(link: socket.socket) -> int:
    """Segments that this end has sent and nobody has acknowledged yet."""
    info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    return int(struct.unpack_from("I", info, UNACKNOWLEDGED_AT)[0])


def test_a_frame_is_acknowledged_once_it_was_taken_in(recorder: Any) -> None:
    links: list[socket.socket] = []
    meanwhile: list[int] = []
    afterwards: list[int] = []
    heard = asyncio.Event()
    take = recorder.ingest_frame_bytes

    def taken(source: int, data: bytes) -> None:
        if source == 1 and links:
            meanwhile.append(unacknowledged(links[-1]))
            heard.set()
        take(source, data)

    recorder.ingest_frame_bytes = taken

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await handshake(reader))
        await reader.read(1)
        writer.write(CHANNEL_UP)
        await asyncio.sleep(0.1)
        links.append(writer.get_extra_info("socket"))
        while len(afterwards) < FRAMES:
            heard.clear()
            writer.write(frame(BINARY, b"good"))
            await heard.wait()
            afterwards.append(unacknowledged(links[-1]))
        await reader.read()

    attack(script, recorder, lambda _: len(afterwards) == FRAMES)
    assert meanwhile == [1] * FRAMES, "acknowledged within the read"
    assert afterwards == [0] * FRAMES, "left to the system, which takes up to 40 ms"
