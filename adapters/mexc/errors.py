"""What an answer of MEXC's proves; the codes themselves are in `error_codes`."""

from __future__ import annotations

from adapters.mexc.error_codes import CODES, Action, ErrorClass, find
from engine.adapter import AdapterError

__all__ = ["CODES", "NEEDS_A_PERSON", "STOPS_TRADING", "Action", "ErrorClass", "VenueError", "classify"]

_C = ErrorClass
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
    return find(code, text).error_class


_SYMBOL_GONE = frozenset({-1121, 30014, 30021})


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
            f"{error_class}: {text} (code {code}, http {http_status})",
            retry_after_s=retry_after_s,
            symbol_gone=code in _SYMBOL_GONE,
        )
        self.error_class = error_class
        self.text = text
        self.code = code
        self.http_status = http_status

    @property
    def refused(self) -> bool:
        """Whether this proves that what was asked did not happen and will not."""
        return self.error_class not in _UNPROVED
