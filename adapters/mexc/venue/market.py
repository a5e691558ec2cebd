"""What the venue asks of a market: to move when time moves."""

from __future__ import annotations

from typing import Protocol


class Market(Protocol):
    """Makes or replays the public market, by calls on the exchange and the feeds."""

    def start(self, now_ns: int) -> None:
        """Fill the books before the first client comes."""

    def step(self, now_ns: int) -> bool:
        """Move to now and publish what is due; True if more is due already than one step may do."""

    @property
    def now_ns(self) -> int:
        """The market's own time: the venue's, or that of the recording."""
