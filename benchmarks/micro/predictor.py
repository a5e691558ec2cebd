"""What the predictor costs per change of the best levels, compiled and in Python: CPU time of the whole core.

The cost of a predictor itself is the difference to `core_silent`, a core whose strategy hears nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import workload
from benchmarks.micro.core import BATCH, EVENTS, ROUNDS, Bench
from engine import Strategy
from engine.microbench import Row, percentile, row, spread
from strategies.predictor import PlainPredictor, Predictor

KINDS: dict[str, Callable[[], Strategy]] = {
    "core_silent": Strategy,
    "core_predictor_compiled": Predictor,
    "core_predictor_python": PlainPredictor,
}


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject, rounds of the three in turn; `quick` only proves that they come about."""
    count, rounds = (2_000, 2) if quick else (EVENTS, ROUNDS)
    batches = workload.batches(workload.quotes(count, workload.Stream()), BATCH)
    found: dict[str, list[float]] = {name: [] for name in KINDS}
    laps: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(rounds):
        for name, make in KINDS.items():
            rate, of_batches, core = Bench(make, batches).round()
            if core.errors:
                raise RuntimeError(f"{name}: {core.errors}")
            found[name].append(1e9 / rate)
            laps[name] += [1e9 / each for each in of_batches]
    middle = {name: percentile(costs, 0.5) for name, costs in found.items()}
    reference = ("the same predictor in Python", middle["core_predictor_python"])
    return [
        row(
            name, "ns", middle[name], "stretch", samples=laps[name], cpu_ns=middle[name],
            reference=reference if name.endswith("compiled") else None,
            note=f"CPU time per event, {middle[name] - middle['core_silent']:+,.0f} to core_silent; "
            f"{spread(found[name])} ns; for information: no bar",
        )
        for name in KINDS
    ]  # fmt: skip
