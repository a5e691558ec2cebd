"""Balancer V2: authorizer, vault, and weighted pools as of April 2021, with all their tokens joined."""

from __future__ import annotations

from adapters.evm.devchain.abi import encode_as, with_checksum
from adapters.evm.devchain.market import PPM, PoolPlan
from adapters.evm.devchain.site import Site

E18 = 10**18
DAY_S = 86_400
# What mainnet's vault was made with: it can be paused for 90 days, and stays so for 30 more at most.
PAUSE_WINDOW_S, PAUSE_BUFFER_S = 90 * DAY_S, 30 * DAY_S
CREATE = "create(string,string,address[],uint256[],uint256,address)"
JOIN = "joinPool(bytes32,address,address,(address[],uint256[],bytes,bool))"
INIT = 0  # WeightedPool.JoinKind
POOL_GAS = 6_000_000


def deploy(site: Site) -> None:
    """The deployer is the authorizer's admin."""
    build = site.builder
    authorizer = build.deploy("Authorizer", "address", build.deployer)
    vault = build.deploy(
        "Vault",
        "address,address,uint256,uint256",
        authorizer,
        site.addresses["WETH"],
        PAUSE_WINDOW_S,
        PAUSE_BUFFER_S,
    )
    site.contracts |= {
        "balancer_v2_authorizer": authorizer,
        "balancer_v2_vault": vault,
        "balancer_v2_weighted_pool_factory": build.deploy("WeightedPoolFactory", "address", vault),
    }
    for token in site.addresses.values():
        build.approve(token, vault)


def fund(site: Site, plans: list[PoolPlan]) -> None:
    """Create the pools and join them. The factory's next address is what a call of it answers."""
    build, vault = site.builder, site.contracts["balancer_v2_vault"]
    factory = site.contracts["balancer_v2_weighted_pool_factory"]
    for plan in plans:
        symbols = site.by_address(plan.symbols)
        weight_of = dict(zip(plan.symbols, plan.weights_percent, strict=True))
        weights = tuple(weight_of[symbol] * E18 // 100 for symbol in symbols)
        tokens = tuple(map(site.address, symbols))
        order = (plan.name, "BPT", tokens, weights, plan.fee_pips * E18 // PPM, build.deployer)
        pool = build.read(factory, CREATE, "address", *order)
        build.call(factory, CREATE, *order, gas=POOL_GAS)
        pool_id = build.read(pool, "getPoolId()", "bytes32")
        amounts = tuple(_amount(site, plan, symbol, weight_of[symbol]) for symbol in symbols)
        request = (tokens, amounts, encode_as("uint256,uint256[]", INIT, amounts), False)
        build.call(vault, JOIN, pool_id, build.deployer, build.deployer, request)
        site.add(plan, with_checksum(pool), symbols, pool_id="0x" + pool_id.hex(), weights_e18=weights)


def _amount(site: Site, plan: PoolPlan, symbol: str, percent: int) -> int:
    """A token's share of twice the depth; less of the first token makes it dearer."""
    amount = site.plan(symbol).amount(2 * plan.depth_usd) * percent // 100
    return amount * PPM // (PPM + plan.offset_ppm) if symbol == plan.symbols[0] else amount
