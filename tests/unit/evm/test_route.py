"""Routes are written byte for byte as the contract's own tests write them, and what cannot be written is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.evm.cycle import V2Hop, cycle
from adapters.evm.route import (
    AaveLoan,
    BalancerLoan,
    BalancerSwap,
    Deadline,
    Erc3156Loan,
    ParentBlock,
    Place,
    Route,
    RouteError,
    Step,
    Transfer,
    Unwrap,
    V2Flash,
    V2PaidSwap,
    V2Swap,
    V3Swap,
    V4Loan,
    V4Pay,
    V4Settle,
    V4Swap,
    V4Sync,
    V4Take,
    V4Unlock,
    Wrap,
)

VECTORS = Path(__file__).parents[3] / "contracts" / "test" / "vectors" / "routes.json"


def address(number: int) -> bytes:
    """The address that the vectors call by this number."""
    return number.to_bytes(20, "big")


A, B, C = address(0xA11CE), address(0xB0B), address(0xCAFE)
X, Y = address(0x1111), address(0x2222)

EVERY_STEP: tuple[Step, ...] = (
    Deadline(1_750_000_000),
    ParentBlock(bytes(range(32))),
    Wrap(1),
    Unwrap(Place.WETH, 2),
    Transfer(X, A, 3),
    V2Swap(A, B, True, 4),
    V2PaidSwap(Y, B, Place.SELF, False, 5, 6),
    V4Take(X, Place.SELF, 7),
    V4Pay(Y, 8),
    V4Pay(Place.NOBODY, 9),
    V4Swap(Place.NOBODY, X, 3000, 60, C, Place.NOBODY, True, 10),
    V4Sync(Y),
    V4Settle(),
    V4Loan(X, 19),
    BalancerSwap(bytes(range(32, 64)), X, Place.WETH, Place.POOL_MANAGER, 11),
    V2Flash(A, True, 12),
    V3Swap(B, Place.BALANCER_VAULT, False, 13),
    V4Unlock(),
    BalancerLoan(X, 14),
    AaveLoan(Y, 15, 16),
    Erc3156Loan(Place.WETH, C, 17, 18),
)

ROUTES = {
    "V2-V2 with a bid": Route(
        Place.WETH,
        22_000_002,
        10**16,
        cycle([V2Hop(A, True, 3 * 10**18, 9 * 10**21), V2Hop(B, False, 9 * 10**21, 31 * 10**17)]),
        bid_wei=5 * 10**15,
    ),
    "V2 cycle": Route(
        Place.WETH,
        22_000_002,
        10**17,
        cycle([V2Hop(A, True, 3 * 10**18, 9 * 10**21), V2Hop(B, False, 9 * 10**21, 31 * 10**17)]),
    ),
    "V2 cycle with a bid": Route(
        Place.WETH,
        22_000_002,
        6 * 10**16,
        cycle([V2Hop(B, False, 3 * 10**18, 9 * 10**21), V2Hop(A, True, 9 * 10**21, 31 * 10**17)]),
        bid_wei=4 * 10**16,
    ),
    "every step": Route(Place.WETH, 1, 2, EVERY_STEP, tokens=(X, Y)),
    "base asset of its own": Route(
        X, (1 << 32) - 1, (1 << 96) - 1, (Transfer(X, A, (1 << 128) - 1),), tokens=(Y,)
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_vectors(name: str) -> None:
    assert "0x" + ROUTES[name].encode().hex() == json.loads(VECTORS.read_text())[name]


V2A, V2B = V2Hop(A, True, 100, 200), V2Hop(B, False, 200, 110)


@pytest.mark.parametrize(
    "route",
    [
        Route(Place.WETH, 1, 9, cycle([V2A, V2B])),  # the pair would keep what min_profit leaves
        Route(Place.WETH, 1, 10, cycle([V2A, V2B]), bid_wei=1),
        Route(Place.WETH, 1, 10, cycle([V2A, V2B]), tokens=(X,)),
        Route(X, 1, 10, cycle([V2A, V2B], base=X)),
        Route(Place.WETH, 1, 10, cycle([V2A, V2Hop(B, True, 200, 110)])),  # another pair's order of tokens
        Route(Place.WETH, 1, 10, (V2Flash(B, False, 110), V2PaidSwap(Place.WETH, A, C, True, 100, 200))),
        Route(Place.WETH, 1, 10, (Deadline(7), *cycle([V2A, V2B]))),
    ],
)
def test_only_two_pairs_whose_profit_is_exact_are_written_short(route: Route) -> None:
    assert route.encode()[0] & 3  # steps, in WETH or a base asset of its own


def refused(step: Step, match: str, base: bytes | Place = Place.WETH, tokens: tuple[bytes, ...] = ()) -> None:
    with pytest.raises(RouteError, match=match):
        Route(base, 1, 0, (step,), tokens=tokens).encode()


def test_what_cannot_be_written_is_refused() -> None:
    refused(Transfer(X, A, 1), "not among the route's tokens")
    refused(Transfer(Place.WETH, A, 1), "does not count it", base=X)
    refused(V4Pay(Place.SELF, 1), "does not count it")
    refused(Transfer(X, A, 1 << 128), "amount is 3402", tokens=(X,))
    refused(V2Swap(A, B, True, 1 << 112), "amount_out")
    refused(V2Swap(A, B, True, -1), "at least 0")
    refused(V2Swap(b"short", B, True, 1), "20 bytes")
    refused(V4Swap(X, Y, 1 << 24, 1, C, C, True, 1), "fee")
    refused(BalancerSwap(b"", X, Y, A, 1), "32 bytes", tokens=(X,))
    refused(ParentBlock(b""), "32 bytes")
    refused(Deadline(1 << 32), "time_s")
    refused(V4Settle(), "listed twice", tokens=(X, X))
    refused(V4Settle(), "no base asset", base=Place.SELF)
    refused(V4Settle(), "16 tokens", tokens=tuple(address(n) for n in range(16)))
    with pytest.raises(RouteError, match="16 other addresses"):
        Route(Place.WETH, 1, 0, tuple(V4Sync(address(n)) for n in range(16))).encode()
    with pytest.raises(RouteError, match="at most 32767"):
        Route(Place.WETH, 1, 0, (V4Settle(),) * (32_767 - 17)).encode()
    assert len(Route(Place.WETH, 1, 0, (V4Settle(),) * (32_767 - 18)).encode()) == 32_767
    with pytest.raises(RouteError, match="min_profit"):
        Route(Place.WETH, 1, 1 << 96, ()).encode()
    with pytest.raises(RouteError, match="min_profit and bid_wei"):
        Route(Place.WETH, 1, 1 << 95, (), bid_wei=1 << 95).encode()
    with pytest.raises(RouteError, match="amount_out"):
        Route(Place.WETH, 1, 1 << 95, cycle([V2A, V2Hop(B, False, 200, 1 << 112)])).encode()


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize(
    "steps",
    [
        lambda place: (V2Swap(place, B, True, 1),),
        lambda place: (V2PaidSwap(Place.WETH, place, B, True, 1, 1),),
        lambda place: (V2Flash(place, True, 1),),
        lambda place: (V3Swap(place, B, True, 1),),
        lambda place: (V2Flash(place, False, 11), V2PaidSwap(Place.WETH, A, place, True, 10, 1)),
        lambda place: (V2Flash(B, False, 11), V2PaidSwap(Place.WETH, place, B, True, 10, 1)),
    ],
)
def test_a_place_is_no_pair_or_pool(steps: Callable[[Place], tuple[Step, ...]], place: Place) -> None:
    with pytest.raises(RouteError, match=f"{place.name} is no pair or pool"):
        Route(Place.WETH, 1, 1, steps(place)).encode()


CALLING_BACK: tuple[Step, ...] = (
    V2Flash(A, True, 12),
    V3Swap(B, Place.SELF, False, 13),
    V4Unlock(),
    BalancerLoan(Place.WETH, 14),
    AaveLoan(Place.WETH, 15, 16),
    Erc3156Loan(Place.WETH, C, 17, 18),
)


@pytest.mark.parametrize("guard", [Deadline(7), ParentBlock(bytes(32))])
@pytest.mark.parametrize("caller", CALLING_BACK)
def test_guards_come_before_what_calls_back(guard: Step, caller: Step) -> None:
    for behind in ((caller, guard), (Wrap(1), caller, Wrap(2), guard), (guard, caller, guard)):
        with pytest.raises(RouteError, match=f"{type(guard).__name__} comes after {type(caller).__name__}"):
            Route(Place.WETH, 1, 0, behind).encode()
    assert Route(Place.WETH, 1, 0, (Wrap(1), guard, caller, Wrap(2))).encode()


@given(st.lists(st.integers(0, 9), max_size=15), st.integers(0, (1 << 95) - 1), st.integers(0, (1 << 95) - 1))
def test_the_table_has_each_address_once(numbers: list[int], min_profit: int, bid_wei: int) -> None:
    steps = tuple(V4Sync(address(1 + number)) for number in numbers)
    route = Route(Place.WETH, 7, min_profit, steps, bid_wei=bid_wei).encode()
    rows = list(dict.fromkeys(numbers))
    assert route[0] == (6 if bid_wei else 2)
    assert int.from_bytes(route[5:17], "big") == min_profit + bid_wei
    assert route[17] == len(rows)
    table = [route[18 + 20 * row : 38 + 20 * row] for row in range(len(rows))]
    assert table == [address(1 + number) for number in rows]
    body = route[18 + 20 * len(rows) :]
    assert [rows[index] for index in body[1 : 2 * len(numbers) : 2]] == numbers
    assert body[2 * len(numbers) :] == (b"\x14" + bid_wei.to_bytes(12, "big") if bid_wei else b"")
