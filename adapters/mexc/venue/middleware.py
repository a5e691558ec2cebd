"""What stands in front of every REST endpoint: faults, rate limits, and errors turned into answers."""

from __future__ import annotations

import ipaddress
from collections import deque

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.json_answer import answer, error_answer
from adapters.mexc.venue.state import VenueState

WINDOW_NS = 10_000_000_000
WEIGHTS: dict[str | tuple[str, str], int] = {
    "/api/v3/exchangeInfo": 10,
    "/api/v3/trades": 5,
    "/api/v3/allOrders": 10,
    "/api/v3/account": 10,
    "/api/v3/myTrades": 10,
    "/api/v3/tradeFee": 20,
    ("GET", "/api/v3/order"): 2,
    ("GET", "/api/v3/openOrders"): 3,
}
_FIREWALL_PAGE = (
    "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD><BODY><H1>Access Denied</H1>"
    "You don't have permission to access this server.</BODY></HTML>"
)


class RateLimiter:
    """Weight per key and endpoint over a sliding window."""

    def __init__(self, weight_per_window: int) -> None:
        self._limit = weight_per_window
        self._used: dict[tuple[str, str, str], deque[tuple[int, int]]] = {}
        self._sums: dict[tuple[str, str, str], int] = {}

    def admit(self, who: str, method: str, path: str, now_ns: int) -> int:
        """0 where the request may pass, else the seconds to wait."""
        weight = WEIGHTS.get((method, path)) or WEIGHTS.get(path) or 1
        key = (who, method, path)
        used = self._used.setdefault(key, deque())
        total = self._sums.get(key, 0)
        while used and used[0][0] <= now_ns - WINDOW_NS:
            total -= used.popleft()[1]
        if total + weight > self._limit:
            self._sums[key] = total
            return 1 + (used[0][0] + WINDOW_NS - now_ns) // 1_000_000_000
        used.append((now_ns, weight))
        self._sums[key] = total + weight
        return 0


def make_middleware(state: VenueState) -> Middleware:
    """The one middleware of the venue."""
    limiter = RateLimiter(state.config.limits.rest_weight_per_10s)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path.startswith("/api/"):
            refused = _fault(state, f"{request.method} {path}") or _limited(state, limiter, request)
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


def _fault(state: VenueState, subject: str) -> web.Response | None:
    now_ns = state.clock.now_ns()
    if (fault := state.faults.hit("http_5xx", now_ns, subject)) is not None:
        return answer({"code": fault.status, "msg": "internal error"}, status=fault.status)
    if state.faults.hit("html_403", now_ns, subject) is not None:
        return web.Response(status=403, text=_FIREWALL_PAGE, content_type="text/html")
    if (fault := state.faults.hit("rate_limited", now_ns, subject)) is not None:
        return _too_many(fault.retry_after_s)
    return None


def _limited(state: VenueState, limiter: RateLimiter, request: web.Request) -> web.Response | None:
    if request.match_info.http_exception is not None:
        return None  # no such endpoint: nothing to count, and no memory spent on it
    key = request.headers.get("X-MEXC-APIKEY", "")
    who = key if key in state.secrets else "public"
    wait_s = limiter.admit(who, request.method, request.path, state.clock.now_ns())
    return _too_many(wait_s) if wait_s else None


def _too_many(retry_after_s: int) -> web.Response:
    return answer({"code": 429, "msg": "Too Many Requests"}, 429, {"Retry-After": str(retry_after_s)})
