"""Positions, cash and what they are worth: pure functions over the state.

Profit is exact in sum: what rounding keeps from realised profit stays in the cost of the open position.
"""

from libc.stdint cimport uint32_t

from engine.core.event cimport instrument_t
from engine.core.money cimport (
    money_abs, money_add, money_max, money_sub, money_times, notional, power_of_ten, share_of, share_up,
)
from engine.core.state.state cimport exposure_t, market_t


cdef int64_t mark_ticks(const state_t* s, int32_t i) noexcept nogil:
    """The price a position is valued at: the mid, else the last trade, else its own average cost; 0 where none is known."""
    cdef const market_t* market = &s.markets[i]
    cdef const exposure_t* exposure = &s.exposures[i]
    if market.bid_ticks > 0 and market.ask_ticks > 0:
        return (market.bid_ticks + market.ask_ticks) // 2
    if market.last_trade_ticks > 0:
        return market.last_trade_ticks
    if exposure.position_lots:
        return <int64_t>(exposure.cost // money_times(s.units[i], exposure.position_lots))
    return market.bid_ticks if market.bid_ticks > 0 else market.ask_ticks


cdef void refresh_exposure(state_t* s, int32_t i) noexcept nogil:
    """Value one instrument's worst cases at its mark and carry the difference into the sums."""
    cdef market_t* market = &s.markets[i]
    cdef exposure_t* exposure = &s.exposures[i]
    cdef int64_t mark
    cdef int128_t long_, short_, gross
    if not (exposure.position_lots or exposure.buy_lots or exposure.sell_lots or market.gross):
        return
    mark = mark_ticks(s, i)
    long_ = notional(mark, exposure.position_lots + exposure.buy_lots, s.units[i])
    short_ = notional(mark, exposure.position_lots - exposure.sell_lots, s.units[i])
    gross = money_max(money_abs(long_), money_abs(short_))
    s.gross_exposure = money_add(s.gross_exposure, money_sub(gross, market.gross))
    s.net_long = money_add(s.net_long, money_sub(long_, market.net_long))
    s.net_short = money_add(s.net_short, money_sub(short_, market.net_short))
    market.gross = gross
    market.net_long = long_
    market.net_short = short_


cdef void apply_execution(state_t* s, int32_t i, bint buy, int64_t lots, int128_t money) noexcept nogil:
    """Book `lots` bought or sold for `money` of the quote asset: position, cost, realised profit and both balances."""
    cdef exposure_t* exposure = &s.exposures[i]
    cdef const instrument_t* instrument = &s.instruments[i]
    cdef int64_t signed_lots = lots if buy else -lots, closing
    cdef int128_t base = money_times(s.lot_units[i], signed_lots), closed_money, released
    s.assets[instrument.base_asset].total = money_add(s.assets[instrument.base_asset].total, base)
    if buy:
        s.assets[instrument.quote_asset].total = money_sub(s.assets[instrument.quote_asset].total, money)
    else:
        s.assets[instrument.quote_asset].total = money_add(s.assets[instrument.quote_asset].total, money)
    if (exposure.position_lots > 0) != buy and exposure.position_lots != 0:
        closing = exposure.position_lots if exposure.position_lots > 0 else -exposure.position_lots
        closing = lots if lots < closing else closing
        closed_money = share_of(money, closing, lots)
        released = share_of(exposure.cost, closing, exposure.position_lots if not buy else -exposure.position_lots)
        # Selling a long: proceeds less cost. Buying back a short, whose cost is negative: what it brought less what it takes.
        exposure.realised = money_add(
            exposure.realised, money_sub(closed_money, released) if not buy else money_sub(money_sub(0, released), closed_money))
        exposure.cost = money_sub(exposure.cost, released)
        money = money_sub(money, closed_money)
    exposure.position_lots += signed_lots
    if buy:
        exposure.cost = money_add(exposure.cost, money)
    else:
        exposure.cost = money_sub(exposure.cost, money)
    refresh_exposure(s, i)


cdef bint apply_fee(state_t* s, int32_t i, int64_t asset, int128_t fee, int64_t price_ticks) noexcept nogil:
    """Book a fee in whatever asset the venue took it; its worth in the quote asset counts against the day's budget.

    A fee in the base asset is worth the fill's own price, since marks are not durable and fees are.
    Answers False for a third asset, whose worth is not known here.
    """
    cdef const instrument_t* instrument = &s.instruments[i]
    cdef int128_t worth = fee
    s.assets[asset].total = money_sub(s.assets[asset].total, fee)
    s.assets[asset].fees = money_add(s.assets[asset].fees, fee)
    if asset == instrument.base_asset:
        worth = share_up(fee, price_ticks, <int64_t>power_of_ten(instrument.price_decimals))
    elif asset != instrument.quote_asset:
        s.totals.unvalued_fees += 1
        return False
    s.totals.fees_today = money_add(s.totals.fees_today, worth)
    s.totals.fees_total = money_add(s.totals.fees_total, worth)
    return True


cdef int128_t realised_profit(const state_t* s) noexcept nogil:
    """Realised profit of all instruments less all fees whose worth is known."""
    cdef uint32_t i
    cdef int128_t total = money_sub(0, s.totals.fees_total)
    for i in range(s.totals.instruments):
        total = money_add(total, s.exposures[i].realised)
    return total


cdef int128_t total_equity(const state_t* s) noexcept nogil:
    """The capital of the run's start with all profit since, open positions at their marks."""
    cdef uint32_t i
    cdef int128_t total = money_add(s.totals.capital, realised_profit(s)), worth
    for i in range(s.totals.instruments):
        if s.exposures[i].position_lots:
            worth = notional(mark_ticks(s, <int32_t>i), s.exposures[i].position_lots, s.units[i])
            total = money_add(total, money_sub(worth, s.exposures[i].cost))
    return total
