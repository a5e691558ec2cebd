# cython: annotation_typing=False
"""The executor: the only way out for an order, and it takes nothing but `Approved`.

An approval is redeemed when the request is built and a connection is in hand, right before the first byte: a halt or an
expiry until then voids it, and that is reported as never accepted. Where a lane is free the adapter is called within
`submit`, so that an adapter with a connection at hand has sent the order before the event that caused it is left. Nothing
is ever sent twice from here: an answer that proves nothing makes the order UNKNOWN, and the resolver asks the venue.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from engine.adapter import Adapter, Evidence, PlaceTicket
from engine.core.enums import OrderReport
from engine.core.risk.gate import ApprovalVoid, Approved
from engine.execution.client_ids import client_order_id
from engine.execution.ports import ExecutionPort, reference, update_event
from engine.execution.quick_lane import QuickLane
from engine.execution.resolver import Resolver

_log = logging.getLogger("penstock.execution")
_Begin = Callable[[], Awaitable[Evidence]]


class ExecutorLimits(msgspec.Struct, frozen=True):
    """How much may be under way. A place beyond `pending_places` is not sent and reported so; cancels always go."""

    parallel_places: int = 8
    parallel_cancels: int = 8
    pending_places: int = 256
    close_timeout_s: float = 10.0


class _Lane:
    """How many may be under way; unlike a semaphore it can be entered without waiting."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: deque[asyncio.Future[None]] = deque()

    def try_enter(self) -> bool:
        """Enter, where there is room and nobody waits."""
        if self._free <= 0 or self._waiting:
            return False
        self._free -= 1
        return True

    async def enter(self) -> None:
        """Enter in turn."""
        if self.try_enter():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Let the next one in."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Sending:
    """One order on its way out: its approval, and whether and when it was used up."""

    __slots__ = ("_executor", "approved", "began_ns", "redeemed", "sent_ns")

    def __init__(self, executor: Executor, approved: Approved) -> None:
        self._executor = executor
        self.approved = approved
        self.began_ns = time.perf_counter_ns()
        self.redeemed = False
        self.sent_ns = 0

    def forget(self, _: asyncio.Task[None]) -> None:
        """It has its outcome."""
        self._executor._places.pop(self.approved.order_no, None)

    def before_send(self) -> None:
        """Right before the first byte; raises ApprovalVoid, and then there must be none."""
        self._executor._redeem(self.approved)
        self.note_sent(self.began_ns, time.perf_counter_ns())

    def note_sent(self, began_ns: int, sent_ns: int) -> None:
        """Its approval is used up."""
        self.redeemed = True
        self.began_ns, self.sent_ns = began_ns, sent_ns
        self._executor.sent += 1


