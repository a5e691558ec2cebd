"""Finds and runs the micro benchmarks of the source checkout; each is a file with a `run()` that returns rows.

A row: {name, unit, value, p50, p99, bar, kind: "must" or "stretch", met: true, false or null,
reference: {name, value} or null, ratio, note}.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from engine.errors import UserError

REQUIRED = ("name", "unit", "value", "kind", "met")


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


def measure(path: Path) -> list[dict[str, Any]]:
    """The rows of one benchmark; raises UserError where it is none."""
    spec = importlib.util.spec_from_file_location(f"penstock_bench_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    run = getattr(module, "run", None)
    if not callable(run):
        raise UserError(f"{path} has no run()")
    rows = [dict(row) for row in run()]
    for row in rows:
        missing = [key for key in REQUIRED if key not in row]
        if missing:
            raise UserError(f"{path} returned a row without {', '.join(missing)}: {row}")
    return rows
