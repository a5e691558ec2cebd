"""Uniswap V3 and PancakeSwap V3: factories, positions, routers, quoter, and pools with two positions each.

PancakeSwap's factory and pools are its own bytecode; its pool deployer and router are ours (fixtures.sol), with the same
salt and callbacks, since no npm package has theirs.
"""

from __future__ import annotations

from adapters.evm.devchain.abi import MAX_UINT256, ZERO_ADDRESS, with_checksum
from adapters.evm.devchain.market import PoolPlan, liquidity_for, sqrt_price_x96, tick_range
from adapters.evm.devchain.site import Site

CREATE = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
PANCAKE_MINT = "mint(address,address,uint24,int24,int24,uint128)"
POOL_GAS = 6_000_000
# Of each side's depth in percent, and half of the range in ticks: one to a quarter and four times the price, and one near it.
WIDE_PERCENT, WIDE_TICKS = 60, 13_860
NARROW_PERCENT, NARROW_SPACINGS, NARROW_TICKS = 40, 10, 50
# Creation code that returns what follows it, a STOP in front (SSTORE2, solady).
DATA_CONTRACT = bytes.fromhex("600B5981380380925939F300")


def positions(plan: PoolPlan) -> tuple[tuple[int, int], ...]:
    """(percent of the depth, half width in ticks) of the positions of a pool."""
    narrow = max(NARROW_SPACINGS * plan.tick_spacing, NARROW_TICKS)
    return (WIDE_PERCENT, WIDE_TICKS), (NARROW_PERCENT, narrow)


def deploy(site: Site) -> None:
    """Uniswap's with the fee of 0.01 % enabled, as on mainnet; Pancake's has it from the start."""
    build, weth = site.builder, site.addresses["WETH"]
    factory = build.deploy("UniswapV3Factory")
    build.call(factory, "enableFeeAmount(uint24,int24)", 100, 1)
    manager = build.deploy(
        "NonfungiblePositionManager", "address,address,address", factory, weth, ZERO_ADDRESS
    )
    site.contracts |= {
        "uniswap_v3_factory": factory,
        "uniswap_v3_position_manager": manager,
        "uniswap_v3_router": build.deploy("SwapRouter", "address,address", factory, weth),
        "uniswap_v3_quoter": build.deploy("QuoterV2", "address,address", factory, weth),
        "uniswap_v3_tick_lens": build.deploy("TickLens"),
        "uniswap_router02": build.deploy(
            "SwapRouter02", "address,address,address,address",
            site.contracts["uniswap_v2_factory"], factory, manager, weth,
        ),
    }  # fmt: skip
    code = build.create("PancakeV3Pool's code", DATA_CONTRACT + build.artifacts.creation("PancakeV3Pool"))
    deployer = build.deploy("PancakePoolDeployer", "address", code)
    pancake = build.deploy("PancakeV3Factory", "address", deployer)
    build.call(deployer, "setFactoryAddress(address)", pancake)
    router = build.deploy("PancakeRouter", "address", pancake)
    site.contracts |= {
        "pancake_v3_factory": pancake, "pancake_v3_pool_deployer": deployer, "pancake_v3_router": router,
    }  # fmt: skip
    for token in site.addresses.values():
        build.approve(token, manager)
        build.approve(token, router)


def fund(site: Site, plans: list[PoolPlan]) -> None:
    """Create, price and fund the pools."""
    build, contracts = site.builder, site.contracts
    for plan in plans:
        _, tokens, amounts = site.sorted_amounts(plan)
        price = sqrt_price_x96(*amounts)
        if plan.protocol == "uniswap_v3":
            build.call(
                contracts["uniswap_v3_position_manager"], CREATE, *tokens, plan.fee_pips, price, gas=POOL_GAS
            )
        else:
            create = "createPool(address,address,uint24)"
            build.call(contracts["pancake_v3_factory"], create, *tokens, plan.fee_pips, gas=POOL_GAS)
    for plan in plans:
        symbols, tokens, _ = site.sorted_amounts(plan)
        factory = contracts[f"{plan.protocol}_factory"]
        pool = build.read(factory, "getPool(address,address,uint24)", "address", *tokens, plan.fee_pips)
        site.add(plan, with_checksum(pool), symbols)
    for plan, pool in zip(plans, site.pools[-len(plans) :], strict=True):
        _fund_one(site, plan, pool.address)


def _fund_one(site: Site, plan: PoolPlan, pool: str) -> None:
    build = site.builder
    _, tokens, amounts = site.sorted_amounts(plan)
    price = sqrt_price_x96(*amounts)
    if plan.protocol == "pancake_v3":
        build.call(pool, "initialize(uint160)", price)
    for percent, half_width in positions(plan):
        share = [amount * percent // 100 for amount in amounts]
        ticks = tick_range(price, half_width, plan.tick_spacing)
        if plan.protocol == "uniswap_v3":
            order = (*tokens, plan.fee_pips, *ticks, *share, 0, 0, build.deployer, MAX_UINT256)
            build.call(site.contracts["uniswap_v3_position_manager"], MINT, order)
        else:
            liquidity = liquidity_for(price, ticks, *share)
            build.call(
                site.contracts["pancake_v3_router"], PANCAKE_MINT, *tokens, plan.fee_pips, *ticks, liquidity
            )
