"""`penstock replay`: the same bytes through the same core."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import typer

from engine.commands.options import JsonOption, RunArgument, example, write_json

HELP = example(
    "Feed a finished run's tape and journal through the same core and compare every action. "
    "Exit 0 where all are equal, 1 at the first divergence.",
    "penstock replay runs/20260101T120000Z-abcdefghijkl",
)
PROGRESS_INTERVAL_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay", help=HELP)(replay)


def replay(run: RunArgument, as_json: JsonOption = False) -> None:
    """Carry `penstock replay` out."""
    from engine.run_dir import open_at

    # Loaded here, and by name: it needs the whole compiled core, which no other command does.
    result: Any = importlib.import_module("engine.replay").replay(open_at(run).path, progress())
    if as_json:
        write_json(dataclasses.asdict(result))
    elif result.equal:
        typer.echo(f"equal, {result.actions:,} actions, hash {result.actions_hash}")
    else:
        first = result.divergence
        typer.echo(f"not equal: after {result.actions:,} actions, at sequence number {first.seq}")
        typer.echo(f"  recorded: {_shown(first.recorded)}")
        typer.echo(f"  replayed: {_shown(first.replayed)}")
    raise typer.Exit(0 if result.equal else 1)


def _shown(action: dict[str, Any] | None) -> str:
    return "nothing" if action is None else "  ".join(f"{key}={value}" for key, value in action.items())


def progress(clock_s: Callable[[], float] = time.monotonic) -> Callable[[int], None] | None:
    """Says on standard error how far it is, once a second; None where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    last_s = clock_s()

    def tell(events: int) -> None:
        nonlocal last_s
        if clock_s() - last_s >= PROGRESS_INTERVAL_S:
            last_s = clock_s()
            typer.echo(f"replayed {events:,} events", err=True)

    return tell
