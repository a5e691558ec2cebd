"""`penstock replay`: the same bytes through the same core."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

import typer

from engine.commands.options import JsonOption, RunArgument, example, write_json

HELP = example(
    "Feed a finished run's tape and journal through the same core and compare every action. "
    "Exit 0 where all are equal, 1 at the first divergence.",
    "penstock replay runs/20260101T120000Z-abcdefghijkl",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay", help=HELP)(replay)


def replay(run: RunArgument, as_json: JsonOption = False) -> None:
    """Carry `penstock replay` out."""
    from engine.run_dir import open_at

    result: Any = importlib.import_module("engine.replay").replay(open_at(run).path, _progress())
    if as_json:
        write_json(
            {
                "equal": result.equal,
                "actions": result.actions,
                "actions_hash": result.actions_hash,
                "divergence": None if result.divergence is None else str(result.divergence),
            }
        )
    elif result.equal:
        typer.echo(f"equal, {result.actions:,} actions, hash {result.actions_hash}")
    else:
        typer.echo(f"not equal after {result.actions:,} actions: {result.divergence}")
    raise typer.Exit(0 if result.equal else 1)


def _progress() -> Any:
    """Says on standard error how far it is, at most once a second, and only to a terminal."""
    last = time.monotonic()

    def tell(done: int, total: int = 0) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() - last >= 1:
            last = time.monotonic()
            typer.echo(f"replayed {done:,}{f' of {total:,}' if total else ''}", err=True)

    return tell
