"""A feed that outlives its connections: before MEXC ends one after 24 h, a successor takes over without a gap."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import msgspec

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Connection, FeedPlan
from adapters.mexc.splice import Splice
from engine.adapter import FeedStatus, SequencerPort

_log = logging.getLogger("penstock.mexc.feed")
_POLL_S = 0.02
# All connections of a run were opened together; they need not be replaced together.
_LEAST_LIFE = 0.95


class _Port:
    """What a connection hears as its sequencer while two of them share a source."""

    def __init__(self, sequencer: SequencerPort, take: Callable[[bytes], None], *, forwards: bool) -> None:
        self._sequencer = sequencer
        self._take = take
        self.forwards = forwards  # its ups and downs are the feed's

    def ingest_frame_bytes(self, source: int, frame: bytes) -> None:
        """One frame."""
        self._take(frame)

    def ingest(self, event: bytes) -> None:
        """The connection went up or down."""
        if self.forwards:
            self._sequencer.ingest(event)

    def ingest_document(self, source: int, instrument: int, document: bytes) -> None:
        """One raw answer."""
        self._sequencer.ingest_document(source, instrument, document)

    def count(self, name: str, by: int = 1) -> None:
        """Oddities."""
        self._sequencer.count(name, by)

    def alert(self, text: str) -> None:
        """Tell people."""
        self._sequencer.alert(text)

    def now_ns(self) -> int:
        """Our clock, UTC."""
        return self._sequencer.now_ns()

    def instrument_of(self, symbol: str) -> int:
        """The core's instrument of a symbol."""
        return self._sequencer.instrument_of(symbol)

    def heed(self) -> None:
        """A command that has come first."""
        self._sequencer.heed()


class RollingFeed:
    """Keeps one feed up, as `Connection` does, over any number of connections one after another."""

    def __init__(
        self,
        plan: FeedPlan,
        config: MexcConfig,
        sequencer: SequencerPort,
        rng: random.Random,
        address: Callable[[], Awaitable[str]],
        *,
        on_up: Callable[[], None] | None = None,
        on_bad_key: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self._config, self._sequencer, self._rng, self._address = config, sequencer, rng, address
        self._on_up, self._on_bad_key = on_up, on_bad_key
        self._current = self._make(sequencer)
        self._frames_before = self._reconnects_before = self._conflated_before = 0
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Connect, reconnect and replace until cancelled."""
        self._task = self._spawn(self._current)
        try:
            life_s = self._life_s()
            while True:
                done, _ = await asyncio.wait({self._task}, timeout=min(life_s / 20, 1.0))
                if done:
                    return await self._task
                if self._current.is_up and self._current.age_s >= life_s:
                    await self._replace()
                    life_s = self._life_s()
        finally:
            await _end(self._task)

    def restart(self, reason: str) -> None:
        """Give up the present connection and make a new one."""
        self._current.restart(reason)

    def status(self) -> FeedStatus:
        """The feed for the status page, all its connections together."""
        now = self._current.status()
        return msgspec.structs.replace(
            now,
            frames=now.frames + self._frames_before,
            reconnects=now.reconnects + self._reconnects_before,
            conflated=now.conflated + self._conflated_before,
        )

    def _life_s(self) -> float:
        return self._config.connection_life_s * self._rng.uniform(_LEAST_LIFE, 1.0)

    def _spawn(self, connection: Connection) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(
            connection.run(), name=f"mexc connection {self.plan.name}"
        )

    def _make(self, sequencer: SequencerPort) -> Connection:
        made: list[Connection] = []

        def on_up() -> None:
            # A successor that starts restores nothing: the feed was up all along.
            if self._on_up is not None and made[0] is self._current:
                self._on_up()

        made.append(
            Connection(
                self.plan,
                self._config,
                sequencer,
                self._rng,
                self._address,
                on_up=on_up,
                on_bad_key=self._on_bad_key,
            )
        )
        return made[0]

    async def _replace(self) -> None:
        """Put a successor in the place of the present connection, where it comes up."""
        old = self._current
        splice = Splice(self._deliver)
        old.divert(_Port(self._sequencer, splice.take_old, forwards=True))
        port = _Port(self._sequencer, splice.take_new, forwards=False)
        new = self._make(port)
        new_task = self._spawn(new)
        took_over = False
        try:
            took_over = await self._until_joined(old, new)
        finally:
            if not took_over:
                await _end(new_task)
                old.divert(self._sequencer)
        if not took_over:
            self._sequencer.count("mexc.rollovers_abandoned")
            _log.warning("feed %s: its successor did not come up; trying again", self.plan.name)
            return
        before = self.status()
        self._frames_before, self._reconnects_before = before.frames, before.reconnects
        self._conflated_before = before.conflated
        old_task, self._task, self._current = self._task, new_task, new
        port.forwards = True
        splice.finish()
        old.divert(_Port(self._sequencer, _deaf, forwards=False))
        await _end(old_task)
        self._sequencer.count("mexc.rollovers")
        _log.info("feed %s: a new connection took over", self.plan.name)
        # What the old one told ahead of the new one is still to be left out.
        await asyncio.sleep(self._config.rollover_overlap_s)
        new.divert(self._sequencer)

    def _deliver(self, frame: bytes) -> None:
        self._sequencer.ingest_frame_bytes(self.plan.source, frame)

    async def _until_joined(self, old: Connection, new: Connection) -> bool:
        """Wait until the new connection is up and ran beside the old one for a while; False where one of them failed."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._config.rollover_timeout_s
        while not new.is_up:
            await asyncio.sleep(_POLL_S)
            if not old.is_up or loop.time() >= deadline_s:
                return False
        overlap_end_s = loop.time() + self._config.rollover_overlap_s
        while loop.time() < overlap_end_s:
            await asyncio.sleep(_POLL_S)
            if not old.is_up or not new.is_up:
                return False
        return True


def _deaf(frame: bytes) -> None:
    """A connection that was replaced is not heard any more."""


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
