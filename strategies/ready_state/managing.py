"""The exits of one listing: what is sold when, one order at a time, until nothing is left or it is known why not.

Position and orders are the core's; the plan is the listing's. An exit whose fate is UNKNOWN is waited for. Where nothing can
be sold (halted, suspended, buy only), people are told once, and it is tried again ever more slowly: it is never forgotten.
"""

from __future__ import annotations

from typing import Protocol

from engine import OrderType
from engine.core.instrument import SELL_BIT, InstrumentSpec
from engine.core.order import Order
from engine.core.risk.reasons import Reason
from engine.core.state.books import Book
from strategies.ready_state.exits import ExitPlan, Scale, average_micro, exit_price, plan_exits
from strategies.ready_state.listing import Listing, OrderRecord
from strategies.ready_state.refusals import PASSING, PRICE_CODES, TRANSIENT, reason_name
from strategies.ready_state.settings import Settings
from strategies.ready_state.states import State

# MEXC: suspended, direction not allowed, trading disabled, no permission, selling suspended by risk control.
HALT_CODES = frozenset({10007, 30000, 30001, 30016, 30020, 30028})
RESTING = "resting"
OUT_OF_BAND = "the bid is outside of the price band"
_URGENT = frozenset({"stop loss", "trailing stop", "time"})
_TELLING: dict[int, str] = {
    Reason.NOT_TRADABLE: "it is not tradable by API",
    Reason.SIDE_NOT_ALLOWED: "it may only be bought",
    Reason.HALTED: "denied, HALTED",
}
_PRICING = frozenset({Reason.PRICE_BAND, Reason.PRICE_COLLAR, Reason.SLIPPAGE})


class Trader(Protocol):
    """What an exit needs of the strategy."""

    settings: Settings

    @property
    def denied_reason(self) -> int: ...
    @property
    def now_ms(self) -> int: ...
    def sell(
        self, instrument: int, price_ticks: int, size_lots: int, order_type: int = ..., key: int = ...
    ) -> int:
        """As `Strategy.sell`."""

    def cancel(self, order_no: int) -> bool:
        """As `Strategy.cancel`."""

    def position(self, instrument: int) -> int:
        """As `Strategy.position`."""

    def book(self, instrument: int) -> Book:
        """As `Strategy.book`."""

    def spec(self, instrument: int) -> InstrumentSpec:
        """As `Strategy.spec`."""

    def alert(self, text: str) -> None:
        """As `Strategy.alert`."""

    def note_order(self, order_no: int, listing: Listing) -> None:
        """Remember whose order it is."""

    def changed(self, listing: Listing) -> None:
        """Put the listing as it is now into its memo."""

    def wake(self, listing: Listing) -> None:
        """Set the timer for the next moment at which time alone changes something."""


def plan_for(listing: Listing, spec: InstrumentSpec, settings: Settings, now_ms: int) -> ExitPlan:
    """The exits of what the entries bought. Time runs from the first plan."""
    old = listing.exit_plan
    micro = average_micro(listing.filled_money, listing.filled_lots, spec.notional(1, 1))
    plan = plan_exits(
        Scale.of(spec),
        micro,
        listing.bought_lots,
        settings.phases,
        stop_loss_ppm=settings.stop_loss_ppm,
        trailing_ppm=settings.trailing_ppm,
        trailing_start_ppm=settings.trailing_start_ppm,
        until_ms=old.until_ms if old is not None else now_ms + settings.hold_s * 1000,
    )
    plan.high_ticks = old.high_ticks if old is not None else 0
    return plan


