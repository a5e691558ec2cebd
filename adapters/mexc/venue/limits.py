"""REST limits: weight per client and endpoint over ten seconds, a few limits per second, and the ban of who goes on.

Weights: MEXC's documentation of August 2025; for endpoints that are younger, what ccxt counts for them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from adapters.mexc.venue.config import LimitsConfig

WINDOW_NS = 10_000_000_000
SECOND_NS = 1_000_000_000
FUTURES = "/api/v1/contract/"
# path, or method and path -> (with a symbol, without)
WEIGHTS: dict[str | tuple[str, str], tuple[int, int]] = {
    "/api/v3/exchangeInfo": (10, 10),
    "/api/v3/symbol/offline": (10, 10),
    "/api/v3/announcements": (8, 8),
    "/api/v3/trades": (5, 5),
    "/api/v3/ticker/24hr": (1, 40),
    "/api/v3/ticker/price": (1, 2),
    "/api/v3/allOrders": (10, 10),
    "/api/v3/account": (10, 10),
    "/api/v3/myTrades": (10, 10),
    "/api/v3/tradeFee": (20, 20),
    "/api/v3/capital/config/getall": (10, 10),
    ("GET", "/api/v3/order"): (2, 2),
    ("GET", "/api/v3/openOrders"): (3, 3),
}


def weight_of(method: str, path: str, has_symbol: bool) -> int:
    """What a request counts."""
    with_symbol, without = WEIGHTS.get((method, path)) or WEIGHTS.get(path) or (1, 1)
    return with_symbol if has_symbol else without


class Window:
    """A sum over a sliding time."""

    __slots__ = ("_length_ns", "_sum", "_used")

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._used: deque[tuple[int, int]] = deque()
        self._sum = 0

    def wait_s(self, now_ns: int, weight: int, limit: int) -> int:
        """0 and counted where it fits, else the whole seconds to wait."""
        self._forget(now_ns)
        if self._used and self._sum + weight > limit:
            return 1 + (self._used[0][0] + self._length_ns - now_ns) // SECOND_NS
        self._used.append((now_ns, weight))
        self._sum += weight
        return 0

    def count(self, now_ns: int) -> int:
        """Count one, and return how many there are."""
        self._forget(now_ns)
        self._used.append((now_ns, 1))
        self._sum += 1
        return self._sum

    def _forget(self, now_ns: int) -> None:
        while self._used and self._used[0][0] <= now_ns - self._length_ns:
            self._sum -= self._used.popleft()[1]


@dataclass(frozen=True, slots=True)
class Refusal:
    """429, 418 for who was banned, or 510: the futures side's code for too many requests."""

    status: int
    retry_after_s: int


class RateLimiter:
    """Everybody's use of every endpoint; `who` is a key, or an address where there is none."""

    def __init__(self, limits: LimitsConfig) -> None:
        self._limits = limits
        self._windows: dict[tuple[str, str, str], Window] = {}
        self._seconds: dict[tuple[str, str], Window] = {}
        self._pairs: dict[tuple[str, str], Window] = {}  # two seconds
        self._refusals: dict[str, Window] = {}
        self._banned_until_ns: dict[str, int] = {}

    def admit(self, who: str, method: str, path: str, now_ns: int, has_symbol: bool) -> Refusal | None:
        """None where the request may pass."""
        banned_ns = self._banned_until_ns.get(who, 0) - now_ns
        if banned_ns > 0:
            return Refusal(418, 1 + banned_ns // SECOND_NS)
        window = self._windows.setdefault((who, method, path), Window(WINDOW_NS))
        weight = weight_of(method, path, has_symbol)
        wait_s = window.wait_s(now_ns, weight, self._limits.rest_weight_per_10s)
        if not wait_s and path.startswith(FUTURES):
            pair = self._pairs.setdefault((who, path), Window(2 * SECOND_NS))
            return Refusal(510, 2) if pair.wait_s(now_ns, 1, self._limits.futures_per_2s) else None
        per_s = self._per_second(method, path)
        if not wait_s and per_s:
            second = self._seconds.setdefault((who, path), Window(SECOND_NS))
            wait_s = second.wait_s(now_ns, 1, per_s)
        if not wait_s:
            return None
        if self._refusals.setdefault(who, Window(WINDOW_NS)).count(now_ns) > self._limits.refusals_before_ban:
            self._banned_until_ns[who] = now_ns + int(self._limits.ban_s * SECOND_NS)
            return Refusal(418, max(1, int(self._limits.ban_s)))
        return Refusal(429, wait_s)

    def _per_second(self, method: str, path: str) -> int:
        if path == "/api/v3/batchOrders":
            return self._limits.batches_per_s
        return self._limits.account_per_s if (method, path) == ("GET", "/api/v3/account") else 0
