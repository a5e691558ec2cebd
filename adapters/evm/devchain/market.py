"""What a chain shall have: tokens, prices and pools, all derived from the seed. Nothing here touches a chain."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from math import isqrt

from adapters.evm.devchain.draw import Draw
from adapters.evm.devchain.manifest import Protocol

PPM = 1_000_000
NATIVE_SYMBOL = "ETH"
USD_E8 = 10**8
# Wide enough for 60 digits: liquidity is computed in decimals, rounded down, and bounded by what is offered.
EXACT = Context(prec=60)


@dataclass(frozen=True)
class TokenPlan:
    """A token to be; prices in 1e-8 USD."""

    symbol: str
    decimals: int
    usd_e8: int
    silent: bool = False

    def amount(self, usd: int) -> int:
        """The least units that are worth so many dollars, rounded down."""
        one: int = 10**self.decimals
        return usd * USD_E8 * one // self.usd_e8


@dataclass(frozen=True)
class PoolPlan:
    """A pool to be. `offset_ppm`: how far the first symbol's price lies from the tokens' own; `depth_usd`: of one side."""

    protocol: Protocol
    symbols: tuple[str, ...]
    fee_pips: int
    tick_spacing: int
    offset_ppm: int
    depth_usd: int
    weights_percent: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Such as "uniswap_v3 WETH/USDC 500"; the fee is named where a protocol has several."""
        fee = f" {self.fee_pips}" if self.tick_spacing else ""
        return f"{self.protocol} {'/'.join(self.symbols)}{fee}"


TOKENS = (  # symbol, decimals, price in 1e-4 USD
    ("WETH", 18, 3_000_0000),
    ("USDC", 6, 1_0000),
    ("USDT", 6, 1_0000),
    ("DAI", 18, 1_0000),
    ("WBTC", 8, 95_000_0000),
    ("LINK", 18, 15_0000),
    ("UNI", 18, 8_0000),
    ("AAVE", 18, 180_0000),
    ("SHIB", 18, 1),
    ("GUSD", 2, 1_0000),
    ("XAUT", 6, 2_600_0000),
    ("CRO", 8, 1200),
    ("NEAR", 24, 4_5000),
)
STABLE = ("USDC", "USDT", "DAI", "GUSD")
SILENT = ("USDT",)

V2_FEE, SUSHI_FEE = 3_000, 3_000
POOLS: tuple[tuple[Protocol, str, int, int], ...] = (  # protocol, symbols, fee in 1e-6, tick spacing
    ("uniswap_v2", "WETH/USDC", V2_FEE, 0),
    ("uniswap_v2", "WETH/USDT", V2_FEE, 0),
    ("uniswap_v2", "WETH/DAI", V2_FEE, 0),
    ("uniswap_v2", "WBTC/WETH", V2_FEE, 0),
    ("uniswap_v2", "LINK/WETH", V2_FEE, 0),
    ("uniswap_v2", "UNI/WETH", V2_FEE, 0),
    ("uniswap_v2", "SHIB/WETH", V2_FEE, 0),
    ("uniswap_v2", "NEAR/USDC", V2_FEE, 0),
    ("uniswap_v2", "GUSD/USDC", V2_FEE, 0),
    ("sushi_v2", "WETH/USDC", SUSHI_FEE, 0),
    ("sushi_v2", "WETH/DAI", SUSHI_FEE, 0),
    ("sushi_v2", "WBTC/WETH", SUSHI_FEE, 0),
    ("sushi_v2", "LINK/WETH", SUSHI_FEE, 0),
    ("sushi_v2", "AAVE/WETH", SUSHI_FEE, 0),
    ("sushi_v2", "CRO/USDC", SUSHI_FEE, 0),
    ("uniswap_v3", "WETH/USDC", 500, 10),
    ("uniswap_v3", "WETH/USDC", 3_000, 60),
    ("uniswap_v3", "WETH/USDT", 3_000, 60),
    ("uniswap_v3", "DAI/USDC", 100, 1),
    ("uniswap_v3", "WBTC/WETH", 3_000, 60),
    ("uniswap_v3", "LINK/WETH", 3_000, 60),
    ("uniswap_v3", "SHIB/WETH", 10_000, 200),
    ("pancake_v3", "WETH/USDC", 500, 10),
    ("pancake_v3", "WETH/USDT", 500, 10),
    ("pancake_v3", "WBTC/WETH", 2_500, 50),
    ("uniswap_v4", "ETH/USDC", 500, 10),
    ("uniswap_v4", "WETH/USDC", 3_000, 60),
    ("uniswap_v4", "WBTC/USDC", 3_000, 60),
    ("uniswap_v4", "USDC/USDT", 100, 1),
    ("uniswap_v4", "NEAR/USDC", 3_000, 60),
)
BALANCER_POOLS = (  # symbols, weights in percent, fee in 1e-6
    ("WETH/USDC", (50, 50), 2_000),
    ("WBTC/WETH/USDC", (34, 33, 33), 3_000),
    ("AAVE/WETH", (80, 20), 3_000),
    ("XAUT/DAI", (60, 40), 3_000),
)


