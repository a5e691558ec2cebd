"""An anvil process: found, started within limits, ended with us.

It listens on 127.0.0.1 (HTTP and websocket, one port) and on a Unix socket of its own. It never mines by itself on each
transaction: automine stalls under bursts and then takes all memory (docs/devchain.md, traps).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.evm.devchain.errors import DevchainError
from adapters.evm.devchain.rpc import Rpc, RpcError

CHAIN_ID = 31337
GAS_LIMIT = 60_000_000  # of a block: mainnet's of 2026
HARDFORK = "osaka"
MEMORY_BYTES = 4 << 30
HISTORY_BLOCKS = 128  # whose states can be asked for; without a bound anvil writes every older one to disk, and leaves it there
SETTINGS = (
    "--quiet", "--host", "127.0.0.1", "--chain-id", str(CHAIN_ID), "--hardfork", HARDFORK, "--gas-limit", str(GAS_LIMIT),
    "--prune-history", str(HISTORY_BLOCKS),
)  # fmt: skip
START_S = 20.0
END_S = 5.0
PORT_TRIES = 3
FOLDER = "penstock-anvil-"
MOST_BASE = 60  # characters: a Unix socket's path has at most 107
_PLATFORM = {"x86_64": "amd64", "aarch64": "arm64"}
_PACKAGE_BINARY = (
    f"node_modules/@foundry-rs/anvil-linux-{_PLATFORM.get(platform.machine(), 'amd64')}/bin/anvil"
)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def contracts_folder() -> Path:
    """The folder with node_modules: $PENSTOCK_CONTRACTS, else ./contracts."""
    return Path(os.environ.get("PENSTOCK_CONTRACTS") or "contracts").absolute()


def find_anvil(named: Path | None = None, contracts: Path | None = None) -> Path:
    """The binary: the one named, $PENSTOCK_ANVIL, that of the npm package, or on the PATH. DevchainError where there is none."""
    asked = named or os.environ.get("PENSTOCK_ANVIL")
    if asked:
        path = Path(asked).absolute()
        if not os.access(path, os.X_OK):
            raise DevchainError(
                f"{path} is no program that can be started. Name anvil with --anvil or PENSTOCK_ANVIL"
            )
        return path
    folder = contracts or contracts_folder()
    packaged = folder / _PACKAGE_BINARY
    if os.access(packaged, os.X_OK):
        return packaged
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    raise DevchainError(
        f"there is no anvil: not in {folder}/node_modules and not on the PATH. Run 'make contracts-setup' in the source "
        "checkout ('npm ci' in its folder contracts), and name that folder in PENSTOCK_CONTRACTS where you run this elsewhere"
    )


class Anvil:
    """A running anvil; `rpc` is a connection to it. Raises DevchainError where it does not come up."""

    def __init__(
        self, binary: Path, options: Sequence[str] = (), *, port: int = 0, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self.folder = _own_folder()
        self.ipc_path = self.folder / "anvil.ipc"
        self._log = self.folder / "anvil.log"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.rpc = self._start(binary, options, port, memory_bytes)
        except BaseException:  # of any kind: nothing of it stays, and it is raised
            self._end()
            raise

    def _start(self, binary: Path, options: Sequence[str], port: int, memory_bytes: int) -> Rpc:
        for _ in range(PORT_TRIES - 1):
            self.port = port or _free_port()
            self._process = self._launch(binary, options, memory_bytes)
            try:
                return self._connect()
            except DevchainError:
                if port or "Address already in use" not in self._said():
                    raise
        # Somebody was quicker with each free port so far.
        self.port = port or _free_port()
        self._process = self._launch(binary, options, memory_bytes)
        return self._connect()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process still lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process and remove its files; once is enough, twice does no harm."""
        self.rpc.close()
        self._end()

    def _launch(self, binary: Path, options: Sequence[str], memory_bytes: int) -> subprocess.Popen[bytes]:
        command = [str(binary), "--port", str(self.port), "--ipc", str(self.ipc_path), *SETTINGS, *options]
        command += ["--cache-path", str(self.folder)]
        parent = os.getpid()

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            # SIGKILL, since nothing of it is to be saved; the thread that started it counts as the parent.
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=limit,
                cwd=self.folder,
                start_new_session=True,  # a Ctrl-C is for us, who end it when we are done with it
            )

    def _connect(self) -> Rpc:
        """Wait until it answers on both its doors."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process is not None and not self.running:
                raise DevchainError(
                    f"anvil ended at its start with code {self._process.poll()}: {self._said()}"
                )
            with contextlib.suppress(OSError):
                rpc = Rpc(self.ipc_path)
                try:
                    rpc("eth_chainId")
                    with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                        return rpc
                except (OSError, RpcError):
                    rpc.close()
            time.sleep(0.002)
        raise DevchainError(f"anvil did not answer within {START_S:g} s: {self._said()}")

    def _said(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace").strip()[-1_500:] or "it said nothing"

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _own_folder() -> Path:
    """A new folder for socket, log and cache; those of processes that were killed go. Its path is short, as sockets need it."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > MOST_BASE:
        base = Path("/tmp")
    for left in base.glob(f"{FOLDER}*"):
        owner = left.name.removeprefix(FOLDER).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=base))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
