"""The core process: one loop around the core, from the first record of a session to its seal.

`python -m engine.daemon --run-dir DIR --config FILE [--for SECONDS]`; people start it through `penstock run`.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from engine.adapter import Adapter, AdapterError
from engine.awake import Awake
from engine.config import Config, config_hash, load, resolve
from engine.console.halt_flag import HaltFlag
from engine.console.publish import Publisher
from engine.console.status import encode
from engine.console.status_page import StatusPage
from engine.control import CommandRefused, Reply, Request
from engine.control_server import ControlServer
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import CommandKind, EventKind
from engine.core.instrument import InstrumentSpec
from engine.errors import UserError
from engine.execution.executor import Executor
from engine.execution.reconcile import Reconciler
from engine.execution.resolver import Resolver
from engine.housekeeping import Housekeeping
from engine.journal.archived import opening
from engine.journal.checkpoints import open_checkpoints
from engine.journal.keys import private_key
from engine.journal.lock import LockHeld, RunLock
from engine.journal.records import JOURNAL_STEM, TAPE_STEM, note
from engine.journal.restart import restore
from engine.live import check_destination, check_switches
from engine.log import logging_to
from engine.plugins import attach_strategies, check_limits, make_adapter
from engine.quick_command import QuickCommand
from engine.resources import anonymous_memory_mb, process_age_s
from engine.rim import Rim
from engine.run_dir import RunDir, adapter_options, open_at, write_atomically
from engine.sequencer import Sequencer
from engine.summary import summary
from engine.timers import Timers
from engine.turns import Turns
from native.cpu import BASELINE
from native.log_errors import LogError
from native.log_writer import LogWriter

logger = logging.getLogger("penstock.core")

MB = 1 << 20
TAPE_POLL_US = 1000
STATUS_INTERVAL_S = 0.25
# Longer than the receive window of 5 s, so that an order without an outcome can be proved absent.
STOP_WAIT_S = 10.0
CANCEL_AGAIN_S = 0.5
VENUE_RETRIES = 5
EXIT_ENDED, EXIT_REFUSED = 0, 2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
COMMANDS = {
    "halt": CommandKind.HALT,
    "resume": CommandKind.RESUME,
    "cancel_all": CommandKind.CANCEL_ALL,
    "reduce_only": CommandKind.REDUCE_ONLY,
    "flatten": CommandKind.FLATTEN,
}


class Daemon(Rim):
    """One session of a run. Make it, then `await run()`."""

    def __init__(self, place: RunDir, config: Config, seconds: float | None) -> None:
        self.place = place
        self.config = config
        self.seconds = seconds
        self.stopping = asyncio.Event()
        self.failure: str | None = None
        self._started = time.monotonic()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._before_ready: list[tuple[Callable[[Executor, Any], None], Any]] = []
        self._turns = Turns()
        self._ready_s = 0.0
        self._executor: Executor | None = None
        self._adapter: Adapter = make_adapter(
            config.adapter.name, adapter_options(config, place), place.run_id, config.run.seed
        )
        check_destination(config, getattr(self._adapter, "destination", "away"))
        key = private_key(config.run)
        self._open_logs()
        checkpoints = open_checkpoints(place.journal, place.run_id, key, self._journal.records)
        core = Engine()
        self._restart = restore(core, place.path, self._journal.records)
        self.sequencer = Sequencer(
            core, self._adapter.decoder(), self, self._journal, self._tape, seq=self._restart.seq
        )
        self.sequencer.introduce_instruments()
        self._timers = Timers(self.sequencer.ingest, self.sequencer.now_ns)
        self._flag = HaltFlag(place.path)
        self.sequencer.bind_halt_flag(self._flag.word_address)
        self._page = StatusPage.create(place.path)
        self._publisher = Publisher(
            self.sequencer, config.mode, config.risk.currency, config.run.tape_budget_mb * MB
        )
        self._house = Housekeeping(
            place,
            config,
            self.sequencer,
            self._publisher,
            (self._journal, self._tape),
            checkpoints,
            self._note,
        )

    def _open_logs(self) -> None:
        run, run_id = self.config.run, self.place.run_id
        build = f"{BASELINE} py{sys.version_info.major}.{sys.version_info.minor}"
        self.place.journal.mkdir(exist_ok=True)
        self.place.tape.mkdir(exist_ok=True)
        with opening(self.place.journal) as archived:
            self._journal = LogWriter(
                self.place.journal, stem=JOURNAL_STEM, run_id=run_id, chained=True, sync=True,
                segment_bytes=run.journal_segment_mb * MB, build=build, archived=archived,
            )  # fmt: skip
        self._tape = LogWriter(
            self.place.tape, stem=TAPE_STEM, run_id=run_id, chained=False, sync=False,
            segment_bytes=run.tape_segment_mb * MB, budget_bytes=run.tape_budget_mb * MB,
            sync_interval_us=TAPE_POLL_US, build=build,
        )  # fmt: skip
        for name, log in (("journal", self._journal), ("tape", self._tape)):
            if log.recovered.torn_bytes:
                logger.warning("the %s's torn tail was repaired: %d bytes", name, log.recovered.torn_bytes)

    # What the core asks of the rim.

    def on_approved(self, approved: Any) -> None:
        """Send an approved order or cancel."""
        self._when_ready(Executor.submit, approved)

    def on_resync(self, instrument: int, attempt: int) -> None:
        """Fetch a snapshot of a book."""
        self._run(self._adapter.fetch_book(instrument, attempt))

    def on_query(self, order_no: int) -> None:
        """Ask the venue what became of an order."""
        self._when_ready(Executor.resolve, order_no)

    def _when_ready(self, do: Callable[[Executor, Any], None], what: Any) -> None:
        """Before the venue can be reached, remember it."""
        if self._executor is None:
            self._before_ready.append((do, what))
        else:
            do(self._executor, what)

    def on_doubt(self) -> None:
        """A frame of the private feed was lost: reconcile with the venue."""
        self._adapter.private_restored.set()

    def on_timer_set(self, timer_id: int, strategy: int, due_ns: int) -> None:
        """Have a TIMER event come in when it is due."""
        self._timers.set(timer_id, strategy, due_ns)

    def on_watch(self, symbol: str, on: bool) -> None:
        """Keep, or no longer keep, the instrument and book of a symbol that the config does not name."""
        self._run(self._adapter.watch(symbol) if on else self._adapter.unwatch(symbol))

    def on_memo(self, strategy: int, key: str, value: bytes) -> None:
        """A strategy put a memo into the journal."""
        self._publisher.note_memo(self.sequencer.core.strategy_names()[strategy], key, value)

    def on_notice(self, record: dict[str, Any]) -> None:
        """Tell people: an alert, a breaker, a stopped strategy."""
        text = record.get("text") or (
            f"breaker {record.get('breaker')} {'opened' if record.get('open') else 'closed'}"
        )
        self._publisher.note_alert("warning", text)
        logger.warning("%s: %s", record["kind"], text)

    def on_fill(self, record: dict[str, Any]) -> None:
        """One execution of ours came in."""
        if "instrument" in record:
            self._publisher.note_fill(record)

    def on_fault(self, what: str, error: Exception | None) -> None:
        """An event could not be processed: it is recorded, counted and survived."""
        self._publisher.note_alert("error", what)
        logger.error(what, exc_info=error)

    # A session.

    async def run(self) -> None:
        """The whole session: start, trade until asked to stop, end in order."""
        control = ControlServer(
            self.place.path, self._obey, QuickCommand(self.sequencer), acknowledge=self._acknowledge
        )
        await control.start()
        self.sequencer.bind_commands(control)
        try:
            await self._begin()
            self._run(self._publish())
            self._run(self._house.run())
            run = self.config.run
            awake = Awake(self.sequencer)
            self._run(awake.keep(around_ms=run.opening_awake_ms, after_frames_ms=run.spin_ms * run.spin))
            self.sequencer.rehearse_after_frames(asyncio.get_running_loop().call_soon, awake.rehearse_after)
            # What is here now lives as long as the session: the collector need not look at it again, and runs when
            # the house is kept, never in the midst of an event.
            self._house.garbage.freeze()
            self._measure_turns()
            await self._wait()
            self._turns.end()
            await self._end_trading()
        finally:
            await self._close(control)

    def _measure_turns(self) -> None:
        try:
            self._turns.start(asyncio.get_running_loop())
            self.sequencer.backlog.bind_turns(self._turns.counter_address)
            self.sequencer.backlog.bind_conflation(self.config.run.conflate_lag_ms * 1_000_000)
            self.sequencer.stages["turn"] = self._turns.histogram
        except OSError as error:
            logger.warning("%s", error)

    async def _begin(self) -> None:
        sequencer, core, config, run_id = self.sequencer, self.sequencer.core, self.config, self.place.run_id
        session = self._restart_session()
        sequencer.ingest(event.start(run_id, session, config.mode == "live", config.run.seed))
        resolved = resolve(config)
        sequencer.ingest(event.config(json.dumps(resolved, sort_keys=True).encode()))
        specs = await self._load_instruments()
        check_currency(specs, config.risk.currency)
        for spec in specs:
            sequencer.ingest(event.instrument(spec))
        watched = self._retire_others()
        strategies = attach_strategies(sequencer.core, resolved)
        if not session:  # a run that was begun has to go on: what it holds must be looked after
            check_limits(strategies, resolved)
        seed = config.run.seed
        resolver = Resolver(self._adapter, sequencer, run_id, seed=seed)
        executor = Executor(self._adapter, sequencer, run_id, resolver)
        reconciler = Reconciler(
            self._adapter, sequencer, run_id, resolver, lambda: len(core.books), seed=seed
        )
        self._ready_s = process_age_s()
        await self._adapter.start(sequencer, [core.spec(book.instrument) for book in core.books])
        executor.take_lane(self._adapter.quick_lane(core))
        sequencer.bind_executor(executor)
        self._executor = executor
        for symbol in watched:
            self.on_watch(symbol, True)
        for do, what in self._before_ready:
            do(executor, what)
        self._run(reconciler.run())
        self._timers.keep_house()

    def _retire_others(self) -> list[str]:
        """Instruments that a session before this one watched have no feed yet; answers those still held or on order."""
        core, held = self.sequencer.core, []
        for book in core.books:
            if book.symbol in self.config.symbols:
                continue
            spec = core.spec(book.instrument)
            if spec.source:
                self.sequencer.ingest(event.instrument(dataclasses.replace(spec, source=0)))
            if core.position_lots(book.instrument) or core.open_orders(book.instrument):
                held.append(book.symbol)
        return held

    def _restart_session(self) -> int:
        """The number of this session, from 0; a restart says what it found."""
        if not self._restart.records:
            return 0
        core = self.sequencer.core
        facts = {"records": self._restart.records, "durable_hash": core.durable_hash()}
        self._note(EventKind.NOTE_RESTARTED, facts)
        logger.info(
            "restarted from %d journal records, %d of them through a snapshot: durable hash %s",
            self._restart.records,
            self._restart.from_snapshot,
            facts["durable_hash"],
        )
        for skipped in self._restart.skipped_snapshots:
            self._publisher.note_alert("warning", f"snapshot passed over: {skipped}")
        session: int = core.session + 1
        return session

    def _note(self, kind: EventKind, facts: dict[str, Any]) -> None:
        """Put a note of the rim's into the journal."""
        core = self.sequencer.core
        self._journal.append(note(kind, core.seq, self.sequencer.now_ns(), json.dumps(facts).encode()))

    async def _load_instruments(self) -> Any:
        for attempt in range(VENUE_RETRIES):
            try:
                return await self._adapter.load_instruments(self.config.symbols)
            except AdapterError as error:
                logger.warning("instruments: %s", error)
                if attempt + 1 == VENUE_RETRIES:
                    raise UserError(
                        f"the venue does not tell its instruments: {error}. "
                        "Check its address in [adapter], and that it can be reached."
                    ) from None
                await asyncio.sleep(max(0.2 * 2**attempt, error.retry_after_s))
        raise AssertionError("the loop above returns or raises")

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), self.seconds)
        except TimeoutError:
            logger.info("ended after %g s", self.seconds)

    async def _end_trading(self) -> None:
        """Approve nothing more, cancel what is open, and give the venue a little time to say so."""
        self.sequencer.ingest(event.command(CommandKind.STOP))
        until = time.monotonic() + STOP_WAIT_S
        again = 0.0
        while self.sequencer.core.counts()["open_orders"] and (now := time.monotonic()) < until:
            if now >= again:
                # A cancel that was refused, lost or never sent leaves its order open: all that have none pending get one.
                self.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
                again = now + CANCEL_AGAIN_S
            await asyncio.sleep(0.02)

    async def _close(self, control: ControlServer) -> None:
        self._timers.close()
        self._turns.stop()
        self._house.garbage.close()
        await control.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._executor is not None:
            await self._executor.close()
        await self._adapter.close()
        self._finish()

    def _finish(self) -> None:
        """Seal the journal, write the summary, close what is mapped."""
        sequencer, core = self.sequencer, self.sequencer.core
        self._house.take_rss()
        if self.failure is None and not sequencer.journal_failed:
            facts = {"durable_hash": core.durable_hash(), "actions_hash": core.actions_hash}
            self._note(EventKind.NOTE_SEALED, facts)
        self._journal.wait_durable(5000)
        self._house.seal()
        document = summary(
            sequencer,
            self._adapter.status(),
            run_dir=str(self.place.path),
            mode=self.config.mode,
            config_hash=config_hash(self.config),
            seed=self.config.run.seed,
            seconds=self._seconds(),
            orders_sent=0 if self._executor is None else self._executor.sent,
            rss_anon_mb_max=self._house.rss_mb_max,
            ready_s=self._ready_s,
            collections=self._house.garbage.collections,
            turns=self._turns,
            alerts=[msgspec.to_builtins(alert) for alert in self._publisher.alerts],
        )
        self._page.write(encode(self._document()))
        self._journal.close()
        self._tape.close()
        write_atomically(self.place.summary_file, json.dumps(document, indent=2).encode() + b"\n")
        self._page.close()
        self._flag.close()

    # Beside the trading.

    def _run(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        """A task of the session failed: it is told, and the session ends in order."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a task of the core failed", exc_info=task.exception())
            self.failure = f"a task of the core failed: {task.exception()!r}"
            self.stopping.set()

    def _document(self) -> Any:
        return self._publisher.document(self._adapter.status(), self._seconds(), anonymous_memory_mb())

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    async def _publish(self) -> None:
        """The status, again and again; made in steps, a turn of the loop each, so that nothing waits for the whole."""
        while True:
            for document in self._publisher.steps(self._adapter.status, self._seconds, self._house.rss_mb):
                await asyncio.sleep(0)
                if document is not None:
                    self._page.write(encode(document))
            await asyncio.sleep(STATUS_INTERVAL_S)

    def _obey(self, request: Request) -> Awaitable[Reply]:
        """A command from an operator: carried out now, and acknowledged once its record is durable."""
        if request.command == "status":
            return self._tell_status(request)
        if request.command == "resume":
            self._flag.clear()
        instrument = self.sequencer.instrument_of(request.symbol) if request.symbol else -1
        if request.symbol and instrument < 0:
            raise CommandRefused(f"the run has no instrument {request.symbol}")
        seq = self.sequencer.ingest(
            event.command(COMMANDS[request.command], idempotency_id=request.id[:39], instrument=instrument)
        )
        return self._acknowledge(request, seq)

    async def _tell_status(self, request: Request) -> Reply:
        """Made when it is awaited: no order and no frame waits for it."""
        return Reply(request.id, True, status=encode(self._document()))

    async def _acknowledge(self, request: Request, seq: int) -> Reply:
        loop = asyncio.get_running_loop()
        durable = await loop.run_in_executor(None, self._journal.wait_durable, 5000)
        if not durable or self.sequencer.journal_failed:
            raise CommandRefused("the journal did not take the command within 5 s; ask for the status")
        return Reply(request.id, True, text=f"{request.command} is in force", seq=seq)


def check_currency(specs: Sequence[InstrumentSpec], currency: str) -> None:
    """The limits are sums over all instruments: they must be in one currency. UserError names the strangers."""
    strangers = [spec.symbol for spec in specs if spec.quote != currency]
    if strangers:
        raise UserError(
            f"{', '.join(strangers)} is not quoted in risk.currency, {currency}: exposures in different currencies "
            "cannot be added up. Run them apart, or set risk.currency."
        )


async def session(place: RunDir, config: Config, seconds: float | None) -> int:
    """Run one session until a signal, its time, or a failure ends it; answers the exit code."""
    daemon = Daemon(place, config, seconds)
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, daemon.stopping.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    await daemon.run()
    return EXIT_ENDED if daemon.failure is None else 1


def main() -> None:
    """Entry point of the core process."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.daemon", description="The core process of a run; `penstock run` starts it."
    )
    parser.add_argument("--run-dir", required=True, type=Path, help="directory of the run")
    parser.add_argument("--config", required=True, type=Path, help="the resolved config")
    parser.add_argument("--live", action="store_true", help="send real orders, as the config says, too")
    parser.add_argument("--for", dest="seconds", type=float, help="end by itself after this time")
    options = parser.parse_args()
    # A stop that comes before the session can heed it waits until then.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        config, place = load(options.config), open_at(options.run_dir)
        check_switches(config, options.live)
        supervised = "PENSTOCK_SUPERVISED" in os.environ
        with (
            RunLock(place.path),
            logging_to(place.path, level=config.log.level, form=config.log.format, quiet=supervised),
        ):
            code = uvloop.run(session(place, config, options.seconds))
    except (UserError, AdapterError, LockHeld, LogError) as error:
        sys.stderr.write(f"penstock: {error}\n")
        code = EXIT_REFUSED
    raise SystemExit(code)


if __name__ == "__main__":
    main()
