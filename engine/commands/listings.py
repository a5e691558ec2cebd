"""`penstock listings`: the candidates of a run, how they came about and how they ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.commands.options import (
    JsonOption,
    PlacedRun,
    ReadingCommand,
    RunDirOption,
    chosen_run,
    example,
    newest_status,
    say_what_is_archived,
    utc_text,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from engine.console.listings import Listing
    from engine.core.engine import Engine
    from engine.journal.history import MemoChange
    from engine.run_dir import RunDir

HELP = example(
    "Show the listings that a run's strategies know: those going on, from the journal, of a run that goes on, has ended or "
    "was killed. --history shows the finished ones and each change of state, --evidence what every source said of a symbol "
    "(what differs in its price alone once, with a count, but for --all and --json), --follow each change as it happens.",
    "penstock listings",
    "penstock listings --follow",
    "penstock listings --run-dir runs/20260101T120000Z-abcdefghijkl --history --json",
    "penstock listings --evidence NEWUSDT",
    "penstock listings --evidence NEWUSDT --all",
)
POLL_S = 0.2
HEADER_FIELDS = (
    "seq",
    "ts_recv_ns",
    "ts_event_ns",
    "kind",
    "source",
    "instrument",
    "symbol",
    "from",
    "change",
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("listings", cls=ReadingCommand, help=HELP)(listings)


def listings(
    run: PlacedRun = None,
    history: Annotated[
        bool, typer.Option("--history", help="The finished ones, and each change of state.")
    ] = False,
    evidence: Annotated[
        str | None,
        typer.Option("--evidence", metavar="SYMBOL", help="All evidence of a symbol, from the tape."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="With --evidence: each row, also where a source told another price only."),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Each change of state as it happens, one a line, until the run ends."),
    ] = False,
    run_dir: RunDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry `penstock listings` out."""
    if history + (evidence is not None) + follow > 1:
        raise typer.BadParameter("--history, --evidence and --follow go one at a time")
    if every and evidence is None:
        raise typer.BadParameter("--all goes with --evidence")
    place = chosen_run(run_dir, run)
    if evidence is not None:
        _show_evidence(place, evidence.upper(), as_json, every)
    elif history:
        _show_history(place, as_json)
    elif follow:
        _follow(place, as_json)
    else:
        _show_candidates(place, as_json)


def _show_candidates(place: RunDir, as_json: bool) -> None:
    from engine.console.listings import countdown, listings_of
    from engine.journal.history import folded

    core = folded(place.path)
    memos = {
        (name, key): value
        for index, name in enumerate(core.strategy_names())
        for key, value in core.memos_of(index).items()
    }
    found = [each for each in listings_of(memos) if not each.is_finished]
    now_ms = (time.time_ns() if place.is_active else _ended_ns(place, core)) // 1_000_000
    if as_json:
        write_json([_facts(each) for each in found])
        return
    rows = [
        [each.symbol, each.state, countdown(each.open_ms, now_ms), _heard(each), str(each.confidence), str(each.attempts),
         str(each.entry) or "-", each.exits_text or "-", each.note]
        for each in found
    ]  # fmt: skip
    columns = (
        "symbol", "state", ">opens in", "evidence", ">confidence", ">tries", "entry", "exits", "note"
    )  # fmt: skip
    write_table(columns, rows, "no listings going on; --history shows finished ones")


def _ended_ns(place: RunDir, core: Engine) -> int:
    """When a run that is over was last heard of: in its journal, or by its status."""
    status = newest_status(place)
    return max(core.now_ns, 0 if status is None else status.ts_ns)


def _show_history(place: RunDir, as_json: bool) -> None:
    from engine.journal import history

    say_what_is_archived(place)
    core = history.folded(place.path)
    last: dict[tuple[str, str], Listing] = {}
    changes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with history.reading(place.path):
        for change in history.memo_changes(history.journal_reader(place.path), core.strategy_names):
            key = (change.strategy, change.key)
            found = _change(change, last)
            if found is not None:
                changes.setdefault(key, []).append(found)
    rows = [
        _facts(listing) | {"changes": changes[key]}
        for key, listing in last.items()
        if listing.is_finished or changes[key][-1]["state"] == "DROPPED"
    ]
    if as_json:
        write_json(rows)
        return
    if not rows:
        typer.echo("no finished listings", err=True)
    for row in rows:
        typer.echo(f"{row['symbol']}  {row['result'] or 'dropped'}  ({row['strategy']})")
        for each in row["changes"]:
            typer.echo(f"  {_line(each)}")


