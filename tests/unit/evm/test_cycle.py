"""Cycles of known hops have known steps, and what cannot be one is refused with the reason."""

from __future__ import annotations

import pytest

from adapters.evm.cycle import (
    Aave,
    BalancerHop,
    Erc3156,
    Hop,
    Source,
    V2Hop,
    V3Hop,
    V4Hop,
    cycle,
    leaving,
)
from adapters.evm.route import (
    AaveLoan,
    Address,
    BalancerLoan,
    BalancerSwap,
    Erc3156Loan,
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
    V4Pay,
    V4Settle,
    V4Swap,
    V4Sync,
    V4Take,
    V4Unlock,
    Wrap,
)

A, B, C, X, Y, WETH = (bytes([number]) * 20 for number in range(1, 7))
W, ETHER, HAND = Place.WETH, Place.NOBODY, Place.SELF
MANAGER, VAULT = Place.POOL_MANAGER, Place.BALANCER_VAULT
ID = bytes(range(32))

# WETH to X at the first of two hops, and back at the second.
V2A, V2B = V2Hop(A, True, 100, 200), V2Hop(B, False, 200, 110)
V3A, V3B = V3Hop(A, True, 100), V3Hop(C, False, 200)
V4A, V4B = V4Hop(W, X, 500, 10, True, 100), V4Hop(W, X, 3000, 60, False, 200)
BAL_A, BAL_B = BalancerHop(ID, W, X, 100, 200), BalancerHop(ID, X, W, 200, 110)
ETHER_A = V4Hop(ETHER, X, 500, 10, True, 100)
ETHER_B = V4Hop(ETHER, X, 3000, 60, False, 200, amount_out=110)


def v4(hop: V4Hop, to: Address, amount_in: int) -> V4Swap:
    """The swap of a hop."""
    key = (hop.currency0, hop.currency1, hop.fee, hop.tick_spacing, hop.hooks)
    return V4Swap(*key, to, hop.zero_for_one, amount_in)


BUY = V2PaidSwap(W, A, B, True, 100, 200)
SELL = V2Swap(B, HAND, False, 110)
PAY_A = Transfer(W, A, 100)
BAL_BUY, BAL_SELL = BalancerSwap(ID, W, X, B, 100), BalancerSwap(ID, X, W, HAND, 200)
ON_THE_POOLS: dict[str, tuple[list[Hop], list[Step]]] = {
    "V2-V2": ([V2A, V2B], [V2Flash(B, False, 110), BUY]),
    "V3-V2": ([V3A, V2B], [V3Swap(A, B, True, 100), SELL, PAY_A]),
    "V2-V3": ([V2A, V3B], [V3Swap(C, HAND, False, 200), V2PaidSwap(W, A, C, True, 100, 200)]),
    "V3-V3": ([V3A, V3B], [V3Swap(C, HAND, False, 200), V3Swap(A, C, True, 100), PAY_A]),
    "V2-V3-V2": (
        [V2A, V3Hop(C, False, 200), V2Hop(B, False, 300, 110)],
        [V3Swap(C, B, False, 200), SELL, V2PaidSwap(W, A, C, True, 100, 200)],
    ),
    "V3-V3-V2": (
        [V3A, V3B, V2B],
        [V3Swap(C, B, False, 200), SELL, V3Swap(A, C, True, 100), PAY_A],
    ),
    "V4-V4": (
        [V4A, V4B],
        [V4Unlock(), v4(V4A, Place.NOBODY, 100), v4(V4B, Place.NOBODY, 0), V4Take(W, HAND, 0)],
    ),
    "V4-V2": ([V4A, V2B], [V4Unlock(), v4(V4A, B, 100), SELL, V4Pay(W, 100)]),
    "V2-V4": (
        [V2A, V4B],
        [
            V4Unlock(),
            v4(V4B, HAND, 200),
            V4Sync(X),
            V2PaidSwap(W, A, MANAGER, True, 100, 200),
            V4Settle(),
        ],
    ),
    "V4-V3": ([V4A, V3B], [V4Unlock(), V3Swap(C, HAND, False, 200), V4Pay(W, 100), v4(V4A, C, 100)]),
    "V3-V4": (
        [V3A, V4B],
        [V4Unlock(), V4Sync(X), V3Swap(A, MANAGER, True, 100), V4Settle(), v4(V4B, HAND, 200), PAY_A],
    ),
    "V4-V3-V4": (
        [V4A, V3Hop(C, False, 200), V4Hop(W, Y, 100, 1, False, 300)],
        [
            V4Unlock(),
            V4Sync(Y),
            V3Swap(C, MANAGER, False, 200),
            V4Settle(),
            v4(V4A, C, 100),
            V4Swap(W, Y, 100, 1, ETHER, Place.NOBODY, False, 300),
            V4Take(W, HAND, 0),
        ],
    ),
    "Balancer-V2": ([BAL_A, V2B], [V2Flash(B, False, 110), BAL_BUY]),
    "V2-Balancer": ([V2A, BAL_B], [V2Flash(A, True, 200), BAL_SELL, PAY_A]),
    "Balancer-V4": (
        [BAL_A, V4B],
        [V4Unlock(), v4(V4B, HAND, 200), V4Sync(X), BalancerSwap(ID, W, X, MANAGER, 100), V4Settle()],
    ),
    "V4-Balancer": (
        [V4A, BAL_B],
        [V4Unlock(), v4(V4A, HAND, 100), BalancerSwap(ID, X, W, HAND, 0), V4Pay(W, 100)],
    ),
    "V2-V4 that gives ether": (
        [V2A, ETHER_B],
        [
            V4Unlock(),
            v4(ETHER_B, HAND, 200),
            Wrap(110),
            V4Sync(X),
            V2PaidSwap(W, A, MANAGER, True, 100, 200),
            V4Settle(),
        ],
    ),
    "V4 that takes ether-V2": (
        [ETHER_A, V2B],
        [V4Unlock(), v4(ETHER_A, B, 100), SELL, Unwrap(W, 100), V4Pay(ETHER, 100)],
    ),
    "V4-V4 of ether, whose profit is wrapped": (
        [ETHER_A, ETHER_B],
        [
            V4Unlock(),
            v4(ETHER_A, Place.NOBODY, 100),
            v4(ETHER_B, Place.NOBODY, 0),
            V4Take(ETHER, HAND, 0),
            Wrap(10),
        ],
    ),
}


