"""`Devchain`: a real anvil with real protocols, as a context manager.

with Devchain(seed=7) as chain:
    chain.rpc("eth_blockNumber")
    chain.manifest.pool("uniswap_v2 WETH/USDC").address
    chain.mine()
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import msgspec

from adapters.evm.devchain import state as states
from adapters.evm.devchain.accounts import ACCOUNTS, Account
from adapters.evm.devchain.anvil import MEMORY_BYTES, Anvil, contracts_folder, find_anvil
from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.errors import DevchainError
from adapters.evm.devchain.manifest import Manifest
from adapters.evm.devchain.rpc import Rpc, RpcError

DEFAULT_SEED = 1
KEEP_BLOCKS = 1_000
MINE_ALL_BLOCKS = 64


class Devchain:
    """A local chain. Started from a kept state where there is one, else built and kept; the same seed makes the same chain.

    The seed is 1, or that of the `state`, where it is not given; `state` is a file of the user's own instead of the cache's.
    `block_time_s` mines that often; None leaves it to `mine()`. `timestamp_s` is the time of the first new block, None the
    time of the day. `port` 0 takes a free one. Transactions and logs of blocks older than `keep_blocks`, and states of
    those older than 128, are forgotten, so that memory is bounded. What is worth telling goes to `tell`. Raises
    DevchainError where it cannot be had. Used by one thread at a time; anvil is killed when the thread that started it ends.
    """

    accounts: tuple[Account, ...] = ACCOUNTS

    def __init__(
        self,
        seed: int | None = None,
        *,
        state: Path | None = None,
        port: int = 0,
        block_time_s: float | None = None,
        timestamp_s: int | None = None,
        anvil: Path | None = None,
        contracts: Path | None = None,
        keep_blocks: int = KEEP_BLOCKS,
        memory_bytes: int = MEMORY_BYTES,
        rebuild: bool = False,
        tell: TextIO | None = None,
    ) -> None:
        if seed is not None and seed < 0:
            raise DevchainError(f"the seed {seed} is negative: it is 0 or more")
        if block_time_s is not None and block_time_s <= 0:
            raise DevchainError(
                f"a block time of {block_time_s:g} s makes no blocks: it is above 0, or none at all"
            )
        self._asked_seed = seed
        self._own_state = state
        self._port = port
        self._options = ["--no-mining"] if block_time_s is None else ["--block-time", f"{block_time_s:g}"]
        self._options += ["--transaction-block-keeper", str(keep_blocks)]
        self._options += [] if timestamp_s is None else ["--timestamp", str(timestamp_s)]
        self._timestamp_s = timestamp_s
        self._binary = anvil
        self._contracts = contracts or contracts_folder()
        self._memory_bytes = memory_bytes
        self._rebuild = rebuild
        self._tell = sys.stderr if tell is None else tell
        self._anvil: Anvil | None = None
        self._manifest: Manifest | None = None
        self._state_path: Path | None = None
        self.built = False
        self.started_in_s = 0.0

    def __enter__(self) -> Devchain:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, from a kept state or one that is built now; `started_in_s` is how long that took, building left out."""
        if self._anvil is not None:
            raise DevchainError("the chain runs already: stop it first")
        binary = find_anvil(self._binary, self._contracts)
        path, manifest = self._ready_state(binary)
        began_s = time.monotonic()
        options = [*self._options, "--load-state", str(path.absolute())]
        self._anvil = Anvil(binary, options, port=self._port, memory_bytes=self._memory_bytes)
        self._manifest, self._state_path = manifest, path
        try:
            found = int(self.rpc("eth_blockNumber"), 16)
            if found < manifest.block_number:
                raise DevchainError(
                    f"anvil did not take the state {path}: block {found}, not {manifest.block_number}"
                )
        except BaseException:  # of any kind: anvil ends, and it is raised
            self.stop()
            raise
        self.started_in_s = time.monotonic() - began_s

    def stop(self) -> None:
        """End anvil; what was not dumped is gone. Once is enough, twice does no harm."""
        if self._anvil is not None:
            self._anvil.stop()
            self._anvil = None

    @property
    def seed(self) -> int:
        """That of the chain that was started, else the one asked for."""
        if self._manifest is not None:
            return self._manifest.seed
        return DEFAULT_SEED if self._asked_seed is None else self._asked_seed

    @property
    def manifest(self) -> Manifest:
        """What is where, as of the state that was loaded."""
        if self._manifest is None:
            raise DevchainError("the chain was not started yet")
        return self._manifest

    @property
    def state_path(self) -> Path:
        """The state that was loaded."""
        if self._state_path is None:
            raise DevchainError("the chain was not started yet")
        return self._state_path

    @property
    def manifest_path(self) -> Path:
        """The manifest's file, beside the state."""
        return states.manifest_path(self.state_path)

    @property
    def rpc(self) -> Rpc:
        """Raw JSON-RPC over anvil's Unix socket: `rpc(method, *params)`."""
        return self._running.rpc

    @property
    def pid(self) -> int:
        """Of the anvil."""
        return self._running.pid

    @property
    def http_url(self) -> str:
        """Where it listens, on the loopback alone."""
        return f"http://127.0.0.1:{self._running.port}"

    @property
    def ws_url(self) -> str:
        """The same port takes websockets."""
        return f"ws://127.0.0.1:{self._running.port}"

    @property
    def ipc_path(self) -> Path:
        """The Unix socket."""
        return self._running.ipc_path

    @property
    def running(self) -> bool:
        """Whether anvil is there."""
        return self._anvil is not None and self._anvil.running

    def mine(self, blocks: int = 1) -> int:
        """Mine so many blocks, one after the other; the number of the last."""
        for _ in range(blocks):
            self.rpc("evm_mine")
        return int(self.rpc("eth_blockNumber"), 16)

    def mine_all(self) -> int:
        """Mine until nothing that could be mined is pending (one `evm_mine` may take a part only); the last block's number."""
        for _ in range(MINE_ALL_BLOCKS):
            number = self.mine()
            if int(self.rpc("txpool_status")["pending"], 16) == 0:
                return number
        raise DevchainError(f"transactions are still pending after {MINE_ALL_BLOCKS} blocks")

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """What a call would return at the latest block; RpcError where it reverts."""
        request = {"to": to, "data": "0x" + data.hex()} | ({} if sender is None else {"from": sender})
        return bytes.fromhex(self.rpc("eth_call", request, "latest")[2:])

    def snapshot(self) -> str:
        """Remember the chain as it is; the id for `revert`."""
        return str(self.rpc("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Go back to a snapshot, which is used up by it, as are those after it. DevchainError where there is none of that id.

        anvil would go on from the time of the snapshot's last block: its clock is set as it was at the start.
        """
        if not self.rpc("evm_revert", snapshot):
            raise DevchainError(f"there is no snapshot {snapshot}: one that was reverted to is used up")
        block_s = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.rpc(
            "anvil_setTime",
            max(block_s, int(time.time()) if self._timestamp_s is None else self._timestamp_s),
        )

    def dump_state(self, path: Path) -> Manifest:
        """Write the chain as it is now to a file, its manifest beside it: `Devchain(state=path)` starts from there."""
        dumped = states.dump(self.rpc)
        block: dict[str, Any] = self.rpc("eth_getBlockByNumber", "latest", False)
        now = msgspec.structs.replace(
            self.manifest, block_number=int(block["number"], 16), chain_time_s=int(block["timestamp"], 16)
        )
        return states.save(path, dumped, now)

    @property
    def _running(self) -> Anvil:
        if self._anvil is None:
            raise DevchainError("the chain does not run: start it, or use it in a 'with' block")
        return self._anvil

    def _ready_state(self, binary: Path) -> tuple[Path, Manifest]:
        """The state to start from, built where it is not there; of the cache, also where it is damaged."""
        if self._own_state is not None and not self._rebuild and self._own_state.exists():
            return self._own_state, self._of_the_user(self._own_state)
        artifacts = Artifacts(self._contracts)
        key = states.key_for(artifacts, self.seed)
        if self._own_state is not None:
            return self._own_state, self._build(binary, artifacts, key, self._own_state)
        path = states.cache_folder() / f"{key}.json"
        with states.locked(path):  # one builds, others of the same chain wait and find it
            if not self._rebuild and states.manifest_path(path).exists():
                try:
                    return path, states.check(path)
                except DevchainError as error:
                    self._tell.write(f"penstock: {error}; it is built anew\n")
            manifest = self._build(binary, artifacts, key, path)
            states.prune(path.parent)
            return path, manifest

    def _of_the_user(self, path: Path) -> Manifest:
        remedy = f"Remove {path} to have the chain built anew, or name another file"
        try:
            manifest = states.check(path)
        except DevchainError as error:
            raise DevchainError(f"{error}. {remedy}") from error
        if self._asked_seed not in (None, manifest.seed):
            raise DevchainError(
                f"{path} is a chain of seed {manifest.seed}, not {self._asked_seed}. {remedy}"
            )
        return manifest

    def _build(self, binary: Path, artifacts: Artifacts, key: str, path: Path) -> Manifest:
        """Build the chain on an anvil of its own, and keep its state."""
        from adapters.evm.devchain.construct import anvil_options, construct

        self.built = True
        self._tell.write(
            f"penstock: no state of seed {self.seed} is kept: building the chain takes some seconds\n"
        )
        builder = Anvil(binary, anvil_options(), memory_bytes=self._memory_bytes)
        try:
            manifest = construct(builder.rpc, artifacts, self.seed)
            return states.save(path, states.dump(builder.rpc), msgspec.structs.replace(manifest, key=key))
        except (RpcError, OSError) as error:
            raise DevchainError(
                f"the chain cannot be built with {binary}: {error}. Is it the anvil of contracts/?"
            ) from error
        finally:
            builder.stop()
