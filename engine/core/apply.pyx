"""The durable transition: one record of the journal, input or output, applied to the state.

The live core and the restart run this same function over the same records: therefore they end in the same durable
state. It reads nothing that is not durable, but for marks, which only move the volatile sums.
"""

import json

from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memcpy, memset, strncmp, strncpy

from engine.core.event cimport *
from engine.core.money cimport int128_t, money_abs, money_add, money_get, money_less, money_limit, money_of, money_words
from engine.core.state.orders cimport fill_order, find_order, lose_sight, open_order, update_order
from engine.core.state.state cimport (
    APPROVED, BREAKER_COUNT, BREAKER_VOLATILITY, LOTS_MOST, MAX_STRATEGIES, ORDER_SLOTS, limits_t, recent_add,
    recent_key, state_t, strategy_t,
)
from native.hashing cimport sha256_final, sha256_init, sha256_t, sha256_update

from engine.core.risk.limits import limits_from

cdef extern from "string.h" nogil:
    size_t strnlen(const char* text, size_t most)

cdef uint64_t NUMBERS_SKIPPED = 1 << 20
cdef order_t* touched = NULL      # the order that the newest record was about


cdef order_t* last_order() noexcept:
    """The order that the newest ORDER_UPDATE or FILL was about; NULL where it is not known."""
    return touched


cdef int check_amounts(const state_t* s, int32_t i, int64_t lots, int128_t money, int128_t fee) except -1:
    """What one execution may say at most, so that no sum of ours can overflow."""
    cdef int64_t held = s.exposures[i].position_lots
    if lots > LOTS_MOST - (held if held > 0 else -held):
        raise ValueError(f"{lots} lots are more than can be kept track of")
    if money_less(money, money_of(0)) or money_less(money_limit(), money) or money_less(money_limit(), money_abs(fee)):
        raise ValueError("an execution's money or fee is beyond what can be")
    return 0


cdef int check_update(state_t* s, const order_update_t* update) except -1:
    cdef const order_t* order = find_order(s, update.order_no)
    if not REPORT_WORKING <= update.report <= REPORT_NOT_YET:
        raise ValueError(f"order {update.order_no} is reported {update.report}, which is no report")
    if order != NULL:
        check_amounts(s, order.instrument, update.cumulative_lots, money_get(update.cumulative_money), money_of(0))
    return 0


cdef int check_fill(state_t* s, const event_t* e, const fill_t* fill) except -1:
    cdef const order_t* order = find_order(s, fill.order_no)
    if e.instrument < 0 or e.instrument >= <int32_t>s.totals.instruments:
        raise ValueError(f"a fill (seq {e.seq}) names an instrument that does not exist")
    if fill.side != SIDE_BUY and fill.side != SIDE_SELL:
        raise ValueError(f"a fill (seq {e.seq}) has no side")
    if order != NULL and (order.instrument != e.instrument or order.side != fill.side):
        raise ValueError(f"a fill (seq {e.seq}) of order {fill.order_no} names another instrument or side")
    if fill.size_lots <= 0 or fill.price_ticks < 0 or not fill.trade_id[0]:
        raise ValueError(f"a fill (seq {e.seq}) has no size, no price or no trade id")
    if not fill.fee_asset[0] and money_abs(money_get(fill.fee)) != money_of(0):
        raise ValueError(f"a fill (seq {e.seq}) has a fee of no asset")
    if order != NULL and fill.size_lots > LOTS_MOST - order.dealt_lots:
        raise ValueError(f"{fill.size_lots} lots are more than can be kept track of")
    return check_amounts(s, e.instrument, fill.size_lots, money_get(fill.money), money_get(fill.fee))


