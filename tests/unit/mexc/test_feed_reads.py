"""How much a feed reads at once: whatever a burst made of picows' buffer, a single read stays small from then on."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import uvloop
from picows import WSTransport, ws_connect

from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.feed import FeedListener, SmallReads
from adapters.mexc.venue.frames import DepthUpdate, depth_frame
from engine.rim import Rim
from engine.sequencer import Sequencer
from engine.turns import Turns
from tests.core_session import COIN, ready
from tests.unit.mexc.raw_websocket import BINARY, frame, handshake, serve

READ_MOST = 1 << 14
LEVELS = [(f"{3 + at / 1000:.3f}", "1") for at in range(20)]


def burst(first: int, count: int) -> bytes:
    """Deltas, one version after the other."""
    updates = [DepthUpdate(at, at, LEVELS, []) for at in range(first, first + count)]
    return b"".join(
        frame(BINARY, depth_frame("depth", COIN.symbol, each.from_version, each)) for each in updates
    )


async def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s, "it never came"
        await asyncio.sleep(0.001)


def has_taken(listener: FeedListener, count: int) -> bool:
    return listener.frames == count


async def listen(count: int) -> tuple[list[object], list[int], FeedListener]:
    """Two bursts of as many frames: whose the transport was after each, how much it would read at once, and the listener."""
    data = burst(1, count), burst(count + 1, count)
    go_on = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await handshake(reader))
        for part in data:
            await go_on.wait()
            go_on.clear()
            writer.write(part)
            await writer.drain()
        await reader.read()

    loop = asyncio.get_running_loop()
    sequencer = Sequencer(ready(COIN).engine, MexcDecoder("r" * 12, 1000), Rim())
    sequencer.introduce_instruments()
    turns = Turns()
    turns.start(loop)
    sequencer.backlog.bind_turns(turns.counter_address)
    quiet: Any = SimpleNamespace(on_first_frame=lambda: None, on_closed=lambda: None)
    listener = FeedListener(sequencer, COIN.source, quiet, 1 << 14)
    server = await serve(script)
    transport: WSTransport
    try:
        transport, _ = await ws_connect(
            lambda: listener, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        )
        owners: list[object] = []
        reads: list[int] = []
        for expected in (count, 2 * count):
            go_on.set()
            await until(functools.partial(has_taken, listener, expected))
            protocol: Any = transport.underlying_transport.get_protocol()
            owners.append(type(protocol))
            reads.append(len(protocol.get_buffer(-1)))
        transport.disconnect()
    finally:
        server.close()
        turns.stop()
    return owners, reads, listener


def test_a_read_stays_small_whatever_a_burst_made_of_the_buffer() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        owners, reads, listener = runner.run(listen(4_000))
    assert owners == [SmallReads, SmallReads]
    assert all(0 < size <= READ_MOST for size in reads)
    assert (listener.frames, listener.conflated) == (8_000, 0)


def test_a_feed_without_a_burst_reads_as_picows_does() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        owners, _, listener = runner.run(listen(1))
    assert SmallReads not in owners
    assert listener.frames == 2
