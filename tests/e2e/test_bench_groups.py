"""The groups of `penstock bench` that start the daemon come about; how fast anything is, is no matter of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import microbench

SYSTEM = Path(__file__).resolve().parents[2] / "benchmarks" / "system"


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("priority_lane", ["cancel_behind_200_frames"]),
        ("opening", ["opening_to_order_p50", "opening_to_order_p99"]),
    ],
)
def test_a_quick_run(group: str, names: list[str]) -> None:
    rows = microbench.measure(SYSTEM / f"{group}.py", quick=True)
    assert [row["name"] for row in rows] == names
    for row in rows:
        assert 0 < row["p50"] <= row["p90"] <= row["p99"]
        assert row["met"] is (row["value"] <= row["bar"])


def test_a_quick_run_of_the_local_chain(evm_home: Path) -> None:
    rows = {row["name"]: row for row in microbench.measure(SYSTEM / "devchain.py", quick=True)}
    assert set(rows) == {f"devchain_{name}" for name in ("command", "start", "build", "dump", "load")}
    assert all(0 < row["p50"] <= row["p99"] for row in rows.values())
    # Whatever the machine: loading a kept state is a small part of building it.
    assert rows["devchain_start"]["value"] < rows["devchain_build"]["value"] / 2
