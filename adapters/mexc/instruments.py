"""From exchangeInfo to `InstrumentSpec`.

MEXC's symbol object has no LOT_SIZE or PRICE_FILTER: prices have `quotePrecision` decimals, sizes `baseAssetPrecision`;
`baseSizePrecision` is the least size, `quoteAmountPrecision` the least notional, `maxQuoteAmount` the greatest.
Field types have changed over the years ("1" and 1 and "ENABLED"), so each is read in every form seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.numbers import integer, lots_at_least, money, scaled
from adapters.mexc.rest import parse_list, parse_object
from engine.core.enums import OrderType, Tradable
from engine.core.instrument import ALL_SIDES, BUY_BIT, SELL_BIT, InstrumentSpec

Row = Mapping[str, object]
_ONLINE = frozenset({"1", "ENABLED"})
_PAUSED = "2"
_MS_DIGITS = 13
_NS_PER_MS = 1_000_000
_SIDES = {1: ALL_SIDES, 2: BUY_BIT, 3: SELL_BIT, 4: 0}
# Orders that may not rest are a type of their own, and go wherever LIMIT goes: exchangeInfo never lists them.
_ORDER_TYPES = {
    "LIMIT": 1 << OrderType.LIMIT | 1 << OrderType.IOC | 1 << OrderType.FOK,
    "MARKET": 1 << OrderType.MARKET,
    "LIMIT_MAKER": 1 << OrderType.LIMIT_MAKER,
    "IMMEDIATE_OR_CANCEL": 1 << OrderType.IOC,
    "FILL_OR_KILL": 1 << OrderType.FOK,
}
# MEXC names no greatest size; the greatest notional is the bound that bites.
_MAX_LOTS = 10**17
_PPM_DECIMALS = 6
_MOST_DECIMALS = 18


def rows_of(body: bytes) -> dict[str, Row]:
    """The symbol objects of an exchangeInfo answer, by symbol; raises VenueError where the body is none."""
    listed = parse_list(parse_object(body, "exchangeInfo").get("symbols"), "exchangeInfo symbols")
    return {name: item for item in listed if isinstance(name := item.get("symbol"), str)}


def specs_of(body: bytes, symbols: Mapping[str, int], now_ms: int = 0) -> dict[str, InstrumentSpec]:
    """The specs of the wanted symbols (symbol to feed) out of an exchangeInfo answer, at a time of the venue.

    Raises VenueError where the body is no exchangeInfo, or one of the wanted symbols cannot be read.
    """
    found: dict[str, InstrumentSpec] = {}
    for name, item in rows_of(body).items():
        if name in symbols:
            try:
                found[name] = spec_of(item, symbols[name], Opening(now_ms=now_ms))
            except ValueError as error:
                raise VenueError(ErrorClass.BAD_BODY, f"exchangeInfo {name}: {error}") from None
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """What else is known of a symbol's opening: the time now and the one announced elsewhere, in ms of the venue (0: none),
    and for how long after it a symbol that is paused still counts as about to open."""

    now_ms: int = 0
    opens_ms: int = 0
    grace_ms: int = 600_000


def spec_of(item: Row, source: int, opening: Opening = Opening()) -> InstrumentSpec:
    """One symbol object as a spec; raises ValueError for a missing or unreadable field."""
    opens_ms = _opens_ms(item, opening)
    size_decimals = integer(item.get("baseAssetPrecision"), "baseAssetPrecision")
    if not 0 <= size_decimals <= _MOST_DECIMALS:
        raise ValueError(f"baseAssetPrecision: {size_decimals} is no number of decimals")
    band_up, band_down = price_band(item.get("filters"))
    return InstrumentSpec(
        symbol=_name(item, "symbol"),
        base=_name(item, "baseAsset"),
        quote=_name(item, "quoteAsset"),
        price_decimals=integer(item.get("quotePrecision", item.get("quoteAssetPrecision")), "quotePrecision"),
        size_decimals=size_decimals,
        tradable=_tradable(item, opens_ms),
        sides=_SIDES.get(integer(item.get("tradeSideType", 1), "tradeSideType"), 0),
        order_types=order_type_bits(item.get("orderTypes")),
        tick_step=1,
        lot_step=1,
        min_lots=max(
            lots_at_least(item.get("baseSizePrecision", "0"), size_decimals, "baseSizePrecision"), 1
        ),
        max_lots=_MAX_LOTS,
        band_up_ppm=band_up,
        band_down_ppm=band_down,
        maker_fee_ppm=scaled(item.get("makerCommission", "0"), _PPM_DECIMALS, "makerCommission"),
        taker_fee_ppm=scaled(item.get("takerCommission", "0"), _PPM_DECIMALS, "takerCommission"),
        min_notional=money(item.get("quoteAmountPrecision", "0"), "quoteAmountPrecision"),
        max_notional=money(item.get("maxQuoteAmount", "0"), "maxQuoteAmount"),
        source=source,
        opens_ns=opens_ms * _NS_PER_MS,
    )


def _name(item: Row, field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is missing")
    return value


def _opens_ms(item: Row, opening: Opening) -> int:
    """When it opens: by its own row, else as announced elsewhere; 0 where nobody says, or it is over."""
    own = str(item.get("firstOpenTime") or "")
    opens_ms = int(own) if own.isascii() and own.isdigit() and len(own) == _MS_DIGITS else opening.opens_ms
    return opens_ms if opens_ms > opening.now_ms - opening.grace_ms else 0


def _tradable(item: Row, opens_ms: int) -> Tradable:
    """Online and open to the API; or open to the API, and paused until its opening or just after it."""
    if str(item.get("isSpotTradingAllowed")).lower() not in ("true", "1"):
        return Tradable.NO
    status = str(item.get("status"))
    if status in _ONLINE:
        return Tradable.YES
    return Tradable.OPENING if status == _PAUSED and opens_ms else Tradable.NO


def order_type_bits(listed: object) -> int:
    """A bit per OrderType that MEXC's `orderTypes` allows; ValueError for anything but a list."""
    if not isinstance(listed, list):
        raise ValueError("orderTypes is no list")
    bits = 0
    for name in listed:
        bits |= _ORDER_TYPES.get(str(name), 0)
    return bits


def price_band(filters: object) -> tuple[int, int]:
    """How far a buy may lie above and a sell below the fair price, in millionths; 0 where there is no such filter."""
    for item in filters if isinstance(filters, list) else []:
        if isinstance(item, dict) and item.get("filterType") == "PERCENT_PRICE_BY_SIDE":
            up = scaled(item.get("bidMultiplierUp", "0"), _PPM_DECIMALS, "bidMultiplierUp")
            return up, scaled(item.get("askMultiplierDown", "0"), _PPM_DECIMALS, "askMultiplierDown")
    return 0, 0
