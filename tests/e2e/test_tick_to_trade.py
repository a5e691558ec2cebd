"""The wire-to-wire benchmark builds and runs; how fast anything is, is no matter of a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.mexc.schema import PushDataV3ApiWrapper

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # the benchmarks, which are not installed; all else is

from benchmarks.tick_to_trade.build import build, compiler  # noqa: E402
from benchmarks.tick_to_trade.frames import Shape, write_frames  # noqa: E402
from benchmarks.tick_to_trade.processes import check_signature, order_id  # noqa: E402
from benchmarks.tick_to_trade.run import judge  # noqa: E402
from benchmarks.tick_to_trade.timeline import (  # noqa: E402
    CLOCK_READ,
    READ_ENDED,
    WAITED,
    WRITE_BEGAN,
    WRITE_ENDED,
    steps_of,
)

FOLDER = ROOT / "benchmarks" / "tick_to_trade"
ROWS = ["floor", "daemon"]

# They build into one folder: one worker runs them.
pytestmark = [
    pytest.mark.xdist_group("tick_to_trade"),
    pytest.mark.skipif(compiler() is None, reason="no C compiler"),
]


def play(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments], capture_output=True, text=True, timeout=110
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--strategy", "compiled", "--levels", "20"),
        ("--strategy", "python", "--mode", "spin", "--tls"),
    ],
    ids=["compiled", "python-spin-tls"],
)
def test_a_tiny_round(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "rows.json"
    small = (
        "--rounds",
        "1",
        "--frames",
        "160",
        "--rate",
        "400",
        "--order-every",
        "8",
        "--no-pin",
        "--json",
        str(file),
    )
    ran = play("run.py", *arguments, *small)
    if "--tls" in arguments and not build().has_tls:
        assert "OpenSSL's headers are missing" in ran.stderr
        return
    # 1 says that a bar was missed.
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    rows = json.loads(file.read_text())["rows"]
    assert [row["engine"] for row in rows] == ROWS
    assert (
        ran.stdout.count("(20 orders)") == 2
    )  # every frame that was to cause an order caused one, and no other did
    for row in rows:
        assert 0 < row["us"]["p50"] <= row["us"]["p90"] <= row["us"]["p99"]
    assert ran.returncode == (0 if all(all(row["met"].values()) for row in rows) else 1)


def test_the_timeline_names_the_steps() -> None:
    ran = play("timeline.py", "--frames", "160", "--rate", "400")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for engine in ROWS:
        assert f"\n{engine}: " in ran.stdout
    assert ran.stdout.count("  order there\n") == 2
    assert "clock sequencer." in ran.stdout


def test_steps_are_those_between_frame_and_order() -> None:
    kinds = [WAITED, READ_ENDED, WRITE_ENDED, WAITED, READ_ENDED, CLOCK_READ, WRITE_BEGAN, WRITE_ENDED]
    notes = [(10 * (at + 1), kind, 0, "here+1") for at, kind in enumerate(kinds)]
    moments = [note[0] for note in notes]
    found = steps_of(notes, moments, sent_ns=35, arrived_ns=75)
    assert found == [
        ("frame sent", 35), ("wait ended", 40), ("read ended", 50), ("clock here+1", 60), ("write", 70),
        ("order there", 75),
    ]  # fmt: skip
    assert steps_of(notes, moments, sent_ns=45, arrived_ns=75) is None  # it was awake already: no such step


def test_ratios_and_bars() -> None:
    def rounds(*p50s: float) -> list[dict[str, float]]:
        return [{"p50": each, "p90": 2 * each, "p99": 3 * each} for each in p50s]

    results = {"floor": rounds(10, 30, 11), "daemon": rounds(14, 13, 90)}
    floor, daemon = judge(results, {"p50": 1.2, "p99": 1.4})
    assert floor["ratio"] == {"p50": 1.0, "p90": 1.0, "p99": 1.0}
    assert floor["met"] == {}
    assert daemon["us"]["p50"] == 14
    assert daemon["ratio"]["p99"] == pytest.approx(14 / 11)
    assert daemon["met"] == {"p50": False, "p99": True}


@pytest.mark.parametrize(
    ("size", "number"), [("0.00010001", 1), ("0.0001001", 10), ("0.0002", None), ("0.00020001", None)]
)
def test_an_order_is_matched_by_its_size(size: str, number: int | None) -> None:
    target = f"POST /api/v3/order?symbol=BTCUSDT&quantity={size}&price=60000.02"
    if number is None:
        with pytest.raises(RuntimeError, match="no frame asks for"):
            order_id(target)
    else:
        assert order_id(target) == number


def test_a_wrong_signature_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="a wrong signature"):
        check_signature("POST /api/v3/order?symbol=BTCUSDT&signature=00")


def test_frames_have_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    wrapper: Any = PushDataV3ApiWrapper
    write_frames(tmp_path / "frames", Shape(levels=20, order_every=4), 12)
    data = (tmp_path / "frames").read_bytes()
    at = 4 + int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    versions, orders = [], []
    for number in range(count):
        size, _, order = (int.from_bytes(data[at + k : at + k + 4], "little") for k in (0, 4, 8))
        body = wrapper.FromString(data[at + 12 : at + 12 + size]).publicAggreDepths
        versions.append(int(body.toVersion))
        assert number == 0 or len(body.asks) + len(body.bids) == 20
        orders += [number] if order else []
        assert (round(float(body.bids[0].quantity) * 1e8) % 10_000 == 7_777) == bool(order)
        at += 12 + size
    assert at == len(data)
    assert orders == [4, 8, 12]
    assert versions == list(range(versions[0], versions[0] + 13))
