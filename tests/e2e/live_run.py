"""A venue and a core as real processes, for tests that kill, starve and compare them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from engine import run_dir
from engine.config import parse
from engine.console.status import Status, decode
from engine.console.status_page import StatusPage
from engine.core.engine import Engine
from engine.journal.records import JOURNAL_STEM, read_log
from engine.run_dir import RunDir

API_KEY, API_SECRET = "mx0e2e", "e2e-secret"
KEY_ENV, SECRET_ENV = "PENSTOCK_E2E_KEY", "PENSTOCK_E2E_SECRET"
DEADLINE_S = 20.0


class VenueProcess:
    """The local venue on its own, ended with the test."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        symbols: str = "BTCUSDT,ETHUSDT",
        seed: int = 7,
        settings: str = "",
    ) -> None:
        file = folder / "venue.toml"
        file.write_text(f'{settings}\n[[accounts]]\napi_key = "{API_KEY}"\nsecret = "{API_SECRET}"\n')
        command = [
            sys.executable, "-m", "adapters.mexc.venue", "--json", "--die-with-parent", "--config", str(file),
            "--symbols", symbols, "--seed", str(seed), *arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder)
        assert self._process.stdout is not None
        self.cores: list[CoreProcess] = []
        self.facts: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.rest_url = str(self.facts["rest_url"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for core in self.cores:
            if core.process.poll() is None:
                core.kill()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(DEADLINE_S)

    def core(self, place: RunDir, seconds: float | None = None) -> CoreProcess:
        """Start a core against this venue; it never outlives it."""
        self.cores.append(CoreProcess(place, seconds))
        return self.cores[-1]

    def control(self, path: str, document: Any = None) -> Any:
        """An answer of the venue's control endpoints."""
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(f"{self.rest_url}/control/{path}", data, timeout=DEADLINE_S) as answer:
            return json.loads(answer.read())

    def clear(self, fault: str) -> None:
        """End one fault."""
        request = urllib.request.Request(f"{self.rest_url}/control/faults?name={fault}", method="DELETE")
        urllib.request.urlopen(request, timeout=DEADLINE_S).close()


def config_text(
    venue: VenueProcess, extra: str = "", symbols: str = '"BTCUSDT", "ETHUSDT"', requote_ms: int = 20
) -> str:
    """A config that trades eagerly against a venue process."""
    return f"""
symbols = [{symbols}]
[run]
snapshot_interval_s = 1
journal_segment_mb = 1
[adapter]
rest_url = "{venue.rest_url}"
ws_url = "{venue.facts["ws_url"]}"
api_key_env = "{KEY_ENV}"
api_secret_env = "{SECRET_ENV}"
[venue]
embedded = false
[[strategy]]
name = "market_maker"
params = {{ requote_ms = {requote_ms}, tolerance_ticks = 0, half_spread_ppm = 100 }}
{extra}
"""


class CoreProcess:
    """One session of a run: `python -m engine.daemon`, in its own process."""

    def __init__(self, place: RunDir, seconds: float | None = None) -> None:
        environment = {**os.environ, KEY_ENV: API_KEY, SECRET_ENV: API_SECRET}
        arguments = ["--run-dir", str(place.path), "--config", str(place.config_file)]
        if seconds is not None:
            arguments += ["--for", str(seconds)]
        self.place = place
        self._log = (place.path / "core.out").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.daemon", *arguments],
            env=environment, stdout=self._log, stderr=subprocess.STDOUT, cwd=place.path,
        )  # fmt: skip

    def kill(self) -> None:
        """SIGKILL: nothing is told, nothing is finished."""
        self.process.kill()
        self.process.wait()
        self._log.close()

    def end(self) -> int:
        """SIGTERM, and wait for the orderly end."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = 60.0) -> int:
        """Wait for the end by itself; answers the exit code."""
        code = self.process.wait(timeout_s)
        self._log.close()
        return code

    def output(self) -> str:
        """What it said so far."""
        return (self.place.path / "core.out").read_text()

    def wait_until(self, condition: Any, deadline_s: float = DEADLINE_S) -> Status:
        """Wait for a status that this very process published; the deadline fails the test with what it said."""
        until = time.monotonic() + deadline_s
        while time.monotonic() < until:
            assert self.process.poll() is None, self.output()
            status = read_status(self.place)
            if status is not None and status.pid == self.process.pid and condition(status):
                return status
            select.select([], [], [], 0.005)
        raise AssertionError(f"nothing of the kind within {deadline_s:g} s:\n{self.output()}")


def read_status(place: RunDir) -> Status | None:
    """The newest status of a run, None while there is none."""
    try:
        page = StatusPage.open(place.path)
    except (FileNotFoundError, ValueError):
        return None
    try:
        payload = page.read()
        return None if payload is None else decode(payload)
    finally:
        page.close()


def money(text: str) -> int:
    """A decimal amount as units of 10^-20."""
    whole, _, part = text.partition(".")
    return int(whole + part.ljust(20, "0"))


def folded(place: RunDir) -> Engine:
    """A core that knows nothing but the journal, from its first record on."""
    core = Engine()
    for record in read_log(place.journal, JOURNAL_STEM):
        if not record.is_note:
            core.apply_bytes(record.raw)
    return core


def check_balances(place: RunDir, held: dict[str, Any]) -> None:
    """What the journal adds up to is what the venue holds, to the last unit."""
    for asset, (total, reserved) in folded(place).balances().items():
        if asset in held:
            assert reserved == 0, asset
            assert total == money(held[asset]["free"]) + money(held[asset]["locked"]), asset


def make_run(folder: Path, text: str) -> RunDir:
    """A run directory with this config."""
    place = run_dir.create_at(folder)
    place.write_config(parse(text))
    return place
