"""The whole way to real orders, at a local venue over its sockets: switches, examination, trading, the operator's hand."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import run_dir
from engine.config import parse
from engine.config_models import LIVE_LIMITS
from engine.console.status import Status
from engine.core.enums import EventKind
from engine.journal.records import JOURNAL_STEM, read_log
from engine.replay import replay
from engine.run_dir import RunDir
from tests.e2e.live_run import (
    API_KEY,
    API_SECRET,
    KEY_ENV,
    SECRET_ENV,
    VenueProcess,
    check_balances,
    config_text,
    read_status,
)

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

WIDE = {
    "max_order_notional": 1000, "max_position_notional": 5000, "max_gross_exposure": 20_000, "max_net_exposure": 10_000,
    "max_open_orders": 64, "max_open_orders_per_instrument": 16, "max_orders_per_second": 40,
    "max_orders_per_window": 1000, "max_fees_per_day": 200, "max_daily_loss": 500, "max_drawdown": 500,
    "max_errors_per_window": 20, "max_rejects_per_window": 50, "proposer_budget_notional": 1_000_000,
    "max_concentration_bps": 5000, "price_collar_bps": 300, "max_slippage_bps": 50, "max_volatility_bps": 500,
}  # fmt: skip
DEADLINE_S = 40.0


def eager(text: str) -> str:
    """Quotes that stay near the middle for a while, and are hit soon."""
    return text.replace("requote_ms = 20", "requote_ms = 100").replace(
        "half_spread_ppm = 100", "half_spread_ppm = 10"
    )


def live_text(venue: VenueProcess) -> str:
    assert set(WIDE) == set(LIVE_LIMITS)
    limits = "[risk]\n" + "".join(f"{name} = {value}\n" for name, value in WIDE.items())
    return eager('mode = "live"\n' + config_text(venue, limits))


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, KEY_ENV: API_KEY, SECRET_ENV: API_SECRET, **more}


def penstock(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    command = [sys.executable, "-m", "engine.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=100
    )


def facts(folder: Path, *arguments: str, code: int = 0) -> Any:
    done = penstock(folder, *arguments, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


class Run:
    """`penstock run`, with supervisor and core, ended with the test."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", "--no-view", *arguments],
            cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def place(self) -> RunDir:
        return run_dir.open_at(self.folder / "run")

    def until(self, condition: Callable[[Status], object]) -> Status:
        """Wait for a status; the deadline fails the test with what the run said."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[0]
            status = read_status(self.place) if (self.folder / "run" / "run.json").exists() else None
            if status is not None and condition(status):
                return status
            select.select([], [], [], 0.02)
        raise AssertionError(f"nothing of the kind within {DEADLINE_S:g} s: {status}")

    def end(self) -> str:
        """Ctrl-C, and what it said."""
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=DEADLINE_S)[0]
        assert self.process.returncode == 0, said
        return said


def test_live_needs_both_switches_and_a_venue_that_passes(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        config = tmp_path / "live.toml"
        config.write_text(live_text(venue))
        base = ["run", "--config", str(config), "--run-dir", "run", "--for", "3"]
        refused = penstock(tmp_path, *base)
        assert refused.returncode == 2
        assert "Add --live" in refused.stderr
        assert not (tmp_path / "run").exists()

        examined = penstock(tmp_path, "doctor", "--venue", "mexc", "--config", str(config))
        assert "test orders are taken: BTCUSDT, ETHUSDT" in examined.stdout
        assert API_SECRET not in examined.stdout + examined.stderr

        wrong = penstock(tmp_path, *base, "--live", **{SECRET_ENV: "another"})
        assert wrong.returncode == 2
        assert "a live run is refused" in wrong.stderr
        assert "Check the secret key" in wrong.stderr
        assert not (tmp_path / "run" / "core.out").exists()
        assert venue.control("orders") == []

        # The core itself does not take a live config alone either.
        core = subprocess.run(
            [sys.executable, "-m", "engine.daemon", "--run-dir", "run", "--config", str(tmp_path / "run" / "config.toml")],
            cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert core.returncode == 2
        assert "Add --live" in core.stderr

        ran = penstock(tmp_path, *base, "--live")
        assert ran.returncode == 0, ran.stderr
        summary = json.loads((tmp_path / "run" / "summary.json").read_text())
        assert summary["mode"] == "live"
        assert summary["orders_sent"] > 0
        assert "MODE_MISMATCH" not in summary["denied"]
        assert {order["api_key"] for order in venue.control("orders")} == {API_KEY}
        assert API_SECRET not in "".join(
            path.read_text(errors="replace") for path in (tmp_path / "run").iterdir() if path.is_file()
        )
        again = penstock(tmp_path, "run", "--run-dir", "run", "--for", "1")
        assert again.returncode == 2
        assert "Add --live" in again.stderr
        assert penstock(tmp_path, "run", "--run-dir", "run", "--for", "1", "--live").returncode == 0
    result = replay(tmp_path / "run")
    assert result.equal
    assert result.durable_equal


def test_a_paper_run_with_a_key_does_not_reach_another_machine(tmp_path: Path) -> None:
    """192.0.2.1 is an address for documentation (RFC 5737): nothing is there, and nothing may be sent there."""
    config = tmp_path / "paper.toml"
    config.write_text(
        f'symbols = ["BTCUSDT"]\n[venue]\nembedded = false\n[adapter]\nrest_url = "https://192.0.2.1"\n'
        f'api_key_env = "{KEY_ENV}"\napi_secret_env = "{SECRET_ENV}"\n'
    )
    refused = penstock(tmp_path, "run", "--config", str(config), "--run-dir", "run", "--for", "1")
    assert refused.returncode == 2
    assert "would send orders to a venue on another machine" in refused.stderr
    assert "docs/going-live.md" in refused.stderr


def test_an_operator_looks_at_a_live_run_and_flattens_it(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        config = tmp_path / "live.toml"
        config.write_text(live_text(venue))
        with Run(tmp_path, "--config", str(config), "--run-dir", "run", "--live") as run:
            run.until(lambda status: status.orders and any(row.size.strip("-0.") for row in status.positions))
            assert run.until(lambda status: status.mode == "live")
            assert facts(tmp_path, "orders", "run")
            assert facts(tmp_path, "fills", "run")
            assert facts(tmp_path, "positions", "run")["source"] == "status page"

            absent = penstock(tmp_path, "flatten", "ZZZUSDT", "--run-dir", "run")
            assert absent.returncode == 1
            assert "the run has no instrument ZZZUSDT" in absent.stderr
            assert penstock(tmp_path, "reduce-only", "--run-dir", "run").returncode == 0
            flat = penstock(tmp_path, "flatten", "--all", "--yes", "--wait", "30", "--run-dir", "run")
            if flat.returncode == 0:
                assert "everything that is held flat" in flat.stdout
            else:  # what a partial fill left may be too little for the venue to sell
                dust = "what is left is below the venue's minimum"
                assert run.until(lambda status: any(dust in alert.text for alert in status.alerts)), (
                    flat.stderr
                )
            run.end()
        held = next(iter(venue.control("state")["balances"].values()))
    place = run.place
    assert facts(tmp_path, "orders", "run") == []
    every, fills = facts(tmp_path, "orders", "run", "--all"), facts(tmp_path, "fills", "run")
    # While orders may only reduce, the market maker may have come to zero by itself before there was anything to flatten.
    traders = {row["strategy"] for row in every}
    assert "market_maker" in traders
    assert traders <= {"operator", "market_maker"}
    summary = json.loads(place.summary_file.read_text())
    assert len(every) == summary["orders_sent"]
    assert len(fills) == summary["fills"]
    positions = facts(tmp_path, "positions", "run")
    assert positions["source"] == "journal"
    assert flat.returncode or not any(row["size"].strip("-0.") for row in positions["positions"])
    kinds = [record.kind for record in read_log(place.journal, JOURNAL_STEM)]
    assert kinds.count(EventKind.COMMAND) >= 3
    check_balances(place, held)


def test_a_killed_run_is_read_from_its_journal(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = run_dir.create_at(tmp_path / "run")
        place.write_config(parse(eager(config_text(venue))))
        core = venue.core(place)
        status = core.wait_until(lambda status: status.gate.approved > 20 and status.fills)
        core.kill()
    every = facts(tmp_path, "orders", "run", "--all")
    assert len(every) >= status.gate.approved
    assert {row["state"] for row in every if row["open"]} <= {"EXECUTING", "APPROVED", "UNKNOWN"}
    assert len(facts(tmp_path, "fills", "run")) >= len(status.fills)
