"""The adapter and execution on the real sequencer, core and gate, against the local venue in one loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from engine.config import parse, resolve
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import CommandKind, OrderType
from engine.core.risk.reasons import Reason
from engine.core.strategy import Strategy
from engine.execution.client_ids import client_order_id
from engine.execution.executor import Executor
from engine.execution.reconcile import Reconciler
from engine.execution.resolver import Resolver, ResolverLimits
from engine.sequencer import Rim, Sequencer

CONFIG = """
symbols = ["MXUSDT", "BTCUSDT"]
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

    def on_book(self, book: Any) -> None:
        while self.wishes:
            self.wishes.pop(0)(self, book)

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
        reconciler = Reconciler(
            self.rig.adapter, self.sequencer, self.rig.run_id, resolver, lambda: len(specs)
        )
        await reconciler.reconcile_until_done()
        await self.rig.until(lambda: all(self.core.book(index).is_live for index in (0, 1)))


def test_orders_go_the_whole_way(rig_run: Callable[..., None]) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        core, hand = daemon.core, daemon.hand
        numbers: list[int] = []

        def rest_below(strategy: Hand, book: Any) -> None:
            numbers.append(strategy.buy(0, core.book(0).best_bid_ticks - 50, 1000))

        def take(strategy: Hand, book: Any) -> None:
            numbers.append(strategy.buy(0, core.book(0).best_ask_ticks + 5, 1000, OrderType.IOC))

        hand.wishes.append(rest_below)
        await rig.until(lambda: numbers)
        assert numbers[0] > 0, Reason(hand.denied_reason)
        await rig.until(lambda: core.order(numbers[0]).venue_order_id)
        assert core.order(numbers[0]).state_name == "EXECUTING"
        # A lost answer: UNKNOWN at first, known by query, sent once.
        rig.fault("lost_ack", count=1)
        hand.wishes.append(take)
        await rig.until(lambda: len(numbers) == 2 and not core.order(numbers[1]).is_open)
        assert core.position_lots(0) == core.order(numbers[1]).filled_lots > 0
        daemon.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        await rig.until(lambda: not core.order(numbers[0]).is_open)
        assert core.order(numbers[0]).is_canceled
        assert rig.order_requests() == [client_order_id(rig.run_id, number) for number in numbers]
        # What the gate approved before a halt does not leave after it.
        daemon.sequencer.ingest(event.command(CommandKind.HALT))
        hand.wishes.append(rest_below)
        await rig.until(lambda: len(numbers) == 3)
        assert numbers[2] == 0
        assert daemon.faults == []
        assert daemon.executor is not None
        await daemon.executor.close()

    rig_run(body, recv_window_ms=2000)
