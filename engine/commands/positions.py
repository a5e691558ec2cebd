"""`penstock positions`: what a run holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from engine.commands.options import (
    JsonOption,
    PlacedRun,
    ReadingCommand,
    RunDirOption,
    chosen_run,
    example,
    newest_status,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from engine.console.status import Position
    from engine.run_dir import RunDir

HELP = example(
    "Show what a run holds and has earned, in the currency of its limits. Of a run that goes on, worth and unrealised "
    "profit are as of its books; of one that has ended or was killed, the journal is folded, and positions are valued at "
    "their own cost.",
    "penstock positions",
    "penstock positions --run-dir runs/20260101T120000Z-abcdefghijkl --json",
)
FRESH_S = 5.0
FIELDS = ("symbol", "size", "average_price", "notional", "realised_pnl", "unrealised_pnl")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("positions", cls=ReadingCommand, help=HELP)(positions)


def positions(run: PlacedRun = None, run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock positions` out."""
    place = chosen_run(run_dir, run)
    found = _live(place)
    source = "status page" if found is not None else "journal"
    if found is None:
        from engine.console.publish import position_rows
        from engine.journal.history import folded

        found = position_rows(folded(place.path))
    rows: list[dict[str, Any]] = [{name: getattr(row, name) for name in FIELDS} for row in found]
    if as_json:
        write_json({"source": source, "positions": rows})
        return
    columns = ("symbol", ">size", ">average", ">notional", ">realised", ">unrealised")
    write_table(columns, [[row[name] or "-" for name in FIELDS] for row in rows], "no positions")


def _live(place: RunDir) -> list[Position] | None:
    """The positions of a run that goes on, with its own marks; None where its status is old or left rows out."""
    document = newest_status(place) if place.is_active else None
    if document is None or document.hidden_rows or time.time_ns() - document.ts_ns > FRESH_S * 1e9:
        return None
    return document.positions
