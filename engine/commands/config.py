"""`penstock config check`: everything that is wrong with a config file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.commands.options import JsonOption, example, write_json

app = typer.Typer(help="Check and show configs.", no_args_is_help=True)
CHECK_HELP = example(
    "Read a config and list everything that is wrong with it, the adapter's own keys and the strategies' parameters "
    "included. Exit 2 where it cannot be used.",
    "penstock config check configs/demo.toml",
    "penstock config check --show configs/demo.toml",
)


@app.callback()
def top() -> None:
    """Keeps `check` a command of its own."""


@app.command("check", help=CHECK_HELP)
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The config, TOML.")],
    show: Annotated[
        bool, typer.Option("--show", help="Show the config in force, with all defaults.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock config check` out."""
    from engine.config import ConfigError, config_hash, load, resolve, to_toml
    from engine.config_plugins import plugin_problems

    try:
        config = load(file)
        refused = plugin_problems(config)
        if refused:
            raise ConfigError(str(file), refused)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [{"path": item.path, "what": item.what, "remedy": item.remedy} for item in error.problems]
        write_json({"file": str(file), "ok": False, "problems": problems})
        raise typer.Exit(2) from None
    if as_json:
        write_json(
            {"file": str(file), "ok": True, "config_hash": config_hash(config), "config": resolve(config)}
        )
        return
    if show:
        typer.echo(to_toml(config))
    typer.echo(
        f"{file} is good: {config.mode}, {', '.join(config.symbols)}, hash {config_hash(config)}", err=show
    )
