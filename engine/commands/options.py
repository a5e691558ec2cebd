"""What several commands share: options, and how facts are written."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from engine.console.status import Status
    from engine.run_dir import RunDir

DEFAULT_RUNS = Path("runs")

JsonOption = Annotated[bool, typer.Option("--json", help="Write facts as JSON on standard output.")]
RunDirOption = Annotated[
    Path | None,
    typer.Option("--run-dir", metavar="DIR", help="The run; else the newest one going on in ./runs."),
]
# The place of --run-dir before it was known to all commands: taken still, and not shown.
PlacedRun = Annotated[Path | None, typer.Argument(metavar="RUN", hidden=True)]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]


class ReadingCommand(TyperCommand):
    """A command that reads a run's records; its usage line leaves `PlacedRun` out, as its help does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name."""
        return [piece for piece in super().collect_usage_pieces(ctx) if piece != "[RUN]"]


def write_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def example(summary: str, *lines: str) -> str:
    """A command's help with its examples; `\\b` keeps the lines apart."""
    return "\n\n".join([summary, "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)])


def chosen_run(run_dir: Path | None, placed: Path | None = None) -> RunDir:
    """The run that was named, one way or the other, or the newest one going on; raises RunDirError where there is none."""
    from engine import run_dir as runs

    if run_dir is not None and placed is not None:
        raise typer.BadParameter("name the run once, with --run-dir")
    run_dir = placed if run_dir is None else run_dir
    return runs.newest_active(DEFAULT_RUNS) if run_dir is None else runs.open_at(run_dir)


def utc_text(moment_ns: int) -> str:
    """A moment as ISO 8601 in UTC with milliseconds."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment_ns // 10**9))
    return f"{whole}.{moment_ns // 10**6 % 1000:03d}Z"


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    """Aligned columns on standard output, one with > in front to the right; `nothing` on standard error without rows."""
    if not rows:
        typer.echo(nothing, err=True)
        return
    heads = [column.removeprefix(">") for column in columns]
    table = [heads, *rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(heads))]
    for row in table:
        cells = (
            f"{cell:>{width}}" if column.startswith(">") else f"{cell:<{width}}"
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def say_what_is_archived(run: RunDir, start: int = 0) -> None:
    """On standard error, where the journal's records from `start` on are no longer all here."""
    import contextlib

    from engine.journal.archived import check_begins
    from native.log_errors import LogError

    with contextlib.suppress(FileNotFoundError):  # no journal at all: who reads it says so
        try:
            check_begins(run.journal, start)
        except LogError as error:
            typer.echo(f"penstock: {error}", err=True)


def newest_status(run: RunDir) -> Status | None:
    """The status that the run's core published last; None where there is none that can be read."""
    from engine.console.status import decode
    from engine.console.status_page import StatusPage

    try:
        with StatusPage.open(run.path) as shared:
            payload = shared.read()
        return None if payload is None else decode(payload)
    except (OSError, ValueError):
        return None
