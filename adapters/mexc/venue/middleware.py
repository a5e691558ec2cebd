"""What stands in front of every REST endpoint: faults, rate limits, and errors turned into answers."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from typing import NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.json_answer import answer, error_answer
from adapters.mexc.venue.limits import RateLimiter, Refusal
from adapters.mexc.venue.state import VenueState

SILENT_S = 60
_FIREWALL_PAGE = (
    "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>"
    "You don't have permission to access this server.</BODY></HTML>"
)


def make_middleware(state: VenueState) -> Middleware:
    """The one middleware of the venue."""
    limiter = RateLimiter(state.config.limits)
    rng = random.Random(state.config.seed ^ 0x1A7E)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path.startswith("/api/"):
            await _wait(state, rng, request)
            refused = _fault(state, request) or _limited(state, limiter, request)
            if refused is not None:
                return refused
        elif path.startswith("/control/") and not is_local(request.remote):
            return answer({"code": 403, "msg": "Access Denied"}, status=403)
        try:
            return await handler(request)
        except VenueError as error:
            return error_answer(error)
        except web.HTTPNotFound:
            return answer({"code": 404, "msg": "Not Found"}, status=404)

    return guard


def is_local(remote: str | None) -> bool:
    """Whether a peer's address is of this machine's loopback interface; the control endpoints ask for that."""
    try:
        return remote is not None and ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False


async def _wait(state: VenueState, rng: random.Random, request: web.Request) -> None:
    """Latency and jitter, and the connection that is never answered."""
    subject, now_ns = f"{request.method} {request.path}", state.clock.now_ns()
    delay_ms, jitter_ms = state.config.rest_latency_ms, state.config.rest_jitter_ms
    if (fault := state.faults.hit("latency", now_ns, subject)) is not None:
        delay_ms, jitter_ms = delay_ms + fault.delay_ms, jitter_ms + fault.jitter_ms
    if jitter_ms:
        delay_ms += rng.random() * jitter_ms
    if delay_ms:
        await asyncio.sleep(delay_ms / 1000)
    if state.faults.hit("http_silent", now_ns, subject) is not None:
        await asyncio.sleep(SILENT_S)
        cut(request)


def cut(request: web.Request) -> NoReturn:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    raise asyncio.CancelledError


def _fault(state: VenueState, request: web.Request) -> web.Response | None:
    subject, now_ns = f"{request.method} {request.path}", state.clock.now_ns()
    if (fault := state.faults.hit("http_5xx", now_ns, subject)) is not None:
        return answer({"code": fault.status, "msg": "internal error"}, status=fault.status)
    if state.faults.hit("html_403", now_ns, subject) is not None:
        return web.Response(status=403, text=_FIREWALL_PAGE, content_type="text/html")
    if state.faults.hit("http_404", now_ns, subject) is not None:
        return web.Response(status=404, text="<HTML><BODY>Not Found</BODY></HTML>", content_type="text/html")
    if (fault := state.faults.hit("rate_limited", now_ns, subject)) is not None:
        return _too_many(Refusal(429, fault.retry_after_s))
    if (fault := state.faults.hit("banned", now_ns, subject)) is not None:
        return _too_many(Refusal(418, fault.retry_after_s))
    return None


def _limited(state: VenueState, limiter: RateLimiter, request: web.Request) -> web.Response | None:
    if request.match_info.http_exception is not None:
        return None  # no such endpoint: nothing to count, and no memory spent on it
    key = request.headers.get("X-MEXC-APIKEY", "")
    who = key if key in state.secrets else request.remote or "public"
    path = request.match_info.route.resource.canonical if request.match_info.route.resource else request.path
    has_symbol = "symbol" in request.query
    refused = limiter.admit(who, request.method, path, state.clock.now_ns(), has_symbol)
    return _too_many(refused) if refused is not None else None


def _too_many(refused: Refusal) -> web.Response:
    if refused.status == 510:
        return answer(
            {"success": False, "code": 510, "message": "Requests are too frequent, please try again later!"}
        )
    text = "Too Many Requests" if refused.status == 429 else "Your IP is banned"
    headers = {"Retry-After": str(refused.retry_after_s)}
    return answer({"code": refused.status, "msg": text}, refused.status, headers)
