"""Orders and their life cycle: pure functions over the state, the same for a live event and a journal record.

    APPROVED --> EXECUTING --> COMPLETED      a fill may come before the acknowledgement, or after the end:
        |  \\         |          ^             what was executed always counts, in whatever order it is told
        |   v        v          |
        |  UNKNOWN -------------+
        +--> FAILED <--+ (evidence only)

What an order executed is the larger of two accounts of the venue: the cumulative figures of its order reports and
the sum of its single fills. Each may arrive first, twice, or late; taking the larger needs no order among them.
"""

from libc.stdint cimport uint32_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

from engine.core.event cimport (
    REPORT_AMBIGUOUS, REPORT_CANCELED, REPORT_CANCEL_REJECTED, REPORT_FILLED, REPORT_NEVER_ACCEPTED, REPORT_NOT_YET,
    REPORT_REJECTED, REPORT_WORKING, SIDE_BUY, instrument_t,
)
from engine.core.money cimport int128_t, money_add, money_get, money_of, money_sub, money_times, notional, share_up
from engine.core.state.portfolio cimport apply_execution, apply_fee, refresh_exposure
from engine.core.state.state cimport (
    APPROVED, COMPLETED, EXECUTING, FAILED, ORDER_SLOTS, OUTCOME_SLOTS, SEND_SLOTS, UNKNOWN, asset_t, exposure_t, recent_add,
    recent_key, strategy_t,
)

cdef extern from *:
    """
    #define prefetch_for_writing(at) __builtin_prefetch((at), 1)
    """
    void prefetch_for_writing(const void* at) nogil

cdef extern from "string.h" nogil:
    size_t strnlen(const char* text, size_t most)


cdef order_t* find_order(state_t* s, uint64_t order_no) noexcept nogil:
    """The order of this number, or NULL where it is not known, or no longer."""
    cdef order_t* order = &s.orders[order_no & (ORDER_SLOTS - 1)]
    return order if order_no and order.order_no == order_no else NULL


cdef uint64_t free_order_no(const state_t* s) noexcept nogil:
    """The next number whose slot no open order holds: one that rests for long is passed over. 0: the table is full."""
    cdef uint64_t number
    for number in range(s.totals.next_order_no, s.totals.next_order_no + ORDER_SLOTS):
        if not s.orders[number & (ORDER_SLOTS - 1)].open_:
            return number
    return 0


cdef int compare_numbers(const void* one, const void* other) noexcept nogil:
    cdef uint64_t first = (<const uint64_t*>one)[0], second = (<const uint64_t*>other)[0]
    return (first > second) - (first < second)


cdef uint32_t open_numbers(const state_t* s, uint64_t* numbers) noexcept nogil:
    """Write the numbers of all open orders, ascending, into an array of ORDER_SLOTS; how many."""
    cdef uint32_t i, count = 0
    cdef int32_t slot
    for i in range(s.totals.instruments):
        slot = s.exposures[i].first_order
        while slot >= 0:
            numbers[count] = s.orders[slot].order_no
            count += 1
            slot = s.orders[slot].next_open
    qsort(numbers, count, sizeof(uint64_t), compare_numbers)
    return count


cdef int64_t open_lots(const order_t* order) noexcept nogil:
    """What may still be executed."""
    return order.size_lots - order.filled_lots if order.open_ and order.size_lots > order.filled_lots else 0


cdef void count_open(state_t* s, order_t* order, int sign) noexcept nogil:
    """Add an order's open part to, or take it from, the exposures and the reserved balance."""
    cdef exposure_t* exposure = &s.exposures[order.instrument]
    cdef const instrument_t* instrument = &s.instruments[order.instrument]
    cdef bint buy = order.side == SIDE_BUY
    cdef asset_t* asset = &s.assets[instrument.quote_asset if buy else instrument.base_asset]
    cdef int64_t lots = open_lots(order)
    cdef int128_t money = order.reserved_money
    if buy:
        exposure.buy_lots += sign * lots
    else:
        exposure.sell_lots += sign * lots
    if sign < 0:
        # What was reserved is what is given back: the instrument's fees may have changed meanwhile.
        asset.reserved = money_sub(asset.reserved, money)
        order.reserved_money = money_of(0)
        return
    if buy:
        money = notional(order.reserve_ticks, lots, s.units[order.instrument])
        money = money_add(money, share_up(money, instrument.taker_fee_ppm, 1_000_000))
    else:
        money = money_times(s.lot_units[order.instrument], lots)
    order.reserved_money = money
    asset.reserved = money_add(asset.reserved, money)