class Executor:
    """Sends approved orders through one adapter and hands what came of them to the sequencer."""

    def __init__(
        self,
        adapter: Adapter,
        sequencer: ExecutionPort,
        run_id: str,
        resolver: Resolver,
        limits: ExecutorLimits | None = None,
    ) -> None:
        self._adapter = adapter
        self._sequencer = sequencer
        self._run_id = run_id
        self._resolver = resolver
        self._limits = limits or ExecutorLimits()
        self._pending_places = self._limits.pending_places
        self._place_lane = _Lane(self._limits.parallel_places)
        self._cancel_lane = _Lane(self._limits.parallel_cancels)
        self._places: dict[int, asyncio.Task[None] | None] = {}  # None: to be followed yet
        self._cancels: set[asyncio.Task[None]] = set()
        self._expected: set[int] = set()
        self._quick: QuickLane | None = None
        self._gone: list[tuple[Approved, _Begin | Evidence, int, int]] = []
        self.sent = 0
        self.went_ns = 0
        self.in_batch = False
        self._is_follow_due = False
        resolver.is_being_sent = self._places.__contains__

    def take_lane(self, quick: QuickLane | None) -> None:
        """Try this way first from now on."""
        self._quick = quick

    def expect(self, approvals: list[Approved]) -> None:
        """These are submitted next, one after the other; a cancel in between waits for the order that it is of."""
        for approved in approvals:
            if not approved.is_cancel:
                self._expected.add(approved.order_no)

    def end_batch(self) -> None:
        """All that one event asked for was submitted, and what a command asked for meanwhile."""
        self.in_batch = False
        self._follow_soon()

    def submit(self, approved: Approved) -> None:
        """Send an approved order or cancel; returns at once. Raises TypeError for anything but `Approved`."""
        if type(approved) is not Approved:
            raise TypeError(f"the executor takes Approved, not {type(approved).__name__}")
        if self._expected and not approved.is_cancel:
            self._expected.discard(approved.order_no)
        if approved.is_cancel:
            self._submit_cancel(approved)
        elif len(self._places) >= self._pending_places and not approved.is_rehearsal:
            self._sequencer.count("execution.queue_full")
            text = f"not sent: {self._pending_places} orders are waiting"
            # Told as what has gone is: not within the event that asked for it, whose strategy may ask for another then.
            self._places[approved.order_no] = None
            self._note_gone(approved, Evidence(report=OrderReport.NEVER_ACCEPTED, text=text), 0, 0)
        else:
            self._submit_place(approved)

    def _submit_place(self, approved: Approved) -> None:
        """The bytes first, and then all that is kept about them. A rehearsal ends where its bytes would begin."""
        may_go = self._place_lane.try_enter()
        if may_go and self._take_quick(approved):
            self._places[approved.order_no] = None
        elif approved.is_rehearsal:
            return self._place_lane.leave() if may_go else None
        else:
            sending = _Sending(self, approved)
            self._follow_place(sending, self._begin(sending) if may_go else None)

    def _submit_cancel(self, approved: Approved) -> None:
        """A cancel that overtook its order's own request would find nothing: such a one waits for the answer."""
        if not self.try_cancel(approved) and not approved.is_rehearsal:
            may_go = self._may_cancel(approved.order_no) and self._cancel_lane.try_enter()
            self._follow_cancel(approved, self._begin_cancel(approved) if may_go else None)

    def try_cancel(self, approved: Approved) -> bool:
        """Send a cancel the shortest way, if it can go that way now; False where nothing was done."""
        if not (self._may_cancel(approved.order_no) and self._cancel_lane.try_enter()):
            return False
        if self._take_quick(approved):
            return True
        self._cancel_lane.leave()
        return False

    def _may_cancel(self, order_no: int) -> bool:
        return order_no not in self._expected and self._is_out(order_no)

    def _is_out(self, order_no: int) -> bool:
        """Whether the venue has the order: its request was answered, or another feed told of it before that."""
        if order_no not in self._places:
            return True
        order = self._sequencer.core.order(order_no)
        return order is not None and bool(order.venue_order_id)

    def _follow_place(self, sending: _Sending, begun: Awaitable[Evidence] | None) -> None:
        task = self._start(self._place(sending, begun), sending.approved)
        self._places[sending.approved.order_no] = task
        task.add_done_callback(sending.forget)

    def _follow_cancel(self, approved: Approved, begun: Awaitable[Evidence | None] | None) -> None:
        task = self._start(self._cancel(approved, begun), approved)
        self._cancels.add(task)
        task.add_done_callback(self._cancels.discard)

    def _follow_gone(self) -> None:
        """Wait for the answers to what has gone the adapter's shortest way. That is begun once what has been read is processed:
        by then all bytes are out, and a command that waits behind them has been heeded."""
        self._is_follow_due = False
        try:
            for _ in range(len(self._gone)):
                self._heed()
                approved, begin, began_ns, sent_ns = self._gone.pop(0)
                self._follow(approved, begin, began_ns, sent_ns)
        finally:
            self._follow_soon()  # what came meanwhile, and where one failed, what was behind it

    def _follow(self, approved: Approved, begin: _Begin | Evidence, began_ns: int, sent_ns: int) -> None:
        if isinstance(begin, Evidence):
            self._places.pop(approved.order_no, None)
            self._report(approved, begin)
            return
        try:
            begun = begin()
        except Exception as error:  # noqa: BLE001 - as in _begin
            begun = _raising(error)
        if approved.is_cancel:
            self._follow_cancel(approved, begun)
            return
        sending = _Sending(self, approved)
        if sent_ns:
            sending.note_sent(began_ns, sent_ns)
        self._follow_place(sending, begun)

    def resolve(self, order_no: int, *, after_cancel: bool = False) -> None:
        """Find out what became of an UNKNOWN order, or of one whose cancel has no outcome; returns at once."""
        self._resolver.resolve(order_no, after_cancel=after_cancel)

    @property
    def under_way(self) -> int:
        """Places and cancels without an outcome."""
        return len(self._places) + len(self._cancels) + sum(gone[0].is_cancel for gone in self._gone)

    async def close(self) -> None:
        """Wait for what is under way, within a limit; what has no outcome by then is UNKNOWN at the next start."""
        self._follow_gone()
        pending = {task for task in (*self._places.values(), *self._cancels) if task is not None}
        if pending:
            _, late = await asyncio.wait(pending, timeout=self._limits.close_timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._resolver.close()

    def _start(self, work: Coroutine[Any, Any, None], approved: Approved) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: self._note_end(done, approved))
        return task

    def _note_end(self, task: asyncio.Task[None], approved: Approved) -> None:
        """A mistake of ours or of an adapter may have left bytes on the wire: the order is UNKNOWN."""
        if task.cancelled() or task.exception() is None:
            return
        _log.error("order %d: failed while it was sent", approved.order_no, exc_info=task.exception())
        self._sequencer.count("execution.failures")
        text = f"failed while it was sent: {type(task.exception()).__name__}"
        self._report(approved, Evidence(report=OrderReport.AMBIGUOUS, text=text))
        self._resolver.resolve(approved.order_no, after_cancel=approved.is_cancel)

    def _take_quick(self, approved: Approved) -> bool:
        """The adapter's shortest way; False where it has none, or cannot take it now."""
        if self._quick is None:
            return False
        self._quick.sent_ns = 0
        try:
            begin = self._quick.take(approved)
        except Exception as error:  # noqa: BLE001 - as in _begin; whether it was sent is not known
            begin = None if approved.is_rehearsal else functools.partial(_raising, error)
        if begin is None:
            return False
        if not self.went_ns:
            self.went_ns = self._quick.sent_ns
        self._note_gone(approved, begin, self._quick.began_ns, self._quick.sent_ns)
        return True

    def _note_gone(self, approved: Approved, begin: _Begin | Evidence, began_ns: int, sent_ns: int) -> None:
        """It has gone, or there is evidence that it will not: what is to be done about that comes later."""
        self._gone.append((approved, begin, began_ns, sent_ns))
        if not self.in_batch:
            self._follow_soon()

    def _follow_soon(self) -> None:
        if self._gone and not self._is_follow_due:
            self._is_follow_due = True
            asyncio.get_running_loop().call_soon(self._follow_gone)

    def _begin(self, sending: _Sending) -> Awaitable[Evidence]:
        """Call the adapter. What it raises is raised where its answer is awaited."""
        approved = sending.approved
        try:
            ticket = PlaceTicket(
                order_no=approved.order_no,
                instrument=approved.instrument,
                client_order_id=client_order_id(self._run_id, approved.order_no),
                side=approved.side,
                order_type=approved.order_type,
                price_ticks=approved.price_ticks,
                size_lots=approved.size_lots,
            )
            return self._adapter.place(ticket, sending.before_send)
        except Exception as error:  # noqa: BLE001 - raised again by the task, which knows what each kind means
            return _raising(error)

    async def _place(self, sending: _Sending, begun: Awaitable[Evidence] | None) -> None:
        approved = sending.approved
        if begun is None:
            await self._place_lane.enter()
            begun = self._begin(sending)
        try:
            evidence = await begun
            if sending.redeemed:
                self._sequencer.observe("send", sending.sent_ns - sending.began_ns)
                self._sequencer.observe("acknowledge", time.perf_counter_ns() - sending.sent_ns)
        except ApprovalVoid as void:
            self._sequencer.count("execution.void")
            evidence = Evidence(report=OrderReport.NEVER_ACCEPTED, text=f"not sent: {void}")
        finally:
            self._place_lane.leave()
        if not sending.redeemed and evidence.report not in (
            OrderReport.NEVER_ACCEPTED,
            OrderReport.REJECTED,
        ):
            raise RuntimeError(f"adapter {self._adapter.name} sent an order without redeeming its approval")
        self._report(approved, evidence)

    def _begin_cancel(self, approved: Approved) -> Awaitable[Evidence | None]:
        """Call the adapter, unless the order has ended. What it raises is raised where its answer is awaited."""
        try:
            order = self._sequencer.core.order(approved.order_no)
            if order is None or not order.is_open:
                return _nothing()
            self._redeem(approved)
            return self._adapter.cancel(reference(self._run_id, order))
        except Exception as error:  # noqa: BLE001 - raised again by the task
            return _raising(error)

    async def _cancel(self, approved: Approved, begun: Awaitable[Evidence | None] | None) -> None:
        if begun is None:
            self._follow_gone()
            placing = self._places.get(approved.order_no)
            if placing is not None and not self._is_out(approved.order_no):
                await asyncio.wait({placing})
            await self._cancel_lane.enter()
            begun = self._begin_cancel(approved)
        try:
            evidence = await begun
        finally:
            self._cancel_lane.leave()
        if evidence is None:
            return
        self._report(approved, evidence)
        if evidence.report in (OrderReport.AMBIGUOUS, OrderReport.WORKING):
            self._resolver.resolve(approved.order_no, after_cancel=True)

    def _redeem(self, approved: Approved) -> None:
        approved.redeem(self._sequencer.core.halt_epoch, self._sequencer.now_ns())

    def _heed(self) -> None:
        """A command first; where it fails, what came of other orders is told all the same."""
        try:
            self._sequencer.heed()
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("a command could not be heeded")
            self._sequencer.count("execution.failures")

    def _report(self, approved: Approved, evidence: Evidence) -> None:
        self._heed()
        self._sequencer.ingest(update_event(approved.order_no, approved.instrument, evidence))


async def _nothing() -> None:
    """There is nothing to do."""


async def _raising(error: Exception) -> Evidence:
    raise error
