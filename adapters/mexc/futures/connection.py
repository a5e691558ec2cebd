"""The futures websocket: JSON text, subscriptions by method, a ping every 15 s; reconnects for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable

import orjson
from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Backoff, is_worth_a_line
from adapters.mexc.tls import client_context

_log = logging.getLogger("penstock.mexc.futures")
_PING = b'{"method":"ping"}'
_STABLE_S = 10.0

Request = tuple[str, tuple[tuple[str, str | bool], ...]]


def request(method: str, **params: str | bool) -> Request:
    """A subscription: hashable, so that a set of them says what is wanted."""
    return method, tuple(params.items())


class _Listener(WSListener):
    """Hands text on, put together where it comes in parts. What RFC 6455 forbids ends the connection, as too much does."""

    def __init__(self, owner: FuturesConnection, most_bytes: int) -> None:
        self._owner = owner
        self._most_bytes = most_bytes
        self._parts = bytearray()
        self._transport: WSTransport | None = None
        self._in_message = self._is_over = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._end(self._transport, "it reads nothing of what is sent to it")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._is_over:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            return self._end(transport, "a reserved bit is set: no compression was agreed on")
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return
        if (frame.msg_type == WSMsgType.CONTINUATION) != self._in_message:
            return self._end(transport, "a message begins within another, or goes on that never began")
        if len(self._parts) + frame.payload_size > self._most_bytes:
            return self._end(transport, f"a message of more than {self._most_bytes} bytes")
        self._parts += frame.get_payload_as_bytes()
        self._in_message = not frame.fin
        if frame.fin:
            text = bytes(self._parts)
            self._parts.clear()
            self._owner.on_text(text)

    def _end(self, transport: WSTransport, why: str) -> None:
        self._is_over = True
        self._parts.clear()
        self._owner.ended = why
        transport.disconnect(False)


class FuturesConnection:
    """Keeps one connection up with what is wanted of it.

    `on_message` gets each text but pongs, `on_up` is called once connected, `on_fault(kind, text)` when a connection ends.
    """

    def __init__(
        self,
        config: MexcConfig,
        rng: random.Random,
        on_message: Callable[[bytes], None],
        on_up: Callable[[], None],
        on_fault: Callable[[str, str], None],
    ) -> None:
        self.is_up = False
        self.messages = 0
        self.faults = 0
        self.ended = ""  # why we gave the present connection up
        self.since_ns = time.time_ns()
        self._config = config
        self._backoff = Backoff(config.backoff_initial_s, config.backoff_max_s, rng)
        self._tls = client_context(config.ca_file) if config.futures_ws_url.startswith("wss") else None
        self._on_message = on_message
        self._on_up = on_up
        self._on_fault = on_fault
        self._wanted: dict[Request, bool] = {}
        self._transport: WSTransport | None = None
        self._heard_s = 0.0

    def want(self, wanted: Request, on: bool = True) -> None:
        """Subscribe now and after each reconnection, or no longer."""
        if on and wanted not in self._wanted:
            self._wanted[wanted] = True
            self._send(wanted)
        elif not on and self._wanted.pop(wanted, False):
            self._send((wanted[0].replace("sub.", "unsub.", 1), wanted[1]))

    def on_text(self, text: bytes) -> None:
        """A message came in."""
        self._heard_s = asyncio.get_running_loop().time()
        if text.startswith(b'{"channel":"pong"'):
            return
        self.messages += 1
        self._on_message(text)

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        failures = 0
        while True:
            began_s = asyncio.get_running_loop().time()
            kind, text = await self._attempt()
            self.faults += 1
            if is_worth_a_line(self.faults):
                _log.warning("futures: %s (%d so far)", text, self.faults)
            self._on_fault(kind, text)
            is_stable = asyncio.get_running_loop().time() - began_s >= _STABLE_S
            failures = 0 if is_stable else failures + 1
            await asyncio.sleep(self._backoff.wait_s(max(failures - 1, 0)))

    async def _attempt(self) -> tuple[str, str]:
        """One connection, up to its end; answers why it ended."""
        config = self._config
        self.ended = ""
        listener = _Listener(self, config.max_message_bytes)
        try:
            async with asyncio.timeout(config.connect_timeout_ms / 1000):
                transport, _ = await ws_connect(
                    lambda: listener,
                    config.futures_ws_url,
                    websocket_handshake_timeout=config.connect_timeout_ms / 1000,
                    max_frame_size=config.max_message_bytes,
                    ssl_context=self._tls,
                    max_redirects=0,
                    logger_name=_log,
                )
        except (WSError, OSError, TimeoutError, EOFError) as error:
            return "disconnected", f"no connection: {type(error).__name__}"
        try:
            self._begin(transport)
            return await self._supervise(transport)
        finally:
            self.is_up, self._transport, self.since_ns = False, None, time.time_ns()
            transport.disconnect(False)
            await asyncio.gather(transport.wait_disconnected(), return_exceptions=True)

    def _begin(self, transport: WSTransport) -> None:
        self._transport, self.is_up = transport, True
        self.since_ns = time.time_ns()
        self._heard_s = asyncio.get_running_loop().time()
        for wanted in self._wanted:
            self._send(wanted)
        self._on_up()

    async def _supervise(self, transport: WSTransport) -> tuple[str, str]:
        config, loop = self._config.futures, asyncio.get_running_loop()
        ended = loop.create_task(transport.wait_disconnected())
        try:
            while not ended.done():
                if loop.time() - self._heard_s >= config.silent_timeout_s:
                    return "silent", f"nothing for {config.silent_timeout_s} s, no pong either"
                transport.send(WSMsgType.TEXT, _PING)
                wait_s = min(config.ping_interval_s, config.silent_timeout_s / 4)
                await asyncio.wait([ended], timeout=wait_s)
            return "disconnected", self.ended or "closed by the venue or the network"
        finally:
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError, WSError, OSError):
                await ended

    def _send(self, wanted: Request) -> None:
        if self._transport is not None:
            method, params = wanted
            message: dict[str, object] = {"method": method, "gzip": False}
            if params:
                message["param"] = dict(params)
            self._transport.send(WSMsgType.TEXT, orjson.dumps(message))
