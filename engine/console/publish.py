"""The core's state as the status document: for the view, `penstock status` and whoever looks."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from engine.adapter import AdapterStatus, SourceStatus
from engine.console.listings import listings_of
from engine.console.status import (
    Alert,
    Book,
    Feed,
    Fill,
    GateCounts,
    JournalStatus,
    Latency,
    Order,
    Position,
    Source,
    Status,
    TapeStatus,
)
from engine.core.engine import Engine
from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.core.risk.limits import MONEY_DECIMALS
from engine.resources import DISK_FINE, DISK_OUT
from engine.sequencer import Sequencer
from native.histogram import Histogram

MAX_RECENT = 50
MAX_REASON = 160


def money_text(units: int, decimals: int = 2) -> str:
    """Money for people, cut to so many decimals toward zero."""
    scale = 10 ** (MONEY_DECIMALS - decimals)
    whole, part = divmod(abs(units) // scale, 10**decimals)
    sign = "-" if units < 0 and (whole or part) else ""
    return f"{sign}{whole}.{part:0{decimals}d}" if decimals else f"{sign}{whole}"


def stage_latency(histogram: Histogram) -> Latency | None:
    """Percentiles of a stage in microseconds; None where it was never seen."""
    facts = histogram.summary()
    if not facts["count"]:
        return None
    return Latency(*(facts[name] / 1e3 for name in ("p50", "p99", "p999", "max")))


def latency_us(sequencer: Sequencer) -> dict[str, Latency]:
    """Percentiles of every stage that was seen, in microseconds."""
    found = {stage: stage_latency(histogram) for stage, histogram in sequencer.stages.items()}
    return {stage: latency for stage, latency in found.items() if latency is not None}


def order_row(spec: InstrumentSpec, order: Any, strategy: str, now_ns: int) -> Order:
    """One of the core's orders."""
    return Order(
        order_no=order.order_no,
        symbol=spec.symbol,
        side=Side(order.side).name,
        kind=OrderType(order.order_type).name,
        price=spec.price_text(order.price_ticks) if order.price_ticks else "",
        size=spec.size_text(order.size_lots),
        filled=spec.size_text(order.filled_lots),
        state=order.state_name,
        strategy=strategy,
        age_ms=(now_ns - order.placed_ns) // 1_000_000,
    )


def order_rows(core: Engine, instrument: int, now_ns: int) -> list[Order]:
    """The orders of an instrument that may still be executed."""
    names, spec = core.strategy_names(), core.spec(instrument)
    return [order_row(spec, order, names[order.strategy], now_ns) for order in core.open_orders(instrument)]


