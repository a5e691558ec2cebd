"""Uniswap V4: PoolManager, PositionManager, quoter, state view, Universal Router; pools without hooks, one of ether."""

from __future__ import annotations

from adapters.evm.devchain.abi import MAX_UINT48, MAX_UINT160, MAX_UINT256, ZERO_ADDRESS, encode_as, keccak
from adapters.evm.devchain.manifest import NATIVE
from adapters.evm.devchain.market import PoolPlan, liquidity_for, sqrt_price_x96, tick_range
from adapters.evm.devchain.site import Site
from adapters.evm.devchain.uniswap_v3 import positions

POOL_KEY = "(address,address,uint24,int24,address)"
# v4-periphery, Actions.sol
MINT_POSITION, SETTLE_PAIR, SWEEP = 0x02, 0x0D, 0x14
UNSUBSCRIBE_GAS = 300_000
PERMIT2_APPROVE = "approve(address,address,uint160,uint48)"
GAS = 1_500_000


def deploy(site: Site) -> None:
    """All of it; the deployer owns the PoolManager."""
    build, weth, permit2 = site.builder, site.addresses["WETH"], site.contracts["permit2"]
    manager = build.deploy("PoolManager", "address", build.deployer)
    posm = build.deploy(
        "PositionManager", "address,address,uint256,address,address",
        manager, permit2, UNSUBSCRIBE_GAS, ZERO_ADDRESS, weth,
    )  # fmt: skip
    site.contracts |= {
        "uniswap_v4_pool_manager": manager,
        "uniswap_v4_position_manager": posm,
        "uniswap_v4_quoter": build.deploy("V4Quoter", "address", manager),
        "uniswap_v4_state_view": build.deploy("StateView", "address", manager),
    }
    contracts, creation = site.contracts, build.artifacts.creation
    parameters = (
        permit2, weth, contracts["uniswap_v2_factory"], contracts["uniswap_v3_factory"],
        keccak(creation("UniswapV2Pair")), keccak(creation("UniswapV3Pool")),
        manager, contracts["uniswap_v3_position_manager"], posm, ZERO_ADDRESS,
    )  # fmt: skip
    types = "(address,address,address,address,bytes32,bytes32,address,address,address,address)"
    contracts["universal_router"] = build.deploy("UniversalRouter", types, parameters)
    for token in site.addresses.values():
        build.approve(token, permit2)
        build.call(permit2, PERMIT2_APPROVE, token, posm, MAX_UINT160, MAX_UINT48, gas=100_000)


def pool_key(tokens: tuple[str, ...], plan: PoolPlan) -> tuple[str, str, int, int, str]:
    """PoolKey: currencies, fee, tick spacing, no hooks."""
    return tokens[0], tokens[1], plan.fee_pips, plan.tick_spacing, ZERO_ADDRESS


def fund(site: Site, plans: list[PoolPlan]) -> None:
    """Initialize and fund the pools."""
    build, contracts = site.builder, site.contracts
    for plan in plans:
        symbols, tokens, amounts = site.sorted_amounts(plan)
        key, price = pool_key(tokens, plan), sqrt_price_x96(*amounts)
        build.call(contracts["uniswap_v4_pool_manager"], f"initialize({POOL_KEY},uint160)", key, price)
        for percent, half_width in positions(plan):
            share = (amounts[0] * percent // 100, amounts[1] * percent // 100)
            ticks = tick_range(price, half_width, plan.tick_spacing)
            liquidity = liquidity_for(price, ticks, *share)
            native = share[0] if key[0] == NATIVE else 0
            build.call(
                contracts["uniswap_v4_position_manager"], "modifyLiquidities(bytes,uint256)",
                _mint(key, ticks, liquidity, share, build.deployer), MAX_UINT256, value=native, gas=GAS,
            )  # fmt: skip
        pool_id = "0x" + keccak(encode_as(POOL_KEY, key)).hex()
        site.add(plan, contracts["uniswap_v4_pool_manager"], symbols, pool_id=pool_id)


def _mint(
    key: tuple[str, str, int, int, str],
    ticks: tuple[int, int],
    liquidity: int,
    most: tuple[int, int],
    owner: str,
) -> bytes:
    """The calls of one position: mint it, pay for it, take back the ether that is left."""
    mint = encode_as(
        f"{POOL_KEY},int24,int24,uint256,uint128,uint128,address,bytes",
        key,
        *ticks,
        liquidity,
        *most,
        owner,
        b"",
    )
    settle = encode_as("address,address", key[0], key[1])
    actions, parameters = [MINT_POSITION, SETTLE_PAIR], [mint, settle]
    if key[0] == NATIVE:
        actions.append(SWEEP)
        parameters.append(encode_as("address,address", NATIVE, owner))
    return encode_as("bytes,bytes[]", bytes(actions), parameters)
