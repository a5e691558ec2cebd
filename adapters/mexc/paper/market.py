"""The paper market: our orders in the one matching engine, against the levels and trades of the real book.

An order that takes is filled at the levels that stand opposite when it arrives; what it took is gone until the venue
changes that level. An order that rests joins the queue behind what stands at its price, and is filled by real trades that
come through it, or where the real book moves across it. Our orders never move the real market: fills are as good as that
assumption, which is poor for sizes that a real book would notice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

from adapters.mexc.errors import VenueError, classify
from adapters.mexc.orders import evidence_of_error, refused_report
from adapters.mexc.venue.errors import order_refusal
from backtest.accounts import Account
from backtest.exchange import Exchange
from backtest.exchange_types import (
    CancelRequest,
    Done,
    Fill,
    Order,
    OrderStatus,
    PlaceRequest,
    Rejected,
    SelfTradePolicy,
    SymbolSpec,
    SymbolStatus,
)
from backtest.fees import FeeSchedule
from engine.adapter import AssetBalance, Evidence, OpenOrder, OrderRef, PlaceTicket, VenueFill
from engine.core import event
from engine.core.enums import OrderReport, OrderType, Side, Tradable
from engine.core.instrument import BUY_BIT, SELL_BIT, InstrumentSpec

ACCOUNT = "paper"
MOST_FILLS = 100_000
Levels = Sequence[tuple[int, int]]
_REPORTS = {
    OrderStatus.NEW: OrderReport.WORKING,
    OrderStatus.PARTIALLY_FILLED: OrderReport.WORKING,
    OrderStatus.FILLED: OrderReport.FILLED,
    OrderStatus.CANCELED: OrderReport.CANCELED,
    OrderStatus.PARTIALLY_CANCELED: OrderReport.CANCELED,
}


class PaperMarket:
    """One account's orders. Instruments by their index in the core; `tag` makes ids differ from session to session."""

    def __init__(self, tag: str, balances: Mapping[str, int]) -> None:
        self._tag = tag
        self._exchange = Exchange([], self_trade=SelfTradePolicy.CANCEL_TAKER)
        self._account: Account = self._exchange.add_account(ACCOUNT, balances)
        self._specs: dict[str, InstrumentSpec] = {}
        self._index: dict[str, int] = {}
        self._known: dict[tuple[str, Side], dict[int, int]] = {}
        self._numbers: dict[str, int] = {}
        self._fills: deque[VenueFill] = deque(maxlen=MOST_FILLS)
        self._told: list[bytes] = []
        self._refused: VenueError | None = None
        self._now_ns = 0

    # The real market.

    def specify(self, instrument: int, spec: InstrumentSpec) -> None:
        """Learn of an instrument, or of what changed of it."""
        if self._specs.get(spec.symbol) == spec:
            return
        symbol = symbol_spec(spec)
        if spec.symbol not in self._specs:
            self._exchange.add_symbol(symbol)
        else:
            names = ("status", "tradable", "sides", "order_types", "band_up_ppm", "band_down_ppm", "min_lots",
                     "min_notional", "max_notional", "max_notional_market")  # fmt: skip
            self._exchange.change_symbol(spec.symbol, **{name: getattr(symbol, name) for name in names})
        self._exchange.settlement.set_fees(
            spec.symbol, FeeSchedule(maker_ppm=spec.maker_fee_ppm, taker_ppm=spec.taker_fee_ppm)
        )
        self._specs[spec.symbol], self._index[spec.symbol] = spec, instrument

    def set_book(self, now_ns: int, symbol: str, bids: Levels, asks: Levels) -> None:
        """Take over the real book. What is taken away goes first: a level that moved through us must not meet us twice."""
        sides = ((Side.BUY, dict(bids)), (Side.SELL, dict(asks)))
        for side, levels in sides:
            for price in self._known.get((symbol, side), {}).keys() - levels.keys():
                self._exchange.set_ambient(self._moment(now_ns), symbol, side, price, 0)
        for side, levels in sides:
            known = self._known.get((symbol, side), {})
            for price, lots in levels.items():
                if known.get(price) != lots:
                    self._exchange.set_ambient(self._moment(now_ns), symbol, side, price, lots)
            self._known[symbol, side] = levels
        self._take()

    def trade(self, now_ns: int, symbol: str, taker: Side, price_ticks: int, lots: int) -> None:
        """A real trade: orders of ours that it went through would have been met first."""
        self._exchange.ambient_trade(self._moment(now_ns), symbol, taker, price_ticks, lots)
        self._take()

    def is_resting(self, symbol: str) -> bool:
        """Whether an order of ours waits in the symbol's book."""
        book = self._exchange.books.get(symbol)
        return book is not None and any(book.side(side).resting for side in Side)

    # Our orders.

    def place(self, now_ns: int, symbol: str, ticket: PlaceTicket) -> Evidence:
        """What the venue would answer; fills are told by `take_events`."""
        self._numbers[ticket.client_order_id] = ticket.order_no
        self._refused = None
        request = PlaceRequest(
            ACCOUNT, symbol, Side(ticket.side), OrderType(ticket.order_type), ticket.size_lots, ticket.price_ticks,
            client_id=ticket.client_order_id,
        )  # fmt: skip
        order = self._exchange.place(self._moment(now_ns), request)
        self._take()
        if order is not None:
            return Evidence(report=OrderReport.WORKING, venue_order_id=self._venue_id(order))
        error = cast(VenueError, self._refused)
        return evidence_of_error(error, refused_report(error, self._specs[symbol]))

    def cancel(self, now_ns: int, ref: OrderRef) -> Evidence | None:
        """How the order stands after the cancel; None where there is no such order."""
        self._exchange.cancel(self._moment(now_ns), CancelRequest(ACCOUNT, client_id=ref.client_order_id))
        self._take()
        return self.query(ref)

    def query(self, ref: OrderRef) -> Evidence | None:
        """How the order stands, None where there is no such order."""
        order = self._account.by_client_id(ref.client_order_id)
        return None if order is None else self._evidence(order)

    def open_orders(self) -> list[OpenOrder]:
        """All orders that rest."""
        return [
            OpenOrder(order.client_id, self._venue_id(order), order.spec.symbol, self._index[order.spec.symbol],
                      self._evidence(order))
            for order in self._account.open_orders.values()
        ]  # fmt: skip

    def fills(self, instrument: int, since_ns: int = 0, client_order_id: str = "") -> list[VenueFill]:
        """Executions of an instrument, the oldest first."""
        return [
            fill
            for fill in self._fills
            if fill.instrument == instrument
            and fill.ts_event_ns >= since_ns
            and client_order_id in ("", fill.client_order_id)
        ]

    def balances(self) -> list[AssetBalance]:
        """The account."""
        return [
            AssetBalance(asset, held.free, held.locked)
            for asset, held in sorted(self._account.balances.items())
        ]

    def take_events(self) -> list[bytes]:
        """What a private feed would have pushed since it was last asked for."""
        told, self._told = self._told, []
        return told

    def _moment(self, now_ns: int) -> int:
        """The exchange's time never goes back, our clock may."""
        self._now_ns = max(self._now_ns, now_ns)
        return self._now_ns

    def _take(self) -> None:
        for record in self._exchange.take_records():
            if isinstance(record, Fill):
                self._note_fill(record)
            elif isinstance(record, Done):
                self._tell(record.order, self._evidence(record.order))
            elif isinstance(record, Rejected) and isinstance(record.request, PlaceRequest):
                request = record.request
                spec = self._exchange.books[request.symbol].spec
                found = order_refusal(record.reason, record.limit, spec, request.side, request.order_type)
                kind = classify(400, found.code, found.message)
                self._refused = VenueError(kind, found.message, code=found.code, http_status=400)

    def _note_fill(self, fill: Fill) -> None:
        order = fill.order
        trade = VenueFill(
            instrument=self._index[order.spec.symbol],
            venue_order_id=self._venue_id(order),
            client_order_id=order.client_id,
            trade_id=f"{self._tag}-{fill.trade_no}",
            side=order.side,
            price_ticks=fill.price_ticks,
            size_lots=fill.size_lots,
            money=fill.money,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            is_maker=fill.is_maker,
            ts_event_ns=fill.time_ns,
        )
        self._fills.append(trade)
        self._told.append(
            event.fill(
                self._numbers[order.client_id], instrument=trade.instrument, side=trade.side,
                price_ticks=trade.price_ticks, size_lots=trade.size_lots, money=trade.money, fee=trade.fee,
                fee_asset=trade.fee_asset, is_maker=trade.is_maker, trade_id=trade.trade_id,
                ts_event_ns=trade.ts_event_ns,
            )
        )  # fmt: skip
        status = _REPORTS[fill.status]
        self._tell(
            order,
            Evidence(
                report=status, venue_order_id=trade.venue_order_id, cumulative_lots=fill.filled_lots,
                cumulative_money=fill.filled_money, ts_event_ns=fill.time_ns,
            ),
        )  # fmt: skip

    def _tell(self, order: Order, evidence: Evidence) -> None:
        self._told.append(
            event.order_update(
                self._numbers[order.client_id], evidence.report, instrument=self._index[order.spec.symbol],
                cumulative_lots=evidence.cumulative_lots, cumulative_money=evidence.cumulative_money,
                venue_order_id=evidence.venue_order_id, ts_event_ns=evidence.ts_event_ns,
            )
        )  # fmt: skip

    def _evidence(self, order: Order) -> Evidence:
        return Evidence(
            report=_REPORTS[order.status],
            venue_order_id=self._venue_id(order),
            cumulative_lots=order.filled_lots,
            cumulative_money=order.filled_money,
            ts_event_ns=order.updated_ns,
        )

    def _venue_id(self, order: Order) -> str:
        return f"{self._tag}-O{order.order_no}"


def symbol_spec(spec: InstrumentSpec) -> SymbolSpec:
    """An instrument as the matching engine wants it. One that is about to open is paused, as MEXC has it until then."""
    bits = ((BUY_BIT, Side.BUY), (SELL_BIT, Side.SELL))
    return SymbolSpec(
        symbol=spec.symbol,
        base=spec.base,
        quote=spec.quote,
        price_decimals=spec.price_decimals,
        size_decimals=spec.size_decimals,
        tick_step=spec.tick_step,
        lot_step=spec.lot_step,
        min_lots=spec.min_lots,
        max_lots=spec.max_lots,
        min_notional=spec.min_notional,
        max_notional=spec.max_notional,
        max_notional_market=spec.max_notional,
        band_up_ppm=spec.band_up_ppm,
        band_down_ppm=spec.band_down_ppm,
        status=SymbolStatus.PAUSED if spec.tradable == Tradable.OPENING else SymbolStatus.TRADING,
        tradable=spec.tradable != Tradable.NO,
        sides=frozenset(side for bit, side in bits if spec.sides & bit),
        order_types=frozenset(each for each in OrderType if spec.order_types & 1 << each),
    )
