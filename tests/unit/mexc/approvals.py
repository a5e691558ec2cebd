"""Approvals of a real gate, for tests that have no core around the executor."""

from __future__ import annotations

import time
from dataclasses import replace

from engine.core.enums import CommandKind, OrderType, Side
from engine.core.risk.gate import Approved
from tests.core_session import COIN, ready

PRICE_TICKS, SIZE_LOTS = 10_000, 100
AGE_NS = 30_000_000_000
TTL_MS, SHORT_TTL_MS = 60_000, 1


class GateOfTwo:
    """A gate with limits as wide as they go and two instruments; called, it approves the order of a number."""

    def __init__(self) -> None:
        self._session = ready(COIN, replace(COIN, symbol="BBBUSDT", base="BBB"), intent_ttl_ms=TTL_MS)

    def __call__(
        self,
        order_no: int,
        *,
        instrument: int = 0,
        side: int = Side.BUY,
        order_type: int = OrderType.LIMIT,
        price_ticks: int = PRICE_TICKS,
        size_lots: int = SIZE_LOTS,
        is_cancel: bool = False,
        is_expired: bool = False,
        halt_epoch: int = 0,
    ) -> Approved:
        """An order as it is described, or the cancel of one; orders before it are approved and forgotten."""
        session = self._session
        session.now_ns = time.time_ns() - AGE_NS
        session.limits(intent_ttl_ms=SHORT_TTL_MS if is_expired else TTL_MS)
        while session.engine.halt_epoch < halt_epoch:
            session.command(CommandKind.HALT)
            session.command(CommandKind.RESUME)
        session.book(instrument, ((price_ticks - 1, 1_000_000),), ((price_ticks + 1, 1_000_000),))
        number = 0
        while session.engine.order(order_no) is None and number < order_no:
            price = 0 if order_type == OrderType.MARKET else price_ticks
            number, denied = session.place(side, price, size_lots, order_type, instrument=instrument)
            assert number, denied
        if is_cancel:
            session.do(lambda puppet: puppet.cancel(order_no))
        approved = session.engine.gate.take()[-1]
        assert (approved.order_no, approved.is_cancel) == (order_no, is_cancel)
        return approved
