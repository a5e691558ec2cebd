"""Uniswap V2 and a second factory of the same pairs, as Sushi's: factories, routers, pairs, liquidity."""

from __future__ import annotations

from adapters.evm.devchain.abi import MAX_UINT256, with_checksum
from adapters.evm.devchain.market import PoolPlan
from adapters.evm.devchain.site import Site

FAMILIES = ("uniswap_v2", "sushi_v2")
ADD_LIQUIDITY = "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)"
PAIR_GAS = 3_500_000


def deploy(site: Site) -> None:
    """Factory and router of each family; the deployer may set the fee receiver."""
    build = site.builder
    for family in FAMILIES:
        factory = build.deploy("UniswapV2Factory", "address", build.deployer)
        router = build.deploy("UniswapV2Router02", "address,address", factory, site.addresses["WETH"])
        site.contracts |= {f"{family}_factory": factory, f"{family}_router": router}
        for token in site.addresses.values():
            build.approve(token, router)


def fund(site: Site, plans: list[PoolPlan]) -> None:
    """Create and fund the pairs, through the routers."""
    build = site.builder
    for plan in plans:
        _, tokens, _ = site.sorted_amounts(plan)
        factory = site.contracts[f"{plan.protocol}_factory"]
        build.call(factory, "createPair(address,address)", *tokens, gas=PAIR_GAS)
    for plan in plans:
        symbols, tokens, amounts = site.sorted_amounts(plan)
        factory = site.contracts[f"{plan.protocol}_factory"]
        pair = build.read(factory, "getPair(address,address)", "address", *tokens)
        site.add(plan, with_checksum(pair), symbols)
    for plan in plans:
        _, tokens, amounts = site.sorted_amounts(plan)
        router = site.contracts[f"{plan.protocol}_router"]
        build.call(router, ADD_LIQUIDITY, *tokens, *amounts, 0, 0, build.deployer, MAX_UINT256)
