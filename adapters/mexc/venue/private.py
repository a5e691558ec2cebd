"""Private messages: orders, deals and balances, to the account that they concern."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from adapters.mexc.venue import channels
from adapters.mexc.venue.clock import Clock
from adapters.mexc.venue.faults import FaultInjector
from adapters.mexc.venue.frames import wrapper
from adapters.mexc.venue.identifiers import Identifiers
from adapters.mexc.venue.numbers import trimmed
from adapters.mexc.venue.streams import Hub
from backtest.exchange_types import (
    MONEY_DECIMALS,
    Accepted,
    BalanceChange,
    Done,
    Fill,
    Order,
    OrderStatus,
    Record,
)
from engine.core.enums import OrderType

WS_STATUS = {
    OrderStatus.NEW: 1,
    OrderStatus.FILLED: 2,
    OrderStatus.PARTIALLY_FILLED: 3,
    OrderStatus.CANCELED: 4,
    OrderStatus.PARTIALLY_CANCELED: 5,
}
WS_ORDER_TYPE = {
    OrderType.LIMIT: 1,
    OrderType.LIMIT_MAKER: 2,
    OrderType.IOC: 3,
    OrderType.FOK: 4,
    OrderType.MARKET: 5,
}
BALANCE_CAUSE = {"place": "ENTRUST_PLACE", "fill": "ENTRUST", "fee": "TRADE_FEE", "release": "ENTRUST_CANCEL"}


_COIN_IDS = {"USDT": "128f589271cb4951b03e71e6323eb7be", "MX": "8c1e92655f9a4064808ce03ec1a48d38"}


def coin_id(asset: str) -> str:
    """MEXC's opaque id of a coin; of those that are not known, a digest of the name."""
    return _COIN_IDS.get(asset) or hashlib.md5(asset.encode(), usedforsecurity=False).hexdigest()


def money_text(money: int) -> str:
    """Money units as a trimmed decimal."""
    return trimmed(money, MONEY_DECIMALS)


def average_price(order: Order, money: int, lots: int) -> str:
    """Money over lots, to MEXC's precision: cut at the price's decimals plus four."""
    if not lots:
        return "0"
    decimals = order.spec.price_decimals + 4
    scaled = money * 10 ** (decimals + order.spec.size_decimals) // (lots * 10**MONEY_DECIMALS)
    return trimmed(scaled, decimals)


class PrivateMessages:
    """Turns records of accounts with listeners into frames and sends them, a little late as MEXC does."""

    def __init__(
        self, hub: Hub, faults: FaultInjector, clock: Clock, ids: Identifiers, delay_ms: float
    ) -> None:
        self._hub = hub
        self._faults = faults
        self._clock = clock
        self._ids = ids
        self._delay_s = delay_ms / 1000

    def on_record(self, record: Record) -> None:
        """Send what a record means to its account."""
        if isinstance(record, Accepted):
            self._send_order(record.order, record.time_ns, OrderStatus.NEW, 0, 0, None)
        elif isinstance(record, Fill):
            self._send_deal(record)
            self._send_order(
                record.order, record.time_ns, record.status, record.filled_lots, record.filled_money, record
            )
        elif isinstance(record, Done):
            order = record.order
            self._send_order(order, record.time_ns, order.status, order.filled_lots, order.filled_money, None)
        elif isinstance(record, BalanceChange):
            self._send_balance(record)

    def _send(self, account: str, channel: str, message: Any) -> None:
        frame = bytes(message.SerializeToString())
        delay_s = self._delay_s
        if channel == channels.PRIVATE_ORDERS:
            fault = self._faults.hit("deal_before_order", self._clock.now_ns(), channel)
            delay_s += fault.delay_ms / 1000 if fault is not None else 0
        if delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._hub.publish_private, account, channel, frame)
        else:
            self._hub.publish_private(account, channel, frame)

    def _send_order(
        self, order: Order, time_ns: int, status: OrderStatus, lots: int, money: int, fill: Fill | None
    ) -> None:
        spec = order.spec
        message = wrapper(channels.PRIVATE_ORDERS, spec.symbol, time_ns // 1_000_000)
        body = message.privateOrders
        body.id = self._ids.order_id(order.order_no)
        body.clientId = order.client_id
        price = order.price_ticks or order.guard_ticks
        amount = order.quote_money or order.price_ticks * order.size_lots * spec.money_per_tick_lot
        body.price = trimmed(price, spec.price_decimals)
        body.quantity = trimmed(order.size_lots, spec.size_decimals)
        body.amount = money_text(amount)
        body.avgPrice = average_price(order, money, lots)
        body.orderType = WS_ORDER_TYPE[order.order_type]
        body.tradeType = int(order.side)
        body.isMaker = fill is not None and fill.is_maker
        body.remainAmount = money_text(max(0, amount - money))
        body.remainQuantity = trimmed(max(0, order.size_lots - lots), spec.size_decimals)
        if fill is not None:
            body.lastDealQuantity = trimmed(fill.size_lots, spec.size_decimals)
        body.cumulativeQuantity = trimmed(lots, spec.size_decimals)
        body.cumulativeAmount = money_text(money)
        body.status = WS_STATUS[status]
        body.createTime = order.created_ns // 1_000_000
        self._send(order.account.name, channels.PRIVATE_ORDERS, message)

    def _send_deal(self, fill: Fill) -> None:
        order = fill.order
        spec = order.spec
        message = wrapper(channels.PRIVATE_DEALS, spec.symbol, fill.time_ns // 1_000_000)
        body = message.privateDeals
        body.price = trimmed(fill.price_ticks, spec.price_decimals)
        body.quantity = trimmed(fill.size_lots, spec.size_decimals)
        body.amount = money_text(fill.money)
        body.tradeType = int(order.side)
        body.isMaker = fill.is_maker
        body.isSelfTrade = fill.is_self_trade
        body.tradeId = self._ids.trade_id(fill.trade_no, fill.is_maker)
        body.clientOrderId = order.client_id
        body.orderId = self._ids.order_id(order.order_no)
        body.feeAmount = money_text(fill.fee)
        body.feeCurrency = fill.fee_asset
        body.time = fill.time_ns // 1_000_000
        self._send(order.account.name, channels.PRIVATE_DEALS, message)

    def _send_balance(self, change: BalanceChange) -> None:
        now_ms = self._clock.now_ms()
        message = wrapper(channels.PRIVATE_ACCOUNT, "", now_ms)
        message.ClearField("symbol")
        message.createTime = now_ms
        body = message.privateAccount
        body.vcoinName = change.asset
        body.coinId = coin_id(change.asset)
        body.balanceAmount = money_text(change.free)
        body.balanceAmountChange = money_text(change.free_change)
        body.frozenAmount = money_text(change.locked)
        body.frozenAmountChange = money_text(change.locked_change)
        body.type = BALANCE_CAUSE[change.cause]
        body.time = change.time_ns // 1_000_000
        self._send(change.account, channels.PRIVATE_ACCOUNT, message)
