"""Calls and transactions of tests on a local chain."""

from __future__ import annotations

from typing import Any

from adapters.evm.devchain import Devchain
from adapters.evm.devchain.abi import MAX_UINT256, call_data, decode_as
from adapters.evm.devchain.manifest import NATIVE, Pool
from adapters.evm.devchain.swaps import PANCAKE_SWAP, pool_key, swap

GAS = 3_000_000
V3_QUOTE = "quoteExactInputSingle((address,address,uint256,uint24,uint160))"
V4_QUOTE = "quoteExactInputSingle(((address,address,uint24,int24,address),bool,uint128,bytes))"
BALANCER_QUOTE = (
    "queryBatchSwap(uint8,(bytes32,uint256,uint256,uint256,bytes)[],address[],(address,bool,address,bool))"
)


def view(
    chain: Devchain, to: str, signature: str, returns: str, *arguments: Any, sender: str | None = None
) -> Any:
    """What a call answers: one value, or a tuple of several."""
    values = decode_as(returns, chain.call(to, call_data(signature, *arguments), sender))
    return values[0] if len(values) == 1 else values


def send(
    chain: Devchain, sender: str, to: str, signature: str, *arguments: Any, value: int = 0
) -> dict[str, Any]:
    """The receipt of a transaction of an account that anvil has the key of, in a block of its own; it must succeed."""
    return send_data(chain, sender, to, call_data(signature, *arguments), value)


def send_data(chain: Devchain, sender: str, to: str, data: bytes, value: int = 0) -> dict[str, Any]:
    """The same of bytes."""
    fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(GAS)}
    transaction = chain.rpc("eth_sendTransaction", fields | {"gasPrice": hex(10**11)})
    chain.mine()
    receipt: dict[str, Any] = chain.rpc("eth_getTransactionReceipt", transaction)
    assert receipt is not None and receipt["status"] == "0x1", (signature_of(data), receipt)
    return receipt


def signature_of(data: bytes) -> str:
    """The selector, for a failure's message."""
    return "0x" + data[:4].hex()


def balance(chain: Devchain, token: str, holder: str) -> int:
    """In least units; NATIVE is ether."""
    if token == NATIVE:
        return int(chain.rpc("eth_getBalance", holder, "latest"), 16)
    found: int = view(chain, token, "balanceOf(address)", "uint256", holder)
    return found


def swapped(chain: Devchain, pool: Pool, token_in: str, amount_in: int, trader: str) -> int:
    """What a swap through the pool's real router gave, by the trader's balance; fees of gas left out."""
    token_out = next(token for token in pool.tokens if token != token_in)
    call = swap(chain.manifest, pool, token_in, token_out, amount_in, 0, trader)
    if token_in != NATIVE:
        approve(chain, pool, token_in, call.to, trader)
    before = balance(chain, token_out, trader)
    receipt = send_data(chain, trader, call.to, call.data, call.value)
    fee = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    return balance(chain, token_out, trader) - before + (fee if token_out == NATIVE else 0)


def quoted(chain: Devchain, pool: Pool, token_in: str, token_out: str, amount_in: int) -> int:
    """What the protocol's own quoter says that a swap would give; of Pancake's, which has none here, its router in a call."""
    contracts = chain.manifest.contracts
    if pool.protocol in ("uniswap_v2", "sushi_v2"):
        router, path = contracts[f"{pool.protocol}_router"], (token_in, token_out)
        amounts: tuple[int, ...] = view(
            chain, router, "getAmountsOut(uint256,address[])", "uint256[]", amount_in, path
        )
        return amounts[1]
    if pool.protocol == "uniswap_v3":
        order: tuple[Any, ...] = (token_in, token_out, amount_in, pool.fee_pips, 0)
        returns = "uint256,uint160,uint32,uint256"
        out: int = view(chain, contracts["uniswap_v3_quoter"], V3_QUOTE, returns, order)[0]
        return out
    if pool.protocol == "uniswap_v4":
        order = (pool_key(pool), token_in == pool.tokens[0], amount_in, b"")
        out = view(chain, contracts["uniswap_v4_quoter"], V4_QUOTE, "uint256,uint256", order)[0]
        return out
    trader = chain.manifest.traders[0].address
    if pool.protocol == "pancake_v3":
        order = (token_in, token_out, pool.fee_pips, amount_in, 0)
        out = view(chain, contracts["pancake_v3_router"], PANCAKE_SWAP, "uint256", *order, sender=trader)
        return out
    step, funds = (bytes.fromhex(pool.pool_id[2:]), 0, 1, amount_in, b""), (trader, False, trader, False)
    asked = (0, [step], (token_in, token_out), funds)
    deltas: tuple[int, ...] = view(chain, contracts["balancer_v2_vault"], BALANCER_QUOTE, "int256[]", *asked)
    return -deltas[1]


def approve(chain: Devchain, pool: Pool, token: str, spender: str, trader: str) -> None:
    """Let a router take a token; that of V4 through Permit2."""
    via = chain.manifest.contracts["permit2"] if pool.protocol == "uniswap_v4" else spender
    send(chain, trader, token, "approve(address,uint256)", via, MAX_UINT256)
    if pool.protocol == "uniswap_v4":
        most = (2**160 - 1, 2**48 - 1)
        send(chain, trader, via, "approve(address,address,uint160,uint48)", token, spender, *most)