cdef void chain(state_t* s, order_t* order) noexcept nogil:
    cdef exposure_t* exposure = &s.exposures[order.instrument]
    cdef int32_t slot = <int32_t>(order.order_no & (ORDER_SLOTS - 1))
    order.previous_open = -1
    order.next_open = exposure.first_order
    if exposure.first_order >= 0:
        s.orders[exposure.first_order].previous_open = slot
    exposure.first_order = slot
    exposure.open_orders += 1
    s.totals.open_orders += 1
    order.open_ = 1


cdef void unchain(state_t* s, order_t* order) noexcept nogil:
    cdef exposure_t* exposure = &s.exposures[order.instrument]
    if order.previous_open >= 0:
        s.orders[order.previous_open].next_open = order.next_open
    else:
        exposure.first_order = order.next_open
    if order.next_open >= 0:
        s.orders[order.next_open].previous_open = order.previous_open
    order.next_open = order.previous_open = -1
    exposure.open_orders -= 1
    s.totals.open_orders -= 1
    order.open_ = 0


cdef void set_state(state_t* s, order_t* order, int state) noexcept nogil:
    cdef exposure_t* exposure = &s.exposures[order.instrument]
    if order.state == UNKNOWN and state != UNKNOWN:
        exposure.unknown_orders -= 1
    elif order.state != UNKNOWN and state == UNKNOWN:
        exposure.unknown_orders += 1
    order.state = state
    if order.open_ and (state == COMPLETED or state == FAILED):
        count_open(s, order, -1)
        unchain(s, order)
        refresh_exposure(s, order.instrument)


cdef void lose_sight(state_t* s, order_t* order) noexcept nogil:
    """The order's fate is no longer known: its exposure counts in full until there is evidence."""
    set_state(s, order, UNKNOWN)


cdef void expect_order(const state_t* s) noexcept nogil:
    """An order may come soon: have its place in the table at hand."""
    cdef const char* place = <const char*>&s.orders[free_order_no(s) & (ORDER_SLOTS - 1)]
    cdef size_t at
    for at in range(0, sizeof(order_t), 64):
        prefetch_for_writing(place + at)
    prefetch_for_writing(&s.sends_ns[s.totals.sends & (SEND_SLOTS - 1)])


cdef order_t* open_order(state_t* s, const event_t* header, const place_t* place) noexcept nogil:
    """Enter an approved order: from the gate, or from its record in the journal."""
    cdef order_t* order = &s.orders[place.order_no & (ORDER_SLOTS - 1)]
    cdef strategy_t* strategy = &s.strategies[header.source]
    if order.order_no > s.totals.newest_forgotten:
        s.totals.newest_forgotten = order.order_no
    memset(order, 0, sizeof(order_t))
    order.order_no = place.order_no
    order.intent_hash = place.intent_hash
    order.halt_epoch = place.halt_epoch
    order.price_ticks = place.price_ticks
    order.size_lots = place.size_lots
    order.reserve_ticks = place.reserve_ticks
    order.placed_ns = order.updated_ns = header.ts_recv_ns
    order.expires_ns = place.expires_ns
    order.instrument = header.instrument
    order.strategy = header.source
    order.side = <unsigned char>place.side
    order.order_type = <unsigned char>place.order_type
    order.state = APPROVED
    chain(s, order)
    count_open(s, order, 1)
    refresh_exposure(s, order.instrument)
    s.sends_ns[s.totals.sends & (SEND_SLOTS - 1)] = header.ts_recv_ns
    s.totals.sends += 1
    s.totals.approved += 1
    s.totals.next_order_no = place.order_no + 1
    recent_add(&s.intent_keys, place.key)
    if header.ts_recv_ns - strategy.budget_since_ns >= s.limits.proposer_window_ns:
        strategy.budget_since_ns = header.ts_recv_ns
        strategy.budget_used = money_of(0)
    strategy.budget_used = money_add(strategy.budget_used, money_get(place.notional))
    return order


cdef void execute(state_t* s, order_t* order) noexcept nogil:
    """Book what either account of the venue has beyond what is booked already."""
    cdef int64_t lots = order.reported_lots
    cdef int128_t money = order.reported_money
    cdef bint was_open = order.open_
    if order.dealt_lots > lots:
        lots = order.dealt_lots
        money = order.dealt_money
    if lots <= order.filled_lots:
        return
    if was_open:
        count_open(s, order, -1)
    apply_execution(
        s, order.instrument, order.side == SIDE_BUY, lots - order.filled_lots, money_sub(money, order.filled_money))
    order.filled_lots = lots
    order.filled_money = money
    if was_open:
        count_open(s, order, 1)
    s.totals.fills += 1
    if order.filled_lots >= order.size_lots:
        set_state(s, order, COMPLETED)
    elif order.state == APPROVED or order.state == FAILED:
        set_state(s, order, EXECUTING if was_open else COMPLETED)


