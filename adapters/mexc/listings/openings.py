"""When symbols open and end, as far as the sources say, and which of them are near their opening."""

from __future__ import annotations

from adapters.mexc.listings.facts import ListingFacts
from engine.core.enums import ListingChange, ListingSource

_NS_PER_MS = 1_000_000

# Where sources differ, the first of these that names a time is believed: the API before the web site.
_ORDER = (ListingSource.EXCHANGE_INFO, ListingSource.CALENDAR, ListingSource.WEB)


class Openings:
    """Opening times by symbol and source, in ms of the venue; those that are long past are not kept."""

    def __init__(self, before_s: float, after_s: float) -> None:
        self._before_ms, self.after_ms = int(before_s * 1000), int(after_s * 1000)
        self._times: dict[str, dict[ListingSource, int]] = {}
        self._open: set[str] = set()
        self._ends_ms: dict[str, int] = {}

    def note(self, source: ListingSource, change: ListingChange, facts: ListingFacts, now_ms: int) -> None:
        """Take in a change that is told."""
        if source is ListingSource.OFFLINE:
            self._ends_ms.pop(facts.symbol, None)
            if change is ListingChange.SEEN and facts.ts_event_ns > 0:
                self._ends_ms[facts.symbol] = facts.ts_event_ns // _NS_PER_MS
        if source not in _ORDER:
            return
        if source is ListingSource.EXCHANGE_INFO:
            trades = change is ListingChange.SEEN and facts.status == 1 and facts.api_allowed == 1
            (self._open.add if trades else self._open.discard)(facts.symbol)
        times = self._times.setdefault(facts.symbol, {})
        times.pop(source, None)
        if change is ListingChange.SEEN and facts.open_time_ms > now_ms - self.after_ms:
            times[source] = facts.open_time_ms
        if not times:
            del self._times[facts.symbol]

    def of(self, symbol: str) -> int:
        """When the symbol opens, by the source believed most; 0 where none says or it is long past."""
        times = self._times.get(symbol, {})
        return next((times[source] for source in _ORDER if source in times), 0)

    def has_ended(self, symbol: str, now_ms: int) -> bool:
        """Whether the list of symbols that are taken off names this one, with a time that has come."""
        return 0 < self._ends_ms.get(symbol, 0) <= now_ms

    def is_near(self, symbol: str, now_ms: int) -> bool:
        """Whether the symbol is about to open, or should have and does not trade."""
        opens_ms = self.of(symbol)
        is_late = now_ms >= opens_ms and symbol in self._open
        return bool(opens_ms) and not is_late and -self._before_ms <= now_ms - opens_ms <= self.after_ms

    def near(self, now_ms: int) -> list[str]:
        """All such symbols, the next to open first; forgets what is long past."""
        for symbol in [each for each in self._times if self.of(each) < now_ms - self.after_ms]:
            if max(self._times[symbol].values()) < now_ms - self.after_ms:
                del self._times[symbol]
        found = [symbol for symbol in self._times if self.is_near(symbol, now_ms)]
        return sorted(found, key=lambda symbol: (abs(self.of(symbol) - now_ms), symbol))
