# cython: annotation_typing=False
"""MEXC's request limits, kept before a request leaves, and what closes an endpoint afterwards.

Spot v3 documentation: each endpoint on its own has 500 weight in 10 s, per key or per address; the account may be read
twice a second. 429 and 418 carry Retry-After. An order never waits for any of this: it is not sent, and that is known.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable, Mapping

from adapters.mexc.errors import ErrorClass, VenueError

# (documentation of 2025-08; where it names none, ccxt's of 2026). Everything else weighs 1.
WEIGHTS: dict[str, int] = {
    "GET /api/v3/exchangeInfo": 10,
    "GET /api/v3/symbol/offline": 10,
    "GET /api/v3/announcements": 8,
    "GET /api/v3/trades": 5,
    "GET /api/v3/order": 2,
    "GET /api/v3/openOrders": 3,
    "GET /api/v3/allOrders": 10,
    "GET /api/v3/account": 10,
    "GET /api/v3/myTrades": 10,
    "GET /api/v3/tradeFee": 20,
}
# Asked without a symbol, for all of them at once.
WEIGHTS_OF_ALL: dict[str, int] = {"GET /api/v3/ticker/24hr": 40, "GET /api/v3/ticker/price": 2}
REQUESTS_PER_S: dict[str, int] = {"GET /api/v3/account": 2, "POST /api/v3/batchOrders": 2}

# Longer than MEXC's: a request that is quicker on its way than the one before it must not arrive within the old window.
_WINDOW_S = 10.25
_SECOND_S = 1.1


def weight_of(endpoint: str, own: Mapping[str, int] = {}, *, has_symbol: bool = True) -> int:
    """The weight of one request; `endpoint` is method and path, `own` goes before what is known, however it is asked."""
    if endpoint in own:
        return own[endpoint]
    if not has_symbol and endpoint in WEIGHTS_OF_ALL:
        return WEIGHTS_OF_ALL[endpoint]
    return WEIGHTS.get(endpoint, 1)


class Window:
    """How much was spent within the last `length_s`, exactly."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._spent: collections.deque[tuple[float, int]] = collections.deque()
        self._total = 0

    def wait_s(self, now_s: float, amount: int, limit: int) -> float:
        """How long until so much more is within the limit; 0 where it is now. What is more than the limit counts as it."""
        if self._total + amount <= limit:
            return 0.0  # even with what is too old to count
        while self._spent and self._spent[0][0] <= now_s - self._length_s:
            self._total -= self._spent.popleft()[1]
        excess = self._total + min(amount, limit) - limit
        if excess <= 0:
            return 0.0
        for at_s, each in self._spent:
            excess -= each
            if excess <= 0:
                return at_s + self._length_s - now_s
        raise AssertionError("the total is the sum of what was spent")

    def spend(self, now_s: float, amount: int) -> None:
        """Count it."""
        self._spent.append((now_s, amount))
        self._total += amount


class RequestLimits:
    """One account's budgets. `headroom` is what questions leave free of each endpoint's weight, for orders and cancels;
    `own`: weights of endpoints, before those known here."""

    def __init__(
        self,
        weight_per_10s: int,
        headroom: int,
        now_s: Callable[[], float] | None = None,
        own: Mapping[str, int] = {},
    ) -> None:
        self._own = dict(own)
        self._weight_per_10s = weight_per_10s
        self._for_questions = max(weight_per_10s - headroom, 1)
        self._now_s = now_s or time.monotonic
        self._weights: collections.defaultdict[str, Window] = collections.defaultdict(
            lambda: Window(_WINDOW_S)
        )
        self._seconds = {endpoint: Window(_SECOND_S) for endpoint in REQUESTS_PER_S}
        self._closed_until: dict[str, float] = {}

    def spend_now(self, endpoint: str) -> None:
        """Count a request that must not wait; raises VenueError NOT_SENT where it would have to."""
        if not self.try_spend(endpoint):
            now_s = self._now_s()
            closed_s = self._closed_for_s(endpoint, now_s)
            left_s = max(
                closed_s, self._wait_s(endpoint, now_s, weight_of(endpoint, self._own), self._weight_per_10s)
            )
            why = "rate limited" if closed_s > 0 else f"{endpoint}: the request budget is spent"
            raise VenueError(ErrorClass.NOT_SENT, f"{why} for {left_s:.1f} s", retry_after_s=left_s)

    def try_spend(self, endpoint: str) -> bool:
        """Count a request that must not wait, where it need not."""
        is_within = self.may_spend(endpoint)
        if is_within:
            self._spend(endpoint, self._now_s(), weight_of(endpoint, self._own))
        return is_within

    def may_spend(self, endpoint: str) -> bool:
        """Whether a request need not wait now."""
        now_s = self._now_s()
        wait_s = self._wait_s(endpoint, now_s, weight_of(endpoint, self._own), self._weight_per_10s)
        return wait_s <= 0 and self._closed_for_s(endpoint, now_s) <= 0

    async def spend(self, endpoint: str, *, has_symbol: bool = True) -> None:
        """Count a question, after waiting until it is within the budget and its endpoint is open."""
        weight = weight_of(endpoint, self._own, has_symbol=has_symbol)
        while True:
            now_s = self._now_s()
            left_s = max(
                self._closed_for_s(endpoint, now_s),
                self._wait_s(endpoint, now_s, weight, self._for_questions),
            )
            if left_s <= 0:
                return self._spend(endpoint, now_s, weight)
            await asyncio.sleep(left_s)

    def close(self, endpoint: str, error: VenueError) -> None:
        """Close an endpoint for as long as an error says; a ban closes all of them."""
        if error.retry_after_s:
            until_s = self._now_s() + error.retry_after_s
            self._closed_until["*" if error.http_status == 418 else endpoint] = until_s

    def _closed_for_s(self, endpoint: str, now_s: float) -> float:
        closed_until = self._closed_until
        if not closed_until:
            return 0.0
        return max(closed_until.get(endpoint, 0.0), closed_until.get("*", 0.0)) - now_s

    def _wait_s(self, endpoint: str, now_s: float, weight: int, limit: int) -> float:
        second = self._seconds.get(endpoint)
        left_s = self._weights[endpoint].wait_s(now_s, weight, limit)
        return left_s if second is None else max(left_s, second.wait_s(now_s, 1, REQUESTS_PER_S[endpoint]))

    def _spend(self, endpoint: str, now_s: float, weight: int) -> None:
        self._weights[endpoint].spend(now_s, weight)
        if endpoint in self._seconds:
            self._seconds[endpoint].spend(now_s, 1)
