"""Listings for people: what a strategy's memos say of each candidate.

A memo of a listing has the symbol as its key and compact JSON as its value: `state`, `since_ms`, `open_ms`, `id`,
`evidence` (source to the time it was heard), `confidence`, `attempts`, `entry`, `exits`, `result`, `note`; all but the
state may be missing. Memos of other shapes are somebody else's and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

# The states after which nothing more is bought or sold for a listing.
FINISHED = frozenset({"NO_FILL", "BLOCKED", "CLOSED", "RECONCILED", "CANCELLED", "STALE"})


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The order that opens the position; prices and sizes are decimal numbers for people."""

    no: int = 0
    lots: int = 0
    price: str = ""
    filled: str = ""
    avg: str = ""

    def __str__(self) -> str:
        """As in `120 at 0.0512`; nothing executed is the price asked for."""
        if self.filled.strip("0."):
            return f"{self.filled} at {self.avg or self.price}"
        return f"asked {self.price}" if self.price else ""


class _Memo(msgspec.Struct, frozen=True):
    state: str
    since_ms: int = 0
    open_ms: int = 0
    id: str = ""
    evidence: dict[str, int] = {}
    confidence: int = 0
    attempts: int = 0
    entry: Entry = Entry()
    exits: list[Any] = []
    result: str = ""
    note: str = ""


class Listing(_Memo, frozen=True, omit_defaults=True, kw_only=True):
    """One candidate as it stands; times are ms UTC, 0 or less where not known. `result` says what came of it so far."""

    symbol: str
    strategy: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state.upper() in FINISHED

    @property
    def exits_text(self) -> str:
        """The exits in one line."""
        return ", ".join(_exit_text(each) for each in self.exits)


_decoder = msgspec.json.Decoder(_Memo, strict=False)


def listing_of(strategy: str, key: str, value: bytes) -> Listing | None:
    """The listing that a memo is about; None where it is about something else."""
    try:
        memo = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not memo.state:
        return None
    fields = {name: getattr(memo, name) for name in _Memo.__struct_fields__}
    return Listing(symbol=key, strategy=strategy, **fields)


def listings_of(memos: Mapping[tuple[str, str], bytes]) -> list[Listing]:
    """The listings among memos (strategy, key): those going on by opening, then the finished ones, newest first."""
    found = (listing_of(strategy, key, value) for (strategy, key), value in memos.items())
    return ordered(each for each in found if each is not None)


def ordered(listings: Iterable[Listing]) -> list[Listing]:
    """Those going on first, the next to open in front; then the finished ones, the newest in front."""
    return sorted(
        listings,
        key=lambda each: (
            (True, -each.since_ms, each.symbol)
            if each.is_finished
            else (False, each.open_ms if each.open_ms > 0 else 1 << 62, each.symbol)
        ),
    )


def countdown(open_ms: int, now_ms: int) -> str:
    """Time to an opening, as in `1:02:03`, `-0:05` after it; `-` where it is not known."""
    if open_ms <= 0:
        return "-"
    seconds = abs(open_ms - now_ms) // 1000
    days, hours, rest = seconds // 86_400, seconds // 3600 % 24, seconds % 3600
    clock = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours or days else f"{rest // 60}:{rest % 60:02d}"
    sign = "-" if now_ms > open_ms and seconds else ""
    return f"{sign}{days} d {clock}" if days else f"{sign}{clock}"


def _exit_text(item: Any) -> str:
    """An exit order with why it was sent, as in `stop 120 at 0.0512`; what is of another shape, as it is."""
    if not isinstance(item, dict):
        return str(item)
    try:
        order = str(msgspec.convert(item, Entry, strict=False))
    except msgspec.ValidationError:
        return "?"
    return f"{item.get('why', '')} {order}".strip()
