"""The core: one pure, compiled `process` for live, paper, replay and backtest.

It reads no clock, draws no random number and does no input or output: time, ids and seeds come in with events. What it
answers lies in one buffer of output records; the rim journals them first and acts on them then.
"""

from libc.stdint cimport INT64_MAX
from libc.string cimport memcpy, memset

from engine.core.apply cimport apply_record, last_order
from engine.core.check cimport check_event, checked
from engine.core.audience cimport Audience
from engine.core.event cimport *
from engine.core.money cimport money_int, money_less, money_put
from engine.core.order cimport order_view
from engine.core.risk.breakers cimport drawdown_trips, errors_trip, loss_trips, rejects_trip, volatility_rests, volatility_turns
from engine.core.state.books cimport BOOK_CHANGED, BOOK_DAMAGED, BOOK_HOLE
from engine.core.state.orders cimport find_order, open_numbers
from engine.core.state.portfolio cimport realised_profit, refresh_exposure, total_equity
from engine.core.state.state cimport (
    MAX_SOURCES, NO_STRATEGY, ORDER_SLOTS, TRUST_LIVE, TRUST_RESYNCING, TRUST_STALE, UNKNOWN,
    recent_expect, recent_has, recent_key, source_t,
)
from engine.core.strategy cimport WANTS_BOOK, WANTS_ORDER, WANTS_TIMER, WANTS_TRADE, Strategy, Trade
from native.level cimport level_t

import hashlib

from engine.core.risk.reasons import Reason

cdef extern from "string.h" nogil:
    size_t strnlen(const char* text, size_t most)

cdef extern from *:
    """
    #define prefetch(at) __builtin_prefetch((at), 1)
    """
    void prefetch(const void* at) nogil

cdef int64_t REHEARSED_MOST = 64
cdef int64_t DAY_NS = 86_400_000_000_000
cdef int64_t EVENT_LATEST_NS = 1 << 62
cdef int64_t OFFSET_WINDOW_NS = 60_000_000_000

ALERT_ORPHAN = 1                           # evidence of an order that is not, or no longer, known
ALERT_OVERFILLED = 2
ALERT_REFUSED = 4                          # 3 is a strategy's own: engine/core/desk.pyx


