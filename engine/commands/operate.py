"""`penstock status`, `halt`, `resume`, `cancel-all`, `reduce-only`: looking at a run and speaking to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from engine.commands.options import JsonOption, RunDirOption, chosen_run, example, write_json

if TYPE_CHECKING:
    from engine.control import CommandName
    from engine.run_dir import RunDir

STATUS_HELP = example(
    "Show a run's status. Exit 1 where its health is 'failure', it is halted, or its status is older than 5 s.",
    "penstock status",
    "penstock status --run-dir runs/20260101T120000Z-abcdefghijkl --json",
)
HALT_HELP = example(
    "Halt trading at once, even where the core is busy. Books and journal go on.", "penstock halt"
)
RESUME_HELP = example("Let a halted run trade again.", "penstock resume")
CANCEL_HELP = example("Cancel all open orders.", "penstock cancel-all")
REDUCE_HELP = example("From now on only reduce positions.", "penstock reduce-only")
STALE_S = 5.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status", help=STATUS_HELP)(status)
    app.command("halt", help=HALT_HELP)(halt)
    app.command("resume", help=RESUME_HELP)(resume)
    app.command("cancel-all", help=CANCEL_HELP)(cancel_all)
    app.command("reduce-only", help=REDUCE_HELP)(reduce_only)


def status(run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock status` out."""
    import msgspec
    from rich.console import Console

    from engine.console.status import decode
    from engine.console.status_page import StatusPage
    from engine.console.view import line, page
    from engine.errors import UserError

    run = chosen_run(run_dir)
    try:
        with StatusPage.open(run.path) as shared:
            payload = shared.read()
        document = None if payload is None else decode(payload)
    except (OSError, ValueError) as error:
        raise UserError(f"{run.path} has no status that can be read: {error}") from None
    if document is None:
        raise UserError(f"{run.path} has no status yet: its core has not written one")
    age_s = (time.time_ns() - document.ts_ns) / 1e9
    note = "running" if run.is_active else "ended"
    console = Console()
    if as_json:
        write_json(msgspec.to_builtins(document) | {"age_s": round(age_s, 3), "active": run.is_active})
    elif console.is_terminal:
        console.print(page(document, note, time.time_ns(), console.width), height=min(console.height, 48))
    else:
        typer.echo(line(document, note, time.time_ns()))
    wrong = document.health == "failure" or document.halted or age_s > STALE_S
    raise typer.Exit(1 if wrong else 0)


def halt(run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock halt` out: the flag first, so that it works even where the socket does not."""
    from engine.console.halt_flag import HaltFlag
    from engine.control import ControlUnavailable

    run = chosen_run(run_dir)
    with HaltFlag(run.path) as flag:
        flag.set()
    try:
        _say(run, "halt", as_json)
    except ControlUnavailable as error:
        text = f"the halt flag is set; the core reads it before its next event, but did not acknowledge it: {error}"
        if as_json:
            write_json({"command": "halt", "ok": False, "flag": True, "text": text, "seq": 0})
        else:
            typer.echo(f"penstock: {text}", err=True)
        raise typer.Exit(1) from None


def resume(run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock resume` out."""
    _say(chosen_run(run_dir), "resume", as_json)


def cancel_all(run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock cancel-all` out."""
    _say(chosen_run(run_dir), "cancel_all", as_json)


def reduce_only(run_dir: RunDirOption = None, as_json: JsonOption = False) -> None:
    """Carry `penstock reduce-only` out."""
    _say(chosen_run(run_dir), "reduce_only", as_json)


def _say(run: RunDir, command: CommandName, as_json: bool) -> None:
    from engine.control import ControlClient

    reply = ControlClient(run.path).call(command)
    if as_json:
        write_json({"command": command, "ok": reply.ok, "text": reply.text, "seq": reply.seq})
    else:
        state = f"done, journaled as {reply.seq}" if reply.ok else "refused"
        typer.echo(
            f"{command.replace('_', '-')}: {state}{f': {reply.text}' if reply.text else ''}", err=not reply.ok
        )
    raise typer.Exit(0 if reply.ok else 1)
