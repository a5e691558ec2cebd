"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from adapters.evm.devchain import Devchain

ROOT = Path(__file__).resolve().parent.parent
CHAIN_TIME_S = 1_800_000_000


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The recorded data beside the project: $PENSTOCK_DATA, default ../shared/data; skips where it is absent."""
    path = Path(os.environ.get("PENSTOCK_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no recorded data at {path}: set PENSTOCK_DATA")
    return path


@pytest.fixture(scope="session")
def contracts() -> Path:
    """The folder with the npm packages: $PENSTOCK_CONTRACTS, default ./contracts; skips where they are not installed."""
    path = Path(os.environ.get("PENSTOCK_CONTRACTS") or ROOT / "contracts")
    if not (path / "node_modules").is_dir():
        pytest.skip(f"no npm packages in {path}: make contracts-setup")
    return path


@pytest.fixture(scope="session")
def evm_home(contracts: Path) -> Iterator[Path]:
    """An environment in which local chains are found and kept: in build/, since a user's cache is none of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CONTRACTS", str(contracts))
        patch.setenv("PENSTOCK_CACHE", str(ROOT / "build" / "cache"))
        yield ROOT / "build" / "cache"


@pytest.fixture(scope="session")
def shared_chain(evm_home: Path) -> Iterator[Devchain]:
    """A local chain for all tests of this process, its first new block at a known time."""
    from adapters.evm.devchain import Devchain

    with Devchain(seed=7, timestamp_s=CHAIN_TIME_S) as chain:
        yield chain


@pytest.fixture
def chain(shared_chain: Devchain) -> Iterator[Devchain]:
    """The shared chain as it began, whatever a test does to it."""
    snapshot = shared_chain.snapshot()
    yield shared_chain
    shared_chain.rpc("anvil_dropAllTransactions")
    shared_chain.revert(snapshot)
