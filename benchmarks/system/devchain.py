"""How long the local chain takes: the command until it listens, start from a kept state, build from nothing, dump and load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.evm.devchain import Devchain
from adapters.evm.devchain import state as states
from adapters.evm.devchain.anvil import Anvil, contracts_folder, find_anvil
from engine.microbench import Row, percentile, row, spread
from engine.microbench import folder as source

SEED = 1
ROUNDS, BUILDS = 15, 5
LISTENING_BAR_MS = 1_000.0
END_S = 90.0  # its state is written to a disk that may stand still


@contextmanager
def surroundings() -> Iterator[None]:
    """The checkout's npm packages, and a cache of its own on the temporary directory's disk."""
    before = dict(os.environ)
    os.environ.setdefault("PENSTOCK_CONTRACTS", str(source().parents[1] / "contracts"))
    with tempfile.TemporaryDirectory(prefix="penstock-devchain-") as cache:
        os.environ["PENSTOCK_CACHE"] = cache
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def timed(step: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    began_ns = time.perf_counter_ns()
    step()
    return (time.perf_counter_ns() - began_ns) / 1e6


def until_it_listens() -> float:
    """Milliseconds from the start of the command, Python's own included, to the line that says where it listens."""
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "evm",
        "devchain",
        "--seed",
        str(SEED),
        "--port",
        "0",
        "--json",
    ]
    began_ns = time.perf_counter_ns()
    process = subprocess.Popen([*command, "--die-with-parent"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        taken_ms = (time.perf_counter_ns() - began_ns) / 1e6
        assert not json.loads(line)["built"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(END_S)
    return taken_ms


def build_times(count: int) -> list[float]:
    """Milliseconds until a chain listens for which no state was kept: compiled, deployed, funded, dumped, written, loaded."""

    def build() -> None:
        with Devchain(SEED, rebuild=True):
            pass

    return [timed(build) for _ in range(count)]


def start_times(count: int) -> list[float]:
    """Milliseconds of `start()` in a running process: state checked, anvil started and loaded."""
    found = []
    for _ in range(count):
        chain = Devchain(SEED)
        try:
            found.append(timed(chain.start))
        finally:
            chain.stop()
    return found


def dump_and_load_times(count: int) -> tuple[list[float], list[float], int]:
    """Milliseconds of a dump, file written and synced, and of `anvil_loadState` into an empty anvil; the state's bytes."""
    dumps, loads = [], []
    with tempfile.TemporaryDirectory(prefix="penstock-devchain-") as folder, Devchain(SEED) as chain:
        file = Path(folder) / "state.json"
        for _ in range(count):
            dumps.append(timed(lambda: chain.dump_state(file)))
        state, size = "0x" + gzipped(states.dump(chain.rpc)).hex(), file.stat().st_size
        binary = find_anvil(contracts=contracts_folder())
        for _ in range(count):
            empty = Anvil(binary, ["--no-mining"])
            try:
                loads.append(timed(lambda: empty.rpc("anvil_loadState", state)))  # noqa: B023 - called at once
            finally:
                empty.stop()
    return dumps, loads, size


def gzipped(content: bytes) -> bytes:
    """As anvil takes a state over RPC."""
    packer = zlib.compressobj(6, zlib.DEFLATED, states.GZIP)
    return packer.compress(content) + packer.flush()


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    rounds, builds = (2, 1) if quick else (ROUNDS, BUILDS)
    with surroundings():
        built = build_times(builds)
        commands = [until_it_listens() for _ in range(rounds)]
        starts = start_times(rounds)
        dumps, loads, size = dump_and_load_times(rounds)
    mega = f"{size / 1e6:.1f} MB"

    def told(name: str, samples: list[float], note: str, bar: float | None = None) -> Row:
        kind = "stretch" if bar is None else "must"
        value = percentile(samples, 0.5)
        return row(name, "ms", value, kind, bar=bar, samples=samples, note=f"{note}; {spread(samples)} ms")

    return [
        told("devchain_command", commands, "process started until it listens, state kept", LISTENING_BAR_MS),
        told("devchain_start", starts, f"Devchain.start(), a state of {mega} kept"),
        told("devchain_build", built, "no state kept: everything compiled, deployed and funded"),
        told("devchain_dump", dumps, f"{mega} dumped, written and synced"),
        told("devchain_load", loads, "anvil_loadState into an empty anvil"),
    ]