cdef class Engine(Audience):
    """The core. Feed it events in sequence; take its outputs after each."""

    def __cinit__(self):
        self.trade = Trade()

    cdef int apply(self, const event_t* record) except -1:
        """Restart: one record of the journal, durable state only."""
        self.c.seq = max(self.c.seq, record.seq)
        self.c.now_ns = max(self.c.now_ns, record.ts_recv_ns)
        try:
            apply_record(self.state, record)
        except (ValueError, OverflowError, KeyError):
            # The live core refused this input after it was journaled; it left the same state behind then.
            if record.kind >= ACTION_PLACE:
                raise
            self.refused += 1
        if record.kind == EVENT_INSTRUMENT:
            self.add_books()
        return 0

    cdef int process(self, const event_t* event) except -1:
        """One event in; the outputs lie in `out`, and are to be chained after. ValueError where its number is not above the one
        before."""
        cdef const char* body = <const char*>event + sizeof(event_t)
        # What an event put out is chained once it has left; what comes meanwhile puts out its own behind it.
        if self.chained == self.out_length:
            self.out_length = self.chained = 0
        self.out_first = self.out_length
        self.intents_in_event = 0
        if event.seq <= self.c.seq:
            raise ValueError(f"event {event.seq} comes after event {self.c.seq}")
        self.c.seq = event.seq
        check_event(event)
        # A clock that steps back must not make anything young again.
        self.c.now_ns = max(self.c.now_ns, event.ts_recv_ns)
        self.events += 1
        if event.kind <= EVENT_QUOTE and event.kind != EVENT_BOOK_SNAPSHOT and event.source < MAX_SOURCES:
            # A snapshot came by another way and has another clock: it says nothing of the feed.
            self.hear(event)
        if event.kind == EVENT_BOOK_DELTA:
            return self.on_delta(event, <const book_t*>body)
        if event.kind == EVENT_TRADES:
            return self.on_trades(event, <const trades_t*>body)
        if event.kind == EVENT_BOOK_SNAPSHOT:
            return self.on_snapshot(event, <const book_t*>body)
        if event.kind == EVENT_TIMER:
            return self.on_timer(<const timer_t*>body)
        if event.kind == EVENT_FEED:
            return self.on_feed(event, <const feed_t*>body)
        if event.kind == EVENT_CONFLATION:
            return self.on_conflation(event, <const conflation_t*>body)
        if event.kind == EVENT_MALFORMED:
            return self.on_malformed(event, <const malformed_t*>body)
        if event.kind == EVENT_HEALTH:
            return self.on_health(<const health_t*>body)
        if event.kind == EVENT_LISTING:
            return self.on_listing(event, <const listing_t*>body)
        if EVENT_START <= event.kind <= EVENT_RECONCILED:
            return self.on_durable(event)
        return 0

    cdef void hear(self, const event_t* event) noexcept:
        """Note that a feed lives, and how much later than its quickest event this one came."""
        cdef source_t* source = &self.c.sources[event.source]
        cdef int64_t offset_ns = event.ts_recv_ns - event.ts_event_ns
        source.last_recv_ns = event.ts_recv_ns
        source.frames += 1
        if not 0 < event.ts_event_ns <= EVENT_LATEST_NS:
            return
        if event.ts_recv_ns - source.window_since_ns >= OFFSET_WINDOW_NS:
            # Two half-overlapping windows: the offset follows a drifting clock within a minute or two.
            source.offset_ns = source.offset_next_ns if source.window_since_ns else offset_ns
            source.offset_next_ns = offset_ns
            source.window_since_ns = event.ts_recv_ns
        source.offset_next_ns = min(source.offset_next_ns, offset_ns)
        source.offset_ns = min(source.offset_ns, offset_ns)
        source.lag_ns = offset_ns - source.offset_ns

    cdef Book book_of(self, const event_t* event):
        if 0 <= event.instrument < len(self.books):
            return <Book>self.books[event.instrument]
        return None

    cdef int on_delta(self, const event_t* event, const book_t* delta) except -1:
        cdef Book book = self.book_of(event)
        cdef int outcome
        if book is None:
            return 0
        outcome = book.on_delta(delta, <const level_t*>(delta + 1), self.c.now_ns)
        if outcome == BOOK_CHANGED:
            return self.book_changed(book)
        if outcome == BOOK_HOLE or outcome == BOOK_DAMAGED:
            return self.resync(book, outcome)
        return 0

    cdef int on_snapshot(self, const event_t* event, const book_t* snapshot) except -1:
        cdef Book book = self.book_of(event)
        cdef int outcome
        if book is None or book.market.trust == TRUST_STALE:
            return 0
        outcome = book.on_snapshot(snapshot, <const level_t*>(snapshot + 1), self.c.now_ns)
        if outcome == BOOK_CHANGED:
            return self.book_changed(book)
        if outcome == BOOK_HOLE or outcome == BOOK_DAMAGED:
            return self.resync(book, outcome)
        return 0

    cdef int book_changed(self, Book book) except -1:
        cdef breaker_t found
        memset(&found, 0, sizeof(found))
        if volatility_turns(self.c, book.instrument, &found):
            self.open_breaker(&found, book.instrument)
        if not self.started:
            return 0
        for item in <list>self.listeners[book.instrument]:
            strategy = <Strategy>item
            if strategy.wants & WANTS_BOOK and not self.c.strategies[strategy.index].stopped:
                try:
                    strategy.book_slot(book)
                except (Exception, SystemExit) as error:  # a strategy may fail in any way; the rest goes on
                    self.stop(strategy, "on_book", error)
        return 0

    cdef int on_trades(self, const event_t* event, const trades_t* trades) except -1:
        cdef const trade_t* items = <const trade_t*>(trades + 1)
        cdef Trade trade = self.trade
        cdef uint32_t i
        if not 0 <= event.instrument < len(self.books):
            return 0
        for i in range(trades.n_trades):
            self.c.markets[event.instrument].last_trade_ticks = items[i].price_ticks
            if not self.started:
                continue
            trade.instrument = event.instrument
            trade.price_ticks = items[i].price_ticks
            trade.size_lots = items[i].size_lots
            trade.ts_event_ns = items[i].ts_event_ns
            trade.side = items[i].side
            for item in <list>self.listeners[event.instrument]:
                strategy = <Strategy>item
                if strategy.wants & WANTS_TRADE and not self.c.strategies[strategy.index].stopped:
                    try:
                        strategy.trade_slot(trade)
                    except (Exception, SystemExit) as error:  # as in book_changed
                        self.stop(strategy, "on_trade", error)
        return 0

    cdef int on_feed(self, const event_t* event, const feed_t* feed) except -1:
        """Down: its books are STALE. Up: they are RESYNCING, and a snapshot of each is asked for."""
        cdef source_t* source
        cdef Book book
        if event.source >= MAX_SOURCES:
            return 0
        source = &self.c.sources[event.source]
        source.up = feed.up
        source.private_ = feed.private_
        source.last_recv_ns = event.ts_recv_ns
        source.window_since_ns = 0
        source.lag_ns = 0
        if feed.private_:
            # What was missed is not pushed again: trading waits for a reconciliation.
            self.c.reconcile_pending = 1
            return 0
        for book in self.books:
            if self.c.instruments[book.instrument].source == event.source:
                book.distrust(TRUST_RESYNCING if feed.up else TRUST_STALE)
                if feed.up:
                    self.resync(book, 0)
        return 0

    cdef int on_conflation(self, const event_t* event, const conflation_t* conflation) except -1:
        """On: deltas are left out, so the feed's books are STALE, and it lags too far to trade by, however little that is.
        Off: its books are RESYNCING, and a snapshot of each is asked for."""
        cdef source_t* source
        cdef Book book
        if event.source >= MAX_SOURCES:
            return 0
        source = &self.c.sources[event.source]
        source.lag_ns = max(conflation.lag_ns, self.c.limits.max_feed_lag_ns + 1) if conflation.on else 0
        for book in self.books:
            if self.c.instruments[book.instrument].source == event.source:
                book.distrust(TRUST_STALE if conflation.on else TRUST_RESYNCING)
                if not conflation.on:
                    self.resync(book, 0)
        return 0

    cdef int on_malformed(self, const event_t* event, const malformed_t* malformed) except -1:
        cdef Book book = self.book_of(event)
        if event.source < MAX_SOURCES and self.c.sources[event.source].private_:
            # It may have been word of an order of ours.
            self.c.reconcile_pending = 1
        if not malformed.integrity:
            return 0
        for each in (self.books if book is None else [book]):
            book = <Book>each
            # A frame of unknown symbol may have been anybody's delta on that feed.
            if self.c.instruments[book.instrument].source == event.source and book.market.trust == TRUST_LIVE:
                book.distrust(TRUST_RESYNCING)
                self.resync(book, BOOK_DAMAGED)
        return 0

    cdef int resync(self, Book book, uint32_t reason) except -1:
        cdef resync_t* body = <resync_t*>self.begin(ACTION_RESYNC, book.instrument, NO_STRATEGY, sizeof(resync_t))
        body.reason = reason
        body.attempt = book.resync_attempt
        return self.commit()

    cdef int on_health(self, const health_t* health) except -1:
        if health.field == HEALTH_JOURNAL:
            self.c.journal_broken = health.value == 0
        elif health.field == HEALTH_CLOCK_SKEW:
            self.c.clock_skew_ns = max(health.value, -INT64_MAX)
        elif health.field == HEALTH_DISK:
            self.c.disk_state = <uint32_t>min(max(health.value, 0), 2)
        return 0

    cdef int on_timer(self, const timer_t* timer) except -1:
        if timer.strategy == NO_STRATEGY:
            return self.keep_house()
        for item in self.strategies:
            strategy = <Strategy>item
            if strategy.index == timer.strategy and strategy.wants & WANTS_TIMER and self.started:
                if not self.c.strategies[strategy.index].stopped:
                    try:
                        strategy.timer_slot(timer.timer_id)
                    except (Exception, SystemExit) as error:  # as in book_changed
                        self.stop(strategy, "on_timer", error)
        return 0

    cdef int on_durable(self, const event_t* event) except -1:
        cdef const command_t* command = <const command_t*>(<const char*>event + sizeof(event_t))
        cdef size_t length
        if event.kind == EVENT_COMMAND:
            if command.at_intent:
                raise ValueError("a halt between two intents is the core's own record, no input")
            length = strnlen(command.idempotency_id, 40)
            if length and recent_has(&self.c.command_ids, recent_key(command.idempotency_id, length)):
                return 0
        if event.kind == EVENT_START:
            self.forget_session()
        apply_record(self.state, event)
        if event.kind == EVENT_INSTRUMENT:
            self.on_instrument(<const instrument_t*>(event + 1))
        elif event.kind == EVENT_ORDER_UPDATE or event.kind == EVENT_FILL:
            self.order_changed(event, last_order())
        elif event.kind == EVENT_COMMAND:
            self.obey(command, event.instrument)
        elif event.kind == EVENT_START:
            self.ask_all(ACTION_QUERY)
        elif event.kind == EVENT_RECONCILED:
            self.start_strategies()
        return 0

    cdef int forget_session(self) except -1:
        self.state.reset_volatile()
        self.started = False
        self.told_early = []
        for book in self.books:
            (<Book>book).distrust(TRUST_STALE)
        return 0

    cdef int flatten(self, int32_t instrument) except -1:
        """Cancel what is open on an instrument, or on all (-1), and bring the position to zero."""
        cdef int32_t i
        cdef int32_t first = max(instrument, 0)
        cdef int32_t last = <int32_t>self.c.totals.instruments if instrument < 0 else instrument + 1
        if self.operator is None or not self.started:
            return self.alert(ALERT_REFUSED, "nothing can be flattened before venue and core agree")
        if last > <int32_t>self.c.totals.instruments:
            return self.alert(ALERT_REFUSED, f"there is no instrument {instrument} to flatten")
        for i in range(first, last):
            for order in self.open_orders(i):
                if not order.cancel_pending:
                    self.release_cancel(find_order(self.c, order.order_no))
            self.operator.flatten(i)
        return 0

    cdef int rehearse_delta(self, const event_t* event) except -1:
        """The way of a book's change up to the book, with nothing changed."""
        cdef Book book = self.book_of(event)
        cdef const book_t* delta = <const book_t*>(<const char*>event + sizeof(event_t))
        if event.kind == EVENT_BOOK_DELTA and book is not None:
            book.rehearse(delta, <const level_t*>(delta + 1))
        return 0

    cdef int rehearse_cancel_all(self) except -1:
        """The way of a command that commands nothing, and by no id; and what a cancel of all touches, where that is not much."""
        cdef told_t told
        cdef uint64_t numbers[ORDER_SLOTS]
        cdef const order_t* order
        cdef uint32_t i
        memset(&told, 0, sizeof(told))
        told.header.kind = EVENT_COMMAND
        told.header.length = sizeof(command_t)
        check_event(&told.header)
        apply_record(self.state, &told.header)
        recent_expect(&self.c.command_ids)
        if self.c.totals.open_orders > REHEARSED_MOST:
            return 0
        for i in range(open_numbers(self.c, numbers)):
            order = find_order(self.c, numbers[i])
            prefetch(order)
            prefetch(&order.venue_order_id)
        return 0

    cdef int ask_all(self, uint16_t kind) except -1:
        """A QUERY for every UNKNOWN order, or a CANCEL for every open one, in the order they were placed."""
        cdef uint64_t numbers[ORDER_SLOTS]
        cdef order_t* order
        cdef uint32_t i
        cdef bint is_first = True
        for i in range(open_numbers(self.c, numbers)):
            order = find_order(self.c, numbers[i])
            if kind == ACTION_QUERY:
                if order.state == UNKNOWN:
                    self.ask(kind, order)
            elif not order.cancel_pending:
                self.release_cancel(order)
                if is_first and self.outlet is not None:
                    self.outlet.on_first_cancel()  # the others are decided while it is on its way
                is_first = False
        return 0

    cdef int obey(self, const command_t* command, int32_t instrument) except -1:
        cdef order_t* order
        if command.command == COMMAND_CANCEL_ALL:
            return self.ask_all(ACTION_CANCEL)
        if command.command == COMMAND_FLATTEN:
            return self.flatten(instrument)
        if command.command == COMMAND_CANCEL:
            order = find_order(self.c, command.order_no)
            if order != NULL and order.open_ and not order.cancel_pending:
                return self.release_cancel(order)
        elif command.command == COMMAND_RESUME:
            self.note_equity(True)
        return 0

    cdef int order_changed(self, const event_t* event, const order_t* order) except -1:
        """Tell the owner, ask where evidence is wanting, and judge the breakers anew."""
        cdef const order_update_t* update = <const order_update_t*>(<const char*>event + sizeof(event_t))
        cdef breaker_t found
        memset(&found, 0, sizeof(found))
        if errors_trip(self.c, &found) or rejects_trip(self.c, &found):
            self.open_breaker(&found, -1)
        self.judge_equity()
        if order == NULL:
            if event.kind == EVENT_ORDER_UPDATE:
                self.alert(ALERT_ORPHAN, f"evidence of an unknown order {update.order_no}", event.instrument)
            return 0
        if event.kind == EVENT_ORDER_UPDATE and (
                update.report == REPORT_AMBIGUOUS or update.report == REPORT_CANCEL_REJECTED
                or (update.report == REPORT_FILLED and order.filled_lots < order.size_lots)):
            self.ask(ACTION_QUERY, order)
        if order.filled_lots > order.size_lots:
            self.alert(ALERT_OVERFILLED, f"order {order.order_no} executed more than its size", order.instrument)
        for item in self.strategies:
            strategy = <Strategy>item
            if strategy.index == order.strategy and strategy.wants & WANTS_ORDER and self.started:
                if not self.c.strategies[strategy.index].stopped:
                    try:
                        strategy.order_slot(order_view(order))
                    except (Exception, SystemExit) as error:  # as in book_changed
                        self.stop(strategy, "on_order", error)
        return 0

    # Money.

    cdef int open_breaker(self, const breaker_t* found, int32_t instrument) except -1:
        cdef breaker_t* body = <breaker_t*>self.begin(ACTION_BREAKER, instrument, NO_STRATEGY, sizeof(breaker_t))
        memcpy(body, found, sizeof(breaker_t))
        return self.commit()

    cdef int judge_equity(self) except -1:
        cdef breaker_t found
        memset(&found, 0, sizeof(found))
        self.c.equity = total_equity(self.c)
        if not self.c.totals.capital_known:
            return 0
        if loss_trips(self.c, &found):
            self.open_breaker(&found, -1)
        if drawdown_trips(self.c, &found):
            self.open_breaker(&found, -1)
        return 0

    cdef int note_equity(self, bint from_here) except -1:
        """Put peak and day's start into the journal where they moved; after a resume they start from here."""
        cdef int64_t day = self.c.now_ns // DAY_NS
        cdef equity_t* body
        if not self.c.totals.capital_known:
            return 0
        if not from_here and day == self.c.totals.day and not money_less(self.c.totals.equity_peak, self.c.equity):
            return 0
        body = <equity_t*>self.begin(ACTION_EQUITY, -1, NO_STRATEGY, sizeof(equity_t))
        body.equity = money_put(self.c.equity)
        body.peak = body.equity
        if not from_here and money_less(self.c.equity, self.c.totals.equity_peak):
            body.peak = money_put(self.c.totals.equity_peak)
        body.day_start = body.equity
        if not from_here and day == self.c.totals.day:
            body.day_start = money_put(self.c.totals.equity_day_start)
        body.day = day
        return self.commit()

    cdef int keep_house(self) except -1:
        """Once a second: value what is open, judge the breakers, let quiet markets trade again."""
        cdef uint32_t i
        cdef breaker_t quiet
        for i in range(self.c.totals.instruments):
            refresh_exposure(self.c, <int32_t>i)
            if volatility_rests(self.c, <int32_t>i, &quiet):
                self.open_breaker(&quiet, <int32_t>i)
        self.judge_equity()
        return self.note_equity(False)

    # The Python face.

    def process_bytes(self, event: bytes) -> bytes:
        """One event, header and body; answers the output records one after another."""
        try:
            self.process(checked(event))
        finally:
            self.chain()
        return self.out[self.out_first:self.out_length]

    def apply_bytes(self, record: bytes) -> None:
        """One journal record at a restart: durable state only, no strategy hears of it."""
        self.apply(checked(record))

    def load_durable(self, saved: bytes, seq: int, now_ns: int) -> None:
        """Take over a snapshot's durable state; ValueError where it is none of this build."""
        self.state.load_durable(saved)
        self.c.seq = seq
        self.c.now_ns = now_ns
        self.add_books()

    def durable_hash(self) -> str:
        """SHA-256 of orders, fills, cash, limits and breakers: the same from the journal alone."""
        return self.state.durable_hash()

    def full_hash(self) -> str:
        """SHA-256 of the durable state and all books: the same from journal and tape."""
        digest = hashlib.sha256(self.state.durable_bytes())
        for book in self.books:
            digest.update((<Book>book).canonical_bytes())
        return digest.hexdigest()

    @property
    def actions_hash(self) -> str:
        """The chain over all output records, in hex."""
        return (<char*>self.c.actions_hash)[:32].hex()
