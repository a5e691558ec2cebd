"""The desk: where strategies' intents meet the gate, and where the core's output records are made."""

from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

from engine.core.apply cimport apply_output, chain_action
from engine.core.event cimport *
from engine.core.money cimport money_get, money_int, money_put, notional
from engine.core.order cimport order_view
from engine.core.risk.gate cimport Gate, intent_hash, intent_t, verdict_t
from engine.core.risk.reason_codes cimport INTENTS_PER_EVENT
from engine.core.state.books cimport Book
from engine.core.state.orders cimport expect_order, find_order, free_order_no
from engine.core.state.portfolio cimport mark_ticks, realised_profit
from engine.core.state.state cimport MAX_SOURCES, NO_STRATEGY, ORDER_SLOTS, State, order_t, source_t

from engine.core.instrument import InstrumentSpec
from engine.core.risk.reasons import Reason

cdef uint32_t INTENTS_MOST = 64            # of all strategies within one event
cdef int64_t DELAY_MOST_NS = 366 * 86_400_000_000_000
cdef int MEMO_MOST = 1000                  # bytes of a memo's value, as check.pyx has it
cdef uint32_t ALERT_STRATEGY = 3
cdef size_t OUT_FIRST = 1 << 16

cdef str text_of(const char* field, size_t room):
    return field[:room].split(b"\0", 1)[0].decode("ascii", "replace")


