"""The real sequencer, core, gate and execution around the adapter, in one loop with the venue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from engine.config import parse, resolve
from engine.core import event
from engine.core.engine import Engine
from engine.core.strategy import Strategy
from engine.execution.executor import Executor
from engine.execution.reconcile import Reconciler
from engine.execution.resolver import Resolver, ResolverLimits
from engine.rim import Rim
from engine.sequencer import Sequencer

CONFIG = """
symbols = ["MXUSDT", "BTCUSDT"]
[risk]
max_order_notional = "5000"
max_position_notional = "20000"
max_gross_exposure = "50000"
max_net_exposure = "50000"
[[strategy]]
name = "market_maker"
id = "hand"
symbols = ["MXUSDT", "BTCUSDT"]
"""


class Hand(Strategy):
    """Trades only when the test tells it to."""

    def __init__(self) -> None:
        self.wishes: list[Callable[[Hand, Any], None]] = []
        self.heard: list[str] = []
        self.trades: list[tuple[int, int, int, int, int]] = []

    def on_book(self, book: Any) -> None:
        while self.wishes:
            self.wishes.pop(0)(self, book)

    def on_trade(self, trade: Any) -> None:
        fields = trade.instrument, trade.price_ticks, trade.size_lots, trade.side, trade.ts_event_ns
        self.trades.append(fields)

    def on_order(self, order: Any) -> None:
        self.heard.append(order.state_name)


class Daemon(Rim):
    """What a daemon does for the core, and no more."""

    def __init__(self, rig: Any) -> None:
        self.rig, self.hand, self.faults = rig, Hand(), []
        self.core = Engine()
        self.sequencer = Sequencer(self.core, rig.adapter.decoder(), self)
        self.executor: Executor | None = None
        self.jobs: set[Any] = set()

    def on_approved(self, approved: Any) -> None:
        assert self.executor is not None
        self.executor.submit(approved)

    def on_resync(self, instrument: int, attempt: int) -> None:
        job = asyncio.get_running_loop().create_task(self.rig.adapter.fetch_book(instrument, attempt))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    def on_query(self, order_no: int) -> None:
        assert self.executor is not None
        self.executor.resolve(order_no)

    def on_fault(self, what: str, error: Exception) -> None:
        self.faults.append((what, error))

    async def start(self) -> None:
        """As the daemon starts a session."""
        resolved = resolve(parse(CONFIG))
        self.sequencer.ingest(event.start(self.rig.run_id, 0, False, 1))
        self.sequencer.ingest(event.config(json.dumps(resolved, sort_keys=True).encode()))
        specs = await self.rig.adapter.load_instruments(["MXUSDT", "BTCUSDT"])
        for spec in specs:
            self.sequencer.ingest(event.instrument(spec))
        self.core.attach(self.hand, "hand", ["MXUSDT", "BTCUSDT"])
        resolver = Resolver(
            self.rig.adapter, self.sequencer, self.rig.run_id, ResolverLimits(first_wait_s=0.01)
        )
        self.executor = Executor(self.rig.adapter, self.sequencer, self.rig.run_id, resolver)
        await self.rig.adapter.start(self.sequencer, specs)
        await self.rig.until(self.rig.adapter.private_restored.is_set)
        self.reconciler = Reconciler(
            self.rig.adapter, self.sequencer, self.rig.run_id, resolver, lambda: len(specs)
        )
        await self.reconciler.reconcile_until_done()
        await self.rig.until(lambda: all(self.core.book(index).is_live for index in (0, 1)))

    async def order(self, propose: Callable[[Hand], int]) -> int:
        """Have the strategy propose an order on the next book; its number."""
        numbers: list[int] = []
        self.hand.wishes.append(lambda hand, book: numbers.append(propose(hand)))
        await self.rig.until(lambda: numbers)
        assert numbers[0] > 0, self.hand.denied_reason
        return numbers[0]

    async def end(self) -> None:
        """End what is under way."""
        if self.executor is not None:
            await self.executor.close()
