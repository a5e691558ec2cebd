"""The gate over instruction counts: what grew fails it, and valgrind's counts are what it says they are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # the benchmarks, which are not installed; all else is

from benchmarks import count_gate  # noqa: E402
from benchmarks.counted import KERNELS  # noqa: E402

BUILD = {"compiler": "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0", "flags": "-O3", "python": "CPython 3.11.7"}
COUNTS = {"gate": 1_000.0, "book": 70.0}


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    file = tmp_path / "instructions.json"
    count_gate.write(BUILD, COUNTS, file)
    return file


def judged(build: dict[str, str], counts: dict[str, float], file: Path) -> tuple[str, bool]:
    return count_gate.report(count_gate.judge(build, counts, file))


@pytest.mark.parametrize(("factor", "is_well"), [(1.0, True), (1.029, True), (1.031, False), (0.5, True)])
def test_a_regression_fails(committed: Path, factor: float, is_well: bool) -> None:
    text, verdict = judged(BUILD, COUNTS | {"gate": 1_000 * factor}, committed)
    assert verdict is is_well
    if not is_well:
        assert "more than 3 % more instructions a step than committed: gate by 3.1 %" in text
        assert "--accept gate" in text
        assert "book by" not in text
    assert ("So that they stay" in text) is (factor < 0.97)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"compiler": "GCC: (Debian 12.3.0-1) 12.3.0", "python": "CPython 3.11.9"}, True),
        ({"compiler": "GCC: (GNU) 13.1.0"}, False),
        ({"compiler": "clang version 12.2.0"}, False),
        ({"flags": "-O2"}, False),
        ({"python": "CPython 3.12.1"}, False),
    ],
)
def test_another_build_is_judged_widely_and_that_is_said(
    committed: Path, change: dict[str, str], is_same: bool
) -> None:
    assert count_gate.is_same_build(BUILD, BUILD | change) is is_same
    text, is_well = judged(BUILD | change, COUNTS | {"book": 80.0}, committed)  # 14 % more
    assert is_well is not is_same
    assert ("only 25 % more is judged" in text) is not is_same
    assert not judged(BUILD | change, COUNTS | {"book": 90.0}, committed)[1]


def test_accepted_counts_are_kept_beside_the_others(committed: Path) -> None:
    count_gate.write(BUILD, {"gate": 1_200.0}, committed)
    assert count_gate.read(committed) == (BUILD, {"gate": 1_200.0, "book": 70.0})
    assert judged(BUILD, {"gate": 1_200.0}, committed)[1]
    other = BUILD | {"compiler": "GCC: (GNU) 13.1.0"}
    with pytest.raises(count_gate.GateError, match="book were counted with another build"):
        count_gate.write(other, {"gate": 1_300.0}, committed)
    count_gate.write(other, {"gate": 1_300.0, "book": 71.0}, committed)
    assert count_gate.read(committed)[0] == other


def test_what_cannot_be_judged_is_said(committed: Path) -> None:
    with pytest.raises(count_gate.GateError, match="no count of depth"):
        count_gate.judge(BUILD, {"depth": 1.0}, committed)
    for text in ("", "{", "[]", '{"built_with": {}, "instructions": {}}', '{"built_with": 3}'):
        committed.write_text(text)
        with pytest.raises(count_gate.GateError, match="holds no counts"):
            count_gate.read(committed)


def test_every_kernel_is_committed() -> None:
    _, counts = count_gate.read()
    assert set(counts) == set(KERNELS)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind (apt-get install valgrind)")
def test_a_kernel_that_grew_fails_the_check(tmp_path: Path) -> None:
    """Counted for real, held to counts as if it had been cheaper by more than any build is allowed."""
    build, counts = count_gate.read()
    cheaper, counted = tmp_path / "cheaper.json", tmp_path / "counted.json"
    count_gate.write(build, {"journal_append": counts["journal_append"] / 1.5}, cheaper)
    command = [sys.executable, str(ROOT / "benchmarks" / "callgrind.py"), "--check", "journal_append"]
    options = ["--against", str(cheaper), "--json", str(counted)]
    ran = subprocess.run([*command, *options], capture_output=True, text=True, timeout=110)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "more instructions a step than committed: journal_append by" in ran.stdout
    # The count of a step is the kernel's alone, some hundred instructions, and not the start-up's thousand millions.
    assert 100 < json.loads(counted.read_text())["journal_append"] < 2_000
