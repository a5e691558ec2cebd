"""A venue and a core under one virtual clock: the real engine, gate and matching engine, and no socket in between.

What a venue does to orders is done here by script: refuse, lose the answer, lose the request, tell fills before the
acknowledgement. All of it by one seed, so that the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backtest.exchange import Exchange
from backtest.exchange_types import Accepted, Done, Fill, PlaceRequest, Reason, Rejected
from backtest.fees import FeeAsset, FeeSchedule
from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import ListingChange, ListingSource, OrderReport, OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.core.risk.gate import ApprovalVoid
from engine.journal.records import split
from strategies.ready_state import ReadyState
from strategies.ready_state.settings import Settings
from tests.core_session import MONEY, START_NS, WIDE
from tests.simulation.listings_audit import Audit

MS = 1_000_000
SECOND = 1_000 * MS
ACCOUNT, NAME, FUNDS = "trader", "ready", 1_000_000
NO_STRATEGY = 0xFFFF
KIND = slice(24, 26)
QUERY, SET_TIMER, RESYNC, WATCH, ALERT, CANCEL, PLACE = 69, 67, 68, 74, 72, 65, 64
NOT_YET = (10007, 30000, 30016)
GATE: dict[str, Any] = {
    "max_open_orders_per_instrument": 4, "max_rejects_per_window": 200, "max_slippage_bps": 1_000, "price_collar_bps": 5_000,
}  # fmt: skip
CODES = {
    Reason.UNKNOWN_SYMBOL: 10007,
    Reason.NOT_TRADABLE: 10007,
    Reason.SYMBOL_PAUSED: 30000,
    Reason.SIDE_CLOSED: 30001,
    Reason.ORDER_TYPE_CLOSED: 30019,
    Reason.PRICE_OUT_OF_BAND: 30087,
    Reason.NO_OPPONENT: 30025,
    Reason.NOTIONAL_TOO_SMALL: 30002,
    Reason.NOTIONAL_TOO_LARGE: 30003,
    Reason.INSUFFICIENT_BALANCE: 10101,
}


class World:
    """Events by time; `at` schedules, `run` lets them happen."""

    more_names: tuple[str, ...] = ()  # of further strategies of the same kind

    def __init__(
        self, seed: int, params: dict[str, Any], *, fee_in_base: bool = False, limits: dict[str, Any] | None = None,
        is_live: bool = False,
    ) -> None:  # fmt: skip
        self.dice = random.Random(seed)
        self.params = params
        self.limits = limits or {}  # of the gate, in place of wide ones
        self.mode = "live" if is_live else "paper"
        self.audit = Audit({**WIDE, **GATE, **self.limits}, Settings(**params))
        self.now_ns = START_NS
        self._due: list[tuple[int, int, bool, Callable[[], None]]] = []
        self._scheduled = 0
        self.seq = 0
        self.session = 0
        self.records: list[bytes] = []
        self.alerts: list[str] = []
        fees = FeeSchedule(taker_ppm=500, paid_in=FeeAsset.RECEIVED if fee_in_base else FeeAsset.QUOTE)
        self.exchange = Exchange([], fees=fees)
        self.exchange.add_account(ACCOUNT, {"USDT": FUNDS * MONEY})
        self.specs: dict[str, InstrumentSpec] = {}  # as the adapter would tell them now
        self.feeds: dict[str, int] = {}  # watched symbol -> source
        self.told: dict[tuple[int, str], dict[str, Any]] = {}  # what each source says now
        self.books: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self.refusals: dict[str, Callable[[int, Any], int]] = {}  # symbol -> code of (now, approved), 0: none
        self.ack_loss_percent = 0
        self.place_log: list[dict[str, Any]] = []  # each order that the core approved
        self.lost: dict[int, int] = {}  # order number -> 1 where its request or its answer was lost
        self.truth: dict[int, dict[str, Any]] = {}  # order number -> what the venue knows of it
        self.begin()

    # The clock.

    def at(self, time_ns: int, todo: Callable[[], None], *, of_session: bool = False) -> None:
        """Let something happen; what is `of_session` does not outlive the session."""
        self._scheduled += 1
        session = self.session
        if of_session:
            act = todo

            def todo() -> None:
                if self.session == session:
                    act()

        heapq.heappush(self._due, (max(time_ns, self.now_ns), self._scheduled, of_session, todo))

    def after(self, delay_ns: int, todo: Callable[[], None], *, of_session: bool = True) -> None:
        self.at(self.now_ns + delay_ns, todo, of_session=of_session)

    def run(self, until_ns: int) -> None:
        while self._due and self._due[0][0] <= until_ns:
            self.now_ns, _, _, todo = heapq.heappop(self._due)
            todo()
        self.now_ns = until_ns

    # The core.

    def begin(self) -> None:
        """A session: a core from the journal's records, the strategy anew, the venue asked, the sources told again."""
        self.engine = Engine()
        for record in self.records:
            self.engine.apply_bytes(record)
        self.feeds.clear()
        self.push(event.start("simulation00", self.session, self.mode == "live", 1))
        config = {
            "mode": self.mode,
            "risk": {**WIDE, **GATE, **self.limits},
            "strategy": [{"id": each} for each in (NAME, *self.more_names)],
        }
        self.push(event.config(json.dumps(config).encode()))
        for book in list(self.engine.books):
            spec = self.engine.spec(book.instrument)
            if spec.source:
                self.push(event.instrument(replace(spec, source=0)))
        self.strategy = ReadyState(**self.params)
        self.engine.attach(self.strategy, NAME, [])
        self.others = [ReadyState(**self.params) for _ in self.more_names]
        for strategy, name in zip(self.others, self.more_names, strict=True):
            self.engine.attach(strategy, name, [])
        if not self.session:
            self.push(event.balance("USDT", FUNDS * MONEY, 0, True))
        for instrument in range(len(self.engine.books)):
            for order in self.engine.open_orders(instrument):
                self.settle(order.order_no)
        self.push(event.reconciled())
        self.keep_house()
        for (source, symbol), facts in sorted(self.told.items()):
            self.after(
                self.dice.randrange(3_000) * MS, lambda s=source, n=symbol, f=facts: self.retell(s, n, f)
            )

    def retell(self, source: int, symbol: str, facts: dict[str, Any]) -> None:
        if self.told.get((source, symbol)) is facts:
            self.push(event.listing(source, ListingChange.SEEN, symbol, **facts))

    def restart(self) -> None:
        """The process is killed: requests on their way out never left, answers on their way in are lost."""
        self.session += 1
        self.begin()

    def keep_house(self) -> None:
        self.push(event.timer(0, NO_STRATEGY, self.now_ns))
        self.after(10 * SECOND, self.keep_house)

    def push(self, what: bytes) -> None:
        """One event into the core, and its outputs out."""
        self.seq = max(self.seq, self.engine.seq) + 1
        stamped = event.stamped(what, self.seq, self.now_ns)
        if 32 <= int.from_bytes(stamped[KIND], "little") < 64:
            self.records.append(stamped)
        outputs = list(split(self.process(stamped)))
        self.records += outputs
        for approved in self.engine.gate.take():
            self.send(approved)
        for record in outputs:
            kind = int.from_bytes(record[KIND], "little")
            if kind in (QUERY, SET_TIMER, RESYNC, WATCH, ALERT):
                self.act(kind, describe(record))
        if self.engine.errors:
            raise RuntimeError(f"the strategy raised: {self.engine.errors}") from self.engine.errors[0][2]

    def process(self, stamped: bytes) -> bytes:
        """One event into the core; its outputs."""
        return self.engine.process_bytes(stamped)

    def act(self, kind: int, output: dict[str, Any]) -> None:
        if kind == SET_TIMER:
            facts = output["timer_id"], output["strategy"], output["due_ns"]
            self.at(output["due_ns"], lambda: self.push(event.timer(*facts)), of_session=True)
        elif kind == QUERY:
            self.after(self.dice.randrange(50, 1_500) * MS, lambda: self.settle(output["order_no"]))
        elif kind == RESYNC:
            self.after(20 * MS, lambda: self.snapshot(output["instrument"]))
        elif kind == WATCH:
            self.watch(output["symbol"], bool(output["on"]))
        elif kind == ALERT:
            self.alerts.append(output["text"])

    # Symbols and feeds.

    def watch(self, symbol: str, on: bool) -> None:
        if not on:
            self.feeds.pop(symbol, None)
            return
        free = next(number for number in range(1, 64) if number not in self.feeds.values())
        self.feeds[symbol] = free
        self.after(self.dice.randrange(20, 400) * MS, lambda: self.introduce(symbol))

    def introduce(self, symbol: str) -> None:
        """The adapter has the symbol's row and a connection for it; where there is no row yet, it asks again."""
        if symbol not in self.feeds:
            return
        if symbol not in self.specs:
            self.after(500 * MS, lambda: self.introduce(symbol))
            return
        self.push(event.instrument(replace(self.specs[symbol], source=self.feeds[symbol])))
        self.push(event.feed(self.feeds[symbol], True))

    def change(self, symbol: str, **changes: Any) -> None:
        """The exchange's row of a symbol changed."""
        self.specs[symbol] = replace(self.specs[symbol], **changes)
        if self.feeds.get(symbol) and self.engine.instrument_of(symbol) >= 0:
            self.push(event.instrument(replace(self.specs[symbol], source=self.feeds[symbol])))

    def tell(self, source: ListingSource, symbol: str, **facts: Any) -> None:
        self.told[source, symbol] = facts
        self.push(event.listing(source, ListingChange.SEEN, symbol, **facts))

    def lose(self, source: ListingSource, symbol: str) -> None:
        if self.told.pop((source, symbol), None) is not None:
            self.push(event.listing(source, ListingChange.GONE, symbol))

    def is_sellable(self, instrument: int) -> bool:
        """Whether a position is held that the venue would buy: more than dust."""
        lots = self.engine.position_lots(instrument)
        spec = self.engine.spec(instrument)
        bids = self.books.get(spec.symbol, ({}, {}))[1]
        return lots > 0 and spec.notional(max(bids, default=0), lots) >= spec.min_notional

    def snapshot(self, instrument: int) -> None:
        symbol = self.engine.book(instrument).symbol
        if symbol in self.feeds:
            asks, bids = self.books.get(symbol, ({}, {}))  # empty before it opens
            version = self.exchange.books[symbol].version
            self.audit.quoted(self.now_ns, symbol, max(bids, default=0), min(asks, default=0), is_told=True)
            self.push(
                event.snapshot(
                    instrument, version, list(asks.items()), list(bids.items()), source=self.feeds[symbol]
                )
            )

    def quote(self, symbol: str, asks: dict[int, int], bids: dict[int, int]) -> None:
        """The market's orders are these now: into the matching engine, and over the feed where there is one."""
        old_asks, old_bids = self.books.get(symbol, ({}, {}))
        for side, old, new in ((Side.SELL, old_asks, asks), (Side.BUY, old_bids, bids)):
            for price in old.keys() - new.keys():
                self.exchange.set_ambient(self.now_ns, symbol, side, price, 0)
        for side, new in ((Side.SELL, asks), (Side.BUY, bids)):
            for price, lots in new.items():
                self.exchange.set_ambient(self.now_ns, symbol, side, price, lots)
        self.books[symbol] = asks, bids
        book = self.exchange.books[symbol]
        before, book.version = book.version, book.version + 1
        self.tell_records()
        instrument = self.engine.instrument_of(symbol)
        is_told = instrument >= 0 and self.engine.spec(instrument).source == self.feeds.get(symbol, -1)
        self.audit.quoted(self.now_ns, symbol, max(bids, default=0), min(asks, default=0), is_told=is_told)
        if is_told:
            changed_asks = {**dict.fromkeys(old_asks.keys() - asks.keys(), 0), **asks}
            changed_bids = {**dict.fromkeys(old_bids.keys() - bids.keys(), 0), **bids}
            self.push(
                event.delta(
                    instrument, before + 1, before + 1, list(changed_asks.items()), list(changed_bids.items()),
                    source=self.feeds[symbol],
                )
            )  # fmt: skip

    def trade(self, symbol: str, price_ticks: int, size_lots: int, side: Side) -> None:
        """Others traded: told over the feed where there is one. Their orders are none of the matching engine's."""
        instrument = self.engine.instrument_of(symbol)
        if instrument >= 0 and self.engine.spec(instrument).source == self.feeds.get(symbol, -1):
            item = price_ticks, size_lots, side, self.now_ns
            self.push(event.trades(instrument, [item], source=self.feeds[symbol]))

    # Orders.

    def send(self, approved: Any) -> None:
        """A request on its way: it arrives a little later, if the session lives."""
        delay_ns = self.dice.randrange(1, 30) * MS
        if approved.is_cancel:
            self.after(delay_ns, lambda: self.cancel(approved))
            return
        symbol = self.engine.book(approved.instrument).symbol
        self.place_log.append(
            {
                "no": approved.order_no, "symbol": symbol, "side": approved.side, "at_ns": self.now_ns,
                "price": approved.price_ticks, "lots": approved.size_lots, "type": approved.order_type,
                "best_ask": self.engine.book(approved.instrument).best_ask_ticks,
                "tradable": self.engine.spec(approved.instrument).tradable,
                "opens_ns": self.engine.spec(approved.instrument).opens_ns,
            }
        )  # fmt: skip
        self.after(delay_ns, lambda: self.arrive(approved, symbol))

    def arrive(self, approved: Any, symbol: str) -> None:
        number = approved.order_no
        try:
            approved.redeem(self.engine.halt_epoch, self.now_ns)
        except ApprovalVoid:
            self.report(number, OrderReport.NEVER_ACCEPTED)
            return
        roll = self.dice.randrange(100)
        if roll < self.ack_loss_percent // 2:
            self.lost[number] = 1  # the request
            self.report(number, OrderReport.AMBIGUOUS)
            return
        self.audit.arrived(
            self.now_ns, symbol, approved.side, approved.order_type, approved.size_lots, approved.price_ticks, str(number),
        )  # fmt: skip
        code = self.refusals.get(symbol, lambda now, what: 0)(self.now_ns, approved)
        if code:
            self.refuse(number, symbol, code)
            return
        request = PlaceRequest(
            ACCOUNT, symbol, Side(approved.side), OrderType(approved.order_type), approved.size_lots,
            approved.price_ticks, client_id=str(number),
        )  # fmt: skip
        self.truth[number] = {
            "lots": 0,
            "money": 0,
            "fills": [],
            "end": None,
            "lost": roll < self.ack_loss_percent,
        }
        self.exchange.place(self.now_ns, request)
        self.tell_records()
        if self.truth.get(number, {}).get("lost"):
            self.lost[number] = 1  # the answer
            self.report(number, OrderReport.AMBIGUOUS)

    def refuse(self, number: int, symbol: str, code: int) -> None:
        self.truth.pop(number, None)
        opening = self.specs[symbol].tradable == 2
        report = OrderReport.NOT_YET if code in NOT_YET and opening else OrderReport.REJECTED
        self.report(number, report, venue_code=code)

    def cancel(self, approved: Any) -> None:
        approved.redeem(self.engine.halt_epoch, self.now_ns)
        order = self.exchange.accounts[ACCOUNT].by_client_id(str(approved.order_no))
        if order is None or order.status.is_final:
            self.report(approved.order_no, OrderReport.CANCEL_REJECTED, venue_code=-2011)
            return
        self.exchange._finish(self.now_ns, order, Reason.CANCELED_BY_USER)
        self.tell_records()

    def report(self, number: int, report: OrderReport, **more: Any) -> None:
        """An answer on its way back."""
        delay_ns = self.dice.randrange(1, 30) * MS
        self.after(delay_ns, lambda: self.push(event.order_update(number, report, **more)))

    def tell_records(self) -> None:
        """What the matching engine did, as evidence of orders; of lost ones the venue's own knowledge alone."""
        for record in self.exchange.take_records():
            self.audit.recorded(record)
            if isinstance(record, Rejected):
                number = int(record.request.client_id)
                self.refuse(number, record.request.symbol, CODES.get(record.reason, 33333))
            elif isinstance(record, Accepted):
                number = int(record.order.client_id)
                if not self.truth[number]["lost"]:
                    self.report(number, OrderReport.WORKING)
            elif isinstance(record, Fill):
                self.note_fill(record)
            elif isinstance(record, Done):
                number = int(record.order.client_id)
                self.truth[number]["end"] = OrderReport.CANCELED
                if not self.truth[number]["lost"]:
                    self.report(number, OrderReport.CANCELED, **self.cumulative(number))

    def note_fill(self, record: Fill) -> None:
        number = int(record.order.client_id)
        truth = self.truth[number]
        truth["lots"], truth["money"] = record.filled_lots, record.filled_money
        facts = {
            "side": record.order.side, "price_ticks": record.price_ticks, "size_lots": record.size_lots,
            "money": record.money, "fee": record.fee, "fee_asset": record.fee_asset, "is_maker": record.is_maker,
            "trade_id": f"T{record.trade_no}", "instrument": self.engine.instrument_of(record.order.spec.symbol),
        }  # fmt: skip
        truth["fills"].append(facts)
        if record.filled_lots >= record.order.size_lots:
            truth["end"] = OrderReport.FILLED
        if truth["lost"]:
            return
        self.after(self.dice.randrange(1, 40) * MS, lambda: self.push(event.fill(number, **facts)))
        if truth["end"] is OrderReport.FILLED:
            self.report(number, OrderReport.FILLED, **self.cumulative(number))

    def cumulative(self, number: int) -> dict[str, int]:
        truth = self.truth[number]
        return {"cumulative_lots": truth["lots"], "cumulative_money": truth["money"]}

    def settle(self, number: int) -> None:
        """The resolver's question, answered: what the venue knows of an order, or that it never had it."""
        order = self.engine.order(number)
        if order is None or not order.is_open:
            return
        truth = self.truth.get(number)
        if truth is None:
            self.push(event.order_update(number, OrderReport.NEVER_ACCEPTED))
            return
        truth["lost"] = False
        self.push(event.order_update(number, truth["end"] or OrderReport.WORKING, **self.cumulative(number)))
        for facts in truth["fills"]:
            self.push(event.fill(number, **facts))
