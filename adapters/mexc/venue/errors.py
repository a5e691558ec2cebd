"""MEXC's error answers, and what each refusal of the matching engine is called there."""

from __future__ import annotations

from adapters.mexc.venue.numbers import trimmed
from backtest.exchange_types import MONEY_DECIMALS, Reason, SymbolSpec
from engine.core.enums import OrderType, Side


class VenueError(Exception):
    """An error answer: `{"code": ..., "msg": ...}` with an HTTP status, usually 400."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


_BY_REASON: dict[Reason, tuple[int, str]] = {
    Reason.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Reason.SYMBOL_PAUSED: (30000, "suspended transaction for the symbol"),
    Reason.TRADING_DISABLED: (30016, "trading disabled"),
    Reason.NOT_TRADABLE: (10007, "symbol not support api"),
    Reason.SIDE_CLOSED: (30001, "current transaction direction is not allowed to place an order"),
    Reason.ORDER_TYPE_CLOSED: (30041, "current order type can not place order"),
    Reason.BAD_PRICE: (10096, "price invalid"),
    Reason.BAD_SIZE: (10102, "quantity invalid"),
    Reason.TOO_MANY_ORDERS: (30029, "cannot exceed the maximum order limit"),
    Reason.DUPLICATE_CLIENT_ID: (33333, "duplicate newClientOrderId"),
    Reason.WOULD_CROSS: (30041, "current order type can not place order: a maker order would take"),
    Reason.NO_OPPONENT: (30025, "no exist opponent order"),
    Reason.NO_PRICE: (30010, "no valid trade price"),
    Reason.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Reason.UNKNOWN_ACCOUNT: (10001, "user does not exist"),
    Reason.PRICE_OUT_OF_BAND: (30087, "Order price exceeds allowed range"),
}


def order_refusal(
    reason: Reason,
    limit: int,
    spec: SymbolSpec | None,
    side: Side,
    order_type: OrderType,
    market_order_code: int = 30019,
) -> VenueError:
    """The error answer for an order that the matching engine refused."""
    if reason is Reason.INSUFFICIENT_BALANCE:
        if side is Side.BUY:
            return VenueError(10101, "insufficient balance")
        return VenueError(30004, "Insufficient position")
    if reason is Reason.SIDE_SUSPENDED:
        if side is Side.BUY:
            return VenueError(30027, "current symbol reaches the maximum position, buying suspended")
        return VenueError(30028, "current symbol triggered the platform risk control, selling suspended")
    if reason is Reason.ORDER_TYPE_CLOSED and order_type is OrderType.MARKET:
        message = "market order is disabled"
        return VenueError(market_order_code, message if market_order_code == 30018 else f"api {message}")
    if spec is not None and reason in (Reason.NOTIONAL_TOO_SMALL, Reason.SIZE_TOO_SMALL):
        return VenueError(
            30002, f"The minimum transaction volume cannot be less than:{_volume(reason, limit, spec)}"
        )
    if spec is not None and reason in (Reason.NOTIONAL_TOO_LARGE, Reason.SIZE_TOO_LARGE):
        return VenueError(
            30003, f"The maximum transaction volume cannot be greater than:{_volume(reason, limit, spec)}"
        )
    return VenueError(*_BY_REASON[reason])


def _volume(reason: Reason, limit: int, spec: SymbolSpec) -> str:
    if reason in (Reason.NOTIONAL_TOO_SMALL, Reason.NOTIONAL_TOO_LARGE):
        return trimmed(limit, MONEY_DECIMALS) + spec.quote
    return trimmed(limit, spec.size_decimals) + spec.base
