"""MEXC's error codes as data: what each one means for an order and what to do about it.

Sources: the spot v3 documentation's table; codes marked (seen) are known from recordings and other clients only.
A code that is not listed proves nothing, so it counts as AMBIGUOUS.
"""

from __future__ import annotations

from enum import StrEnum

from engine.adapter import AdapterError


class ErrorClass(StrEnum):
    """What an error means; everything but AMBIGUOUS, WAF and NOT_SENT is the venue's refusal of what was asked."""

    AUTH = "auth"  # key, signature or permission: no order will pass, trading must stop
    CLOCK = "clock"  # our timestamp was outside of the receive window
    BALANCE = "balance"  # not enough of an asset: our account state is wrong
    FILTER = "filter"  # price, size or notional outside of the symbol's limits
    NOT_TRADABLE = "not_tradable"  # the symbol, side or order type is not open, or not open yet
    RATE = "rate"  # too many requests or too many orders
    GONE = "gone"  # no such order: query, trades and open orders tell the rest
    CALLER = "caller"  # a mistake of ours in the request
    SUSPENDED = "suspended"  # the venue stopped one direction of a symbol: an exit may be impossible
    HALT = "halt"  # account or risk control: stop and call a person
    AMBIGUOUS = "ambiguous"  # no answer, or one that proves nothing
    WAF = "waf"  # the web firewall's page: slow down, not JSON
    NOT_SENT = "not_sent"  # no byte of the request left us
    BAD_BODY = "bad_body"  # an answer of success that is not what it should be


_C = ErrorClass

CODES: dict[int, tuple[ErrorClass, str]] = {
    -2011: (_C.GONE, "unknown order sent"),
    -2013: (_C.GONE, "order does not exist"),  # (seen)
    -1121: (_C.NOT_TRADABLE, "invalid symbol"),  # (seen)
    -1127: (_C.CALLER, "more than one hour between start and end"),  # (seen)
    -1128: (_C.CALLER, "combination of optional parameters invalid"),  # (seen)
    26: (_C.NOT_TRADABLE, "operation not allowed"),
    400: (_C.AUTH, "api key required"),
    401: (_C.AUTH, "no authority"),
    403: (_C.WAF, "access denied"),
    429: (_C.RATE, "too many requests"),
    500: (_C.AMBIGUOUS, "internal error"),
    503: (_C.AMBIGUOUS, "service not available"),
    504: (_C.AMBIGUOUS, "gateway timeout"),
    602: (_C.AUTH, "signature verification failed"),
    10001: (_C.AUTH, "user does not exist"),
    10007: (_C.NOT_TRADABLE, "symbol not support api"),
    10015: (_C.CALLER, "null parameter"),
    10072: (_C.AUTH, "invalid access key"),
    10073: (_C.CLOCK, "invalid request time"),
    10095: (_C.CALLER, "amount cannot be null"),
    10096: (_C.FILTER, "amount decimals too long"),
    10097: (_C.FILTER, "amount error"),
    10098: (_C.HALT, "risk control system detected abnormal"),
    10101: (_C.BALANCE, "insufficient balance"),
    10102: (_C.FILTER, "amount cannot be zero or negative"),
    10222: (_C.CALLER, "null parameter"),
    11444: (_C.HALT, "feature temporarily unavailable"),  # (seen)
    20002: (_C.AMBIGUOUS, "internal error"),
    22222: (_C.AMBIGUOUS, "record does not exist"),
    30000: (_C.NOT_TRADABLE, "suspended transaction for the symbol"),
    30001: (_C.NOT_TRADABLE, "transaction direction not allowed"),
    30002: (_C.FILTER, "minimum transaction volume"),
    30003: (_C.FILTER, "maximum transaction volume"),
    30004: (_C.BALANCE, "insufficient position"),
    30005: (_C.BALANCE, "oversold"),
    30010: (_C.NOT_TRADABLE, "no valid trade price"),
    30014: (_C.NOT_TRADABLE, "invalid symbol"),
    30016: (_C.NOT_TRADABLE, "trading disabled"),
    30018: (_C.NOT_TRADABLE, "market order is disabled"),
    30019: (_C.NOT_TRADABLE, "api market order is disabled"),
    30020: (_C.NOT_TRADABLE, "no permission for the symbol"),
    30021: (_C.NOT_TRADABLE, "invalid symbol"),
    30025: (_C.NOT_TRADABLE, "no opponent order exists"),
    30026: (_C.CALLER, "invalid order ids"),
    30027: (_C.SUSPENDED, "maximum position reached, buying suspended"),
    30028: (_C.SUSPENDED, "risk control triggered, selling suspended"),
    30029: (_C.RATE, "maximum number of open orders"),
    30032: (_C.FILTER, "maximum position"),
    30041: (_C.NOT_TRADABLE, "current order type can not place order"),
    30051: (_C.NOT_TRADABLE, "api market order is disabled"),  # (seen)
    30087: (_C.FILTER, "order price exceeds allowed range"),  # (seen)
    33333: (_C.CALLER, "parameter error"),
    44444: (_C.CALLER, "parameter cannot be null"),
    60005: (_C.HALT, "account abnormal"),
    70011: (_C.HALT, "pair user ban trade apikey"),
    700001: (_C.AUTH, "api key format invalid"),
    700002: (_C.AUTH, "signature not valid"),
    700003: (_C.CLOCK, "timestamp outside of recvWindow"),
    700004: (_C.CALLER, "orderId and origClientOrderId both empty"),
    700005: (_C.CALLER, "recvWindow must be less than 60000"),
    700006: (_C.AUTH, "ip non white list"),
    700007: (_C.AUTH, "no permission to access the endpoint"),
    700008: (_C.CALLER, "illegal characters in a parameter"),
    700013: (_C.CALLER, "invalid content type"),  # (seen)
}  # fmt: skip

