"""What the core looks after beside its trading: memory, disk space, garbage, snapshots, signed checkpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from engine.config import Config
from engine.console.publish import Publisher
from engine.core import event
from engine.core.enums import EventKind, HealthField
from engine.garbage import Garbage
from engine.journal.checkpoints import CheckpointWriter
from engine.journal.restart import take_snapshot, write_snapshot
from engine.resources import DISK_FINE, DISK_LOW, DISK_OUT, anonymous_memory_mb, disk_state
from engine.run_dir import RunDir
from engine.sequencer import Sequencer
from native.log_writer import LogWriter

MB = 1 << 20
HOUSEKEEPING_S = 1.0
DURABLE_WAIT_MS = 5000
SMALLEST_TAPE_SEGMENTS = 4
SNAPSHOT_ATTEMPTS = 4
_DISK_TEXT = {
    DISK_FINE: "fine again",
    DISK_LOW: "low: orders may only reduce",
    DISK_OUT: "out: trading is halted",
}


class Housekeeping:
    """One session's; `note` puts a note of the rim's into the journal, `checkpoints` is None without a key."""

    def __init__(
        self,
        place: RunDir,
        config: Config,
        sequencer: Sequencer,
        publisher: Publisher,
        logs: tuple[LogWriter, LogWriter],
        checkpoints: CheckpointWriter | None,
        note: Callable[[EventKind, dict[str, Any]], None],
    ) -> None:
        self.place, self.run_config = place, config.run
        self.sequencer, self.publisher = sequencer, publisher
        self.rss_mb = self.rss_mb_max = anonymous_memory_mb()
        self.garbage = Garbage(sequencer.observe)
        self._journal, self._tape = logs
        self._checkpoints = checkpoints
        self._note = note
        self._copy = bytearray()  # of the durable state
        self._tape_gave_way = False
        self._checkpoint_segment = self._journal.segment

    async def run(self) -> None:
        """Look at memory, disk and garbage each second; take a snapshot, sign a checkpoint now and then."""
        take_snapshot(
            self.sequencer.core, self._journal, self._copy
        )  # so that there is memory for the next ones
        now_s = time.monotonic()
        snapshot_at_s = now_s + self.run_config.snapshot_interval_s
        checkpoint_at_s = now_s + self.run_config.checkpoint_interval_s
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self.take_rss()
            await asyncio.sleep(0)  # a turn of the loop each
            self.look_at_disk()
            await asyncio.sleep(0)
            self.garbage.collect_where_due()
            await asyncio.sleep(0)
            if time.monotonic() >= snapshot_at_s:
                snapshot_at_s = time.monotonic() + self.run_config.snapshot_interval_s
                await self._snapshot()
            if time.monotonic() >= checkpoint_at_s or self._journal.segment != self._checkpoint_segment:
                checkpoint_at_s = time.monotonic() + self.run_config.checkpoint_interval_s
                await self._checkpoint()

    def take_rss(self) -> None:
        """Remember the most memory that was in use, and tell once where it is too much."""
        self.rss_mb = anonymous_memory_mb()
        if self.rss_mb > self.run_config.max_rss_mb >= self.rss_mb_max:
            self._alert(f"memory is above run.max_rss_mb: {self.rss_mb:.0f} MB of our own")
        self.rss_mb_max = max(self.rss_mb_max, self.rss_mb)

    def look_at_disk(self) -> None:
        """Where space is short the tape gives way first; if that is not enough the core is told."""
        run = self.run_config
        state = disk_state(self.place.path, run.disk_reduce_mb * MB, run.disk_halt_mb * MB)
        if state != DISK_FINE and not self._tape_gave_way:
            # For the session: a tape that grows again would bring the shortage back.
            self._tape_gave_way = True
            self._tape.set_budget(SMALLEST_TAPE_SEGMENTS * run.tape_segment_mb * MB)
            self._alert("disk space is short: the tape keeps to its smallest size until the next start")
            if state == DISK_LOW:
                return  # looked at again in a second, without what the tape gave back
        if state != self.publisher.disk_state:
            self.publisher.disk_state = state
            self.sequencer.ingest(event.health(HealthField.DISK, state))
            self._alert(f"disk space is {_DISK_TEXT[state]}")

    def seal(self) -> None:
        """The last checkpoint, over all that is durable when the session ends."""
        if self._checkpoints is not None and (head := self._durable_head()) is not None:
            try:
                self._sign(head)
            except OSError as error:
                self._checkpoint_failed(error)

    async def _snapshot(self) -> None:
        """The state is copied here, between two events; it is hashed beside the loop, and written there once the journal
        is durable. Its note is the journal's very next record: where another came first, a new copy is taken."""
        loop = asyncio.get_running_loop()
        for attempt in range(SNAPSHOT_ATTEMPTS):
            taken = take_snapshot(self.sequencer.core, self._journal, self._copy)
            if attempt + 1 < SNAPSHOT_ATTEMPTS:
                state_hash = await loop.run_in_executor(None, lambda: taken.state_hash)  # noqa: B023
            else:
                state_hash = taken.state_hash
            if self._journal.records == taken.records:
                break
        self._note(EventKind.NOTE_SNAPSHOT, {"records": taken.records, "sha256": state_hash})
        if await loop.run_in_executor(None, self._journal.wait_durable, DURABLE_WAIT_MS):
            try:
                await loop.run_in_executor(None, write_snapshot, self.place.journal, taken)
            except OSError as error:
                # A restart is slower without it, and as good: a full disk must not end the session.
                if self.sequencer.count("snapshots.failed") == 1:
                    self._alert(f"snapshots cannot be written: {error.strerror or error}")

    async def _checkpoint(self) -> None:
        """Signed and written beside the loop."""
        self._checkpoint_segment = self._journal.segment
        if self._checkpoints is None:
            return
        newest = self._checkpoints.newest
        if newest is not None and newest.records == self._journal.records:
            return
        loop = asyncio.get_running_loop()
        try:
            head = await loop.run_in_executor(None, self._durable_head)
            if head is not None:
                await loop.run_in_executor(None, self._sign, head)
        except OSError as error:
            self._checkpoint_failed(error)

    def _durable_head(self) -> tuple[int, str] | None:
        """Records and hash of the chain as far as it is on disk; None where the disk does not keep up."""
        if not self._journal.wait_durable(DURABLE_WAIT_MS):
            return None
        records, head_hash = self._journal.head()
        return (records, head_hash) if records and self._journal.durable_records >= records else None

    def _sign(self, head: tuple[int, str]) -> None:
        assert self._checkpoints is not None
        self._checkpoints.sign(*head, self.sequencer.core.seq, self.sequencer.now_ns())

    def _checkpoint_failed(self, error: OSError) -> None:
        """The journal is as good without it: less of it is signed."""
        if self.sequencer.count("checkpoints.failed") == 1:
            self._alert(f"checkpoints cannot be written: {error.strerror or error}")

    def _alert(self, text: str) -> None:
        self.publisher.note_alert("warning", text)
