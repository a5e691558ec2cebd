"""Orders and trades in the shapes in which MEXC answers, string and number types included."""

from __future__ import annotations

from typing import Any

from adapters.mexc.venue.identifiers import Identifiers
from adapters.mexc.venue.numbers import trimmed
from adapters.mexc.venue.private import money_text
from backtest.exchange_types import Fill, Order, OrderStatus
from engine.core.enums import OrderType, Side

API_TYPE = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT_MAKER: "LIMIT_MAKER",
    OrderType.IOC: "IMMEDIATE_OR_CANCEL",
    OrderType.FOK: "FILL_OR_KILL",
}
ORDER_TYPES = {name: order_type for order_type, name in API_TYPE.items()}
_GUARD_PERCENT = {Side.BUY: 105, Side.SELL: 95}


def price_text(order: Order) -> str:
    """The `price` field. Of a market order it is a protective price, not what the order was filled at."""
    ticks = order.price_ticks or order.guard_ticks * _GUARD_PERCENT[order.side] // 100
    return trimmed(ticks, order.spec.price_decimals)


def ack(ids: Identifiers, order: Order) -> dict[str, Any]:
    """The answer to a new order: no status, no client id."""
    return {
        "symbol": order.spec.symbol,
        "orderId": ids.order_id(order.order_no),
        "orderListId": -1,
        "price": price_text(order),
        "origQty": trimmed(order.size_lots, order.spec.size_decimals),
        "type": API_TYPE[order.order_type],
        "side": order.side.name,
        "transactTime": order.created_ns // 1_000_000,
    }


def batch_ack(ids: Identifiers, order: Order) -> dict[str, Any]:
    """The answer to one order of a batch that was taken."""
    taken = {"symbol": order.spec.symbol, "orderId": ids.order_id(order.order_no), "orderListId": -1}
    return taken | ({"newClientOrderId": order.client_id} if order.client_id else {})


def full(ids: Identifiers, order: Order) -> dict[str, Any]:
    """An order as queries show it."""
    return {
        "symbol": order.spec.symbol,
        "orderId": ids.order_id(order.order_no),
        "orderListId": "-1",
        "clientOrderId": order.client_id or None,
        "price": price_text(order),
        "origQty": trimmed(order.size_lots, order.spec.size_decimals),
        "executedQty": trimmed(order.filled_lots, order.spec.size_decimals),
        "cummulativeQuoteQty": money_text(order.filled_money),
        "status": order.status.name,
        "timeInForce": None,
        "type": API_TYPE[order.order_type],
        "side": order.side.name,
        "stopPrice": None,
        "icebergQty": None,
        "time": order.created_ns // 1_000_000,
        "updateTime": order.updated_ns // 1_000_000,
        "isWorking": order.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED),
        "origQuoteOrderQty": money_text(_quote_amount(order)),
    }


def _quote_amount(order: Order) -> int:
    if order.quote_money:
        return order.quote_money
    ticks = order.price_ticks or order.guard_ticks * _GUARD_PERCENT[order.side] // 100
    return ticks * order.size_lots * order.spec.money_per_tick_lot


def canceled(ids: Identifiers, order: Order, new_client_id: str = "") -> dict[str, Any]:
    """The answer to a cancel."""
    return {
        "symbol": order.spec.symbol,
        "origClientOrderId": order.client_id or None,
        "orderId": ids.order_id(order.order_no),
        "clientOrderId": new_client_id or None,
        "price": price_text(order),
        "origQty": trimmed(order.size_lots, order.spec.size_decimals),
        "executedQty": trimmed(order.filled_lots, order.spec.size_decimals),
        "cummulativeQuoteQty": money_text(order.filled_money),
        "status": order.status.name,
        "timeInForce": None,
        "type": API_TYPE[order.order_type],
        "side": order.side.name,
    }


def own_trade(ids: Identifiers, fill: Fill) -> dict[str, Any]:
    """A fill as myTrades shows it."""
    order = fill.order
    return {
        "symbol": order.spec.symbol,
        "id": ids.trade_id(fill.trade_no, fill.is_maker),
        "orderId": ids.order_id(order.order_no),
        "orderListId": -1,
        "price": trimmed(fill.price_ticks, order.spec.price_decimals),
        "qty": trimmed(fill.size_lots, order.spec.size_decimals),
        "quoteQty": money_text(fill.money),
        "commission": money_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time_ns // 1_000_000,
        "isBuyer": order.side is Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
        "isSelfTrade": fill.is_self_trade,
        "clientOrderId": order.client_id or None,
    }
