"""What was told of one source: turns whole answers into changes.

A row that is new or differs is SEEN. One that is missing is GONE only once it is missing in two good answers in a row: a page
that is half filled for a moment must not cancel a listing. An answer with no row at all, or with less than half of the rows
that were there, is not believed: it tells nothing, and the source is degraded. The fifth small answer in a row that has
rows is taken for the truth.

A whole list takes its time. What a question about single rows, or a push, told since the list was asked for is newer than what
the list says of these rows: there the list is not believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from adapters.mexc.listings.facts import ListingFacts, ShapeError
from engine.core.enums import ListingChange

_ABSENCES = 2
_SMALL_ANSWERS = 5
# Where answers are parts of what there is, rows come and none goes: the oldest are forgotten.
_MOST_TOLD = 20_000

Change = tuple[ListingChange, ListingFacts]


class Ledger:
    """The facts told so far, by key. `now_s` is a clock that only goes forwards."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self.now_s = now_s
        self._part_at_s: dict[str, float] = {}
        self._told: dict[str, ListingFacts] = {}
        self._absent: dict[str, int] = {}
        self._small = 0

    def __len__(self) -> int:
        return len(self._told)

    def told(self) -> Mapping[str, ListingFacts]:
        """What was told, by key."""
        return self._told

    def changes(
        self, facts: Mapping[str, ListingFacts], *, is_whole: bool, asked_s: float | None = None
    ) -> Iterator[Change]:
        """What to tell of an answer to a question of this time; noted as told one by one, as the iterator is used.

        Only a whole answer makes rows GONE. Raises ShapeError at once where a whole one is implausibly small.
        """
        if not is_whole:
            self._part_at_s.update(dict.fromkeys(facts, self.now_s()))
            return self._parts(facts)
        self._check_size(len(facts))
        since_s = self.now_s() if asked_s is None else asked_s
        return self._lists(facts, since_s)

    def _check_size(self, n: int) -> None:
        before = len(self._told)
        if before and (n == 0 or 2 * n < before):
            self._small = self._small + 1 if n else 0
            if self._small < _SMALL_ANSWERS:
                raise ShapeError(f"{n} rows after {before}")
        self._small = 0

    def _parts(self, facts: Mapping[str, ListingFacts]) -> Iterator[Change]:
        for key, found in facts.items():
            yield from self._seen(key, found)
        while len(self._told) > _MOST_TOLD:
            oldest = next(iter(self._told))
            del self._told[oldest]
            self._part_at_s.pop(oldest, None)

    def _lists(self, facts: Mapping[str, ListingFacts], asked_s: float) -> Iterator[Change]:
        for key, found in facts.items():
            if self._part_at_s.get(key, asked_s) <= asked_s:
                self._part_at_s.pop(key, None)
                yield from self._seen(key, found)
        for key in [key for key in self._told if key not in facts]:
            if self._part_at_s.get(key, asked_s) > asked_s:
                continue
            self._absent[key] = self._absent.get(key, 0) + 1
            if self._absent[key] >= _ABSENCES:
                del self._absent[key]
                self._part_at_s.pop(key, None)
                yield ListingChange.GONE, self._told.pop(key)

    def _seen(self, key: str, found: ListingFacts) -> Iterator[Change]:
        self._absent.pop(key, None)
        if self._told.get(key) != found:
            self._told[key] = found
            yield ListingChange.SEEN, found