cdef void set_limits(limits_t* limits, dict found) except *:
    limits.max_order_notional = money_get(money_words(found["max_order_notional"]))
    limits.max_position_notional = money_get(money_words(found["max_position_notional"]))
    limits.max_gross_exposure = money_get(money_words(found["max_gross_exposure"]))
    limits.max_net_exposure = money_get(money_words(found["max_net_exposure"]))
    limits.max_fees_per_day = money_get(money_words(found["max_fees_per_day"]))
    limits.max_daily_loss = money_get(money_words(found["max_daily_loss"]))
    limits.max_drawdown = money_get(money_words(found["max_drawdown"]))
    limits.proposer_budget_notional = money_get(money_words(found["proposer_budget_notional"]))
    limits.max_concentration_bps = found["max_concentration_bps"]
    limits.max_open_orders = found["max_open_orders"]
    limits.max_open_orders_per_instrument = found["max_open_orders_per_instrument"]
    limits.max_orders_per_second = found["max_orders_per_second"]
    limits.max_orders_per_window = found["max_orders_per_window"]
    limits.order_window_ns = found["order_window_ns"]
    limits.price_collar_bps = found["price_collar_bps"]
    limits.max_slippage_bps = found["max_slippage_bps"]
    limits.max_errors_per_window = found["max_errors_per_window"]
    limits.max_rejects_per_window = found["max_rejects_per_window"]
    limits.breaker_window_ns = found["breaker_window_ns"]
    limits.max_volatility_bps = found["max_volatility_bps"]
    limits.volatility_window_ns = found["volatility_window_ns"]
    limits.max_feed_silence_ns = found["max_feed_silence_ns"]
    limits.max_feed_lag_ns = found["max_feed_lag_ns"]
    limits.max_clock_skew_ns = found["max_clock_skew_ns"]
    limits.proposer_window_ns = found["proposer_window_ns"]
    limits.intent_ttl_ns = found["intent_ttl_ns"]
    limits.opening_early_ns = found["opening_early_ns"]


cdef tuple config_from(bytes told):
    """The resolved config, its risk limits, their currency and the strategies' names; ValueError where it has none."""
    try:
        document = json.loads(told)
    except RecursionError:
        raise ValueError("a config is nested too deeply") from None
    if not isinstance(document, dict) or not isinstance(document.get("risk"), dict):
        raise ValueError("a config has no risk limits")
    risk, strategies = document["risk"], document.get("strategy", [])
    if not isinstance(strategies, list) or not all(isinstance(each, dict) and "id" in each for each in strategies):
        raise ValueError("a strategy of a config has no id")
    if not isinstance(risk.get("currency"), str):
        raise ValueError("risk.currency is not set")
    return (document, risk, risk["currency"].encode("ascii")[:15],
            [str(strategy["id"]).encode("utf-8")[:47] for strategy in strategies])


cdef int apply_config(State state, const event_t* e) except -1:
    """Take limits and strategies from the resolved config, all of them or, with ValueError, none. A strategy keeps its index
    for the run's life."""
    cdef state_t* s = state.c
    cdef const char* body = <const char*>e + sizeof(event_t)
    cdef strategy_t* known
    cdef uint32_t i
    document, risk, currency, names = config_from(body[:e.length])
    set_limits(&s.limits, limits_from(risk))
    s.limits.cancel_on_strategy_error = risk.get("on_strategy_error", "cancel") == "cancel"
    s.limits.live = document.get("mode") == "live"
    memset(s.limits.currency, 0, 16)
    memcpy(s.limits.currency, <const char*>currency, len(currency))
    # The last one is not the config's: it proposes what an operator commands (engine.core.operator).
    for name in [*names, b"operator"]:
        for i in range(s.totals.strategies):
            if strncmp(s.strategies[i].name, name, 48) == 0:
                break
        else:
            if s.totals.strategies == MAX_STRATEGIES:
                raise OverflowError(f"more than {MAX_STRATEGIES} strategies")
            known = &s.strategies[s.totals.strategies]
            memset(known, 0, sizeof(strategy_t))
            strncpy(known.name, name, 47)
            s.totals.strategies += 1
    return 0


