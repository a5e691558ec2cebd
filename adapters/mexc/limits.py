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


class Budget:
    """What one endpoint takes of its limits."""

    def __init__(self, endpoint: str, weight: int) -> None:
        self.weight = weight
        self._window = Window(_WINDOW_S)
        self._per_second = REQUESTS_PER_S.get(endpoint, 0)
        self._second = Window(_SECOND_S)
        self.closed_until_s = 0.0

    def wait_s(self, now_s: float, weight: int, limit: int) -> float:
        """How long until a request of this weight is within the limit; 0 where it is now."""
        left_s = self._window.wait_s(now_s, weight, limit)
        return max(left_s, self._second.wait_s(now_s, 1, self._per_second)) if self._per_second else left_s

    def spend(self, now_s: float, weight: int) -> None:
        """Count it."""
        self._window.spend(now_s, weight)
        if self._per_second:
            self._second.spend(now_s, 1)


class RequestLimits:
    """One account's budgets. `headroom` is what questions leave free of each endpoint's weight, for orders and cancels;
    `own`: weights of endpoints, before those known here. `now_s`: CLOCK_MONOTONIC, but for tests."""

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
        self._budgets: dict[str, Budget] = {}
        self._all_closed_until_s = 0.0

    def budget(self, endpoint: str) -> Budget:
        """An endpoint's own."""
        found = self._budgets.get(endpoint)
        if found is None:
            found = self._budgets[endpoint] = Budget(endpoint, weight_of(endpoint, self._own))
        return found

    def allows(self, budget: Budget, now_s: float) -> bool:
        """Whether a request that must not wait need not."""
        return (
            budget.wait_s(now_s, budget.weight, self._weight_per_10s) <= 0
            and self._closed_for_s(budget, now_s) <= 0
        )

    def spend_now(self, endpoint: str) -> None:
        """Count a request that must not wait; raises VenueError NOT_SENT where it would have to."""
        budget, now_s = self.budget(endpoint), self._now_s()
        if self.allows(budget, now_s):
            return budget.spend(now_s, budget.weight)
        closed_s = self._closed_for_s(budget, now_s)
        left_s = max(closed_s, budget.wait_s(now_s, budget.weight, self._weight_per_10s))
        why = "rate limited" if closed_s > 0 else f"{endpoint}: the request budget is spent"
        raise VenueError(ErrorClass.NOT_SENT, f"{why} for {left_s:.1f} s", retry_after_s=left_s)

    async def spend(self, endpoint: str, *, has_symbol: bool = True) -> None:
        """Count a question, after waiting until it is within the budget and its endpoint is open."""
        budget, weight = self.budget(endpoint), weight_of(endpoint, self._own, has_symbol=has_symbol)
        while True:
            now_s = self._now_s()
            left_s = max(self._closed_for_s(budget, now_s), budget.wait_s(now_s, weight, self._for_questions))
            if left_s <= 0:
                return budget.spend(now_s, weight)
            await asyncio.sleep(left_s)

    def close(self, endpoint: str, error: VenueError) -> None:
        """Close an endpoint for as long as an error says; a ban closes all of them."""
        if error.retry_after_s:
            until_s = self._now_s() + error.retry_after_s
            if error.http_status == 418:
                self._all_closed_until_s = until_s
            else:
                self.budget(endpoint).closed_until_s = until_s

    def _closed_for_s(self, budget: Budget, now_s: float) -> float:
        return max(budget.closed_until_s, self._all_closed_until_s) - now_s
