"""The steps whose instructions benchmarks/callgrind.py counts; valgrind runs this file, and nobody else.

    python benchmarks/counted.py SUBJECT...

Each subject is prepared, then runs three times: once to warm up, since the first call of anything binds symbols and
allocates, then FEW and MANY steps. A `getppid` stands before and after the latter two: valgrind is told to write down and
forget what it counted whenever that is called.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

FEW, MANY = 1_000, 5_000
MARK = "getppid"
BATCH = 1_000

Steps = Callable[[int], object]


@contextmanager
def gate_check() -> Iterator[Steps]:
    """One approving check of an order, in a busy moment."""
    from benchmarks.micro.gate import Busy
    from engine.gate_bench import time_checks

    busy = Busy(200)
    intents = busy.intents()
    yield lambda steps: time_checks(busy.core, intents, steps, 1)


@contextmanager
def depth_20_levels() -> Iterator[Steps]:
    """One frame of 20 levels, bytes to book."""
    from benchmarks.micro.market_data import SEED, SYMBOLS, depth_frame
    from native.mexc_protobuf import Decoder, time_decode_into_book
    from native.order_book import OrderBook

    rng = random.Random(SEED)
    frames = [depth_frame(20, i + 1, rng) for i in range(100)]
    decoder, book = Decoder(SYMBOLS), OrderBook()
    yield lambda steps: time_decode_into_book(decoder, frames, book, 100, steps // 100)


@contextmanager
def book_update() -> Iterator[Steps]:
    """One level of a book set."""
    from benchmarks.micro.market_data import SEED, updates
    from native.order_book import OrderBook, time_updates

    made, book = updates(BATCH, random.Random(SEED)), OrderBook()
    yield lambda steps: time_updates(book, made, BATCH, steps // BATCH)


@contextmanager
def journal_append() -> Iterator[Steps]:
    """One record of 256 bytes copied and committed; chaining and syncing are another thread's, and not counted."""
    from native.log_bench import time_append
    from native.log_writer import LogWriter

    with (
        tempfile.TemporaryDirectory() as place,
        LogWriter(place, stem="journal", run_id="bench0000000", chained=False, sync=False) as log,
    ):
        yield lambda steps: time_append(log, steps, 256)


@contextmanager
def core(kind: str) -> Iterator[Steps]:
    """One quote through sequencer and core into a strategy."""
    from benchmarks import workload
    from engine import Strategy
    from engine.core import event
    from engine.core.engine import Engine
    from engine.rim import Rim
    from engine.sequencer import Sequencer
    from strategies.predictor import PlainPredictor, Predictor
    from strategies.spread_meter import SpreadMeter

    kinds = {
        "silent": Strategy, "counter": workload.Counter, "compiled": SpreadMeter,
        "predictor_compiled": Predictor, "predictor_python": PlainPredictor,
    }  # fmt: skip
    engine = Engine()
    sequencer = Sequencer(engine, workload.NoFrames(), Rim())
    clock = iter(range(workload.START_NS, workload.START_NS + 1_000_000, 1_000))

    def feed(bare: bytes) -> None:
        sequencer.process_batch(event.batch([event.stamped(bare, 0, next(clock))]))

    workload.prepare(feed, engine, kinds[kind]())
    made = workload.quotes(2 * FEW + MANY, workload.Stream())
    ready = iter(workload.batches(made, BATCH))

    def steps(count: int) -> None:
        for _ in range(count // BATCH):
            sequencer.process_batch(next(ready))

    yield steps


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Steps]]] = {
    "gate_check": gate_check,
    "depth_20_levels": depth_20_levels,
    "book_update": book_update,
    "journal_append": journal_append,
    "core_silent": partial(core, "silent"),
    "core_compiled": partial(core, "compiled"),
    "core_predictor_compiled": partial(core, "predictor_compiled"),
    "core_counter": partial(core, "counter"),
    "core_predictor_python": partial(core, "predictor_python"),
}
# What the interpreter hardly has a part in.
KERNELS = tuple(name for name in SUBJECTS if name not in ("core_counter", "core_predictor_python"))


def main(names: list[str]) -> None:
    """Run these subjects, a mark around each stretch that counts."""
    for name in names:
        with SUBJECTS[name]() as run:
            run(FEW)
            os.getppid()
            run(FEW)
            os.getppid()
            run(MANY)
            os.getppid()


if __name__ == "__main__":
    main(sys.argv[1:])