# Some texts come under codes that differ from place to place: the text decides before the code does.
_TEXTS: tuple[tuple[str, ErrorClass], ...] = (
    ("market order is disabled", _C.NOT_TRADABLE),
    ("contact support", _C.HALT),
)

# Classes after which nothing may be concluded about an order that was being placed.
_UNPROVED = frozenset({_C.AMBIGUOUS, _C.WAF, _C.BAD_BODY, _C.GONE})
# Classes that no wait and no repetition cures: trading halts, and a person must look.
STOPS_TRADING = frozenset({_C.AUTH, _C.HALT})
NEEDS_A_PERSON = STOPS_TRADING | {_C.SUSPENDED}


def classify(http_status: int, code: int | None, text: str) -> ErrorClass:
    """The class of a refusal, from the HTTP status, MEXC's code (None where the body is no JSON) and its text."""
    if http_status in (429, 418):
        return _C.RATE
    if http_status >= 500:
        return _C.AMBIGUOUS
    if code is None:
        return _C.WAF if http_status == 403 else _C.AMBIGUOUS
    lowered = text.lower()
    for needle, error_class in _TEXTS:
        if needle in lowered:
            return error_class
    known = CODES.get(code)
    return known[0] if known else _C.AMBIGUOUS


class VenueError(AdapterError):
    """A request that did not succeed. `code` is MEXC's, or 0; `text` never holds a secret or a signature."""

    def __init__(
        self,
        error_class: ErrorClass,
        text: str,
        *,
        code: int = 0,
        http_status: int = 0,
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(
            f"{error_class}: {text} (code {code}, http {http_status})", retry_after_s=retry_after_s
        )
        self.error_class = error_class
        self.text = text
        self.code = code
        self.http_status = http_status

    @property
    def refused(self) -> bool:
        """Whether this proves that what was asked did not happen and will not."""
        return self.error_class not in _UNPROVED
