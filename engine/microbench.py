"""Finds and runs the benchmarks of the source checkout; each is a file with a `run()` that returns rows.

Those of `benchmarks/micro` time kernels in this process. Those of `benchmarks/system` run whole programs, the daemon or peers
among them, as processes of their own, and are run where they are named.

A row: {name, unit, value, p50, p90, p99, cpu_ns, bar, kind: "must" or "stretch", met: true, false or null,
reference: {name, value} or null, ratio, note}. `cpu_ns` is the CPU time of one step, of the whole process with its
threads, null where it was not told apart. `met` is null where there is no bar, or nothing to hold against it, and `value`
is where nothing could be measured; the note says so. Rates ("/" in the unit) and ratios ("x") are met at or above their
bar, times and multiples ("times") at or below it.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import UserError
from native import order_book
from native.cpu import BASELINE

REQUIRED = ("name", "unit", "value", "kind", "met")
OPTIONAL = ("p50", "p90", "p99", "cpu_ns", "bar", "reference", "ratio")
FOLDERS = ("micro", "system")  # the former all run where none is named
EVERYTHING = "all"
FLAGS = "-O3 -std=gnu11 -ffp-contract=off"  # of setup.py; a test holds them equal
NO_BAR = "for information: no bar"
NO_REFERENCE = "no reference to compare with"

Row = dict[str, Any]


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample below which this share lies (0 to 1)."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def spread(samples: Sequence[float]) -> str:
    """Least, median and most of a few rounds, for a note."""
    least, middle, most = min(samples), percentile(samples, 0.5), max(samples)
    return f"{len(samples)} rounds: {least:,.4g} to {most:,.4g}, median {middle:,.4g}"


class CpuTime:
    """CPU time of this process, its threads included, within a `with` block; ns."""

    ns = 0

    def __enter__(self) -> CpuTime:
        self._began_ns = time.process_time_ns()
        return self

    def __exit__(self, *_: object) -> None:
        self.ns = time.process_time_ns() - self._began_ns


def row(
    name: str,
    unit: str,
    value: float | None,
    kind: str,
    *,
    bar: float | None = None,
    samples: Sequence[float] = (),
    p50: float | None = None,
    p90: float | None = None,
    p99: float | None = None,
    cpu_ns: float | None = None,
    reference: tuple[str, float] | None = None,
    compare: bool = True,
    note: str = "",
) -> Row:
    """One result, judged by its bar. `samples` give the percentiles: of rates, p99 is what 99 % of them reach.

    `compare` is False for a reference that was not measured in this run.
    """
    more_is_better = "/" in unit or unit == "x"
    if samples:
        p50, p90, p99 = (percentile(samples, 1 - at if more_is_better else at) for at in (0.5, 0.9, 0.99))
    met = None if bar is None or value is None else (value >= bar if more_is_better else value <= bar)
    ratio = None
    if reference is not None and compare and value:
        ratio = value / reference[1] if more_is_better else reference[1] / value
    return {
        "name": name,
        "unit": unit,
        "value": value,
        "p50": p50,
        "p90": p90,
        "p99": p99,
        "cpu_ns": cpu_ns,
        "bar": bar,
        "kind": kind,
        "met": met,
        "reference": None if reference is None else {"name": reference[0], "value": reference[1]},
        "ratio": ratio,
        "note": note or ("" if bar is not None else NO_BAR),
    }


def folder() -> Path:
    """`benchmarks/micro` of the checkout: $PENSTOCK_SOURCE, else the current folder and those above it."""
    named = os.environ.get("PENSTOCK_SOURCE")
    here = Path.cwd()
    places = [Path(named)] if named else [here, *here.parents, Path(__file__).resolve().parent.parent]
    for place in places:
        found = place / "benchmarks" / "micro"
        if found.is_dir():
            return found
    raise UserError(
        "there is no benchmarks/micro here: the benchmarks are part of the source checkout. Run this in the checkout, "
        "or name it in PENSTOCK_SOURCE"
    )


def groups() -> dict[str, Path]:
    """All benchmarks by name, those of `micro` before those of `system`."""
    checkout = folder().parent
    files = (path for name in FOLDERS for path in sorted((checkout / name).glob("*.py")))
    return {path.stem: path for path in files if not path.stem.startswith("_")}


def find(names: list[str]) -> list[Path]:
    """The benchmarks of these names ("-" is as good as "_", "all" is each), those of `micro` where none is named.

    Raises UserError for an unknown name.
    """
    known = groups()
    if EVERYTHING in names:
        return list(known.values())
    wanted = list(dict.fromkeys(name.replace("-", "_") for name in names))
    strangers = [name for name in wanted if name not in known]
    if strangers:
        raise UserError(
            f"there is no benchmark {', '.join(strangers)}: there are {', '.join(known) or 'none'}"
        )
    if wanted:
        return [known[name] for name in wanted]
    return [path for path in known.values() if path.parent.name == FOLDERS[0]]


def about(path: Path) -> str:
    """The first line of a benchmark's docstring; it is not run for that. UserError where it is no Python."""
    try:
        return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    except SyntaxError as problem:
        raise UserError(f"{path} cannot be read: {problem}") from problem


def measure(path: Path, *, quick: bool = False) -> list[Row]:
    """The rows of one benchmark; `quick` only proves that it runs. UserError where it is none."""
    spec = importlib.util.spec_from_file_location(f"penstock_bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be loaded")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # as dataclasses want it
    with _importable(path.resolve().parents[2]):
        spec.loader.exec_module(module)
        run = getattr(module, "run", None)
        if not callable(run):
            raise UserError(f"{path} has no run()")
        rows = [dict(each) for each in (run(quick=True) if quick else run())]
    for each in rows:
        missing = [key for key in REQUIRED if key not in each]
        if missing:
            raise UserError(f"{path} returned a row without {', '.join(missing)}: {each}")
        for key in OPTIONAL:
            each.setdefault(key, None)
        unknown = NO_BAR if each["bar"] is None else NO_REFERENCE
        each.setdefault("note", "" if each["met"] is not None else unknown)
    return rows


def machine() -> dict[str, str]:
    """What the numbers were measured on: they mean little without it."""
    compiler = re.search(rb"(GCC: |clang version )[^\0]*", Path(order_book.__file__).read_bytes())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "load": load(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler.group().decode("ascii", "replace") if compiler else "unknown",
        "flags": f"-march={BASELINE} {FLAGS}",
        "commit": _commit(),
    }


def load() -> str:
    """How busy the machine was."""
    return ", ".join(f"{each:.2f}" for each in os.getloadavg()) + " (1, 5, 15 min)"


def _commit() -> str:
    """The commit of the checkout, and whether it was changed since."""
    """Of the checkout, `-dirty` where it was changed since."""
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        command = ["git", "-C", str(folder()), *describe]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError, UserError):
        return "unknown"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or "unknown"


@contextmanager
def _importable(checkout: Path) -> Iterator[None]:
    """Lets a benchmark import what it shares with others (benchmarks.workload), and all else from what is installed."""
    before = sys.path[:]
    sys.path.append(str(checkout))
    try:
        yield
    finally:
        sys.path[:] = before
