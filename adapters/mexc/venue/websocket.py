"""`/ws`: control messages as JSON text in, acknowledgements as text and market data as binary frames out."""

from __future__ import annotations

import asyncio

import orjson
from aiohttp import WSMsgType, web

from adapters.mexc.venue.channels import parse_channel
from adapters.mexc.venue.state import VenueState
from adapters.mexc.venue.streams import Connection

MAX_MESSAGE_BYTES = 8192
REFUSED = "Not Subscribed successfully! [{}].  Reason： {}! "


class WebsocketEndpoint:
    """Accepts connections and answers what they ask."""

    def __init__(self, state: VenueState) -> None:
        self._state = state

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection from upgrade to end."""
        state = self._state
        if len(state.hub.connections) >= state.config.limits.connections:
            return web.Response(status=503, text="too many connections")
        if state.faults.hit("refuse_upgrade", state.clock.now_ns(), request.path) is not None:
            return web.Response(status=503, text="refused")
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES, heartbeat=None)
        await socket.prepare(request)
        now_s = asyncio.get_running_loop().time()
        connection = Connection(socket, request.transport, opened_s=now_s, idle_since_s=now_s, alive_s=now_s)
        if not await self._attach_account(request, connection, now_s):
            return socket
        state.hub.add(connection)
        writer = asyncio.create_task(state.hub.write_loop(connection))
        try:
            await self._read(connection)
        finally:
            connection.is_closing = True
            connection.wake.set()
            state.hub.remove(connection)
            writer.cancel()
        return socket

    async def _attach_account(self, request: web.Request, connection: Connection, now_s: float) -> bool:
        key = request.query.get("listenKey", "")
        if not key:
            return True
        owner = self._state.listen_keys.owner(key, now_s)
        sharing = sum(other.listen_key == key for other in self._state.hub.connections)
        if owner is None or sharing >= self._state.config.limits.connections_per_key:
            await connection.socket.send_str("Invalid listen key")
            await connection.socket.close()
            return False
        connection.account, connection.listen_key = owner, key
        return True

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            if connection.is_closing:
                break
            if message.type is WSMsgType.TEXT:
                if self._is_too_fast(connection):
                    connection.abort()
                    break
                self._on_text(connection, message.data)

    def _is_too_fast(self, connection: Connection) -> bool:
        now_s = asyncio.get_running_loop().time()
        times = connection.message_times
        times.append(now_s)
        while times and times[0] < now_s - 1:
            times.popleft()
        return len(times) > self._state.config.limits.messages_per_s

    def _on_text(self, connection: Connection, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        method = message.get("method") if isinstance(message, dict) else None
        params = message.get("params", []) if isinstance(message, dict) else None
        request_id = message.get("id", 0) if isinstance(message, dict) else 0
        if not isinstance(request_id, int) or request_id < 0:
            request_id = 0
        is_list = isinstance(params, list) and all(isinstance(name, str) for name in params)
        if method == "PING":
            connection.alive_s = asyncio.get_running_loop().time()
            self._answer(connection, request_id, "PONG")
        elif method == "SUBSCRIPTION" and is_list and params:
            self._subscribe(connection, request_id, params)
        elif method == "UNSUBSCRIPTION" and is_list and params:
            self._unsubscribe(connection, request_id, params)
        else:
            self._answer(connection, request_id, "msg format invalid")

    def _answer(self, connection: Connection, request_id: int, text: str) -> None:
        answer = orjson.dumps({"id": request_id, "code": 0, "msg": text}).decode()
        self._state.hub.send(connection, answer)

    def _subscribe(self, connection: Connection, request_id: int, names: list[str]) -> None:
        accepted: list[str] = []
        refused: dict[str, list[str]] = {}
        for name in names:
            reason = self._refusal(connection, name)
            if reason is None:
                self._state.hub.subscribe(connection, name)
                connection.alive_s = asyncio.get_running_loop().time()
                accepted.append(name)
            else:
                refused.setdefault(reason, []).append(name)
        if accepted:
            self._answer(connection, request_id, ",".join(accepted))
        for reason, refused_names in refused.items():
            self._answer(connection, request_id, REFUSED.format(",".join(refused_names), reason))

    def _refusal(self, connection: Connection, name: str) -> str | None:
        state = self._state
        if state.faults.hit("refuse_subscription", state.clock.now_ns(), name):
            return "Blocked"
        channel = parse_channel(name)
        if channel is None:
            return "Blocked"
        if channel.is_private:
            if not connection.account:
                return "Blocked"
        elif channel.symbol and not state.is_known(channel.symbol):
            return "Blocked"
        is_new = name not in connection.subscriptions
        if is_new and len(connection.subscriptions) >= state.config.limits.subscriptions:
            return "Subscription limit exceeded"
        return None

    def _unsubscribe(self, connection: Connection, request_id: int, names: list[str]) -> None:
        for name in names:
            self._state.hub.unsubscribe(connection, name)
        if not connection.subscriptions:
            connection.idle_since_s = asyncio.get_running_loop().time()
        self._answer(connection, request_id, ",".join(names))
