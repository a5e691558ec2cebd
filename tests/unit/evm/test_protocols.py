"""Every protocol of the local chain answers a real call with what its mathematics say, to the least unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.evm.devchain import Devchain, Pool, RpcError
from adapters.evm.devchain.abi import (
    MAX_UINT256,
    ZERO_ADDRESS,
    call_data,
    checksummed,
    encode_as,
    keccak,
    raw_address,
    with_checksum,
)
from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.manifest import NATIVE
from tests.evm_calls import balance, quoted, send, swapped, view

pytestmark = pytest.mark.xdist_group("devchain")
PPM = 10**6
Q96 = 2**96
V3_SLOT0 = "uint160,int24,uint16,uint16,uint16,uint8,bool"
PANCAKE_SLOT0 = "uint160,int24,uint16,uint16,uint16,uint32,bool"


def both_ways(chain: Devchain, protocols: tuple[str, ...], check: Callable[[Pool, str, int], None]) -> int:
    """Check each pool of the protocols in both directions with about a thousand dollars; how many checks there were."""
    usd_of = {
        token.address: 1_000 * 10 ** (token.decimals + 8) // token.usd_e8 for token in chain.manifest.tokens
    }
    usd_of[NATIVE] = usd_of[chain.manifest.token("WETH").address]
    pools = [pool for protocol in protocols for pool in chain.manifest.pools_of(protocol)]
    for pool in pools:
        for token in pool.tokens[:2]:
            check(pool, token, usd_of[token])
    return 2 * len(pools)


def test_v2_swaps_equal_the_formula(chain: Devchain) -> None:
    trader = chain.accounts[0].address

    def check(pool: Pool, token_in: str, amount: int) -> None:
        reserves = view(chain, pool.address, "getReserves()", "uint112,uint112,uint32")[:2]
        into, out = reserves if token_in == pool.tokens[0] else reversed(reserves)
        paid = amount * 997
        assert swapped(chain, pool, token_in, amount, trader) == paid * out // (into * 1000 + paid), pool.name

    assert both_ways(chain, ("uniswap_v2", "sushi_v2"), check) == 30


def within_tick(sqrt_x96: int, liquidity: int, amount_in: int, fee_pips: int, zero_for_one: bool) -> int:
    """Uniswap V3's computeSwapStep of an exact input that crosses no tick: SwapMath and SqrtPriceMath with their roundings."""
    paid = amount_in * (PPM - fee_pips) // PPM
    if zero_for_one:
        numerator = liquidity << 96
        after = -(-numerator * sqrt_x96 // (numerator + paid * sqrt_x96))
        return liquidity * (sqrt_x96 - after) // Q96
    after = sqrt_x96 + (paid << 96) // liquidity
    return (liquidity << 96) * (after - sqrt_x96) // after // sqrt_x96


def state_of(chain: Devchain, pool: Pool) -> tuple[int, int]:
    """Square root of the price in Q64.96, and the liquidity in range."""
    if pool.protocol == "uniswap_v4":
        at, number = chain.manifest.contracts["uniswap_v4_state_view"], bytes.fromhex(pool.pool_id[2:])
        price = view(chain, at, "getSlot0(bytes32)", "uint160,int24,uint24,uint24", number)[0]
        return price, view(chain, at, "getLiquidity(bytes32)", "uint128", number)
    slot0 = PANCAKE_SLOT0 if pool.protocol == "pancake_v3" else V3_SLOT0
    price = view(chain, pool.address, "slot0()", slot0)[0]
    return price, view(chain, pool.address, "liquidity()", "uint128")


@pytest.mark.parametrize(("protocol", "checks"), [("uniswap_v3", 14), ("uniswap_v4", 10), ("pancake_v3", 6)])
def test_swaps_of_concentrated_liquidity_equal_formula_and_quoter(
    chain: Devchain, protocol: str, checks: int
) -> None:
    trader = chain.accounts[0].address

    def check(pool: Pool, token_in: str, amount: int) -> None:
        expected = within_tick(*state_of(chain, pool), amount, pool.fee_pips, token_in == pool.tokens[0])
        if protocol != "pancake_v3":  # whose quoter no npm package has
            token_out = pool.tokens[1 if token_in == pool.tokens[0] else 0]
            assert quoted(chain, pool, token_in, token_out, amount) == expected, pool.name
        assert swapped(chain, pool, token_in, amount, trader) == expected, pool.name

    assert both_ways(chain, (protocol,), check) == checks


def test_the_second_router_swaps_on_v2_and_v3(chain: Devchain) -> None:
    router, trader = chain.manifest.contracts["uniswap_router02"], chain.accounts[0].address
    weth, usdc = chain.manifest.token("WETH").address, chain.manifest.token("USDC").address
    send(chain, trader, usdc, "approve(address,uint256)", router, MAX_UINT256)
    expected = quoted(chain, chain.manifest.pool("uniswap_v3 WETH/USDC 500"), usdc, weth, 10**9)
    before = balance(chain, weth, trader)
    single = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
    send(chain, trader, router, single, (usdc, weth, 500, trader, 10**9, expected, 0))
    assert balance(chain, weth, trader) == before + expected
    amounts = "getAmountsOut(uint256,address[])"
    v2 = view(
        chain, chain.manifest.contracts["uniswap_v2_router"], amounts, "uint256[]", 10**9, (usdc, weth)
    )[1]
    swap_v2 = "swapExactTokensForTokens(uint256,uint256,address[],address)"
    send(chain, trader, router, swap_v2, 10**9, v2, (usdc, weth), trader)
    assert balance(chain, weth, trader) == before + expected + v2


def test_a_swap_across_ticks_equals_the_quoter(chain: Devchain) -> None:
    pool, usdc = chain.manifest.pool("uniswap_v3 WETH/USDC 500"), chain.manifest.token("USDC")
    amount = pool.depth_usd * 10**usdc.decimals * 3 // 4
    trader = chain.manifest.traders[0].address
    chain.rpc("anvil_impersonateAccount", trader)
    before = view(chain, pool.address, "liquidity()", "uint128")
    expected = quoted(chain, pool, usdc.address, chain.manifest.token("WETH").address, amount)
    assert swapped(chain, pool, usdc.address, amount, trader) == expected
    assert view(chain, pool.address, "liquidity()", "uint128") < before  # the narrow position was left


def test_balancer_swaps_equal_the_vaults_query_and_the_formula(chain: Devchain) -> None:
    trader, vault = chain.accounts[0].address, chain.manifest.contracts["balancer_v2_vault"]

    def check(pool: Pool, token_in: str, amount: int) -> None:
        pool_id, token_out = (
            bytes.fromhex(pool.pool_id[2:]),
            next(each for each in pool.tokens if each != token_in),
        )
        expected = quoted(chain, pool, token_in, token_out, amount)
        held = dict(
            zip(
                pool.tokens,
                view(chain, vault, "getPoolTokens(bytes32)", "address[],uint256[],uint256", pool_id)[1],
                strict=True,
            )
        )
        weight = dict(zip(pool.tokens, pool.weights_e18, strict=True))
        paid = amount * (PPM - pool.fee_pips) // PPM
        share = (held[token_in] / (held[token_in] + paid)) ** (weight[token_in] / weight[token_out])
        got = swapped(chain, pool, token_in, amount, trader)
        assert got == expected, pool.name
        assert got == pytest.approx(held[token_out] * (1 - share), rel=1e-6, abs=2), pool.name

    assert both_ways(chain, ("balancer_v2",), check) == 8


ANSWERS_TRUE = "0x60015f5260205ff3"  # a contract that answers 1 to every call
RECEIVER = with_checksum("0x" + "f1" * 20)


def test_aaves_flash_loan_costs_its_premium(chain: Devchain) -> None:
    owner, pool = chain.accounts[0].address, chain.manifest.contracts["aave_v3_pool"]
    assert view(chain, pool, "FLASHLOAN_PREMIUM_TOTAL()", "uint128") == 5
    chain.rpc("anvil_setCode", RECEIVER, ANSWERS_TRUE)
    chain.rpc("anvil_setBalance", RECEIVER, hex(10**18))
    chain.rpc("anvil_impersonateAccount", RECEIVER)
    assert len(chain.manifest.aave_reserves) >= 2
    for asset in chain.manifest.aave_reserves:
        given = balance(chain, asset, owner) // 2
        send(chain, owner, asset, "transfer(address,uint256)", RECEIVER, given)
        send(chain, RECEIVER, asset, "approve(address,uint256)", pool, MAX_UINT256)
        amount = given * 20 + 7
        premium = (amount * 5 + 5_000) // 10_000  # PercentageMath.percentMul: half up
        loan = "flashLoanSimple(address,address,uint256,bytes,uint16)"
        send(chain, owner, pool, loan, RECEIVER, asset, amount, b"", 0)
        assert balance(chain, asset, RECEIVER) == given - premium


def test_aave_lends_against_collateral(chain: Devchain) -> None:
    trader, pool = chain.accounts[1].address, chain.manifest.contracts["aave_v3_pool"]
    weth, usdc = chain.manifest.token("WETH"), chain.manifest.token("USDC")
    send(chain, trader, weth.address, "approve(address,uint256)", pool, MAX_UINT256)
    send(chain, trader, pool, "supply(address,uint256,address,uint16)", weth.address, 10**18, trader, 0)
    before = balance(chain, usdc.address, trader)
    most = weth.usd_e8 * 10**usdc.decimals * 75 // (usdc.usd_e8 * 100)  # the loan to value
    borrow = "borrow(address,uint256,uint256,uint16,address)"
    with pytest.raises(RpcError, match="36"):  # COLLATERAL_CANNOT_COVER_NEW_BORROW
        chain.call(pool, call_data(borrow, usdc.address, most + 10**usdc.decimals, 2, 0, trader), trader)
    send(chain, trader, pool, borrow, usdc.address, most - 10**usdc.decimals, 2, 0, trader)
    assert balance(chain, usdc.address, trader) - before == most - 10**usdc.decimals


def test_a_safe_runs_what_enough_owners_signed(chain: Devchain) -> None:
    from eth_account import Account

    safe, manifest = chain.manifest.contracts["safe"], chain.manifest
    assert view(chain, safe, "VERSION()", "string") == "1.4.1"
    assert view(chain, safe, "getThreshold()", "uint256") == manifest.safe_threshold == 2
    assert tuple(map(with_checksum, view(chain, safe, "getOwners()", "address[]"))) == manifest.safe_owners
    usdc, to = manifest.token("USDC").address, chain.accounts[5].address
    send(chain, chain.accounts[0].address, usdc, "transfer(address,uint256)", safe, 1_000)
    payment = call_data("transfer(address,uint256)", to, 400)
    parts = "address,uint256,bytes,uint8,uint256,uint256,uint256,address,address"
    order = (usdc, 0, payment, 0, 0, 0, 0, ZERO_ADDRESS, ZERO_ADDRESS)
    digest = view(chain, safe, f"getTransactionHash({parts},uint256)", "bytes32", *order, 0)

    def signed(count: int) -> bytes:
        signers = sorted(chain.accounts[:count], key=lambda each: int(each.address, 16))
        return b"".join(bytes(Account.unsafe_sign_hash(digest, each.key).signature) for each in signers)

    run, before = f"execTransaction({parts},bytes)", balance(chain, usdc, to)
    with pytest.raises(RpcError, match="GS020"):  # too few signatures
        chain.call(safe, call_data(run, *order, signed(1)))
    send(chain, chain.accounts[9].address, safe, run, *order, signed(2))
    assert balance(chain, usdc, to) == before + 400


def test_multicall3_and_permit2_work_where_they_are_on_every_chain(chain: Devchain) -> None:
    contracts, dai = chain.manifest.contracts, chain.manifest.token("DAI").address
    assert contracts["multicall3"] == "0xcA11bde05977b3631167028862bE2a173976CA11"
    assert contracts["permit2"] == "0x000000000022D473030F116dDEE9F6B43aC78BA3"
    code = bytes.fromhex(chain.rpc("eth_getCode", contracts["multicall3"], "latest")[2:])
    # Its code's hash on mainnet, of the multicall3 repository.
    assert keccak(code).hex() == "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
    asked = [
        (contracts["multicall3"], False, call_data(f"{name}()")) for name in ("getBlockNumber", "getChainId")
    ]
    results = view(
        chain, contracts["multicall3"], "aggregate3((address,bool,bytes)[])", "(bool,bytes)[]", asked
    )
    assert [int.from_bytes(answer) for _, answer in results] == [int(chain.rpc("eth_blockNumber"), 16), 31337]
    domain = encode_as(
        "bytes32,bytes32,uint256,address",
        keccak(b"EIP712Domain(string name,uint256 chainId,address verifyingContract)"),
        keccak(b"Permit2"), 31337, contracts["permit2"],
    )  # fmt: skip
    assert view(chain, contracts["permit2"], "DOMAIN_SEPARATOR()", "bytes32") == keccak(domain)
    payer, spender = chain.accounts[0].address, chain.accounts[1].address
    send(chain, payer, dai, "approve(address,uint256)", contracts["permit2"], MAX_UINT256)
    send(
        chain,
        payer,
        contracts["permit2"],
        "approve(address,address,uint160,uint48)",
        dai,
        spender,
        100,
        2**48 - 1,
    )
    before = balance(chain, dai, spender)
    send(
        chain,
        spender,
        contracts["permit2"],
        "transferFrom(address,address,uint160,address)",
        payer,
        spender,
        100,
        dai,
    )
    assert balance(chain, dai, spender) == before + 100


def test_tokens_are_what_the_manifest_says(chain: Devchain) -> None:
    decimals = {token.symbol: token.decimals for token in chain.manifest.tokens}
    assert len(decimals) == 13 and set(decimals.values()) == {2, 6, 8, 18, 24}
    holder = chain.accounts[3].address
    for token in chain.manifest.tokens:
        assert view(chain, token.address, "decimals()", "uint8") == token.decimals
        assert view(chain, token.address, "symbol()", "string") == token.symbol
        million = 10**6 * 10 ** (token.decimals + 8) // token.usd_e8
        assert balance(chain, token.address, holder) == million
        answer = chain.call(token.address, call_data("transfer(address,uint256)", RECEIVER, 1), holder)
        assert answer == (b"" if token.silent else (1).to_bytes(32))
    assert [token.symbol for token in chain.manifest.tokens if token.silent] == ["USDT"]


def test_pools_start_at_the_prices_of_their_tokens_and_offsets(chain: Devchain) -> None:
    usd = {token.address: (token.usd_e8, token.decimals) for token in chain.manifest.tokens}
    usd[NATIVE] = usd[chain.manifest.token("WETH").address]
    counts: dict[str, int] = {}
    for pool in chain.manifest.pools:
        counts[pool.protocol] = counts.get(pool.protocol, 0) + 1
        if pool.protocol == "balancer_v2":
            continue
        if pool.protocol in ("uniswap_v2", "sushi_v2"):
            reserves = view(chain, pool.address, "getReserves()", "uint112,uint112,uint32")
            price = reserves[1] / reserves[0]
        else:
            price = (state_of(chain, pool)[0] / Q96) ** 2
        (usd0, decimals0), (usd1, decimals1) = usd[pool.tokens[0]], usd[pool.tokens[1]]
        offset = 1 + pool.offset_ppm / PPM
        expected = usd0 / usd1 * 10.0 ** (decimals1 - decimals0)
        expected *= offset if pool.symbols[0] == pool.base else 1 / offset
        assert price == pytest.approx(expected, rel=1e-6), pool.name
        assert abs(pool.offset_ppm) <= 4_000
    assert counts == {
        "uniswap_v2": 9, "sushi_v2": 6, "uniswap_v3": 7, "pancake_v3": 3, "uniswap_v4": 5, "balancer_v2": 4,
    }  # fmt: skip


def test_pool_addresses_follow_from_their_factories_and_init_hashes(chain: Devchain, contracts: Any) -> None:
    artifacts, known = Artifacts(contracts), chain.manifest.contracts
    hashes = {
        "uniswap_v2": (known["uniswap_v2_factory"], keccak(artifacts.creation("UniswapV2Pair"))),
        "sushi_v2": (known["sushi_v2_factory"], keccak(artifacts.creation("UniswapV2Pair"))),
        "uniswap_v3": (known["uniswap_v3_factory"], keccak(artifacts.creation("UniswapV3Pool"))),
        "pancake_v3": (known["pancake_v3_pool_deployer"], keccak(artifacts.creation("PancakeV3Pool"))),
    }
    # As they are on mainnet, of the protocols' own libraries.
    assert hashes["uniswap_v2"][1].hex().startswith("96e8ac42") and hashes["uniswap_v3"][1].hex().startswith(
        "e34f199b"
    )
    assert hashes["pancake_v3"][1].hex().startswith("6ce8eb47")
    for pool in chain.manifest.pools:
        if pool.protocol not in hashes:
            continue
        factory, init_hash = hashes[pool.protocol]
        tokens = b"".join(map(raw_address, pool.tokens))
        salt = (
            tokens
            if pool.protocol.endswith("v2")
            else encode_as("address,address,uint24", *pool.tokens, pool.fee_pips)
        )
        derived = keccak(b"\xff" + raw_address(factory) + keccak(salt) + init_hash)[12:]
        assert checksummed(derived) == pool.address, pool.name
