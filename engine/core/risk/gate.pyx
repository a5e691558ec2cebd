"""The gate: every intent passes it, and only what it approved can leave (DESIGN 2.4, 6).

`gate_check` is one pass over flat state: no allocation, no clock, no Python. Its order is that of `Reason`.
"""

cimport cython
from libc.string cimport memset

from engine.core.event cimport (
    ORDER_FOK, ORDER_IOC, ORDER_LIMIT, ORDER_LIMIT_MAKER, ORDER_MARKET, SIDE_BUY, SIDE_SELL, instrument_t,
)
from engine.core.money cimport (
    money_abs, money_add, money_get, money_less, money_max, money_of, money_sub, money_times, notional, ratio,
    share_of, share_up,
)
from engine.core.risk.reason_codes cimport *
from engine.core.state.portfolio cimport mark_ticks, refresh_exposure
from engine.core.state.state cimport (
    BREAKER_COUNT, LOTS_MOST, MAX_STRATEGIES, ORDER_SLOTS, SEND_SLOTS, TRUST_LIVE, asset_t, exposure_t, limits_t,
    market_t, order_t, recent_has, source_t, strategy_t,
)

cdef int64_t SECOND_NS = 1_000_000_000
cdef int64_t BPS = 10_000
cdef int64_t PPM = 1_000_000


cdef extern from *:
    """
    /* Tells the compiler that what leads here is rare: the code of refusals is not between that of orders which pass. */
    static __attribute__((cold, noinline)) void refusing(void) { __asm__ volatile(""); }
    """
    void refusing() nogil


cdef inline int deny(verdict_t* verdict, uint32_t reason, int128_t limit, int128_t value) noexcept nogil:
    refusing()
    verdict.reason = reason
    verdict.limit = limit
    verdict.value = value
    return <int>reason


cdef inline int refuse(verdict_t* verdict, uint32_t reason, int64_t limit, int64_t value) noexcept nogil:
    return deny(verdict, reason, money_of(limit), money_of(value))


cdef bint is_reduction(const state_t* s, const intent_t* intent) noexcept nogil:
    """Whether an order can only shrink the position: in no case of open and unknown orders does it cross zero."""
    cdef const exposure_t* exposure = &s.exposures[intent.instrument]
    if intent.side == SIDE_SELL:
        return intent.size_lots <= exposure.position_lots - exposure.sell_lots
    return intent.size_lots <= -exposure.position_lots - exposure.buy_lots


cdef uint64_t intent_hash(uint64_t order_no, const intent_t* intent) noexcept nogil:
    """A fingerprint of all that an approval is bound to (FNV-1a over the fields as words)."""
    cdef uint64_t hash_ = 0xCBF29CE484222325u
    cdef uint64_t words[6]
    cdef int i
    words[0] = order_no
    words[1] = <uint64_t>intent.instrument
    words[2] = (<uint64_t>intent.side << 32) | intent.order_type
    words[3] = <uint64_t>intent.price_ticks
    words[4] = <uint64_t>intent.size_lots
    words[5] = intent.strategy
    for i in range(6):
        hash_ = (hash_ ^ words[i]) * 0x100000001B3u
        hash_ ^= hash_ >> 29
    return hash_


