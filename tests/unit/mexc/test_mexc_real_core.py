"""The adapter and execution on the real sequencer, core and gate, against the local venue in one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.core import event
from engine.core.enums import CommandKind, OrderType
from engine.core.risk.reasons import Reason
from engine.execution.client_ids import client_order_id
from tests.unit.mexc.real_core import Daemon, Hand


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
