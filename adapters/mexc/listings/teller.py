"""The one place where facts become EVENT_LISTING, and where each source's state is kept and told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec

from adapters.mexc.listings.facts import ListingFacts
from adapters.mexc.listings.ledger import Change
from engine.adapter import SequencerPort
from engine.core import event
from engine.core.enums import ListingChange, ListingSource

_log = logging.getLogger("penstock.mexc.listings")
# What was there when the session began is told with this text: it is no news.
FIRST_LOOK = "first look"
# So many events are told at a stretch; then the loop has its turn.
_AT_A_STRETCH = 32
_NS_PER_MS = 1_000_000


class SourceState(msgspec.Struct):
    """How a source does: `state` is "waiting" before its first answer, then "up" or "down"; times by our clock, in ns."""

    source: ListingSource
    state: str = "waiting"
    reason: str = ""
    since_ns: int = 0
    answers: int = 0
    failures: int = 0
    skipped: int = 0
    rows: int = 0


class Teller:
    """Tells changes and the state of the sources.

    `count` counts an oddity by its dotted name; `on_change` hears each change before it is told.
    """

    def __init__(
        self,
        sequencer: SequencerPort,
        count: Callable[[str], int],
        on_change: Callable[[ListingSource, ListingChange, ListingFacts], None],
    ) -> None:
        self.states: dict[ListingSource, SourceState] = {}
        self._sequencer = sequencer
        self._count = count
        self._on_change = on_change
        self._reasons: set[tuple[ListingSource, str]] = set()

    def state(self, source: ListingSource) -> SourceState:
        """The state of a source, from now on part of `states`."""
        return self.states.setdefault(source, SourceState(source, since_ns=self._sequencer.now_ns()))

    def tell(
        self, source: ListingSource, change: ListingChange, facts: ListingFacts, first: bool = False
    ) -> None:
        """One change, on the tape and to the strategies."""
        self._on_change(source, change, facts)
        fields = msgspec.structs.asdict(facts)
        if first and not facts.text:
            fields["text"] = FIRST_LOOK
        self._sequencer.ingest(event.listing(source, change, **fields))

    def tell_price(self, source: ListingSource, facts: ListingFacts, price: int, time_ms: int) -> None:
        """The facts as they were told, with a reference price in units of 10^-20."""
        priced = msgspec.structs.replace(facts, price=price, ts_event_ns=time_ms * _NS_PER_MS)
        self._sequencer.ingest(event.listing(source, ListingChange.SEEN, **msgspec.structs.asdict(priced)))

    async def tell_all(self, source: ListingSource, changes: Iterable[Change], first: bool = False) -> int:
        """Many changes, a few at a time, so that no frame waits for long; answers how many."""
        total = 0
        for change, facts in changes:
            self.tell(source, change, facts, first)
            total += 1
            if total % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        return total

    def up(self, source: ListingSource) -> None:
        """The source answers as it should; told where it did not before."""
        state = self.state(source)
        state.answers += 1
        if state.state != "up":
            if state.state == "down":
                _log.info("%s is back", source.name)
            state.state, state.reason, state.since_ns = "up", "", self._sequencer.now_ns()
            self._sequencer.ingest(event.listing(source, ListingChange.SOURCE_UP))

    def down(self, source: ListingSource, kind: str, text: str) -> None:
        """The source is degraded: `kind` (blocked, vanished, shape, silent ...) is logged once, and told where it is news."""
        state = self.state(source)
        state.failures += 1
        self._count(f"listings.{source.name.lower()}.{kind}")
        if (source, kind) not in self._reasons:
            self._reasons.add((source, kind))
            _log.warning("%s is degraded, %s: %s; counted from now on", source.name, kind, text)
        if state.state != "down":
            state.state, state.since_ns = "down", self._sequencer.now_ns()
            self._sequencer.ingest(event.listing(source, ListingChange.SOURCE_DOWN, text=f"{kind}: {text}"))
        state.reason = f"{kind}: {text}"
