"""A chain while it is built: the builder, what is where so far, and what the plans say in addresses and amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from adapters.evm.devchain.builder import Builder
from adapters.evm.devchain.manifest import NATIVE, Pool
from adapters.evm.devchain.market import NATIVE_SYMBOL, PPM, PoolPlan, TokenPlan

Placer = Callable[["Site", PoolPlan], None]


@dataclass
class Site:
    """What protocols are put on. `addresses` are of tokens, `contracts` of all else."""

    builder: Builder
    plans: dict[str, TokenPlan]
    addresses: dict[str, str] = field(default_factory=dict)
    contracts: dict[str, str] = field(default_factory=dict)
    pools: list[Pool] = field(default_factory=list)

    def plan(self, symbol: str) -> TokenPlan:
        """Of a token; ether has that of WETH."""
        return self.plans["WETH" if symbol == NATIVE_SYMBOL else symbol]

    def address(self, symbol: str) -> str:
        """Of a token, zero for ether."""
        return NATIVE if symbol == NATIVE_SYMBOL else self.addresses[symbol]

    def sorted_amounts(self, pool: PoolPlan) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, int]]:
        """Symbols, addresses and one side's amounts of a pool of two tokens, as protocols sort them: by address."""
        first, second = pool.symbols
        amounts = {
            first: self.plan(first).amount(pool.depth_usd),
            second: self.plan(second).amount(pool.depth_usd) * (PPM + pool.offset_ppm) // PPM,
        }
        symbols = self.by_address(pool.symbols)
        return symbols, tuple(map(self.address, symbols)), (amounts[symbols[0]], amounts[symbols[1]])

    def by_address(self, symbols: tuple[str, ...]) -> tuple[str, ...]:
        """Sorted as protocols sort."""
        return tuple(sorted(symbols, key=lambda symbol: int(self.address(symbol), 16)))

    def add(self, plan: PoolPlan, address: str, symbols: tuple[str, ...], **more: object) -> None:
        """A pool that is there and funded."""
        facts = {
            "tick_spacing": plan.tick_spacing,
            "fee_pips": plan.fee_pips,
            "base": plan.symbols[0],
            "offset_ppm": plan.offset_ppm,
            "depth_usd": plan.depth_usd,
        }
        tokens = tuple(map(self.address, symbols))
        self.pools.append(
            Pool(plan.name, plan.protocol, address, tokens, symbols, **(facts | more))  # type: ignore[arg-type]
        )
