"""`penstock journal`: what a run's journal says, whether it is whole, keys to sign it, old segments out and back."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import (
    JsonOption,
    RunArgument,
    example,
    say_what_is_archived,
    utc_text,
    write_json,
)

if TYPE_CHECKING:
    from engine.journal.verification import Verdict
    from engine.run_dir import RunDir

app = typer.Typer(help="Look at a run's journal.", no_args_is_help=True)
SHOW_HELP = example(
    "Show a journal's records in order, one a line; with --json one JSON object a line.",
    "penstock journal show runs/20260101T120000Z-abcdefghijkl --limit 20",
    "penstock journal show runs/20260101T120000Z-abcdefghijkl --kind FILL --json",
)
VERIFY_HELP = example(
    "Check a journal's hash chain, offline, and with --public-key its signed checkpoints. Exit 1, naming the first record "
    "that was changed, removed or reordered, or the first checkpoint that does not hold. A torn tail is said; the next "
    "start repairs it.",
    "penstock journal verify runs/20260101T120000Z-abcdefghijkl",
    "penstock journal verify runs/20260101T120000Z-abcdefghijkl --public-key penstock.pub --at-least kept.jsonl",
)
CHECKPOINT_HELP = example(
    "Print a journal's newest checkpoint, one line of JSON, to be kept where this machine cannot change it: "
    "'journal verify --at-least' compares with it. Exit 1 where there is none.",
    "penstock journal checkpoint runs/20260101T120000Z-abcdefghijkl > kept.jsonl",
)
KEYGEN_HELP = example(
    "Make a pair of Ed25519 keys: FILE signs and is yours alone (mode 0600), FILE.pub verifies and is for everybody. "
    "Nothing is overwritten.",
    "penstock journal keygen ~/.penstock/journal.key",
)
ARCHIVE_HELP = example(
    "Verify a journal, then move its old segments, compressed, into an archive: those that lie before every snapshot a "
    "restart may begin from. The run may go on meanwhile. Interrupt it at any time; the next try goes on.",
    "penstock journal archive runs/20260101T120000Z-abcdefghijkl --to /mnt/archive",
)
RESTORE_HELP = example(
    "Put the archived segments of a journal back and verify it. They stay in the archive, too.",
    "penstock journal restore runs/20260101T120000Z-abcdefghijkl --from /mnt/archive",
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
    say_what_is_archived(place, start)
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
def verify(
    run: RunArgument,
    public_keys: Annotated[
        list[Path] | None,
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="Require checkpoints signed with this key; more than once where the key was changed.",
        ),
    ] = None,
    archive_dir: Annotated[
        Path | None, typer.Option("--archive", metavar="DIR", help="Verify the archived segments there, too.")
    ] = None,
    at_least: Annotated[
        list[Path] | None,
        typer.Option("--at-least", metavar="FILE", help="A checkpoint kept elsewhere must still hold."),
    ] = None,
    expected: Annotated[
        list[str] | None,
        typer.Option("--expect", metavar="RECORDS:HASH", help="The hash after so many records must be this."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock journal verify` out."""
    from engine.errors import UserError
    from engine.journal.keys import public_key
    from engine.journal.verification import judge, witness
    from engine.run_dir import open_at
    from native.log_errors import LogError

    place = open_at(run)
    keys = [public_key(path) for path in public_keys or []]
    try:
        verdict = judge(place, keys, archive_dir, witness(expected or [], at_least or []))
    except (LogError, OSError) as error:
        raise UserError(f"the journal of {place.path} cannot be read: {error}") from None
    if as_json:
        write_json(_facts(verdict, bool(keys)))
    else:
        for line in _lines(verdict, bool(keys)):
            typer.echo(line)
    raise typer.Exit(0 if verdict.ok else 1)


def _facts(verdict: Verdict, with_keys: bool) -> dict[str, Any]:
    report, newest = verdict.report, verdict.newest
    return {
        "ok": verdict.ok,
        "damage": report.damage.value,
        "records": report.records,
        "head_hash": report.head_hash,
        "index": report.index,
        "segment": report.segment,
        "offset": report.offset,
        "problem": verdict.problem,
        "first": report.first,
        "archived": None if verdict.archived is None else dataclasses.asdict(verdict.archived),
        "archive_verified": verdict.archive_read and verdict.ok,
        "checkpoints": len(verdict.checkpoints),
        "signatures_verified": with_keys and verdict.ok,
        "signed_records": verdict.signed_records,
        "torn_checkpoint": verdict.torn_checkpoint,
        "newest_checkpoint": None if newest is None else dataclasses.asdict(newest),
    }