cdef int apply_start(State state, const event_t* e) except -1:
    """A session begins: what was on its way when the last one ended is UNKNOWN until there is evidence."""
    cdef state_t* s = state.c
    cdef const start_t* body = <const start_t*>(<const char*>e + sizeof(event_t))
    cdef int slot
    if body.session:
        # After a power loss the newest sends may be missing here, and the venue may hold their numbers.
        s.totals.next_order_no += NUMBERS_SKIPPED
    s.totals.session = body.session
    s.totals.live = body.live
    s.totals.seed = body.seed
    memcpy(s.totals.run_id, body.run_id, 16)
    for slot in range(ORDER_SLOTS):
        if s.orders[slot].open_:
            s.orders[slot].cancel_pending = 0
            if s.orders[slot].state == APPROVED:
                lose_sight(s, &s.orders[slot])
    return 0


cdef int apply_command(State state, const event_t* e) except -1:
    cdef state_t* s = state.c
    cdef const command_t* body = <const command_t*>(<const char*>e + sizeof(event_t))
    cdef size_t length = strnlen(body.idempotency_id, 40)
    cdef uint32_t i
    if length and not recent_add(&s.command_ids, recent_key(body.idempotency_id, length)):
        return 0  # obeyed before
    if body.command == COMMAND_HALT:
        s.totals.halted = 1
        s.totals.halt_epoch += 1
    elif body.command == COMMAND_STOP:
        s.stopping = 1
    elif body.command == COMMAND_REDUCE_ONLY:
        s.totals.reduce_only = 1
    elif body.command == COMMAND_RESUME:
        s.totals.halted = s.totals.reduce_only = s.totals.breakers = 0
        for i in range(s.totals.instruments):
            s.exposures[i].volatility_open = 0
        for i in range(s.totals.strategies):
            s.strategies[i].stopped = 0
        # What tripped a breaker is history now: only what comes after the resume counts.
        memset(s.errors_ns, 0, sizeof(s.errors_ns))
        memset(s.rejects_ns, 0, sizeof(s.rejects_ns))
        s.totals.errors = s.totals.rejects = 0
    return 0


cdef int apply_balance(State state, const event_t* e) except -1:
    cdef state_t* s = state.c
    cdef const balance_t* body = <const balance_t*>(<const char*>e + sizeof(event_t))
    cdef int64_t asset
    if money_less(money_limit(), money_abs(money_get(body.free))) or money_less(money_limit(), money_abs(money_get(body.locked))):
        raise ValueError(f"a balance (seq {e.seq}) is beyond what can be")
    asset = state.asset_index(body.asset)
    s.assets[asset].venue_total = money_add(money_get(body.free), money_get(body.locked))
    if body.absolute:
        s.assets[asset].total = s.assets[asset].venue_total
    return 0


cdef int apply_reconciled(State state) except -1:
    """Venue and core agree; the first time, what is there in the risk currency is the run's capital."""
    cdef state_t* s = state.c
    cdef int64_t currency
    s.reconcile_pending = 0
    if s.limits.currency[0] and not s.totals.capital_known:
        currency = state.asset_index(s.limits.currency)
        s.totals.capital_known = 1
        s.totals.capital = s.assets[currency].total
        s.totals.equity_peak = s.totals.equity_day_start = s.equity = s.totals.capital
    return 0


cdef int apply_breaker(state_t* s, const event_t* e) except -1:
    cdef const breaker_t* body = <const breaker_t*>(<const char*>e + sizeof(event_t))
    if body.breaker >= BREAKER_COUNT or e.instrument >= <int32_t>s.totals.instruments or (
            body.breaker == BREAKER_VOLATILITY and e.instrument < 0):
        raise ValueError(f"a breaker record (seq {e.seq}) names a breaker or instrument that does not exist")
    if body.breaker == BREAKER_VOLATILITY:
        s.exposures[e.instrument].volatility_open = body.open
    elif body.open:
        s.totals.breakers |= 1u << body.breaker
    else:
        s.totals.breakers &= ~(1u << body.breaker)
    return 0


cdef int apply_equity(state_t* s, const event_t* e) except -1:
    cdef const equity_t* body = <const equity_t*>(<const char*>e + sizeof(event_t))
    if body.day != s.totals.day:
        s.totals.fees_today = money_get(money_words(0))
    s.totals.day = body.day
    s.totals.equity_peak = money_get(body.peak)
    s.totals.equity_day_start = money_get(body.day_start)
    return 0


