"""What a refusal means for an entry: wait, try another way once, or give up. By the venue's code, or the gate's reason."""

from __future__ import annotations

from enum import Enum

from engine import OrderType
from engine.core.order import Order
from engine.core.risk.reasons import Reason
from strategies.ready_state.settings import Settings


class Answer(Enum):
    """What to do after a refusal."""

    AGAIN = "again"  # later, as a new order
    LATER = "later"  # the same after a longer wait: the venue has too much of us
    AS_LIMIT = "as limit"  # the venue takes no market order: at once, with a limit
    AT_ASK = "at ask"  # the band refused the limit: at once, at the best ask
    BLOCKED = "blocked"


# MEXC: market orders disabled, by venue or API; this order type not possible; no opposite order or price for one.
MARKET_CODES = frozenset({30018, 30019, 30041, 30051, 30010, 30025})
PRICE_CODES = frozenset({30087})
# Our clock or the way took too long: the next order has a time stamp of its own.
CLOCK_CODES = frozenset({700003})
# Too many requests; the most open orders.
BUSY_CODES = frozenset({429, 510, 30029})

# The gate's reasons that pass by themselves. Every other one stands until somebody changes something.
PASSING = frozenset(
    {
        Reason.BOOK_NOT_LIVE, Reason.BOOK_EMPTY, Reason.BOOK_CROSSED, Reason.FEED_DOWN, Reason.FEED_STALE,
        Reason.FEED_LAGGING, Reason.CLOCK_SKEW, Reason.RECONCILIATION_PENDING, Reason.NOT_TRADABLE,
        Reason.NOT_OPEN_YET, Reason.PRICE_COLLAR, Reason.PRICE_BAND, Reason.SLIPPAGE, Reason.BREAKER_VOLATILITY,
        Reason.ORDERS_PER_SECOND, Reason.ORDERS_PER_WINDOW, Reason.INTENTS_PER_EVENT, Reason.UNKNOWN_EXPOSURE,
    }
)  # fmt: skip

# Of these, what is nobody's refusal of this order: an exit is tried again as soon as before.
TRANSIENT = frozenset(
    {
        Reason.BOOK_NOT_LIVE, Reason.BOOK_EMPTY, Reason.BOOK_CROSSED, Reason.FEED_DOWN, Reason.FEED_STALE,
        Reason.FEED_LAGGING, Reason.CLOCK_SKEW, Reason.RECONCILIATION_PENDING, Reason.ORDERS_PER_SECOND,
        Reason.ORDERS_PER_WINDOW, Reason.INTENTS_PER_EVENT, Reason.UNKNOWN_EXPOSURE,
    }
)  # fmt: skip


def after_refusal(order: Order, settings: Settings, *, switched: bool, repriced: bool) -> Answer:
    """What an entry that FAILED without an execution leads to. `switched`, `repriced`: that way was taken before."""
    code = order.venue_code
    if code in settings.not_yet_codes or code == 0:
        # 0: it was never accepted, and no longer can be; nothing was sent, or nothing arrived.
        return Answer.AGAIN
    if code in CLOCK_CODES:
        return Answer.AGAIN
    if code in BUSY_CODES:
        return Answer.LATER
    if code in MARKET_CODES and order.order_type == OrderType.MARKET and not switched:
        return Answer.AS_LIMIT
    if code in PRICE_CODES and not repriced:
        return Answer.AT_ASK
    return Answer.BLOCKED


def reason_name(code: int) -> str:
    """The gate's reason in words."""
    try:
        return Reason(code).name
    except ValueError:
        return f"reason {code}"