cdef void note_outcome(int64_t* ring, uint64_t* count, int64_t now_ns) noexcept nogil:
    ring[count[0] & (OUTCOME_SLOTS - 1)] = now_ns
    count[0] += 1


cdef void end_order(state_t* s, order_t* order, uint32_t report) noexcept nogil:
    """An end told by the venue, or proven by its silence."""
    if not order.open_:
        return
    if report == REPORT_REJECTED or report == REPORT_NEVER_ACCEPTED or report == REPORT_NOT_YET:
        set_state(s, order, FAILED if order.filled_lots == 0 else COMPLETED)
        return
    order.canceled = report == REPORT_CANCELED
    set_state(s, order, COMPLETED)


cdef order_t* update_order(state_t* s, const event_t* header, const order_update_t* update) noexcept nogil:
    """Take in what the venue, or its silence, says of an order; NULL where the order is not known."""
    cdef order_t* order = find_order(s, update.order_no)
    if update.report == REPORT_AMBIGUOUS and (order == NULL or order.state != UNKNOWN):
        # An order that is UNKNOWN already, and still is, is no new error.
        note_outcome(s.errors_ns, &s.totals.errors, header.ts_recv_ns)
    elif update.report == REPORT_REJECTED:
        note_outcome(s.rejects_ns, &s.totals.rejects, header.ts_recv_ns)
    if order == NULL:
        return NULL
    order.updated_ns = header.ts_recv_ns
    if update.venue_code:
        order.venue_code = update.venue_code
    if update.venue_order_id[0]:
        memcpy(order.venue_order_id, update.venue_order_id, sizeof(order.venue_order_id))
    if update.cumulative_lots > order.reported_lots:
        order.reported_lots = update.cumulative_lots
        order.reported_money = money_get(update.cumulative_money)
        execute(s, order)
    if update.report == REPORT_WORKING:
        if order.open_:
            set_state(s, order, EXECUTING)
    elif update.report == REPORT_AMBIGUOUS:
        # An order whose cancel has no clear answer is where it was; but one that was never acknowledged is UNKNOWN.
        if order.open_ and (order.state == APPROVED or not order.cancel_pending):
            lose_sight(s, order)
    elif update.report == REPORT_FILLED and order.open_:
        # Filled, but by executions that we have not been told of: its exposure counts until they are.
        lose_sight(s, order)
    elif update.report == REPORT_CANCEL_REJECTED:
        order.cancel_pending = 0
    else:
        end_order(s, order, update.report)
    return order


cdef bint was_told_before(const state_t* s, const order_t* order, const fill_t* fill) noexcept nogil:
    """Whether a fill can only be a repetition, though its id is forgotten.

    An order executes no more than its size, and an order that left the table had ended.
    """
    if order == NULL:
        return fill.order_no != 0 and fill.order_no <= s.totals.newest_forgotten
    return fill.size_lots > order.size_lots - order.dealt_lots


cdef order_t* fill_order(state_t* s, const event_t* header, const fill_t* fill, int64_t fee_asset) noexcept nogil:
    """Take in one fill, once per trade id; NULL where it was seen, or where its order is not known."""
    cdef order_t* order = find_order(s, fill.order_no)
    # Both sides of a trade with ourselves carry one id: the order's number tells them apart.
    cdef uint64_t key = recent_key(fill.trade_id, strnlen(fill.trade_id, sizeof(fill.trade_id)))
    key ^= fill.order_no * 0x9E3779B97F4A7C15u
    if not recent_add(&s.trade_ids, key if key else 1):
        return NULL
    if was_told_before(s, order, fill):
        s.totals.repeated_fills += 1
        return NULL
    apply_fee(s, header.instrument, fee_asset, money_get(fill.fee), fill.price_ticks)
    if order == NULL:
        # Nothing is lost: the position is right even where the order was never known here.
        s.totals.orphan_fills += 1
        s.totals.fills += 1
        apply_execution(s, header.instrument, fill.side == SIDE_BUY, fill.size_lots, money_get(fill.money))
        return NULL
    order.updated_ns = header.ts_recv_ns
    order.fees = money_add(order.fees, money_get(fill.fee))
    memcpy(order.fee_asset, fill.fee_asset, sizeof(order.fee_asset))
    if fee_asset == <int64_t>s.instruments[header.instrument].base_asset:
        order.base_fees = money_add(order.base_fees, money_get(fill.fee))
    order.dealt_lots += fill.size_lots
    order.dealt_money = money_add(order.dealt_money, money_get(fill.money))
    execute(s, order)
    return order
