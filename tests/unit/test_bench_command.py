"""`penstock bench`: which benchmarks run, what is said of them, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import cli, microbench
from engine.errors import UserError

Capture = pytest.CaptureFixture[str]


def penstock(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


ROW = {
    "name": "book",
    "unit": "µs",
    "value": 0.5,
    "p50": 0.5,
    "p99": 0.7,
    "bar": 0.6,
    "kind": "must",
    "met": True,
}
REFERENCE = {"reference": {"name": "upb", "value": 12.0}, "ratio": 24.0}


@pytest.fixture
def benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "benchmarks" / "micro"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (folder / "_shared.py").write_text("1/0")
    (folder / "book.py").write_text(f"def run():\n    return [{ROW | REFERENCE!r}]\n")
    (folder / "gate.py").write_text(f"def run():\n    return [{ROW | {'name': 'gate', 'met': None}!r}]\n")
    return folder


def test_bench(benchmarks: Path, capsys: Capture) -> None:
    file = benchmarks / "rows.json"
    assert penstock("bench", "--json", file) == 0
    assert [row["name"] for row in json.loads(file.read_text())] == ["book", "gate"]
    said = capsys.readouterr().out
    assert "book: upb: 12, ratio 24" in said
    assert "gate: no reference to compare with" in said
    (benchmarks / "slow.py").write_text(
        f"def run():\n    return [{ROW | {'name': 'slow', 'met': False}!r}]\n"
    )
    assert penstock("bench", "book") == 0
    assert penstock("bench", "slow") == 1
    assert "not met: slow" in capsys.readouterr().err
    assert penstock("bench", "absent") == 2
    assert "there are book, gate, slow" in capsys.readouterr().err


@pytest.fixture
def programs(benchmarks: Path) -> Path:
    folder = benchmarks.parent / "system"
    folder.mkdir()
    row = ROW | {"name": "wire", "met": False}
    body = f"def run(quick=False):\n    return [{row!r} | {{'note': 'quick' if quick else 'whole'}}]\n"
    (folder / "to_wire.py").write_text(f'"""From here to there.\n\nAnd more."""\n{body}')
    return folder


def test_programs_run_where_they_are_named(programs: Path, capsys: Capture) -> None:
    file = programs / "rows.json"
    assert penstock("bench", "--json", file) == 0
    assert [row["group"] for row in json.loads(file.read_text())] == ["book", "gate"]
    for name in ("to-wire", "to_wire"):
        assert penstock("bench", name, "--json", file) == 1
        assert [row["name"] for row in json.loads(file.read_text())] == ["wire"]
    assert penstock("bench", "all", "--json", file) == 1
    rows = json.loads(file.read_text())
    assert [row["group"] for row in rows] == ["book", "gate", "to_wire"]
    for row in rows:
        assert {"cpu", "load", "load after", "compiler", "flags", "commit"} <= set(row["machine"])
    said = capsys.readouterr()
    assert "load after" in said.out
    assert "measured to_wire in" in said.err


def test_the_benchmarks_are_told(programs: Path, capsys: Capture) -> None:
    (programs / "broken.py").write_text('"""Runs not, and is told."""\n1 / 0\n')
    assert penstock("bench", "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["micro", "book"],
        ["micro", "gate"],
        ["system", "broken"],
        ["system", "to-wire"],
    ]
    assert lines[2].endswith("Runs not, and is told.")
    assert lines[3].endswith("From here to there.")


def test_a_quick_run_judges_no_bar(programs: Path, capsys: Capture) -> None:
    assert penstock("bench", "to-wire", "--quick") == 0
    said = capsys.readouterr()
    assert "wire: quick" in said.out
    assert "its figures mean nothing" in said.err
    assert penstock("bench", "to-wire") == 1
    assert "wire: whole" in capsys.readouterr().out


def test_what_was_not_measured_is_said(programs: Path, capsys: Capture) -> None:
    row = ROW | {
        "name": "peer",
        "value": None,
        "met": None,
        "bar": None,
        "note": "no environment: make peers",
    }
    (programs / "peers.py").write_text(f"def run():\n    return [{row!r}]\n")
    assert penstock("bench", "peers") == 0
    said = capsys.readouterr()
    assert "not measured: peer" in said.err
    assert "not measured" in said.out
    assert "peer: no environment: make peers" in said.out


def test_benchmarks_that_are_none_are_said(benchmarks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content, word in (
        ("", r"has no run\(\)"),
        ("def run():\n    return [{'name': 'x'}]\n", "without unit"),
    ):
        (benchmarks / "bad.py").write_text(content)
        with pytest.raises(UserError, match=word):
            microbench.measure(benchmarks / "bad.py")
    monkeypatch.setenv("PENSTOCK_SOURCE", str(benchmarks))
    with pytest.raises(UserError, match="source checkout"):
        microbench.folder()
