"""Keeps the core's instruments as exchangeInfo says they are: whether they are tradable, sides, order types, band, opening.

All kept symbols are asked about now and then; those that are about to open, kept or only announced, every few seconds in one
question. An INSTRUMENT event is told on a change only, for it is in the journal for ever.

A kept symbol is gone once two answers in a row do not name it, or one, and the list of symbols taken off agrees.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import is_worth_a_line
from adapters.mexc.errors import VenueError
from adapters.mexc.instruments import Opening, Row, rows_of, spec_of
from adapters.mexc.listings.openings import Openings
from adapters.mexc.rest import RestClient
from engine.adapter import SequencerPort
from engine.core import event
from engine.core.enums import Tradable
from engine.core.instrument import InstrumentSpec

_log = logging.getLogger("penstock.mexc.instruments")
_PATH = "/api/v3/exchangeInfo"
# Symbols in one question; more would make a long address.
_AT_ONCE = 40
# So many of those near their opening are asked about, the next to open first.
_MOST_NEAR = 20
_ABSENCES = 2
_OFFLINE = "3"


class InstrumentKeeper:
    """`specs` is the adapter's list of instruments by their index in the core, changed in place.

    `on_change` hears each index and spec that is new, `on_rows` the rows of symbols near their opening: they are evidence too.
    `on_gone` hears of a symbol that is gone, and answers whether it has a feed of its own, which is closed then and dropped.
    """

    def __init__(
        self,
        config: MexcConfig,
        rest: RestClient,
        sequencer: SequencerPort,
        specs: list[InstrumentSpec],
        openings: Openings,
        count: Callable[[str], int],
        on_change: Callable[[int, InstrumentSpec], None],
        on_rows: Callable[[Mapping[str, Row]], None],
        on_gone: Callable[[str], bool],
    ) -> None:
        self._config = config
        self._rest = rest
        self._sequencer = sequencer
        self._specs = specs
        self._openings = openings
        self._count = count
        self._on_change = on_change
        self._on_rows = on_rows
        self._on_gone = on_gone
        self._absences: dict[str, int] = {}
        self._gone: set[str] = set()
        self._sources = {spec.symbol: spec.source for spec in specs if spec.source}
        self._listed: set[str] = set(self._sources)
        self._turn = 0

    def now_ms(self) -> int:
        """The venue's time."""
        return self._rest.clock.timestamp_ms(time.time_ns())

    def source_of(self, symbol: str) -> int:
        """The feed that carries the symbol's book; 0 where none does."""
        return self._sources.get(symbol, 0)

    def used_sources(self) -> set[int]:
        """The feeds that are taken."""
        return set(self._sources.values())

    async def load(self, symbol: str, source: int, is_wanted: Callable[[], bool]) -> bool:
        """Ask for a symbol and keep it on this feed; False where it is not listed, or no longer wanted by then.

        Raises VenueError where there is no answer, ValueError where its row cannot be read.
        """
        try:
            row = rows_of(await self._rest.public(_PATH, {"symbol": symbol})).get(symbol)
        except VenueError as error:
            if not error.symbol_gone:
                raise
            row = None
        if not is_wanted():
            return False
        if row is None or self._has_ended(symbol, row):
            self._miss(symbol)
            return False
        spec = self._spec(row, source)
        self._note_back(symbol)
        self._sources[symbol] = source
        self._listed.add(symbol)
        self._tell(spec)
        return True

    def drop(self, symbol: str) -> None:
        """The symbol has no feed any more; its instrument goes on with source 0."""
        if self._sources.pop(symbol, 0):
            index = self._sequencer.instrument_of(symbol)
            if 0 <= index < len(self._specs):
                spec = dataclasses.replace(self._specs[index], source=0)
                self._tell(dataclasses.replace(spec, tradable=Tradable.NO) if symbol in self._gone else spec)

    async def run(self) -> None:
        """Ask until cancelled."""
        interval_s = self._config.listings.near_interval_s
        loop = asyncio.get_running_loop()
        all_due_s = loop.time() + self._config.instruments_interval_s
        while True:
            await asyncio.sleep(interval_s)
            near = self._openings.near(self.now_ms())[:_MOST_NEAR]
            await self._ask([each for each in near if each in self._listed])
            # One question about a symbol that is not listed yet may be refused as a whole: one at a time, in turn.
            if unlisted := [each for each in near if each not in self._listed]:
                self._turn += 1
                await self._ask([unlisted[self._turn % len(unlisted)]])
            if doubted := [
                each for each in self._absences if self.source_of(each) and each not in self._gone
            ]:
                await self._ask(doubted[:1])
            if loop.time() >= all_due_s:
                all_due_s = loop.time() + self._config.instruments_interval_s
                kept = [each for each in self._sources if each not in self._gone]
                for at in range(0, len(kept), _AT_ONCE):
                    await self._ask(kept[at : at + _AT_ONCE])
                for symbol in self._gone & self._sources.keys():
                    await self._ask([symbol])

    def take(self, rows: Mapping[str, Row]) -> None:
        """Rows of exchangeInfo: what changed of the kept symbols is told."""
        for symbol, row in rows.items():
            self._listed.add(symbol)
            source = self._sources.get(symbol)
            if source:
                self._note_back(symbol)
                try:
                    self._tell(self._spec(row, source))
                except ValueError as error:
                    if is_worth_a_line(self._count("bad_instrument")):
                        _log.warning("exchangeInfo %s: %s", symbol, error)

    async def _ask(self, symbols: Sequence[str]) -> None:
        if not symbols:
            return
        try:
            rows = rows_of(await self._rest.public(_PATH, {"symbols": ",".join(symbols)}))
        except VenueError as error:
            if not error.symbol_gone:
                if is_worth_a_line(self._count("instrument_failures")):
                    _log.warning("exchangeInfo of %d symbols: %s", len(symbols), error)
                return
            if len(symbols) > 1:
                # Which of them it is, is not said.
                for symbol in symbols:
                    await self._ask([symbol])
                return
            rows = {}
        asked = {symbol: rows[symbol] for symbol in symbols if symbol in rows}
        if not asked and len(symbols) > 1:
            # As with whole lists: that all of them are gone at once is not believed.
            self._count("instruments_empty")
            return
        listed = {symbol: row for symbol, row in asked.items() if not self._has_ended(symbol, row)}
        for symbol, row in listed.items():
            await asyncio.sleep(0)  # a turn of the loop each: what comes in waits for no more than one
            self.take({symbol: row})
        for symbol in symbols:
            if symbol not in listed and self.source_of(symbol):
                self._miss(symbol)
        self._on_rows(asked)

    def _has_ended(self, symbol: str, row: Row) -> bool:
        """Whether a row says so, and the list of symbols taken off agrees: a new symbol's row may say so before it opens."""
        return str(row.get("status")) == _OFFLINE and self._openings.has_ended(symbol, self.now_ms())

    def _miss(self, symbol: str) -> None:
        """An answer did not name it. One that the core has no instrument of is not listed yet."""
        index = self._sequencer.instrument_of(symbol)
        if symbol in self._gone or index < 0:
            return
        self._absences[symbol] = self._absences.get(symbol, 0) + 1
        if self._absences[symbol] < _ABSENCES and not self._openings.has_ended(symbol, self.now_ms()):
            return
        self._gone.add(symbol)
        self._count("symbols_gone")
        self._sequencer.alert(
            f"{symbol} is not listed any more: what is held of it stays, and has no market data"
        )
        if not self._on_gone(symbol) and 0 <= index < len(self._specs):
            self._tell(dataclasses.replace(self._specs[index], tradable=Tradable.NO))

    def _note_back(self, symbol: str) -> None:
        self._absences.pop(symbol, None)
        if symbol in self._gone:
            self._gone.discard(symbol)
            self._sequencer.alert(f"{symbol} is listed again")

    def _spec(self, row: Row, source: int) -> InstrumentSpec:
        symbol = str(row.get("symbol"))
        return spec_of(
            row, source, Opening(self.now_ms(), self._openings.of(symbol), self._openings.after_ms)
        )

    def _tell(self, spec: InstrumentSpec) -> None:
        """One instrument into the core, where it differs from what the core has."""
        index = self._sequencer.instrument_of(spec.symbol)
        if 0 <= index < len(self._specs) and self._specs[index] == spec:
            return
        self._sequencer.ingest(event.instrument(spec))
        index = self._sequencer.instrument_of(spec.symbol)
        if index == len(self._specs):
            self._specs.append(spec)
        elif 0 <= index < len(self._specs):
            self._specs[index] = spec
        else:
            raise ValueError(f"the core has no room for {spec.symbol}, or its rules are none")
        self._on_change(index, spec)
