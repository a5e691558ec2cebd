"""A small server on loopback that answers what it is told to: literal bodies by path, and a websocket by script."""

from __future__ import annotations

import collections
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import WSMsgType, web

FORBIDDEN = (403, "<html><head><title>Access Denied</title></head></html>")


class LiteralVenue:
    """`bodies` by path: a JSON value, a text, a function of the query, or (status, text). Counts what was asked."""

    def __init__(self) -> None:
        self.bodies: dict[str, Any] = {}
        self.asked: collections.Counter[str] = collections.Counter()
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.heard: list[dict[str, Any]] = []
        self.on_message: Callable[[dict[str, Any]], list[Any]] = lambda message: []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.socket(request)
        self.asked[path] += 1
        self.queries.append((path, dict(request.query)))
        body = self.bodies.get(path, (404, "not found"))
        if path == "/api/v3/time":
            body = {"serverTime": now_ms()}
        if callable(body):
            body = body(dict(request.query))
        if isinstance(body, tuple):
            return web.Response(status=body[0], text=body[1], content_type="text/html")
        return web.Response(
            text=body if isinstance(body, str) else json.dumps(body), content_type="application/json"
        )

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[request.path] = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                said = json.loads(message.data)
                self.heard.append(said)
                for reply in self.on_message(said):
                    await send(socket, reply)
        return socket

    async def push(self, path: str, message: Any) -> None:
        """Send a frame (bytes) or an object as JSON text on the path's present socket."""
        await send(self.sockets[path], message)


def now_ms() -> int:
    """Our clock is the venue's."""
    return time.time_ns() // 1_000_000


async def send(socket: web.WebSocketResponse, message: Any) -> None:
    if isinstance(message, bytes):
        await socket.send_bytes(message)
    else:
        await socket.send_str(json.dumps(message))


@contextlib.asynccontextmanager
async def literal_venue() -> AsyncIterator[LiteralVenue]:
    """The server, on a free port of 127.0.0.1."""
    venue = LiteralVenue()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", venue.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield venue
    finally:
        for socket in venue.sockets.values():
            await socket.close()
        await runner.cleanup()