def _lines(verdict: Verdict, with_keys: bool) -> Iterator[str]:
    report, newest = verdict.report, verdict.newest
    if not report.ok:
        where = f"record {report.index} (segment {report.segment}, offset {report.offset})"
        yield f"damaged: {where}: {report.damage.value}; the {report.records:,} records before it are whole"
        return
    if verdict.problem:
        yield f"damaged: {verdict.problem}; the chain of the {report.records:,} records is whole in itself"
        return
    torn = f"; {report.damage.value} after it" if report.damage.value != "ok" else ""
    yield f"whole: {report.records:,} records, hash {report.head_hash}{torn}"
    if verdict.archived is not None:
        looked = "verified, too" if verdict.archive_read else "not looked at: name it with --archive"
        yield f"archived: {verdict.archived}; {looked}"
    if newest is None:
        yield "not signed: it has no checkpoints. The chain alone does not show a tail that was cut off"
        return
    if with_keys:
        yield (
            f"signed: the first {newest.records:,} records, by key {newest.key_id} at {utc_text(newest.time_ns)}; "
            f"{report.records - newest.records:,} after them are not"
        )
    else:
        yield f"signatures not checked, for want of --public-key: {len(verdict.checkpoints)} checkpoints match the chain"
    if verdict.torn_checkpoint:
        yield "the last checkpoint was never completed, as after a kill: the next start drops it"
    yield f"newest checkpoint, to be kept elsewhere: {newest.line.decode().strip()}"


@app.command("checkpoint", help=CHECKPOINT_HELP)
def checkpoint(run: RunArgument) -> None:
    """Carry `penstock journal checkpoint` out."""
    from engine.errors import UserError
    from engine.journal.checkpoints import CheckpointDamaged, read_checkpoints
    from engine.run_dir import open_at

    place = open_at(run)
    try:
        found = read_checkpoints(place.journal).checkpoints
    except (CheckpointDamaged, OSError) as error:
        raise UserError(f"the checkpoints of {place.path} cannot be read: {error}") from None
    if not found:
        typer.echo("penstock: the journal has no checkpoints: [run] checkpoint_key_file makes them", err=True)
        raise typer.Exit(1)
    typer.echo(found[-1].line.decode(), nl=False)


@app.command("keygen", help=KEYGEN_HELP)
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Carry `penstock journal keygen` out."""
    from engine.journal.keys import make_keys

    public = file.with_name(f"{file.name}.pub")
    name = make_keys(file, public)
    typer.echo(f"key {name}: {file} signs, keep it to yourself; {public} verifies, keep it elsewhere, too")


@app.command("archive", help=ARCHIVE_HELP)
def archive(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The archive, one for any number of runs.")],
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=1, help="Leave the newest N segments where they are.")
    ] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock journal archive` out."""
    from engine.errors import UserError
    from engine.journal import archive as archives
    from engine.run_dir import open_at
    from native.log_errors import LogError

    place = open_at(run)
    try:
        with progress_bar("archiving") as progress:
            outcome = archives.archive(place, to, keep=keep, dry_run=dry_run, progress=progress)
    except (LogError, OSError) as error:
        raise UserError(f"the journal of {place.path} is not archived: {error}") from None
    if as_json:
        facts = dataclasses.asdict(outcome) | {"folder": str(outcome.folder), "dry_run": dry_run}
        write_json(facts)
        return
    done = "would be archived" if dry_run else "archived"
    size = "" if dry_run else f", {outcome.archived_bytes:,} compressed"
    count = len(outcome.segments)
    typer.echo(f"{done}: {count} segments, {outcome.bytes:,} bytes{size}, in {outcome.folder}")
    typer.echo(f"the rest stays: {outcome.kept_because}")


@app.command("restore", help=RESTORE_HELP)
def restore(
    run: RunArgument,
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="The archive.")],
) -> None:
    """Carry `penstock journal restore` out."""
    from engine.errors import UserError
    from engine.journal.archive import restore_segments, verify_here
    from engine.run_dir import open_at
    from native.log_errors import LogError

    place = open_at(run)
    try:
        with progress_bar("restoring") as progress:
            count = restore_segments(place, source, progress=progress)
        report = verify_here(place)
    except (LogError, OSError) as error:
        raise UserError(f"the journal of {place.path} cannot be restored: {error}") from None
    typer.echo(f"restored: {count} segments; whole: {report.records:,} records, hash {report.head_hash}")


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while it is a terminal; gives what is told bytes done and in all."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell
