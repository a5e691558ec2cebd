"""The steps of an arbitrage cycle, from its hops in the order of trade and the source of its funds.

A pool that calls back takes all later steps as its callback, so hops are written from the last to the first where a pool
pays before it is paid. Every pool pays the next one directly. Hops over V4 and Balancer pools are steps of their own
(route.py), which a caller puts in order itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from adapters.evm.route import (
    AaveLoan,
    Address,
    BalancerLoan,
    Erc3156Loan,
    Place,
    RouteError,
    Step,
    Transfer,
    V2Flash,
    V2PaidSwap,
    V2Swap,
    V3Swap,
    V4Loan,
    V4Unlock,
)


class Source(Enum):
    """Where the first hop's money comes from."""

    POOLS = auto()  # the cycle's own pools, which pay before they are paid: no fee, and the cheapest
    V4 = auto()
    BALANCER = auto()


@dataclass(frozen=True, slots=True)
class Aave:
    """Aave V3 lends, for `premium` in the base asset's smallest unit."""

    premium: int


@dataclass(frozen=True, slots=True)
class Erc3156:
    """`lender` lends, for `fee` in the base asset's smallest unit."""

    lender: bytes
    fee: int


@dataclass(frozen=True, slots=True)
class V2Hop:
    """A pair of Uniswap V2 or a fork: amounts as the pair will have them, in the tokens' smallest units."""

    pair: bytes
    takes_token1: bool
    amount_in: int
    amount_out: int

    @property
    def pool(self) -> bytes:
        """The address to pay."""
        return self.pair


@dataclass(frozen=True, slots=True)
class V3Hop:
    """A pool of Uniswap V3 or a fork, exact input."""

    pool: bytes
    zero_for_one: bool
    amount_in: int


Hop = V2Hop | V3Hop


def cycle(
    hops: Sequence[Hop], source: Source | Aave | Erc3156 = Source.POOLS, base: Address = Place.WETH
) -> tuple[Step, ...]:
    """The steps of a cycle that begins and ends in `base`; RouteError when there are fewer than two hops."""
    if len(hops) < 2:
        raise RouteError(f"a cycle has at least two hops, and not {len(hops)}")
    amount = hops[0].amount_in
    if source is Source.POOLS:
        return tuple(_on_the_pools(hops, base))
    traded = _deliver(hops, Place.SELF, base)
    if source is Source.V4:
        return (V4Unlock(), V4Loan(base, amount), *traded)
    if source is Source.BALANCER:
        return (BalancerLoan(base, amount), *traded, Transfer(base, Place.BALANCER_VAULT, amount))
    if isinstance(source, Aave):
        return (AaveLoan(base, amount, amount + source.premium), *traded)
    if isinstance(source, Erc3156):
        return (Erc3156Loan(base, source.lender, amount, amount + source.fee), *traded)
    raise RouteError(f"{source} is no source of funds")


def _on_the_pools(hops: Sequence[Hop], base: Address) -> list[Step]:
    first, last = hops[0], hops[-1]
    if isinstance(first, V3Hop) and all(isinstance(hop, V2Hop) for hop in hops[1:]):
        # Only the first pool calls back: cheaper than a flash swap of the last.
        after = [_swap(hop, _payee(hops, at, Place.SELF)) for at, hop in enumerate(hops) if at]
        return [_swap(first, hops[1].pool), *after, Transfer(base, first.pool, first.amount_in)]
    if isinstance(last, V3Hop):
        return _deliver(hops, Place.SELF, base)
    return [V2Flash(last.pair, last.takes_token1, last.amount_out), *_deliver(hops[:-1], last.pair, base)]


def _payee(hops: Sequence[Hop], at: int, end: Address) -> Address:
    return hops[at + 1].pool if at + 1 < len(hops) else end


def _swap(hop: Hop, to: Address) -> Step:
    if isinstance(hop, V3Hop):
        return V3Swap(hop.pool, to, hop.zero_for_one, hop.amount_in)
    return V2Swap(hop.pair, to, hop.takes_token1, hop.amount_out)


def _deliver(hops: Sequence[Hop], to: Address, base: Address) -> list[Step]:
    """Steps that trade `base`, which the executor has in hand, through the hops, and pay `to` the result."""
    *before, last = hops
    if isinstance(last, V3Hop):
        # It pays first; what its callback does is to pay it.
        pay = _deliver(before, last.pool, base) if before else [Transfer(base, last.pool, last.amount_in)]
        return [_swap(last, to), *pay]
    if not before:
        return [V2PaidSwap(base, last.pair, to, last.takes_token1, last.amount_in, last.amount_out)]
    return [*_deliver(before, last.pair, base), _swap(last, to)]
