"""Aave V3 (core 1.19.3): the pool with its libraries linked, oracle, and reserves that are supplied and can be borrowed."""

from __future__ import annotations

from adapters.evm.devchain.abi import ZERO_ADDRESS, encode_as
from adapters.evm.devchain.builder import Builder
from adapters.evm.devchain.market import USD_E8
from adapters.evm.devchain.site import Site

RESERVES = ("WETH", "USDC", "DAI", "WBTC")
SUPPLIED_USD = 20_000_000
FLASH_PREMIUM_BPS = 5  # of mainnet since V3.0
RAY = 10**27
# Usage that is optimal, base rate, slopes of variable and stable rates, offsets, stable to total debt.
RATES = tuple(RAY * bps // 10_000 for bps in (8_000, 0, 400, 6_000, 50, 6_000, 100, 800, 2_000))
LTV_BPS, THRESHOLD_BPS, BONUS_BPS = 7_500, 8_000, 10_500
INIT_RESERVES = (
    "initReserves((address,address,address,uint8,address,address,address,address,"
    "string,string,string,string,string,string,bytes)[])"
)
LIBRARIES = ("SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "PoolLogic")
GAS = 5_000_000


def deploy(site: Site) -> None:
    """All of it; the deployer is its admin. WETH is first of RESERVES."""
    build = site.builder
    provider = build.deploy("PoolAddressesProvider", "string,address", "Devchain", build.deployer)
    build.call(provider, "setACLAdmin(address)", build.deployer)
    acl = build.deploy("ACLManager", "address", provider)
    build.call(provider, "setACLManager(address)", acl)
    build.call(acl, "addPoolAdmin(address)", build.deployer)
    build.call(acl, "addAssetListingAdmin(address)", build.deployer)
    oracle = _oracle(site, provider)
    build.call(provider, "setPriceOracle(address)", oracle)
    links = {name: build.deploy(name) for name in LIBRARIES}
    links["FlashLoanLogic"] = build.deploy("FlashLoanLogic", links=links)
    links["ConfiguratorLogic"] = build.deploy("ConfiguratorLogic")
    pool_code = build.deploy("Pool", "address", provider, links=links)
    build.call(provider, "setPoolImpl(address)", pool_code, gas=GAS)
    configurator_code = build.deploy("PoolConfigurator", links=links)
    build.call(provider, "setPoolConfiguratorImpl(address)", configurator_code, gas=GAS)
    data = build.deploy("AaveProtocolDataProvider", "address", provider)
    build.call(provider, "setPoolDataProvider(address)", data)
    pool = build.read(provider, "getPool()", "address")
    configurator = build.read(provider, "getPoolConfigurator()", "address")
    site.contracts |= {
        "aave_v3_addresses_provider": provider,
        "aave_v3_pool": pool,
        "aave_v3_pool_configurator": configurator,
        "aave_v3_oracle": oracle,
        "aave_v3_data_provider": data,
    }
    _list_reserves(site, provider, pool, configurator)


def _oracle(site: Site, provider: str) -> str:
    build = site.builder
    sources = [build.deploy("MockAggregator", "int256", site.plans[symbol].usd_e8) for symbol in RESERVES]
    assets = [site.addresses[symbol] for symbol in RESERVES]
    types = "address,address[],address[],address,address,uint256"
    return build.deploy("AaveOracle", types, provider, assets, sources, ZERO_ADDRESS, ZERO_ADDRESS, USD_E8)


def _list_reserves(site: Site, provider: str, pool: str, configurator: str) -> None:
    """List the reserves, and supply each from the deployer's funds."""
    build = site.builder
    codes = [
        build.deploy(name, "address", pool) for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    rates = build.deploy("DefaultReserveInterestRateStrategy", "address" + ",uint256" * 9, provider, *RATES)
    for symbol in RESERVES:
        asset, plan = site.addresses[symbol], site.plans[symbol]
        names = [f"Aave {symbol}", f"a{symbol}", f"Aave variable debt {symbol}", f"variableDebt{symbol}"]
        names += [f"Aave stable debt {symbol}", f"stableDebt{symbol}"]
        reserve = (
            *codes,
            plan.decimals,
            rates,
            asset,
            build.deployer,
            ZERO_ADDRESS,
            *names,
            encode_as("bytes", b""),
        )
        build.call(configurator, INIT_RESERVES, [reserve], gas=GAS)
        _open(build, configurator, asset)
        build.approve(asset, pool)
        supply = "supply(address,uint256,address,uint16)"
        build.call(pool, supply, asset, plan.amount(SUPPLIED_USD), build.deployer, 0)
    build.call(configurator, "updateFlashloanPremiumTotal(uint128)", FLASH_PREMIUM_BPS)


def _open(build: Builder, configurator: str, asset: str) -> None:
    """Let it be borrowed, flash-borrowed, and stand as collateral."""
    build.call(
        configurator, "configureReserveAsCollateral(address,uint256,uint256,uint256)",
        asset, LTV_BPS, THRESHOLD_BPS, BONUS_BPS,
    )  # fmt: skip
    build.call(configurator, "setReserveBorrowing(address,bool)", asset, True)
    build.call(configurator, "setReserveFlashLoaning(address,bool)", asset, True)
