"""Symbols that strategies watch: each has its instrument and a connection of its own, for as long as it is watched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from adapters.mexc.connection import Backoff, FeedPlan, is_worth_a_line
from adapters.mexc.errors import VenueError
from adapters.mexc.instrument_keeper import InstrumentKeeper
from adapters.mexc.rolling_feed import RollingFeed

_log = logging.getLogger("penstock.mexc.watching")
MAX_SOURCE = 63
_LONGEST_WAIT_S = 30.0


class _Watch:
    """One symbol's: the number of its feed and, once its instrument is there, its connection's task."""

    def __init__(self) -> None:
        self.source = 0
        self.connection: RollingFeed | None = None
        self.task: asyncio.Task[None] | None = None


class Watches:
    """`plan` makes a connection's plan, `connect` opens it, `disconnect` ends it and forgets it."""

    def __init__(
        self,
        keeper: InstrumentKeeper,
        backoff: Backoff,
        near_wait_s: float,
        is_near: Callable[[str], bool],
        plan: Callable[[str, int], FeedPlan],
        connect: Callable[[FeedPlan], tuple[RollingFeed, asyncio.Task[None]]],
        count: Callable[[str], int],
    ) -> None:
        self._keeper = keeper
        self._backoff = backoff
        self._near_wait_s = near_wait_s
        self._is_near = is_near
        self._plan = plan
        self._connect = connect
        self._count = count
        self._watched: dict[str, _Watch] = {}
        self._closing: dict[str, asyncio.Event] = {}

    def symbols(self) -> list[str]:
        """The watched symbols."""
        return list(self._watched)

    def connections(self) -> list[RollingFeed]:
        """Their connections."""
        return [watch.connection for watch in self._watched.values() if watch.connection is not None]

    async def watch(self, symbol: str) -> None:
        """Keep the symbol's instrument and book; answers once its connection was begun, or it is unwatched.

        Asks again, with growing waits, for a symbol that is not listed yet. One that has a feed is left alone.
        """
        if symbol in self._closing:
            await self._closing[symbol].wait()
        if symbol in self._watched or self._keeper.source_of(symbol):
            return
        watch = self._watched[symbol] = _Watch()
        attempt = 0
        while self._watched.get(symbol) is watch and not await self._load(symbol, watch):
            wait_s = min(self._backoff.wait_s(attempt), _LONGEST_WAIT_S)
            await asyncio.sleep(min(wait_s, self._near_wait_s) if self._is_near(symbol) else wait_s)
            attempt += 1
        if self._watched.get(symbol) is watch:
            watch.connection, watch.task = self._connect(self._plan(symbol, watch.source))

    async def unwatch(self, symbol: str) -> None:
        """Close the symbol's feed, then free its number. One that is not watched is left alone."""
        watch = self._watched.pop(symbol, None)
        if watch is None:
            return
        closed = self._closing[symbol] = asyncio.Event()
        try:
            if watch.task is not None:
                watch.task.cancel()
                await asyncio.wait([watch.task])
            if self._keeper.source_of(symbol) == watch.source:
                self._keeper.drop(symbol)
        finally:
            del self._closing[symbol]
            closed.set()

    async def _load(self, symbol: str, watch: _Watch) -> bool:
        taken = self._keeper.used_sources() | {each.source for each in self._watched.values()}
        free = next((number for number in range(1, MAX_SOURCE + 1) if number not in taken), 0)
        watch.source = watch.source or free
        if not watch.source:
            self._complain(symbol, f"all {MAX_SOURCE} feeds are taken")
            return False
        try:
            found = await self._keeper.load(symbol, watch.source, lambda: self._watched.get(symbol) is watch)
        except (VenueError, ValueError) as error:
            self._complain(symbol, str(error))
            return False
        if not found:
            self._count("watch_not_listed")
        return found

    def _complain(self, symbol: str, text: str) -> None:
        if is_worth_a_line(self._count("watch_failures")):
            _log.warning("watching %s: %s", symbol, text)
