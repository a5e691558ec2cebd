"""From exchangeInfo to `InstrumentSpec`.

MEXC's symbol object has no LOT_SIZE or PRICE_FILTER: prices have `quotePrecision` decimals, sizes `baseAssetPrecision`;
`baseSizePrecision` is the least size, `quoteAmountPrecision` the least notional, `maxQuoteAmount` the greatest.
Field types have changed over the years ("1" and 1 and "ENABLED"), so each is read in every form seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.numbers import integer, lots_at_least, money, scaled
from adapters.mexc.rest import parse_list, parse_object
from engine.core.enums import OrderType
from engine.core.instrument import ALL_SIDES, BUY_BIT, SELL_BIT, InstrumentSpec

_ONLINE = frozenset({"1", "ENABLED"})
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


def specs_of(body: bytes, symbols: Mapping[str, int]) -> dict[str, InstrumentSpec]:
    """The specs of the wanted symbols (symbol to feed) out of an exchangeInfo answer.

    Raises VenueError where the body is no exchangeInfo, or one of the wanted symbols cannot be read.
    """
    listed = parse_list(parse_object(body, "exchangeInfo").get("symbols"), "exchangeInfo symbols")
    found: dict[str, InstrumentSpec] = {}
    for item in listed:
        name = item.get("symbol")
        if isinstance(name, str) and name in symbols:
            try:
                found[name] = spec_of(item, symbols[name])
            except ValueError as error:
                raise VenueError(ErrorClass.BAD_BODY, f"exchangeInfo {name}: {error}") from None
    return found


def spec_of(item: Mapping[str, object], source: int) -> InstrumentSpec:
    """One symbol object as a spec; raises ValueError for a missing or unreadable field."""
    size_decimals = integer(item.get("baseAssetPrecision"), "baseAssetPrecision")
    band_up, band_down = _band(item.get("filters"))
    return InstrumentSpec(
        symbol=_name(item, "symbol"),
        base=_name(item, "baseAsset"),
        quote=_name(item, "quoteAsset"),
        price_decimals=integer(item.get("quotePrecision", item.get("quoteAssetPrecision")), "quotePrecision"),
        size_decimals=size_decimals,
        tradable=_tradable(item),
        sides=_SIDES.get(integer(item.get("tradeSideType", 1), "tradeSideType"), 0),
        order_types=_order_types(item.get("orderTypes")),
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
    )


def _name(item: Mapping[str, object], field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} is missing")
    return value


def _tradable(item: Mapping[str, object]) -> bool:
    """Online, open to the API, and not closed to both sides."""
    online = str(item.get("status")) in _ONLINE
    return online and str(item.get("isSpotTradingAllowed")).lower() in ("true", "1")


def _order_types(listed: object) -> int:
    if not isinstance(listed, list):
        raise ValueError("orderTypes is no list")
    bits = 0
    for name in listed:
        bits |= _ORDER_TYPES.get(str(name), 0)
    return bits


def _band(filters: object) -> tuple[int, int]:
    """How far a buy may lie above and a sell below the fair price, in millionths; 0 where there is no such filter."""
    for item in filters if isinstance(filters, list) else []:
        if isinstance(item, dict) and item.get("filterType") == "PERCENT_PRICE_BY_SIDE":
            up = scaled(item.get("bidMultiplierUp", "0"), _PPM_DECIMALS, "bidMultiplierUp")
            return up, scaled(item.get("askMultiplierDown", "0"), _PPM_DECIMALS, "askMultiplierDown")
    return 0, 0
