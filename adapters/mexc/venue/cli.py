"""`penstock venue`: the local MEXC venue on its own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import uvloop
from pydantic import ValidationError

from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.server import Venue

EXIT_BAD_CONFIG = 2
_PR_SET_PDEATHSIG = 1

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@command.command(
    help="Run the local MEXC venue: REST and websocket on 127.0.0.1, a made or a recorded market.",
    epilog="Example: penstock venue --market seeded --symbols BTCUSDT,ETHUSDT --seed 7 --fault gap=0.01 --json",
)
def venue(
    config: Annotated[
        Path | None, typer.Option(help="TOML file with a VenueConfig; options override it.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    market: Annotated[str | None, typer.Option(help="seeded or recorded.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Comma-separated; default all there are.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the made market and of the faults.")] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls", help="https and wss, with a certificate made at the start.")
    ] = None,
    listings: Annotated[
        int | None, typer.Option(help="How many listings, drawn from the seed, come and open meanwhile.")
    ] = None,
    speed: Annotated[float | None, typer.Option(help="How many times faster a recording runs.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; default $PENSTOCK_DATA.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME, NAME=PROBABILITY, or NAME=key:value,... with the keys of a fault. Repeatable."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one JSON line.")] = False,
    die_with_parent: Annotated[bool, typer.Option(help="End when the parent process ends.")] = False,
) -> None:
    """Serve until SIGINT or SIGTERM; exit code 2 where the configuration makes no sense."""
    options = {"host": host, "port": port, "market": market, "seed": seed, "tls": tls}
    try:
        resolved = resolve(config, options, symbols, speed, data, fault or [], listings)
        running = Venue(resolved)
    except (ValueError, OSError) as error:
        typer.echo(f"penstock venue: {_explain(error)}", err=True)
        raise typer.Exit(EXIT_BAD_CONFIG) from error
    if die_with_parent:
        end_with_parent()
    uvloop.run(serve(running, as_json=as_json))


def resolve(
    path: Path | None,
    options: dict[str, Any],
    symbols: str | None,
    speed: float | None,
    data: Path | None,
    faults: list[str],
    listings: int | None = None,
) -> VenueConfig:
    """The configuration from a file and the options that override it; ValueError where it makes no sense."""
    values: dict[str, Any] = {}
    if path is not None:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    values |= {name: value for name, value in options.items() if value is not None}
    if symbols:
        values["symbols"] = [name.strip() for name in symbols.split(",") if name.strip()]
    recorded = {"speed": speed, "data_dir": data}
    values["recorded"] = values.get("recorded", {}) | {k: v for k, v in recorded.items() if v is not None}
    if listings is not None:
        values["generated_listings"] = values.get("generated_listings", {}) | {"count": listings}
    values["faults"] = [*values.get("faults", []), *(parse_fault(text) for text in faults)]
    return VenueConfig.model_validate(values)


def parse_fault(text: str) -> dict[str, Any]:
    """`gap`, `gap=0.01` or `gap=count:1,at_s:5` as the values of a FaultConfig."""
    name, _, rest = text.partition("=")
    values: dict[str, Any] = {"name": name}
    if rest and ":" not in rest:
        values["probability"] = rest
    elif rest:
        values |= dict(part.split(":", 1) for part in rest.split(","))
    return values


async def serve(running: Venue, *, as_json: bool) -> None:
    """Serve until a signal asks to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running:
        where = {
            "rest_url": running.rest_url,
            "ws_url": running.ws_url,
            "web_url": running.rest_url,
            "futures_url": running.rest_url,
            "futures_ws_url": running.futures_ws_url,
            "pid": os.getpid(),
        }
        if running.ca_pem_path is not None:
            where["ca_pem_path"] = str(running.ca_pem_path)
        if as_json:
            line = orjson.dumps(where).decode()
        else:
            line = f"MEXC venue ({running.config.market}) at {running.rest_url} and {running.ws_url}, Ctrl-C ends it"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        waiting = asyncio.create_task(stop.wait())
        failing = asyncio.create_task(running.failure())
        await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if failing.done():
            failing.result()
        failing.cancel()


def end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends; end at once if it has ended already.

    The kernel watches the parent's thread that started us, not its process.
    """
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit(0)


def _explain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
