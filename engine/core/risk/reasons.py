"""Why the gate says no: one enum, from which docs/risk-checks.md is made."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Reason(IntEnum):
    """A denial's one reason code. The numbers are stored in journals: never renumber, only add."""

    HALTED = 1
    MODE_MISMATCH = 2
    REDUCING_ONLY = 3
    BREAKER_DAILY_LOSS = 4
    BREAKER_DRAWDOWN = 5
    BREAKER_ERRORS = 6
    BREAKER_REJECTS = 7
    BREAKER_VOLATILITY = 8
    JOURNAL_NOT_WRITABLE = 9
    RECONCILIATION_PENDING = 10
    CLOCK_SKEW = 11
    FEED_DOWN = 12
    FEED_STALE = 13
    FEED_LAGGING = 14
    BOOK_NOT_LIVE = 15
    UNKNOWN_EXPOSURE = 16
    INSTRUMENT_UNKNOWN = 20
    NOT_TRADABLE = 21
    SIDE_NOT_ALLOWED = 22
    ORDER_TYPE_NOT_ALLOWED = 23
    PRICE_OFF_TICK = 24
    SIZE_OFF_LOT = 25
    SIZE_BELOW_MIN = 26
    SIZE_ABOVE_MAX = 27
    NOTIONAL_BELOW_MIN = 28
    NOTIONAL_ABOVE_MAX = 29
    NOT_OPEN_YET = 30
    BOOK_EMPTY = 40
    BOOK_CROSSED = 41
    PRICE_COLLAR = 42
    PRICE_BAND = 43
    SLIPPAGE = 44
    SELF_TRADE = 45
    ORDER_NOTIONAL = 60
    POSITION = 61
    GROSS_EXPOSURE = 62
    NET_EXPOSURE = 63
    CONCENTRATION = 64
    OPEN_ORDERS = 65
    OPEN_ORDERS_INSTRUMENT = 66
    ORDERS_PER_SECOND = 67
    ORDERS_PER_WINDOW = 68
    FEE_BUDGET = 69
    BALANCE = 70
    PROPOSER_STOPPED = 80
    PROPOSER_BUDGET = 81
    DUPLICATE_INTENT = 82
    MALFORMED_INTENT = 83
    INTENTS_PER_EVENT = 84
    ORDER_TABLE_FULL = 85


class Check(NamedTuple):
    """One row of docs/risk-checks.md."""

    group: str
    limit: str
    text: str


