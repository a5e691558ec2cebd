"""States of chains in files: anvil's JSON, and the manifest beside it, both or none.

The manifest is written last and has the state's SHA-256, so that a torn pair is seen. Files of the cache are named by a key of
seed and everything a chain is built of.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from adapters.evm.devchain.artifacts import Artifacts
from adapters.evm.devchain.errors import DevchainError
from adapters.evm.devchain.manifest import Manifest, encode, read
from adapters.evm.devchain.rpc import Rpc

KEPT = 8  # states of the cache, 15 MB each
GZIP = 31  # zlib's window bits for a gzip header


def cache_folder() -> Path:
    """$PENSTOCK_CACHE, else penstock in $XDG_CACHE_HOME or ~/.cache; its part for chains."""
    named = os.environ.get("PENSTOCK_CACHE")
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(named) if named else (Path(home) if home else Path.home() / ".cache") / "penstock"
    return base / "devchain"


def key_for(artifacts: Artifacts, seed: int) -> str:
    """The name of a chain in the cache: its seed, and 64 bits of a hash of what it is built of."""
    return f"{seed}-{artifacts.digest[:16]}"


def manifest_path(state: Path) -> Path:
    """Beside the state: FILE.manifest.json."""
    return state.with_name(state.name + ".manifest.json")


def dump(rpc: Rpc) -> bytes:
    """The chain's state as anvil's --load-state takes it. It has the gas limit and base fee of the last block, too."""
    answer = rpc("anvil_dumpState")
    return zlib.decompress(bytes.fromhex(answer[2:]), GZIP)


def save(path: Path, state: bytes, manifest: Manifest) -> Manifest:
    """Write both files, each whole or not at all; answers the manifest with the state's hash. DevchainError where it cannot."""
    from engine.run_dir import sync_folder, write_atomically

    manifest = msgspec.structs.replace(manifest, state_sha256=hashlib.sha256(state).hexdigest())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, state)
        write_atomically(manifest_path(path), encode(manifest))
        sync_folder(path.parent)
    except OSError as error:
        raise DevchainError(
            f"{path} cannot be written: {error.strerror}. Name another file with --state"
        ) from error
    return manifest


def check(path: Path) -> Manifest:
    """The manifest of a state that is whole; DevchainError, with what is wrong, where it is not."""
    manifest = read(manifest_path(path))
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DevchainError(f"{path} cannot be read: {error.strerror}") from error
    if found != manifest.state_sha256:
        raise DevchainError(f"{path} is torn or was changed: its SHA-256 is not the one in its manifest")
    return manifest


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a state of the cache alone, also against other processes. DevchainError where there is no place for a cache."""
    lock = path.with_suffix(".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("wb")
    except OSError as error:
        raise DevchainError(
            f"{lock} cannot be written: {error.strerror}. Name another folder in PENSTOCK_CACHE"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def prune(folder: Path, keep: int = KEPT) -> None:
    """Remove the oldest states of the cache beyond so many: each change of what a chain is built of leaves one behind."""
    manifests = sorted(folder.glob("*.manifest.json"), key=lambda each: each.stat().st_mtime_ns, reverse=True)
    for manifest in manifests[keep:]:
        state = folder / manifest.name.removesuffix(".manifest.json")
        for each in (manifest, state, state.with_suffix(".lock")):
            each.unlink(missing_ok=True)
