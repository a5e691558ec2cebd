"""`penstock bench`: the micro benchmarks of the source checkout against their bars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import example

if TYPE_CHECKING:
    from rich.table import Table

HELP = example(
    "Run the micro benchmarks (benchmarks/micro) and compare them with their bars. Exit 1 where one that must be met is not.",
    "penstock bench",
    "penstock bench core gate --json bench.json",
)
TABLE_WIDTH = 100


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("bench", help=HELP)(bench)


def bench(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Files of benchmarks/micro; else all.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows as JSON to FILE.")
    ] = None,
) -> None:
    """Carry `penstock bench` out."""
    from rich.console import Console

    from engine.microbench import find, machine, measure

    rows: list[dict[str, Any]] = []
    header = machine()  # before the load that the benchmarks themselves are
    for path in find(names or []):
        typer.echo(f"measuring {path.stem}", err=True)
        rows += measure(path)
    if file is not None:
        file.write_text(json.dumps(rows, indent=2) + "\n")
    for name, value in header.items():
        typer.echo(f"{name:8} {value}")
    Console(width=max(Console().width, TABLE_WIDTH)).print(table(rows))
    for line in remarks(rows):
        typer.echo(line)
    missed = [row["name"] for row in rows if row["kind"] == "must" and row["met"] is False]
    if missed:
        typer.echo(f"penstock: not met: {', '.join(missed)}", err=True)
    raise typer.Exit(1 if missed else 0)


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people; what they are measured against, and their notes, stand below (`remarks`)."""
    from rich.table import Table

    shown = Table(box=None, header_style="bold")
    for column in ("benchmark", "value", "p50", "p99", "bar", "met"):
        shown.add_column(column, justify="left" if column in ("benchmark", "met") else "right", no_wrap=True)
    for row in rows:
        met = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "[dim]-[/]"}[row["met"]]
        bar = f"{_number(row['bar'])} {row['kind']}" if row["bar"] is not None else ""
        value = f"{_number(row['value'])} {row['unit']}"
        shown.add_row(row["name"], value, _number(row["p50"]), _number(row["p99"]), bar, met)
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
