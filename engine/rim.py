"""What is around the core, as the sequencer calls it."""

from __future__ import annotations

from typing import Any

from engine.core.risk.gate import Approved


class Rim:
    """What the sequencer hands to: the daemon does these things, a replay does nothing."""

    def on_approved(self, approved: Approved) -> None:
        """Send an approved order or cancel."""

    def on_resync(self, instrument: int, attempt: int) -> None:
        """Fetch a snapshot of a book."""

    def on_query(self, order_no: int) -> None:
        """Ask the venue what became of an order."""

    def on_doubt(self) -> None:
        """A frame of the private feed was lost: reconcile with the venue."""

    def on_timer_set(self, timer_id: int, strategy: int, due_ns: int) -> None:
        """Have a TIMER event come in when it is due."""

    def on_notice(self, record: dict[str, Any]) -> None:
        """Tell people: an alert, a breaker, a stopped strategy."""

    def on_watch(self, symbol: str, on: bool) -> None:
        """Keep, or no longer keep, the instrument and book of a symbol."""

    def on_memo(self, strategy: int, key: str, value: bytes) -> None:
        """A strategy put a memo into the journal; an empty one takes it away."""

    def on_fill(self, record: dict[str, Any]) -> None:
        """One execution of ours came in."""

    def on_fault(self, what: str, error: Exception | None) -> None:
        """An event could not be processed: it is recorded, counted and survived."""
