"""Asks one source again and again: at its interval, less often while it fails, and for ever."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.listings.facts import Reading, ShapeError
from adapters.mexc.listings.ledger import Ledger
from adapters.mexc.listings.teller import Teller
from engine.core.enums import ListingSource

# A question may get lost now and then: a source is degraded by the second in a row. These count at once.
_AT_ONCE = frozenset({"blocked", "vanished", "shape"})
_JITTER = 0.1
_CALM_STEP_S = 0.25


@dataclasses.dataclass(frozen=True, slots=True)
class PollPlan:
    """How a source is asked. `is_list`: an answer has all rows, so that a missing one is gone."""

    source: ListingSource
    interval_s: float
    fetch: Callable[[], Awaitable[bytes]]
    parse: Callable[[bytes], Reading]
    is_list: bool = True


class Poller:
    """One source's task. `is_calm` says whether whole lists may be asked for now; `on_reading` hears every good answer."""

    def __init__(
        self,
        plan: PollPlan,
        teller: Teller,
        ledger: Ledger,
        rng: random.Random,
        outage_interval_s: float,
        is_calm: Callable[[], bool],
    ) -> None:
        self.plan = plan
        self.ledger = ledger
        self._teller = teller
        self._rng = rng
        self._outage_interval_s = max(outage_interval_s, plan.interval_s)
        self._is_calm = is_calm
        self._failures = 0
        self._looked = False
        teller.state(plan.source)

    async def run(self) -> None:
        """Ask until cancelled."""
        # The sources begin one after another.
        await asyncio.sleep(self._rng.uniform(0, min(1.0, self.plan.interval_s)))
        while True:
            await self._wait_for_calm()
            await self._ask()
            await asyncio.sleep(self.wait_s())

    def wait_s(self) -> float:
        """Until the next question: the interval, doubled with each failure up to the longest, a tenth more or less."""
        wait_s: float = min(self.plan.interval_s * 2 ** min(self._failures, 20), self._outage_interval_s)
        return wait_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER)

    async def _wait_for_calm(self) -> None:
        """A whole list takes milliseconds to read: not while a symbol opens, but no longer than an interval."""
        waited_s = 0.0
        while not self._is_calm() and waited_s < self.plan.interval_s:
            await asyncio.sleep(_CALM_STEP_S)
            waited_s += _CALM_STEP_S

    async def _ask(self) -> None:
        plan, teller = self.plan, self._teller
        asked_s = self.ledger.now_s()
        try:
            reading = plan.parse(await plan.fetch())
            changes = self.ledger.changes(reading.facts, is_whole=plan.is_list, asked_s=asked_s)
        except ShapeError as error:
            self._fail("shape", str(error))
        except VenueError as error:
            self._fail(kind_of(error), error.text)
        else:
            self._failures = 0
            teller.up(plan.source)
            await teller.tell_all(plan.source, changes, first=not self._looked)
            self._looked = True
            state = teller.state(plan.source)
            state.skipped, state.rows = reading.skipped, len(self.ledger)

    def _fail(self, kind: str, text: str) -> None:
        self._failures += 1
        if kind in _AT_ONCE or self._failures > 1:
            self._teller.down(self.plan.source, kind, text)


def kind_of(error: VenueError) -> str:
    """What ails a source, in a word."""
    if error.error_class is ErrorClass.WAF or error.http_status in (401, 403):
        return "blocked"
    if error.http_status in (404, 410):
        return "vanished"
    if error.error_class is ErrorClass.RATE:
        return "limited"
    if error.error_class is ErrorClass.BAD_BODY:
        return "shape"
    return "refused" if error.refused and error.error_class is not ErrorClass.NOT_SENT else "silent"
