"""A swap of an exact input through the router of its pool's protocol, as the call that a trader signs."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.evm.devchain.abi import MAX_UINT256, ZERO_ADDRESS, call_data, encode_as
from adapters.evm.devchain.manifest import NATIVE, Manifest, Pool

V2_SWAP = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
V3_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
PANCAKE_SWAP = "exactInputSingle(address,address,uint24,uint256,uint256)"
BALANCER_SWAP = (
    "swap((bytes32,uint8,address,address,uint256,bytes),(address,bool,address,bool),uint256,uint256)"
)
GIVEN_IN = 0  # Balancer's SwapKind
V4_COMMAND = 0x10  # universal-router, Commands.sol: V4_SWAP
V4_ACTIONS = bytes(
    [0x06, 0x0C, 0x0F]
)  # v4-periphery, Actions.sol: SWAP_EXACT_IN_SINGLE, SETTLE_ALL, TAKE_ALL
V4_SINGLE = "((address,address,uint24,int24,address),bool,uint128,uint128,bytes)"
# More than a swap of one hop of each protocol ever took here, with tokens that are cold.
GAS = {
    "uniswap_v2": 180_000,
    "sushi_v2": 180_000,
    "uniswap_v3": 300_000,
    "pancake_v3": 300_000,
    "uniswap_v4": 350_000,
    "balancer_v2": 250_000,
}


@dataclass(frozen=True)
class Swap:
    """A call: `value` in wei, `gas` a limit that is enough."""

    to: str
    data: bytes
    value: int
    gas: int


def swap(
    manifest: Manifest,
    pool: Pool,
    token_in: str,
    token_out: str,
    amount_in: int,
    min_out: int,
    trader: str,
) -> Swap:
    """Sell `amount_in` for at least `min_out`, in least units, from and to the trader; ether is NATIVE, and only of V4 pools."""
    contracts = manifest.contracts
    to, value = contracts.get(f"{pool.protocol}_router", ""), 0
    if pool.protocol in ("uniswap_v2", "sushi_v2"):
        data = call_data(V2_SWAP, amount_in, min_out, (token_in, token_out), trader, MAX_UINT256)
    elif pool.protocol == "uniswap_v3":
        order = (token_in, token_out, pool.fee_pips, trader, MAX_UINT256, amount_in, min_out, 0)
        data = call_data(V3_SWAP, order)
    elif pool.protocol == "pancake_v3":
        data = call_data(PANCAKE_SWAP, token_in, token_out, pool.fee_pips, amount_in, min_out)
    elif pool.protocol == "balancer_v2":
        to = contracts["balancer_v2_vault"]
        single = (bytes.fromhex(pool.pool_id[2:]), GIVEN_IN, token_in, token_out, amount_in, b"")
        data = call_data(BALANCER_SWAP, single, (trader, False, trader, False), min_out, MAX_UINT256)
    else:
        to = contracts["universal_router"]
        value = amount_in if token_in == NATIVE else 0
        data = call_data(
            "execute(bytes,bytes[],uint256)",
            bytes([V4_COMMAND]),
            [_v4_input(pool, token_in, token_out, amount_in, min_out)],
            MAX_UINT256,
        )
    return Swap(to, data, value, GAS[pool.protocol])


def pool_key(pool: Pool) -> tuple[str, str, int, int, str]:
    """The PoolKey of a V4 pool: currencies, fee, tick spacing, no hooks."""
    return pool.tokens[0], pool.tokens[1], pool.fee_pips, pool.tick_spacing, ZERO_ADDRESS


def _v4_input(pool: Pool, token_in: str, token_out: str, amount_in: int, min_out: int) -> bytes:
    single = (pool_key(pool), token_in == pool.tokens[0], amount_in, min_out, b"")
    parameters = [
        encode_as(V4_SINGLE, single),
        encode_as("address,uint256", token_in, amount_in),
        encode_as("address,uint256", token_out, min_out),
    ]
    return encode_as("bytes,bytes[]", V4_ACTIONS, parameters)
