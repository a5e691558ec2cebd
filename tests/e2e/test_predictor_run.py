"""A run with both predictors attached, and its replay: the same decisions, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.enums import EventKind
from engine.journal.records import read_log

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(120)]

CONFIG = """
symbols = ["BTCUSDT", "ETHUSDT"]
[[strategy]]
name = "predictor"
params = { horizon_ms = 50, warmup_events = 20, trade = true }
[[strategy]]
name = "predictor_python"
params = { horizon_ms = 50, warmup_events = 20, trade = true }
[[strategy]]
name = "market_maker"
params = { requote_ms = 100, tolerance_ticks = 100, half_spread_ppm = 30 }
"""


def penstock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90)


def test_a_run_with_predictors_replays(tmp_path: Path) -> None:
    (tmp_path / "predictors.toml").write_text(CONFIG)
    arguments = ("--for", "4", "--no-view", "--summary", "summary.json", "--run-dir", "run")
    ran = penstock(tmp_path, "run", "--config", "predictors.toml", *arguments)
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["events"] > 200
    kinds = {record.kind for record in read_log(tmp_path / "run" / "journal", "journal")}
    assert EventKind.RECONCILED in kinds
    assert EventKind.STRATEGY_STOPPED not in kinds
    replayed = penstock(tmp_path, "replay", "run")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert summary["actions_hash"] in replayed.stdout
