"""An anvil process: found, started within limits, ended with us.

It listens on 127.0.0.1 (HTTP and websocket, one port) and on a Unix socket of its own. It never mines by itself on each
transaction: automine stalls under bursts and then takes all memory (docs/devchain.md, traps).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
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
START_S = 20.0
END_S = 5.0
PORT_TRIES = 3
_PACKAGE_BINARY = Path("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
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
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-anvil-"))
        self.ipc_path = self.folder / "anvil.ipc"
        self._log = self.folder / "anvil.log"
        try:
            for left in range(PORT_TRIES, 0, -1):
                self.port = port or _free_port()
                self._process = self._launch(binary, options, memory_bytes)
                try:
                    self.rpc = self._connect()
                    return
                except DevchainError:
                    self._end()
                    taken = port == 0 and "Address already in use" in self._said()
                    if not taken or left == 1:  # somebody was quicker with our free port: take another
                        raise
        except BaseException:  # of any kind: its files go, and it is raised
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process still lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and remove its files; once is enough, twice does no harm."""
        self.rpc.close()
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _launch(self, binary: Path, options: Sequence[str], memory_bytes: int) -> subprocess.Popen[bytes]:
        command = [
            str(binary),
            "--quiet",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--ipc",
            str(self.ipc_path),
        ]
        command += [
            "--chain-id",
            str(CHAIN_ID),
            "--hardfork",
            HARDFORK,
            "--gas-limit",
            str(GAS_LIMIT),
            *options,
        ]
        parent = os.getpid()

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            # SIGKILL, since nothing of it is to be saved; the thread that started it counts as the parent.
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        with self._log.open("wb") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=limit, cwd=self.folder
            )

    def _connect(self) -> Rpc:
        """Wait until it answers on both its doors."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if not self.running:
                raise DevchainError(
                    f"anvil ended at its start with code {self._process.returncode}: {self._said()}"
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
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
