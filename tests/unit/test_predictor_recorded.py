"""The real recording: both predictors tell the same bits, twice over, and the books are never out of step."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.predictor_bench import Bench, pair, told

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> Any:
    """A module of the benchmarks: the source checkout is not on the path, for the installed package is under test."""
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("market", "symbol", "stream", "horizon"),
    [
        ("spot", "BTCUSDT", "depth", {"horizon_ms": 1_000}),
        ("spot", "ETHUSDT", "ticker", {"horizon_events": 10}),
        ("usdm", "ETHUSDT", "depth", {"horizon_events": 10}),
    ],
)
def test_both_tell_the_same_bits(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch,
    market: str, symbol: str, stream: str, horizon: dict[str, int],
) -> None:  # fmt: skip
    monkeypatch.setenv("PENSTOCK_DATA", str(data_dir))
    recorded = load("recorded")
    changes = list(recorded.changes(market, symbol, stream))
    ends = []
    for _ in range(2):
        both = pair(samples_most=100_000, **horizon)
        bench = Bench(*both, spec=recorded.spec(market, symbol))
        for now_ns, change in changes:
            bench.take_at(change, now_ns)
        book = bench.core.books[0]
        assert (book.resyncs, book.holes, book.damages) == (1, 0, 0)
        assert told(both[0]) == told(both[1])
        ends.append((told(both[0]), bench.core.full_hash()))
    assert ends[0] == ends[1]
    score = both[0].score(0)
    assert score.learned > 2_500
    assert score.resets == score.dropped == score.skipped == 0


def test_the_page_tells_what_is_measured(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_DATA", str(data_dir))
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])  # `benchmarks`, after all that is installed
    score = load("predictor_score")
    result = score.measure("spot", "ETHUSDT", "depth", {"horizon_ms": 1_000})
    assert score.table([result]).splitlines()[-1] in (ROOT / "docs" / "predictor.md").read_text().splitlines()
