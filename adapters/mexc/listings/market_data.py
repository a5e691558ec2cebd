"""First market data: one subscription to the mini tickers of all symbols tells when one begins to trade.

A frame has some 2,500 items; a native set knows the symbols that traded before, and only a new one becomes an object.
The frames are not put on the tape (they would fill it); what is told of them is.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection, FeedPlan, FeedState
from adapters.mexc.listings.facts import ListingFacts
from adapters.mexc.listings.ledger import Change
from adapters.mexc.listings.teller import Teller
from adapters.mexc.numbers import money
from engine.adapter import SequencerPort
from engine.core.enums import ListingChange, ListingSource
from native.mexc_tickers import NewTickers

CHANNEL = "spot@public.miniTickers.v3.api.pb@UTC+8"
NAME = "mini tickers"
_SOURCE = ListingSource.MARKET_DATA
_NS_PER_MS = 1_000_000
# More news than these are told a few at a time.
_AT_ONCE = 32
_MOST_WAITING = 65_536


class MarketData:
    """A connection of its own, and what it carries. Takes the sequencer's place for that connection."""

    def __init__(
        self,
        config: MexcConfig,
        sequencer: SequencerPort,
        teller: Teller,
        rng: random.Random,
        address: Callable[[], Awaitable[str]],
        quotes: tuple[str, ...],
    ) -> None:
        self._sequencer = sequencer
        self._teller = teller
        self._quotes = quotes
        self._seen = NewTickers()
        self._looked = False
        self._backlog: list[Change] = []
        self._wake = asyncio.Event()
        patience = {"silent_timeout_s": min(config.listings.market_data_silence_s, 60.0)}
        self.connection = Connection(
            FeedPlan(NAME, 0, (), (CHANNEL,)),
            config.model_copy(update=patience),
            _Ears(self),
            rng,
            address,
            on_up=self._up,
        )
        teller.state(_SOURCE)

    async def run(self) -> None:
        """Tell what waits, a few at a time, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._backlog = self._backlog, []
            await self._teller.tell_all(_SOURCE, waiting, first=True)

    def take(self, frame: bytes) -> None:
        """One frame: tells the symbols that trade for the first time."""
        try:
            found = self._seen.take(frame)
        except ValueError as error:
            self._teller.down(_SOURCE, "shape", str(error))
            return
        if self.connection.state is FeedState.UP:
            self._teller.up(_SOURCE)
        state = self._teller.state(_SOURCE)
        state.rows, state.skipped = len(self._seen), self._seen.full + self._seen.unnamed
        news = [(ListingChange.SEEN, facts_of(*each)) for each in found if each[0].endswith(self._quotes)]
        first, self._looked = not self._looked, self._looked or self._seen.items > 0
        if first or len(news) > _AT_ONCE:
            self._backlog += news[: _MOST_WAITING - len(self._backlog)]
            self._wake.set()
            return
        for change, facts in news:
            self._teller.tell(_SOURCE, change, facts)

    def _up(self) -> None:
        self._teller.up(_SOURCE)

    def fault(self, name: str) -> None:
        """The connection has a fault: the source is degraded."""
        kind = {"mexc.refused_subscription": "blocked", "mexc.silences": "silent"}.get(name, "disconnected")
        self._sequencer.count(name)
        self._teller.down(_SOURCE, kind, self.connection.status().last_error or name)


@dataclasses.dataclass(frozen=True, slots=True)
class _Ears:
    """What the connection takes for the sequencer: the core has no book of this feed, so it hears nothing of it."""

    owner: MarketData

    def ingest_frame_bytes(self, source: int, frame: bytes) -> None:
        self.owner.take(frame)

    def ingest_document(self, source: int, instrument: int, document: bytes) -> None:
        """There are none."""

    def ingest(self, event: bytes) -> None:
        """The feed is up or down: told through `on_up` and `count`."""

    def count(self, name: str, by: int = 1) -> None:
        self.owner.fault(name)

    def alert(self, text: str) -> None:
        """A connection has none."""

    def now_ns(self) -> int:
        return 0

    def instrument_of(self, symbol: str) -> int:
        return -1

    def heed(self) -> None:
        """A connection of market data alone has no cause to."""


def facts_of(symbol: str, price: str, send_time_ms: int) -> ListingFacts:
    """A first ticker; a price beyond what money holds is not said."""
    try:
        amount = money(price, "price")
    except ValueError:
        amount = 0
    return ListingFacts(symbol=symbol, price=amount, ts_event_ns=send_time_ms * _NS_PER_MS)