def _follow(place: RunDir, as_json: bool) -> None:
    from engine.journal import history

    core = history.folded(place.path)
    last: dict[tuple[str, str], Listing] = {}
    with history.reading(place.path):
        reader = history.journal_reader(place.path)
        for change in history.memo_changes(reader, core.strategy_names):
            _change(change, last)
        for change in _until_it_ends(place, lambda: history.memo_changes(reader, core.strategy_names)):
            found = _change(change, last)
            if found is not None:
                typer.echo(
                    json.dumps(found, ensure_ascii=False)
                    if as_json
                    else f"{found['symbol']:<16} {_line(found)}"
                )


def _until_it_ends(place: RunDir, more: Any) -> Iterator[MemoChange]:
    """What comes in while the run goes on, and the rest once it has ended."""
    while True:
        active = place.is_active
        yield from more()
        if not active:
            return
        time.sleep(POLL_S)


def _change(change: MemoChange, last: dict[tuple[str, str], Listing]) -> dict[str, Any] | None:
    """What is told of a memo: a listing's new state or result; None where neither changed, or it is no listing's."""
    from engine.console.listings import listing_of

    key = (change.strategy, change.key)
    facts = {"time": utc_text(change.ts_recv_ns), "symbol": change.key, "strategy": change.strategy}
    before = last.get(key)
    if not change.value:
        return None if before is None else facts | {"state": "DROPPED", "result": "", "note": ""}
    now = listing_of(change.strategy, change.key, change.value)
    if now is None:
        return None
    last[key] = now
    if before is not None and (before.state, before.result) == (now.state, now.result):
        return None
    return facts | {"state": now.state, "result": now.result, "note": now.note}


def _show_evidence(place: RunDir, symbol: str, as_json: bool, every: bool) -> None:
    from engine.journal import history

    rows = [
        {
            "time": utc_text(facts["ts_recv_ns"]),
            "source": facts["from"],
            "change": facts["change"],
            "said": _values(facts),
        }
        for facts in history.evidence(place.path, symbol)
    ]
    begins = history.tape_begins_ns(place.path)
    if as_json:
        write_json({"symbol": symbol, "tape_begins": utc_text(begins) if begins else None, "evidence": rows})
    else:
        shown = [Repeated(row) for row in rows] if every else _without_repeats(rows)
        table = [
            [row["time"], row["source"], row["change"], f"{each.count:,}" if each.count > 1 else "",
             each.since[11:19], _said(row["said"])]
            for each in shown for row in (each.newest,)
        ]  # fmt: skip
        since = f"; the tape begins at {utc_text(begins)}" if begins else ""
        columns = ("time", "source", "change", ">times", "since", "said")
        write_table(columns, table, f"no evidence of {symbol}{since}")
    raise typer.Exit(0 if rows else 1)


@dataclass(frozen=True, slots=True)
class Repeated:
    """What a source said, by its newest row, and how often it did so in a row, the price apart."""

    newest: dict[str, Any]
    count: int = 1
    since: str = ""  # the time of the first, where there was more than one


def _without_repeats(rows: list[dict[str, Any]]) -> list[Repeated]:
    """One in place of rows of a source that follow each other and differ in time and price alone, by the newest's time."""
    found: dict[int, Repeated] = {}  # by the number of the first
    last: dict[str, int] = {}
    for number, row in enumerate(rows):
        first = last.get(row["source"], number)
        before = found.get(first)
        if before is not None and _but_for_price(before.newest) == _but_for_price(row):
            del found[first]  # to the end
            found[first] = Repeated(row, before.count + 1, before.since or before.newest["time"])
        else:
            last[row["source"]] = number
            found[number] = Repeated(row)
    return list(found.values())


def _but_for_price(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["change"], {name: value for name, value in row["said"].items() if name != "price"}


def _values(facts: dict[str, Any]) -> dict[str, Any]:
    """What a source said; a price as an exact decimal."""
    from engine.config_models import format_money

    said = {
        name: value for name, value in facts.items() if name not in HEADER_FIELDS and value not in ("", None)
    }
    return said | ({"price": format_money(said["price"])} if "price" in said else {})


def _facts(listing: Listing) -> dict[str, Any]:
    import msgspec

    return {name: msgspec.to_builtins(getattr(listing, name)) for name in listing.__struct_fields__}


def _heard(listing: Listing) -> str:
    heard = sorted(listing.evidence.items(), key=lambda item: item[1])
    return ", ".join(f"{source.lower()} {utc_text(at_ms * 10**6)[11:19]}" for source, at_ms in heard) or "-"


def _line(change: dict[str, Any]) -> str:
    note = "" if change["note"] in change["result"] else change["note"]
    words = [change["time"], f"{change['state']:<12}", change["result"], note]
    return "  ".join(word for word in words if word).rstrip()


def _said(values: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in values.items())
