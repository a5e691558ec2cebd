"""A whole run that gathers listing evidence: it is on the tape, and the replay is equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.core.describe import describe
from engine.core.enums import EventKind
from engine.journal.records import TAPE_STEM, read_log
from engine.replay import replay
from tests.e2e.test_run import penstock

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

CONFIG = """
symbols = ["BTCUSDT"]
[[strategy]]
name = "market_maker"
params = { requote_ms = 100, tolerance_ticks = 100, half_spread_ppm = 30 }
[adapter]
listings = { enabled = true, calendar_interval_s = 0.5, web_interval_s = 0.5, exchange_info_interval_s = 1.0 }
[[venue.options.listings]]
symbol = "NEWUSDT"
base = "NEW"
price_decimals = 5
size_decimals = 1
start_price = "0.05"
typical_size = "2000"
band = "0.2"
open_s = 6
"""


def test_evidence_is_on_the_tape_and_replays(tmp_path: Path) -> None:
    config = tmp_path / "listing.toml"
    config.write_text(CONFIG)
    ran = penstock(
        "run",
        "--config",
        str(config),
        "--for",
        "10",
        "--summary",
        "summary.json",
        "--run-dir",
        "run",
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    told = [
        describe(record.raw)
        for record in read_log(tmp_path / "run" / "tape", TAPE_STEM)
        if record.kind == EventKind.LISTING
    ]
    new = [each for each in told if each["symbol"] == "NEWUSDT"]
    assert {"CALENDAR", "WEB", "EXCHANGE_INFO", "MARKET_DATA", "ANNOUNCEMENT"} <= {
        each["from"] for each in new
    }
    statuses = [each["status"] for each in new if each["from"] == "EXCHANGE_INFO"]
    assert statuses[0] == 2
    assert statuses[-1] == 1
    assert [each["venue_codes"] for each in new if each["from"] == "WEB"][-1] == [2, 2, 4]
    result = replay(tmp_path / "run")
    assert result.equal
    assert result.full_hash == json.loads((tmp_path / "summary.json").read_text())["full_hash"]
