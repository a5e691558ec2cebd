"""Replay: a finished run's inputs through the same core, its outputs compared byte for byte."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import EventKind
from engine.errors import UserError
from engine.journal.records import Record, read_run, split
from engine.plugins import adapter_of, attach_strategies, config_of
from engine.sequencer import Rim, Sequencer


class ReplayError(UserError):
    """The run cannot be replayed; the text says why."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first output that differs: what the run recorded and what the replay brought out; None where there is none."""

    seq: int
    recorded: dict[str, Any] | None
    replayed: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """How a replay ended. Hashes are the replay's own."""

    equal: bool
    events: int
    actions: int
    actions_hash: str
    durable_hash: str
    full_hash: str
    sessions: int
    divergence: Divergence | None


class Replay:
    """One pass over a run's records.

    Each session begins, as the restart did, from the durable state that the journal holds; `shadow` is that state.
    """

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self.shadow = Engine()
        self.core = Engine()
        self.sequencer: Sequencer | None = None
        self.config: dict[str, Any] = {}
        self.attached = False
        self.expected: deque[bytes] = deque()
        self.unmatched: deque[tuple[int, bytes]] = deque()
        self.events = self.actions = self.sessions = 0
        self.divergence: Divergence | None = None
        self._progress = progress

    def take(self, record: Record) -> None:
        """The next record of the run."""
        if record.is_note:
            return
        if record.is_output:
            self._compare(record)
            self.shadow.apply_bytes(record.raw)
            return
        if record.kind == EventKind.START:
            self._begin_session(record)
        elif self.unmatched:
            self._diverge(None, self.unmatched[0])
        if self.divergence is None:
            self._feed(record)

    def finish(self) -> None:
        """After the last record: nothing may be left over, and both ways to the durable state must agree."""
        if self.divergence is None and self.unmatched and not self.cut_short:
            self._diverge(None, self.unmatched[0])

    cut_short = False
    """Whether the run ended without a seal: then the last event's outputs may be missing."""

    def _feed(self, record: Record) -> None:
        if self.sequencer is None:
            raise ReplayError(f"the run's first record is number {record.seq}, not the start of a session")
        if record.kind == EventKind.CONFIG:
            self.config = config_of(record.body)
        elif record.kind == EventKind.RECONCILED and not self.attached:
            attach_strategies(self.core, self.config)
            self.attached = True
        if EventKind.START <= record.kind <= EventKind.RECONCILED:
            self.shadow.apply_bytes(record.raw)
        self.core.halt_at_intent = self._halt_within(record.seq)
        outputs = self.sequencer.replay(record.raw)
        self.core.errors.clear()
        self.unmatched.extend((record.seq, each) for each in split(outputs))
        self.events += 1
        if self._progress is not None and self.events % 4096 == 0:
            self._progress(self.events)

    def _begin_session(self, record: Record) -> None:
        """A restart knew only what the journal held: outputs that the crash cut off never happened."""
        self.unmatched.clear()
        self.sessions += 1
        self.attached = False
        core = Engine()
        if self.sessions > 1:
            core.load_durable(self.shadow.state.durable_bytes(), self.shadow.seq, self.shadow.now_ns)
        self.core = core
        self.sequencer = self._sequencer(core, record)

    def _sequencer(self, core: Engine, start: Record) -> Sequencer:
        run_id = describe(start.raw)["run_id"]
        decoder = adapter_of(self.adapter_config, run_id, 0).decoder()
        for index in range(len(core.books)):
            spec = core.spec(index)
            decoder.add_instrument(index, spec.symbol, spec.price_decimals, spec.size_decimals)
        return Sequencer(core, decoder, Rim())

    adapter_config: dict[str, Any] = {}

    def _halt_within(self, seq: int) -> int:
        return self.halts.get(seq, 0)

    halts: dict[int, int] = {}

    def _compare(self, record: Record) -> None:
        if self.divergence is not None:
            return
        self.actions += 1
        if not self.unmatched:
            self.divergence = Divergence(record.seq, describe(record.raw), None)
            return
        _, replayed = self.unmatched.popleft()
        if replayed != record.raw:
            self.divergence = Divergence(record.seq, describe(record.raw), describe(replayed))

    def _diverge(self, recorded: Record | None, replayed: tuple[int, bytes]) -> None:
        self.divergence = Divergence(replayed[0], None if recorded is None else describe(recorded.raw), describe(replayed[1]))
