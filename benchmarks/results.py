"""Writes rows of `penstock bench --json` into docs/benchmarks.md, between its marks, a table for each file.

penstock bench --json micro.json
python benchmarks/results.py micro.json [peers.json]...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: benchmarks/results.py -->\n", "<!-- end of what is measured -->\n"
SHARES = ("p50", "p90", "p99")
HEAD = "| row | value | p50 / p90 / p99 | CPU ns a step | bar | met | reference (ratio) |\n|---|---|---|---|---|---|---|\n"
# Of the machine; date and load stand with each run.
FACTS = ("cpu", "cores", "kernel", "python", "compiler", "flags")


def number(value: float | None) -> str:
    """Three digits or more, none of them made up."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    more_is_better = "/" in row["unit"] or row["unit"] == "x"
    bar = "" if row["bar"] is None else f"{'≥' if more_is_better else '≤'} {number(row['bar'])} {row['kind']}"
    reference = row["reference"]
    against = "" if reference is None else f"{reference['name']}: {number(reference['value'])}"
    cells = (
        f"`{row['name']}`",
        "not measured" if row["value"] is None else f"{number(row['value'])} {row['unit']}",
        " / ".join(number(row[share]) or "-" for share in SHARES) if row["p50"] is not None else "",
        number(row["cpu_ns"]),
        bar,
        {True: "yes", False: "**no**", None: "-"}[row["met"]],
        against + (f" ({number(row['ratio'])}x)" if row["ratio"] else ""),
    )
    return f"| {' | '.join(cells)} |\n"


def run_of(rows: list[dict[str, Any]]) -> str:
    """One run: when, how busy the machine was, of which commit, and its table."""
    machine, groups = rows[0]["machine"], dict.fromkeys(row["group"] for row in rows)
    names = ", ".join(f"`{name}`" for name in groups)
    load, after = (machine[key].partition(" (")[0] for key in ("load", "load after"))
    told = f"{names}: {machine['date']}, load {load} before and {after} after (1, 5, 15 min), commit {machine['commit']}"
    return f"{told}\n\n{HEAD}{''.join(line(row) for row in rows)}\n"


def page_text(runs: list[list[dict[str, Any]]]) -> str:
    """The machine of the first run, then all runs; ValueError where they are not of one machine and build."""
    first = runs[0][0]["machine"]
    for rows in runs:
        if any(rows[0]["machine"][fact] != first[fact] for fact in FACTS):
            raise ValueError("the runs are of different machines or builds: they do not stand on one page")
    facts = "".join(f"| {fact} | {first[fact]} |\n" for fact in FACTS)
    return f"\n| | |\n|---|---|\n{facts}\n" + "".join(run_of(rows) for rows in runs)


def put(text: str, page: Path = PAGE) -> None:
    """Between the page's marks; ValueError where it has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no marks to write between")
    page.write_text(before + BEGIN + text + END + after)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: python benchmarks/results.py ROWS.json...")
    put(page_text([json.loads(Path(name).read_text()) for name in sys.argv[1:]]))
