"""The life of a listing: its states, and the only ways from one to the next."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a listing is; the value is what memos and people read."""

    ANNOUNCED = "ANNOUNCED"  # something outside of the exchange's tables speaks of it
    LISTED = "LISTED"  # it has a row on the exchange or its web site
    PRE_READY = "PRE_READY"  # the evidence says that it will be ready
    READY = "READY"  # enough independent sources say that it is
    ARMED = "ARMED"  # a slot is taken, sizes and the request are prepared
    OPENING = "OPENING"  # its time has come, or it shows itself open; orders may be on their way
    ENTERED = "ENTERED"
    PARTIAL = "PARTIAL"  # entered with less than was wanted
    NO_FILL = "NO_FILL"
    BLOCKED = "BLOCKED"  # entering was refused, for a reason that waiting does not cure
    MANAGING = "MANAGING"  # a position, and its exits
    CLOSED = "CLOSED"
    RECONCILED = "RECONCILED"  # the end: nothing open, nothing held that we know of
    POSTPONED = "POSTPONED"  # its time moved away; it arms again for the new one
    CANCELLED = "CANCELLED"  # no source has it any more
    STALE = "STALE"  # its time passed and it did not open
    UNKNOWN = "UNKNOWN"  # an order's fate is not known: nothing is sent before it is


_S = State
_BEFORE = {_S.ANNOUNCED, _S.LISTED, _S.PRE_READY, _S.READY}
FINAL = frozenset({_S.RECONCILED, _S.CANCELLED, _S.STALE})
_ENDS_BEFORE_ENTRY = {_S.CANCELLED, _S.STALE, _S.BLOCKED, _S.NO_FILL}
_ENTRY_OUTCOMES = {_S.ENTERED, _S.PARTIAL, _S.NO_FILL, _S.BLOCKED}

_ONWARDS: dict[State, frozenset[State]] = {
    _S.ANNOUNCED: frozenset(_BEFORE | {_S.POSTPONED} | _ENDS_BEFORE_ENTRY),
    _S.LISTED: frozenset(_BEFORE | {_S.POSTPONED} | _ENDS_BEFORE_ENTRY),
    _S.PRE_READY: frozenset(_BEFORE | {_S.POSTPONED} | _ENDS_BEFORE_ENTRY),
    _S.READY: frozenset(_BEFORE | {_S.ARMED, _S.POSTPONED} | _ENDS_BEFORE_ENTRY),
    _S.ARMED: frozenset(_BEFORE | {_S.OPENING, _S.POSTPONED} | _ENDS_BEFORE_ENTRY),
    _S.OPENING: frozenset({_S.UNKNOWN, _S.POSTPONED, _S.CANCELLED, _S.STALE} | _ENTRY_OUTCOMES),
    _S.POSTPONED: frozenset(_BEFORE | _ENDS_BEFORE_ENTRY),
    _S.UNKNOWN: frozenset({_S.OPENING, _S.MANAGING, _S.CLOSED} | _ENTRY_OUTCOMES),
    _S.ENTERED: frozenset({_S.MANAGING}),
    _S.PARTIAL: frozenset({_S.MANAGING}),
    _S.NO_FILL: frozenset({_S.RECONCILED}),
    _S.BLOCKED: frozenset({_S.RECONCILED}),
    _S.MANAGING: frozenset({_S.UNKNOWN, _S.CLOSED}),
    _S.CLOSED: frozenset({_S.RECONCILED}),
    _S.RECONCILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.STALE: frozenset(),
}
# A fill that the venue tells late turns whatever there is, an end as well, into a position.
TRANSITIONS: dict[State, frozenset[State]] = {
    state: targets if state is _S.MANAGING else targets | {_S.MANAGING} for state, targets in _ONWARDS.items()
}
# Before an order: evidence and time alone move it.
WAITING = frozenset(_BEFORE | {_S.POSTPONED, _S.ARMED})
# These hold one of the `max_concurrent_trades`.
HOLDING = frozenset({_S.ARMED, _S.OPENING, _S.UNKNOWN, _S.ENTERED, _S.PARTIAL, _S.MANAGING})
