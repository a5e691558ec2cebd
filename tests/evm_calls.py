"""Calls and transactions of tests on a local chain."""

from __future__ import annotations

from typing import Any

from adapters.evm.devchain import Devchain
from adapters.evm.devchain.abi import MAX_UINT256, call_data, decode_as
from adapters.evm.devchain.manifest import NATIVE, Pool
from adapters.evm.devchain.swaps import swap

GAS = 3_000_000


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


def approve(chain: Devchain, pool: Pool, token: str, spender: str, trader: str) -> None:
    """Let a router take a token; that of V4 through Permit2."""
    via = chain.manifest.contracts["permit2"] if pool.protocol == "uniswap_v4" else spender
    send(chain, trader, token, "approve(address,uint256)", via, MAX_UINT256)
    if pool.protocol == "uniswap_v4":
        most = (2**160 - 1, 2**48 - 1)
        send(chain, trader, via, "approve(address,address,uint160,uint48)", token, spender, *most)
