"""A run whose venue lists new symbols: the view's rows, `penstock listings`, and what a restart finds again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from engine import run_dir
from engine.console.view import page
from tests.e2e.live_run import read_status

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

# Two listings: one whose opening is awaited, one that opens within the run.
CONFIG = """
symbols = ["BTCUSDT"]
[run]
snapshot_interval_s = 2
[adapter.listings]
enabled = true
calendar_interval_s = 0.5
web_interval_s = 0.5
exchange_info_interval_s = 0.5
announcements_interval_s = 1.0
near_interval_s = 0.2
[risk]
price_collar_bps = 5000
max_slippage_bps = 3000
max_volatility_bps = 100000
[[venue.options.listings]]
symbol = "NEWUSDT"
base = "NEW"
price_decimals = 5
size_decimals = 1
start_price = "0.05"
typical_size = "2000"
half_spread_ticks = 2
band = "0.2"
announce_s = 6
open_s = 14
[[venue.options.listings]]
symbol = "SOONUSDT"
base = "SOON"
price_decimals = 4
size_decimals = 2
start_price = "1.5"
announce_s = 7
open_s = 500
[[strategy]]
name = "ready_state"
[strategy.params]
baseline_s = 2
watch_lead_s = 6
arm_lead_s = 5
hold_s = 3
take_profit = "scalping"
max_spread_ppm = 200000
entry_slippage_ppm = 100000
"""
FINISHED = {"NO_FILL", "BLOCKED", "CLOSED", "RECONCILED", "CANCELLED", "STALE"}


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


def test_listings_of_a_run(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG)
    ran = penstock(tmp_path, "run", "--config", str(config), "--run-dir", "run", "--for", "32", "--no-view")
    assert ran.returncode == 0, ran.stderr
    assert "listings 2/2" in ran.stderr

    place = run_dir.open_at(tmp_path / "run")
    status = read_status(place)
    assert status is not None
    rows = {row.symbol: row for row in status.listings}
    assert set(rows) == {"NEWUSDT", "SOONUSDT"}
    assert len(rows["NEWUSDT"].evidence) >= 3
    console = Console(
        width=200, height=60, record=True, file=(tmp_path / "page").open("w"), force_terminal=True
    )
    console.print(page(status, "ended", status.ts_ns, 200), height=60)
    assert "NEWUSDT" in console.export_text()

    candidates = {row["symbol"]: row for row in facts(tmp_path, "listings", "run")}
    assert set(candidates) == {"SOONUSDT"}
    said = [row["said"] for row in facts(tmp_path, "listings", "run", "--evidence", "SOONUSDT")["evidence"]]
    (opens_ms,) = {each["open_time_ms"] for each in said if "open_time_ms" in each}
    assert opens_ms - candidates["SOONUSDT"]["since_ms"] > 400_000
    (finished,) = facts(tmp_path, "listings", "run", "--history")
    assert finished["symbol"] == "NEWUSDT"
    states = [change["state"] for change in finished["changes"]]
    assert "ARMED" in states
    assert "OPENING" in states
    assert states[-1] in FINISHED
    assert finished["result"]
    evidence = facts(tmp_path, "listings", "run", "--evidence", "NEWUSDT")["evidence"]
    assert {"CALENDAR", "WEB", "EXCHANGE_INFO", "ANNOUNCEMENT"} <= {row["source"] for row in evidence}
    times = [row["time"] for row in evidence]
    assert times == sorted(times)
    assert penstock(tmp_path, "replay", "run").returncode == 0

    again = penstock(tmp_path, "run", "--run-dir", "run", "--for", "2", "--no-view")
    assert again.returncode == 0, again.stderr
    status = read_status(place)
    assert status is not None
    assert {"NEWUSDT", "SOONUSDT"} <= {row.symbol for row in status.listings}
