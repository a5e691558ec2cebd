"""MEXC's error codes as data: what each means for an order, and what Penstock does. docs/mexc-errors.md is made of it.

Sources: the spot v3 documentation's table; codes marked as seen are known from recordings and other clients only.
A code that is not listed proves nothing: an order that got it is UNKNOWN.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ErrorClass(StrEnum):
    """What an error means; everything but AMBIGUOUS, WAF, GONE, BAD_BODY and NOT_SENT is the venue's refusal."""

    AUTH = "auth"  # key, signature or permission: no order will pass, trading must stop
    CLOCK = "clock"  # our timestamp was outside of the receive window
    BALANCE = "balance"  # not enough of an asset: our account state is wrong
    FILTER = "filter"  # price, size or notional outside of the symbol's limits
    NOT_TRADABLE = "not_tradable"  # the symbol, side or order type is not open, or not open yet
    RATE = "rate"  # too many requests or too many orders
    GONE = "gone"  # no such order: query, trades and open orders tell the rest
    CALLER = "caller"  # a mistake of ours in the request
    SUSPENDED = "suspended"  # the venue closed a direction of a symbol, or the pair to this key: an exit may be impossible
    HALT = "halt"  # account or risk control: stop and call a person
    AMBIGUOUS = "ambiguous"  # no answer, or one that proves nothing
    WAF = "waf"  # the web firewall's page: slow down, not JSON
    NOT_SENT = "not_sent"  # no byte of the request left us
    BAD_BODY = "bad_body"  # an answer of success that is not what it should be


class Action(StrEnum):
    """What Penstock does about an error, beside reporting it. `ACTIONS` says it in words."""

    REFUSE = "refuse"
    FIX_REQUEST = "fix_request"
    CHECK_SYMBOL = "check_symbol"
    NOT_YET = "not_yet"
    USE_LIMIT = "use_limit"
    STAY_IN_BAND = "stay_in_band"
    RESYNC_ACCOUNT = "resync_account"
    RESYNC_CLOCK = "resync_clock"
    BACK_OFF = "back_off"
    FEWER_ORDERS = "fewer_orders"
    ALERT = "alert"
    HALT = "halt"
    QUERY_ORDER = "query_order"
    RETRY_QUERY = "retry_query"
    NOT_USED = "not_used"


ACTIONS: dict[Action, str] = {
    Action.REFUSE: "The order failed; the strategy hears it with the code and decides.",
    Action.FIX_REQUEST: "The order failed. A mistake in our request: counted and logged, to be put right in the code.",
    Action.CHECK_SYMBOL: "The order failed. The symbol's name or the config is wrong: counted and logged.",
    Action.NOT_YET: "The order failed. While the symbol is opening it is told as NOT_YET and not counted by the rejects "
    "breaker; a new try is a new order with its own id, time and signature. At any other time it is a refusal.",
    Action.USE_LIMIT: "The order failed. This order type is not open for the symbol: LIMIT or IOC may be.",
    Action.STAY_IN_BAND: "The order failed. MEXC's price protection: the gate keeps prices within the band of exchangeInfo "
    "(PRICE_BAND); the venue's reference price differed from ours.",
    Action.RESYNC_ACCOUNT: "The order failed. Our balances are wrong: the account is reconciled at once (every 10 s at most).",
    Action.RESYNC_CLOCK: "An order failed, and the clock is measured at once. A question measures it, is signed anew and asked "
    "once more.",
    Action.BACK_OFF: "The endpoint is closed for Retry-After (418: all endpoints). Orders meanwhile fail as never sent; "
    "questions wait.",
    Action.FEWER_ORDERS: "The order failed. Too many are open: the strategy waits or cancels.",
    Action.ALERT: "The order failed, and it is logged as an error: a direction, or the pair, is closed to us, and an exit"
    " may be impossible.",
    Action.HALT: "The order failed. Where an order or a cancel gets it, trading halts (a HALT command in the journal), and it is "
    "logged as an error: a person must look and resume.",
    Action.QUERY_ORDER: "The order is UNKNOWN until the venue has told what became of it; it is never sent again.",
    Action.RETRY_QUERY: "A question is asked again with growing waits; an order is UNKNOWN until the venue has told.",
    Action.NOT_USED: "Belongs to requests that Penstock never makes. Where it comes all the same it proves nothing: an order "
    "is UNKNOWN until the venue has told.",
}


class ErrorCode(msgspec.Struct, frozen=True):
    """One row: MEXC's text, what it means, what is done; `is_seen`: not in MEXC's table."""

    text: str
    error_class: ErrorClass
    action: Action
    is_seen: bool = False


def _row(text: str, error_class: ErrorClass, action: Action, seen: str = "") -> ErrorCode:
    return ErrorCode(text, error_class, action, bool(seen))


_C, _A, _SEEN = ErrorClass, Action, "seen"

