"""Cycles as `cycle` writes them, run by the executor's real bytecode on real pools: the exact profit, and not a unit more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.evm.cycle import Aave, BalancerHop, Erc3156, Hop, Source, V2Hop, V3Hop, V4Hop, cycle, leaving
from adapters.evm.devchain import Devchain, Pool, RpcError
from adapters.evm.devchain.abi import decode_as, encode_as, keccak, raw_address
from adapters.evm.devchain.artifacts import compile_source
from adapters.evm.devchain.manifest import NATIVE
from adapters.evm.executor_admin import ARTIFACT
from adapters.evm.route import (
    Address,
    BalancerLoan,
    BalancerSwap,
    Place,
    Route,
    RouteError,
    Step,
    V2Flash,
    V2Swap,
    V3Swap,
    V4Unlock,
)
from tests.evm_calls import balance, quoted, send, send_data, swapped

pytestmark = pytest.mark.xdist_group("devchain")
DEPLOY_GAS = 6_000_000
ETHER = 10**18
ANY_BLOCK = (1 << 32) - 1
TOO_LOW = keccak(b"BalanceTooLow(address,uint256,uint256)")[:4]
# Where a cycle begins; somebody is made to have bought there, so that it gives more than any other.
FIRST = (
    "uniswap_v2 WETH/USDC",
    "uniswap_v3 WETH/USDC 500",
    "uniswap_v4 WETH/USDC 3000",
    "uniswap_v4 ETH/USDC 500",
    "balancer_v2 WETH/USDC",
)
# Where one of two hops ends: each family.
LAST = (
    "sushi_v2 WETH/USDC",
    "pancake_v3 WETH/USDC 500",
    "uniswap_v4 ETH/USDC 500",
    "uniswap_v4 WETH/USDC 3000",
    "balancer_v2 WBTC/WETH/USDC",
)
LONGER = 15  # drawn at most of each length, base asset and first pool


@dataclass(frozen=True)
class Leg:
    """A pool and the way through it; NATIVE is ether."""

    pool: Pool
    token_in: str
    token_out: str


@dataclass(frozen=True)
class Desk:
    """An executor that holds nothing, its operator, and an ERC-3156 lender."""

    chain: Devchain
    executor: str
    operator: str
    lender: str

    def address(self, symbol: str) -> str:
        return NATIVE if symbol == "ETH" else self.chain.manifest.token(symbol).address

    def plain(self, token: str) -> str:
        """WETH for ether."""
        return self.address("WETH") if token == NATIVE else token

    def legs(self, at: str) -> list[Leg]:
        """All ways on from a token, which WETH and ether are one of."""
        return [
            Leg(pool, token, other)
            for pool in self.chain.manifest.pools
            for token in pool.tokens
            if self.plain(token) == at
            for other in pool.tokens
            if other != token
        ]

    def walks(self, first: Leg, base: str, length: int) -> list[list[Leg]]:
        """All cycles of so many hops, each pool once."""
        found = [[first]]
        for left in reversed(range(length - 1)):
            found = [
                [*walk, leg]
                for walk in found
                for leg in self.legs(self.plain(walk[-1].token_out))
                if all(leg.pool != each.pool for each in walk) and (left or self.plain(leg.token_out) == base)
            ]
        return found

    def make_cheap(self, leg: Leg) -> None:
        """A trader buys the token that the leg takes, for a tenth of what lies on one side."""
        trader, chain = self.chain.manifest.traders[0].address, self.chain
        chain.rpc("anvil_impersonateAccount", trader)
        token = chain.manifest.token("WETH" if leg.token_out == NATIVE else self.symbol(leg.token_out))
        part = 2 if leg.pool.tick_spacing else 30  # more where liquidity lies around the price
        amount = leg.pool.depth_usd * 10 ** (token.decimals + 8) // (part * token.usd_e8)
        swapped(chain, leg.pool, leg.token_out, amount, trader)

    def symbol(self, token: str) -> str:
        return next(each.symbol for each in self.chain.manifest.tokens if each.address == token)

    def hops(self, walk: list[Leg], amount: int, base: Address) -> list[Hop]:
        """The walk as hops, as the real pools quote it now."""
        found: list[Hop] = []
        for leg in walk:
            out = quoted(self.chain, leg.pool, leg.token_in, leg.token_out, amount)
            found.append(self.hop(leg, amount, out, base))
            amount = out
        return found

    def hop(self, leg: Leg, amount: int, out: int, base: Address) -> Hop:
        pool, up = leg.pool, leg.token_in == leg.pool.tokens[0]
        if pool.protocol.endswith("v2") and pool.protocol != "balancer_v2":
            return V2Hop(raw_address(pool.address), up, amount, out)
        if pool.protocol.endswith("v3"):
            return V3Hop(raw_address(pool.address), up, amount)
        if pool.protocol == "uniswap_v4":
            key = (self.name(pool.tokens[0], base), self.name(pool.tokens[1], base))
            return V4Hop(*key, pool.fee_pips, pool.tick_spacing, up, amount, amount_out=out)
        ends = (self.name(leg.token_in, base), self.name(leg.token_out, base))
        return BalancerHop(bytes.fromhex(pool.pool_id[2:]), *ends, amount, out)

    def name(self, token: str, base: Address) -> Address:
        if token == NATIVE:
            return Place.NOBODY
        if base is Place.WETH and token == self.address("WETH"):
            return Place.WETH
        return raw_address(token)

    def source(self, kind: int, amount: int) -> Source | Aave | Erc3156:
        """Each source, with what it asks for."""
        premium = (amount * 5 + 5_000) // 10_000
        aave, lender = Aave(premium), Erc3156(raw_address(self.lender), amount // 10_000)
        return (*Source, aave, lender)[kind]

    def call(self, route: bytes) -> None:
        self.chain.call(self.executor, route, self.operator)

    def holdings(self) -> dict[str, int]:
        tokens = [NATIVE, *(each.address for each in self.chain.manifest.tokens)]
        return {token: balance(self.chain, token, self.executor) for token in tokens}


@pytest.fixture(scope="module")
def desk(shared_chain: Devchain, contracts: Path) -> Iterator[Desk]:
    snapshot = shared_chain.snapshot()
    operator, known = shared_chain.accounts[0].address, shared_chain.manifest.contracts
    own = [known[name] for name in ("uniswap_v4_pool_manager", "balancer_v2_vault", "aave_v3_pool", "weth9")]
    creation = bytes.fromhex(json.loads(ARTIFACT.read_text())["bytecode"].removeprefix("0x"))
    arguments = encode_as("address,address,(address,address,address,address)", operator, operator, tuple(own))
    executor = created(shared_chain, operator, creation + arguments)
    sources = compile_source(Path(__file__).with_name("lender.sol"), contracts / "node_modules" / "solc")
    lender = created(shared_chain, operator, sources["FlashLender"])
    for symbol, amount in (("WETH", 10 * ETHER), ("USDC", 10**11)):
        token = shared_chain.manifest.token(symbol).address
        send(shared_chain, operator, token, "transfer(address,uint256)", lender, amount)
    yield Desk(shared_chain, executor, operator, lender)
    shared_chain.revert(snapshot)


def created(chain: Devchain, sender: str, code: bytes) -> str:
    fields = {"from": sender, "data": "0x" + code.hex(), "gas": hex(DEPLOY_GAS)}
    transaction = chain.rpc("eth_sendTransaction", fields)
    chain.mine()
    receipt: dict[str, Any] = chain.rpc("eth_getTransactionReceipt", transaction)
    assert receipt["status"] == "0x1"
    return str(receipt["contractAddress"])


def runs(desk: Desk, walk: list[Leg], kind: int, amount: int, base_symbol: str) -> bool:
    """Run a walk with a source, and look at every balance; False where it is refused, as it should be."""
    base_address = desk.address(base_symbol)
    base: Address = Place.WETH if base_symbol == "WETH" else raw_address(base_address)
    hops, source = desk.hops(walk, amount, base), desk.source(kind, amount)
    balancer = [isinstance(hop, BalancerHop) for hop in hops]
    cannot = (source is Source.BALANCER and any(balancer)) or (source is Source.POOLS and all(balancer))
    weth = raw_address(desk.address("WETH"))
    if cannot or (base_symbol == "ETH" and source not in (Source.POOLS, Source.V4)):
        with pytest.raises(RouteError):
            cycle(hops, source, base, weth)
        return False
    last = walk[-1]
    result = quoted(desk.chain, last.pool, last.token_in, last.token_out, hops[-1].amount_in)
    fee = source.premium if isinstance(source, Aave) else source.fee if isinstance(source, Erc3156) else 0
    profit = result - amount - fee
    assert profit > 0, [leg.pool.name for leg in walk]
    steps = cycle(hops, source, base, weth)
    tokens = leaving(steps, base)

    def route(least: int) -> bytes:
        return Route(base, ANY_BLOCK, least, steps, tokens=tokens).encode()

    before = desk.holdings()
    with pytest.raises(RpcError) as failed:
        desk.call(route(profit + 1))
    error = bytes.fromhex(str(failed.value.data).removeprefix("0x"))
    named = (source, [leg.pool.name for leg in walk], steps)
    assert error[:4] == TOO_LOW, (failed.value, named)
    held = before[base_address]
    assert decode_as("address,uint256,uint256", error[4:]) == (
        base_address.lower(), held + profit, held + profit + 1,
    ), named  # fmt: skip
    snapshot = desk.chain.snapshot()
    send_data(desk.chain, desk.operator, desk.executor, route(profit))
    assert desk.holdings() == before | {base_address: held + profit}, named
    desk.chain.revert(snapshot)
    return True


def amount_of(base_symbol: str) -> int:
    return 10**9 if base_symbol == "USDC" else ETHER // 2


def first_leg(desk: Desk, name: str, base: str) -> Leg:
    pool = desk.chain.manifest.pool(name)
    ends = sorted(pool.tokens, key=lambda token: desk.plain(token) != base)
    return Leg(pool, ends[0], ends[1])


@pytest.mark.parametrize("name", FIRST)
def test_two_hops_of_every_family_with_every_source(desk: Desk, chain: Devchain, name: str) -> None:
    weth, usdc = desk.address("WETH"), desk.address("USDC")
    first = first_leg(desk, name, weth)
    desk.make_cheap(first)
    ran = []
    for last in map(chain.manifest.pool, LAST):
        if last != first.pool:
            end = next(token for token in last.tokens if desk.plain(token) == weth)
            walk = [first, Leg(last, usdc, end)]
            ran += [runs(desk, walk, kind, amount_of("WETH"), "WETH") for kind in range(5)]
    assert sum(ran) >= 15


@pytest.mark.parametrize("base", ["WETH", "USDC"])
@pytest.mark.parametrize("name", FIRST)
def test_three_and_four_hops(desk: Desk, chain: Devchain, name: str, base: str) -> None:
    first = first_leg(desk, name, desk.address(base))
    desk.make_cheap(first)
    draw, middle, ends = Random(f"{name} {base}"), set(), set()
    for length in (3, 4):
        walks = desk.walks(first, desk.address(base), length)
        drawn = draw.sample(walks, min(LONGER, len(walks)))
        for at, walk in enumerate(drawn):
            if runs(desk, walk, at % 5, amount_of(base), base):
                middle |= {leg.pool.protocol for leg in walk[1:-1]}
                ends.add(walk[-1].pool.protocol)
    families = {pool.protocol for pool in chain.manifest.pools}
    assert middle == families and len(ends) >= 4


@pytest.mark.parametrize(("name", "last", "ran"), [
    ("uniswap_v4 ETH/USDC 500", "uniswap_v4 WETH/USDC 3000", 2),
    ("uniswap_v4 ETH/USDC 500", "sushi_v2 WETH/USDC", 2),
    ("uniswap_v4 ETH/USDC 500", "balancer_v2 WETH/USDC", 2),
    ("uniswap_v2 WETH/USDC", "uniswap_v4 ETH/USDC 500", 2),
    ("uniswap_v3 WETH/USDC 500", "uniswap_v4 ETH/USDC 500", 2),
    ("balancer_v2 WETH/USDC", "uniswap_v4 ETH/USDC 500", 2),
    ("uniswap_v2 WETH/USDC", "sushi_v2 WETH/USDC", 2),
    ("balancer_v2 WETH/USDC", "balancer_v2 WBTC/WETH/USDC", 1),
])  # fmt: skip
def test_ether_as_base_asset(desk: Desk, chain: Devchain, name: str, last: str, ran: int) -> None:
    weth = desk.address("WETH")
    first = first_leg(desk, name, weth)
    desk.make_cheap(first)
    back = first_leg(desk, last, weth)
    walk = [first, Leg(back.pool, desk.address("USDC"), back.token_in)]
    assert sum(runs(desk, walk, kind, ETHER // 2, "ETH") for kind in range(5)) == ran


def test_what_is_refused_the_protocols_refuse(desk: Desk, chain: Devchain) -> None:
    balancer, v2, v3 = map(chain.manifest.pool, (FIRST[4], FIRST[0], FIRST[1]))
    usdc, pair, pool = raw_address(desk.address("USDC")), raw_address(v2.address), raw_address(v3.address)
    swap = BalancerSwap(bytes.fromhex(balancer.pool_id[2:]), Place.WETH, usdc, Place.SELF, ETHER)
    flash = V2Flash(pair, v2.tokens[1] == desk.address("WETH"), ETHER)
    cases: dict[str, tuple[Step, ...]] = {
        "BAL#400": (BalancerLoan(Place.WETH, ETHER), swap),  # REENTRANCY
        keccak(b"AlreadyUnlocked()")[:4].hex(): (V4Unlock(), V4Unlock()),
        "LOK": (V3Swap(pool, Place.SELF, True, 10**9), V3Swap(pool, Place.SELF, False, ETHER)),
        "UniswapV2: LOCKED": (flash, V2Swap(pair, Place.SELF, False, 1)),
    }
    for why, steps in cases.items():
        with pytest.raises(RpcError, match=why):
            desk.call(Route(Place.WETH, ANY_BLOCK, 0, steps).encode())
