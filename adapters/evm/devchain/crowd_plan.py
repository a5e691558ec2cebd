"""What the crowd trades, drawn from the seed alone: the same seed and nonces make the same transactions.

The plan never looks at the chain. It keeps count of what it sent into each pool and leans against it, so that prices
wander around where they started. Some traders allow too little slippage and fail, as in life.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.evm.devchain.draw import Draw
from adapters.evm.devchain.manifest import NATIVE, Manifest, Pool, Token
from adapters.evm.devchain.market import PPM
from adapters.evm.devchain.swaps import Swap, swap

GWEI = 10**9
# Of a pool's depth: the least and the greatest trade, and what is sent one way before all come back.
LEAST_PART, GREATEST_PART, LEAN_PART = 20_000, 500, 200
# Bounds of the price that traders accept, in 1e-6 below what the pool began with; the first is the careless one.
SLIPPAGE_PPM = (1_000, *[30_000] * 6, *[100_000] * 12)
MAX_BASE_FEE_GWEI = (3, 60)
TIP_WEI = (GWEI // 100, 5 * GWEI)
EVEN = 5_000  # of ten thousand


@dataclass(frozen=True)
class Trade:
    """One transaction to be: fees in wei per gas."""

    trader: int
    nonce: int
    pool: str
    swap: Swap
    max_fee_wei: int
    tip_wei: int


class CrowdPlan:
    """An endless series of trades. `nonces` are those that the traders go on from, in the manifest's order."""

    def __init__(self, manifest: Manifest, seed: int, nonces: list[int]) -> None:
        self._manifest = manifest
        self._draw = Draw(seed, "crowd")
        self._nonces = list(nonces)
        self._tokens: dict[str, Token] = {each.address: each for each in manifest.tokens}
        weth = manifest.token("WETH")
        self._tokens[NATIVE] = Token("ETH", NATIVE, weth.decimals, weth.usd_e8)
        self._flow_usd: dict[tuple[str, str], int] = {}

    def __iter__(self) -> Iterator[Trade]:
        while True:
            yield self.next()

    def next(self) -> Trade:
        """The next trade."""
        draw = self._draw
        trader = draw.between(0, len(self._manifest.traders) - 1)
        pool = draw.choice(self._manifest.pools)
        token_in, token_out, usd = self._side(pool)
        amount = usd * 10 ** (token_in.decimals + 8) // token_in.usd_e8
        slippage = draw.choice(SLIPPAGE_PPM)
        least = self._worth(pool, token_in, token_out, amount) * (PPM - pool.fee_pips - slippage) // PPM
        tip = draw.log_between(*TIP_WEI)
        max_fee = draw.between(*MAX_BASE_FEE_GWEI) * GWEI + tip
        nonce = self._nonces[trader]
        self._nonces[trader] += 1
        address = self._manifest.traders[trader].address
        call = swap(self._manifest, pool, token_in.address, token_out.address, amount, least, address)
        return Trade(trader, nonce, pool.name, call, max_fee, tip)

    def _side(self, pool: Pool) -> tuple[Token, Token, int]:
        """What is sold for what, and how much of it in dollars."""
        first = self._draw.between(0, len(pool.tokens) - 1)
        second = (first + 1) % len(pool.tokens)
        one, other = pool.tokens[first], pool.tokens[second]
        usd = self._draw.log_between(max(pool.depth_usd // LEAST_PART, 10), pool.depth_usd // GREATEST_PART)
        ahead = self._flow_usd.get((pool.name, one), 0) - self._flow_usd.get((pool.name, other), 0)
        lean = ahead * EVEN // (pool.depth_usd // LEAN_PART)
        if self._draw.between(1, 2 * EVEN) > EVEN - max(-EVEN, min(lean, EVEN)):
            one, other = other, one
        self._flow_usd[pool.name, one] = self._flow_usd.get((pool.name, one), 0) + usd
        self._flow_usd[pool.name, other] = self._flow_usd.get((pool.name, other), 0) - usd
        return self._tokens[one], self._tokens[other], usd

    def _worth(self, pool: Pool, token_in: Token, token_out: Token, amount: int) -> int:
        """What the input is worth at the price that the pool began with, in the output's least units."""
        price_in, price_out = (
            each.usd_e8 * (PPM + (pool.offset_ppm if each.symbol == pool.base else 0))
            for each in (token_in, token_out)
        )
        one_in: int = 10**token_in.decimals
        one_out: int = 10**token_out.decimals
        return amount * price_in * one_out // (price_out * one_in)
