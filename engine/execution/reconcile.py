"""Reconciliation: at start and after each gap of the private feed, the core takes over what the venue says.

Pushes that were missed are never sent again, so everything is asked: open orders, each order the core holds open,
executions since the last time, and the account. The account must be read while nothing is executed: executions and open
orders are listed before and after it, and it counts only where both lists are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

import msgspec

from engine.adapter import Adapter, AdapterError, AssetBalance, Evidence, OpenOrder, OrderRef, VenueFill
from engine.core import event
from engine.core.enums import OrderReport
from engine.execution.client_ids import order_number
from engine.execution.ports import ExecutionPort, OrderView, fill_event, reference, update_event
from engine.execution.resolver import Resolver

_log = logging.getLogger("penstock.execution.reconcile")
# Covers what a private feed may be silent for before its own deadlines find that it is dead (ping and pong: 85 s at most).
_MARGIN_NS = 120 * 1_000_000_000
_MAX_ASSET_LENGTH = 15


class ReconcileLimits(msgspec.Struct, frozen=True):
    """Waits between attempts, how often the account is read anew while executions go on, and how often it is noted that
    the private feed is whole."""

    first_wait_s: float = 0.25
    longest_wait_s: float = 30.0
    account_rounds: int = 5
    healthy_every_s: float = 5.0


class Reconciliation(msgspec.Struct, frozen=True):
    """What one reconciliation found."""

    open_orders: int
    asked_orders: int
    foreign_orders: int
    fills: int
    balances: int


class Reconciler:
    """Reconciles one adapter's account with the core. `instruments`: how many the core knows by now."""

    def __init__(
        self,
        adapter: Adapter,
        sequencer: ExecutionPort,
        run_id: str,
        resolver: Resolver,
        instruments: Callable[[], int],
        limits: ReconcileLimits | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self._adapter = adapter
        self._sequencer = sequencer
        self._run_id = run_id
        self._resolver = resolver
        self._instruments = instruments
        self._limits = limits or ReconcileLimits()
        self._rng = random.Random(seed)
        # Executions after this may be unknown to the core; 0 until the first reconciliation.
        self.since_ns = 0
        self._recent: set[int] = set()

    async def run(self) -> None:
        """Reconcile each time the private feed has come up, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.healthy_every_s):
                    await self._adapter.private_restored.wait()
            if self._adapter.private_restored.is_set():
                self._adapter.private_restored.clear()
                await self.reconcile_until_done()
            else:
                self._note_whole()

    def _note_whole(self) -> None:
        """Where the private feed is up and in no doubt, all executions until now have been pushed.

        They must not be asked for again: the core tells a repeated execution from a new one by the newest 4096 only.
        """
        if self.since_ns and not self._sequencer.core.reconcile_pending:
            self.since_ns = self._sequencer.now_ns()
            self._recent = self._concerned()

    async def reconcile_until_done(self) -> Reconciliation:
        """Reconcile, again with growing waits where the venue gives no usable answer."""
        attempt = 0
        while True:
            try:
                return await self.reconcile()
            except AdapterError as error:
                self._sequencer.count("execution.reconcile_retries")
                _log.warning("reconciliation: %s", error)
                wait_s: float = min(
                    self._limits.longest_wait_s, self._limits.first_wait_s * 2 ** min(attempt, 20)
                )
                await asyncio.sleep(max(wait_s * self._rng.uniform(0.5, 1.0), error.retry_after_s))
                attempt += 1

    async def reconcile(self) -> Reconciliation:
        """One attempt; raises AdapterError where an answer is missing, and then the core is not told RECONCILED."""
        started_ns = self._sequencer.now_ns()
        since_ns = self._start_of_trades(started_ns)
        concerned = sorted(self._concerned() | self._recent)
        listed = await self._listed(concerned)
        foreign = self._report_foreign(listed)
        asked = await self._settle_orders(listed)
        balances, fills = await self._still_account(since_ns, listed, concerned)
        sent = self._ingest_balances(balances)
        self._sequencer.ingest(event.reconciled())
        self.since_ns = started_ns
        self._recent = self._concerned()
        result = Reconciliation(len(listed), asked, foreign, fills, sent)
        _log.info("reconciled: %s", result)
        return result

    def _concerned(self) -> set[int]:
        """The instruments where anything of ours may be: not those of listings that are long over."""
        core = self._sequencer.core
        return {
            index
            for index in range(self._instruments())
            if core.has_feed(index) or core.position_lots(index) or any(True for _ in core.open_orders(index))
        }

    async def _listed(self, concerned: Sequence[int]) -> list[OpenOrder]:
        """The venue's open orders; a symbol that it no longer knows has none."""
        found: list[OpenOrder] = []
        for listed in await asyncio.gather(*(self._unless_gone(index) for index in concerned)):
            found += listed
        return found

    async def _unless_gone(self, instrument: int) -> list[OpenOrder]:
        try:
            return await self._adapter.open_orders(instrument)
        except AdapterError as error:
            if not error.symbol_gone:
                raise
            self._sequencer.count("execution.symbols_gone")
            return []

    def _start_of_trades(self, now_ns: int) -> int:
        """From when on executions may be missing: the last reconciliation, or the oldest order that is open."""
        if self.since_ns:
            return self.since_ns - _MARGIN_NS
        placed = [order.placed_ns for order in self._open_here() if order.placed_ns]
        return min(placed, default=now_ns) - _MARGIN_NS

    def _open_here(self) -> list[OrderView]:
        core = self._sequencer.core
        return [order for index in range(self._instruments()) for order in core.open_orders(index)]

    def _report_foreign(self, listed: Sequence[OpenOrder]) -> int:
        """Tell of open orders that are not this run's. They are not touched."""
        foreign = [order for order in listed if order_number(self._run_id, order.client_order_id) is None]
        for order in foreign:
            self._sequencer.count("execution.foreign_orders")
            _log.warning(
                "open order %s on %s is not of this run: left alone", order.venue_order_id, order.symbol
            )
        return len(foreign)

    async def _settle_orders(self, listed: Sequence[OpenOrder]) -> int:
        """Bring the core's open orders to what the venue says; returns how many had to be asked for one by one."""
        by_number = {order_number(self._run_id, order.client_order_id): order for order in listed}
        by_number.pop(None, None)
        asked = 0
        for view in self._open_here():
            ref = reference(self._run_id, view)
            found = by_number.pop(view.order_no, None)
            try:
                evidence = found.evidence if found else await self._adapter.query(ref)
            except AdapterError as error:
                if not error.symbol_gone:
                    raise
                # Nobody tells any more what became of it: it stays UNKNOWN, and must not keep all else from trading.
                self._lose_sight(ref, str(error))
                continue
            asked += found is None
            if evidence is None and self._resolver.is_being_sent(ref.order_no):
                continue
            if evidence is None:
                self._lose_sight(ref, "the venue has no record of it")
            else:
                await self._resolver.settle(ref, evidence, view.filled_lots)
        for order in by_number.values():
            self._sequencer.count("execution.open_but_ended_here")
            _log.error(
                "order %s is open at the venue and ended here: a person must look", order.client_order_id
            )
        return asked

    def _lose_sight(self, ref: OrderRef, text: str) -> None:
        evidence = Evidence(report=OrderReport.AMBIGUOUS, text=text)
        self._sequencer.ingest(update_event(ref.order_no, ref.instrument, evidence))
        self._resolver.resolve(ref.order_no)

    async def _still_account(
        self, since_ns: int, listed: Sequence[OpenOrder], concerned: Sequence[int]
    ) -> tuple[list[AssetBalance], int]:
        """The account at a moment between whose sides nothing was executed, after all executions went in.

        A venue may list an execution a while after the account shows it: open orders tell of it at once, and what their
        records speak of is fetched before the account counts.
        """
        seen: set[tuple[int, str]] = set()
        n_fills = await self._take_trades(since_ns, seen, concerned)
        for _ in range(self._limits.account_rounds):
            await self._resolver.fills_brought()
            balances = await self._adapter.account()
            new = await self._take_trades(since_ns, seen, concerned)
            n_fills += new
            still_open = await self._listed(concerned)
            moved = _executed(still_open) != _executed(listed)
            if not new and not moved:
                return balances, n_fills
            if moved:
                await self._settle_orders(still_open)
                listed = still_open
        raise AdapterError(
            f"executions went on through {self._limits.account_rounds} readings of the account"
        )

    async def _take_trades(self, since_ns: int, seen: set[tuple[int, str]], concerned: Sequence[int]) -> int:
        """Hand in executions not seen yet; returns how many there were, ours or not: both move balances."""
        venue_ids = {order.venue_order_id: order.order_no for order in self._open_here()}
        new = 0
        for instrument in concerned:
            for fill in await self._trades_unless_gone(instrument, since_ns):
                if (instrument, fill.trade_id) in seen:
                    continue
                seen.add((instrument, fill.trade_id))
                new += 1
                order_no = self._order_of(fill, venue_ids)
                if order_no is None:
                    self._sequencer.count("execution.foreign_fills")
                else:
                    self._sequencer.ingest(fill_event(order_no, fill))
        return new

    async def _trades_unless_gone(self, instrument: int, since_ns: int) -> list[VenueFill]:
        """Executions; of a symbol that the venue no longer knows there are none to be had, and a person is told."""
        try:
            return await self._adapter.trades_since(instrument, since_ns)
        except AdapterError as error:
            if not error.symbol_gone:
                raise
            self._sequencer.count("execution.symbols_gone")
            _log.warning("executions of instrument %d cannot be asked for any more: %s", instrument, error)
            return []

    def _order_of(self, fill: VenueFill, venue_ids: dict[str, int]) -> int | None:
        return order_number(self._run_id, fill.client_order_id) or venue_ids.get(fill.venue_order_id)

    def _ingest_balances(self, balances: Sequence[AssetBalance]) -> int:
        """Set what the account holds; an asset that the core knows and the account does not list is at zero."""
        sent = 0
        listed = {each.asset for each in balances}
        gone = [
            AssetBalance(asset, 0, 0)
            for asset, (total, _) in self._sequencer.core.balances().items()
            if total and asset not in listed
        ]
        for each in [*balances, *gone]:
            if not each.asset.isascii() or len(each.asset) > _MAX_ASSET_LENGTH:
                self._sequencer.count("execution.assets_skipped")
                continue
            self._sequencer.ingest(event.balance(each.asset, each.free, each.locked, True))
            sent += 1
        return sent


def _executed(listed: Sequence[OpenOrder]) -> dict[str, int]:
    """What each open order has executed."""
    return {order.venue_order_id: order.evidence.cumulative_lots for order in listed}
