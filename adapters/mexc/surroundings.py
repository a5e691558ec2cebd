"""What goes on beside the configured feeds, put together: instruments kept current, watched symbols, listing evidence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Backoff, FeedPlan
from adapters.mexc.instrument_keeper import InstrumentKeeper
from adapters.mexc.listings.board import ListingBoard
from adapters.mexc.listings.openings import Openings
from adapters.mexc.rest import RestClient
from adapters.mexc.rolling_feed import RollingFeed
from adapters.mexc.watching import Watches
from engine.adapter import SequencerPort, SourceStatus
from engine.core.instrument import InstrumentSpec

RunTask = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Surroundings:
    """`specs` is the adapter's list of instruments by index, which grows; `on_spec` hears of each that is new or changed;
    `channels` names a symbol's market channels."""

    def __init__(
        self,
        config: MexcConfig,
        rest: RestClient,
        sequencer: SequencerPort,
        specs: list[InstrumentSpec],
        rng: random.Random,
        count: Callable[[str], int],
        run_task: RunTask,
        address: Callable[[], Awaitable[str]],
        channels: Callable[[str], tuple[str, ...]],
        on_spec: Callable[[int, InstrumentSpec], None],
    ) -> None:
        settings = config.listings
        self._config = config
        self._run_task = run_task
        self._address = address
        self._channels = channels
        self._openings = Openings(settings.near_before_s, settings.near_after_s)
        self._keeper = InstrumentKeeper(
            config, rest, sequencer, specs, self._openings, count, on_spec,
            lambda rows: self._board.take_rows(rows),
            lambda symbol: self._watches.close_feed(symbol),
        )  # fmt: skip
        self._board = ListingBoard(
            config, rest, sequencer, rng, count, self._openings, self._keeper.now_ms, self.is_calm
        )
        self._watches = Watches(
            self._keeper,
            Backoff(config.backoff_initial_s, config.backoff_max_s, rng),
            settings.near_interval_s,
            lambda symbol: self._openings.is_near(symbol, self._keeper.now_ms()),
            self._plan,
            lambda plan: RollingFeed(plan, config, sequencer, rng, address),
            run_task,
            count,
        )

    async def start(self) -> None:
        """Start all tasks."""
        self._run_task(self._keeper.run(), "instruments")
        await self._board.start(self._run_task, self._address)

    async def watch(self, symbol: str) -> None:
        """As `engine.adapter.Adapter.watch`."""
        self._board.follow(symbol)
        await self._watches.watch(symbol)

    async def unwatch(self, symbol: str) -> None:
        """As `engine.adapter.Adapter.unwatch`."""
        self._board.follow(symbol, False)
        await self._watches.unwatch(symbol)

    async def close(self) -> None:
        """Close the connections; the tasks are the adapter's to end."""
        await self._board.close()

    def connections(self) -> list[RollingFeed]:
        """The connections of watched symbols."""
        return self._watches.connections()

    def sources(self) -> list[SourceStatus]:
        """How the sources of evidence do."""
        return self._board.sources()

    def is_calm(self) -> bool:
        """Whether no watched symbol opens just now: then a whole list may be read, or an order tested."""
        calm_ms, now_ms = self._config.listings.calm_s * 1000, self._keeper.now_ms()
        times = (self._openings.of(symbol) for symbol in self._watches.symbols())
        return not any(opens_ms and abs(opens_ms - now_ms) <= calm_ms for opens_ms in times)

    def _plan(self, symbol: str, source: int) -> FeedPlan:
        return FeedPlan(f"watch-{symbol}", source, (symbol,), self._channels(symbol), opens_later=True)
