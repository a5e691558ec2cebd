"""Order and trade ids in MEXC's form; opaque to clients, reversible for the venue."""

from __future__ import annotations


class Identifiers:
    """Ids that carry the venue's start time, so that two runs never share one."""

    def __init__(self, start_ms: int) -> None:
        self._prefix = f"C02__{start_ms:013d}"
        self._start_ms = start_ms

    def order_id(self, order_no: int) -> str:
        """`C02__` and 21 digits."""
        return f"{self._prefix}{order_no:08d}"

    def order_no(self, order_id: str) -> int:
        """The number behind an order id; 0 for one that is not ours."""
        number = order_id.removeprefix(self._prefix)
        is_ours = order_id.startswith(self._prefix) and number.isdecimal() and len(number) < 16
        return int(number) if is_ours else 0

    def trade_id(self, trade_no: int, is_maker: bool) -> str:
        """One side of a trade."""
        return f"{self._start_ms}{trade_no:08d}X{0 if is_maker else 1}"

    def public_trade_id(self, trade_no: int) -> str:
        """A public print: a range of one trade."""
        one = f"{self._start_ms}{trade_no:08d}X0"
        return f"{one}_{one}"
