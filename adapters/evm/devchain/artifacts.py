"""The protocols' own bytecode, from npm packages, and ours, compiled with npm's solc.

Artifacts are of Truffle, Hardhat and Foundry: `bytecode` (Balancer: `creationCode`) is hex with or
without 0x, or {"object": hex}. Creation code is what counts: the runtime code in an artifact lacks its immutables.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.evm.devchain.errors import DevchainError

HERE = Path(__file__).resolve().parent
SOLC_S = 120
FILES = {
    "UniswapV2Factory": "@uniswap/v2-core/build/UniswapV2Factory.json",
    "UniswapV2Pair": "@uniswap/v2-core/build/UniswapV2Pair.json",
    "UniswapV2Router02": "@uniswap/v2-periphery/build/UniswapV2Router02.json",
    "WETH9": "@uniswap/v2-periphery/build/WETH9.json",
    "Authorizer": "@balancer-labs/v2-deployments/dist/tasks/20210418-authorizer/artifact/Authorizer.json",
    "Vault": "@balancer-labs/v2-deployments/dist/tasks/20210418-vault/artifact/Vault.json",
    "WeightedPoolFactory": "@balancer-labs/v2-deployments/dist/tasks/20210418-weighted-pool/bytecode/"
    "WeightedPoolFactory.json",
}
# By the folder that has their NAME.sol/NAME.json.
FOLDERS = {
    "@uniswap/v3-core/artifacts/contracts": ("UniswapV3Factory", "UniswapV3Pool"),
    "@uniswap/v3-periphery/artifacts/contracts": ("NonfungiblePositionManager", "SwapRouter"),
    "@uniswap/v3-periphery/artifacts/contracts/lens": ("QuoterV2", "TickLens"),
    "@uniswap/swap-router-contracts/artifacts/contracts": ("SwapRouter02",),
    "@uniswap/universal-router/artifacts/contracts": ("UniversalRouter",),
    "@uniswap/v4-core/out": ("PoolManager",),
    "@uniswap/v4-periphery/foundry-out": ("PositionManager", "V4Quoter", "StateView"),
    "@pancakeswap/v3-core/artifacts/contracts": ("PancakeV3Factory", "PancakeV3Pool"),
    "@safe-global/safe-contracts/build/artifacts/contracts": ("Safe",),
    "@safe-global/safe-contracts/build/artifacts/contracts/proxies": ("SafeProxyFactory",),
    "@safe-global/safe-contracts/build/artifacts/contracts/handler": ("CompatibilityFallbackHandler",),
    "@safe-global/safe-contracts/build/artifacts/contracts/libraries": ("MultiSend", "MultiSendCallOnly"),
    "@aave/core-v3/artifacts/contracts/protocol/configuration": ("PoolAddressesProvider", "ACLManager"),
    "@aave/core-v3/artifacts/contracts/protocol/pool": (
        "Pool", "PoolConfigurator", "DefaultReserveInterestRateStrategy",
    ),
    "@aave/core-v3/artifacts/contracts/protocol/tokenization": ("AToken", "StableDebtToken", "VariableDebtToken"),
    "@aave/core-v3/artifacts/contracts/protocol/libraries/logic": (
        "SupplyLogic", "BorrowLogic", "LiquidationLogic", "EModeLogic", "BridgeLogic", "FlashLoanLogic", "PoolLogic",
        "ConfiguratorLogic",
    ),
    "@aave/core-v3/artifacts/contracts/misc": ("AaveOracle", "AaveProtocolDataProvider"),
    "@aave/core-v3/artifacts/contracts/mocks/oracle/CLAggregators": ("MockAggregator",),
}  # fmt: skip
FILES |= {name: f"{folder}/{name}.sol/{name}.json" for folder, names in FOLDERS.items() for name in names}
PUSH32 = b"\x7f"
# Permit2's DOMAIN_SEPARATOR on mainnet (EIP-712: its name, chain id 1, its address).
PERMIT2_SEPARATOR = bytes.fromhex("866a5aba21966af95d6c7ab78eb2b2fc913915c28be3b9aa07cc04ff903e3f28")
PERMIT2_SOURCE = "@uniswap/v4-periphery/lib/permit2/test/utils/DeployPermit2.sol"


class Artifacts:
    """What lies in a folder with node_modules. Raises DevchainError where something is not there."""

    def __init__(self, contracts: Path) -> None:
        self.modules = contracts / "node_modules"
        self._documents: dict[str, dict[str, Any]] = {}

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of all that a chain is built of: artifacts, our sources, and the code that deploys them."""
        summed = hashlib.sha256()
        for name in sorted([*FILES.values(), PERMIT2_SOURCE]):
            summed.update(hashlib.sha256(self._read(self.modules / name)).digest())
        for path in sorted(HERE.glob("*")):
            if path.suffix in (".py", ".sol", ".hex"):
                summed.update(hashlib.sha256(path.read_bytes()).digest())
        return summed.hexdigest()

    def creation(self, name: str, links: dict[str, str] | None = None) -> bytes:
        """A contract's creation code, without constructor arguments; `links` are libraries' addresses by name."""
        document = self._document(name)
        code = document.get("bytecode") or document["creationCode"]
        text = code["object"] if isinstance(code, dict) else code
        text = text.removeprefix("0x")
        for libraries in document.get("linkReferences", {}).values():
            for library, places in libraries.items():
                address = (links or {})[library].removeprefix("0x").lower()
                for place in places:
                    at = 2 * place["start"]
                    text = text[:at] + address + text[at + 2 * place["length"] :]
        return bytes.fromhex(text)

    @cached_property
    def permit2(self) -> bytes:
        """Permit2's runtime code as it is deployed on mainnet.

        It is the hex literal of Uniswap's own test helper, which was recorded on chain 31337 at another address, with that
        chain's domain separator kept in it: signatures for Permit2 would be refused there. Mainnet's are put in its place.
        """
        source = self._read(self.modules / PERMIT2_SOURCE).decode()
        literals = [part.partition('"')[0] for part in source.split('hex"')[1:]]
        code = bytes.fromhex(max(literals, key=len))
        chain, _, rest = code.partition(PUSH32 + (31337).to_bytes(32))
        separator = rest.index(PUSH32) + 1
        kept = rest[:separator] + PERMIT2_SEPARATOR + rest[separator + 32 :]
        return chain + PUSH32 + (1).to_bytes(32) + kept

    @cached_property
    def multicall3(self) -> bytes:
        """Multicall3's runtime code as it is deployed on mainnet (MIT licence, mds1/multicall)."""
        return bytes.fromhex((HERE / "multicall3.hex").read_text().strip())

    @cached_property
    def ours(self) -> dict[str, bytes]:
        """Creation code of what fixtures.sol has, by name."""
        return compile_source(HERE / "fixtures.sol", self.modules / "solc")

    def _document(self, name: str) -> dict[str, Any]:
        if name not in self._documents:
            self._documents[name] = json.loads(self._read(self.modules / FILES[name]))
        return self._documents[name]

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise DevchainError(
                f"the protocols' bytecode is not there: {path}: {error.strerror}. Run 'make contracts-setup' in the source "
                "checkout, and name its folder contracts in PENSTOCK_CONTRACTS where you run this elsewhere"
            ) from error


