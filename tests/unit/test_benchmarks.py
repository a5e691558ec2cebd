"""The benchmarks run and answer in the agreed shape; how fast anything is, is no matter of a test."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import pytest

from engine import microbench
from engine.commands.bench import table
from engine.core import event
from engine.core.engine import Engine
from engine.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
MICRO = ROOT / "benchmarks" / "micro"
KEYS = {
    "name",
    "unit",
    "value",
    "p50",
    "p90",
    "p99",
    "cpu_ns",
    "bar",
    "kind",
    "met",
    "reference",
    "ratio",
    "note",
}
SUBJECTS = ("core", "gate", "journal", "listings", "market_data", "orders", "predictor")
PROGRAMS = ("devchain", "opening", "peers", "priority_lane", "wire_peers", "wire_to_wire")


def test_all_subjects_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SOURCE", str(ROOT))
    assert [path.stem for path in microbench.find([])] == list(SUBJECTS)
    everything = microbench.find(["all"])
    assert [path.stem for path in everything] == [*SUBJECTS, *PROGRAMS]
    for path in everything:
        assert microbench.about(path)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_rows_are_well_formed(subject: str) -> None:
    rows = microbench.measure(MICRO / f"{subject}.py", quick=True)
    assert rows
    for row in rows:
        assert set(row) == KEYS
        assert row["value"] > 0
        assert row["kind"] in ("must", "stretch")
        assert (row["met"] is None) == (row["bar"] is None)
        assert row["met"] is not None or row["note"]
        if row["reference"] is None:
            assert row["ratio"] is None
        else:
            assert set(row["reference"]) == {"name", "value"}
            assert row["ratio"] is not None or "not measured in this run" in row["note"]
    assert len({row["name"] for row in rows}) == len(rows)
    assert table(rows).row_count == len(rows)


@pytest.mark.parametrize(
    ("unit", "value", "met", "ratio"),
    [
        ("ns", 90.0, True, 2.0),
        ("ns", 101.0, False, 180 / 101),
        ("records/s", 90.0, False, 0.5),
        ("x", 100.0, True, 100 / 180),
    ],
)
def test_a_row_is_judged_by_its_unit(unit: str, value: float, met: bool, ratio: float) -> None:
    row = microbench.row("it", unit, value, "must", bar=100.0, reference=("other", 180.0))
    assert row["met"] is met
    assert row["ratio"] == pytest.approx(ratio)
    assert (
        microbench.row("it", unit, value, "must", bar=100.0, reference=("other", 180.0), compare=False)[
            "ratio"
        ]
        is None
    )
    assert microbench.row("it", unit, value, "stretch")["met"] is None


def test_percentiles_of_rates_are_what_most_reach() -> None:
    samples = [float(each) for each in range(1, 101)]
    times = microbench.row("it", "ns", 50.0, "stretch", samples=samples)
    assert (times["p50"], times["p90"], times["p99"]) == (51.0, 91.0, 100.0)
    rates = microbench.row("it", "events/CPU-s", 50.0, "stretch", samples=samples)
    assert (rates["p50"], rates["p90"], rates["p99"]) == (51.0, 10.0, 2.0)


def test_a_multiple_is_met_at_or_below_its_bar() -> None:
    assert microbench.row("it", "times", 1.1, "must", bar=1.2)["met"] is True
    assert microbench.row("it", "times", 1.3, "must", bar=1.2)["met"] is False
    assert microbench.row("it", "times", None, "must", bar=1.2)["met"] is None


def test_cpu_time_is_that_of_all_threads() -> None:
    def work() -> None:
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            pass

    with microbench.CpuTime() as taken:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert 50_000_000 <= taken.ns < 10_000_000_000
    with microbench.CpuTime() as idle:
        time.sleep(0.05)
    assert idle.ns < 50_000_000


def test_the_machine_is_told() -> None:
    facts = microbench.machine()
    assert set(facts) == {"date", "cpu", "cores", "load", "kernel", "python", "compiler", "flags", "commit"}
    assert all(facts.values())


def test_the_flags_told_are_those_of_the_build() -> None:
    used = set(re.findall(r'"(-[^"]+)"', (ROOT / "setup.py").read_text()))
    assert set(microbench.FLAGS.split()) <= used


def test_a_benchmark_leaves_the_path_as_it_was() -> None:
    before = list(sys.path)
    microbench.measure(MICRO / "market_data.py", quick=True)
    assert sys.path == before


def test_only_approving_checks_are_timed() -> None:
    from engine.gate_bench import time_checks, time_single_checks

    core = Engine()
    core.process_bytes(event.stamped(event.heartbeat(0), 1, 1))
    intent = (0, 0, 1, 1, 100, 1, 0)
    with pytest.raises(ValueError, match="denied for reason"):
        time_checks(core, [intent], 1, 1)
    with pytest.raises(ValueError, match="denied for reason"):
        time_single_checks(core, [intent], 1)
    with pytest.raises(ValueError, match="at least one"):
        time_checks(core, [], 1, 1)


def test_without_a_checkout_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_SOURCE", str(tmp_path))
    with pytest.raises(UserError, match="source checkout"):
        microbench.find([])
