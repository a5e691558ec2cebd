"""The local chain: a real anvil with real protocols, funded pools and a crowd of traders (docs/devchain.md)."""

from __future__ import annotations

from adapters.evm.devchain.chain import Devchain
from adapters.evm.devchain.errors import DevchainError
from adapters.evm.devchain.manifest import Manifest, Pool, Token
from adapters.evm.devchain.rpc import Rpc, RpcError

__all__ = ["Devchain", "DevchainError", "Manifest", "Pool", "Rpc", "RpcError", "Token"]
