"""Which executor is deployed on which chain, in a file that is replaced whole and keeps its history.

JSON: {"format": 1, "chains": {CHAIN_ID: {"current": RECORD, "history": [RECORD, ...]}}}. A record is written before its
transaction is sent, as `sent`: whoever is killed in between finds the address again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from engine.errors import UserError

FORMAT = 1
DEFAULT_FILE = Path("deployments.json")


class Deployment(msgspec.Struct, frozen=True):
    """One executor: addresses with EIP-55's checksum, hashes in hex, time of sending in UTC. `block_number` is 0 until known."""

    address: str
    state: Literal["sent", "deployed", "failed"]
    chain_id: int
    transaction: str
    deployer: str
    nonce: int
    owner: str
    operator: str
    arguments: dict[str, str]
    creation_sha256: str
    sent_at: str
    block_number: int = 0
    gas_used: int = 0


class ChainDeployments(msgspec.Struct, frozen=True):
    """Of one chain: the one in use, and those before it, the oldest first."""

    current: Deployment
    history: tuple[Deployment, ...] = ()


class _File(msgspec.Struct, frozen=True):
    format: int
    chains: dict[str, ChainDeployments]


class DeploymentsError(UserError):
    """The deployments' file, or what it says, forbids what was asked."""


class Deployments:
    """The file. One writer at a time."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(os.environ.get("PENSTOCK_DEPLOYMENTS") or DEFAULT_FILE)

    def read(self) -> dict[str, ChainDeployments]:
        """By chain id; empty where there is no file. DeploymentsError where it cannot be read."""
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=_File)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise DeploymentsError(f"{self.path} cannot be read: {error.strerror}") from error
        except msgspec.DecodeError as error:
            raise DeploymentsError(
                f"{self.path} is no file of deployments: {error}. It is not written over: put it right, or name another "
                "with --deployments"
            ) from error
        if found.format != FORMAT:
            raise DeploymentsError(f"{self.path} has format {found.format}, this version knows {FORMAT}")
        return found.chains

    def current(self, chain_id: int) -> Deployment:
        """The executor of a chain; DeploymentsError where there is none."""
        found = self.read().get(str(chain_id))
        if found is None:
            raise DeploymentsError(
                f"{self.path} has no executor on chain {chain_id}: deploy one ('penstock evm deploy'), or name its "
                "address with --executor"
            )
        return found.current

    def refuse_second(self, chain_id: int, replace: bool) -> None:
        """DeploymentsError where the chain has an executor already that did not fail, unless it is to be replaced."""
        found = self.read().get(str(chain_id))
        if found is None or replace or found.current.state == "failed":
            return
        known = found.current
        if known.state == "sent":
            raise DeploymentsError(
                f"what became of the deployment {known.transaction} on chain {chain_id} is not known: ask 'penstock evm "
                "executor-info', and give --replace only if it never was mined"
            )
        raise DeploymentsError(
            f"chain {chain_id} has an executor already, {known.address}. Give --replace to deploy another; this one is "
            "kept in the history, and what it holds stays in it"
        )

    def add(self, new: Deployment) -> None:
        """Make it the chain's current one; the one before goes to the history."""
        chains = self.read()
        known = chains.get(str(new.chain_id))
        history = () if known is None else (*known.history, known.current)
        self._write(chains | {str(new.chain_id): ChainDeployments(new, history)})

    def update(self, now: Deployment) -> None:
        """Say what became of the current one."""
        chains = self.read()
        known = chains[str(now.chain_id)]
        self._write(chains | {str(now.chain_id): ChainDeployments(now, known.history)})

    def _write(self, chains: dict[str, ChainDeployments]) -> None:
        from engine.run_dir import sync_folder, write_atomically

        content = msgspec.json.format(msgspec.json.encode(_File(FORMAT, chains))) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, content)
            sync_folder(self.path.parent)
        except OSError as error:
            raise DeploymentsError(
                f"{self.path} cannot be written: {error.strerror}. Nothing was sent"
            ) from error
