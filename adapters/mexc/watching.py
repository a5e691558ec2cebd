"""Symbols that strategies watch: each has its instrument and a connection of its own, for as long as it is watched.

Where a symbol is not listed any more its connection is closed, and made again when it returns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from adapters.mexc.connection import Backoff, FeedPlan, is_worth_a_line
from adapters.mexc.errors import VenueError
from adapters.mexc.instrument_keeper import InstrumentKeeper
from adapters.mexc.rolling_feed import RollingFeed

_log = logging.getLogger("penstock.mexc.watching")
MAX_SOURCE = 63
_LONGEST_WAIT_S = 30.0


class _Watch:
    """One symbol's: its task and, once its instrument is there, the number of its feed, its connection and what runs that."""

    def __init__(self) -> None:
        self.source = 0
        self.begun = asyncio.Event()
        self.connection: RollingFeed | None = None
        self.feed: asyncio.Task[None] | None = None
        self.task: asyncio.Task[None] | None = None


class Watches:
    """`plan` makes a connection's plan, `make` the connection; `run_task` runs a task until it is cancelled."""

    def __init__(
        self,
        keeper: InstrumentKeeper,
        backoff: Backoff,
        near_wait_s: float,
        is_near: Callable[[str], bool],
        plan: Callable[[str, int], FeedPlan],
        make: Callable[[FeedPlan], RollingFeed],
        run_task: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        count: Callable[[str], int],
    ) -> None:
        self._keeper = keeper
        self._backoff = backoff
        self._near_wait_s = near_wait_s
        self._is_near = is_near
        self._plan = plan
        self._make = make
        self._run_task = run_task
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
        watch.task = self._run_task(self._keep(symbol, watch), f"watch {symbol}")
        await watch.begun.wait()

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

    def close_feed(self, symbol: str) -> bool:
        """Close the feed of a symbol that is gone, until it is listed again; False where there is none of ours."""
        watch = self._watched.get(symbol)
        return watch is not None and watch.feed is not None and watch.feed.cancel()

    async def _keep(self, symbol: str, watch: _Watch) -> None:
        """Load the symbol, run its feed until it is gone, and again, until cancelled."""
        try:
            while True:
                await self._until_listed(symbol, watch)
                watch.connection = self._make(self._plan(symbol, watch.source))
                watch.begun.set()
                await self._run_feed(watch, watch.connection)
                watch.connection = None
                self._keeper.drop(symbol)
                watch.source = 0
        finally:
            watch.begun.set()

    async def _run_feed(self, watch: _Watch, connection: RollingFeed) -> None:
        """Until `close_feed`; raises what ended the feed otherwise."""
        feed = watch.feed = asyncio.get_running_loop().create_task(
            connection.run(), name=f"mexc feed {connection.plan.name}"
        )
        try:
            await asyncio.wait([feed])
        finally:
            watch.feed = None
            feed.cancel()
            await asyncio.wait([feed])
        if not feed.cancelled():
            feed.result()

    async def _until_listed(self, symbol: str, watch: _Watch) -> None:
        attempt = 0
        while not await self._load(symbol, watch):
            wait_s = min(self._backoff.wait_s(attempt), _LONGEST_WAIT_S)
            await asyncio.sleep(min(wait_s, self._near_wait_s) if self._is_near(symbol) else wait_s)
            attempt += 1

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
