"""What several commands share: options, and how facts are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from engine.run_dir import RunDir

DEFAULT_RUNS = Path("runs")

JsonOption = Annotated[bool, typer.Option("--json", help="Write facts as JSON on standard output.")]
RunDirOption = Annotated[
    Path | None,
    typer.Option("--run-dir", metavar="DIR", help="The run; else the newest one going on in ./runs."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")]


def write_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def example(summary: str, *lines: str) -> str:
    """A command's help with its examples; `\\b` keeps the lines apart."""
    return "\n\n".join([summary, "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)])


def chosen_run(run_dir: Path | None) -> RunDir:
    """The run that was named, or the newest one going on; raises RunDirError where there is none."""
    from engine import run_dir as runs

    return runs.newest_active(DEFAULT_RUNS) if run_dir is None else runs.open_at(run_dir)
