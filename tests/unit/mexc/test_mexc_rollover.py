"""A connection's end of life over real sockets: the successor takes over, and the core notices nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.core.enums import OrderType
from tests.unit.mexc.real_core import Daemon

Run = Callable[..., None]
SHORT = {
    "connection_life_s": 0.5, "rollover_overlap_s": 0.15, "rollover_timeout_s": 5.0, "recv_window_ms": 2000,
    "silent_timeout_s": 20.0, "pong_timeout_s": 20.0, "first_frame_timeout_s": 20.0,
}  # fmt: skip
LIVELY = {"seeded_rates": {"maker_rate_hz": 200, "taker_rate_hz": 80}}
SYMBOLS = ("MXUSDT", "BTCUSDT")


def rollovers(daemon: Daemon) -> int:
    """How many connections were replaced so far."""
    return int(daemon.sequencer.counters.get("mexc.rollovers", 0))


def published(rig: Any, daemon: Daemon, index: int) -> list[tuple[int, int, int, int, int]]:
    """The venue's own list of prints, as the strategy is told them."""
    spec = daemon.core.spec(index)

    def scaled(text: str, decimals: int) -> int:
        whole, _, fraction = text.partition(".")
        return int(whole + fraction.ljust(decimals, "0"))

    return [
        (
            index, scaled(deal.price, spec.price_decimals), scaled(deal.quantity, spec.size_decimals),
            deal.taker_side, deal.time_ms * 1_000_000,
        )
        for deal in rig.venue.state.feeds[SYMBOLS[index]].trades
    ]  # fmt: skip


def test_books_stay_live_and_each_trade_is_told_once(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        core = daemon.core
        resyncs = [core.book(index).resyncs for index in (0, 1)]
        await rig.until(lambda: rollovers(daemon) >= 6)
        await asyncio.sleep(0.3)
        assert [core.book(index).resyncs for index in (0, 1)] == resyncs
        assert [core.book(index).holes for index in (0, 1)] == [0, 0]
        assert all(core.book(index).is_live for index in (0, 1))
        for index in (0, 1):
            told = [each for each in daemon.hand.trades if each[0] == index]
            theirs = published(rig, daemon, index)
            assert len(told) > 40
            start = theirs.index(told[0])
            assert told == theirs[start : start + len(told)]
            # The newest may be on their way still.
            assert len(theirs) - start - len(told) < 30
        assert [each.state for each in rig.adapter.status().feeds] == ["UP", "UP"]
        assert rig.adapter.status().feeds[0].frames > len(daemon.hand.trades) > 0
        assert all(each.reconnects == 0 for each in rig.adapter.status().feeds)
        assert "mexc.rollovers_abandoned" not in daemon.sequencer.counters
        assert daemon.faults == []
        await daemon.end()

    rig_run(body, LIVELY, **SHORT)


def test_no_private_push_is_lost_and_none_counts_twice(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        core = daemon.core
        rig.adapter.private_restored.clear()
        placed = []
        while rollovers(daemon) < 6:
            buying = len(placed) % 2 == 0

            def take(hand: Any, buying: bool = buying) -> int:
                book = core.book(0)
                if buying:
                    return int(hand.buy(0, book.best_ask_ticks + 5, 1000, OrderType.IOC))
                return int(hand.sell(0, book.best_bid_ticks - 5, 1000, OrderType.IOC))

            placed.append(await daemon.order(take))
            await rig.until(lambda: not core.order(placed[-1]).is_open)
            await asyncio.sleep(0.11)  # ten orders a second are allowed
        venue_fills = rig.venue.state.fills["mx0-test"]
        await asyncio.sleep(0.2)
        lots = sum(fill.size_lots if fill.order.side == 1 else -fill.size_lots for fill in venue_fills)
        assert len(placed) > 10
        assert core.position_lots(0) == lots
        held = rig.venue.state.exchange.accounts["mx0-test"].balances
        for asset in ("USDT", "MX"):
            assert core.balances()[asset][0] == held[asset].free + held[asset].locked
        # Pushes alone did that: nothing was asked for after the start, and each fill was told once.
        assert not rig.adapter.private_restored.is_set()
        assert sum(core.order(number).filled_lots for number in placed) == sum(
            f.size_lots for f in venue_fills
        )
        assert core.counts()["repeated_fills"] == 0
        assert daemon.faults == []
        await daemon.end()

    rig_run(body, LIVELY, **SHORT)


def test_a_successor_that_does_not_come_up_leaves_the_feed_as_it_was(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        resyncs = daemon.core.book(0).resyncs
        rig.fault("refuse_subscription")
        abandoned = "mexc.rollovers_abandoned"
        await rig.until(lambda: daemon.sequencer.counters.get(abandoned, 0) >= 2)
        assert daemon.core.book(0).is_live
        assert daemon.core.book(0).resyncs == resyncs
        rig.clear()
        await rig.until(lambda: rollovers(daemon) >= 2)
        assert daemon.core.book(0).resyncs == resyncs
        await daemon.end()

    rig_run(body, LIVELY, **{**SHORT, "rollover_timeout_s": 0.3})


def test_a_cut_while_two_are_open_is_told_and_mended(rig_run: Run) -> None:
    async def body(rig: Any) -> None:
        daemon = Daemon(rig)
        await daemon.start()
        cuts = 0
        while cuts < 5:
            await rig.until(lambda: len(rig.venue.state.hub.connections) > 2)
            rig.fault("disconnect", count=1)
            cuts += 1
            faults = rig.venue.state.faults
            await rig.until(lambda: sum(each["hits"] for each in faults.listing()) == cuts)  # noqa: B023
            await rig.until(lambda: all(daemon.core.book(index).is_live for index in (0, 1)))
        await rig.until(lambda: all(each.state == "UP" for each in rig.adapter.status().feeds))
        assert daemon.faults == []
        await daemon.end()

    rig_run(body, LIVELY, **SHORT)
