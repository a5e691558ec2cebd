"""`penstock bench`: the benchmarks of the source checkout against their bars."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import example

if TYPE_CHECKING:
    from rich.table import Table

HELP = example(
    "Run benchmarks and compare them with their bars: the kernels' (benchmarks/micro), or those named; --list tells all. "
    "Exit 1 where a bar that must be met is not.",
    "penstock bench",
    "penstock bench --list",
    "penstock bench core gate --json bench.json",
    "penstock bench wire-to-wire peers",
)
TABLE_WIDTH = 118


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", help=HELP)(bench)


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Benchmarks, or 'all'; else those of benchmarks/micro."),
    ] = None,
    tell: Annotated[bool, typer.Option("--list", help="Tell the benchmarks, and run none.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="See that they run: their figures mean nothing, no bar is judged.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows as JSON to FILE.")
    ] = None,
) -> None:
    """Carry `penstock bench` out."""
    from rich.console import Console

    from engine.microbench import about, find, groups, load, machine

    if tell:
        for name, path in groups().items():
            typer.echo(f"{path.parent.name:8}{name.replace('_', '-'):16}{about(path)}")
        return
    header = machine()  # before the load that the benchmarks themselves are
    rows = [row for path in find(names or []) for row in measured(path, quick)]
    header["load after"] = load()
    if file is not None:
        file.write_text(json.dumps([row | {"machine": header} for row in rows], indent=2) + "\n")
    for name, value in header.items():
        typer.echo(f"{name:11} {value}")
    Console(width=max(Console().width, TABLE_WIDTH)).print(table(rows))
    for line in remarks(rows):
        typer.echo(line)
    absent = [row["name"] for row in rows if row["value"] is None]
    if absent:
        typer.echo(f"penstock: not measured: {', '.join(absent)}: see above", err=True)
    missed = [row["name"] for row in rows if row["kind"] == "must" and row["met"] is False]
    if quick:
        typer.echo("penstock: a quick run: its figures mean nothing", err=True)
    elif missed:
        typer.echo(f"penstock: not met: {', '.join(missed)}", err=True)
    raise typer.Exit(1 if missed and not quick else 0)


def measured(path: Path, quick: bool) -> list[dict[str, Any]]:
    """The rows of one benchmark, each with the group's name; what it took, all its processes included, is said."""
    from engine.microbench import measure

    typer.echo(f"measuring {path.stem}", err=True)
    began_s, cpu_began_s = time.monotonic(), sum(os.times()[:4])
    rows = measure(path, quick=quick)
    taken_s, cpu_s = time.monotonic() - began_s, sum(os.times()[:4]) - cpu_began_s
    typer.echo(f"measured {path.stem} in {taken_s:.1f} s, {cpu_s:.1f} s of CPU time", err=True)
    return [{"group": path.stem} | row for row in rows]


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people; what they are measured against, and their notes, stand below (`remarks`)."""
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    for column in ("benchmark", "value", "p50", "p90", "p99", "CPU ns", "bar", "met"):
        shown.add_column(column, justify="left" if column in ("benchmark", "met") else "right", no_wrap=True)
    for row in rows:
        met = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "[dim]-[/]"}[row["met"]]
        bar = f"{_number(row['bar'])} {row['kind']}" if row["bar"] is not None else ""
        value = "not measured" if row["value"] is None else f"{_number(row['value'])} {row['unit']}"
        figures = (_number(row[key]) for key in ("p50", "p90", "p99", "cpu_ns"))
        shown.add_row(row["name"], value, *figures, bar, met)
    return shown


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each row that has a reference or a note; one whose `met` is null says why."""
    lines = []
    for row in rows:
        parts = []
        if row.get("reference"):
            ratio = f", ratio {_number(row['ratio'])}" if row["ratio"] else ""
            parts.append(f"{row['reference']['name']}: {_number(row['reference']['value'])}{ratio}")
        if row.get("note"):
            parts.append(row["note"])
        if parts:
            lines.append(f"{row['name']}: {'; '.join(parts)}")
    return lines


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value or "")
