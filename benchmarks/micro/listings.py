"""Listings: a sweep over the evidence of 2,500 symbols beside its oracle, and the event that enters an opening symbol.

The entry is the whole of `process` for the book's first event with both sides: book, strategy, gate, order, timer.
"""

from __future__ import annotations

import random
import time

from engine.microbench import CpuTime, Row, percentile, row, spread
from native.listing_patterns import Sweep
from tests.oracles.listing_patterns import Symbol, classify
from tests.simulation.listings_script import MINUTE, Play, Script
from tests.simulation.listings_world import MS, START_NS, World

SYMBOLS, SWEEPS, ROUNDS, BAR_US = 2_500, 2_000, 5, 50.0
ENTRIES, ENTRY_BAR_US = 300, 40.0
SEED = 20_261_120
ROWS = [(2, 2, 4, 2, 0, 850), (2, 2, -1, 1, 30, 850), (2, 1, -1, 1, 120, 750), (1, 1, -1, 1, 360, 600)]
GROUPS = [frozenset({1, 2}), frozenset({3, 4}), frozenset({5}), frozenset({7}), frozenset({8})]
FIELDS = ("id", "contract", "price", "size")


def evidence(count: int, rng: random.Random) -> list[Symbol]:
    """Symbols that differ in everything, which no predictor of branches likes."""
    return [
        Symbol(
            codes=(rng.randint(1, 2), rng.randint(1, 2), rng.randint(1, 4)),
            status=rng.choice((None, 1, 2, 3)),
            api_allowed=rng.choice((None, True, False)),
            side_type=rng.choice((None, 1, 2, 3)),
            order_types=rng.choice((None, 2, 62)),
            sources=frozenset(source for source in range(1, 9) if rng.random() < 0.5),
            fields=frozenset(field for field in FIELDS if rng.random() < 0.5),
            opens_ms=rng.choice((None, 1_790_000_000_000)),
            boost=rng.choice((0, 180)),
        )
        for _ in range(count)
    ]


def filled(symbols: list[Symbol]) -> Sweep:
    """The columns of these symbols."""
    sweep = Sweep(len(symbols), ROWS, [sum(1 << source for source in group) for group in GROUPS])
    for at, symbol in enumerate(symbols):
        said = [-1 if value is None else int(value) for value in (*symbol.codes, symbol.status)]
        sweep.sts[at], sweep.st[at], sweep.tt[at], sweep.status[at] = said
        sweep.api_allowed[at] = -1 if symbol.api_allowed is None else symbol.api_allowed
        sweep.side_type[at] = symbol.side_type or -1
        sweep.order_types[at] = symbol.order_types or -1
        sweep.sources[at] = sum(1 << source for source in symbol.sources)
        sweep.fields[at] = sum(1 << FIELDS.index(field) for field in symbol.fields)
        sweep.opens_ms[at] = -1 if symbol.opens_ms is None else symbol.opens_ms
        sweep.boost[at] = symbol.boost
    return sweep


class TimedWorld(World):
    """Times the event that an order comes of."""

    entry_us = 0.0

    def process(self, event: bytes) -> bytes:
        """One event into the core."""
        before = self.strategy_orders
        started = time.perf_counter_ns()
        outputs = super().process(event)
        if self.strategy_orders > before and not self.entry_us:
            self.entry_us = (time.perf_counter_ns() - started) / 1e3
        return outputs

    @property
    def strategy_orders(self) -> int:
        """Orders that the gate approved so far."""
        return int(self.engine.counts()["approved"])


def time_entry(seed: int) -> float:
    """Microseconds of one opening: armed, then the first book."""
    world = TimedWorld(seed, {})
    opens_ns = START_NS + 30 * MINUTE
    script = Script(1, "on_time", opens_ns, opens_ns, 50_000, "flat", is_thin=False, has_flag=False)
    Play(world, script)
    world.run(opens_ns + 5_000 * MS)
    if not world.entry_us:
        raise RuntimeError("the listing was not entered")
    return world.entry_us


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    entries = [time_entry(seed) for seed in range(3 if quick else ENTRIES)]
    symbols = evidence(SYMBOLS, random.Random(SEED))
    sweep = filled(symbols)
    sweeps, rounds = (5, 2) if quick else (SWEEPS, ROUNDS)
    started = time.perf_counter_ns()
    expected = [classify(symbol, ROWS, GROUPS) for symbol in symbols]
    oracle_us = (time.perf_counter_ns() - started) / 1e3
    medians, together, cpu_ns = [], [], []
    for _ in range(rounds):
        samples = []
        with CpuTime() as taken:
            for _ in range(sweeps):
                started = time.perf_counter_ns()
                sweep.run(SYMBOLS)
                samples.append((time.perf_counter_ns() - started) / 1e3)
        cpu_ns.append(taken.ns / sweeps)
        medians.append(percentile(samples, 0.5))
        together += samples
    if [int(each) for each in sweep.confidence] != [each.confidence for each in expected]:
        raise RuntimeError("the kernel and its oracle disagree")
    return [
        row(
            "listing_sweep", "us", percentile(together, 0.5), "must", bar=BAR_US, samples=together,
            cpu_ns=percentile(cpu_ns, 0.5),
            reference=("the plain-Python oracle", oracle_us), note=f"{SYMBOLS:,} symbols; medians of {spread(medians)} us",
        ),
        row(
            "listing_entry", "us", percentile(entries, 0.5), "stretch", bar=ENTRY_BAR_US, samples=entries,
            note="the first time that a core goes this way: nothing is warm, as at an opening",
        ),
    ]  # fmt: skip
