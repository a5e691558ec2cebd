"""The listener and its connection against a server that sends what no venue should."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection, FeedPlan, FeedState

Speak = Callable[[WSTransport, str], None]
LIMIT = 1 << 14


class Speaker(WSListener):
    """Answers each text by a script."""

    def __init__(self, speak: Speak) -> None:
        self.speak = speak

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.speak(transport, frame.get_payload_as_ascii_text())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def run(speak: Speak, recorder: Any, until: Callable[[Connection], object], **config: Any) -> Connection:
    async def main() -> Connection:
        server = await ws_create_server(lambda _: Speaker(speak), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        settings = MexcConfig(
            max_message_bytes=LIMIT,
            backoff_initial_s=0.01,
            backoff_max_s=0.02,
            subscribe_timeout_s=0.2,
            **config,
        )

        async def address() -> str:
            return f"ws://127.0.0.1:{port}/ws"

        plan = FeedPlan("test", 1, ("X",), ("chan",))
        connection = Connection(plan, settings, recorder, random.Random(1), address)
        task = asyncio.get_running_loop().create_task(connection.run())
        for _ in range(5000):
            if until(connection):
                break
            await asyncio.sleep(0.001)
        else:
            raise AssertionError(f"it never came: {recorder.counts} {connection.status()}")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        return connection

    return asyncio.run(asyncio.wait_for(main(), 15))


def confirm(transport: WSTransport) -> None:
    transport.send(WSMsgType.TEXT, b'{"id":1,"code":0,"msg":"chan"}')


def test_fragments_are_put_together(recorder: Any) -> None:
    def speak(transport: WSTransport, text: str) -> None:
        transport.send(WSMsgType.TEXT, b'{"id":1,"code":0,', fin=False)
        transport.send(WSMsgType.CONTINUATION, b'"msg":"chan"}')
        transport.send(WSMsgType.BINARY, b"ab", fin=False)
        transport.send(WSMsgType.CONTINUATION, b"cd", fin=False)
        transport.send(WSMsgType.PING, b"")
        transport.send(WSMsgType.CONTINUATION, b"ef")
        transport.send(WSMsgType.BINARY, b"whole")

    run(speak, recorder, lambda _: len(recorder.frames) == 2)
    assert recorder.frames == [(1, b"abcdef"), (1, b"whole")]
    assert recorder.feed_states(1) == [True, False]


def test_fragments_without_end_are_cut_off(recorder: Any) -> None:
    def speak(transport: WSTransport, text: str) -> None:
        confirm(transport)
        transport.send(WSMsgType.BINARY, b"x", fin=False)
        for _ in range(20):
            transport.send(WSMsgType.CONTINUATION, b"y" * 1000, fin=False)

    run(speak, recorder, lambda _: recorder.counts["mexc.oversized"] >= 2)
    assert recorder.frames == []


def test_a_giant_message_ends_the_connection(recorder: Any) -> None:
    def speak(transport: WSTransport, text: str) -> None:
        confirm(transport)
        transport.send(WSMsgType.BINARY, b"x" * (LIMIT + 1))

    connection = run(speak, recorder, lambda each: each.status().reconnects >= 2)
    assert recorder.frames == []
    assert recorder.counts["mexc.broken_connections"] + recorder.counts["mexc.oversized"] >= 2
    assert connection.status().state in (FeedState.DOWN, FeedState.CONNECTING, FeedState.SUBSCRIBING)


def test_a_server_that_answers_nothing_is_left(recorder: Any) -> None:
    run(lambda transport, text: None, recorder, lambda _: recorder.counts["mexc.subscribe_timeouts"] >= 2)
    assert recorder.of("FEED") == []


def test_strange_texts_are_counted_and_the_feed_goes_on(recorder: Any) -> None:
    def speak(transport: WSTransport, text: str) -> None:
        transport.send(WSMsgType.TEXT, b"hello \xff")
        confirm(transport)
        transport.send(WSMsgType.BINARY, b"frame")

    connection = run(speak, recorder, lambda each: each.state is FeedState.UP)
    assert recorder.counts["mexc.strange_text"] == 1
    assert connection.status().frames == 1


def test_a_server_that_closes_is_come_back_to(recorder: Any) -> None:
    def speak(transport: WSTransport, text: str) -> None:
        confirm(transport)
        transport.send(WSMsgType.BINARY, b"frame")
        transport.send_close()

    run(speak, recorder, lambda _: recorder.feed_states(1).count(True) >= 3)
    assert recorder.feed_states(1)[:4] == [True, False, True, False]


def test_a_frame_that_cannot_be_taken_in_does_not_end_the_feed(recorder: Any) -> None:
    def refuse(source: int, frame: bytes) -> None:
        raise OverflowError("too many events")

    def speak(transport: WSTransport, text: str) -> None:
        confirm(transport)
        transport.send(WSMsgType.BINARY, b"frame")

    recorder.ingest_frame_bytes = refuse
    connection = run(speak, recorder, lambda _: recorder.counts["mexc.broken_connections"] >= 2)
    assert "OverflowError" in connection.status().last_error or recorder.counts["mexc.disconnects"] >= 2
