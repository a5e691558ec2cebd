"""What is where on a local chain: written beside its state, read by tests and programs.

Addresses have EIP-55's checksum. Amounts are integers in a token's least unit, prices in 1e-8 USD.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from adapters.evm.devchain.errors import DevchainError

FORMAT = 1
NATIVE = "0x" + "00" * 20  # ether, as Uniswap V4 names it

Protocol = Literal["uniswap_v2", "sushi_v2", "uniswap_v3", "pancake_v3", "uniswap_v4", "balancer_v2"]


class Token(msgspec.Struct, frozen=True):
    """An ERC-20; `usd_e8` is the price that all pools started around, `silent` one that returns nothing, as USDT."""

    symbol: str
    address: str
    decimals: int
    usd_e8: int
    silent: bool = False


class Pool(msgspec.Struct, frozen=True):
    """A funded pool.

    `address` is the contract that holds it: pair, pool, PoolManager, or Balancer's pool token. `pool_id` is 32 bytes in hex
    for Uniswap V4 and Balancer, else empty. `tokens` are sorted as the protocol has them, NATIVE for ether. `fee_pips` is in
    1e-6, `tick_spacing` 0 where there are no ticks, `weights_e18` Balancer's. `offset_ppm` is how far the price of the
    token `base` was set from the tokens' `usd_e8`, `depth_usd` the worth of one side.
    """

    name: str
    protocol: Protocol
    address: str
    tokens: tuple[str, ...]
    symbols: tuple[str, ...]
    fee_pips: int
    base: str
    offset_ppm: int
    depth_usd: int
    pool_id: str = ""
    tick_spacing: int = 0
    weights_e18: tuple[int, ...] = ()


class Trader(msgspec.Struct, frozen=True):
    """One of the crowd, funded and with its approvals given; `nonce` is its next."""

    address: str
    nonce: int


class Manifest(msgspec.Struct, frozen=True):
    """All of a chain. `key` is that of the cache, `state_sha256` of the state's file, `chain_time_s` its last block's."""

    format: int
    seed: int
    key: str
    chain_id: int
    block_number: int
    chain_time_s: int
    deployer: str
    contracts: dict[str, str]
    tokens: tuple[Token, ...]
    pools: tuple[Pool, ...]
    aave_reserves: tuple[str, ...]
    safe_owners: tuple[str, ...]
    safe_threshold: int
    traders: tuple[Trader, ...]
    state_sha256: str = ""

    def token(self, symbol: str) -> Token:
        """By symbol; KeyError where there is none."""
        return {each.symbol: each for each in self.tokens}[symbol]

    def pool(self, name: str) -> Pool:
        """By name, such as "uniswap_v2 WETH/USDC"; KeyError where there is none."""
        return {each.name: each for each in self.pools}[name]

    def pools_of(self, protocol: str) -> list[Pool]:
        """Those of one protocol."""
        return [each for each in self.pools if each.protocol == protocol]


def encode(manifest: Manifest) -> bytes:
    """As JSON, the same bytes for the same manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"


def read(path: Path) -> Manifest:
    """The manifest in a file; DevchainError where it is none of this version."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise DevchainError(
            f"{path} cannot be read: {error.strerror}. It belongs beside the state's file"
        ) from error
    except msgspec.DecodeError as error:
        raise DevchainError(f"{path} is no manifest of a local chain: {error}") from error
    if found.format != FORMAT:
        raise DevchainError(f"{path} has format {found.format}, this version writes {FORMAT}: build it anew")
    return found
