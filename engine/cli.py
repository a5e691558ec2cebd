"""The command line. Commands of other packages are mounted from the entry point group `penstock.commands`.

Exit codes: 0 all is well, 1 something was found wrong, 2 the command could not be carried out (usage, config,
environment). docs/commands.md is the reference. Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.main import get_command

from engine.commands import (
    bench,
    config,
    doctor,
    fills,
    flatten,
    journal,
    listings,
    operate,
    orders,
    positions,
    replay,
    run,
)
from engine.errors import UserError

HELP = "A low-latency trading engine: market data in, one inline risk gate, journaled orders out."
PASS_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
EXIT_INTERRUPTED = 130


def _version(asked: bool) -> None:
    if asked:
        from engine.run_dir import version

        typer.echo(f"penstock {version()}")
        raise typer.Exit


def build() -> typer.Typer:
    """The application with all commands."""
    app = typer.Typer(
        name="penstock",
        help=HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def top(
        version: Annotated[
            bool,
            typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end."),
        ] = False,
    ) -> None:
        pass

    for module in (run, replay, operate, listings, orders, fills, positions, flatten, doctor, bench):
        module.register(app)
    app.add_typer(config.app, name="config")
    app.add_typer(journal.app, name="journal")
    _mount_others(app)
    return app


def _mount_others(app: typer.Typer) -> None:
    """Commands of other packages; one of ours is never replaced."""
    ours = {command.name for command in app.registered_commands} | {
        group.name for group in app.registered_groups
    }
    for point in sorted(metadata.entry_points(group="penstock.commands"), key=lambda point: point.name):
        if point.name not in ours:
            _mount(app, point)


def _mount(app: typer.Typer, point: metadata.EntryPoint) -> None:
    @app.command(
        point.name, help=f"From {point.module}: see 'penstock {point.name} --help'.", context_settings=PASS_ON
    )
    def passed_on(context: typer.Context) -> None:
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"the command {point.name} of {point.module} cannot be loaded: {error}"
            ) from error
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            single.command()(found)
            found = single
        get_command(found)(args=list(context.args), prog_name=f"penstock {point.name}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `penstock`; the exit code."""
    try:
        build()(args=arguments, prog_name="penstock")
    except UserError as error:
        typer.echo(f"penstock: {error}", err=True)
        return 2
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
