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
    Console().print(table(rows))
    missed = [row["name"] for row in rows if row["kind"] == "must" and row["met"] is False]
    if missed:
        typer.echo(f"penstock: not met: {', '.join(missed)}", err=True)
    raise typer.Exit(1 if missed else 0)


def table(rows: list[dict[str, Any]]) -> Table:
    """The rows for people; one whose `met` is null says why in its `note`."""
    from rich.table import Table

    shown = Table(title="Benchmarks", title_justify="left")
    for column in ("name", "value", "p50", "p99", "bar", "kind", "met", "reference", "note"):
        shown.add_column(column, justify="right" if column in ("value", "p50", "p99", "bar") else "left")
    for row in rows:
        reference = row.get("reference") or {}
        against = (
            f"{reference['name']}: {_number(reference['value'])}"
            + (f" ({_number(row['ratio'])}x)" if row["ratio"] else "")
            if reference
            else ""
        )
        met = {True: "[green]yes[/]", False: "[bold red]no[/]", None: "[yellow]not known[/]"}[row["met"]]
        value = f"{_number(row['value'])} {row['unit']}"
        note = str(row.get("note") or ("no reference to compare with" if row["met"] is None else ""))
        numbers = (_number(row.get(key)) for key in ("p50", "p99", "bar"))
        shown.add_row(row["name"], value, *numbers, row["kind"], met, against, note)
    return shown


def _number(value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value or "")