CODES: dict[int, ErrorCode] = {
    -2011: _row("Unknown order sent", _C.GONE, _A.QUERY_ORDER),
    -2013: _row("Order does not exist", _C.GONE, _A.QUERY_ORDER, _SEEN),
    -1121: _row("Invalid symbol", _C.NOT_TRADABLE, _A.CHECK_SYMBOL, _SEEN),
    -1127: _row("More than one hour between startTime and endTime", _C.CALLER, _A.FIX_REQUEST, _SEEN),
    -1128: _row("Combination of optional parameters invalid", _C.CALLER, _A.FIX_REQUEST, _SEEN),
    26: _row("Operation not allowed", _C.NOT_TRADABLE, _A.REFUSE),
    400: _row("api key required", _C.AUTH, _A.HALT),
    401: _row("No authority", _C.AUTH, _A.HALT),
    403: _row("Access denied", _C.WAF, _A.BACK_OFF),
    429: _row("Too many requests", _C.RATE, _A.BACK_OFF),
    500: _row("Internal error", _C.AMBIGUOUS, _A.QUERY_ORDER),
    503: _row("Service not available", _C.AMBIGUOUS, _A.QUERY_ORDER),
    504: _row("Gateway timeout", _C.AMBIGUOUS, _A.QUERY_ORDER),
    602: _row("Signature verification failed", _C.AUTH, _A.HALT),
    10001: _row("User does not exist", _C.AUTH, _A.HALT),
    10007: _row("bad symbol; seen: symbol not support api", _C.NOT_TRADABLE, _A.NOT_YET),
    10015: _row("Null parameter", _C.CALLER, _A.FIX_REQUEST),
    10072: _row("Invalid access key", _C.AUTH, _A.HALT),
    10073: _row("Invalid Request-Time", _C.CLOCK, _A.RESYNC_CLOCK),
    10095: _row("Amount cannot be null", _C.CALLER, _A.FIX_REQUEST),
    10096: _row("Amount decimal places too long", _C.FILTER, _A.FIX_REQUEST),
    10097: _row("Amount is error", _C.FILTER, _A.FIX_REQUEST),
    10098: _row("Risk control system detected abnormal", _C.HALT, _A.HALT),
    10101: _row("Insufficient balance", _C.BALANCE, _A.RESYNC_ACCOUNT),
    10102: _row("Amount cannot be zero or negative", _C.FILTER, _A.FIX_REQUEST),
    10222: _row("Null parameter", _C.CALLER, _A.FIX_REQUEST),
    11444: _row("Feature temporarily unavailable", _C.HALT, _A.HALT, _SEEN),
    20002: _row("Internal error", _C.AMBIGUOUS, _A.RETRY_QUERY),
    22222: _row("Record does not exist", _C.AMBIGUOUS, _A.RETRY_QUERY),
    30000: _row("Suspended transaction for the symbol", _C.NOT_TRADABLE, _A.NOT_YET),
    30001: _row("Current transaction direction is not allowed", _C.NOT_TRADABLE, _A.REFUSE),
    30002: _row("Minimum transaction volume", _C.FILTER, _A.REFUSE),
    30003: _row("Maximum transaction volume", _C.FILTER, _A.REFUSE),
    30004: _row("Insufficient position", _C.BALANCE, _A.RESYNC_ACCOUNT),
    30005: _row("Oversold", _C.BALANCE, _A.RESYNC_ACCOUNT),
    30010: _row("No valid trade price", _C.NOT_TRADABLE, _A.REFUSE),
    30014: _row("Invalid symbol", _C.NOT_TRADABLE, _A.CHECK_SYMBOL),
    30016: _row("Trading disabled", _C.NOT_TRADABLE, _A.NOT_YET),
    30018: _row("Market order is disabled", _C.NOT_TRADABLE, _A.USE_LIMIT),
    30019: _row("api market order is disabled", _C.NOT_TRADABLE, _A.USE_LIMIT),
    30020: _row("No permission for the symbol", _C.NOT_TRADABLE, _A.REFUSE),
    30021: _row("Invalid symbol", _C.NOT_TRADABLE, _A.CHECK_SYMBOL),
    30025: _row("No exist opponent order", _C.NOT_TRADABLE, _A.REFUSE),
    30026: _row("Invalid order ids", _C.CALLER, _A.FIX_REQUEST),
    30027: _row("Maximum position reached, buying suspended", _C.SUSPENDED, _A.ALERT),
    30028: _row("Risk control triggered, selling suspended", _C.SUSPENDED, _A.ALERT),
    30029: _row("Maximum order limit", _C.RATE, _A.FEWER_ORDERS),
    30032: _row("Maximum position", _C.FILTER, _A.REFUSE),
    30041: _row("Current order type can not place order", _C.NOT_TRADABLE, _A.USE_LIMIT),
    30051: _row("api market order is disabled", _C.NOT_TRADABLE, _A.USE_LIMIT, _SEEN),
    30087: _row("Order price exceeds allowed range", _C.FILTER, _A.STAY_IN_BAND, _SEEN),
    33333: _row("param error", _C.CALLER, _A.FIX_REQUEST),
    44444: _row("Parameter cannot be null", _C.CALLER, _A.FIX_REQUEST),
    60005: _row("Account abnormal", _C.HALT, _A.HALT),
    70011: _row("Pair user ban trade apikey", _C.SUSPENDED, _A.ALERT),
    700001: _row("API-key format invalid", _C.AUTH, _A.HALT),
    700002: _row("Signature for this request is not valid", _C.AUTH, _A.HALT),
    700003: _row("Timestamp for this request is outside of the recvWindow", _C.CLOCK, _A.RESYNC_CLOCK),
    700004: _row("orderId and origClientOrderId both empty", _C.CALLER, _A.FIX_REQUEST),
    700005: _row("recvWindow must be less than 60000", _C.CALLER, _A.FIX_REQUEST),
    700006: _row("IP non white list", _C.AUTH, _A.HALT),
    700007: _row("No permission to access the endpoint", _C.AUTH, _A.HALT),
    700008: _row("Illegal characters found in parameter", _C.CALLER, _A.FIX_REQUEST),
    700013: _row("Invalid content type", _C.CALLER, _A.FIX_REQUEST, _SEEN),
}

