"""Finds and runs the micro benchmarks of the source checkout; each is a file with a `run()` that returns rows.

A row: {name, unit, value, p50, p99, bar, kind: "must" or "stretch", met: true, false or null,
reference: {name, value} or null, ratio, note}. `met` is null where there is no bar, or nothing to hold against it; the
note says so. Rates ("/" in the unit) and ratios ("x") are met at or above their bar, times at or below it.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import UserError
from native import order_book
from native.cpu import BASELINE

REQUIRED = ("name", "unit", "value", "kind", "met")
OPTIONAL = ("p50", "p99", "bar", "reference", "ratio")
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


def row(
    name: str,
    unit: str,
    value: float,
    kind: str,
    *,
    bar: float | None = None,
    p50: float | None = None,
    p99: float | None = None,
    reference: tuple[str, float] | None = None,
    compare: bool = True,
    note: str = "",
) -> Row:
    """One result, judged by its bar. `compare` is False for a reference that was not measured in this run."""
    more_is_better = "/" in unit or unit == "x"
    met = None if bar is None else (value >= bar if more_is_better else value <= bar)
    ratio = None
    if reference is not None and compare:
        ratio = value / reference[1] if more_is_better else reference[1] / value
    return {
        "name": name,
        "unit": unit,
        "value": value,
        "p50": p50,
        "p99": p99,
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


def find(names: list[str]) -> list[Path]:
    """The benchmark files of these names, all where none is named; raises UserError for an unknown name."""
    known = {path.stem: path for path in sorted(folder().glob("*.py")) if not path.stem.startswith("_")}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise UserError(
            f"there is no benchmark {', '.join(strangers)}: there are {', '.join(known) or 'none'}"
        )
    return [known[name] for name in names] if names else list(known.values())


def measure(path: Path, *, quick: bool = False) -> list[Row]:
    """The rows of one benchmark; `quick` only proves that it runs. UserError where it is none."""
    spec = importlib.util.spec_from_file_location(f"penstock_bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
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
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}",
        "load": f"{load} (1, 5, 15 min)",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": compiler.group().decode("ascii", "replace") if compiler else "unknown",
        "flags": f"-march={BASELINE} {FLAGS}",
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or "unknown"


@contextmanager
def _importable(checkout: Path) -> Iterator[None]:
    """Lets a benchmark import what it shares with others (benchmarks.workload); Penstock itself is the installed one."""
    sys.path.append(str(checkout))
    try:
        yield
    finally:
        sys.path.remove(str(checkout))
