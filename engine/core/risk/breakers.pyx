"""Circuit breakers: when to stop proposing, judged on the state alone.

Each answers whether its breaker must open now, with the limit and the value. An open one stays open until an operator
resumes; volatility's closes by itself after a quiet window.
"""

from libc.stdint cimport INT64_MAX

from engine.core.money cimport int128_t, money_less, money_of, money_put, money_sub, ratio, share_of
from engine.core.state.state cimport (
    BREAKER_DAILY_LOSS, BREAKER_DRAWDOWN, BREAKER_ERRORS, BREAKER_REJECTS, BREAKER_VOLATILITY, OUTCOME_SLOTS, market_t,
)


cdef bint trips(breaker_t* found, int kind, int128_t limit, int128_t value) noexcept nogil:
    found.breaker = kind
    found.open = 1
    found.limit = money_put(limit)
    found.value = money_put(value)
    return True


cdef bint closes(breaker_t* found, int64_t limit) noexcept nogil:
    trips(found, BREAKER_VOLATILITY, money_of(limit), money_of(0))
    found.open = 0
    return True


cdef bint is_open(const state_t* s, int kind) noexcept nogil:
    return s.totals.breakers >> kind & 1


cdef bint loss_trips(const state_t* s, breaker_t* found) noexcept nogil:
    """Equity fell by more than max_daily_loss since the UTC day began."""
    cdef int128_t loss = money_sub(s.totals.equity_day_start, s.equity)
    if is_open(s, BREAKER_DAILY_LOSS) or not money_less(s.limits.max_daily_loss, loss):
        return False
    return trips(found, BREAKER_DAILY_LOSS, s.limits.max_daily_loss, loss)


cdef bint drawdown_trips(const state_t* s, breaker_t* found) noexcept nogil:
    """Equity fell by more than max_drawdown from its peak."""
    cdef int128_t loss = money_sub(s.totals.equity_peak, s.equity)
    if is_open(s, BREAKER_DRAWDOWN) or not money_less(s.limits.max_drawdown, loss):
        return False
    return trips(found, BREAKER_DRAWDOWN, s.limits.max_drawdown, loss)


cdef bint too_many(const state_t* s, const int64_t* ring, uint64_t count, int64_t most) noexcept nogil:
    """Whether more than `most` of the times in a ring lie within the window."""
    if count <= <uint64_t>most:
        return False
    return s.now_ns - ring[(count - 1 - most) & (OUTCOME_SLOTS - 1)] < s.limits.breaker_window_ns


cdef bint errors_trip(const state_t* s, breaker_t* found) noexcept nogil:
    """Too many ambiguous answers within the window."""
    cdef int64_t most = s.limits.max_errors_per_window
    if is_open(s, BREAKER_ERRORS) or not too_many(s, s.errors_ns, s.totals.errors, most):
        return False
    return trips(found, BREAKER_ERRORS, money_of(most), money_of(most + 1))


cdef bint rejects_trip(const state_t* s, breaker_t* found) noexcept nogil:
    """Too many orders refused by the venue within the window."""
    cdef int64_t most = s.limits.max_rejects_per_window
    if is_open(s, BREAKER_REJECTS) or not too_many(s, s.rejects_ns, s.totals.rejects, most):
        return False
    return trips(found, BREAKER_REJECTS, money_of(most), money_of(most + 1))


cdef void begin_window(market_t* market, int64_t twice_mid, int64_t max_bps, int64_t now_ns) noexcept nogil:
    """Bounds around the mid as it is now."""
    cdef int64_t most = INT64_MAX - twice_mid, room = most
    cdef int128_t wanted = share_of(money_of(twice_mid), max_bps, 10_000)
    if money_less(wanted, money_of(most)):
        room = <int64_t>wanted
    market.volatility_low = twice_mid - room
    market.volatility_high = twice_mid + room
    market.volatility_since_ns = now_ns


cdef bint volatility_turns(state_t* s, int32_t i, breaker_t* found) noexcept nogil:
    """The mid left the bounds set when the running window began: opens. A whole window within bounds: closes."""
    cdef market_t* market = &s.markets[i]
    cdef int64_t twice_mid = market.bid_ticks + market.ask_ticks, middle
    cdef int64_t bps = s.limits.max_volatility_bps
    cdef bint ended, open_ = s.exposures[i].volatility_open
    if market.bid_ticks <= 0 or market.ask_ticks <= 0 or not bps:
        return False
    ended = s.now_ns - market.volatility_since_ns >= s.limits.volatility_window_ns
    if ended or not market.volatility_high:
        ended = ended and market.volatility_high != 0
        begin_window(market, twice_mid, bps, s.now_ns)
        return open_ and ended and closes(found, bps)
    if market.volatility_low <= twice_mid <= market.volatility_high:
        return False
    middle = market.volatility_low + (market.volatility_high - market.volatility_low) // 2
    # From here on it is asked how quiet the market is around where it went.
    begin_window(market, twice_mid, bps, s.now_ns)
    if open_:
        return False
    return trips(found, BREAKER_VOLATILITY, money_of(bps), ratio(money_of(twice_mid - middle), money_of(middle), 10_000))


cdef bint volatility_rests(const state_t* s, int32_t i, breaker_t* found) noexcept nogil:
    """The same of a book that no longer changes: a whole window went by since it last left its bounds."""
    cdef const market_t* market = &s.markets[i]
    if not s.exposures[i].volatility_open or not market.volatility_high:
        return False
    if s.now_ns - market.volatility_since_ns < s.limits.volatility_window_ns:
        return False
    return closes(found, s.limits.max_volatility_bps)
