"""`penstock doctor`: whether this machine and installation can run the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.commands.options import JsonOption, example, write_json

if TYPE_CHECKING:
    from engine.doctor import Finding

HELP = example(
    "Check Python, compiler, built kernels, installation, config, clock, disk, ports and limits. "
    "With --venue also the config's venue: key, permissions, IP list, expiry, clock, symbols, fees and feeds; no order is "
    "placed. Exit 0 where all is well, 1 with warnings, 2 with failures.",
    "penstock doctor",
    "penstock doctor --venue mexc --config configs/mexc-live.toml",
    "penstock doctor --config configs/demo.toml --json",
)
_STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=HELP)(doctor)


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A config to check, too.")
    ] = None,
    run_dir: Annotated[
        Path,
        typer.Option(
            "--run-dir", metavar="DIR", help="Where the disk is measured; the nearest folder that exists."
        ),
    ] = Path("runs"),
    venue: Annotated[
        str | None,
        typer.Option(
            "--venue", metavar="NAME", help="Examine the venue of the config's adapter, of this name, too."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock doctor` out."""
    from engine.doctor import examine, exit_code

    findings = examine(config, run_dir)
    if venue is not None:
        findings += _examine_venue(venue, config)
    if as_json:
        rows = [
            {"check": item.check, "level": item.level, "text": item.text, "remedy": item.remedy}
            for item in findings
        ]
        write_json({"exit_code": exit_code(findings), "findings": rows})
        raise typer.Exit(exit_code(findings))
    for item in findings:
        level = typer.style(
            f"{item.level:8}", fg=_STYLES[item.level].split()[-1], bold="bold" in _STYLES[item.level]
        )
        typer.echo(f"{level} {item.check:12} {item.text}")
        if item.remedy:
            typer.echo(f"{'':22}→ {item.remedy}")
    raise typer.Exit(exit_code(findings))


def _examine_venue(name: str, path: Path | None) -> list[Finding]:
    from engine.config import load
    from engine.doctor_venue import examine_venue
    from engine.errors import UserError

    if path is None:
        raise UserError("--venue needs --config FILE: it names the key's place, the symbols and the limits")
    config = load(path)
    if config.adapter.name != name:
        raise UserError(f"the adapter of {path} is {config.adapter.name}, not {name}")
    return examine_venue(config)
