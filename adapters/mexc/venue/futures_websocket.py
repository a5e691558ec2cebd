"""`/edge`: the futures websocket, JSON text both ways. Public channels only; it is never compressed here."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from adapters.mexc.venue import futures as channels
from adapters.mexc.venue.futures import Futures
from adapters.mexc.venue.state import VenueState
from adapters.mexc.venue.streams import Connection
from adapters.mexc.venue.websocket import MAX_MESSAGE_BYTES

KINDS = (channels.DEAL, channels.DEPTH, channels.TICKER, channels.FUNDING)


class FuturesWebsocketEndpoint:
    """Accepts connections and answers what they ask."""

    def __init__(self, state: VenueState, futures: Futures) -> None:
        self._state = state
        self._futures = futures

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection from upgrade to end."""
        state, hub = self._state, self._futures.hub
        refused = state.faults.hit("refuse_upgrade", state.clock.now_ns(), request.path) is not None
        if refused or len(hub.connections) >= state.config.limits.connections:
            return web.Response(status=503, text="refused")
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=None)
        await socket.prepare(request)
        now_s = asyncio.get_running_loop().time()
        connection = Connection(socket, request.transport, opened_s=now_s, pinged_s=now_s)
        hub.add(connection)
        writer = asyncio.create_task(hub.write_loop(connection))
        try:
            async for message in socket:
                if connection.is_closing:
                    break
                if message.type is WSMsgType.TEXT:
                    self._on_text(connection, message.data)
        finally:
            connection.is_closing = True
            connection.wake.set()
            hub.remove(connection)
            writer.cancel()
        return socket

    def _on_text(self, connection: Connection, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        method = message.get("method") if isinstance(message, dict) else None
        param = message.get("param") if isinstance(message, dict) else None
        if not isinstance(method, str):
            self._answer(connection, "rs.error", "Invalid message")
        elif method == "ping":
            connection.pinged_s = asyncio.get_running_loop().time()
            self._answer(connection, "pong", self._state.clock.now_ms())
        elif method.startswith(("sub.", "unsub.")):
            self._subscription(connection, method, param if isinstance(param, dict) else {})
        else:
            self._answer(connection, "rs.error", f"Invalid method [{method}]")

    def _subscription(self, connection: Connection, method: str, param: dict[str, Any]) -> None:
        verb, _, kind = method.partition(".")
        symbol = str(param.get("symbol", ""))
        name = self._name(kind, symbol, is_merged=param.get("compress", True) is not False)
        refused = (
            self._state.faults.hit("refuse_subscription", self._state.clock.now_ns(), method) is not None
        )
        if name is None or refused:
            known = kind in KINDS
            text = (
                f"Contract [{symbol}] not exists" if known and not refused else f"Invalid method [{method}]"
            )
            self._answer(connection, "rs.error", text)
            return
        if verb == "sub":
            self._futures.hub.subscribe(connection, name)
        else:
            for other in (name, name.replace(f"{channels.DEPTH}:", f"{channels.DEPTH_RAW}:")):
                self._futures.hub.unsubscribe(connection, other)
        self._answer(connection, f"rs.{method}", "success")

    def _name(self, kind: str, symbol: str, *, is_merged: bool) -> str | None:
        if kind == channels.CONTRACT:
            return channels.CONTRACT
        if kind not in KINDS or symbol not in self._futures.contracts:
            return None
        if kind == channels.DEPTH and not is_merged:
            return f"{channels.DEPTH_RAW}:{symbol}"
        return f"{kind}:{symbol}"

    def _answer(self, connection: Connection, channel: str, data: object) -> None:
        message = {"channel": channel, "data": data, "ts": self._state.clock.now_ms()}
        self._futures.hub.send(connection, orjson.dumps(message).decode())