def fill_row(spec: InstrumentSpec, fill: dict[str, Any], strategy: str = "") -> Fill:
    """One execution, as engine.core.describe gives it."""
    moment = fill["ts_recv_ns"]
    return Fill(
        time=time.strftime("%H:%M:%S", time.gmtime(moment // 10**9)) + f".{moment // 10**6 % 1000:03d}",
        symbol=spec.symbol,
        side=fill["side"],
        price=spec.price_text(fill["price_ticks"]),
        size=spec.size_text(fill["size_lots"]),
        fee=money_text(fill["fee"], 6),
        fee_asset=fill["fee_asset"],
        is_maker=fill["is_maker"],
        strategy=strategy,
    )


def source_row(source: SourceStatus) -> Source:
    """One source of listing evidence; what a venue said of its failure is cut."""
    return Source(name=source.name, state=source.state, reason=source.reason[:MAX_REASON])


def position_row(core: Engine, instrument: int, lots: int, cost: int, realised: int) -> Position:
    """What is held, or was, in an instrument that was traded."""
    spec = core.spec(instrument)
    worth = core.position_worth(instrument)
    average = abs(cost) // abs(lots) // spec.notional(1, 1) if lots else 0
    return Position(
        symbol=spec.symbol,
        size=spec.size_text(lots),
        average_price=spec.price_text(average) if lots else "",
        notional=money_text(worth),
        realised_pnl=money_text(realised),
        unrealised_pnl=money_text(worth - cost),
    )


def position_rows(core: Engine) -> list[Position]:
    """All of them."""
    return [position_row(core, *position) for position in core.positions()]


class Publisher:
    """Builds the document. Reads only; a few hundred microseconds for a dozen instruments."""

    def __init__(self, sequencer: Sequencer, mode: str, currency: str, tape_budget_bytes: int) -> None:
        self._sequencer = sequencer
        self._mode = mode
        self._currency = currency
        self._tape_budget_bytes = tape_budget_bytes
        self.disk_state = DISK_FINE
        self.fills: deque[Fill] = deque(maxlen=MAX_RECENT)
        self.alerts: deque[Alert] = deque(maxlen=MAX_RECENT)
        names = enumerate(sequencer.core.strategy_names())
        self.memos: dict[tuple[str, str], bytes] = {
            (name, key): value
            for index, name in names
            for key, value in sequencer.core.memos_of(index).items()
        }

    @property
    def core(self) -> Engine:
        """The core that is looked at."""
        return self._sequencer.core

    def note_alert(self, level: str, text: str) -> None:
        """Keep an alert for the document."""
        self.alerts.append(Alert(time=time.strftime("%H:%M:%S", time.gmtime()), level=level, text=text))

    def note_fill(self, fill: dict[str, Any]) -> None:
        """Keep a fill, as engine.core.describe gives it."""
        self.fills.append(fill_row(self.core.spec(fill["instrument"]), fill))

    def note_memo(self, strategy: str, key: str, value: bytes) -> None:
        """Keep a strategy's newest memo of each key; an empty one takes it away."""
        if value:
            self.memos[strategy, key] = value
        else:
            self.memos.pop((strategy, key), None)

    def document(self, adapter: AdapterStatus | None, seconds: float, rss_mb: float) -> Status:
        """The document, all at once."""
        for document in self.steps(lambda: adapter, lambda: seconds, rss_mb):
            if document is not None:
                return document
        raise AssertionError("the last step is the document")

    def steps(
        self, adapter: Callable[[], AdapterStatus | None], seconds: Callable[[], float], rss_mb: float
    ) -> Iterator[Status | None]:
        """The document in small steps, for whoever has to see to something else in between: None, and it at last.

        seconds: since the start, when it is done. One book, one instrument's orders, one stage a step.
        """
        core, books, orders = self.core, [], []
        for book in core.books:
            if core.has_feed(book.instrument):
                books.append(self._book(book, self._sequencer.now_ns()))
                yield None
        for book in core.books:
            orders += order_rows(core, book.instrument, self._sequencer.now_ns())
            yield None
        latency = {}
        for stage, histogram in tuple(self._sequencer.stages.items()):
            found = stage_latency(histogram)
            if found is not None:
                latency[stage] = found
            yield None
        positions = []
        for position in core.positions():
            positions.append(position_row(core, *position))
            yield None
        journal, tape = self._journal(), self._tape()
        yield None
        listings = listings_of(self.memos)
        yield None
        status = adapter()
        yield None
        feeds = self._feeds(status, self._sequencer.now_ns())
        sources = [] if status is None else [source_row(source) for source in status.sources]
        yield None
        counts, money = core.counts(), core.money()
        yield Status(
            run_id=core.run_id,
            mode="live" if self._mode == "live" else "paper",
            ts_ns=self._sequencer.now_ns(),
            seconds=seconds(),
            seq=core.seq,
            pid=os.getpid(),
            currency=self._currency,
            health=self._health(status),
            halted=core.is_halted,
            reduce_only=core.is_reduce_only,
            feeds=feeds,
            sources=sources,
            books=books,
            orders=orders,
            fills=list(self.fills),
            positions=positions,
            alerts=list(self.alerts),
            listings=listings,
            equity=money_text(money["equity"]),
            realised_pnl=money_text(money["realised_pnl"]),
            gate=GateCounts(intents=counts["intents"], approved=counts["approved"], denied=counts["denied"]),
            latency_us=latency,
            journal=journal,
            tape=tape,
            rss_mb=rss_mb,
        )

    def _health(self, adapter: AdapterStatus | None) -> Any:
        core = self.core
        if (
            core.is_halted
            or self._sequencer.journal_failed
            or core.open_breakers
            or self.disk_state == DISK_OUT
        ):
            return "failure"
        if self.disk_state != DISK_FINE:
            return "warning"
        live = adapter is not None and all(feed.state == "UP" for feed in adapter.feeds)
        return "ok" if live and not core.reconcile_pending else "warning"

    def _feeds(self, adapter: AdapterStatus | None, now_ns: int) -> list[Feed]:
        if adapter is None:
            return []
        rows = []
        for feed in adapter.feeds:
            known = self.core.feed_state(feed.source)
            age_ns = now_ns - known["last_recv_ns"] if known["last_recv_ns"] else -1_000_000
            rows.append(
                Feed(
                    name=feed.name,
                    state=feed.state.lower(),
                    messages=feed.frames,
                    reconnects=feed.reconnects,
                    conflated=feed.conflated,
                    age_ms=age_ns // 1_000_000,
                    lag_ms=known["lag_ns"] // 1_000_000,
                )
            )
        return rows

    def _book(self, book: Any, now_ns: int) -> Book:
        spec = self.core.spec(book.instrument)
        bid, ask = book.best_bid_ticks, book.best_ask_ticks
        return Book(
            symbol=spec.symbol,
            trust=book.trust,
            bid=spec.price_text(bid) if bid else "",
            bid_size=spec.size_text(book.best_bid_lots) if bid else "",
            ask=spec.price_text(ask) if ask else "",
            ask_size=spec.size_text(book.best_ask_lots) if ask else "",
            spread_bps=20_000 * (ask - bid) / (ask + bid) if bid and ask else 0.0,
            age_ms=(now_ns - book.updated_ns) // 1_000_000 if book.updated_ns else -1,
        )

    def _journal(self) -> JournalStatus:
        journal = self._sequencer.journal
        if journal is None:
            return JournalStatus()
        return JournalStatus(
            records=journal.records,
            durable_records=journal.durable_records,
            durable_lag_ms=journal.durable_latency.summary()["p50"] / 1e6,
            segments=journal.segment + 1,
            head_hash=journal.head_hash,
            writable=not self._sequencer.journal_failed,
        )

    def _tape(self) -> TapeStatus:
        tape = self._sequencer.tape
        if tape is None:
            return TapeStatus()
        return TapeStatus(
            frames=tape.records,
            bytes=tape.bytes_written,
            budget_bytes=self._tape_budget_bytes,
            segments_dropped=tape.segments_removed,
        )
