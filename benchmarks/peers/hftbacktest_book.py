"""A peer: hftbacktest's books (Rust), driven through its backtest over the updates that our own book is timed with.

python hftbacktest_book.py UPDATES.json ROUNDS hashmap|vector

UPDATES.json: a list of (side 1 bid or 2 ask, price in ticks, size in lots). Tells the CPU time per update of each round, ns: of
`elapse` until the data ends, without orders. It holds a book for the exchange and one for the strategy, and a queue of events: an
update changes both books. Compiling is not timed.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from events import START_NS, STEP_NS, tell
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit

BID, TICK, LOT, LATENCY_NS = 1, 0.01, 1e-8, 10_000
ROI_TICKS = 100_000  # of the vector's range, either side of the first price


@njit  # type: ignore[untyped-decorator]
def play(hbt: Any, span_ns: int) -> Any:
    """Until the data ends; the best bid at its end."""
    while hbt.elapse(span_ns) == 0:
        pass
    return hbt.depth(0).best_bid


def events(updates: list[list[int]]) -> Any:
    """The updates as its data."""
    found = np.zeros(len(updates), event_dtype)
    for i, (side, price, size) in enumerate(updates):
        kind = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT | (BUY_EVENT if side == BID else SELL_EVENT)
        moment_ns = START_NS + i * STEP_NS
        found[i] = (kind, moment_ns, moment_ns + LATENCY_NS, price * TICK, size * LOT, 0, 0, 0.0)
    return found


def cpu_ns(data: Any, kind: str) -> float:
    """Of one update."""
    middle = round(float(data["px"][0]) / TICK)
    asset = (
        BacktestAsset().data(data).linear_asset(1.0).constant_order_latency(LATENCY_NS, LATENCY_NS)
        .risk_adverse_queue_model().no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0)
        .tick_size(TICK).lot_size(LOT)
        .roi_lb((middle - ROI_TICKS) * TICK).roi_ub((middle + ROI_TICKS) * TICK)
    )  # fmt: skip
    make = ROIVectorMarketDepthBacktest if kind == "vector" else HashMapMarketDepthBacktest
    hbt = make([asset])
    started = time.process_time_ns()
    best = play(hbt, 100_000_000)
    taken = time.process_time_ns() - started
    hbt.close()
    if not best > 0:
        raise RuntimeError("the book stayed empty")
    return taken / len(data)


def main() -> None:
    """One round to compile, then those that count."""
    _, file, rounds, kind = sys.argv
    data = events(json.loads(Path(file).read_text()))
    cpu_ns(data[:1_000], kind)
    tell(version("hftbacktest"), [cpu_ns(data, kind) for _ in range(int(rounds))])


if __name__ == "__main__":
    main()