# (first, last, row): codes of whole services. A code of its own goes before its range.
RANGES: tuple[tuple[int, int, ErrorCode], ...] = (
    (10200, 10269, _row("Transfers and withdrawals", _C.AMBIGUOUS, _A.NOT_USED)),
    (140000, 140099, _row("Sub-accounts: API management", _C.AMBIGUOUS, _A.NOT_USED)),
    (730000, 730999, _row("Sub-accounts", _C.AMBIGUOUS, _A.NOT_USED)),
)

# Some texts come under codes that differ from place to place: the text decides before the code does.
TEXTS: tuple[tuple[str, ErrorCode], ...] = (
    ("market order is disabled", _row("Market order is disabled", _C.NOT_TRADABLE, _A.USE_LIMIT, _SEEN)),
    ("contact support", _row("Account cannot order, contact support", _C.HALT, _A.HALT, _SEEN)),
)

UNKNOWN_CODE = _row("A code that is not listed", _C.AMBIGUOUS, _A.QUERY_ORDER)
NOT_YET_CODES = frozenset(code for code, row in CODES.items() if row.action is _A.NOT_YET)

# What is no code: (what happened, row).
WITHOUT_CODE: tuple[tuple[str, ErrorCode], ...] = (
    ("HTTP 429 with any body", _row("", _C.RATE, _A.BACK_OFF)),
    ("HTTP 418 with any body", _row("", _C.RATE, _A.BACK_OFF)),
    ("HTTP 5xx with any body", _row("", _C.AMBIGUOUS, _A.QUERY_ORDER)),
    ("HTTP 403 without MEXC's JSON (the web firewall)", _row("", _C.WAF, _A.BACK_OFF)),
    ("any other HTTP error without MEXC's JSON", _row("", _C.AMBIGUOUS, _A.QUERY_ORDER)),
    ("no answer in time, a lost connection, bytes that are no HTTP", _row("", _C.AMBIGUOUS, _A.QUERY_ORDER)),
    ("an answer of success that cannot be read", _row("", _C.BAD_BODY, _A.QUERY_ORDER)),
    ("no connection free in time, or the request budget spent", _row("", _C.NOT_SENT, _A.REFUSE)),
)


def find(code: int, text: str) -> ErrorCode:
    """The row of an answer with this code and text."""
    lowered = text.lower()
    for needle, row in TEXTS:
        if needle in lowered:
            return row
    if code in CODES:
        return CODES[code]
    for first, last, row in RANGES:
        if first <= code <= last:
            return row
    return UNKNOWN_CODE


def page() -> str:
    """The table as Markdown: docs/mexc-errors.md."""
    lines = [
        "# Every MEXC error and what Penstock does",
        "",
        "Generated from `adapters/mexc/error_codes.py`; do not edit. The class says what an error means for an order, the",
        "action what is done. † is not in MEXC's own table: seen in recordings or in other clients.",
        "",
        "| code | MEXC says | class | action |",
        "|---|---|---|---|",
    ]
    named = [(str(code), row) for code, row in CODES.items()]
    named += [(f"{first} to {last}, if not listed", row) for first, last, row in RANGES]
    named += [(f"any, with “{needle}” in its text", row) for needle, row in TEXTS]
    named += [("any other", UNKNOWN_CODE)]
    lines += [
        f"| {name}{'†' * row.is_seen} | {row.text} | `{row.error_class}` | `{row.action}` |"
        for name, row in named
    ]
    lines += ["", "| without a code of MEXC's | class | action |", "|---|---|---|"]
    lines += [f"| {what} | `{row.error_class}` | `{row.action}` |" for what, row in WITHOUT_CODE]
    lines += ["", "## Actions", ""]
    lines += [f"* `{action}`: {text}" for action, text in ACTIONS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