cdef class TradingDesk(Desk):
    """Owns the state, the gate and the output buffer."""

    def __cinit__(self):
        self.state = State()
        self.c = self.state.c
        self.gate = Gate(self.state)
        self.books = []
        self.strategies = []
        self.watchers = {}
        self.out = <char*>malloc(OUT_FIRST)
        if self.out == NULL:
            raise MemoryError("no memory for the core's output")
        self.out_room = OUT_FIRST
        self.state.reset_volatile()

    def __dealloc__(self):
        free(self.out)

    # Output: begin() makes room for a record, commit() applies it to the state.

    cdef void* begin(self, uint16_t kind, int32_t instrument, uint16_t source, size_t length) except NULL:
        cdef size_t need = self.out_length + sizeof(event_t) + length, room = self.out_room
        cdef event_t* header
        while room < need:
            room *= 2
        if room != self.out_room:
            grown = <char*>realloc(self.out, room)
            if grown == NULL:
                raise MemoryError("no memory for the core's output")
            self.out = grown
            self.out_room = room
        header = <event_t*>(self.out + self.out_length)
        memset(header, 0, sizeof(event_t) + length)
        header.seq = self.c.seq
        header.ts_recv_ns = self.c.now_ns
        header.kind = kind
        header.instrument = instrument
        header.source = source
        header.length = <uint32_t>length
        return header + 1

    cdef int commit(self) except -1:
        cdef event_t* header = <event_t*>(self.out + self.out_length)
        apply_output(self.state, header)
        self.out_length += sizeof(event_t) + header.length
        return 0

    cdef void chain(self) noexcept:
        """Chain what was committed. It takes as long as a signature, so an order is sent before it."""
        cdef const event_t* header
        while self.chained < self.out_length:
            header = <const event_t*>(self.out + self.chained)
            chain_action(self.c, header)
            self.chained += sizeof(event_t) + header.length

    cdef int alert(self, uint32_t code, str text, int32_t instrument=-1, uint16_t source=NO_STRATEGY,
                   uint16_t kind=ACTION_ALERT) except -1:
        cdef alert_t* body = <alert_t*>self.begin(kind, instrument, source, sizeof(alert_t))
        encoded = text.encode("utf-8", "replace")[:119]
        body.code = code
        memcpy(body.text, <const char*>encoded, len(encoded))
        return self.commit()

    cdef cancel_t* draft_cancel(self, uint16_t kind, const order_t* order) except NULL:
        """The record of a QUERY or CANCEL, not committed yet."""
        cdef cancel_t* body = <cancel_t*>self.begin(kind, order.instrument, order.strategy, sizeof(cancel_t))
        body.order_no = order.order_no
        body.intent_no = self.c.totals.intents + 1 if kind == ACTION_CANCEL else 0
        return body

    cdef int ask(self, uint16_t kind, const order_t* order) except -1:
        """A QUERY or CANCEL of an order."""
        self.draft_cancel(kind, order)
        return self.commit()

    cdef int release_cancel(self, const order_t* order) except -1:
        cdef size_t at = self.out_length
        self.ask(ACTION_CANCEL, order)
        return self.gate.release_cancel(<const event_t*>(self.out + at), order.order_no)

    cdef void bind_halt_flag(self, const uint64_t* flag) noexcept:
        """Have a flag in shared memory read before every intent; replay names the intent instead (halt_at_intent)."""
        self.halt_flag = flag

    # What strategies may ask for.

    cdef int meet_halt(self) except -1:
        cdef command_t* body = <command_t*>self.begin(EVENT_COMMAND, -1, NO_STRATEGY, sizeof(command_t))
        body.command = COMMAND_HALT
        body.at_intent = self.intents_in_event
        return self.commit()

    cdef uint64_t place(self, Strategy strategy, int32_t instrument, uint32_t side, uint32_t order_type,
                        int64_t price_ticks, int64_t size_lots, uint64_t key) except? 0:
        """Propose an order: judged here and now; its number, or 0."""
        cdef intent_t intent
        cdef verdict_t verdict
        self.intents_in_event += 1
        if not self.c.totals.halted and (
                (self.halt_flag != NULL and self.halt_flag[0]) or self.halt_at_intent == self.intents_in_event):
            self.meet_halt()
        intent.strategy = strategy.index
        intent.instrument = instrument
        intent.side = side
        intent.order_type = order_type
        intent.price_ticks = price_ticks
        intent.size_lots = size_lots
        intent.key = key
        intent.worst_ticks = 0
        if order_type == ORDER_MARKET and 0 <= instrument < len(self.books):
            intent.worst_ticks = (<Book>self.books[instrument]).worst_fill_ticks(side == SIDE_BUY, size_lots)
        memset(&verdict, 0, sizeof(verdict))
        if self.intents_in_event > INTENTS_MOST:
            verdict.reason = INTENTS_PER_EVENT
        else:
            self.gate.check(&intent, &verdict)
        strategy.denied_reason = verdict.reason
        if verdict.reason:
            self.deny(&intent, &verdict)
            return 0
        return self.approve(&intent, &verdict)

    cdef int deny(self, const intent_t* intent, const verdict_t* verdict) except -1:
        cdef denied_t* body
        if self.intents_in_event > INTENTS_MOST + 1:
            return 0  # told once an event is enough
        body = <denied_t*>self.begin(ACTION_DENIED, intent.instrument, <uint16_t>intent.strategy, sizeof(denied_t))
        body.intent_no = self.c.totals.intents + 1
        body.side = intent.side
        body.order_type = intent.order_type
        body.price_ticks = intent.price_ticks
        body.size_lots = intent.size_lots
        body.reason = verdict.reason
        body.limit = money_put(verdict.limit)
        body.value = money_put(verdict.value)
        return self.commit()

    cdef place_t* draft(self, const intent_t* intent, const verdict_t* verdict) except NULL:
        """The record of an order, not committed yet."""
        cdef place_t* body = <place_t*>self.begin(
            ACTION_PLACE, intent.instrument, <uint16_t>intent.strategy, sizeof(place_t))
        body.order_no = free_order_no(self.c)
        body.side = intent.side
        body.order_type = intent.order_type
        body.price_ticks = intent.price_ticks
        body.size_lots = intent.size_lots
        body.expires_ns = self.c.now_ns + self.c.limits.intent_ttl_ns
        body.halt_epoch = self.c.totals.halt_epoch
        body.intent_hash = intent_hash(body.order_no, intent)
        body.intent_no = self.c.totals.intents + 1
        body.key = intent.key
        body.reserve_ticks = verdict.reserve_ticks
        body.notional = money_put(verdict.notional)
        return body

    cdef uint64_t approve(self, const intent_t* intent, const verdict_t* verdict) except 0:
        cdef size_t at = self.out_length
        cdef const place_t* body
        self.draft(intent, verdict)
        self.commit()
        body = <place_t*>(self.out + at + sizeof(event_t))
        self.gate.release(<const event_t*>(self.out + at), body)
        return body.order_no

    cdef int rehearse(self, int32_t instrument) except -1:
        """Go an order's way as far as nothing changes, between events: at its end the gate has an approval that has always been
        expired, with which nothing can be sent. So the processor has code and data at hand when there is an order.
        """
        cdef intent_t intent
        cdef verdict_t verdict
        cdef place_t* body
        memset(&intent, 0, sizeof(intent))
        intent.instrument = instrument
        intent.side = SIDE_BUY
        intent.order_type = ORDER_IOC
        intent.price_ticks = max(self.c.markets[instrument].ask_ticks, 1)
        intent.size_lots = max(self.c.instruments[instrument].min_lots, 1)
        self.gate.rehearse(&intent, &verdict)
        expect_order(self.c)
        body = self.draft(&intent, &verdict)
        return self.gate.release_rehearsal(<const event_t*>body - 1, body)

    cdef int rehearse_cancel(self, int32_t instrument) except -1:
        """The same for a cancel of an open order of an instrument, where there is one: its approval has always been used."""
        cdef int32_t slot = self.c.exposures[instrument].first_order
        cdef cancel_t* body
        if slot < 0:
            return 0
        body = self.draft_cancel(ACTION_CANCEL, &self.c.orders[slot])
        return self.gate.release_cancel_rehearsal(<const event_t*>body - 1, body.order_no)

    cdef bint cancel(self, Strategy strategy, uint64_t order_no) except -1:
        """Cancels pass on a path of their own, without the gate's checks: nothing but being one's own and open."""
        cdef const order_t* order = find_order(self.c, order_no)
        if order == NULL or not order.open_ or order.cancel_pending or order.strategy != strategy.index:
            return False
        self.release_cancel(order)
        return True

    cdef int set_timer(self, Strategy strategy, uint32_t timer_id, int64_t delay_ns) except -1:
        cdef timer_t* body
        if not 0 <= delay_ns <= DELAY_MOST_NS:
            raise ValueError(f"a timer's delay must be from 0 to {DELAY_MOST_NS} ns, not {delay_ns}")
        body = <timer_t*>self.begin(ACTION_SET_TIMER, -1, <uint16_t>strategy.index, sizeof(timer_t))
        body.timer_id = timer_id
        body.strategy = strategy.index
        body.due_ns = self.c.now_ns + delay_ns
        return self.commit()

    cdef int watch(self, Strategy strategy, str symbol, bint on) except -1:
        """Ask the rim for a symbol's instrument and book; asked once, however many strategies watch it."""
        cdef watch_t* body
        cdef list watching = self.watchers.setdefault(symbol, [])
        if (strategy in watching) == on:
            return 0
        if on:
            watching.append(strategy)
        else:
            watching.remove(strategy)
        self.watching_changed(strategy, symbol, on)
        if len(watching) != on:
            return 0
        encoded = symbol.encode("ascii")
        if not 0 < len(encoded) < 32:
            raise ValueError(f"{symbol!r} is no symbol of 1 to 31 characters")
        body = <watch_t*>self.begin(ACTION_WATCH, -1, <uint16_t>strategy.index, sizeof(watch_t))
        memcpy(body.symbol, <const char*>encoded, len(encoded))
        body.on = on
        return self.commit()

    cdef int watching_changed(self, Strategy strategy, str symbol, bint on) except -1:
        return 0

    cdef int memo(self, Strategy strategy, str key, bytes value) except -1:
        cdef memo_t* body
        encoded = key.encode("ascii")
        if not 0 < len(encoded) < sizeof(memo_t) or b"\0" in encoded or len(value) > MEMO_MOST:
            raise ValueError(f"a memo's key has 1 to {sizeof(memo_t) - 1} characters, its value at most {MEMO_MOST} bytes")
        body = <memo_t*>self.begin(ACTION_MEMO, -1, <uint16_t>strategy.index, sizeof(memo_t) + len(value))
        memcpy(body.key, <const char*>encoded, len(encoded))
        memcpy(body + 1, <const char*>value, len(value))
        return self.commit()

    cdef int alert_of(self, Strategy strategy, str text) except -1:
        return self.alert(ALERT_STRATEGY, text, -1, <uint16_t>strategy.index)

    cdef int64_t now(self) noexcept:
        return self.c.now_ns

    # What may be read, by strategies and by the rim.

    def instrument_of(self, symbol: str) -> int:
        """The instrument of a symbol, -1 where it is not known."""
        for book in self.books:
            if (<Book>book).symbol == symbol:
                return (<Book>book).instrument
        return -1

    def has_feed(self, instrument: int) -> bool:
        """Whether a feed is to carry its book."""
        self.check_instrument(instrument)
        return self.c.instruments[instrument].source != 0

    def memos_of(self, strategy: int) -> dict:
        """key -> value of a strategy's memos."""
        kept = sorted(self.state.memos.items())
        return {key.decode("ascii", "replace"): value for (index, key), value in kept if index == strategy}

    def limits(self) -> dict:
        """Those limits of one order that who proposes it may want to keep to: money in 10^-20 units."""
        return {
            "max_order_notional": money_int(self.c.limits.max_order_notional),
            "max_slippage_bps": self.c.limits.max_slippage_bps, "price_collar_bps": self.c.limits.price_collar_bps,
        }

    def position_lots(self, instrument: int) -> int:
        """Our position: the sum of our fills."""
        self.check_instrument(instrument)
        return self.c.exposures[instrument].position_lots

    def open_orders(self, instrument: int) -> list:
        """Copies of our open orders on an instrument, oldest first."""
        cdef int slot
        self.check_instrument(instrument)
        found = []
        slot = self.c.exposures[instrument].first_order
        while slot >= 0:
            found.append(order_view(&self.c.orders[slot]))
            slot = self.c.orders[slot].next_open
        return found[::-1]

    def openings(self, from_ns: int, to_ns: int) -> list:
        """The instruments with a feed whose known opening lies between two moments of the venue's clock."""
        cdef uint32_t i
        cdef int64_t first = from_ns, last = to_ns
        cdef const instrument_t* known
        found = []
        for i in range(self.c.totals.instruments):
            known = &self.c.instruments[i]
            if known.source and known.opens_ns and first <= known.opens_ns <= last:
                found.append(i)
        return found

    def known_orders(self, instrument: int) -> list:
        """Copies of all orders on an instrument that are remembered, open and ended, oldest first."""
        cdef int slot
        self.check_instrument(instrument)
        found = [order_view(&self.c.orders[slot]) for slot in range(ORDER_SLOTS)
                 if self.c.orders[slot].order_no and self.c.orders[slot].instrument == instrument]
        return sorted(found, key=lambda order: order.order_no)

    def order(self, order_no: int):
        """A copy of an order, or None where it is not, or no longer, known."""
        cdef order_t* order = find_order(self.c, order_no)
        return None if order == NULL else order_view(order)

    def book(self, instrument: int) -> Book:
        """The book of an instrument."""
        self.check_instrument(instrument)
        return self.books[instrument]

    cdef int check_instrument(self, instrument) except -1:
        if not 0 <= instrument < <int>self.c.totals.instruments:
            raise IndexError(f"no instrument {instrument}: there are {self.c.totals.instruments}")
        return 0

    def spec(self, instrument: int) -> InstrumentSpec:
        """The instrument's specification."""
        self.check_instrument(instrument)
        cdef instrument_t* known = &self.c.instruments[instrument]
        return InstrumentSpec(
            symbol=text_of(known.symbol, 32), base=text_of(known.base, 16), quote=text_of(known.quote, 16),
            price_decimals=known.price_decimals, size_decimals=known.size_decimals, tradable=known.tradable,
            sides=known.sides, order_types=known.order_types, tick_step=known.tick_step, lot_step=known.lot_step,
            min_lots=known.min_lots, max_lots=known.max_lots, band_up_ppm=known.band_up_ppm,
            band_down_ppm=known.band_down_ppm, maker_fee_ppm=known.maker_fee_ppm, taker_fee_ppm=known.taker_fee_ppm,
            min_notional=money_int(money_get(known.min_notional)), max_notional=money_int(money_get(known.max_notional)),
            source=known.source, opens_ns=known.opens_ns,
        )

    def strategy_names(self) -> list:
        """The ids of the config's strategies, by index."""
        return [self.c.strategies[i].name[:48].split(b"\0", 1)[0].decode() for i in range(self.c.totals.strategies)]

    @property
    def seq(self) -> int:
        """The newest event's sequence number."""
        return self.c.seq

    @property
    def now_ns(self) -> int:
        """When the newest event was received."""
        return self.c.now_ns

    @property
    def halt_epoch(self) -> int:
        """Grows with each halt: an approval of an older epoch is void."""
        return self.c.totals.halt_epoch

    @property
    def is_halted(self) -> bool:
        return bool(self.c.totals.halted)

    @property
    def is_reduce_only(self) -> bool:
        return bool(self.c.totals.reduce_only)

    @property
    def open_breakers(self) -> int:
        """A bit per BreakerKind that is open for all instruments."""
        return self.c.totals.breakers

    @property
    def reconcile_pending(self) -> bool:
        return bool(self.c.reconcile_pending)

    @property
    def run_id(self) -> str:
        return text_of(self.c.totals.run_id, 16)

    @property
    def session(self) -> int:
        return self.c.totals.session

    @property
    def is_live(self) -> bool:
        """Whether the session sends real orders."""
        return bool(self.c.totals.live)

    def counts(self) -> dict:
        """What the gate and the venue did so far."""
        cdef int code
        return {
            "intents": self.c.totals.intents, "approved": self.c.totals.approved, "cancels": self.c.totals.cancels,
            "fills": self.c.totals.fills, "actions": self.c.totals.actions, "open_orders": self.c.totals.open_orders,
            "unknown_orders": sum(self.c.exposures[i].unknown_orders for i in range(self.c.totals.instruments)),
            "orphan_fills": self.c.totals.orphan_fills,
            "repeated_fills": self.c.totals.repeated_fills, "unvalued_fees": self.c.totals.unvalued_fees,
            "denied": {Reason(code).name: self.c.denied[code] for code in range(128) if self.c.denied[code]},
        }

    def money(self) -> dict:
        """Capital, equity, realised profit and fees in the risk currency, as ints of 10^-20 units."""
        return {
            "capital": money_int(self.c.totals.capital), "equity": money_int(self.c.equity),
            "realised_pnl": money_int(realised_profit(self.c)), "fees": money_int(self.c.totals.fees_total),
            "equity_peak": money_int(self.c.totals.equity_peak), "gross_exposure": money_int(self.c.gross_exposure),
        }

    def balances(self) -> dict:
        """asset -> (total, reserved by open orders), ints of 10^-20 units."""
        return {
            text_of(self.c.assets[i].name, 16): (money_int(self.c.assets[i].total), money_int(self.c.assets[i].reserved))
            for i in range(self.c.totals.assets)
        }

    def positions(self) -> list:
        """(instrument, position_lots, cost, realised) of each instrument that was traded; money in quote, 10^-20 units."""
        return [
            (i, self.c.exposures[i].position_lots, money_int(self.c.exposures[i].cost), money_int(self.c.exposures[i].realised))
            for i in range(self.c.totals.instruments)
            if self.c.exposures[i].position_lots or self.c.exposures[i].realised
        ]

    def position_worth(self, instrument: int) -> int:
        """The position at its mark, in quote money; negative for a short one."""
        self.check_instrument(instrument)
        cdef int64_t lots = self.c.exposures[instrument].position_lots
        return money_int(notional(mark_ticks(self.c, instrument), lots, self.c.units[instrument]))

    def feed_state(self, source: int) -> dict:
        """What the core knows of a feed: up, frames, lag and the newest arrival, ns."""
        cdef const source_t* known
        if not 0 <= source < MAX_SOURCES:
            raise IndexError(f"no feed {source}")
        known = &self.c.sources[source]
        return {"up": bool(known.up), "frames": known.frames, "lag_ns": known.lag_ns, "last_recv_ns": known.last_recv_ns}