class Managing:
    """Sells what listings hold."""

    def __init__(self, trader: Trader) -> None:
        self.trader = trader

    def begin(self, listing: Listing) -> None:
        """A position came to be, or grew by a late fill."""
        trader = self.trader
        listing.exit_plan = plan_for(listing, trader.spec(listing.instrument), trader.settings, trader.now_ms)
        is_sought = listing.state is State.UNKNOWN and listing.live_exit is not None
        if listing.state is not State.MANAGING and not is_sought:
            listing.move(State.MANAGING, trader.now_ms)
        trader.changed(listing)

    def look(self, listing: Listing, book: Book) -> None:
        """Sell what is due now."""
        trader, plan, now_ms = self.trader, listing.exit_plan, self.trader.now_ms
        bid = book.best_bid_ticks
        if plan is None or not bid or not book.is_live:
            return
        held = min(listing.held_lots, trader.position(listing.instrument))
        if held <= 0:
            if listing.live_exit is None:
                self._close(listing)
            return
        why, lots = plan.decide(bid, listing.exited_lots, now_ms)
        if plan.is_trailing and plan.high_ticks * 1000 >= listing.saved_high_ticks * 1005:
            # A restart has to know from where the stop trails, to half a percent.
            listing.saved_high_ticks = plan.high_ticks
            trader.changed(listing)
        live = listing.live_exit
        if live is not None:
            if why and why != "take profit" and live.why == RESTING:
                trader.cancel(live.no)
            return
        reason = why or (RESTING if trader.settings.resting_exits else "")
        if reason and reason != listing.exit_why:
            listing.exit_why, listing.exit_retry_ms, listing.exit_step_ms = reason, 0, 0
        if listing.halted_ms and bid != listing.halted_bid_ticks:
            self._try_sooner(listing)
        if now_ms < listing.exit_retry_ms:
            return
        if why:
            self._sell(listing, plan, book, why, min(lots, held))
        elif trader.settings.resting_exits:
            self._rest(listing, plan, held)

    def on_trade(self, listing: Listing, book: Book) -> None:
        """Others trade: so the venue may take sales again."""
        if listing.halted_ms:
            self._try_sooner(listing)
            self.look(listing, book)

    def on_order(self, listing: Listing, record: OrderRecord, order: Order) -> None:
        """An exit was acknowledged, filled, ended or lost sight of."""
        trader, now_ms = self.trader, self.trader.now_ms
        news = record.is_open or order.filled_lots > record.filled_lots
        if not record.is_open:
            # Told late, of an order that had ended: what it sold is counted as it was.
            listing.sold_lots += order.filled_lots - record.filled_lots
            listing.proceeds += order.filled_money - record.filled_money
        record.filled_lots, record.filled_money = order.filled_lots, order.filled_money
        if record.is_open and not order.is_open:
            listing.sold_lots += order.filled_lots
            listing.proceeds += order.filled_money
            record.is_open = False
        unknown = order.state_name == "UNKNOWN"
        if unknown and listing.state is State.MANAGING:
            listing.unknown_from = State.MANAGING
            listing.move(State.UNKNOWN, now_ms, f"exit {order.order_no} is being looked for")
        elif not unknown and listing.state is State.UNKNOWN:
            listing.move(State.MANAGING, now_ms)
        if news and not order.is_open and listing.state is State.MANAGING:
            self._after(listing, record, order)
        trader.changed(listing)

    def check_market(self, listing: Listing) -> None:
        """The instrument changed: tell where it can no longer be sold, and try at once where it can again."""
        spec = self.trader.spec(listing.instrument)
        if spec.tradable != 1:
            self.stuck(listing, _TELLING[Reason.NOT_TRADABLE])
        elif not spec.sides & SELL_BIT:
            self.stuck(listing, _TELLING[Reason.SIDE_NOT_ALLOWED])
        elif listing.exit_blocked and not listing.exit_blocked.startswith(OUT_OF_BAND):
            listing.exit_blocked = ""
            listing.exit_told.clear()
            listing.note = "it can be sold again"
            listing.exit_retry_ms = listing.exit_step_ms = listing.halted_ms = 0
            self.trader.changed(listing)

    # Steps.

    def _sell(self, listing: Listing, plan: ExitPlan, book: Book, why: str, lots: int) -> None:
        settings, scale = self.trader.settings, plan.scale
        bid = book.best_bid_ticks
        if not scale.is_sellable(lots, bid):
            return self._too_small(listing, plan, lots)
        slippage_ppm = 0 if listing.exit_at_bid else settings.exit_slippage_ppm
        ask = book.best_ask_ticks
        price = exit_price(scale, bid, ask, slippage_ppm, settings.band_margin_ppm) or exit_price(
            scale, bid, ask, slippage_ppm, 0
        )
        if not price:
            self._rest_a_while(listing, f"{why}: {OUT_OF_BAND}", grows=False)
            return self.stuck(listing, OUT_OF_BAND)
        lots = scale.capped(lots, bid)
        self._send(listing, price, lots - lots % scale.lot_step, OrderType.IOC, why)

    def _rest(self, listing: Listing, plan: ExitPlan, held: int) -> None:
        """Put the next take profit into the book; where the gate's collar forbids that, it is watched for instead."""
        step = plan.next_step(listing.exited_lots)
        if step is None:
            return
        price = step.trigger_ticks + -step.trigger_ticks % plan.scale.tick_step
        lots = plan.scale.capped(min(step.until_lots - listing.exited_lots, held), price)
        if plan.scale.is_sellable(lots, price):
            self._send(listing, price, lots, OrderType.LIMIT, RESTING)

    def _send(self, listing: Listing, price: int, lots: int, order_type: OrderType, why: str) -> None:
        trader = self.trader
        number = trader.sell(listing.instrument, price, lots, order_type)
        if number:
            listing.exit_with(OrderRecord(number, lots, price, why=why))
            trader.note_order(number, listing)
            trader.changed(listing)
            return
        reason = trader.denied_reason
        self._rest_a_while(listing, f"{why}: denied, {reason_name(reason)}", grows=reason not in TRANSIENT)
        if (
            reason in _TELLING
            or (reason in _PRICING and why in _URGENT)
            or (reason not in PASSING and why != RESTING)
        ):
            self.stuck(listing, _TELLING.get(reason, f"denied, {reason_name(reason)}"))

    def _after(self, listing: Listing, record: OrderRecord, order: Order) -> None:
        """An exit ended: done, go on at once, or later."""
        if listing.held_lots <= 0:
            self._close(listing)
            return
        if order.filled_lots:
            listing.exit_retry_ms = listing.exit_step_ms = listing.halted_ms = 0
            listing.exit_blocked, listing.exit_at_bid = "", False
            listing.exit_told.clear()
            self.look(listing, self.trader.book(listing.instrument))
        elif record.why == RESTING and order.is_canceled:
            self.look(listing, self.trader.book(listing.instrument))
        else:
            code = order.venue_code
            note = f"{record.why}: refused, {code}" if code else f"{record.why}: missed"
            self._rest_a_while(listing, note, is_halted=code in HALT_CODES)
            listing.halted_ms = 0
            if code in HALT_CODES:
                listing.halted_ms = self.trader.now_ms
                listing.halted_bid_ticks = self.trader.book(listing.instrument).best_bid_ticks
                self.stuck(listing, f"the venue refuses sales, {code}")
            elif code in PRICE_CODES:
                if listing.exit_at_bid:
                    self.stuck(listing, f"{OUT_OF_BAND}, {code}")
                listing.exit_at_bid = True

    def _rest_a_while(
        self, listing: Listing, note: str, *, grows: bool = True, is_halted: bool = False
    ) -> None:
        """No exit for a while. A stop waits for no more than a moment, but where the venue refuses whatever is sold."""
        settings = self.trader.settings
        is_short = listing.exit_why in _URGENT and not is_halted
        most_ms = settings.stop_retry_max_ms if is_short else settings.exit_retry_max_ms
        step = listing.exit_step_ms * 2 if grows else listing.exit_step_ms
        wait_ms = min(step or settings.exit_retry_ms, most_ms)
        if grows:
            listing.exit_step_ms = wait_ms
        listing.exit_retry_ms = self.trader.now_ms + wait_ms
        if listing.note != note and not listing.exit_blocked:
            listing.note = note
            self.trader.changed(listing)

    def _try_sooner(self, listing: Listing) -> None:
        """A sign that it trades: try once, and no sooner than a pause after the refusal. The back-off stays where it was."""
        trader = self.trader
        sooner_ms = max(listing.halted_ms + trader.settings.halted_retry_ms, trader.now_ms)
        if sooner_ms < listing.exit_retry_ms:
            listing.exit_retry_ms = sooner_ms
            trader.wake(listing)

    def _too_small(self, listing: Listing, plan: ExitPlan, lots: int) -> None:
        """Less than the venue takes: kept until its time is over, and then written down as what it is."""
        self.stuck(listing, f"{lots} lots are less than the venue's minimum")
        if self.trader.now_ms >= plan.until_ms:
            self._close(listing, "dust")

    def stuck(self, listing: Listing, why: str) -> None:
        """It cannot be sold now: people are told each reason once, until something was sold or may be again."""
        if listing.exit_blocked == why:
            return
        if why not in listing.exit_told:
            listing.exit_told.add(why)
            self.trader.alert(f"{listing.symbol}: {listing.held_lots} lots cannot be sold: {why}")
        listing.exit_blocked = why
        listing.note = f"cannot be sold: {why}"
        self.trader.changed(listing)

    def _close(self, listing: Listing, left: str = "") -> None:
        spec = self.trader.spec(listing.instrument)
        if left:
            listing.result = f"{left}: {spec.size_text(listing.held_lots)} {spec.base} kept"
        elif listing.held_lots > 0:
            listing.result = "sold by others"
        else:
            cents = (listing.proceeds - listing.filled_money) // 10**14
            listing.result = f"{cents / 10**6:+.6f} {spec.quote} before fees"
        listing.move(State.CLOSED, self.trader.now_ms)
        self.trader.changed(listing)
