"""Builds a chain from nothing: everything of the plans, on an anvil that was just started."""

from __future__ import annotations

from adapters.evm.devchain import aave, balancer, uniswap_v2, uniswap_v3, uniswap_v4
from adapters.evm.devchain.abi import (
    MAX_UINT48,
    MAX_UINT160,
    ZERO_ADDRESS,
    address_of,
    call_data,
    key_of,
    with_checksum,
)
from adapters.evm.devchain.anvil import CHAIN_ID
from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.builder import APPROVE_GAS, Builder
from adapters.evm.devchain.manifest import FORMAT, NATIVE, Manifest, Token, Trader
from adapters.evm.devchain.market import plan_pools, plan_tokens
from adapters.evm.devchain.rpc import Rpc
from adapters.evm.devchain.site import Site

GENESIS_S = 1_700_000_000  # in the past, so that a loaded chain goes on with the time of the day
BLOCK_S = 12
BASE_FEE_WEI = 10**9
ETHER = 10**18
DEPLOYER_ETHER, TRADER_ETHER = 100_000_000, 100_000
DEPLOYER_WETH = 1_000_000
DEPLOYER_USD, ACCOUNT_USD, TRADER_USD = 1_000_000_000, 1_000_000, 20_000_000
TRADERS = 16
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
SAFE_OWNERS, SAFE_THRESHOLD = 3, 2
SAFE_SETUP = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
SAFE_PROXY = "createProxyWithNonce(address,bytes,uint256)"
# Where each protocol takes a trader's tokens from: the name of the contract that they approve.
SPENDERS = {
    "uniswap_v2": "uniswap_v2_router",
    "sushi_v2": "sushi_v2_router",
    "uniswap_v3": "uniswap_v3_router",
    "pancake_v3": "pancake_v3_router",
    "uniswap_v4": "permit2",
    "balancer_v2": "balancer_v2_vault",
}


def anvil_options() -> list[str]:
    """What the anvil that a chain is built on is started with."""
    return [
        "--no-mining",
        "--auto-impersonate",
        "--timestamp",
        str(GENESIS_S),
        "--block-base-fee-per-gas",
        str(BASE_FEE_WEI),
    ]


def construct(rpc: Rpc, artifacts: Artifacts, seed: int) -> Manifest:
    """Build all of it; the manifest is without the hash of a state, which is still to be dumped."""
    rpc("anvil_setBlockTimestampInterval", BLOCK_S)
    deployer = address_of(key_of(seed, "deployer"))
    rpc("anvil_setBalance", deployer, hex(DEPLOYER_ETHER * ETHER))
    site = Site(Builder(rpc, artifacts, deployer), {plan.symbol: plan for plan in plan_tokens(seed)})
    accounts = rpc("eth_accounts")
    _canonical(site)
    _tokens(site, accounts)
    for protocol in (uniswap_v2, uniswap_v3, uniswap_v4, balancer, aave):
        protocol.deploy(site)
    plans = plan_pools(seed)
    uniswap_v2.fund(site, [plan for plan in plans if plan.protocol in uniswap_v2.FAMILIES])
    uniswap_v3.fund(site, [plan for plan in plans if plan.protocol in ("uniswap_v3", "pancake_v3")])
    uniswap_v4.fund(site, [plan for plan in plans if plan.protocol == "uniswap_v4"])
    balancer.fund(site, [plan for plan in plans if plan.protocol == "balancer_v2"])
    owners = tuple(with_checksum(each) for each in accounts[:SAFE_OWNERS])
    _safe(site, owners)
    traders = _traders(site, seed)
    site.builder.flush()
    rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
    rpc("evm_mine")
    block = rpc("eth_getBlockByNumber", "latest", False)
    return Manifest(
        format=FORMAT,
        seed=seed,
        key="",
        chain_id=CHAIN_ID,
        block_number=int(block["number"], 16),
        chain_time_s=int(block["timestamp"], 16),
        deployer=deployer,
        contracts={name: with_checksum(address) for name, address in sorted(site.contracts.items())},
        tokens=tuple(
            Token(symbol, site.addresses[symbol], plan.decimals, plan.usd_e8, plan.silent)
            for symbol, plan in site.plans.items()
        ),
        pools=tuple(site.pools),
        aave_reserves=tuple(site.addresses[symbol] for symbol in aave.RESERVES),
        safe_owners=owners,
        safe_threshold=SAFE_THRESHOLD,
        traders=traders,
    )


