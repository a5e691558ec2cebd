"""What a run's records tell from outside: of a run that goes on, has ended, or was killed.

Everything comes out of the journal through a core of our own, never from the running one; evidence of listings is on the
tape. Nothing here writes, and a running core does not notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import EventKind
from engine.errors import UserError
from engine.journal.records import JOURNAL_STEM, TAPE_STEM, parse, read_log
from engine.journal.restart import restore
from native.log_errors import LogError
from native.log_reader import LogReader

_OF_ORDERS = frozenset({EventKind.PLACE, EventKind.CANCEL, EventKind.ORDER_UPDATE, EventKind.FILL})


class Placed(NamedTuple):
    """One order as it ended, or as it is: the core's copy, and the record that placed it."""

    order: Any
    record: Mapping[str, Any]


class MemoChange(NamedTuple):
    """A strategy put a memo down, or took it away (`value` empty)."""

    ts_recv_ns: int
    strategy: str
    key: str
    value: bytes


@contextmanager
def reading(run_dir: Path) -> Iterator[None]:
    """Tell a log that cannot be read as a UserError."""
    try:
        yield
    except (LogError, OSError, ValueError) as error:
        raise UserError(
            f"the journal of {run_dir} cannot be read: {error}. Look at it with 'penstock journal verify {run_dir}'."
        ) from None


def folded(run_dir: Path) -> Engine:
    """A core in the durable state of the run, from its newest snapshot and the journal after it; raises UserError."""
    core = Engine()
    with reading(run_dir):
        restore(core, run_dir, None)
    return core


def orders(run_dir: Path) -> tuple[Engine, list[Placed]]:
    """Every order of the run, the oldest first, and the core at the end; raises UserError."""
    core = Engine()
    found: dict[int, Placed] = {}
    with reading(run_dir):
        for record in read_log(run_dir / "journal", JOURNAL_STEM):
            if record.is_note:
                continue
            core.apply_bytes(record.raw)
            if record.kind in _OF_ORDERS:
                facts = describe(record.raw)
                number = facts.get("order_no", 0)
                if (order := core.order(number)) is not None:
                    placed = facts if number not in found else found[number].record
                    found[number] = Placed(order, placed)
    # A new session makes orders UNKNOWN without naming them: those still open are copied once more.
    last = ((number, core.order(number)) for number, placed in found.items() if placed.order.is_open)
    found.update((number, Placed(order, found[number].record)) for number, order in last if order is not None)
    return core, list(found.values())


def fills(run_dir: Path) -> Iterator[dict[str, Any]]:
    """Every execution of ours, once, in the order in which it was told; raises UserError."""
    seen: set[tuple[int, str]] = set()
    with reading(run_dir):
        for record in read_log(run_dir / "journal", JOURNAL_STEM):
            if record.kind != EventKind.FILL:
                continue
            fill = describe(record.raw)
            key = (fill.get("instrument", -1), fill["trade_id"])
            if key[0] >= 0 and fill["order_no"] and key not in seen:
                seen.add(key)
                yield fill


def memo_changes(reader: LogReader, strategy_names: Callable[[], list[str]]) -> Iterator[MemoChange]:
    """The memos put down from where the reader stands up to now; iterating again goes on from there."""
    for _, payload in reader:
        record = parse(bytes(payload))
        if record.kind == EventKind.MEMO:
            facts = describe(record.raw)
            names = strategy_names()
            strategy = names[facts["strategy"]] if facts["strategy"] < len(names) else str(facts["strategy"])
            yield MemoChange(record.ts_recv_ns, strategy, facts["key"], facts["value"].encode())


def journal_reader(run_dir: Path) -> LogReader:
    """A reader of the journal from its first record."""
    return LogReader(run_dir / "journal", JOURNAL_STEM)


def evidence(run_dir: Path, symbol: str = "") -> Iterator[dict[str, Any]]:
    """What the sources said of a symbol, or of all, as far back as the tape goes; raises UserError."""
    with reading(run_dir):
        for record in read_log(run_dir / "tape", TAPE_STEM):
            if record.kind == EventKind.LISTING:
                facts = describe(record.raw)
                if not symbol or facts["symbol"] == symbol:
                    yield facts


def tape_begins_ns(run_dir: Path) -> int:
    """When the oldest record on the tape came in, 0 where there is none."""
    with reading(run_dir):
        return next((record.ts_recv_ns for record in read_log(run_dir / "tape", TAPE_STEM)), 0)
