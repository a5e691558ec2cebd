"""Runs a benchmark program in a process of its own, bounded, and takes its figures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.microbench import Row, row

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
END_S = 20.0  # for a program to end what it started
TAIL = 2_000


def peer_python(name: str) -> Path | None:
    """The interpreter of a peer's environment; None where `make peers` did not make it."""
    found = PEERS / f".venv-{name}" / "bin" / "python"
    return found if found.exists() else None


def missing(name: str, unit: str, environment: str) -> Row:
    """The row of what was not measured."""
    return row(
        name,
        unit,
        None,
        "stretch",
        note=f"not measured: there is no environment for {environment}: make peers",
    )


def run(command: list[str], timeout_s: float) -> tuple[str, str]:
    """Its output and its complaints, ending with 0 or 1 (a bar was missed); UserError where it failed or took longer."""
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True,
            preexec_fn=_heed_interrupts,
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as late:
            raise UserError(f"{Path(command[1]).name} took longer than {timeout_s:g} s") from late
        finally:
            _end(process)
        complaints.seek(0)
        said = complaints.read()
    if process.returncode not in (0, 1):
        raise UserError(
            f"{Path(command[1]).name} failed with code {process.returncode}:\n{(said or output)[-TAIL:]}"
        )
    return output, said


def _heed_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _end(process: subprocess.Popen[str]) -> None:
    """End it where it still runs: as Ctrl-C does, so that it ends what it started, then by force."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def figures(script: str, *arguments: str, timeout_s: float) -> dict[str, Any]:
    """The document that `benchmarks/SCRIPT --json FILE` writes, in our environment; UserError where there is none."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as place:
        file = Path(place) / "figures.json"
        output, said = run(
            [sys.executable, str(ROOT / "benchmarks" / script), *arguments, "--json", str(file)], timeout_s
        )
        if not file.exists():  # 1, and no figures: it fell
            raise UserError(f"{script} measured nothing:\n{(said or output)[-TAIL:]}")
        document: dict[str, Any] = json.loads(file.read_text())
    return document


def peer_figures(name: str, script: str, *arguments: str, timeout_s: float) -> dict[str, Any]:
    """What benchmarks/peers/SCRIPT tells in its last line, in the environment of the peer; UserError where it tells nothing."""
    python = peer_python(name)
    if python is None:
        raise UserError(f"no environment for {name}: make peers")
    output, said = run([str(python), str(PEERS / script), *arguments], timeout_s)
    try:
        told: dict[str, Any] = json.loads(output.strip().rpartition("\n")[2])
    except ValueError as problem:
        raise UserError(f"{script} measured nothing:\n{(said or output)[-TAIL:]}") from problem
    return told
