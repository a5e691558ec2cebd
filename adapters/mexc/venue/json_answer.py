"""JSON answers, and errors as MEXC words them."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from adapters.mexc.venue.errors import VenueError


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def error_answer(error: VenueError) -> web.Response:
    """`{"code": ..., "msg": ...}` with the error's HTTP status."""
    return answer({"code": error.code, "msg": error.message}, status=error.status)
