"""Where a listing belongs before it has an order: what evidence and time say. Pure: no order, no timer, no clock."""

from __future__ import annotations

from engine import InstrumentSpec
from engine.core.enums import ListingSource, Tradable
from engine.core.state.books import Book
from native.listing_patterns import PRE_READY, READY
from strategies.ready_state.evidence import Board, Evidence
from strategies.ready_state.listing import Listing
from strategies.ready_state.settings import Settings
from strategies.ready_state.states import State

_S = State
_CLASSED = (_S.ANNOUNCED, _S.LISTED, _S.PRE_READY, _S.READY)


def class_state(board: Board, evidence: Evidence) -> State:
    """What the evidence alone makes of it."""
    kind = board.kind(evidence)
    if kind == READY:
        return _S.READY
    if kind == PRE_READY:
        return _S.PRE_READY
    return _S.LISTED if board.has_row(evidence) else _S.ANNOUNCED


def vanished(board: Board, evidence: Evidence) -> str:
    """Why there is nothing left to wait for, "" where there is."""
    if board.is_gone(evidence):
        return "no source has it any more"
    if board.is_offline(evidence):
        return "the venue takes it offline"
    return ""


def retime(listing: Listing, open_ms: int, now_ms: int, settings: Settings) -> None:
    """Take over another opening time. One that moved away disarms what was armed, and arms it anew when it comes."""
    old = listing.open_ms
    if open_ms == old:
        return
    listing.open_ms = open_ms
    if old <= 0:
        return
    listing.rearmed += 1
    is_later = open_ms < 0 or open_ms > old
    is_near = 0 < open_ms <= now_ms + settings.arm_lead_s * 1000
    note = "its time was withdrawn" if open_ms < 0 else f"its time moved by {(open_ms - old) / 1000:+.0f} s"
    if is_later and not is_near and listing.state is not _S.POSTPONED:
        listing.move(_S.POSTPONED, now_ms, note)
        listing.opened_ms = listing.cap_ticks = 0
        listing.traded = False
        listing.plan = None
    else:
        listing.note = note


def reclass(listing: Listing, board: Board, evidence: Evidence, now_ms: int) -> None:
    """Move a listing that is not armed to where its evidence is, and disarm one whose evidence speaks against it."""
    state, settings = listing.state, board.settings
    target = class_state(board, evidence)
    if state is _S.POSTPONED:
        due = listing.open_ms > 0 and now_ms >= listing.open_ms - settings.watch_lead_s * 1000
        if not due and not listing.opened_ms:
            return
    elif state in (_S.READY, _S.ARMED) and target is not _S.READY:
        # A source that is down said nothing against it.
        if board.down and not board.is_refused(evidence):
            return
        if listing.opened_ms and not board.is_refused(evidence):
            return
    elif state not in _CLASSED or target is state:
        return
    if target is not state and not (state is _S.ARMED and target is _S.READY):
        listing.move(target, now_ms, board.explain(evidence))
    if listing.state is _S.READY:
        listing.ready_ms = listing.ready_ms or now_ms
    else:
        listing.ready_ms = 0
        listing.plan = None


def is_time(listing: Listing, lead_s: int, now_ms: int) -> bool:
    """Whether it opens within so long, or is open already."""
    return listing.opened_ms > 0 or 0 < listing.open_ms <= now_ms + lead_s * 1000


def wants_book(listing: Listing, board: Board, evidence: Evidence, now_ms: int) -> bool:
    """Whether its book is to be open: near its time, once it shows a market, or ready without a time."""
    if board.has_market(evidence):
        return True
    if listing.state is _S.ANNOUNCED:
        return False
    untimed = listing.open_ms <= 0 and listing.state is _S.READY
    return untimed or is_time(listing, board.settings.watch_lead_s, now_ms)


def shows_market(listing: Listing, book: Book, spec: InstrumentSpec, now_ms: int, settings: Settings) -> bool:
    """Whether a book means that it trades: the exchange says so, its time has come, or a trade was seen."""
    if not book.best_ask_ticks or not book.best_bid_ticks or not book.is_live:
        return False
    due = 0 < (spec.opens_ns // 1_000_000 or listing.open_ms) <= now_ms + settings.opening_early_ms
    online = spec.tradable == Tradable.YES and not spec.opens_ns
    return online or (spec.tradable != Tradable.NO and (due or listing.traded))


def limit_ms(listing: Listing, evidence: Evidence, settings: Settings) -> int:
    """When it is given up; -1 where nothing says so."""
    if listing.opened_ms:
        return listing.opened_ms + (settings.real_data_delay_s + settings.entry_window_s) * 1000
    latest = max(evidence.latest_open_ms, listing.open_ms)
    if latest > 0:
        return latest + settings.late_window_s * 1000
    since = listing.ready_ms or (listing.since_ms if listing.state is _S.POSTPONED else 0)
    return since + settings.stale_ready_s * 1000 if since else -1


def moments(listing: Listing, evidence: Evidence, settings: Settings) -> list[int]:
    """When time alone changes something of a listing that waits for its opening or its price, ms."""
    found = [listing.retry_ms, limit_ms(listing, evidence, settings)]
    if listing.opened_ms:
        found.append(listing.opened_ms + settings.real_data_delay_s * 1000)
    if listing.open_ms > 0:
        leads_ms = (
            settings.watch_lead_s * 1000,
            settings.arm_lead_s * 1000,
            settings.opening_early_ms,
            0,
        )
        found += [listing.open_ms - lead for lead in leads_ms]
    return found


def verdict(listing: Listing, board: Board, evidence: Evidence) -> tuple[State, str]:
    """What becomes of a listing whose time is over without an order that was filled."""
    if board.is_refused(evidence):
        return _S.BLOCKED, "the exchange does not open it to the API"
    if not listing.opened_ms:
        return _S.STALE, "it did not open in time"
    if listing.instrument < 0:
        return _S.BLOCKED, "the exchange gave no instrument for it"
    if listing.refusal:
        return _S.BLOCKED, listing.refusal
    if listing.state is _S.READY:
        return _S.BLOCKED, "max_concurrent_trades are under way"
    if listing.state is not _S.OPENING:
        return _S.BLOCKED, f"never ready: {board.explain(evidence)}"
    return _S.NO_FILL, "no price within spread, band and slippage"


def is_hopeless(evidence: Evidence) -> bool:
    """Whether only somebody's announcement without a time is left of it: the first to make room for another."""
    return evidence.open_ms < 0 and set(evidence.seen_ns) <= {
        ListingSource.ANNOUNCEMENT,
        ListingSource.CALENDAR,
    }
