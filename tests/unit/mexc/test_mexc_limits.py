"""Budgets of requests: exact windows, what waits and what does not, and what closes an endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.mexc import MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.limits import RequestLimits, Window, weight_of
from adapters.mexc.rest import RestClient
from engine.config import parse, to_toml
from engine.config_plugins import plugin_problems

ORDER = "POST /api/v3/order"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 9)), max_size=60))
def test_a_window_never_lets_more_through_than_its_limit(steps: list[tuple[float, int]]) -> None:
    window, now_s, spent = Window(10.0), 0.0, []
    for pause_s, amount in steps:
        now_s += pause_s
        wait_s = window.wait_s(now_s, amount, 20)
        assert 0 <= wait_s <= 10.0
        # The least of all moments where it fits.
        recent = sum(each for at_s, each in spent if at_s > now_s - 10.0)
        assert (wait_s == 0.0) == (recent + amount <= 20)
        if wait_s:
            later_s = now_s + wait_s
            assert sum(each for at_s, each in spent if at_s > later_s - 10.0) + amount <= 20 + 9
        else:
            window.spend(now_s, amount)
            spent.append((now_s, amount))
    for at_s, _ in spent:
        assert sum(each for other_s, each in spent if at_s - 10.0 < other_s <= at_s) <= 20


@pytest.mark.parametrize(
    ("endpoint", "has_symbol", "weight"),
    [
        (ORDER, True, 1), ("DELETE /api/v3/order", True, 1), ("GET /api/v3/order", True, 2),
        ("GET /api/v3/openOrders", True, 3), ("GET /api/v3/account", False, 10), ("GET /api/v3/myTrades", True, 10),
        ("GET /api/v3/exchangeInfo", False, 10), ("GET /api/v3/ticker/24hr", True, 1),
        ("GET /api/v3/ticker/24hr", False, 40), ("GET /api/v3/ticker/price", False, 2), ("GET /api/v3/depth", True, 1),
    ],
)  # fmt: skip
def test_weights(endpoint: str, has_symbol: bool, weight: int) -> None:
    assert weight_of(endpoint, has_symbol=has_symbol) == weight


SMALL = """
symbols = ["BTCUSDT"]
[adapter]
name = "mexc"
weight_per_10s = 60
[adapter.weights]
"POST /api/v3/order" = 25
"GET /api/v3/ticker/24hr" = 50
[[strategy]]
name = "market_maker"
id = "maker"
symbols = ["BTCUSDT"]
"""


def test_weights_come_from_the_config() -> None:
    config = parse(SMALL)
    assert parse(to_toml(config)) == config
    settings = MexcConfig(**config.adapter.options)
    own = settings.weights
    assert weight_of(ORDER, own) == 25
    assert weight_of("GET /api/v3/ticker/24hr", own, has_symbol=False) == 50
    assert weight_of("GET /api/v3/exchangeInfo", own) == 10
    clock = Clock()
    limits = RequestLimits(settings.weight_per_10s, 0, clock, own)
    limits.spend_now(ORDER)
    limits.spend_now(ORDER)
    with pytest.raises(VenueError, match="budget is spent"):
        limits.spend_now(ORDER)

    async def asks() -> None:
        # Questions may use 10 of 60: a second one waits only where the first one weighed that much.
        for weight, waits in ((5, False), (10, True)):
            rest = RestClient(MexcConfig(weight_per_10s=60, weights={"GET /api/v3/order": weight}), None)
            await rest.limits.spend("GET /api/v3/order")
            with pytest.raises(TimeoutError) if waits else contextlib.nullcontext():
                await asyncio.wait_for(rest.limits.spend("GET /api/v3/order"), 0.05)

    asyncio.run(asks())


@pytest.mark.parametrize(
    ("endpoint", "weight", "words"),
    [
        ("/api/v3/order", 1, "method and path"),
        ("POST api/v3/order", 1, "method and path"),
        ("post /api/v3/order", 1, "method and path"),
        ("GET /api/v3/depth?symbol=BTCUSDT", 1, "method and path"),
        ("GET /api/v3/depth x", 1, "method and path"),
        ("GET /api/v3/depth", 0, "must weigh 1 to 500"),
        ("GET /api/v3/depth", 501, "must weigh 1 to 500"),
        ("GET /api/v3/depth", "many", "valid integer"),
    ],
)
def test_weights_that_cannot_be(endpoint: str, weight: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MexcConfig(weights={endpoint: weight})  # type: ignore[dict-item]
    lines = SMALL.replace('"POST /api/v3/order" = 25', f"{json.dumps(endpoint)} = {json.dumps(weight)}")
    (problem,) = plugin_problems(parse(lines))
    assert problem.path.startswith("adapter")
    assert words.replace("500", "60") in problem.what


def test_an_order_beyond_the_budget_is_not_sent_and_does_not_wait() -> None:
    clock = Clock()
    limits = RequestLimits(500, 50, clock)
    for _ in range(500):
        limits.spend_now(ORDER)
    with pytest.raises(VenueError, match="budget is spent") as caught:
        limits.spend_now(ORDER)
    assert caught.value.error_class is ErrorClass.NOT_SENT
    assert 10 < caught.value.retry_after_s <= 10.5
    limits.spend_now("DELETE /api/v3/order")  # every endpoint has a budget of its own
    clock.now_s += 10.5
    limits.spend_now(ORDER)


def test_questions_wait_and_leave_headroom() -> None:
    async def main() -> None:
        limits = RequestLimits(20, 10)
        endpoint = "GET /api/v3/order"
        for _ in range(5):
            await asyncio.wait_for(limits.spend(endpoint), 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limits.spend(endpoint), 0.05)
        limits.spend_now(endpoint)  # what must not wait may use the rest

    asyncio.run(main())


def test_the_account_is_read_twice_a_second() -> None:
    async def main() -> None:
        limits, loop = RequestLimits(500, 50), asyncio.get_running_loop()
        began = loop.time()
        await limits.spend("GET /api/v3/account")
        await limits.spend("GET /api/v3/account")
        assert loop.time() - began < 0.5
        await limits.spend("GET /api/v3/account")
        assert loop.time() - began >= 1.0

    asyncio.run(main())


def test_a_retry_after_closes_its_endpoint_and_a_ban_all() -> None:
    clock = Clock()
    limits = RequestLimits(500, 50, clock)
    limits.close(ORDER, VenueError(ErrorClass.RATE, "", http_status=429, retry_after_s=3))
    with pytest.raises(VenueError, match=r"rate limited for 3\.0 s"):
        limits.spend_now(ORDER)
    limits.spend_now("DELETE /api/v3/order")
    clock.now_s += 3
    limits.spend_now(ORDER)
    limits.close(ORDER, VenueError(ErrorClass.BALANCE, "", http_status=400))
    limits.spend_now(ORDER)
    limits.close(ORDER, VenueError(ErrorClass.RATE, "", http_status=418, retry_after_s=60))
    for endpoint in (ORDER, "DELETE /api/v3/order", "GET /api/v3/time"):
        with pytest.raises(VenueError, match="rate limited"):
            limits.spend_now(endpoint)
