"""Whole runs through real processes and sockets, and their replays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.control import ControlClient
from engine.core.enums import EventKind
from engine.journal.records import JOURNAL_STEM, read_log
from engine.replay import replay
from tests.e2e.live_run import VenueProcess, check_balances, config_text, make_run, read_status

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

SUMMARY_KEYS = {
    "run_dir", "mode", "config_hash", "seed", "seconds", "messages", "conflated", "events", "feeds", "intents",
    "approved", "denied", "orders_sent", "fills", "unknown_orders", "realised_pnl", "equity", "journal", "actions_hash",
    "durable_hash", "latency_us", "rss_anon_mb_max", "alerts",
}  # fmt: skip


def penstock(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The installed command."""
    command = [sys.executable, "-m", "engine.cli", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=100
    )


def test_a_run_and_its_replays(tmp_path: Path) -> None:
    config = tmp_path / "demo.toml"
    config.write_text(
        'symbols = ["BTCUSDT", "ETHUSDT"]\n[[strategy]]\nname = "market_maker"\n'
        "params = { requote_ms = 100, tolerance_ticks = 100, half_spread_ppm = 30 }\n"
    )
    ran = penstock(
        "run",
        "--config",
        str(config),
        "--for",
        "6",
        "--summary",
        "summary.json",
        "--run-dir",
        "run",
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) >= SUMMARY_KEYS
    assert summary["fills"] > 0
    assert summary["unknown_orders"] == 0
    assert summary["orders_sent"] == summary["approved"] > 0
    assert set(summary["feeds"].values()) == {"UP"}
    assert all(set(stage) == {"p50", "p99", "p999", "max"} for stage in summary["latency_us"].values())
    assert {entry.name for entry in (tmp_path / "run").iterdir()} >= {
        "journal",
        "tape",
        "config.toml",
        "summary.json",
    }

    said = {
        penstock("replay", "run", "--json", cwd=tmp_path, PYTHONHASHSEED=seed).stdout
        for seed in ("1", "4242")
    }
    assert len(said) == 1
    facts = json.loads(said.pop())
    assert facts["equal"]
    assert facts["durable_equal"]
    assert facts["actions_hash"] == summary["actions_hash"]
    assert facts["durable_hash"] == summary["durable_hash"]
    assert facts["full_hash"] == summary["full_hash"]
    first, second = replay(tmp_path / "run"), replay(tmp_path / "run")
    assert first == second
    assert first.full_hash == facts["full_hash"]

    verified = penstock("journal", "verify", "run", cwd=tmp_path)
    assert verified.returncode == 0
    assert summary["journal"]["head_hash"] in verified.stdout


def test_a_changed_journal_is_named(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", config_text(venue))
        assert venue.core(place, seconds=1.5).wait() == 0
    segment = sorted(place.journal.glob("*.log"))[0]
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    verified = penstock("journal", "verify", str(place.path), "--json", cwd=tmp_path)
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["damage"] != "none"


def test_a_different_action_is_the_first_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strategies.market_maker import MarketMaker

    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", config_text(venue))
        assert venue.core(place, seconds=2).wait() == 0
    assert replay(place.path).equal
    quote = MarketMaker._quote

    def other(self: Any, instrument: int, side: Any, known: Any, price_ticks: int, size_lots: int) -> None:
        quote(self, instrument, side, known, price_ticks - 1, size_lots)

    monkeypatch.setattr(MarketMaker, "_quote", other)
    result = replay(place.path)
    assert not result.equal
    assert result.divergence is not None
    assert result.divergence.recorded is not None
    assert result.divergence.replayed is not None
    ours, theirs = result.divergence.recorded, result.divergence.replayed
    assert (ours["kind"], ours["price_ticks"]) == ("PLACE", theirs["price_ticks"] + 1)


LONG_S = 60.0
FAULTS = {
    "gap": {"probability": 0.01},
    "duplicate": {"probability": 0.02},
    "garbage_frame": {"probability": 0.005},
    "bodyless": {"probability": 0.02},
    "unknown_field": {"probability": 0.05},
    "one_sided": {"probability": 0.05},
    "stale_snapshot": {"count": 2},
    "disconnect": {"count": 2, "at_s": 3},
    "lost_ack": {"probability": 0.05, "match": "POST"},
    "http_5xx": {"probability": 0.02},
    "ack_after_fill": {"probability": 0.1},
}


def test_a_run_among_faults(tmp_path: Path) -> None:
    """Whatever the venue does wrong: nothing is sent twice, nothing lost, every unknown order ends by evidence."""
    with VenueProcess(tmp_path) as venue:
        for name, settings in FAULTS.items():
            venue.control("faults", {"name": name, **settings})
        limits = "[risk]\nmax_errors_per_window = 255\nmax_rejects_per_window = 255\n"
        place = make_run(tmp_path / "run", config_text(venue, limits))
        core = venue.core(place)
        # An order whose fate is unknown holds up its instrument until there is evidence: this takes a while.
        core.wait_until(lambda status: status.gate.approved > 60 and status.seconds > 8, LONG_S)
        assert {fault["name"] for fault in venue.control("faults")} >= {"gap", "lost_ack"}
        for name in FAULTS:
            venue.clear(name)
        core.wait_until(
            lambda status: status.health == "ok" and all(o.state != "UNKNOWN" for o in status.orders), LONG_S
        )
        assert core.end() == 0, core.output()
        received = venue.control("orders")
        held = next(iter(venue.control("state")["balances"].values()))

    summary = json.loads(place.summary_file.read_text())
    assert max(Counter(order["client_id"] for order in received).values()) == 1
    assert summary["unknown_orders"] == summary["open_orders"] == 0
    assert any(name.startswith("malformed.") for name in summary["counters"])
    result = replay(place.path)
    assert result.divergence is None
    assert result.durable_hash == summary["durable_hash"]
    kinds = Counter(record.kind for record in read_log(place.journal, JOURNAL_STEM))
    assert kinds[EventKind.RESYNC] > 2
    assert kinds[EventKind.QUERY] > 0
    check_balances(place, held)


def test_commands_are_journaled_and_obeyed(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", config_text(venue))
        core = venue.core(place)
        core.wait_until(lambda status: status.gate.approved > 5)
        client = ControlClient(place.path)
        halted = client.call("halt")
        assert halted.ok
        assert halted.seq > 0
        before = core.wait_until(lambda status: status.halted)
        assert client.call("cancel_all").ok
        core.wait_until(lambda status: not status.orders)
        after = core.wait_until(lambda status: status.gate.denied.get("HALTED", 0) > 4)
        assert after.gate.approved == before.gate.approved
        assert client.call("resume").ok
        core.wait_until(lambda status: status.gate.approved > after.gate.approved)
        # The flag in shared memory halts without the loop's help.
        assert penstock("halt", "--run-dir", str(place.path), cwd=tmp_path).returncode == 0
        core.wait_until(lambda status: status.halted)
        assert core.end() == 0, core.output()
    status = read_status(place)
    assert status is not None
    assert status.halted
    result = replay(place.path)
    assert result.equal
    assert result.durable_equal
