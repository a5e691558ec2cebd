"""Oracle of native/mexc_request: MEXC's signed requests from MEXC's own words, with the standard library alone.

"signature: HMAC SHA256 with the secret over totalParams", totalParams being the query string as it is sent.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote


def decimal_text(value: int, decimals: int) -> str:
    """A scaled integer as decimal text without superfluous zeros."""
    digits = str(value).rjust(decimals + 1, "0")
    whole, fraction = (digits[:-decimals], digits[-decimals:].rstrip("0")) if decimals else (digits, "")
    return f"{whole}.{fraction}" if fraction else whole


def signed_query(secret: bytes, params: dict[str, str]) -> str:
    """Parameters in their own order, encoded, with the signature behind them."""
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items())
    return f"{query}&signature={hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()}"


def request(method: str, path: str, head: str, secret: bytes, params: dict[str, str]) -> bytes:
    """The bytes of a whole request; `head` is everything behind the address."""
    return f"{method} {path}?{signed_query(secret, params)}{head}".encode()