CHECKS: dict[Reason, Check] = {
    Reason.HALTED: Check("mode and health", "command `halt`", "Trading is halted."),
    Reason.MODE_MISMATCH: Check(
        "mode and health", "mode", "The session and the config disagree on paper or live."
    ),
    Reason.REDUCING_ONLY: Check(
        "mode and health",
        "command `reduce-only`, disk space",
        "Only orders that reduce the position, judged against the worst case of position, in-flight and unknown.",
    ),
    Reason.BREAKER_DAILY_LOSS: Check(
        "mode and health",
        "risk.max_daily_loss",
        "Equity fell too far since the UTC day began. Reductions pass.",
    ),
    Reason.BREAKER_DRAWDOWN: Check(
        "mode and health", "risk.max_drawdown", "Equity fell too far from its peak. Reductions pass."
    ),
    Reason.BREAKER_ERRORS: Check(
        "mode and health",
        "risk.max_errors_per_window",
        "Too many ambiguous answers from the venue within breaker_window_s. Reductions pass.",
    ),
    Reason.BREAKER_REJECTS: Check(
        "mode and health",
        "risk.max_rejects_per_window",
        "Too many orders refused by the venue within breaker_window_s. Reductions pass.",
    ),
    Reason.BREAKER_VOLATILITY: Check(
        "mode and health",
        "risk.max_volatility_bps",
        "The mid moved too far within volatility_window_s. Reductions pass.",
    ),
    Reason.JOURNAL_NOT_WRITABLE: Check("mode and health", "none", "The journal cannot be written."),
    Reason.RECONCILIATION_PENDING: Check(
        "mode and health", "none", "Venue and core have not agreed yet on orders and balances."
    ),
    Reason.CLOCK_SKEW: Check(
        "mode and health", "risk.max_clock_skew_ms", "Our clock is too far from the venue's."
    ),
    Reason.FEED_DOWN: Check("mode and health", "none", "The feed of the instrument is not up."),
    Reason.FEED_STALE: Check(
        "mode and health", "risk.max_feed_silence_ms", "Nothing came over the feed for too long."
    ),
    Reason.FEED_LAGGING: Check(
        "mode and health",
        "risk.max_feed_lag_ms",
        "The newest event came later than the measured offset allows, or frames are left out (`run.conflate_lag_ms`).",
    ),
    Reason.BOOK_NOT_LIVE: Check("mode and health", "none", "The book is RESYNCING or STALE."),
    Reason.UNKNOWN_EXPOSURE: Check(
        "mode and health", "none", "An order of this instrument is UNKNOWN: only reductions pass."
    ),
    Reason.INSTRUMENT_UNKNOWN: Check("instrument", "symbols", "There is no such instrument."),
    Reason.NOT_TRADABLE: Check("instrument", "venue", "The venue does not let it be traded by API now."),
    Reason.SIDE_NOT_ALLOWED: Check("instrument", "venue", "The venue does not allow this side."),
    Reason.ORDER_TYPE_NOT_ALLOWED: Check(
        "instrument", "venue", "The venue does not take this order type for it."
    ),
    Reason.PRICE_OFF_TICK: Check(
        "instrument", "venue", "The price is no multiple of the tick, or not positive."
    ),
    Reason.SIZE_OFF_LOT: Check("instrument", "venue", "The size is no multiple of the lot, or not positive."),
    Reason.SIZE_BELOW_MIN: Check("instrument", "venue", "The size is under the venue's minimum."),
    Reason.SIZE_ABOVE_MAX: Check("instrument", "venue", "The size is over the venue's maximum."),
    Reason.NOTIONAL_BELOW_MIN: Check("instrument", "venue", "Price times size is under the venue's minimum."),
    Reason.NOTIONAL_ABOVE_MAX: Check("instrument", "venue", "Price times size is over the venue's maximum."),
    Reason.NOT_OPEN_YET: Check(
        "instrument",
        "risk.opening_early_ms",
        "It opens later than that, by the venue's clock, and no public trade was seen.",
    ),
    Reason.BOOK_EMPTY: Check("price", "none", "A side of our book that the check needs is empty."),
    Reason.BOOK_CROSSED: Check("price", "none", "Our book's best bid is not under its best ask."),
    Reason.PRICE_COLLAR: Check("price", "risk.price_collar_bps", "The price is too far from our own mid."),
    Reason.PRICE_BAND: Check("price", "venue", "The price is outside of the venue's band."),
    Reason.SLIPPAGE: Check(
        "price",
        "risk.max_slippage_bps",
        "Walking the book to this size costs too much, or the depth is unknown.",
    ),
    Reason.SELF_TRADE: Check("price", "none", "It would trade with an open order of our own."),
    Reason.ORDER_NOTIONAL: Check(
        "size", "risk.max_order_notional", "The order is too large. Reductions pass."
    ),
    Reason.POSITION: Check(
        "size", "risk.max_position_notional", "The worst-case position would be too large."
    ),
    Reason.GROSS_EXPOSURE: Check(
        "size", "risk.max_gross_exposure", "The sum of all worst cases would be too large."
    ),
    Reason.NET_EXPOSURE: Check(
        "size", "risk.max_net_exposure", "The net of all worst cases would be too large."
    ),
    Reason.CONCENTRATION: Check(
        "size", "risk.max_concentration_bps", "One instrument would hold too large a share of the equity."
    ),
    Reason.OPEN_ORDERS: Check("size", "risk.max_open_orders", "Too many open orders."),
    Reason.OPEN_ORDERS_INSTRUMENT: Check(
        "size", "risk.max_open_orders_per_instrument", "Too many open orders on this instrument."
    ),
    Reason.ORDERS_PER_SECOND: Check(
        "size", "risk.max_orders_per_second", "Too many orders within one second."
    ),
    Reason.ORDERS_PER_WINDOW: Check(
        "size", "risk.max_orders_per_window", "Too many orders within order_window_s."
    ),
    Reason.FEE_BUDGET: Check(
        "size",
        "risk.max_fees_per_day",
        "Fees paid today and this order's would be too large. Reductions pass.",
    ),
    Reason.BALANCE: Check(
        "size", "none", "The balance, less what is in flight, does not cover it with its fee."
    ),
    Reason.PROPOSER_STOPPED: Check("authority", "risk.on_strategy_error", "The strategy was stopped."),
    Reason.PROPOSER_BUDGET: Check(
        "authority",
        "risk.proposer_budget_notional",
        "The strategy used up its budget of this proposer_window_s. Reductions pass.",
    ),
    Reason.DUPLICATE_INTENT: Check(
        "authority", "none", "An intent with this idempotency key was seen before."
    ),
    Reason.MALFORMED_INTENT: Check("authority", "none", "Side or order type is none that exists."),
    Reason.INTENTS_PER_EVENT: Check("authority", "64", "The strategy proposes without end within one event."),
    Reason.ORDER_TABLE_FULL: Check("authority", "2048", "No room to keep track of one more order."),
}


def _limit(check: Check) -> str:
    """A config field as code, anything else as it is."""
    return f"`{check.limit}`" if "." in check.limit else check.limit


def table() -> str:
    """The checks as Markdown: docs/risk-checks.md."""
    lines = [
        "# Risk checks",
        "",
        "Generated from `engine/core/risk/reasons.py`; do not edit. Every order passes all of these in this order;",
        "the first that fails names the denial; only 84, 83 and 20 are asked before all others.",
        "Cancels pass on a path of their own and are never denied for risk.",
        "",
        "| code | reason | group | limit | denied when |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {reason.value} | `{reason.name}` | {check.group} | {_limit(check)} | {check.text} |"
        for reason, check in CHECKS.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(table())
