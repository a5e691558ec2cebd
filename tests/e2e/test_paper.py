"""A paper run on a venue's public feeds: orders are filled in the run, and a restart goes on with what was held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.replay import replay
from tests.e2e.live_run import VenueProcess, folded, make_run

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]


def paper_text(venue: VenueProcess) -> str:
    return f"""
symbols = ["BTCUSDT", "ETHUSDT"]
[run]
snapshot_interval_s = 1
[adapter]
name = "mexc_paper"
rest_url = "{venue.rest_url}"
ws_url = "{venue.facts["ws_url"]}"
latency_ms = 5
balances = {{ USDT = "50000", BTC = "0.5", ETH = "10" }}
[venue]
embedded = false
[[strategy]]
name = "market_maker"
params = {{ requote_ms = 100, tolerance_ticks = 0, half_spread_ppm = 10 }}
"""


def penstock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, with no key in the environment."""
    return subprocess.run(
        [sys.executable, "-m", "engine.cli", *arguments],
        cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def facts(folder: Path, *arguments: str) -> Any:
    done = penstock(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_paper_run_fills_by_itself_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", paper_text(venue))
        checked = penstock(tmp_path, "config", "check", "run/config.toml")
        assert checked.returncode == 0, checked.stderr
        core = venue.core(place)
        core.wait_until(lambda status: len(status.fills) > 3 and status.seconds > 2)
        core.kill()
        before = folded(place).balances()
        assert before["USDT"][0] != 50_000 * 10**20

        ran = penstock(tmp_path, "run", "--run-dir", "run", "--for", "4", "--no-view")
        assert ran.returncode == 0, ran.stderr
        assert venue.control("orders") == []
    summary = json.loads((place.path / "summary.json").read_text())
    assert summary["mode"] == "paper"
    assert summary["sessions"] == 2
    assert summary["unknown_orders"] == summary["open_orders"] == 0
    # The account is the journal's: what was held at the start, moved by all fills of both sessions.
    after = folded(place).balances()
    fills = facts(tmp_path, "fills", "run")
    assert len(fills) == summary["fills"] > 3
    moved = {"BTC": 0, "ETH": 0}
    for fill in fills:
        lots = int(fill["size"].replace(".", "")) * 10 ** (20 - len(fill["size"].partition(".")[2]))
        moved[fill["symbol"].removesuffix("USDT")] += lots if fill["side"] == "BUY" else -lots
    assert after["BTC"][0] == 5 * 10**19 + moved["BTC"]
    assert after["ETH"][0] == 10 * 10**20 + moved["ETH"]
    result = replay(place.path)
    assert result.equal
    assert result.durable_equal


def test_a_paper_adapter_has_no_local_venue(tmp_path: Path) -> None:
    config = tmp_path / "paper.toml"
    config.write_text('symbols = ["BTCUSDT"]\n[adapter]\nname = "mexc_paper"\n')
    refused = penstock(tmp_path, "run", "--config", str(config), "--run-dir", "run", "--for", "1")
    assert refused.returncode == 2
    assert "set [venue] embedded = false" in refused.stderr
