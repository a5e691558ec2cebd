"""`penstock journal show` and `verify`: what a run's journal says, and whether it is whole."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import JsonOption, RunArgument, example, write_json

if TYPE_CHECKING:
    from engine.run_dir import RunDir

app = typer.Typer(help="Look at a run's journal.", no_args_is_help=True)
SHOW_HELP = example(
    "Show a journal's records in order, one a line; with --json one JSON object a line.",
    "penstock journal show runs/20260101T120000Z-abcdefghijkl --limit 20",
    "penstock journal show runs/20260101T120000Z-abcdefghijkl --kind FILL --json",
)
VERIFY_HELP = example(
    "Check a journal's hash chain. Exit 1, naming the first record that was changed, removed or reordered. "
    "A torn tail is said; the next start repairs it.",
    "penstock journal verify runs/20260101T120000Z-abcdefghijkl",
)


@app.command("show", help=SHOW_HELP)
def show(
    run: RunArgument,
    start: Annotated[
        int, typer.Option("--from", metavar="INDEX", min=0, help="First index of the log to show.")
    ] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Show at most N records.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only this kind, as in PLACE or FILL.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock journal show` out."""
    from engine.errors import UserError
    from engine.run_dir import open_at
    from native.log_errors import LogError

    place = open_at(run)
    chosen = (row for row in records(place, start) if kind is None or row["kind"] == kind.upper())
    try:
        for row in islice(chosen, limit):
            typer.echo(json.dumps(row, ensure_ascii=False, default=str) if as_json else _line(row))
    except (LogError, OSError, ValueError) as error:
        raise UserError(f"the journal of {place.path} cannot be read: {error}") from None


def records(run: RunDir, start: int) -> Iterator[dict[str, Any]]:
    """The journal's records as plain values, each with its `index` in the log."""
    from engine.journal.records import JOURNAL_STEM, parse
    from native.log_reader import LogReader
    from native.log_verify import check_recovered

    check_recovered(run.journal, JOURNAL_STEM)
    describe: Callable[[bytes], dict[str, Any]] = importlib.import_module("engine.core.describe").describe
    reader = LogReader(run.journal, JOURNAL_STEM, from_index=start)
    try:
        for index, entry in reader:
            yield {"index": index, **describe(parse(bytes(entry)).raw)}
    finally:
        reader.close()


def _line(row: dict[str, Any]) -> str:
    shown = {key: value for key, value in row.items() if key not in ("index", "seq", "kind", "ts_recv_ns")}
    words = "  ".join(f"{key}={value}" for key, value in shown.items() if value not in ("", None))
    return f"{row['index']:>8} {row['seq']:>10} {row['kind']!s:16} {words}"


@app.command("verify", help=VERIFY_HELP)
def verify(run: RunArgument, as_json: JsonOption = False) -> None:
    """Carry `penstock journal verify` out."""
    from engine.errors import UserError
    from engine.journal.records import JOURNAL_STEM
    from engine.run_dir import open_at
    from native import log_verify
    from native.log_errors import LogError

    place = open_at(run)
    try:
        report = log_verify.verify(place.journal, JOURNAL_STEM)
    except (LogError, OSError) as error:
        raise UserError(f"the journal of {place.path} cannot be read: {error}") from None
    facts = {
        "ok": report.ok,
        "damage": report.damage.value,
        "records": report.records,
        "head_hash": report.head_hash,
        "index": report.index,
        "segment": report.segment,
        "offset": report.offset,
    }
    if as_json:
        write_json(facts)
    elif report.ok:
        torn = f"; {report.damage.value} after it" if report.damage.value != "ok" else ""
        typer.echo(f"whole: {report.records:,} records, hash {report.head_hash}{torn}")
    else:
        where = f"record {report.index} (segment {report.segment}, offset {report.offset})"
        typer.echo(
            f"damaged: {where}: {report.damage.value}; the {report.records:,} records before it are whole"
        )
    raise typer.Exit(0 if report.ok else 1)
