"""The resolver: finds out from the venue what became of an order that is UNKNOWN (DESIGN 2.6).

*Found* settles at once. *Not found* proves something only when the venue can no longer accept the order (receive window
plus clock error have passed since we began to ask, which is after it was sent) and, asked after that, the query by client
id, the open orders and the trades agree. Nothing is ever sent again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

import msgspec

from engine.adapter import Adapter, AdapterError, Evidence, OrderRef, VenueFill
from engine.core.enums import OrderReport
from engine.execution.ports import ExecutionPort, OrderView, fill_event, reference, update_event

_log = logging.getLogger("penstock.execution.resolver")
_UNKNOWN = "UNKNOWN"


class ResolverLimits(msgspec.Struct, frozen=True):
    """How often and how many at once. After `attempts` an order stays UNKNOWN, is told of, and waits for the next
    reconciliation."""

    parallel: int = 4
    attempts: int = 60
    first_wait_s: float = 0.05
    longest_wait_s: float = 10.0
    fill_attempts: int = 6
    fill_wait_s: float = 0.5


class Resolver:
    """Resolves orders, each once at a time. `seed` makes the jitter of the waits.

    `is_being_sent` is the executor's: while an order's own request is under way, its absence proves nothing.
    """

    def __init__(
        self,
        adapter: Adapter,
        sequencer: ExecutionPort,
        run_id: str,
        limits: ResolverLimits | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self._adapter = adapter
        self._sequencer = sequencer
        self._run_id = run_id
        self._limits = limits or ResolverLimits()
        self._lane = asyncio.Semaphore(self._limits.parallel)
        self._rng = random.Random(seed)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._lost_cancels: set[int] = set()  # orders of which a cancel has no outcome yet
        self._fill_tasks: set[asyncio.Task[None]] = set()
        self.is_being_sent: Callable[[int], bool] = lambda order_no: False

    def resolve(self, order_no: int, *, after_cancel: bool = False) -> None:
        """Start to resolve an order, unless it is being resolved.

        `after_cancel`: a cancel of it has no outcome; an order found working by a question from now on had its cancel refused.
        """
        if after_cancel:
            self._lost_cancels.add(order_no)
        running = self._tasks.get(order_no)
        if running is None or running.done():
            task = asyncio.get_running_loop().create_task(self._resolve(order_no))
            self._tasks[order_no] = task
            task.add_done_callback(lambda done: self._note_end(order_no, done))

    @property
    def unresolved(self) -> list[int]:
        """The orders being resolved."""
        return sorted(self._tasks)

    @property
    def fills_pending(self) -> int:
        """How many orders' executions are being fetched."""
        return len(self._fill_tasks)

    async def fills_brought(self) -> None:
        """Wait until no order's executions are being fetched; that ends by itself (`fill_attempts`)."""
        while self._fill_tasks:
            await asyncio.wait(set(self._fill_tasks))

    async def close(self) -> None:
        """Stop; what is unresolved stays UNKNOWN."""
        tasks = [*self._tasks.values(), *self._fill_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(
        self, ref: OrderRef, evidence: Evidence, filled_lots: int, report: int | None = None
    ) -> None:
        """Hand evidence to the core, then the executions it speaks of, as far as the core lacks them.

        The report goes first: its cumulative figures are enough for the position. Fills bring prices and fees, and the
        venue may list them a while later.
        """
        self._sequencer.ingest(update_event(ref.order_no, ref.instrument, evidence, report))
        if evidence.cumulative_lots > filled_lots:
            found = msgspec.structs.replace(ref, venue_order_id=evidence.venue_order_id or ref.venue_order_id)
            task = asyncio.get_running_loop().create_task(self._bring_fills(found, evidence.cumulative_lots))
            self._fill_tasks.add(task)
            task.add_done_callback(self._note_fills)

    async def _resolve(self, order_no: int) -> None:
        try:
            is_settled = await self._find_out(order_no)
        except Exception:  # whatever it is, it is told by _note_end
            self._give_up_cancel(order_no)
            raise
        if not is_settled:
            self._sequencer.count("execution.unresolved")
            _log.error(
                "order %d is UNKNOWN after %d questions: a person must look", order_no, self._limits.attempts
            )
            self._give_up_cancel(order_no)
        self._lost_cancels.discard(order_no)

    async def _find_out(self, order_no: int) -> bool:
        """Ask until there is nothing left to find out; False where the attempts are used up."""
        loop = asyncio.get_running_loop()
        window_s = self._adapter.acceptance_window_ns() / 1e9
        too_late_s = loop.time() + window_s
        if order_no in self._lost_cancels:
            await asyncio.sleep(self._wait_s(0))  # the adapter has asked just now
        for attempt in range(self._limits.attempts):
            order = self._sequencer.core.order(order_no)
            if order is None or not order.is_open:
                return True
            if order.state_name != _UNKNOWN and order_no not in self._lost_cancels:
                return True
            if self.is_being_sent(order_no):
                too_late_s = loop.time() + window_s
            wait_s = self._wait_s(attempt)
            try:
                async with self._lane:
                    too_late = loop.time() >= too_late_s and not self.is_being_sent(order_no)
                    if await self._ask(order, too_late=too_late) and not self._is_cancel_lost(order_no):
                        return True  # else the strategy has asked again on hearing of it, in vain
            except AdapterError as error:
                self._sequencer.count("execution.resolver_retries")
                _log.warning("order %d: %s", order_no, error)
                wait_s = max(wait_s, error.retry_after_s)
            await asyncio.sleep(wait_s)
        return False

    async def _ask(self, order: OrderView, *, too_late: bool) -> bool:
        """One round of questions; True where they settled the order."""
        ref = reference(self._run_id, order)
        after_cancel = ref.order_no in self._lost_cancels
        evidence = await self._adapter.query(ref)
        if evidence is None and not too_late:
            return False
        if evidence is None:
            evidence = await self._evidence_of_absence(ref)
        if evidence is None:
            return False
        report = None
        if evidence.report == OrderReport.WORKING and ref.order_no in self._lost_cancels:
            if not after_cancel:
                return False  # it was lost while we asked: the answer may be from before it
            self._lost_cancels.discard(ref.order_no)
            report = OrderReport.CANCEL_REJECTED
            if order.state_name == _UNKNOWN:
                self._sequencer.ingest(update_event(ref.order_no, ref.instrument, evidence))
        await self.settle(ref, evidence, order.filled_lots, report)
        return True

    def _give_up_cancel(self, order_no: int) -> None:
        """Nobody tells what became of a cancel: the order may be cancelled again, which does no harm."""
        order = self._sequencer.core.order(order_no)
        if order is not None and self._is_cancel_lost(order_no):
            self._lost_cancels.discard(order_no)
            evidence = Evidence(report=OrderReport.CANCEL_REJECTED, text="of a cancel, no outcome is known")
            self._sequencer.ingest(update_event(order_no, order.instrument, evidence))

    def _is_cancel_lost(self, order_no: int) -> bool:
        """Whether a cancel of it has no outcome yet, and may still matter."""
        order = self._sequencer.core.order(order_no)
        return order_no in self._lost_cancels and order is not None and order.is_open

    async def _evidence_of_absence(self, ref: OrderRef) -> Evidence | None:
        """What follows from a query that found nothing, once the order cannot be accepted any more."""
        for listed in await self._adapter.open_orders(ref.instrument):
            if _is_same(ref, listed.client_order_id, listed.venue_order_id):
                return listed.evidence
        fills = [
            fill
            for fill in await self._adapter.trades_of(ref)
            if _is_same(ref, fill.client_order_id, fill.venue_order_id)
        ]
        if not fills and not ref.venue_order_id:
            return Evidence(
                report=OrderReport.NEVER_ACCEPTED,
                text="query, open orders and trades know nothing of it",
            )
        # It was accepted once and is open no more: it ended with what it executed.
        self._sequencer.count("execution.order_record_gone")
        return Evidence(
            report=OrderReport.CANCELED,
            text="accepted once, open no more, no record left",
            venue_order_id=ref.venue_order_id or fills[0].venue_order_id,
            cumulative_lots=sum(fill.size_lots for fill in fills),
            cumulative_money=sum(fill.money for fill in fills),
        )

    async def _bring_fills(self, ref: OrderRef, cumulative_lots: int) -> None:
        """Fetch an order's executions until they add up to what its record says."""
        for attempt in range(self._limits.fill_attempts):
            try:
                fills = await self._adapter.trades_of(ref)
            except AdapterError as error:
                _log.warning("fills of order %d: %s", ref.order_no, error)
                fills = []
            if sum(fill.size_lots for fill in fills) >= cumulative_lots:
                self._ingest_fills(ref.order_no, fills)
                return
            await asyncio.sleep(self._limits.fill_wait_s * (attempt + 1))
        self._sequencer.count("execution.fills_missing")
        _log.error("order %d: its executions are not listed; its fees are not known", ref.order_no)

    def _ingest_fills(self, order_no: int, fills: list[VenueFill]) -> None:
        for fill in fills:
            self._sequencer.ingest(fill_event(order_no, fill))

    def _wait_s(self, attempt: int) -> float:
        whole_s: float = min(self._limits.longest_wait_s, self._limits.first_wait_s * 2 ** min(attempt, 20))
        return whole_s * self._rng.uniform(0.5, 1.0)

    def _note_fills(self, task: asyncio.Task[None]) -> None:
        """A mistake of ours or of an adapter while fills were fetched: the fees are not known, and that is told."""
        self._fill_tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._sequencer.count("execution.failures")
            _log.error("fetching fills failed", exc_info=task.exception())

    def _note_end(self, order_no: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(order_no) is task:
            del self._tasks[order_no]
        if not task.cancelled() and task.exception() is not None:
            self._sequencer.count("execution.failures")
            _log.error("order %d: the resolver failed", order_no, exc_info=task.exception())


def _is_same(ref: OrderRef, client_order_id: str, venue_order_id: str) -> bool:
    """Whether a record of the venue is about this order."""
    if ref.venue_order_id and venue_order_id == ref.venue_order_id:
        return True
    return client_order_id == ref.client_order_id
