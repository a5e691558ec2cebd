"""A short run of what `make fuzz` runs for long: every committed input, and a bounded number of changed ones.

The Python targets run against the installed package; their changed inputs are drawn blindly, with a fixed seed. The C
harnesses are built with the compiler at hand and its sanitizers and get their corpora; where clang has libFuzzer, they are
run under it as well. What is left out here is said in docs/fuzzing.md.
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.fuzz.seeds import seeds_of
from tests.fuzz.table import TARGETS, Target

ROOT = Path(__file__).resolve().parents[2]
MOST_CORPUS_BYTES = 300_000
MOST_FILES = 64
# Changed inputs in this run; a second each, or less.
INPUTS = {"journal": 300, "control": 150, "events": 800, "order_book": 3000}
LIBFUZZER_RUNS = {"recovery": 2000}
PYTHON = [target for target in TARGETS if target.language != "c"]
C = [target for target in TARGETS if target.language == "c"]
FLAGS = [
    "-std=gnu11",
    "-g",
    "-O1",
    "-march=x86-64-v3",
    "-ffp-contract=off",
    "-I.",
    "-pthread",
    "-fno-sanitize-recover=undefined",
]
RUNTIME = os.environ | {
    "ASAN_OPTIONS": "detect_leaks=0"
}  # leaks are looked for by `make fuzz`: it may need ptrace


def name_of(target: Target) -> str:
    return target.name


def inputs_of(target: Target) -> list[bytes]:
    return [path.read_bytes() for path in sorted(target.corpus.iterdir())]


def module_of(target: Target) -> ModuleType:
    return importlib.import_module(f"tests.fuzz.targets.{target.name}")


def changed(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few bits, stretches and numbers changed, or a stretch of another input put in."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        action = rng.randrange(6)
        if action <= 1 and at < len(out):
            out[at] = out[at] ^ 1 << rng.randrange(8) if action else rng.choice(b'\x00\xff\x7f\x800-."[{e')
        elif action == 2:
            del out[at : at + rng.randint(1, 16)]
        elif action == 3:
            out[at:at] = out[at : at + rng.randint(1, 32)]
        elif action == 4:
            start = rng.randrange(len(other) + 1)
            out[at:at] = other[start : start + rng.randint(1, 64)]
        else:
            out[at : at + 8] = rng.choice(
                [b"18446744073709551615", b"-1", b"1e999", b"\xff" * 8, rng.randbytes(8)]
            )
    return bytes(out)


@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_each_corpus_is_there_and_small(target: Target) -> None:
    found = inputs_of(target)
    assert 3 <= len(found) <= MOST_FILES
    assert max(map(len, found)) <= target.max_bytes


def test_the_corpora_are_small_together() -> None:
    assert sum(len(data) for target in TARGETS for data in inputs_of(target)) < MOST_CORPUS_BYTES


@pytest.mark.parametrize("target", PYTHON, ids=name_of)
def test_python_targets_hold_over_their_corpus_and_changes_of_it(target: Target) -> None:
    check: Callable[[bytes], None] = module_of(target).check
    inputs, rng = inputs_of(target), random.Random(target.name)
    for data in inputs:
        check(data)
    for _ in range(INPUTS.get(target.name, 2000)):
        check(changed(rng.choice(inputs), rng.choice(inputs), rng)[: target.max_bytes])


@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_the_committed_seeds_are_those_of_the_target(target: Target) -> None:
    assert set(seeds_of(target)) <= set(inputs_of(target))


def build(
    compiler: str, target: Target, sanitizers: str, into: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    command = [
        compiler,
        *FLAGS,
        f"-fsanitize={sanitizers}",
        f"tests/fuzz/c/{target.name}.c",
        *more,
        "-o",
        str(into),
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("target", C, ids=name_of)
def test_c_targets_hold_over_their_corpus(target: Target, tmp_path: Path) -> None:
    binary = tmp_path / target.name
    built = build(os.environ.get("CC") or "cc", target, "address,undefined", binary, "tests/fuzz/c/replay.c")
    if built.returncode and "asan" in built.stderr:
        pytest.skip("the C compiler has no AddressSanitizer: the C harnesses are left out")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([binary, target.corpus], env=RUNTIME, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout == f"replayed {len(inputs_of(target))}\n"


@pytest.mark.parametrize("target", C, ids=name_of)
def test_c_targets_hold_for_a_while_under_libfuzzer(target: Target, tmp_path: Path) -> None:
    clang = shutil.which(os.environ.get("FUZZ_CLANG", "clang"))
    if clang is None:
        pytest.skip("no clang: the coverage-guided runs are left out, the corpora ran without it")
    binary = tmp_path / target.name
    built = build(clang, target, "fuzzer,address,undefined", binary)
    if built.returncode and "libclang_rt" in built.stderr:
        pytest.skip(
            "clang without libFuzzer: the coverage-guided runs are left out, the corpora ran without it"
        )
    assert built.returncode == 0, built.stderr
    grown = tmp_path / "grown"
    grown.mkdir()
    runs = LIBFUZZER_RUNS.get(target.name, 20_000)
    options = [f"-runs={runs}", f"-max_len={target.max_bytes}", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    ran = subprocess.run(
        [binary, *options, grown, target.corpus], env=RUNTIME, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_make_fuzz_says_what_to_install(tmp_path: Path) -> None:
    environment = os.environ | {"FUZZ_CLANG": str(tmp_path / "no-clang")}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "apt-get install clang" in ran.stderr
    environment = os.environ | {"FUZZ_TARGETS": "protobuf,nothing"}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "no target nothing" in ran.stderr
