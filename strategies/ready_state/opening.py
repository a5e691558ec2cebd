"""Entering: from the first sign of an open market to an order, and from its end to a position, a new attempt or neither.

There is never a second order while one is open or UNKNOWN. Each attempt is an order of its own, with its own client id,
time stamp and signature, and with a key that one listing and attempt share: the gate approves a key once.
"""

from __future__ import annotations

from typing import Protocol

from engine import OrderType
from engine.core.order import Order
from engine.core.risk.limits import MONEY_DECIMALS
from engine.core.risk.reasons import Reason
from engine.core.state.books import Book
from strategies.ready_state.entry import entry_cap, entry_lots, entry_price, reaches, why_no_price
from strategies.ready_state.listing import Listing, OrderRecord
from strategies.ready_state.managing import Trader
from strategies.ready_state.refusals import PASSING, Answer, after_refusal, reason_name
from strategies.ready_state.states import State

DENIED_REST_MS = 20  # after the gate said no for a reason that passes


class Buyer(Trader, Protocol):
    """What an entry needs of the strategy."""

    def buy(
        self, instrument: int, price_ticks: int, size_lots: int, order_type: int = ..., key: int = ...
    ) -> int:
        """As `Strategy.buy`."""

    def order(self, order_no: int) -> Order | None:
        """As `Strategy.order`."""

    def history(self, instrument: int) -> list[Order]:
        """As `Strategy.history`."""

    def save_later(self, listing: Listing) -> None:
        """Write the memo once the order has left."""

    def position_began(self, listing: Listing) -> None:
        """The entry bought something: its exits begin."""


