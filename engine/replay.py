"""Replay: a finished run's inputs through the same core, its outputs compared byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import EventKind
from engine.errors import UserError
from engine.journal.archived import check_begins
from engine.journal.records import JOURNAL_STEM, TAPE_STEM, Record, read_log, read_run, split
from engine.plugins import attach_strategies, config_of, make_adapter
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_errors import LogError
from native.log_reader import segment_numbers
from native.log_verify import check_recovered

PROGRESS_EVENTS = 4096


class ReplayError(UserError):
    """The run cannot be replayed; the text says why."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first output that differs: as recorded and as replayed; None where one side has none."""

    seq: int
    recorded: dict[str, Any] | None
    replayed: dict[str, Any] | None

    def __str__(self) -> str:
        return f"event {self.seq}\n  recorded: {self.recorded}\n  replayed: {self.replayed}"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How a replay ended. The hashes are the replay's own; `durable_equal`: the journal alone leads to the same."""

    equal: bool
    events: int
    actions: int
    actions_hash: str
    durable_hash: str
    full_hash: str
    durable_equal: bool
    sessions: int
    divergence: Divergence | None


class Replay:
    """One pass over a run's records.

    `shadow` follows the journal alone, as a restart does. Each session of the replayed core begins from it, for that is
    what the restarted core knew: outputs that a crash cut off never happened.
    """

    def __init__(self, adapter: Mapping[str, Any], progress: Callable[[int], None] | None = None) -> None:
        self.shadow = Engine()
        self.core = Engine()
        self.divergence: Divergence | None = None
        self.events = self.actions = self.sessions = 0
        self._adapter, self._options = str(adapter["name"]), {**adapter}
        del self._options["name"]
        self._progress = progress
        self._config: dict[str, Any] = {}
        self._sequencer: Sequencer | None = None
        self._attached = False

    def run(self, records: Iterable[Record]) -> None:
        """Every event with the outputs that the run recorded for it, until the first divergence."""
        event: Record | None = None
        recorded: list[bytes] = []
        sealed = False
        for record in records:
            if record.is_note:
                sealed = record.kind == EventKind.NOTE_SEALED
            elif record.is_output:
                recorded.append(record.raw)
            else:
                if event is not None:
                    self._event(event, recorded, cut_short=record.kind == EventKind.START and not sealed)
                event, recorded, sealed = record, [], False
            if self.divergence is not None:
                return
        if event is not None:
            self._event(event, recorded, cut_short=not sealed)

    def result(self) -> ReplayResult:
        """What came of it."""
        durable_hash = self.core.durable_hash()
        agrees = durable_hash == self.shadow.durable_hash()
        return ReplayResult(
            equal=self.divergence is None,
            events=self.events,
            actions=self.actions,
            actions_hash=self.shadow.actions_hash,
            durable_hash=durable_hash,
            full_hash=self.core.full_hash(),
            durable_equal=agrees,
            sessions=self.sessions,
            divergence=self.divergence,
        )

    def _event(self, event: Record, recorded: list[bytes], *, cut_short: bool) -> None:
        if event.kind == EventKind.START:
            self._begin_session(event)
        if self._sequencer is None:
            raise ReplayError(f"the run's first record is event {event.seq}, not the start of a session")
        if event.kind == EventKind.CONFIG:
            self._config = config_of(event.body)
        elif event.kind == EventKind.RECONCILED and not self._attached:
            attach_strategies(self.core, self._config)
            self._attached = True
        if EventKind.START <= event.kind <= EventKind.RECONCILED:
            self.shadow.apply_bytes(event.raw)
        halts = (Record(event.seq, EventKind.COMMAND, raw) for raw in recorded if _is_command(raw))
        self.core.halt_at_intent = next((halt.at_intent for halt in halts), 0)
        replayed = list(split(self._sequencer.replay(event.raw)))
        self.core.errors.clear()
        self._compare(event.seq, recorded, replayed[: len(recorded)] if cut_short else replayed)
        for raw in recorded:
            self.shadow.apply_bytes(raw)
        self.events += 1
        self.actions += len(recorded)
        if self._progress is not None and self.events % PROGRESS_EVENTS == 0:
            self._progress(self.events)

    def _begin_session(self, start: Record) -> None:
        self.sessions += 1
        self._attached = False
        self.core = Engine()
        if self.sessions > 1:
            self.core.load_durable(self.shadow.state.durable_bytes(), self.shadow.seq, self.shadow.now_ns)
        # The run's own settings: a decoder may depend on them.
        decoder = make_adapter(self._adapter, self._options, describe(start.raw)["run_id"], 0).decoder()
        self._sequencer = Sequencer(self.core, decoder, Rim())
        self._sequencer.introduce_instruments()

    def _compare(self, seq: int, recorded: list[bytes], replayed: list[bytes]) -> None:
        for ours, theirs in zip(recorded, replayed, strict=False):
            if ours != theirs:
                self.divergence = Divergence(seq, describe(ours), describe(theirs))
                return
        if len(recorded) > len(replayed):
            self.divergence = Divergence(seq, describe(recorded[len(replayed)]), None)
        elif len(replayed) > len(recorded):
            self.divergence = Divergence(seq, None, describe(replayed[len(recorded)]))


def _is_command(raw: bytes) -> bool:
    return bool(describe(raw)["kind"] == EventKind.COMMAND.name)


def adapter_of(run_dir: Path) -> dict[str, Any]:
    """A run's adapter, name and settings, from its journal's first CONFIG record; ReplayError where there is none."""
    for record in read_log(run_dir / "journal", JOURNAL_STEM):
        if record.kind == EventKind.CONFIG:
            return dict(config_of(record.body)["adapter"])
    raise ReplayError(f"the journal of {run_dir} holds no config: the run ended before it began")


def replay(run_dir: Path, progress: Callable[[int], None] | None = None) -> ReplayResult:
    """Replay a run; ReplayError where it never began, or its tape no longer holds the beginning."""
    for folder in ("journal", "tape"):
        if not (run_dir / folder).is_dir():
            raise ReplayError(f"{run_dir} has no {folder}: the run never began, or that folder was removed")
    segments = segment_numbers(run_dir / "tape", TAPE_STEM)
    if segments and segments[0] > 0:
        raise ReplayError(
            f"the tape of {run_dir} was cut to its budget: {segments[0]} segments at its beginning are gone. "
            "A replay needs all of them: raise run.tape_budget_mb for runs that are to be replayed."
        )
    try:
        check_recovered(run_dir / "journal", JOURNAL_STEM)
        check_begins(run_dir / "journal", 0)
    except LogError as error:
        raise ReplayError(str(error)) from None
    one = Replay(adapter_of(run_dir), progress)
    one.run(read_run(run_dir))
    return one.result()
