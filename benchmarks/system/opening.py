"""From the frame that shows a symbol open to the first bytes of its order, over TLS: benchmarks/opening_latency.py."""

from __future__ import annotations

from benchmarks.opening_latency import BARS_NS
from benchmarks.program import figures
from engine.errors import UserError
from engine.microbench import Row, row

LISTINGS, QUICK_LISTINGS = 25, 2
TIMEOUT_S = 180.0


def run(quick: bool = False) -> list[Row]:
    """A row for each bar; `quick` only proves that they come about."""
    listings = str(QUICK_LISTINGS if quick else LISTINGS)
    told = figures("opening_latency.py", "--listings", listings, timeout_s=TIMEOUT_S)
    if "p50_us" not in told:
        raise UserError(f"none of {told['opened']} openings was followed by an order")
    return [
        row(
            f"opening_to_order_{share}", "us", told[f"{share}_us"], "must", bar=bar_ns / 1_000,
            p50=told["p50_us"], p90=told["p90_us"], p99=told["p99_us"],
            note=f"{told['ordered']} orders for {told['opened']} openings, the slowest {told['max_us']:.0f} us",
        )
        for share, bar_ns in BARS_NS.items()
    ]  # fmt: skip