def _canonical(site: Site) -> None:
    """What lies at the same address on every chain, its runtime code put there."""
    code = {PERMIT2: site.builder.artifacts.permit2, MULTICALL3: site.builder.artifacts.multicall3}
    site.builder.rpc.batch(
        [("anvil_setCode", (address, "0x" + each.hex())) for address, each in code.items()]
    )
    site.contracts |= {"permit2": PERMIT2, "multicall3": MULTICALL3}


def _tokens(site: Site, accounts: list[str]) -> None:
    """WETH9 and the tokens; anvil's accounts get a million dollars' worth of each."""
    build = site.builder
    weth = build.deploy("WETH9")
    site.addresses["WETH"] = site.contracts["weth9"] = weth
    build.call(weth, "deposit()", value=DEPLOYER_WETH * ETHER)
    for symbol, plan in site.plans.items():
        if symbol != "WETH":
            kind = "SilentToken" if plan.silent else "Token"
            token = build.deploy(kind, "string,string,uint8", f"Devchain {symbol}", symbol, plan.decimals)
            site.addresses[symbol] = token
            build.call(
                token, "mint(address,uint256)", build.deployer, plan.amount(DEPLOYER_USD), gas=APPROVE_GAS
            )
    for account in accounts:
        _give(site, account, ACCOUNT_USD)


def _give(site: Site, account: str, usd: int) -> None:
    """So many dollars' worth of each token, from the deployer."""
    for symbol, token in site.addresses.items():
        signature = "transfer(address,uint256)" if symbol == "WETH" else "mint(address,uint256)"
        site.builder.call(token, signature, account, site.plans[symbol].amount(usd), gas=APPROVE_GAS)


def _safe(site: Site, owners: tuple[str, ...]) -> None:
    """Safe 1.4.1 with its libraries, and one Safe of anvil's first accounts."""
    build = site.builder
    singleton, factory = build.deploy("Safe"), build.deploy("SafeProxyFactory")
    handler = build.deploy("CompatibilityFallbackHandler")
    setup = call_data(
        SAFE_SETUP, owners, SAFE_THRESHOLD, ZERO_ADDRESS, b"", handler, ZERO_ADDRESS, 0, ZERO_ADDRESS
    )
    safe = build.read(factory, SAFE_PROXY, "address", singleton, setup, 0)
    build.call(factory, SAFE_PROXY, singleton, setup, 0)
    site.contracts |= {
        "safe": safe,
        "safe_singleton": singleton,
        "safe_proxy_factory": factory,
        "safe_fallback_handler": handler,
        "safe_multi_send": build.deploy("MultiSend"),
        "safe_multi_send_call_only": build.deploy("MultiSendCallOnly"),
    }


def _traders(site: Site, seed: int) -> tuple[Trader, ...]:
    """Fund the crowd, and give the routers what they need of it: approvals of the tokens that their pools have."""
    build = site.builder
    wanted = sorted(
        {(SPENDERS[pool.protocol], token) for pool in site.pools for token in pool.tokens if token != NATIVE}
    )
    traders = []
    for index in range(TRADERS):
        trader = address_of(key_of(seed, f"trader {index}"))
        build.rpc("anvil_setBalance", trader, hex(TRADER_ETHER * ETHER))
        _give(site, trader, TRADER_USD)
        for spender, token in wanted:
            build.approve(token, site.contracts[spender], sender=trader)
            if spender == "permit2":
                router = site.contracts["universal_router"]
                arguments = (token, router, MAX_UINT160, MAX_UINT48)
                build.call(
                    site.contracts["permit2"],
                    uniswap_v4.PERMIT2_APPROVE,
                    *arguments,
                    sender=trader,
                    gas=100_000,
                )
        traders.append(trader)
    return tuple(Trader(trader, build.nonces[trader]) for trader in traders)
