"""What execution needs of the core and the sequencer: the compiled ones, or recorders in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from engine.adapter import Evidence, OrderRef, VenueFill
from engine.core import event
from engine.execution.client_ids import client_order_id


class OrderView(Protocol):
    """A copy of one order as the core knows it (`engine.core.order.Order`)."""

    @property
    def order_no(self) -> int: ...
    @property
    def instrument(self) -> int: ...
    @property
    def filled_lots(self) -> int: ...
    @property
    def placed_ns(self) -> int: ...
    @property
    def venue_order_id(self) -> str: ...
    @property
    def state_name(self) -> str: ...
    @property
    def is_open(self) -> bool: ...


class CorePort(Protocol):
    """The core's state as execution reads it (`engine.core.engine.Engine`)."""

    @property
    def halt_epoch(self) -> int:
        """Grows with each halt."""

    @property
    def reconcile_pending(self) -> bool:
        """Whether the private feed is down or in doubt since the last reconciliation."""

    def order(self, order_no: int) -> OrderView | None:
        """A copy of an order, or None where it is not, or no longer, known."""

    def open_orders(self, instrument: int) -> Iterable[OrderView]:
        """Copies of the orders of an instrument that may still be executed."""

    def has_feed(self, instrument: int) -> bool:
        """Whether the instrument is traded, or watched, now."""

    def position_lots(self, instrument: int) -> int:
        """The sum of our fills."""

    def balances(self) -> Mapping[str, tuple[int, int]]:
        """Each asset's total and what open orders reserve of it, money integers."""


class ExecutionPort(Protocol):
    """The sequencer as execution uses it."""

    @property
    def core(self) -> CorePort: ...
    def ingest(self, event: bytes) -> Any:
        """One normalised event."""

    def count(self, name: str) -> Any:
        """Count one oddity by its dotted name."""

    def observe(self, stage: str, duration_ns: int) -> Any:
        """Add a duration to a stage's histogram."""

    def now_ns(self) -> int:
        """Our clock, UTC."""

    def heed(self) -> Any:
        """Have an operator's command that has come carried out now."""


def reference(run_id: str, order: OrderView) -> OrderRef:
    """How to name one of the core's orders to a venue."""
    return OrderRef(
        order_no=order.order_no,
        instrument=order.instrument,
        client_order_id=client_order_id(run_id, order.order_no),
        venue_order_id=order.venue_order_id,
        placed_ns=order.placed_ns,
    )


def update_event(order_no: int, instrument: int, evidence: Evidence, report: int | None = None) -> bytes:
    """Evidence as an ORDER_UPDATE event; `report` in place of the evidence's own."""
    return event.order_update(
        order_no,
        evidence.report if report is None else report,
        instrument=instrument,
        venue_code=evidence.venue_code,
        cumulative_lots=evidence.cumulative_lots,
        cumulative_money=evidence.cumulative_money,
        venue_order_id=evidence.venue_order_id,
        text=evidence.text,
        ts_event_ns=evidence.ts_event_ns,
    )


def fill_event(order_no: int, fill: VenueFill) -> bytes:
    """An execution as a FILL event."""
    return event.fill(
        order_no,
        instrument=fill.instrument,
        side=fill.side,
        price_ticks=fill.price_ticks,
        size_lots=fill.size_lots,
        money=fill.money,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        is_maker=fill.is_maker,
        trade_id=fill.trade_id,
        ts_event_ns=fill.ts_event_ns,
    )
