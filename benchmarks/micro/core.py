"""Events per CPU-second of the core: in-memory events in batches, gate and journal on.

CPU time is the whole process's, the journal's own thread included, until the last record is on disk. A round takes a fresh
engine over the same events; the value is the median round. Market data is on no tape, but in the row that says so.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks import workload
from engine import Strategy
from engine.core import event
from engine.core.engine import Engine
from engine.microbench import Row, percentile, row, spread
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_writer import LogWriter
from strategies.spread_meter import SpreadMeter

EVENTS, BATCH, ROUNDS = 300_000, 1_000, 7
SEGMENT_BYTES = 16 << 20
SETTLE_S = 0.05  # for the logs' threads to allocate their first segments
ORDER_EVERY = 450  # book deltas: with 45 % of them, one order in 1,000 events
BAR = 1_000_000.0
# Measured for facts/engines.md 2.3 on the same kind of machine: quotes into a Python counter, no order; the best round.
NAUTILUS = ("NautilusTrader 2.0.0rc7 backtest, quotes and a Python counter", 691_000.0)
RECORDED = "the reference is a recorded figure (0.65 to 0.69 M), not measured in this run (`bench peers` does): no ratio"


def log(place: str, stem: str, *, chained: bool) -> LogWriter:
    """A log as a run opens it: the journal chained and synced, the tape neither."""
    return LogWriter(
        place, stem=stem, run_id="bench0000000", chained=chained, sync=chained, segment_bytes=SEGMENT_BYTES
    )


class Bench:
    """One way of running the core, over all rounds."""

    def __init__(self, make: Callable[[], Strategy], batches: list[bytes], *, tape: bool = False) -> None:
        self.make = make
        self.batches = batches
        self.tape = tape

    def round(self) -> tuple[float, list[float], Engine]:
        """Events per CPU-second, the same of each batch, and the core as it ended."""
        with ExitStack() as stack:
            place = stack.enter_context(tempfile.TemporaryDirectory())
            journal = stack.enter_context(log(place, "journal", chained=True))
            tape = stack.enter_context(log(place, "tape", chained=False)) if self.tape else None
            core = Engine()
            sequencer = Sequencer(core, workload.NoFrames(), Rim(), journal, tape)
            self._open(core, sequencer)
            journal.wait_durable(10_000)
            time.sleep(SETTLE_S)
            before, laps = core.events, []
            started = lap = time.process_time_ns()
            for each in self.batches:
                sequencer.process_batch(each)
                now = time.process_time_ns()
                laps.append(BATCH * 1e9 / (now - lap))
                lap = now
            if not journal.wait_durable(60_000):
                raise RuntimeError("the journal did not become durable")
            taken = time.process_time_ns() - started
            return (core.events - before) * 1e9 / taken, laps, core

    def _open(self, core: Engine, sequencer: Sequencer) -> None:
        clock = iter(range(workload.START_NS, workload.START_NS + 1_000_000, 1_000))

        def feed(bare: bytes) -> None:
            sequencer.process_batch(event.batch([event.stamped(bare, 0, next(clock))]))

        workload.prepare(feed, core, self.make())

    def rate(self, name: str, rounds: int, bar: float | None, note: str) -> Row:
        """The row: the median round; p99 is the rate that 99 % of the batches reach."""
        found, laps = [], []
        for _ in range(rounds):
            each, of_batches, core = self.round()
            found.append(each)
            laps += of_batches
        counts = core.counts()
        told = f"{counts['approved']} orders, {counts['fills']} fills; {note}{spread(found)} events/CPU-s"
        if counts["denied"]:
            raise RuntimeError(f"orders were denied: {counts['denied']}")
        value = percentile(found, 0.5)
        return row(
            name, "events/CPU-s", value, "must" if bar else "stretch", bar=bar, samples=laps,
            cpu_ns=1e9 / value, reference=NAUTILUS if bar else None, compare=False,
            note=told + (f"; {RECORDED}" if bar else "; for information: no bar"),
        )  # fmt: skip


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    count, rounds = (2_000, 2) if quick else (EVENTS, ROUNDS)
    mixed = workload.batches(workload.mixed(count, ORDER_EVERY, workload.Stream()), BATCH)
    quotes = workload.batches(workload.quotes(count, workload.Stream()), BATCH)
    lots = workload.ORDER_LOTS

    def listener() -> Strategy:
        return workload.Listener(ORDER_EVERY)

    def compiled() -> Strategy:
        return SpreadMeter(ORDER_EVERY, lots)

    quote_note = "a quote is a change of the best levels, told by on_book; "
    return [
        Bench(listener, mixed).rate("core_python_strategy", rounds, BAR, ""),
        Bench(workload.Counter, quotes).rate("core_python_counter", rounds, BAR, quote_note),
        Bench(compiled, mixed).rate("core_compiled_strategy", rounds, None, ""),
        Bench(listener, mixed, tape=True).rate("core_python_strategy_taped", rounds, None, "with the tape; "),
    ]
