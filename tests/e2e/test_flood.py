"""The overload and pause benchmarks build and run; how fast anything is, is no matter of a test."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # the benchmarks, which are not installed; all else is

from benchmarks.flooding import Setting, book_check, is_live, order_checks, replay_check, stage  # noqa: E402
from benchmarks.overload import check_overload  # noqa: E402
from benchmarks.pauses import judge  # noqa: E402
from benchmarks.soak import Samples  # noqa: E402
from benchmarks.tick_to_trade.build import build, compiler  # noqa: E402
from benchmarks.tick_to_trade.run import use_site  # noqa: E402

# They build into one folder: one worker runs them.
pytestmark = [
    pytest.mark.xdist_group("tick_to_trade"),
    pytest.mark.skipif(compiler() is None, reason="no C compiler"),
]


def play(script: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr  # 1 says that a bar was missed
    file = Path(arguments[arguments.index("--json") + 1])
    promises: dict[str, Any] = json.loads(file.read_text())["promises"]
    return ran, promises


def test_every_message_is_taken_in(tmp_path: Path) -> None:
    small = ("--rate", "8000", "--seconds", "1.5", "--symbols", "12", "--no-pin", "--tape-mb", "128")
    ran, promises = play("overload.py", *small, "--json", str(tmp_path / "out.json"))
    in_time = promises.pop("8,000 messages/s for 1.5 s")
    assert in_time[1].startswith("12,000 in ")
    assert all(kept for kept, _ in promises.values()), ran.stdout
    assert promises["final books equal the generator's"][1] == "all 12"
    assert ran.returncode == (0 if in_time[0] else 1)


def test_a_feed_that_fell_behind_is_left_out_and_fetched_anew(tmp_path: Path) -> None:
    use_site(build())
    setting = Setting(4, tape_mb=128, run="conflate_lag_ms = 300", metronome=True)
    with stage(tmp_path, build(), setting) as begin, begin() as session:
        process = session.core.process
        behind = False

        def stop_for_a_while(sent: int, lag_ms: int) -> None:
            """From the first word of the generator until it cannot get rid of its frames: the sockets are full by then."""
            nonlocal behind
            if not behind:
                process.send_signal(signal.SIGCONT if lag_ms > 300 else signal.SIGSTOP)
                behind = lag_ms > 300

        session.flood.send(3.0, 30_000, 10, stop_for_a_while)
        assert behind
        session.settle(session.flood.totals().frames)
        loud = session.flood.totals()
        left_out = sum(feed.conflated for feed in session.core.wait_until(is_live).feeds)
        session.flood.send(0.5, 4_000, 20, lambda sent, lag_ms: None)
        session.settle(session.flood.totals().frames)
        summary, totals = session.finish()
        found = check_overload(summary, loud, totals, left_out) | replay_check(session.core.place.path)
    # Whether the metronome struck just then is a matter of time.
    del found["the gate refused as the feed lagged"]
    assert all(kept for kept, _ in found.values()), found
    assert found["the run replays"][1].startswith("equal")
    assert summary["counters"]["mexc.conflations"] >= 1
    assert all(book["resyncs"] >= 2 for book in summary["books"].values())


def test_pauses_are_told(tmp_path: Path) -> None:
    small = (
        "--minutes",
        "0.04",
        "--rate",
        "4000",
        "--symbols",
        "2",
        "--starts",
        "1",
        "--no-pin",
        "--tape-mb",
        "128",
    )
    ran, promises = play("pauses.py", *small, "--json", str(tmp_path / "out.json"))
    for name in ("garbage collections while trading", "conflated", "final books equal the generator's"):
        assert promises[name][0], ran.stdout
    assert "a turn's processor time, us | p50 " in ran.stdout
    assert ran.returncode == (0 if all(kept for kept, _ in promises.values()) else 1)


def test_bars_of_pauses() -> None:
    samples = Samples([(float(at), 40.0 + (at >= 50) * 6, 50 + (at == 3)) for at in range(100)])
    summary = {"long_turns": {"newest": [(3.0, 9_000_000), (50.0, 1_200_000)]}, "gc_collections": 0}
    found = judge([(1.0, 0.5), (3.5, 0.6)], samples, summary, warm_up_s=30.0)
    assert [kept for kept, _ in found.values()] == [False, False, True, False, True]
    assert "1 above; the longest 1.20 ms, 50 s in" in found["no turn above 1 ms of processor time"][1]
    found = judge([(1.0, 0.5)], samples, summary, warm_up_s=60.0)
    assert found["no turn above 1 ms of processor time"] == (True, "none")


def test_a_wrong_book_and_a_lost_order_are_noticed(tmp_path: Path) -> None:
    use_site(build())
    with stage(tmp_path, build(), Setting(1, tape_mb=128)) as begin, begin() as session:
        session.flood.send(0.4, 2_000, 20, lambda sent, lag_ms: None)
        session.settle(session.flood.totals().frames)
        summary, totals = session.finish()
    (name,) = totals.books
    assert book_check(summary, totals)["final books equal the generator's"][0]
    assert all(kept for kept, _ in order_checks(summary, totals).values())
    summary["books"][name]["sha256"] = "00"
    assert book_check(summary, totals)["final books equal the generator's"] == (False, [name])
    summary["orders_sent"] += 1
    assert not order_checks(summary, totals)["orders sent, all at the venue"][0]
