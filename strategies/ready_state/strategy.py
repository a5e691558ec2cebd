"""`ready_state`: follows listings from the first announcement, enters as they open, and manages the exits.

This file is the strategy's ears and hands: it turns what the core tells into steps of listings (waiting.py, opening.py,
managing.py) and keeps timers, watched symbols and memos. Nothing here reads a clock but the event's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine import OrderType, Strategy
from engine.core.order import Order
from engine.core.state.books import Book
from engine.core.strategy import Listing as Told
from engine.core.strategy import Trade
from strategies.ready_state import memo, waiting
from strategies.ready_state.entry import plan_entry
from strategies.ready_state.evidence import Board, Evidence
from strategies.ready_state.explain import advance_opportunity
from strategies.ready_state.listing import Listing, OrderRecord
from strategies.ready_state.managing import RESTING, Managing
from strategies.ready_state.opening import Opening
from strategies.ready_state.settings import Settings
from strategies.ready_state.states import State

SWEEP_TIMER = 0
SETTLE_MS = 2_000  # a listing that ended stays so long before it is taken as reconciled
MEMO_EVERY_MS = 1_000  # what changes without a change of state is written so often at most
_ENDING = frozenset({State.NO_FILL, State.BLOCKED, State.CLOSED})
_BUYING = frozenset({State.ARMED, State.OPENING})


class ReadyState(Strategy):
    """Parameters: those of `strategies.ready_state.settings.Settings`, and no others."""

    def __init__(self, **params: Any) -> None:
        self.settings = Settings(**params)
        self.board = Board(self.settings)
        self.opening = Opening(self)
        self.managing = Managing(self)
        self.listings: dict[str, Listing] = {}
        self.by_instrument: dict[int, Listing] = {}
        self.by_order: dict[int, Listing] = {}
        self.by_slot: dict[int, Listing] = {}
        self.unfollowed = 0  # candidates beyond max_listings
        self._told_ms = 0  # until then a source may not have told everything again after a restart
        self._slots = SWEEP_TIMER
        self._sweep_due = False

    @property
    def now_ms(self) -> int:
        """When the current event was received, ms UTC."""
        return self.now_ns // 1_000_000

    # What the core tells.

    def check_limits(self, risk: Mapping[str, Any]) -> None:
        """ValueError where the gate would deny whatever these parameters send."""
        self.settings.check_limits(risk)

    def on_start(self) -> None:
        """Take over the listings of the session before, with their orders and positions as the core has them."""
        if self.is_live:  # its data is real already
            self.settings = self.board.settings = replace(self.settings, real_data_delay_s=0)
        self._told_ms = self.now_ms + self.settings.baseline_s * 1000
        for symbol, value in sorted(self.memos().items()):
            try:
                listing = memo.decode(symbol, value, self._next_slot())
            except ValueError as error:
                self.alert(str(error))
                continue
            self._enlist(listing)
            if not listing.is_final:
                self._resume(listing, value)
            self._catch_up(listing)
            self._evaluate(listing)

    def on_listing(self, told: Told) -> None:
        """Note the evidence. Of a listing that is followed it is classified at once, else a moment later with all others."""
        evidence = self.board.take(told)
        if not self._sweep_due:
            self._sweep_due = True
            self.set_timer(SWEEP_TIMER, self.settings.sweep_ms)
        listing = self.listings.get(evidence.symbol) if evidence is not None else None
        if listing is None or evidence is None:
            return
        self.board.sweep()
        self._evaluate(listing)
        if listing.held_lots > 0 and (why := waiting.vanished(self.board, evidence)):
            self.managing.stuck(listing, why)

    def on_instrument(self, instrument: int) -> None:
        """A watched symbol became an instrument, or one of its values changed."""
        listing = self.by_instrument.get(instrument) or self.listings.get(self.book(instrument).symbol)
        if listing is None or listing.is_final:
            return
        if listing.instrument != instrument:
            listing.instrument = instrument
            self.by_instrument[instrument] = listing
        if listing.state in _BUYING and listing.live_entry is None:
            self._plan(listing)
        if listing.held_lots > 0:
            self.managing.check_market(listing)
        self._evaluate(listing)

    def on_book(self, book: Book) -> None:
        """Enter, or exit; a market that nobody announced yet is evidence."""
        listing = self.by_instrument.get(book.instrument)
        if listing is None:
            return
        if listing.state in _BUYING:
            self.opening.look(listing, book)
            if listing.opened_ms and listing.state is State.ARMED:
                self._evaluate(listing)
        elif listing.state is State.MANAGING:
            self.managing.look(listing, book)
        elif listing.is_waiting and not listing.opened_ms:
            self._see_market(listing, book)

    def on_trade(self, trade: Trade) -> None:
        """A trade shows a market as open as nothing else does, before its time, too; price and size come from the book."""
        listing = self.by_instrument.get(trade.instrument)
        if listing is None:
            return
        listing.traded = True
        if listing.state is State.MANAGING:
            self.managing.on_trade(listing, self.book(trade.instrument))
        else:
            self.on_book(self.book(trade.instrument))

    def on_order(self, order: Order) -> None:
        """To the listing whose order it is."""
        listing = self.by_order.get(order.order_no) or self._owner(order)
        if listing is None:
            return
        record = listing.recall(order)
        if order.is_buy:
            self.opening.on_order(listing, record, order)
        else:
            self.managing.on_order(listing, record, order)
        self._evaluate(listing)

    def on_timer(self, timer_id: int) -> None:
        """A sweep, or a listing's time."""
        if timer_id == SWEEP_TIMER:
            self._sweep_due = False
            self._sweep()
            return
        listing = self.by_slot.get(timer_id)
        if listing is not None:
            now_ms = self.now_ms
            listing.timers_ms = [at for at in listing.timers_ms if at > now_ms]
            if listing.unsaved:
                self.changed(listing)
            self._evaluate(listing)
            if 0 < listing.refresh_ms <= now_ms and not listing.unsaved:
                self.changed(listing)

    # What the parts ask for.

    def note_order(self, order_no: int, listing: Listing) -> None:
        """Remember whose order it is."""
        self.by_order[order_no] = listing
        listing.last_no = order_no

    def position_began(self, listing: Listing) -> None:
        """The entry bought something: its exits begin."""
        self._watch(listing, must=True)
        self.managing.begin(listing)
        self.managing.look(listing, self.book(listing.instrument))

    def changed(self, listing: Listing) -> None:
        """Put the listing as it is now into its memo."""
        listing.unsaved = False
        evidence = self.board.by_symbol.get(listing.symbol)
        confidence = self._confidence(listing, evidence)
        spec = self.spec(listing.instrument) if listing.instrument >= 0 else None
        self.memo(listing.symbol, memo.encode(listing, evidence, confidence, spec))
        listing.saved_ms, listing.refresh_ms = self.now_ms, 0
        if evidence is not None:
            listing.told = memo.gist(listing, evidence, confidence)

    def save_later(self, listing: Listing) -> None:
        """Write the memo in an event of its own: the order of this one leaves the sooner. See _adopt."""
        listing.unsaved = True
        self.set_timer(listing.slot, 0)

    def _confidence(self, listing: Listing, evidence: Evidence | None) -> int:
        confidence = 0 if evidence is None else self.board.confidence(evidence)
        if evidence is not None and listing.state is State.ANNOUNCED and not confidence:
            confidence = advance_opportunity(evidence.title, listing.open_ms, self.now_ms)
        return confidence

    def _refresh_later(self, listing: Listing) -> None:
        """Where the memo would say something else than it does: write it in a timer's event, once a second at most."""
        evidence = self.board.by_symbol.get(listing.symbol)
        if evidence is None or listing.is_final or listing.unsaved or listing.refresh_ms:
            return
        if memo.gist(listing, evidence, self._confidence(listing, evidence)) != listing.told:
            listing.refresh_ms = max(self.now_ms + 1, listing.saved_ms + MEMO_EVERY_MS)

    # Listings.

    def _sweep(self) -> None:
        board, now_ms = self.board, self.now_ms
        board.sweep()
        touched: dict[str, Evidence] = {}
        if now_ms >= self._told_ms:
            touched, board.touched = board.touched, {}
        elif not self._sweep_due:
            # Half of what the sources have to say may make an old symbol look like a new one.
            self._sweep_due = True
            self.set_timer(SWEEP_TIMER, self._told_ms - now_ms)
        for symbol, evidence in touched.items():
            listing = self.listings.get(symbol)
            # One that was entered, or refused, is not entered again because somebody names a new time.
            missed = listing is not None and listing.state in (State.CANCELLED, State.STALE)
            if listing is None or (missed and evidence.latest_open_ms > listing.open_ms):
                if board.is_candidate(evidence, now_ms):
                    self._follow(evidence, 0 if listing is None else listing.generation + 1)
                elif listing is None:
                    board.drop(symbol)
        for listing in list(self.listings.values()):
            if listing.is_waiting:
                self._evaluate(listing)

    def _follow(self, evidence: Evidence, generation: int) -> None:
        """Begin to follow a symbol; where there is no room, in place of one that is announced without a time."""
        is_full = len(self.listings) >= self.settings.max_listings and evidence.symbol not in self.listings
        if is_full and not self._make_room(evidence):
            self.unfollowed += 1
            return
        instrument = self.instrument_of(evidence.symbol)
        if instrument >= 0 and any(order.is_buy and order.filled_lots for order in self.history(instrument)):
            return
        if (old := self.listings.get(evidence.symbol)) is not None:
            self._forget(old)
        listing = Listing(evidence.symbol, self._next_slot(), since_ms=self.now_ms)
        listing.listing_id, listing.generation = evidence.listing_id, generation
        listing.open_ms = evidence.open_ms
        self._enlist(listing)
        self.changed(listing)
        self._evaluate(listing)

    def _make_room(self, evidence: Evidence) -> bool:
        if waiting.is_hopeless(evidence):
            return False
        for listing in self.listings.values():
            known = self.board.by_symbol.get(listing.symbol)
            if listing.is_final or (known is not None and listing.is_waiting and waiting.is_hopeless(known)):
                self._forget(listing)
                self.memo(listing.symbol, b"")
                return True
        return False

    def _enlist(self, listing: Listing) -> None:
        self.listings[listing.symbol] = listing
        self.by_slot[listing.slot] = listing

    def _forget(self, listing: Listing) -> None:
        del self.listings[listing.symbol], self.by_slot[listing.slot]
        self._release(listing)
        self.by_order = {no: owner for no, owner in self.by_order.items() if owner is not listing}

    def _release(self, listing: Listing) -> None:
        """No more books of it are needed."""
        self.by_instrument.pop(listing.instrument, None)
        if listing.watched:
            listing.watched = False
            self.unwatch(listing.symbol)

    def _next_slot(self) -> int:
        self._slots += 1
        return self._slots

    def _see_market(self, listing: Listing, book: Book) -> None:
        """A book of a listing that is not armed: an early opening, or one that evidence lags behind."""
        if waiting.shows_market(listing, book, self.spec(book.instrument), self.now_ms, self.settings):
            self.board.note_market(listing.symbol, self.now_ns)
            self.board.sweep()
            listing.opened_ms = self.now_ms
            self._evaluate(listing)

    # Steps of one listing.

    def _evaluate(self, listing: Listing) -> None:
        """Go as far as evidence and time carry it now, and set the timer for what is next."""
        state = listing.state
        self.opening.take_back(listing)
        if listing.is_waiting or (state is State.OPENING and listing.live_entry is None):
            self._before_entry(listing)
        elif state is State.MANAGING:
            self.managing.look(listing, self.book(listing.instrument))
        if listing.state in _ENDING:
            self._settle(listing)
        if listing.state is not state and not listing.unsaved:
            self.changed(listing)
        self._refresh_later(listing)
        if listing.is_final and listing.watched:
            self._release(listing)
        is_over = listing.is_final and listing.live_entry is None
        if is_over and self.now_ms >= listing.since_ms + self.settings.keep_finished_s * 1000:
            self._forget(listing)
            self.memo(listing.symbol, b"")
            self.board.drop(listing.symbol)
        else:
            self.wake(listing)

    def _before_entry(self, listing: Listing) -> None:
        board, settings, now_ms = self.board, self.settings, self.now_ms
        evidence = board.by_symbol.get(listing.symbol)
        if evidence is None:
            if now_ms >= self._told_ms:
                self._end(listing, State.CANCELLED, "no source has it any more")
            return
        if why := waiting.vanished(board, evidence):
            return self._end(listing, State.CANCELLED, why)
        listing.listing_id = listing.listing_id or evidence.listing_id
        if evidence.open_ms > 0 or now_ms >= self._told_ms:
            waiting.retime(listing, evidence.open_ms, now_ms, settings)
        if not listing.opened_ms and board.has_market(evidence) and listing.open_ms <= now_ms:
            listing.opened_ms = now_ms
        limit_ms = waiting.limit_ms(listing, evidence, settings)
        if 0 <= limit_ms <= now_ms:
            return self._end(listing, *waiting.verdict(listing, board, evidence))
        waiting.reclass(listing, board, evidence, now_ms)
        if waiting.wants_book(listing, board, evidence, now_ms):
            self._watch(listing)
        if listing.state is State.READY and listing.instrument >= 0:
            self._arm(listing)
        early_ms = listing.open_ms - settings.opening_early_ms
        if listing.state is State.ARMED and (listing.opened_ms or 0 < early_ms <= now_ms):
            listing.move(State.OPENING, now_ms)
        if listing.state is State.OPENING:
            self.opening.look(listing, self.book(listing.instrument))

    def _owner(self, order: Order) -> Listing | None:
        """The listing of an order that none is known to have sent: the symbol's, or one anew for what is held of it."""
        symbol = self.book(order.instrument).symbol
        listing = self.listings.get(symbol)
        if listing is None:
            if not order.is_buy or not order.filled_lots or self._bought(order.instrument) <= 0:
                return None
            listing = Listing(
                symbol, self._next_slot(), State.BLOCKED, self.now_ms, note="forgotten, and executed"
            )
            listing.enter_with(OrderRecord(order.order_no, order.size_lots, order.price_ticks, is_open=False))
            self._enlist(listing)
        listing.instrument = order.instrument
        self.note_order(order.order_no, listing)
        return listing

    def _bought(self, instrument: int) -> int:
        """What this strategy's orders bought and did not sell, as far as it is still there, lots."""
        net = sum(each.filled_lots if each.is_buy else -each.filled_lots for each in self.history(instrument))
        return min(net, self.position(instrument))

    def _watch(self, listing: Listing, *, must: bool = False) -> None:
        """Open its book; `must` is for what is held, whatever max_watched says."""
        if not listing.watched:
            if not must and sum(each.watched for each in self.listings.values()) >= self.settings.max_watched:
                return
            listing.watched = True
            self.watch(listing.symbol)
        if listing.instrument < 0:
            listing.instrument = self.instrument_of(listing.symbol)
        if listing.instrument >= 0:
            self.by_instrument[listing.instrument] = listing

    def _arm(self, listing: Listing) -> None:
        """Take a slot and prepare the entry, where its time is near and the exchange gave an instrument for it."""
        settings, now_ms = self.settings, self.now_ms
        if not waiting.is_time(listing, settings.arm_lead_s, now_ms):
            return
        if sum(each.holds_slot for each in self.listings.values()) >= settings.max_concurrent_trades:
            return
        self._plan(listing)
        listing.move(State.ARMED, now_ms)

    def _plan(self, listing: Listing) -> None:
        evidence = self.board.by_symbol.get(listing.symbol)
        spec = self.spec(listing.instrument)
        listing.plan = plan = plan_entry(
            listing.instrument, spec, self.settings, 0 if evidence is None else evidence.price
        )
        plan.key = listing.attempt_key()
        if listing.switched:
            plan.order_type = OrderType.IOC

    def _end(self, listing: Listing, state: State, why: str) -> None:
        listing.move(state, self.now_ms, why)
        listing.result = f"{state.value.lower().replace('_', ' ')}: {why}"

    def _settle(self, listing: Listing) -> None:
        """What ended is reconciled once core and listing agree that nothing is open; what is still held is told."""
        if self.now_ms < listing.since_ms + SETTLE_MS:
            return
        instrument = listing.instrument
        if instrument >= 0 and (self.orders(instrument) or listing.live_entry or listing.live_exit):
            return
        if instrument >= 0 and listing.held_lots <= 0 and self.position(instrument):
            listing.note = f"{self.position(instrument)} lots on the books are not this listing's"
        listing.move(State.RECONCILED, self.now_ms)
        self.changed(listing)
        # Its slot is free: others may arm.
        for other in list(self.listings.values()):
            if other.state is State.READY:
                self._evaluate(other)

    def wake(self, listing: Listing) -> None:
        """A timer for the earliest moment at which time alone changes something."""
        now_ms = self.now_ms
        moments = (*self._moments(listing), listing.refresh_ms, self.opening.take_back_ms(listing))
        ahead = [at for at in moments if at > now_ms]
        if ahead and (not listing.timers_ms or min(listing.timers_ms) > min(ahead)):
            at = min(ahead)
            listing.timers_ms.append(at)
            self.set_timer(listing.slot, at - now_ms)

    def _moments(self, listing: Listing) -> list[int]:
        settings, state = self.settings, listing.state
        if listing.is_final:
            return [listing.since_ms + settings.keep_finished_s * 1000]
        if state in _ENDING:
            return [listing.since_ms + SETTLE_MS, self.now_ms + SETTLE_MS]
        if state is State.MANAGING and listing.exit_plan is not None:
            return [listing.exit_retry_ms, listing.exit_plan.until_ms]
        if state is State.OPENING and listing.live_entry is not None:
            return []
        evidence = self.board.by_symbol.get(listing.symbol)
        if not (listing.is_waiting or state is State.OPENING):
            return []
        if evidence is None:
            return [self._told_ms]
        return waiting.moments(listing, evidence, settings)

    # Restart.

    def _resume(self, listing: Listing, value: bytes) -> None:
        """Bring a listing of an earlier session up to what the core knows of its orders and position."""
        listing.instrument = instrument = self.instrument_of(listing.symbol)
        if instrument < 0:
            if listing.entry is not None:
                self.alert(f"{listing.symbol}: its memo has orders, but the core has no instrument of it")
            return
        self._adopt(listing)
        if not listing.entries:
            # Armed or not is decided anew from the evidence, which every source tells again.
            if listing.state is State.OPENING:
                listing.move(State.POSTPONED, self.now_ms, "the session was restarted")
            return
        self._watch(listing)
        listing.exit_plan = memo.restore_plan(
            listing, value, self.spec(instrument), self.settings.trailing_ppm
        )
        for record in [each for each in (*listing.entries, *listing.exits) if each.no > 0]:
            self.by_order[record.no] = listing
            order = self.order(record.no)
            if order is not None:
                self.on_order(order)
            elif record.is_open:
                self.alert(f"{listing.symbol}: order {record.no} is not known any more: look after it")
        if listing.state in (State.ENTERED, State.PARTIAL):
            self.position_began(listing)

    def _catch_up(self, listing: Listing) -> None:
        """Attempts that had ended, and that the memo does not have: what they executed since is held."""
        instrument = self.instrument_of(listing.symbol)
        merged = -min((record.no for record in listing.earlier), default=0)
        for order in self.history(instrument) if instrument >= 0 else ():
            if not order.is_buy or order.order_no <= merged or order.order_no in self.by_order:
                continue
            self.by_order[order.order_no] = listing
            record = listing.find(order.order_no)
            known = record.filled_lots if record is not None else 0
            listing.instrument = instrument
            if order.filled_lots > known and self._bought(instrument) > 0:
                self.on_order(order)

    def _adopt(self, listing: Listing) -> None:
        """Orders that were placed after the newest memo: a session may have ended between the two."""
        newest, since_ns = listing.last_no, listing.since_ms * 1_000_000
        for order in self.history(listing.instrument):
            if order.order_no <= newest or order.placed_ns < since_ns:
                continue
            listing.last_no = order.order_no
            record = OrderRecord(order.order_no, order.size_lots, order.price_ticks, why="adopted")
            if not order.is_buy:
                record.why = RESTING if order.order_type == OrderType.LIMIT else record.why
                listing.exit_with(record)
            else:
                listing.enter_with(record)
                listing.attempts += 1
                if listing.is_waiting:
                    # An early opening is armed and entered in one event, before any memo of it.
                    for state in (State.READY, State.ARMED, State.OPENING):
                        listing.move(state, self.now_ms)
