"""What `penstock bench` does with programs of their own and with the peers' environments; how fast they are, is no matter."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine import microbench
from engine.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # the benchmarks, which are not installed; all else is

from benchmarks import program, results  # noqa: E402
from benchmarks.system import peers, wire_to_wire  # noqa: E402

TELLS = (
    "import json, sys\nprint('chatter')\n"
    "print(json.dumps({'version': '1', 'python': '3', 'samples': [float(sys.argv[1])]}))\n"
)


def script(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text)
    return [sys.executable, str(folder / name)]


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of peers with one environment, `here`."""
    monkeypatch.setattr(program, "PEERS", tmp_path)
    place = tmp_path / ".venv-here" / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    script(tmp_path, "tells.py", TELLS)
    return tmp_path


def test_a_missed_bar_is_no_failure_and_another_code_is(tmp_path: Path) -> None:
    assert program.run(script(tmp_path, "a.py", "print('x')\nraise SystemExit(1)\n"), 30) == ("x\n", "")
    with pytest.raises(UserError, match=r"b.py failed with code 3:\noh"):
        program.run(script(tmp_path, "b.py", "import sys\nsys.stderr.write('oh')\nraise SystemExit(3)\n"), 30)


@pytest.mark.parametrize(
    "ours", [signal.default_int_handler, signal.SIG_IGN], ids=["foreground", "background"]
)
def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path, ours: Any) -> None:
    """As by Ctrl-C, on which it ends its children; also where we ourselves ignore that, as in the background of a shell."""
    before = signal.signal(signal.SIGINT, ours)
    try:
        end_late(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def end_late(tmp_path: Path) -> None:
    note = tmp_path / "child"
    text = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "try:\n    time.sleep(60)\nfinally:\n    child.kill()\n    child.wait()\n"
    )
    began = time.monotonic()
    with pytest.raises(UserError, match=r"late\.py took longer than 2 s"):
        program.run(script(tmp_path, "late.py", text), 2)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_program_without_figures_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    script(tmp_path / "benchmarks", "none.py", "print('about to')\n1 / 0\n")
    with pytest.raises(UserError, match=r"(?s)none.py measured nothing:\n.*ZeroDivisionError"):
        program.figures("none.py", timeout_s=30)


def test_a_peer_tells_in_its_last_line(peer: Path) -> None:
    assert program.peer_figures("here", "tells.py", "3.5", timeout_s=30)["samples"] == [3.5]
    with pytest.raises(UserError, match="no environment for gone: make peers"):
        program.peer_figures("gone", "tells.py", timeout_s=30)
    script(peer, "silent.py", "print('no figures')\n")
    with pytest.raises(UserError, match=r"silent.py measured nothing:\nno figures"):
        program.peer_figures("here", "silent.py", timeout_s=30)


def test_peers_are_measured_in_turn_and_a_missing_one_is_said(peer: Path) -> None:
    mine = iter([10.0, 30.0, 20.0])
    found = peers.against(
        peers.ours("mine", "ns", "note"), "ns", lambda: next(mine),
        [peers.Peer("theirs", "here", "tells.py", "80"), peers.Peer("absent", "gone", "tells.py", "80")], rounds=3,
    )  # fmt: skip
    assert [row["name"] for row in found] == ["mine", "theirs", "absent"]
    own, theirs, absent = found
    assert own["value"] == own["cpu_ns"] == 20.0
    assert theirs["value"] == 80.0
    assert theirs["reference"] == {"name": "mine", "value": 20.0}
    assert theirs["ratio"] == 0.25
    assert absent["value"] is None
    assert "make peers" in absent["note"]


def test_a_rate_of_a_peer_has_its_cpu_time(peer: Path) -> None:
    theirs = [peers.Peer("theirs", "here", "tells.py", "200000")]
    own, other = peers.against(peers.ours("mine", "events/CPU-s", ""), "events/CPU-s", lambda: 1e6, theirs, 1)
    assert own["cpu_ns"] == 1_000.0
    assert other["cpu_ns"] == 5_000.0
    assert other["ratio"] == 0.2


def test_the_wires_bars_are_of_the_ratios() -> None:
    def engine(name: str, us: float, bars: dict[str, float]) -> dict[str, object]:
        figures = {"p50": us, "p90": 2 * us, "p99": 3 * us}
        ratios = {share: value / (10.0 * at) for at, (share, value) in enumerate(figures.items(), 1)}
        return {
            "engine": name,
            "us": figures,
            "ratio": ratios,
            "bars": bars,
            "quietest": figures,
            "rounds": [figures],
        }

    rows = wire_to_wire.rows_of(
        "wire", [engine("floor", 10, {}), engine("daemon", 13, {"p50": 1.2, "p99": 1.4})]
    )
    assert [(row["name"], row["value"], row["met"]) for row in rows] == [
        ("wire", 13, None),
        ("wire_p50_ratio", 1.3, False),
        ("wire_p99_ratio", 1.3, True),
    ]
    assert rows[0]["reference"] == {"name": "the floor in C", "value": 10}


def test_every_peer_that_is_measured_is_made() -> None:
    """An environment that the Makefile does not make could never be built as the row says."""
    made = (ROOT / "Makefile").read_text()
    source = (ROOT / "benchmarks" / "system" / "peers.py").read_text()
    for name in ("nautilus", "nautilus2", "websockets", "hftbacktest"):
        assert f"/.venv-{name}\n" in made
        assert f'"{name}"' in source
    for file in ("nautilus_events.py", "nautilus2_events.py", "websockets_book.py", "hftbacktest_book.py"):
        assert file in source
        assert (ROOT / "benchmarks" / "peers" / file).is_file()


def test_no_row_of_a_peer_is_without_a_reason() -> None:
    row = program.missing("theirs", "ns", "gone")
    assert set(row) == set(microbench.row("any", "ns", 1.0, "stretch"))
    assert row["met"] is None
    assert row["note"]


def test_the_page_holds_what_was_measured(tmp_path: Path) -> None:
    machine = dict.fromkeys(results.FACTS, "x") | {
        "date": "today", "load": "1.0, 2.0, 3.0 (1, 5, 15 min)", "load after": "4.0, 5.0, 6.0 (1, 5, 15 min)", "commit": "abc",
    }  # fmt: skip
    told = [
        microbench.row("fast", "ns", 12.345, "must", bar=15.0, samples=[12.0, 12.345, 13.0], cpu_ns=12.0),
        microbench.row("rate", "events/CPU-s", 1.5e6, "must", bar=2e6, reference=("slower", 1e6)),
        program.missing("absent", "ns", "gone"),
    ]
    rows = [{"group": "kernels"} | row | {"machine": machine} for row in told]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{results.BEGIN}old\n{results.END}after\n")
    results.put(results.page_text([rows]), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `fast` | 12.3 ns | 12.3 / 13 / 13 | 12 | ≤ 15 must | yes |  |\n" in text
    assert (
        "| `rate` | 1,500,000 events/CPU-s |  |  | ≥ 2,000,000 must | **no** | slower: 1,000,000 (1.5x) |\n"
        in text
    )
    assert "| `absent` | not measured |  |  |  | - |  |\n" in text
    assert (
        "`kernels`: today, load 1.0, 2.0, 3.0 before and 4.0, 5.0, 6.0 after (1, 5, 15 min), commit abc"
        in text
    )
    other = [rows[0] | {"machine": machine | {"compiler": "y"}}]
    with pytest.raises(ValueError, match="different machines"):
        results.page_text([rows, other])
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="has no marks"):
        results.put("x", page)
