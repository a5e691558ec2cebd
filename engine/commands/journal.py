"""`penstock journal show` and `verify`."""

from __future__ import annotations

import typer

app = typer.Typer(help="Look at a run's journal.", no_args_is_help=True)