@pytest.mark.parametrize("name", ON_THE_POOLS)
def test_cycles_on_their_own_pools(name: str) -> None:
    hops, steps = ON_THE_POOLS[name]
    assert list(cycle(hops)) == steps
    if any(isinstance(hop, V4Hop) for hop in hops):
        assert list(cycle(hops, Source.V4)) == steps


def test_cycles_on_loans() -> None:
    hops, traded = [V2A, V2B], (BUY, SELL)
    taken = (V4Take(W, A, 100), V2Swap(A, B, True, 200))
    assert cycle(hops, Source.V4) == (V4Unlock(), *taken, SELL, V4Pay(W, 100))
    assert cycle(hops, Source.BALANCER) == (BalancerLoan(W, 100), *traded, Transfer(W, VAULT, 100))
    assert cycle(hops, Aave(5)) == (AaveLoan(W, 100, 105), *traded)
    assert cycle(hops, Erc3156(C, 7)) == (Erc3156Loan(W, C, 100, 107), *traded)
    mixed = (V4Unlock(), V4Pay(W, 100), v4(V4A, HAND, 100), BalancerSwap(ID, X, W, HAND, 0))
    assert cycle([V4A, BAL_B], Aave(5)) == (AaveLoan(W, 100, 105), *mixed)


def test_ether_as_base_asset_is_wrapped_and_unwrapped() -> None:
    ether = bytes(20)
    bought = V2PaidSwap(WETH, A, MANAGER, True, 100, 200)
    assert cycle([V2A, ETHER_B], base=ether, weth=WETH) == (
        V4Unlock(), v4(ETHER_B, HAND, 200), Wrap(100), V4Sync(X), bought, V4Settle(),
    )  # fmt: skip
    assert cycle([V2A, V2B], Source.V4, ether, WETH) == (
        V4Unlock(), V4Take(ETHER, HAND, 100), Wrap(100), V2PaidSwap(WETH, A, B, True, 100, 200), SELL,
        Unwrap(WETH, 110), V4Pay(ETHER, 100),
    )  # fmt: skip


def test_a_route_lists_what_leaves() -> None:
    cross = BalancerHop(ID, X, Y, 200, 300)
    back = V4Hop(ETHER, Y, 500, 10, False, 300)
    last = V4Hop(WETH, A, 500, 10, True, 400)
    hops: list[Hop] = [V2Hop(A, True, 100, 200), cross, back, last]
    steps = cycle(hops, base=A, weth=WETH)
    assert leaving(steps, A) == (WETH, X)
    Route(A, 1, 0, steps, tokens=leaving(steps, A)).encode()
    assert leaving(cycle([V2A, V2B], Source.BALANCER)) == ()


def test_what_cannot_be_a_cycle_is_refused() -> None:
    def refused(why: str, hops: list[Hop], source: Source | Aave = Source.POOLS, **more: Address) -> None:
        with pytest.raises(RouteError, match=why):
            cycle(hops, source, **more)

    refused("at least two hops", [V2A])
    refused("swaps nothing while it lends: take Source.POOLS", [V2A, BAL_B], Source.BALANCER)
    refused("none pays before it is paid: take Source.V4", [BAL_A, BAL_B])
    refused("pool 0x0101.* is in the cycle twice", [V2A, V3Hop(B, True, 200), V2Hop(A, True, 5, 100)])
    refused("pool 0x0101.* is in the cycle twice", [V3A, V4Hop(Y, X, 1, 1, False, 200), V3Hop(A, True, 5)])
    refused("hop 2 takes 201: .* at most the 200 that the hop before it gives", [V2A, V3Hop(C, True, 201)])
    refused("hop 1 takes 0: it must be at least 1$", [V3Hop(C, True, 0), V2B])
    refused("hop 2 takes 0x0505.*, and is given 0x0404", [V4A, V4Hop(W, Y, 1, 1, False, 200)])
    refused("hop 1 takes 0x0404.*, and is given WETH", [V4B, V4A])
    refused("the cycle ends in 0x0404.*, and is given WETH", [V2A, BAL_B], base=X)
    refused("name each token the same way", [V4Hop(WETH, X, 500, 10, True, 100), V2B])
    refused("ether on Balancer: name WETH", [V2A, BalancerHop(ID, X, ETHER, 200, 110)])
    refused("names ether by the zero address", [V2A, V4Hop(bytes(20), X, 1, 1, False, 200)])
    refused("amount_out is not known", [V2A, V4Hop(ETHER, X, 1, 1, False, 200)])
    refused("amount_out is not known", [ETHER_A, V3B], base=bytes(20), weth=WETH)
    through: list[Hop] = [V2A, V4Hop(ETHER, X, 1, 1, False, 200), V2Hop(B, True, 3, 4)]
    refused("WETH is not the base asset: give its address", through, base=Y)
    refused("lends no ether", [ETHER_A, ETHER_B], Aave(1), base=bytes(20))
    refused("no source of funds", [V2A, V2B], "a friend")  # type: ignore[arg-type]
