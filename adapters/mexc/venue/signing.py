"""Checks a signed request the way MEXC does.

The signature is HMAC-SHA256 over the query string followed by the body, nothing between them, parameters in the
order in which they were sent; percent escapes count in upper case. A request is in time if its timestamp is less
than one second ahead and at most recvWindow (default 5 s, at most 60 s) behind.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import unquote_plus

from adapters.mexc.venue.errors import VenueError

DEFAULT_RECV_WINDOW_MS = 5_000
MAX_RECV_WINDOW_MS = 60_000
MAX_AHEAD_MS = 1_000

_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")
_ILLEGAL = re.compile(r"[^\x20-\x7e]|[<>'\\;`]")


def sign(secret: str, total_params: str) -> str:
    """The signature of query and body, in lower-case hex."""
    return hmac.new(secret.encode(), total_params.encode(), hashlib.sha256).hexdigest()


def parse_params(raw_query: str, body: str) -> dict[str, str]:
    """Parameters of query and body together; VenueError 700008 for characters that have no place in one."""
    params: dict[str, str] = {}
    for part in [*raw_query.split("&"), *body.split("&")]:
        if not part:
            continue
        name, _, value = part.partition("=")
        params[unquote_plus(name)] = text = unquote_plus(value)
        if _ILLEGAL.search(text):
            raise VenueError(700008, "Illegal characters found in parameter")
    return params


def check_signature(secret: str, raw_query: str, body: str) -> None:
    """VenueError 700002 unless the signature belongs to exactly this query and body."""
    found = _SIGNATURE.findall(raw_query) + _SIGNATURE.findall(body)
    if len(found) != 1:
        raise VenueError(700002, "Signature for this request is not valid.")
    total = _without_signature(raw_query) + _without_signature(body)
    total = _ESCAPE.sub(lambda match: match[0].upper(), total)
    if not hmac.compare_digest(sign(secret, total).encode(), found[0].encode()):
        raise VenueError(700002, "Signature for this request is not valid.")


def check_time(params: dict[str, str], now_ms: int) -> None:
    """VenueError 700003 for a request out of its window, 700005 for a window that is too wide."""
    window_text = params.get("recvWindow", str(DEFAULT_RECV_WINDOW_MS))
    if not window_text.isdecimal() or len(window_text) > 18:
        raise VenueError(33333, "recvWindow must be a number")
    window_ms = int(window_text)
    if window_ms > MAX_RECV_WINDOW_MS:
        raise VenueError(700005, "recvWindow must less than 60000")
    stamp = params.get("timestamp", "")
    if not stamp.isdecimal() or len(stamp) > 18:
        raise VenueError(10073, "invalid Request-Time")
    timestamp_ms = int(stamp)
    if not (timestamp_ms < now_ms + MAX_AHEAD_MS and now_ms - timestamp_ms <= window_ms):
        raise VenueError(700003, "Timestamp for this request is outside of the recvWindow.")


def _without_signature(text: str) -> str:
    return _SIGNATURE.sub("", text).removeprefix("&")
