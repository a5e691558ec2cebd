"""Any cycle of two to four hops, on any pools and with any source, is settled to the last unit, or refused for its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapters.evm.cycle import (
    ETHER,
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
from adapters.evm.route import Address, Place, Route, RouteError, Step, V2Flash
from tests.oracles.evm_steps import AAVE, CALLS_BACK, MANAGER, SELF, VAULT, WETH, Chain, Deal, real

FEE = 77
LENDER = b"lend" * 5
TOKENS = [WETH, *(bytes([number]) * 20 for number in range(1, 5))]
BASES: dict[str, Address] = {"WETH": Place.WETH, "WETH's address": WETH, "a token": TOKENS[1], "ether": ETHER}
SOURCES = (*Source, Aave(FEE), Erc3156(LENDER, FEE))


@dataclass(frozen=True)
class Case:
    hops: list[Hop]
    deals: list[Deal]
    source: Source | Aave | Erc3156
    base: Address


def hop_of(draw: st.DrawFn, kind: int, number: int, tokens: tuple[Address, Address], deal: Deal) -> Hop:
    address = bytes([0x70 + number]) * 20
    if kind == 0:
        return V2Hop(address, deal.forward, deal.amount_in, deal.amount_out)
    if kind == 1:
        return V3Hop(address, deal.forward, deal.amount_in)
    if kind == 2:
        currencies = tokens if deal.forward else tokens[::-1]
        known = deal.amount_out if draw(st.booleans()) else None
        hooks = draw(st.sampled_from([Place.NOBODY, b"hook" * 5]))
        return V4Hop(*currencies, 500 + number, 10, deal.forward, deal.amount_in, hooks, known)
    return BalancerHop(bytes([number]) * 32, *tokens, deal.amount_in, deal.amount_out)


def deal_of(hop: Hop, deal: Deal) -> Deal:
    """The deal under the name by which steps know it, with its holder."""
    if isinstance(hop, V4Hop):
        key: object = (hop.currency0, hop.currency1, hop.fee, hop.tick_spacing, hop.hooks)
        ends = (real(hop.token_in), real(hop.token_out))
        return Deal(key, MANAGER, *ends, deal.amount_in, deal.amount_out, deal.forward)
    key = hop.pool_id if isinstance(hop, BalancerHop) else hop.pool
    holder = VAULT if isinstance(hop, BalancerHop) else hop.pool
    return Deal(key, holder, deal.token_in, deal.token_out, deal.amount_in, deal.amount_out, deal.forward)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    base = BASES[draw(st.sampled_from(sorted(BASES)))]
    start = WETH if base in (Place.WETH, ETHER) else base
    count = draw(st.integers(2, 4))
    path: list[Address] = [start]
    for at in range(1, count):
        others = [token for token in TOKENS if token != path[-1] and (at < count - 1 or token != start)]
        path.append(draw(st.sampled_from(others)))
    path.append(start)
    amounts = [draw(st.integers(1, 10**24)) for _ in range(count)]
    amounts.append(amounts[0] + draw(st.integers(2 * FEE, 10**20)))
    hops, deals = [], []
    for number in range(count):
        kind = draw(st.integers(0, 3))
        ends = path[number], path[number + 1]
        names: list[Address] = []
        for token in ends:
            as_ether = kind == 2 and token == WETH and draw(st.booleans())
            named = Place.WETH if token == WETH and base is Place.WETH else token
            names.append(ETHER if as_ether else named)
        deal = Deal(None, SELF, *ends, amounts[number], amounts[number + 1], draw(st.booleans()))
        hop = hop_of(draw, kind, number, (names[0], names[1]), deal)
        hops.append(hop)
        deals.append(deal_of(hop, deal))
    return Case(hops, deals, draw(st.sampled_from(SOURCES)), base)


def refusal(case: Case) -> str | None:
    """Why the contract cannot run such a cycle, or the amounts that are known do not suffice; None where it can."""
    hops, source, last = case.hops, case.source, case.deals[-1]
    balancer = [isinstance(hop, BalancerHop) for hop in hops]
    v4 = any(isinstance(hop, V4Hop) for hop in hops)
    if (last.token_out is ETHER) != (case.base is ETHER) and getattr(hops[-1], "amount_out", None) is None:
        return "amount_out is not known"
    if case.base is ETHER and source not in (Source.POOLS, Source.V4):
        return "lends no ether"
    if source is Source.BALANCER and any(balancer):
        return "swaps nothing while it lends"
    if source is Source.POOLS and all(balancer) and not v4:
        return "none pays before it is paid"
    return None


def expected(case: Case) -> Counter[tuple[Address, Address]]:
    """What everybody gained in the end: each pool its amounts, the lender its fee, the executor the rest."""
    gained: Counter[tuple[Address, Address]] = Counter()
    for deal in case.deals:
        gained[deal.holder, deal.token_in] += deal.amount_in
        gained[deal.holder, deal.token_out] -= deal.amount_out
    base = real(case.base)
    fee = FEE if isinstance(case.source, Aave | Erc3156) else 0
    gained[SELF, base] += case.deals[-1].amount_out - case.deals[0].amount_in - fee
    if isinstance(case.source, Aave):
        gained[AAVE, base] += fee
    if isinstance(case.source, Erc3156):
        gained[case.source.lender, base] += fee
    # What was wrapped and unwrapped: WETH's own books.
    for token in (ETHER, WETH):
        gained[WETH, token] -= sum(amount for (_, each), amount in gained.items() if each == token)
    return Counter({key: amount for key, amount in gained.items() if amount})


def may_hold(case: Case) -> set[Address]:
    """Tokens that have to pass through the executor: the base asset, what Balancer takes, what is wrapped or unwrapped."""
    tokens: set[Address] = {real(case.base)}
    ends = [None, *case.deals, None]
    for before, after in pairwise(ends):
        given = real(case.base) if before is None else before.token_out
        taken = real(case.base) if after is None else after.token_in
        if given != taken:
            tokens |= {given, taken}
        if after is not None and after.holder is VAULT:
            tokens.add(taken)
    return tokens


def run(case: Case, steps: tuple[Step, ...]) -> Chain:
    base = real(case.base)
    listed = leaving(steps, bytes(20) if base is ETHER else case.base)
    Route(bytes(20) if base is ETHER else case.base, 1, 0, steps, tokens=listed).encode()
    chain = Chain({deal.key: deal for deal in case.deals}, {base, *listed})
    chain.run(steps)
    return chain


def make(case: Case) -> tuple[Step, ...]:
    return cycle(case.hops, case.source, bytes(20) if case.base is ETHER else case.base, WETH)


@settings(max_examples=600)
@given(cases())
def test_every_cycle_is_settled_or_refused(case: Case) -> None:
    why = refusal(case)
    event(why or "settled")
    if why is not None:
        with pytest.raises(RouteError, match=why):
            make(case)
        return
    steps = make(case)
    chain = run(case, steps)
    assert Counter({key: amount for key, amount in chain.moved.items() if amount}) == expected(case)
    assert chain.synced is None
    assert chain.through_hand <= may_hold(case), "a detour through the executor"
    v3 = sum(isinstance(hop, V3Hop) for hop in case.hops)
    v4 = any(isinstance(hop, V4Hop) for hop in case.hops)
    lent = case.source is not Source.POOLS and not (v4 and case.source is Source.V4)
    flash = sum(isinstance(step, V2Flash) for step in steps)
    assert flash == (not lent and not v3 and not v4)
    assert sum(isinstance(step, CALLS_BACK) for step in steps) == v3 + v4 + lent + flash
