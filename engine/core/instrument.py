"""What is traded: symbols with integer ticks and lots, a scale each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.core.risk.limits import MONEY_DECIMALS
from native.decimal import parse_decimal

BUY_BIT, SELL_BIT = 1, 2
ALL_SIDES = BUY_BIT | SELL_BIT
# A bit per OrderType (engine.core.event): LIMIT 1, MARKET 2, LIMIT_MAKER 3, IOC 4, FOK 5.
ALL_ORDER_TYPES = 0b111110


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """One tradable symbol of one feed. Prices are ticks of 10^-price_decimals, sizes lots of 10^-size_decimals.

    Notional bounds are money (10^-20 quote units), fees and bands millionths. source is the feed that
    carries its book, 0 where none does; opens_ns is when it opens by the venue's clock, 0 where it is open or nobody knows.
    """

    symbol: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    tradable: int = 1  # Tradable: no, yes, or about to open
    sides: int = ALL_SIDES
    order_types: int = ALL_ORDER_TYPES
    tick_step: int = 1
    lot_step: int = 1
    min_lots: int = 1
    max_lots: int = 2**62
    band_up_ppm: int = 0
    band_down_ppm: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    min_notional: int = 0
    max_notional: int = 10**38
    source: int = 0
    opens_ns: int = 0

    def __post_init__(self) -> None:
        """ValueError names the first field that cannot be."""
        for name in ("symbol", "base", "quote"):
            text = getattr(self, name)
            if not text or not text.isascii() or len(text) > (31 if name == "symbol" else 15):
                raise ValueError(
                    f"{name} {text!r} is no ASCII name of 1 to {31 if name == 'symbol' else 15} characters"
                )
        if self.price_decimals > 18:
            raise ValueError(f"{self.symbol}: price decimals must be at most 18")
        if (
            self.price_decimals < 0
            or self.size_decimals < 0
            or self.price_decimals + self.size_decimals > MONEY_DECIMALS
        ):
            raise ValueError(
                f"{self.symbol}: price and size decimals must be at least 0 and at most 20 together"
            )
        if self.tick_step <= 0 or self.lot_step <= 0:
            raise ValueError(f"{self.symbol}: ticks and lots step by at least 1")

    def ticks(self, price: str | Decimal) -> int:
        """A price as ticks; ValueError where it is off scale."""
        return parse_decimal(_plain(price), self.price_decimals)

    def lots(self, size: str | Decimal) -> int:
        """A size as lots; ValueError where it is off scale."""
        return parse_decimal(_plain(size), self.size_decimals)

    def price(self, ticks: int) -> Decimal:
        """Ticks as an exact price."""
        return Decimal(ticks).scaleb(-self.price_decimals)

    def size(self, lots: int) -> Decimal:
        """Lots as an exact size."""
        return Decimal(lots).scaleb(-self.size_decimals)

    def price_text(self, ticks: int) -> str:
        """Ticks as a plain decimal number."""
        return f"{self.price(ticks):f}"

    def size_text(self, lots: int) -> str:
        """Lots as a plain decimal number."""
        return f"{self.size(lots):f}"

    def notional(self, ticks: int, lots: int) -> int:
        """Price times size as money."""
        return ticks * lots * int(10 ** (MONEY_DECIMALS - self.price_decimals - self.size_decimals))


def _plain(value: str | Decimal) -> str:
    """Decimal digits without an exponent."""
    return f"{value:f}" if isinstance(value, Decimal) else value
