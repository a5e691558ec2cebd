"""The twin of native/mexc_tickers.pyx in plain Python, on the wire format's oracle."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from tests.oracles.mexc_protobuf import BYTES, VARINT, Refused, fields

MAX_TIME_MS = (2**63 - 1) // 1_000_000


class PlainTickers:
    """See native.mexc_tickers.NewTickers."""

    def __init__(self) -> None:
        self.known: set[bytes] = set()

    def take(self, frame: bytes) -> list[tuple[str, str, int]] | None:
        """What is new; None for a damaged frame."""
        try:
            wrapper = list(fields(frame))
            times = [value for number, kind, value in wrapper if (number, kind) == (6, VARINT)]
            bodies = [value for number, kind, value in wrapper if (number, kind) == (310, BYTES)]
            if len(bodies) > 1 or any(time > MAX_TIME_MS for time in times):
                return None
            items = [
                list(fields(value))
                for body in bodies
                for number, kind, value in fields(body)
                if (number, kind) == (1, BYTES)
            ]
        except Refused:
            return None
        found = []
        for item in items:
            texts = {number: value for number, kind, value in item if kind == BYTES}
            name = texts.get(1, b"")
            trades = positive(texts.get(2, b""), unsaid=False) and all(
                positive(texts.get(number, b""), unsaid=True) for number in (7, 8)
            )
            if name in self.known or not trades or not 0 < len(name) <= 31 or not name.isascii():
                continue
            self.known.add(name)
            found.append((name.decode(), texts[2].decode(), times[-1] if times else 0))
        return found


def positive(text: bytes, *, unsaid: bool) -> bool:
    """A plain decimal above zero."""
    if not text:
        return unsaid
    if (
        not set(text) <= set(b"0123456789.")
        or text.count(b".") > 1
        or not text[:1].isdigit()
        or text.endswith(b".")
    ):
        return False
    try:
        return Decimal(text.decode()) > 0
    except InvalidOperation:
        return False
