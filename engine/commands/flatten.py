"""`penstock flatten`: sell, or buy back, what a run holds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.options import JsonOption, RunDirOption, chosen_run, example, newest_status, write_json

if TYPE_CHECKING:
    from engine.console.status import Status
    from engine.run_dir import RunDir

HELP = example(
    "Cancel a symbol's open orders and bring its position to zero, as IOC orders within the risk limits; or those of all "
    "symbols. A terminal is asked first. Strategies go on: set 'penstock reduce-only' first where they would buy again. "
    "A halted run sends nothing. Exit 1 where it was refused, or with --wait where something is still held after it.",
    "penstock flatten NEWUSDT --wait 30",
    "penstock flatten --all --yes",
)
POLL_S = 0.1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("flatten", help=HELP)(flatten)


def flatten(
    symbol: Annotated[
        str | None, typer.Argument(metavar="[SYMBOL]", help="The symbol, as the venue spells it.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Everything that is held.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait_s: Annotated[
        float | None,
        typer.Option("--wait", metavar="SECONDS", min=0.1, help="Wait until it is flat, so long at most."),
    ] = None,
    run_dir: RunDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock flatten` out."""
    from engine.control import ControlClient

    if bool(symbol) == every:
        raise typer.BadParameter("name one SYMBOL, or --all")
    run = chosen_run(run_dir)
    what = "everything that is held" if every else str(symbol)
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Flatten {what} of {run.path.name}?", err=True):
        typer.echo("penstock: nothing was done", err=True)
        raise typer.Exit(1)
    reply = ControlClient(run.path).call("flatten", symbol=symbol or "")
    held = None
    if reply.ok and wait_s is not None:
        held = _wait(run, symbol or "", wait_s, reply.seq)
    ok = reply.ok and not held
    text = reply.text or ("" if reply.ok else "refused")
    if held:
        text = f"still held after {wait_s:g} s: {', '.join(held)}; 'penstock status' shows why in its alerts"
    if as_json:
        write_json({"command": "flatten", "ok": ok, "text": text, "seq": reply.seq, "held": held})
    elif not ok:
        typer.echo(f"flatten: {text}", err=True)
    else:
        done = "flat" if held is not None else "commanded"
        typer.echo(f"flatten: {what} {done}, journaled as {reply.seq}")
    raise typer.Exit(0 if ok else 1)


def _wait(run: RunDir, symbol: str, wait_s: float, seq: int) -> list[str]:
    """What is still held, or on order, when the time is over; nothing as soon as it is flat."""
    until = time.monotonic() + wait_s
    while True:
        document = newest_status(run)
        held = [symbol or "unknown"] if document is None or document.seq < seq else _held(document, symbol)
        if not held or time.monotonic() >= until:
            return held
        time.sleep(POLL_S)


def _held(document: Status, symbol: str) -> list[str]:
    held = {row.symbol for row in document.positions if row.size.strip("-0.")}
    held |= {row.symbol for row in document.orders}
    return sorted(held if not symbol else held & {symbol})
