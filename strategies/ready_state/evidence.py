"""What the sources say of each symbol: the kernel's columns, and beside them who said it and when.

A source tells changes only, so what it said last holds until it says otherwise, or that the row is gone. A source that
is down counts for nothing that is decided meanwhile; what it said is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.core.enums import ListingChange, ListingSource
from engine.core.strategy import Listing
from native.listing_patterns import NONE, ONLINE, PRE_READY, READY, SAYS_CODES, SAYS_EXCHANGE, Sweep
from strategies.ready_state.explain import activity_boost
from strategies.ready_state.settings import Settings

_S = ListingSource
# Sources within one group can be wrong together: one web site, one API, one matching engine, one futures exchange.
GROUPS: dict[str, tuple[ListingSource, ...]] = {
    "web site": (_S.CALENDAR, _S.WEB),
    "api": (_S.EXCHANGE_INFO, _S.SELF),
    "announcements": (_S.ANNOUNCEMENT,),
    "market data": (_S.MARKET_DATA,),
    "futures": (_S.FUTURES,),
}
# Whose opening time is the spot symbol's own. A futures contract opens at another time.
_TIMED = (_S.CALENDAR, _S.WEB, _S.EXCHANGE_INFO)
_ROWS = (_S.WEB, _S.EXCHANGE_INFO, _S.SELF)
MARKET_DOWN_POINTS = -200  # of the confidence, where the exchange's own data is degraded


@dataclass(slots=True)
class Evidence:
    """One symbol's evidence in words; `row` is its place in the kernel's columns."""

    symbol: str
    row: int
    listing_id: str = ""
    seen_ns: dict[int, int] = field(default_factory=dict)  # source -> when it was told last
    opens_ms: dict[int, int] = field(default_factory=dict)  # source -> the opening time that it names
    open_ms: int = -1  # the one told last by a source of the spot market
    title: str = ""
    price: int = 0  # of the futures contract, money (10^-20); 0 where not told
    is_new: bool = False  # a source told it for the first time after its own baseline

    @property
    def latest_open_ms(self) -> int:
        """The latest opening time that any source still names, -1 where none does."""
        return max(self.opens_ms.values(), default=-1)


class Board:
    """All symbols' evidence. `take` what comes in, `sweep` when something did, then ask."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.by_symbol: dict[str, Evidence] = {}
        self.down: dict[int, str] = {}
        self.dirty = False
        self.touched: dict[str, Evidence] = {}  # since the last sweep
        self.ignored = 0  # symbols beyond max_symbols
        self._baseline_ns: dict[int, int] = {}
        self._free: list[int] = []
        self._rows = 0
        self.columns = Sweep(
            settings.max_symbols,
            settings.code_rows(),
            [sum(1 << source for source in group) for group in GROUPS.values()],
            min_sources=settings.min_sources,
            history=settings.success_rate_percent,
            paused_counts=settings.paused_is_ready,
        )
        self.columns.run(1)  # nothing is left to be loaded at the first event

    def take(self, told: Listing) -> Evidence | None:
        """Note what a source told; the symbol's evidence, None where it is about no symbol that is followed."""
        source, change = told.source, told.change
        if change == ListingChange.SOURCE_DOWN:
            self.down[source] = told.text
            self.dirty = True
            return None
        if change == ListingChange.SOURCE_UP:
            self.down.pop(source, None)
            self.dirty = True
            return None
        evidence = self._evidence(told.symbol, create=change == ListingChange.SEEN)
        if evidence is None:
            return None
        self.dirty = True
        self.touched[evidence.symbol] = evidence
        if change == ListingChange.GONE:
            self._forget(evidence, source)
            return evidence
        began_ns = self._baseline_ns.setdefault(source, told.ts_recv_ns)
        if source not in evidence.seen_ns:
            evidence.is_new |= told.ts_recv_ns - began_ns > self.settings.baseline_s * 1_000_000_000
        evidence.seen_ns[source] = told.ts_recv_ns
        self._write(evidence, told)
        return evidence

    def note_market(self, symbol: str, now_ns: int) -> None:
        """Our own feed of the symbol shows a market: evidence like any other."""
        evidence = self.by_symbol.get(symbol)
        if evidence is not None and _S.MARKET_DATA not in evidence.seen_ns:
            evidence.seen_ns[_S.MARKET_DATA] = now_ns
            self.columns.sources[evidence.row] |= 1 << _S.MARKET_DATA
            self.dirty = True

    def sweep(self) -> None:
        """Classify everything anew, where something changed."""
        if self.dirty:
            market_down = _S.MARKET_DATA in self.down or _S.EXCHANGE_INFO in self.down
            down = sum(1 << source for source in self.down)
            self.columns.run(self._rows, down, MARKET_DOWN_POINTS if market_down else 0)
            self.dirty = False

    def kind(self, evidence: Evidence) -> int:
        """NONE, PRE_READY or READY, as of the last sweep."""
        return int(self.columns.kind[evidence.row])

    def confidence(self, evidence: Evidence) -> int:
        """In thousandths: an explanation, never a reason to act."""
        return int(self.columns.confidence[evidence.row])

    def status(self, evidence: Evidence) -> int:
        """1 online, 2 paused, 3 offline, -1 not said."""
        return int(self.columns.status[evidence.row])

    def is_refused(self, evidence: Evidence) -> bool:
        """Whether the exchange says that it takes no orders by API for it."""
        return int(self.columns.api_allowed[evidence.row]) == 0

    def has_row(self, evidence: Evidence) -> bool:
        """Whether the exchange or its web site has it in a table."""
        return any(source in evidence.seen_ns for source in _ROWS)

    def is_offline(self, evidence: Evidence) -> bool:
        """Whether the venue told that it is taken offline."""
        return _S.OFFLINE in evidence.seen_ns

    def is_gone(self, evidence: Evidence) -> bool:
        """Whether no source has it any more."""
        return not any(source != _S.OFFLINE for source in evidence.seen_ns)

    def has_market(self, evidence: Evidence) -> bool:
        """Whether its market data was seen."""
        return _S.MARKET_DATA in evidence.seen_ns

    def is_candidate(self, evidence: Evidence, now_ms: int) -> bool:
        """Whether a symbol may be a new listing, and not one that has traded all along.

        It opens in the future or opened just now; or a source told it after that source's baseline; or it is announced, or
        its codes say that it will be ready, and nothing says that it trades.
        """
        if self.is_gone(evidence) or self.is_offline(evidence):
            return False
        window_ms = self.settings.late_window_s * 1000
        market_ns = evidence.seen_ns.get(_S.MARKET_DATA)
        if market_ns is not None and (not evidence.is_new or market_ns // 1_000_000 < now_ms - window_ms):
            return False
        if evidence.latest_open_ms > 0:
            return evidence.latest_open_ms > now_ms - window_ms
        if evidence.is_new:
            return True
        trades = self.has_market(evidence) or self.status(evidence) == ONLINE
        told = _S.CALENDAR in evidence.seen_ns or _S.ANNOUNCEMENT in evidence.seen_ns
        return not trades and (told or self.kind(evidence) != NONE)

    def explain(self, evidence: Evidence) -> str:
        """The verdict in a few words, for people."""
        says = int(self.columns.says[evidence.row])
        voices = [name for bit, name in ((SAYS_CODES, "codes"), (SAYS_EXCHANGE, "exchange")) if says & bit]
        kind = {NONE: "none", PRE_READY: "pre-ready", READY: "ready"}[self.kind(evidence)]
        minutes = int(self.columns.minutes[evidence.row])
        told = f" by {' and '.join(voices)}" if voices else f" in about {minutes} min" if minutes > 0 else ""
        count = int(self.columns.independent[evidence.row])
        return f"{kind}{told}, {count} independent source{'' if count == 1 else 's'}"

    def drop(self, symbol: str) -> None:
        """Forget a symbol that no source has."""
        evidence = self.by_symbol.get(symbol)
        if evidence is not None and not evidence.seen_ns:
            del self.by_symbol[symbol]
            self.columns.forget(evidence.row)
            self._free.append(evidence.row)

    def _evidence(self, symbol: str, create: bool) -> Evidence | None:
        found = self.by_symbol.get(symbol)
        if found is not None or not create or not symbol.endswith(self.settings.quotes):
            return found
        if not self._free and self._rows == self.settings.max_symbols:
            self.ignored += 1
            return None
        row = self._free.pop() if self._free else self._rows
        self._rows = max(self._rows, row + 1)
        found = self.by_symbol[symbol] = Evidence(symbol, row)
        return found

    def _write(self, evidence: Evidence, told: Listing) -> None:
        columns, row, source = self.columns, evidence.row, told.source
        columns.sources[row] |= 1 << source
        columns.fields[row] |= told.fields
        if source == _S.WEB:
            columns.sts[row], columns.st[row], columns.tt[row] = told.venue_codes
        elif source == _S.EXCHANGE_INFO:
            columns.status[row] = told.status
            columns.api_allowed[row] = told.api_allowed
            columns.side_type[row] = told.trade_side_type
            columns.order_types[row] = told.order_types
        elif source == _S.FUTURES:
            evidence.price = told.price
        elif source == _S.ANNOUNCEMENT:
            evidence.title = told.text
            columns.boost[row] = activity_boost(told.text)
        if told.listing_id:
            evidence.listing_id = told.listing_id
        if told.open_time_ms > 0 and source != _S.FUTURES:
            evidence.opens_ms[source] = told.open_time_ms
            if source in _TIMED or not any(timed in evidence.opens_ms for timed in _TIMED):
                evidence.open_ms = told.open_time_ms
        elif evidence.opens_ms.pop(source, None) is not None:
            self._choose_time(evidence)
        columns.opens_ms[row] = evidence.open_ms

    def _forget(self, evidence: Evidence, source: int) -> None:
        columns, row = self.columns, evidence.row
        evidence.seen_ns.pop(source, None)
        if evidence.opens_ms.pop(source, None) is not None:
            self._choose_time(evidence)
        columns.sources[row] &= ~(1 << source)
        columns.opens_ms[row] = evidence.open_ms
        if source == _S.WEB:
            columns.sts[row] = columns.st[row] = columns.tt[row] = -1
        elif source == _S.EXCHANGE_INFO:
            columns.status[row] = columns.api_allowed[row] = -1
            columns.side_type[row] = columns.order_types[row] = -1

    @staticmethod
    def _choose_time(evidence: Evidence) -> None:
        """The time of the source that told last, of those that still name one."""
        named = evidence.opens_ms
        timed = [source for source in named if source in _TIMED] or list(named)
        newest = max(timed, key=lambda source: evidence.seen_ns.get(source, 0), default=None)
        evidence.open_ms = -1 if newest is None else named[newest]
