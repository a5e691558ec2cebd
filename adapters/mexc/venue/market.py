"""What the venue asks of a market: to move when time moves."""

from __future__ import annotations

from typing import Protocol

from adapters.mexc.venue.config_symbols import SymbolConfig


class Market(Protocol):
    """Makes or replays the public market, by calls on the exchange and the feeds."""

    def start(self, now_ns: int) -> None:
        """Fill the books before the first client comes."""

    def step(self, now_ns: int) -> bool:
        """Move to now and publish what is due; True if more is due already than one step may do."""

    def add(self, config: SymbolConfig) -> None:
        """A symbol was listed; it trades once its status is `trading`."""

    def remove(self, symbol: str) -> None:
        """A symbol goes; called before it does."""

    @property
    def now_ns(self) -> int:
        """The market's own time: the venue's, or that of the recording."""