def plan_tokens(seed: int) -> list[TokenPlan]:
    """The tokens, WETH first; prices within 20 % of those above, of stable ones within 0.1 %."""
    draw = Draw(seed, "tokens")
    plans = []
    for symbol, decimals, usd_e4 in TOKENS:
        spread = 1_000 if symbol in STABLE else 200_000
        usd_e8 = usd_e4 * 10**4 * (PPM + draw.between(-spread, spread)) // PPM
        plans.append(TokenPlan(symbol, decimals, usd_e8, symbol in SILENT))
    return plans


def plan_pools(seed: int) -> list[PoolPlan]:
    """The pools: prices within 0.4 % of the tokens' own (stable pairs: 0.03 %), 0.5 to 8 million dollars a side."""
    draw = Draw(seed, "pools")
    rows: list[tuple[Protocol, str, int, int, tuple[int, ...]]] = [(*pool, ()) for pool in POOLS]
    rows += [("balancer_v2", symbols, fee, 0, weights) for symbols, weights, fee in BALANCER_POOLS]
    plans = []
    for protocol, text, fee, spacing, weights in rows:
        symbols = tuple(text.split("/"))
        spread = 300 if set(symbols) <= set(STABLE) else 4_000
        offset, depth = draw.between(-spread, spread), draw.log_between(500_000, 8_000_000)
        plans.append(PoolPlan(protocol, symbols, fee, spacing, offset, depth, weights))
    return plans


def sqrt_price_x96(amount0: int, amount1: int) -> int:
    """Uniswap's sqrt(amount1 / amount0) in Q64.96, rounded down."""
    return isqrt((amount1 << 192) // amount0)


def tick_at(sqrt_x96: int) -> int:
    """About the tick of a price: it may be the next one, and is for ranges around a price."""
    price = EXACT.power(EXACT.divide(Decimal(sqrt_x96), Decimal(2**96)), 2)
    return int(EXACT.divide(EXACT.ln(price), EXACT.ln(Decimal("1.0001"))))


def tick_range(sqrt_x96: int, half_width: int, spacing: int) -> tuple[int, int]:
    """Ticks to both sides of a price, on the pool's spacing."""
    middle = tick_at(sqrt_x96)
    return (middle - half_width) // spacing * spacing, -(-(middle + half_width) // spacing) * spacing


def liquidity_for(sqrt_x96: int, ticks: tuple[int, int], amount0: int, amount1: int) -> int:
    """The liquidity that a range around the price has for at most these amounts (Uniswap V3 whitepaper 6.2), a little less."""
    root = EXACT.divide(Decimal(sqrt_x96), Decimal(2**96))
    low, high = (EXACT.power(Decimal("1.0001"), EXACT.divide(Decimal(tick), Decimal(2))) for tick in ticks)
    of0 = EXACT.divide(
        EXACT.multiply(EXACT.multiply(Decimal(amount0), root), high), EXACT.subtract(high, root)
    )
    of1 = EXACT.divide(Decimal(amount1), EXACT.subtract(root, low))
    return int(EXACT.multiply(min(of0, of1), Decimal("0.999999")))