class Opening:
    """Buys what is armed and shows itself open."""

    def __init__(self, buyer: Buyer) -> None:
        self.buyer = buyer

    def shows_open(self, listing: Listing, now_ms: int) -> bool:
        """Whether a live book means that it trades: a trade was seen, the exchange says so, or its time has come."""
        plan = listing.plan
        if plan is None or not plan.tradable:
            return False
        if listing.traded:
            return True
        early_ms = self.buyer.settings.opening_early_ms
        if plan.opens_ms:
            return plan.opens_ms <= now_ms + early_ms  # sooner the gate lets nothing pass without a trade
        return plan.tradable == 1 or (0 < listing.open_ms <= now_ms + early_ms)

    def look(self, listing: Listing, book: Book) -> None:
        """A book, a trade, a change or a timer: enter if that is possible now. The way to buy() is short."""
        plan, buyer = listing.plan, self.buyer
        bid, ask = book.best_bid_ticks, book.best_ask_ticks
        if plan is None or not ask or not bid or not book.is_live or listing.live_entry is not None:
            return
        now_ms, settings = buyer.now_ms, buyer.settings
        if not self.shows_open(listing, now_ms):
            return
        if not listing.opened_ms:
            listing.opened_ms = now_ms
        if now_ms < listing.retry_ms or now_ms < listing.opened_ms + settings.real_data_delay_s * 1000:
            return
        if listing.attempts - listing.spent >= settings.max_attempts:
            return
        if not listing.cap_ticks:
            listing.cap_ticks = entry_cap(plan, ask, settings)
        price = entry_price(plan, bid, ask, listing.cap_ticks, settings, at_ask=listing.repriced)
        if not price:
            self._note_wait(listing, why_no_price(plan, bid, ask, listing.cap_ticks, settings))
            return
        lots = entry_lots(plan, price)
        if not lots:
            self._block(listing, "max_position_usdt buys less than the venue's minimum")
            return
        order_type, limit = plan.order_type, price
        if order_type == OrderType.MARKET:
            if reaches(book, price, lots):
                limit = 0
            else:
                # Our own book does not sell that much up to the limit: what is there is bought, and no more paid.
                order_type = OrderType.IOC
        number = buyer.buy(plan.instrument, limit, lots, order_type, plan.key or listing.attempt_key())
        if number:
            self._sent(listing, number, lots, price)
        else:
            self._denied(listing)

    def on_order(self, listing: Listing, record: OrderRecord, order: Order) -> None:
        """The entry was acknowledged, filled, ended or lost sight of."""
        buyer, now_ms = self.buyer, self.buyer.now_ms
        fee_lots = self._fee_lots(listing, order)
        grown, fees_moved = order.filled_lots > record.filled_lots, fee_lots != record.fee_lots
        record.filled_lots, record.filled_money = order.filled_lots, order.filled_money
        record.fee_lots = fee_lots
        was_open, record.is_open = record.is_open, order.is_open
        state = listing.state
        is_entering = state is State.OPENING or (
            state is State.UNKNOWN and listing.unknown_from is State.OPENING
        )
        if record is not listing.entry or not is_entering or not (was_open or order.is_open):
            if listing.held_lots > 0 and (grown or (fees_moved and state is State.MANAGING)):
                self._filled_late(listing, record)
        elif order.state_name == "UNKNOWN":
            if state is State.OPENING:
                listing.unknown_from = State.OPENING
                listing.move(State.UNKNOWN, now_ms, f"entry {order.order_no} is being looked for")
        elif order.is_open:
            if state is State.UNKNOWN:
                listing.move(State.OPENING, now_ms)
        else:
            self._ended(listing, record, order)
        if not listing.unsaved:  # as of the next attempt, which has just left
            buyer.changed(listing)

    def take_back_ms(self, listing: Listing) -> int:
        """When the entry that rests is to be cancelled (again), 0 where none is: `entry_rest_ms` after it was sent, or
        at once where the listing went on without it.
        """
        record = listing.live_entry
        order = self.buyer.order(record.no) if record is not None else None
        if order is None or order.order_type != OrderType.LIMIT or order.state_name == "UNKNOWN":
            return 0
        due_ms = order.placed_ns // 1_000_000
        if record is listing.entry and listing.state is State.OPENING:
            due_ms += self.buyer.settings.entry_rest_ms
        return max(due_ms, listing.cancel_ms)

    def take_back(self, listing: Listing) -> None:
        """Cancel what rested for its time, again and ever more slowly until it is not open any more."""
        buyer, record = self.buyer, listing.live_entry
        if record is None or not 0 < self.take_back_ms(listing) <= buyer.now_ms:
            return
        settings = buyer.settings
        step = listing.cancel_step_ms * 2 or settings.cancel_retry_ms
        listing.cancel_step_ms = min(step, settings.cancel_retry_max_ms)
        listing.cancel_ms = buyer.now_ms + listing.cancel_step_ms
        buyer.cancel(record.no)

    # Steps.

    def _sent(self, listing: Listing, number: int, lots: int, price: int) -> None:
        buyer, now_ms = self.buyer, self.buyer.now_ms
        listing.attempts += 1
        listing.cancel_ms = listing.cancel_step_ms = 0
        listing.enter_with(OrderRecord(number, lots, price, why=f"attempt {listing.attempts}"))
        listing.refusal = ""
        buyer.note_order(number, listing)
        if listing.state is State.ARMED:
            listing.move(State.OPENING, now_ms)
        assert listing.plan is not None
        listing.plan.key = 0  # the next attempt's is made when there is one
        buyer.save_later(listing)

    def _note_wait(self, listing: Listing, why: str) -> None:
        """The memo says why there is no price for it, each reason once."""
        if why not in listing.waited:
            listing.waited = (*listing.waited, why)
            listing.note = f"waits for a price: {why}"
            self.buyer.changed(listing)

    def _denied(self, listing: Listing) -> None:
        reason = self.buyer.denied_reason
        if reason == Reason.DUPLICATE_INTENT:
            # Either an attempt of our own that the memo forgot, or somebody else entered this listing.
            ours = sum(order.is_buy for order in self.buyer.history(listing.instrument))
            if ours <= listing.attempts:
                self._block(listing, "denied, DUPLICATE_INTENT: it was entered already")
                return
            listing.spent += ours - listing.attempts
            listing.attempts = ours
            if listing.plan is not None:
                listing.plan.key = listing.attempt_key()
        elif reason not in PASSING:
            self._block(listing, f"denied, {reason_name(reason)}")
            return
        elif reason == Reason.SLIPPAGE and listing.plan is not None and not listing.switched:
            # A market order of this size would reach too far: one with a limit takes what is near.
            listing.switched = listing.plan.order_type == OrderType.MARKET
            listing.plan.order_type = OrderType.IOC if listing.switched else listing.plan.order_type
        words = f"denied, {reason_name(reason)}"
        self._pause(listing, DENIED_REST_MS)
        if listing.refusal != words:
            listing.refusal = words
            self.buyer.changed(listing)

    def _ended(self, listing: Listing, record: OrderRecord, order: Order) -> None:
        buyer, now_ms = self.buyer, self.buyer.now_ms
        if order.filled_lots:
            whole = order.filled_lots >= record.lots
            listing.move(State.ENTERED if whole else State.PARTIAL, now_ms)
            listing.result = "entered" if whole else "entered in part"
            buyer.position_began(listing)
            return
        if order.state_name != "FAILED":
            listing.move(State.NO_FILL, now_ms, "the ask was gone before the order came")
            listing.result = "no fill"
            return
        settings = buyer.settings
        answer = after_refusal(order, settings, switched=listing.switched, repriced=listing.repriced)
        words = f"refused, {order.venue_code}" if order.venue_code else "not sent, or never accepted"
        listing.refusal = words
        if answer is Answer.BLOCKED:
            self._block(listing, words)
            return
        if listing.state is State.UNKNOWN:
            listing.move(State.OPENING, now_ms, words)
        listing.note = words
        if answer is Answer.AS_LIMIT and listing.plan is not None:
            listing.switched = True
            listing.plan.order_type = OrderType.IOC
        elif answer is Answer.AT_ASK:
            listing.repriced = True
        else:
            self._wait(listing, settings.busy_retry_ms if answer is Answer.LATER else settings.retry_ms)
            return
        self.look(listing, buyer.book(listing.instrument))

    def _wait(self, listing: Listing, first_ms: int) -> None:
        """Not yet: again later, within the budget. What was tried before its time does not use up that of its time."""
        settings, now_ms = self.buyer.settings, self.buyer.now_ms
        if listing.attempts - listing.spent >= settings.max_attempts:
            opening_ms = listing.open_ms - settings.opening_early_ms
            if now_ms >= opening_ms:
                self._block(listing, f"{listing.refusal}, {listing.attempts} times")
                return
            listing.spent = listing.attempts
            listing.opened_ms, listing.retry_ms, listing.retry_step_ms = listing.open_ms, opening_ms, 0
            return
        self._pause(listing, first_ms)

    def _pause(self, listing: Listing, first_ms: int) -> None:
        """Nothing is sent for a while, which grows from one refusal to the next."""
        settings = self.buyer.settings
        step = listing.retry_step_ms * settings.retry_growth_percent // 100
        listing.retry_step_ms = max(min(step, settings.retry_max_ms), first_ms)
        listing.retry_ms = self.buyer.now_ms + listing.retry_step_ms

    def _block(self, listing: Listing, why: str) -> None:
        listing.move(State.BLOCKED, self.buyer.now_ms, why)
        listing.result = f"blocked: {why}"
        self.buyer.changed(listing)

    def _fee_lots(self, listing: Listing, order: Order) -> int:
        """The lots that a fee in the base asset took, rounded up."""
        spec = self.buyer.spec(listing.instrument)
        return int(-(-order.base_fees // 10 ** (MONEY_DECIMALS - spec.size_decimals)))

    def _filled_late(self, listing: Listing, record: OrderRecord) -> None:
        """An order executed after it was given up, or after the listing had ended: it is held, so it is managed."""
        buyer = self.buyer
        if record is not listing.entry or listing.state is not State.MANAGING:
            buyer.alert(
                f"{listing.symbol}: order {record.no} was executed late ({listing.state.value}): "
                f"{listing.held_lots} lots are held and managed"
            )
        buyer.position_began(listing)
