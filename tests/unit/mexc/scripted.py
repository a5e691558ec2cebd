"""An adapter that answers by script, with executor, resolver and reconciler around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from engine.adapter import AdapterError, AssetBalance, Evidence, OpenOrder, OrderRef, PlaceTicket, VenueFill
from engine.execution.client_ids import client_order_id
from engine.execution.executor import Executor, ExecutorLimits
from engine.execution.reconcile import ReconcileLimits, Reconciler
from engine.execution.resolver import Resolver, ResolverLimits

RUN_ID = "abcdef012345"
FAST = ResolverLimits(
    attempts=4, first_wait_s=0.001, longest_wait_s=0.002, fill_attempts=2, fill_wait_s=0.001
)


def fill(trade_id: str, lots: int, order_no: int = 1, **fields: Any) -> VenueFill:
    values: dict[str, Any] = {
        "instrument": 0, "venue_order_id": "", "client_order_id": client_order_id(RUN_ID, order_no),
        "trade_id": trade_id, "side": 1, "price_ticks": 10, "size_lots": lots, "money": 10 * lots, "fee": 1,
        "fee_asset": "USDT", "is_maker": False, "ts_event_ns": 5, **fields,
    }  # fmt: skip
    return VenueFill(**values)


class Scripted:
    """An adapter whose answers are set, and whose questions are noted."""

    name = "scripted"

    def __init__(self) -> None:
        self.private_restored = asyncio.Event()
        self.evidence: Evidence | None = None
        self.open: list[OpenOrder] = []
        self.trades: list[VenueFill] = []
        self.accounts: list[AssetBalance] = []
        self.window_ns = 0
        self.failing = 0
        self.symbol_gone = False
        self.asked: list[str] = []
        self.on_place: Callable[[PlaceTicket, Callable[[], None]], Any] | None = None
        self.on_account: Callable[[], None] = lambda: None

    def note(self, question: str) -> None:
        self.asked.append(question)
        if self.failing:
            self.failing -= 1
            raise AdapterError("no answer", retry_after_s=0.001)
        if self.symbol_gone and question != "account":
            raise AdapterError("invalid symbol", symbol_gone=True)

    async def place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
        self.asked.append(f"place {ticket.client_order_id}")
        assert self.on_place is not None
        answer: Evidence = await self.on_place(ticket, before_send)
        return answer

    async def cancel(self, order: OrderRef) -> Evidence:
        self.note("cancel")
        assert self.evidence is not None
        return self.evidence

    async def query(self, order: OrderRef) -> Evidence | None:
        self.note("query")
        return self.evidence

    async def open_orders(self, instrument: int | None = None) -> list[OpenOrder]:
        self.note("open_orders")
        return self.open

    async def trades_of(self, order: OrderRef) -> list[VenueFill]:
        self.note("trades_of")
        return self.trades

    async def trades_since(self, instrument: int, since_ns: int) -> list[VenueFill]:
        self.note(f"trades_since {since_ns}")
        return self.trades

    async def account(self) -> list[AssetBalance]:
        self.note("account")
        self.on_account()
        return self.accounts

    def acceptance_window_ns(self) -> int:
        return self.window_ns


class Bench:
    def __init__(
        self, recorder: Any, approved: Any, standing_order: Any, limits: ExecutorLimits | None = None
    ) -> None:
        self.adapter: Any = Scripted()
        self.recorder, self.approved = recorder, approved
        self.recorder.core.known[1] = standing_order(1, placed_ns=1000, state_name="UNKNOWN")
        self.resolver = Resolver(self.adapter, recorder, RUN_ID, FAST)
        self.executor = Executor(self.adapter, recorder, RUN_ID, self.resolver, limits)
        self.reconciler = Reconciler(
            self.adapter,
            recorder,
            RUN_ID,
            self.resolver,
            lambda: 1,
            ReconcileLimits(first_wait_s=0.001, account_rounds=3, healthy_every_s=0.001),
        )

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, not for ever."""
        for _ in range(3000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(f"it never came: {self.recorder.events}")

    @property
    def order(self) -> Any:
        return self.recorder.core.known[1]

    async def resolved(self, **options: bool) -> list[str]:
        """Resolve order 1 and wait for the end; all reports of it."""
        self.resolver.resolve(1, **options)
        self.resolver.resolve(1)
        assert self.resolver.unresolved == [1]
        await self.until(lambda: not self.resolver.unresolved and not self.resolver.fills_pending)
        reports: list[str] = self.recorder.reports(1)
        return reports
