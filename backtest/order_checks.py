"""What a symbol's filters say of an order before any balance or book is touched."""

from __future__ import annotations

from backtest.exchange_types import PlaceRequest, Reason, SymbolSpec, SymbolStatus
from backtest.fees import PPM
from backtest.matching_book import MatchingBook
from engine.core.enums import OrderType, Side

Refusal = tuple[Reason, int]  # the reason, and the limit that was broken


def check_request(book: MatchingBook, request: PlaceRequest) -> Refusal | None:
    """The first filter that refuses the request, or None."""
    return (
        _check_permissions(book.spec, request)
        or _check_price(book, request)
        or _check_size(book.spec, request)
        or _check_notional(book, request)
    )


def _check_permissions(spec: SymbolSpec, request: PlaceRequest) -> Refusal | None:
    if spec.status is SymbolStatus.HIDDEN:
        return Reason.UNKNOWN_SYMBOL, 0
    if spec.status is SymbolStatus.PAUSED:
        return Reason.SYMBOL_PAUSED, 0
    if spec.status is SymbolStatus.DISABLED:
        return Reason.TRADING_DISABLED, 0
    if not spec.tradable:
        return Reason.NOT_TRADABLE, 0
    if request.side not in spec.sides:
        return Reason.SIDE_CLOSED, 0
    if request.side in spec.suspended:
        return Reason.SIDE_SUSPENDED, 0
    if request.order_type not in spec.order_types:
        return Reason.ORDER_TYPE_CLOSED, 0
    return None


def _check_price(book: MatchingBook, request: PlaceRequest) -> Refusal | None:
    if request.order_type is OrderType.MARKET:
        return (Reason.BAD_PRICE, 0) if request.price_ticks else None
    spec = book.spec
    if request.price_ticks <= 0 or request.price_ticks % spec.tick_step:
        return Reason.BAD_PRICE, spec.tick_step
    reference = book.reference_ticks()
    if not reference:
        return None
    if request.side is Side.BUY and spec.band_up_ppm:
        highest = reference * (PPM + spec.band_up_ppm) // PPM
        return (Reason.PRICE_OUT_OF_BAND, highest) if request.price_ticks > highest else None
    if request.side is Side.SELL and spec.band_down_ppm:
        lowest = -(-reference * (PPM - spec.band_down_ppm) // PPM)
        return (Reason.PRICE_OUT_OF_BAND, lowest) if request.price_ticks < lowest else None
    return None


def _check_size(spec: SymbolSpec, request: PlaceRequest) -> Refusal | None:
    if request.quote_money:
        by_quote = (
            request.order_type is OrderType.MARKET and not request.size_lots and request.quote_money > 0
        )
        return None if by_quote else (Reason.BAD_SIZE, 0)
    if request.size_lots <= 0 or request.size_lots % spec.lot_step:
        return Reason.BAD_SIZE, spec.lot_step
    if request.size_lots < spec.min_lots:
        return Reason.SIZE_TOO_SMALL, spec.min_lots
    if spec.max_lots and request.size_lots > spec.max_lots:
        return Reason.SIZE_TOO_LARGE, spec.max_lots
    return None


def _check_notional(book: MatchingBook, request: PlaceRequest) -> Refusal | None:
    spec = book.spec
    is_market = request.order_type is OrderType.MARKET
    best = book.opposite(request.side).best() if is_market else None
    if is_market and best is None:
        return (Reason.NO_OPPONENT if book.reference_ticks() else Reason.NO_PRICE), 0
    notional = request.quote_money
    if not notional:
        price = request.price_ticks if best is None else best.price_ticks
        notional = book.money(price, request.size_lots)
    if notional < spec.min_notional:
        return Reason.NOTIONAL_TOO_SMALL, spec.min_notional
    highest = spec.max_notional_market if is_market else spec.max_notional
    if highest and notional > highest:
        return Reason.NOTIONAL_TOO_LARGE, highest
    return None
