"""`penstock run`: a run from start to summary."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import JsonOption, example, write_json

if TYPE_CHECKING:
    from engine.config import Config
    from engine.run_dir import RunDir
    from engine.supervisor import Result, View

HELP = example(
    "Run the engine: feeds in, risk-checked orders out, everything journaled. Ctrl-C ends it with a summary. "
    "A run directory that holds a journal is restarted.",
    "penstock run --config configs/demo.toml",
    "penstock run --config configs/replay.toml --for 20 --summary summary.json",
    "penstock run --run-dir runs/20260101T120000Z-abcdefghijkl",
    "penstock run --config configs/mexc-live.toml --live",
)
HEADLINES = (
    "mode", "seconds", "messages", "conflated", "events", "intents", "approved", "cancels", "orders_sent", "fills",
    "open_orders", "unknown_orders", "fees",
    "realised_pnl", "equity", "rss_anon_mb_max", "actions_hash", "durable_hash", "config_hash",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=HELP)(run)


def run(
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="The run's config, TOML.")
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", metavar="DIR", help="Directory of the run; else a new one in ./runs."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0.1, help="End by itself after this time.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help='Send real orders; the config must say mode = "live", too.')
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", metavar="FILE", help="Write the summary as JSON to this file, too."),
    ] = None,
    as_json: JsonOption = False,
    no_view: Annotated[
        bool, typer.Option("--no-view", help="A log line a second in place of the live view.")
    ] = False,
) -> None:
    """Carry `penstock run` out."""
    from engine.log import logging_to
    from engine.run_dir import write_atomically
    from engine.supervisor import Supervisor

    settings, place = prepare(config, run_dir, live)
    shown = not (no_view or as_json) and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    log = settings.log
    with logging_to(place.path, level=log.level, form=log.format, file_name="supervisor.log", quiet=shown):
        core_module = os.environ.get("PENSTOCK_CORE_MODULE", "engine.daemon")
        supervisor = Supervisor(settings, place, _view(shown), seconds, live, core_module=core_module)
        result = supervisor.run()
    if summary is not None and result.summary is not None:
        write_atomically(summary, json.dumps(result.summary, indent=2).encode() + b"\n")
    if as_json:
        write_json(result.summary)
    else:
        _show(result, place)
    if result.exit_code:
        typer.echo(f"penstock: {result.reason}", err=True)
    raise typer.Exit(result.exit_code)


def prepare(config: Path | None, run_dir: Path | None, live: bool = False) -> tuple[Config, RunDir]:
    """The config and the run directory, new or restarted; raises UserError with the remedy."""
    from engine import run_dir as runs
    from engine.config import load
    from engine.errors import UserError
    from engine.live import check_switches

    if run_dir is not None and (run_dir / "run.json").exists():
        place = runs.open_at(run_dir)
        settings = load(place.config_file if config is None else config)
        check_switches(settings, live)
    elif config is None:
        raise UserError(
            "nothing says what to run: name a config, as in 'penstock run --config configs/demo.toml'"
        )
    else:
        settings = load(config)
        check_switches(settings, live)
        place = runs.create(settings.run.dir) if run_dir is None else runs.create_at(run_dir)
    place.write_config(settings)
    return settings, place


def _view(live: bool) -> View:
    from engine.console.view import LineView, LiveView

    return LiveView() if live else LineView()


def _show(result: Result, place: RunDir) -> None:
    typer.echo(f"Run {place.path}")
    rows = _rows(result.summary or {})
    if result.restarts:
        rows.append(("restarts of the core", str(result.restarts)))
    width = max((len(key) for key, _ in rows), default=0)
    for key, value in rows:
        typer.echo(f"  {key:<{width}}  {value}")


def _rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [(key, _shown(summary[key])) for key in HEADLINES if key in summary]
    for key in ("feeds", "denied"):
        rows += [(f"{key}: {name}", _shown(value)) for name, value in (summary.get(key) or {}).items()]
    journal = summary.get("journal") or {}
    rows += [(f"journal: {name}", _shown(value)) for name, value in journal.items()]
    for stage, row in (summary.get("latency_us") or {}).items():
        rows.append(
            (f"latency {stage}, µs", "  ".join(f"{name} {_shown(value)}" for name, value in row.items()))
        )
    rows += [("alert", _alert(alert)) for alert in summary.get("alerts") or []]
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _alert(alert: Any) -> str:
    return "{time} {level}: {text}".format_map(alert) if isinstance(alert, dict) else str(alert)