cdef int check_intent(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """What must hold before any table may be looked at."""
    if intent.strategy >= <uint32_t>MAX_STRATEGIES or intent.strategy >= s.totals.strategies:
        return refuse(verdict, PROPOSER_STOPPED, s.totals.strategies, intent.strategy)
    if intent.side != SIDE_BUY and intent.side != SIDE_SELL:
        return refuse(verdict, MALFORMED_INTENT, SIDE_SELL, intent.side)
    if intent.order_type < ORDER_LIMIT or intent.order_type > ORDER_FOK:
        return refuse(verdict, MALFORMED_INTENT, ORDER_FOK, intent.order_type)
    if intent.instrument < 0 or intent.instrument >= <int32_t>s.totals.instruments:
        return refuse(verdict, INSTRUMENT_UNKNOWN, s.totals.instruments, intent.instrument)
    return 0


cdef int check_mode(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef uint32_t kind
    if s.totals.halted or s.stopping or s.disk_state > 1:
        return refuse(verdict, HALTED, 0, 1)
    if s.totals.live != s.limits.live:
        return refuse(verdict, MODE_MISMATCH, s.limits.live, s.totals.live)
    if (s.totals.reduce_only or s.disk_state) and not is_reduction(s, intent):
        return refuse(verdict, REDUCING_ONLY, s.exposures[intent.instrument].position_lots, intent.size_lots)
    # A breaker stops what adds risk; what takes it away must still get out.
    if (s.totals.breakers or s.exposures[intent.instrument].volatility_open) and is_reduction(s, intent):
        return 0
    if s.totals.breakers:
        for kind in range(BREAKER_COUNT):
            if s.totals.breakers >> kind & 1:
                return refuse(verdict, BREAKER_DAILY_LOSS + kind, 0, 1)
    if s.exposures[intent.instrument].volatility_open:
        return refuse(verdict, BREAKER_VOLATILITY, s.limits.max_volatility_bps, s.exposures[intent.instrument].volatility_open)
    return 0


cdef int check_health(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const source_t* source = &s.sources[s.instruments[intent.instrument].source]
    cdef int64_t skew_ns = s.clock_skew_ns if s.clock_skew_ns > 0 else -s.clock_skew_ns
    if s.journal_broken:
        return refuse(verdict, JOURNAL_NOT_WRITABLE, 0, 1)
    if s.reconcile_pending:
        return refuse(verdict, RECONCILIATION_PENDING, 0, 1)
    if skew_ns > s.limits.max_clock_skew_ns:
        return refuse(verdict, CLOCK_SKEW, s.limits.max_clock_skew_ns, skew_ns)
    if not source.up:
        return refuse(verdict, FEED_DOWN, 1, 0)
    if s.now_ns - source.last_recv_ns > s.limits.max_feed_silence_ns:
        return refuse(verdict, FEED_STALE, s.limits.max_feed_silence_ns, s.now_ns - source.last_recv_ns)
    if source.lag_ns > s.limits.max_feed_lag_ns:
        return refuse(verdict, FEED_LAGGING, s.limits.max_feed_lag_ns, source.lag_ns)
    if s.markets[intent.instrument].trust != TRUST_LIVE:
        return refuse(verdict, BOOK_NOT_LIVE, TRUST_LIVE, s.markets[intent.instrument].trust)
    if s.exposures[intent.instrument].unknown_orders and not is_reduction(s, intent):
        return refuse(verdict, UNKNOWN_EXPOSURE, 0, s.exposures[intent.instrument].unknown_orders)
    return 0


cdef inline int64_t lots_left(const exposure_t* exposure) noexcept nogil:
    """How many lots more can be kept track of: with no more than these, no sum of lots overflows."""
    cdef int64_t held = exposure.position_lots if exposure.position_lots > 0 else -exposure.position_lots
    return LOTS_MOST - held - exposure.buy_lots - exposure.sell_lots


cdef int check_instrument(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const instrument_t* instrument = &s.instruments[intent.instrument]
    cdef int64_t venue_ns = s.now_ns - s.clock_skew_ns
    if not instrument.tradable:
        return refuse(verdict, NOT_TRADABLE, 1, 0)
    if not instrument.sides >> (intent.side - 1) & 1:
        return refuse(verdict, SIDE_NOT_ALLOWED, instrument.sides, intent.side)
    if not instrument.order_types >> intent.order_type & 1:
        return refuse(verdict, ORDER_TYPE_NOT_ALLOWED, instrument.order_types, intent.order_type)
    if intent.order_type == ORDER_MARKET:
        if intent.price_ticks != 0:
            return refuse(verdict, PRICE_OFF_TICK, 0, intent.price_ticks)
    elif intent.price_ticks <= 0 or intent.price_ticks % instrument.tick_step:
        return refuse(verdict, PRICE_OFF_TICK, instrument.tick_step, intent.price_ticks)
    if intent.size_lots <= 0 or intent.size_lots % instrument.lot_step:
        return refuse(verdict, SIZE_OFF_LOT, instrument.lot_step, intent.size_lots)
    if intent.size_lots < instrument.min_lots:
        return refuse(verdict, SIZE_BELOW_MIN, instrument.min_lots, intent.size_lots)
    if intent.size_lots > instrument.max_lots:
        return refuse(verdict, SIZE_ABOVE_MAX, instrument.max_lots, intent.size_lots)
    if intent.size_lots > lots_left(&s.exposures[intent.instrument]):
        return refuse(verdict, SIZE_ABOVE_MAX, lots_left(&s.exposures[intent.instrument]), intent.size_lots)
    # A public trade is better evidence than an announced time: it is open.
    if venue_ns < instrument.opens_ns - s.limits.opening_early_ns and s.markets[intent.instrument].last_trade_ticks <= 0:
        return refuse(verdict, NOT_OPEN_YET, instrument.opens_ns - s.limits.opening_early_ns, venue_ns)
    return 0


cdef bint crosses_own(const state_t* s, const intent_t* intent) noexcept nogil:
    """Whether the order could meet an open order of ours: the chain is bounded by max_open_orders_per_instrument."""
    cdef int32_t slot = s.exposures[intent.instrument].first_order
    cdef const order_t* other
    while slot >= 0:
        other = &s.orders[slot]
        if other.side != intent.side:
            if intent.order_type == ORDER_MARKET or other.order_type == ORDER_MARKET:
                return True
            if intent.side == SIDE_BUY and intent.price_ticks >= other.price_ticks:
                return True
            if intent.side == SIDE_SELL and intent.price_ticks <= other.price_ticks:
                return True
        slot = other.next_open
    return False


cdef int check_slippage(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """An order that takes: how far from the best opposite price it may reach."""
    cdef const market_t* market = &s.markets[intent.instrument]
    cdef int64_t best = market.ask_ticks if intent.side == SIDE_BUY else market.bid_ticks
    cdef int64_t worst = intent.worst_ticks if intent.order_type == ORDER_MARKET else intent.price_ticks
    cdef int64_t distance
    if worst <= 0:
        return refuse(verdict, SLIPPAGE, s.limits.max_slippage_bps, BPS)
    distance = worst - best if intent.side == SIDE_BUY else best - worst
    if distance > 0 and money_less(share_of(money_of(best), s.limits.max_slippage_bps, BPS), money_of(distance)):
        return deny(verdict, SLIPPAGE, money_of(s.limits.max_slippage_bps), ratio(money_of(distance), money_of(best), BPS))
    return 0


cdef int check_distance(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """A limit price against our own mid: the collar, and the venue's band. Twice the mid is a whole number of ticks."""
    cdef const market_t* market = &s.markets[intent.instrument]
    cdef const instrument_t* instrument = &s.instruments[intent.instrument]
    cdef int128_t twice_mid = money_add(money_of(market.bid_ticks), money_of(market.ask_ticks))
    cdef int128_t above = money_sub(money_times(money_of(intent.price_ticks), 2), twice_mid)
    cdef int64_t band = instrument.band_up_ppm if intent.side == SIDE_BUY else instrument.band_down_ppm
    if money_less(share_of(twice_mid, s.limits.price_collar_bps, BPS), money_abs(above)):
        return deny(verdict, PRICE_COLLAR, money_of(s.limits.price_collar_bps), ratio(above, twice_mid, BPS))
    # The venue holds buys to a ceiling and sells to a floor.
    if (intent.side == SIDE_BUY) == money_less(above, money_of(0)) or not band:
        return 0
    if money_less(share_of(twice_mid, band, PPM), money_abs(above)):
        return deny(verdict, PRICE_BAND, money_of(band), ratio(above, twice_mid, PPM))
    return 0


cdef int check_price(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const market_t* market = &s.markets[intent.instrument]
    if market.bid_ticks <= 0 or market.ask_ticks <= 0:
        return refuse(verdict, BOOK_EMPTY, 1, 0)
    if market.bid_ticks >= market.ask_ticks:
        return refuse(verdict, BOOK_CROSSED, market.ask_ticks, market.bid_ticks)
    if intent.order_type != ORDER_MARKET and check_distance(s, intent, verdict):
        return <int>verdict.reason
    if intent.order_type != ORDER_LIMIT_MAKER and check_slippage(s, intent, verdict):
        return <int>verdict.reason
    if crosses_own(s, intent):
        return refuse(verdict, SELF_TRADE, 0, 1)
    return 0


cdef void value_order(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """The order's worst price, its notional there and the taker's fee on it."""
    cdef const instrument_t* instrument = &s.instruments[intent.instrument]
    cdef int64_t price = intent.price_ticks if intent.order_type != ORDER_MARKET else intent.worst_ticks
    # A sell at a limit may be executed higher: its exposure counts at the better of limit and best bid.
    if intent.side == SIDE_SELL and s.markets[intent.instrument].bid_ticks > price:
        price = s.markets[intent.instrument].bid_ticks
    verdict.reserve_ticks = price
    verdict.notional = notional(price, intent.size_lots, s.units[intent.instrument])
    verdict.fee = share_up(verdict.notional, instrument.taker_fee_ppm, PPM)


cdef int check_exposure(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """Position, gross, net and concentration, each in the worst case of what is open; reductions always pass."""
    cdef const exposure_t* exposure = &s.exposures[intent.instrument]
    cdef const market_t* market = &s.markets[intent.instrument]
    cdef int128_t unit = s.units[intent.instrument]
    cdef int64_t mark = mark_ticks(s, intent.instrument), worst_lots
    cdef int128_t added = notional(mark, intent.size_lots, unit), worst, gross, net, share
    if is_reduction(s, intent):
        return 0
    if intent.side == SIDE_BUY:
        worst_lots = exposure.position_lots + exposure.buy_lots + intent.size_lots
        net = money_add(s.net_long, added)
    else:
        worst_lots = exposure.sell_lots + intent.size_lots - exposure.position_lots
        net = money_sub(added, s.net_short)
    worst = notional(mark, worst_lots if worst_lots > 0 else 0, unit)
    if money_less(s.limits.max_position_notional, worst):
        return deny(verdict, POSITION, s.limits.max_position_notional, worst)
    worst = money_max(worst, market.gross)
    gross = money_add(money_sub(s.gross_exposure, market.gross), worst)
    if money_less(s.limits.max_gross_exposure, gross):
        return deny(verdict, GROSS_EXPOSURE, s.limits.max_gross_exposure, gross)
    if money_less(s.limits.max_net_exposure, net):
        return deny(verdict, NET_EXPOSURE, s.limits.max_net_exposure, net)
    share = share_of(money_max(s.equity, money_of(0)), s.limits.max_concentration_bps, BPS)
    if money_less(share, worst):
        return deny(verdict, CONCENTRATION, share, worst)
    return 0


cdef int check_rate(const state_t* s, verdict_t* verdict) noexcept nogil:
    """The n-th newest send must lie outside of the window: an exact sliding window."""
    cdef uint64_t sends = s.totals.sends
    cdef int64_t per_second = s.limits.max_orders_per_second, per_window = s.limits.max_orders_per_window
    if sends >= <uint64_t>per_second and s.now_ns - s.sends_ns[(sends - per_second) & (SEND_SLOTS - 1)] < SECOND_NS:
        return refuse(verdict, ORDERS_PER_SECOND, per_second, per_second + 1)
    if sends >= <uint64_t>per_window and (
            s.now_ns - s.sends_ns[(sends - per_window) & (SEND_SLOTS - 1)] < s.limits.order_window_ns):
        return refuse(verdict, ORDERS_PER_WINDOW, per_window, per_window + 1)
    return 0


cdef int check_size(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const instrument_t* instrument = &s.instruments[intent.instrument]
    cdef const exposure_t* exposure = &s.exposures[intent.instrument]
    cdef const limits_t* limits = &s.limits
    if money_less(verdict.notional, money_get(instrument.min_notional)):
        return deny(verdict, NOTIONAL_BELOW_MIN, money_get(instrument.min_notional), verdict.notional)
    if money_less(money_get(instrument.max_notional), verdict.notional):
        return deny(verdict, NOTIONAL_ABOVE_MAX, money_get(instrument.max_notional), verdict.notional)
    # What only shrinks a position must get out, whatever it is worth by now.
    if not is_reduction(s, intent) and money_less(limits.max_order_notional, verdict.notional):
        return deny(verdict, ORDER_NOTIONAL, limits.max_order_notional, verdict.notional)
    if check_exposure(s, intent, verdict):
        return <int>verdict.reason
    if s.totals.open_orders >= limits.max_open_orders:
        return refuse(verdict, OPEN_ORDERS, limits.max_open_orders, s.totals.open_orders + 1)
    if exposure.open_orders >= limits.max_open_orders_per_instrument:
        return refuse(verdict, OPEN_ORDERS_INSTRUMENT, limits.max_open_orders_per_instrument, exposure.open_orders + 1)
    return check_rate(s, verdict)


cdef int check_funds(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const instrument_t* instrument = &s.instruments[intent.instrument]
    cdef const asset_t* asset
    cdef int128_t fees = money_add(s.totals.fees_today, verdict.fee), need, free_
    if not is_reduction(s, intent) and money_less(s.limits.max_fees_per_day, fees):
        return deny(verdict, FEE_BUDGET, s.limits.max_fees_per_day, fees)
    if intent.side == SIDE_BUY:
        asset = &s.assets[instrument.quote_asset]
        need = money_add(verdict.notional, verdict.fee)
    else:
        asset = &s.assets[instrument.base_asset]
        need = money_times(s.lot_units[intent.instrument], intent.size_lots)
    free_ = money_sub(asset.total, asset.reserved)
    if money_less(free_, need):
        return deny(verdict, BALANCE, free_, need)
    return 0


cdef int check_authority(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    cdef const strategy_t* strategy = &s.strategies[intent.strategy]
    cdef int128_t used = verdict.notional
    if strategy.stopped:
        return refuse(verdict, PROPOSER_STOPPED, 0, 1)
    if s.now_ns - strategy.budget_since_ns < s.limits.proposer_window_ns:
        used = money_add(used, strategy.budget_used)
    if not is_reduction(s, intent) and money_less(s.limits.proposer_budget_notional, used):
        return deny(verdict, PROPOSER_BUDGET, s.limits.proposer_budget_notional, used)
    if intent.key and recent_has(&s.intent_keys, intent.key):
        return refuse(verdict, DUPLICATE_INTENT, 0, 1)
    if s.totals.open_orders >= ORDER_SLOTS:
        return refuse(verdict, ORDER_TABLE_FULL, ORDER_SLOTS, ORDER_SLOTS)
    return 0


cdef int judge(const state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """All but `check_intent`, on exposures as they are."""
    if check_mode(s, intent, verdict) or check_health(s, intent, verdict) or check_instrument(s, intent, verdict):
        return <int>verdict.reason
    if check_price(s, intent, verdict):
        return <int>verdict.reason
    value_order(s, intent, verdict)
    if check_size(s, intent, verdict) or check_funds(s, intent, verdict) or check_authority(s, intent, verdict):
        return <int>verdict.reason
    return 0


cdef int gate_check(state_t* s, const intent_t* intent, verdict_t* verdict) noexcept nogil:
    """Judge one order: 0 and the verdict's notional where it may go, else the reason with the limit and the value."""
    verdict.reason = 0
    verdict.notional = 0
    verdict.fee = 0
    if check_intent(s, intent, verdict):
        return <int>verdict.reason
    refresh_exposure(s, intent.instrument)
    return judge(s, intent, verdict)


class ApprovalVoid(Exception):
    """An approval that may not be used: used before, voided by a halt, or expired."""


cdef bint _making = False      # set only while this module makes an Approved


@cython.final
cdef class Approved:
    """The gate's yes to one order or cancel: made by the gate alone, good for one use.

    Bound to the intent's hash, the halt epoch and an expiry. An executor takes nothing else. `is_rehearsal`: made to go the
    way of an order or cancel up to its first byte; an order's has always been expired, a cancel's always used.
    """

    def __cinit__(self):
        if not _making:
            raise TypeError("Approved is made by the gate alone: propose an intent")

    def __reduce_ex__(self, protocol):
        raise TypeError("an approval can be neither copied nor stored")

    cpdef redeem(self, uint64_t halt_epoch, int64_t now_ns):
        """Use the approval up, right before the bytes leave; ApprovalVoid says why it may not be."""
        if self.used:
            raise ApprovalVoid(f"the approval of order {self.order_no} was used before")
        self.used = True
        if self.is_cancel:
            return
        if halt_epoch != self.halt_epoch:
            raise ApprovalVoid(f"the approval of order {self.order_no} was voided by a halt")
        if now_ns > self.expires_ns:
            raise ApprovalVoid(f"the approval of order {self.order_no} expired before it was sent")

    cdef bint is_good(self, uint64_t halt_epoch, int64_t now_ns) noexcept:
        """Whether `redeem` would take it."""
        return not self.used and (self.is_cancel or (halt_epoch == self.halt_epoch and now_ns <= self.expires_ns))

    def __repr__(self) -> str:
        return f"Approved({'cancel of ' if self.is_cancel else ''}order {self.order_no}{', used' if self.used else ''})"


cdef Approved _approve(const event_t* header, uint64_t order_no):
    global _making
    _making = True
    try:
        approved = <Approved>Approved.__new__(Approved)
    finally:
        _making = False
    approved.order_no = order_no
    approved.instrument = header.instrument
    approved.strategy = header.source
    return approved


cdef class Gate:
    """Judges intents against the state, and hands out an Approved for each that passed."""

    def __cinit__(self, State state not None):
        self.state = state
        self.passed = []

    cdef int check(self, const intent_t* intent, verdict_t* verdict) noexcept:
        """Judge one intent; 0 approves."""
        return gate_check(self.state.c, intent, verdict)

    cdef int rehearse(self, const intent_t* intent, verdict_t* verdict) noexcept:
        """The work of `check`, and nothing changes: not even exposures are valued anew, which a replay would not know of."""
        memset(verdict, 0, sizeof(verdict_t))
        return check_intent(self.state.c, intent, verdict) or judge(self.state.c, intent, verdict)

    cdef int release(self, const event_t* header, const place_t* place) except -1:
        """Make the Approved of an order that passed and stands in the core's output."""
        approved = _approve(header, place.order_no)
        approved.side = place.side
        approved.order_type = place.order_type
        approved.price_ticks = place.price_ticks
        approved.size_lots = place.size_lots
        approved.expires_ns = place.expires_ns
        approved.halt_epoch = place.halt_epoch
        approved.intent_hash = place.intent_hash
        self.passed.append(approved)
        return 0

    cdef int release_rehearsal(self, const event_t* header, place_t* place) except -1:
        """Make an Approved that has always been expired, of an order that stands nowhere."""
        place.expires_ns = 0
        self.release(header, place)
        (<Approved>self.passed[len(self.passed) - 1]).is_rehearsal = True
        return 0

    cdef int release_cancel(self, const event_t* header, uint64_t order_no) except -1:
        """Make the Approved of a cancel: never denied for risk, never void by a halt."""
        approved = _approve(header, order_no)
        approved.is_cancel = True
        self.passed.append(approved)
        return 0

    cdef int release_cancel_rehearsal(self, const event_t* header, uint64_t order_no) except -1:
        """Make an Approved that was used before it was there: no cancel leaves by it."""
        self.release_cancel(header, order_no)
        approved = <Approved>self.passed[len(self.passed) - 1]
        approved.is_rehearsal = approved.used = True
        return 0

    cpdef list take(self):
        """What was approved since the last call, in order; to be called after it is in the journal."""
        taken, self.passed = self.passed, []
        return taken