_COMPILE = (
    "const solc = require(process.argv[1]); "
    "process.stdout.write(solc.compile(require('fs').readFileSync(0, 'utf8')))"
)


def compile_source(source: Path, solc: Path) -> dict[str, bytes]:
    """Creation code by contract, compiled by npm's solc in Node; DevchainError where that fails."""
    node = shutil.which("node")
    if node is None:
        raise DevchainError(
            "there is no node on the PATH: it runs the Solidity compiler. Install Node.js 18 or later"
        )
    settings = {
        "optimizer": {"enabled": True, "runs": 1_000},
        "evmVersion": "cancun",
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
    }
    request = {
        "language": "Solidity",
        "sources": {source.name: {"content": source.read_text()}},
        "settings": settings,
    }
    try:
        done = subprocess.run(
            [node, "-e", _COMPILE, str(solc)], input=json.dumps(request), capture_output=True, text=True,
            timeout=SOLC_S, check=True,
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise DevchainError(f"the Solidity compiler failed: {error.stderr.strip()[-500:]}") from error
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise DevchainError(f"the Solidity compiler failed: {error}") from error
    wrong = [each["formattedMessage"] for each in answer.get("errors", []) if each["severity"] == "error"]
    if wrong:
        raise DevchainError(f"{source.name} does not compile:\n{wrong[0]}")
    return {
        name: bytes.fromhex(each["evm"]["bytecode"]["object"])
        for name, each in answer["contracts"][source.name].items()
    }
