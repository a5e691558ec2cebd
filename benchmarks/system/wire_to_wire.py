"""From a depth frame to its order's bytes on another socket: the real daemon beside a floor in C, each way of waiting.

benchmarks/tick_to_trade/run.py, three rounds of each: enough to see where it stands, and too few to hold a bar by.
"""

from __future__ import annotations

from typing import Any

from benchmarks.program import figures
from engine.microbench import Row, row

RUNS = {
    "wire_blocking": ("--mode", "blocking"),
    "wire_spin": ("--mode", "spin"),
    "wire_spin_python": ("--mode", "spin", "--strategy", "python"),
}
SHORT = ("--rounds", "3", "--frames", "3000")
QUICK = ("--rounds", "1", "--frames", "160", "--rate", "400", "--no-pin")
TIMEOUT_S = 300.0


def rows_of(name: str, engines: list[dict[str, Any]]) -> list[Row]:
    """The daemon's latency beside the floor's, and a row for each bar, which is one of a ratio."""
    floor, daemon = (
        next(each for each in engines if each["engine"] == which) for which in ("floor", "daemon")
    )
    quiet = f"quietest round: {floor['quietest']['p50']:.1f} and {daemon['quietest']['p50']:.1f} us"
    found = [
        row(
            name, "us", daemon["us"]["p50"], "stretch", **daemon["us"], reference=("the floor in C", floor["us"]["p50"]),
            note=f"medians of {len(daemon['rounds'])} rounds; {quiet}; its bars are those of the ratios",
        )
    ]  # fmt: skip
    return found + [
        row(f"{name}_{share}_ratio", "times", daemon["ratio"][share], "must", bar=bar,
            note=f"of the floor's {share}, {floor['us'][share]:.1f} us")
        for share, bar in daemon["bars"].items()
    ]  # fmt: skip


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    found: list[Row] = []
    for name, how in RUNS.items():
        document = figures("tick_to_trade/run.py", *how, *(QUICK if quick else SHORT), timeout_s=TIMEOUT_S)
        found += rows_of(name, document["rows"])
    return found