cdef int64_t fee_asset_of(State state, const event_t* e, const fill_t* fill) except -1:
    """The index of the asset that a fill's fee is in; without a fee there may be none named."""
    if fill.fee_asset[0]:
        return state.asset_index(fill.fee_asset)
    return state.c.instruments[e.instrument].quote_asset


cdef int apply_input(State state, const event_t* e) except -1:
    global touched
    cdef state_t* s = state.c
    cdef const char* body = <const char*>e + sizeof(event_t)
    if e.kind == EVENT_ORDER_UPDATE:
        check_update(s, <const order_update_t*>body)
        touched = update_order(s, e, <const order_update_t*>body)
    elif e.kind == EVENT_FILL:
        check_fill(s, e, <const fill_t*>body)
        touched = fill_order(s, e, <const fill_t*>body, fee_asset_of(state, e, <const fill_t*>body))
    elif e.kind == EVENT_START:
        return apply_start(state, e)
    elif e.kind == EVENT_CONFIG:
        return apply_config(state, e)
    elif e.kind == EVENT_INSTRUMENT:
        state.add_instrument(<const instrument_t*>body)
    elif e.kind == EVENT_COMMAND:
        return apply_command(state, e)
    elif e.kind == EVENT_BALANCE:
        return apply_balance(state, e)
    elif e.kind == EVENT_RECONCILED:
        return apply_reconciled(state)
    return 0


cdef void chain_action(state_t* s, const event_t* e) noexcept nogil:
    """actions_hash = SHA-256(actions_hash, record): the one line that two runs are compared by."""
    cdef sha256_t hash_
    sha256_init(&hash_)
    sha256_update(&hash_, s.actions_hash, 32)
    sha256_update(&hash_, e, sizeof(event_t) + e.length)
    sha256_final(&hash_, s.actions_hash)
    s.totals.actions += 1


cdef int apply_output(State state, const event_t* e) except -1:
    """What one output changes, but for the chain."""
    cdef state_t* s = state.c
    cdef const char* body = <const char*>e + sizeof(event_t)
    cdef order_t* order
    if e.kind == ACTION_PLACE:
        if e.source >= MAX_STRATEGIES or e.instrument < 0 or e.instrument >= <int32_t>s.totals.instruments:
            raise ValueError(f"a sent order (seq {e.seq}) names a strategy or instrument that does not exist")
        open_order(s, e, <const place_t*>body)
        s.totals.intents += 1
    elif e.kind == ACTION_CANCEL:
        order = find_order(s, (<const cancel_t*>body).order_no)
        if order != NULL:
            order.cancel_pending = 1
        s.totals.intents += 1
        s.totals.cancels += 1
    elif e.kind == ACTION_DENIED:
        s.denied[(<const denied_t*>body).reason & 127] += 1
        s.totals.intents += 1
    elif e.kind == ACTION_BREAKER:
        apply_breaker(s, e)
    elif e.kind == ACTION_EQUITY:
        apply_equity(s, e)
    elif e.kind == ACTION_STRATEGY_STOPPED:
        if e.source < MAX_STRATEGIES:
            s.strategies[e.source].stopped = 1
    elif e.kind == ACTION_MEMO:
        state.keep_memo(e.source, <const memo_t*>body, body + sizeof(memo_t), e.length - sizeof(memo_t))
    elif e.kind == EVENT_COMMAND:
        apply_command(state, e)
    return 0


cdef int apply_record(State state, const event_t* e) except -1:
    """Apply one record. ValueError where it cannot belong to this history."""
    global touched
    touched = NULL
    # A halt that the core itself met between two intents is an output like any other.
    if ACTION_PLACE <= e.kind <= ACTION_MEMO or (
            e.kind == EVENT_COMMAND and (<const command_t*>(<const char*>e + sizeof(event_t))).at_intent):
        apply_output(state, e)
        chain_action(state.c, e)
        return 0
    return apply_input(state, e)
