"""A run whose venue lists new symbols: the view's rows, `penstock listings`, and what a restart finds again."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine.console.status import Status
from engine.console.view import page
from engine.run_dir import RunDir
from tests.e2e.live_run import make_run, read_status

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

DEADLINE_S = 60.0
CONFIG = """
symbols = ["BTCUSDT"]
[run]
snapshot_interval_s = 2
[adapter.listings]
enabled = true
calendar_interval_s = 0.25
web_interval_s = 0.25
exchange_info_interval_s = 0.25
announcements_interval_s = 0.5
near_interval_s = 0.2
[risk]
price_collar_bps = 5000
max_slippage_bps = 3000
max_volatility_bps = 100000
[[strategy]]
name = "ready_state"
[strategy.params]
baseline_s = 1
watch_lead_s = 120
arm_lead_s = 120
hold_s = 1
take_profit = "scalping"
max_spread_ppm = 200000
entry_slippage_ppm = 100000
"""
# Announced at once, when the run is under way: one that opens by its schedule, one that waits to be armed and is opened
# by hand before its time, one whose opening is awaited.
AT_ONCE = {"announce_s": 0, "web_s": 0, "list_s": 0, "ready_s": 0, "api_s": 0}
COIN = {"price_decimals": 5, "size_decimals": 1, "start_price": "0.05", "typical_size": "2000", "band": "0.2"}
LISTINGS = [
    {"symbol": "NEWUSDT", "base": "NEW", "open_s": 3, "half_spread_ticks": 2, **COIN, **AT_ONCE},
    {"symbol": "EARLYUSDT", "base": "EARLY", "open_s": 100, "half_spread_ticks": 2, **COIN, **AT_ONCE},
    {"symbol": "SOONUSDT", "base": "SOON", "open_s": 500, "web_s": 0, **COIN},
]
SOURCES = {"CALENDAR", "WEB", "EXCHANGE_INFO", "ANNOUNCEMENT"}
FINAL = {"RECONCILED", "CANCELLED", "STALE"}


def penstock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=150,
    )  # fmt: skip


def facts(folder: Path, *arguments: str) -> Any:
    done = penstock(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """`penstock run` as a process: ended by SIGTERM, and in good order."""
    said = folder / "run.err"
    with said.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", "--run-dir", "run", "--no-view", "--for", "150"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=file,
        )  # fmt: skip
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(DEADLINE_S)
            finally:
                process.kill()
    assert code == 0, said.read_text()


def wait_for(place: RunDir, condition: Callable[[Status], bool], *, but_pid: int = 0) -> Status:
    """A status of which it holds, published by another core than that one."""
    status, until = None, time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        status = read_status(place)
        if status is not None and status.pid != but_pid and condition(status):
            return status
        select.select([], [], [], 0.02)
    raise AssertionError(f"nothing of the kind within {DEADLINE_S:g} s: {status and status.listings}")


def tell_venue(place: RunDir, path: str, document: dict[str, Any], method: str = "POST") -> None:
    """Ask something of the run's own venue."""
    url = f"{json.loads(place.venue_file.read_text())['rest_url']}/control/{path}"
    request = urllib.request.Request(url, json.dumps(document).encode(), method=method)
    urllib.request.urlopen(request, timeout=DEADLINE_S).close()


def states_of(status: Status) -> dict[str, str]:
    return {row.symbol: row.state for row in status.listings}


def is_over(status: Status) -> bool:
    """What opened is through, and the sources of the last one told of it."""
    rows = {row.symbol: row for row in status.listings}
    if rows.keys() != {"NEWUSDT", "EARLYUSDT", "SOONUSDT"}:
        return False
    ended = {rows["NEWUSDT"].state, rows["EARLYUSDT"].state} <= FINAL
    return ended and {"CALENDAR", "WEB", "ANNOUNCEMENT"} <= rows["SOONUSDT"].evidence.keys()


def test_listings_of_a_run(tmp_path: Path) -> None:
    place = make_run(tmp_path / "run", CONFIG)
    with running(tmp_path):
        wait_for(place, lambda status: status.health == "ok" and status.seconds > 1.5)
        for listing in LISTINGS:
            tell_venue(place, "symbols", listing)
        wait_for(place, lambda status: states_of(status).get("EARLYUSDT") == "ARMED")
        tell_venue(place, "symbols/EARLYUSDT", {"status": "trading"}, "PATCH")
        first = wait_for(place, is_over)
    assert "listings 3/3" in (tmp_path / "run.err").read_text()

    status = read_status(place)
    assert status is not None
    rows = {row.symbol: row for row in status.listings}
    assert set(rows) == {"NEWUSDT", "EARLYUSDT", "SOONUSDT"}
    assert len(rows["NEWUSDT"].evidence) >= 3
    assert {source.name.upper() for source in status.sources} >= SOURCES
    assert "sources ok" in (tmp_path / "run.err").read_text()
    console = Console(
        width=200, height=60, record=True, file=(tmp_path / "page").open("w"), force_terminal=True
    )
    console.print(page(status, "ended", status.ts_ns, 200), height=60)
    assert "NEWUSDT" in console.export_text()

    (candidate,) = facts(tmp_path, "listings", "run")
    assert candidate["symbol"] == "SOONUSDT"
    said = [row["said"] for row in facts(tmp_path, "listings", "run", "--evidence", "SOONUSDT")["evidence"]]
    (opens_ms,) = {each["open_time_ms"] for each in said if "open_time_ms" in each}
    assert candidate["open_ms"] == opens_ms
    finished = {row["symbol"]: row for row in facts(tmp_path, "listings", "run", "--history")}
    assert set(finished) == {"NEWUSDT", "EARLYUSDT"}
    for row in finished.values():
        states = [change["state"] for change in row["changes"]]
        assert "OPENING" in states
        assert states[-1] in FINAL
        assert row["result"]
    early = finished["EARLYUSDT"]
    assert [change["state"] for change in early["changes"]].count("ARMED") == 1
    assert early["entry"]["no"] > 0
    assert early["since_ms"] < early["open_ms"]
    evidence = facts(tmp_path, "listings", "run", "--evidence", "NEWUSDT")["evidence"]
    assert {row["source"] for row in evidence} >= SOURCES
    times = [row["time"] for row in evidence]
    assert times == sorted(times)
    assert penstock(tmp_path, "replay", "run").returncode == 0

    with running(tmp_path):
        wait_for(place, lambda status: states_of(status).keys() >= rows.keys(), but_pid=first.pid)


def test_a_run_whose_exits_the_gate_would_deny_does_not_begin(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG.replace("max_slippage_bps = 3000", "max_slippage_bps = 999"))
    done = penstock(tmp_path, "run", "--config", str(config), "--run-dir", "run", "--no-view", "--for", "20")
    assert done.returncode == 2
    assert "entry_slippage_ppm = 100000 lets entries reach 10 %" in done.stderr
    assert "Raise risk.max_slippage_bps to at least 1000, or lower" in done.stderr
