"""One order approved through all checks: by the kernel in native batches, and from Python through buy().

The state is that of a busy moment: positions, five open orders a side on each instrument, every ring and table of recent
things full. All intents are approved: a denial ends early, and would flatter the figures.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import workload
from engine import OrderType, Side, Strategy
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import OrderReport
from engine.gate_bench import time_checks, time_single_checks
from engine.microbench import CpuTime, Row, percentile, row, spread

BATCH, SAMPLES, SINGLES, PROPOSALS, ROUNDS = 1_000, 300, 100_000, 1_500, 5
FILLED_ORDERS, REST_A_SIDE = 4_200, 5  # more orders than any table of recent ones has room for
LIMIT, MAKER, IOC = OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.IOC
BUY, SELL = Side.BUY, Side.SELL


class Busy:
    """A core in a busy moment, and a strategy that may propose."""

    def __init__(self, filled_orders: int = FILLED_ORDERS) -> None:
        self.core = Engine()
        self.strategy: Any = Strategy()
        self.now_ns = workload.START_NS
        self._seq = 0
        self._key = 0
        workload.prepare(self.feed, self.core, self.strategy)
        for i in range(filled_orders):
            self._fill_one(i % len(workload.SYMBOLS), buy=i % 5 < 3)
        for instrument in range(len(workload.SYMBOLS)):
            for distance in range(2, 2 + REST_A_SIDE):
                self._propose(instrument, BUY, workload.MID_TICKS - distance)
                self._propose(instrument, SELL, workload.MID_TICKS + distance)
        self.now_ns += 10_000_000_000
        self.freshen()

    def feed(self, bare: bytes, step_ns: int = 100_000) -> None:
        """One event, as the sequencer would number and stamp it."""
        self._seq += 1
        self.now_ns += step_ns
        self.core.process_bytes(event.stamped(bare, self._seq, self.now_ns))
        self.core.gate.take()

    def freshen(self) -> None:
        """The feed is heard again; it also ends the event before, and with it its intents."""
        self.feed(event.heartbeat(0), step_ns=2_000_000)

    def _propose(self, instrument: int, side: Side, price_ticks: int) -> int:
        self.freshen()
        self.now_ns += 10_000_000  # 1,000 orders in 10 s are allowed
        self._key += 1
        propose = self.strategy.buy if side == BUY else self.strategy.sell
        order_no: int = propose(instrument, price_ticks, workload.ORDER_LOTS, MAKER, self._key)
        if not order_no:
            raise RuntimeError(f"order {self._key} was denied for reason {self.strategy.denied_reason}")
        self.feed(event.order_update(order_no, OrderReport.WORKING, instrument=instrument))
        return order_no

    def _fill_one(self, instrument: int, *, buy: bool) -> None:
        price = workload.MID_TICKS + (-1 if buy else 1)
        order_no = self._propose(instrument, BUY if buy else SELL, price)
        money = price * workload.ORDER_LOTS * 10**10
        dealt = event.fill(
            order_no, instrument=instrument, side=BUY if buy else SELL, price_ticks=price,
            size_lots=workload.ORDER_LOTS, money=money, fee=money // 2_000, fee_asset="USDT", is_maker=True,
            trade_id=f"T{order_no}",
        )  # fmt: skip
        self.feed(dealt)

    def intents(self) -> list[tuple[int, int, int, int, int, int, int]]:
        """Orders of both sides on all instruments: resting, post-only and taking ones, each with a key of its own."""
        mid, found = workload.MID_TICKS, []
        for i in range(64):
            side, kind = (BUY, SELL)[i % 2], (LIMIT, MAKER, IOC)[i % 3]
            away = 1 if kind == IOC else -1 - i // 32
            price = mid + (away if side == BUY else -away)
            lots = workload.ORDER_LOTS + 100 * i
            found.append((0, i // 2 % len(workload.SYMBOLS), int(side), int(kind), price, lots, 10**9 + i))
        return found


def run_native(busy: Busy, samples: int, singles: int, rounds: int) -> list[Row]:
    """The kernel alone."""
    intents = busy.intents()
    with CpuTime() as taken:
        found = [time_checks(busy.core, intents, BATCH, samples) for _ in range(rounds)]
    medians = [percentile(each, 0.5) for each in found]
    together = [sample for each in found for sample in each]
    single = time_single_checks(busy.core, intents, singles)
    p50, p90, p99 = (single.percentile(at) for at in (50.0, 90.0, 99.0))
    return [
        row("gate_check_batch", "ns", percentile(together, 0.5), "must", bar=200.0, samples=together,
            cpu_ns=taken.ns / (BATCH * samples * rounds), note=f"medians of {spread(medians)} ns"),
        row("gate_check_p99", "ns", p99, "must", bar=1_000.0, p50=p50, p90=p90, p99=p99,
            note="each check timed alone, two readings of the clock included"),
    ]  # fmt: skip


def run_python(busy: Busy, count: int, rounds: int) -> list[Row]:
    """From Python: a strategy's buy(), which also opens the order, writes the record and makes the Approved."""
    found: list[list[float]] = []
    price, lots, strategy = workload.MID_TICKS - 1, workload.ORDER_LOTS, busy.strategy
    for _ in range(rounds):
        samples = []
        for i in range(count // rounds):
            instrument = i % len(workload.SYMBOLS)
            busy.now_ns += 10_000_000
            busy.freshen()
            started = time.perf_counter_ns()
            order_no = strategy.buy(instrument, price, lots, MAKER)
            samples.append(float(time.perf_counter_ns() - started))
            if not order_no:
                raise RuntimeError(f"an order was denied for reason {strategy.denied_reason}")
            busy.feed(event.order_update(order_no, OrderReport.CANCELED, instrument=instrument))
        found.append(samples)
    together = [sample for each in found for sample in each]
    p50 = percentile(together, 0.5)
    medians = [percentile(each, 0.5) for each in found]
    note = f"each call timed alone, two readings of the clock included; medians of {spread(medians)} ns"
    return [row("gate_buy_from_python", "ns", p50, "must", bar=2_000.0, samples=together, note=note)]


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    busy = Busy(50 if quick else FILLED_ORDERS)
    if quick:
        return [*run_native(busy, 3, 100, 2), *run_python(busy, 20, 2)]
    return [*run_native(busy, SAMPLES, SINGLES, ROUNDS), *run_python(busy, PROPOSALS, ROUNDS)]
