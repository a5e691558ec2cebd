"""A peer: NautilusTrader's live node on its message bus, with clients of ours for the benchmark's feed and orders.

python nautilus_peer.py PORT ACCESS_KEY SECRET blocking|spin

Its own parts: websocket client (Rust), data engine with a managed book, strategy, order factory, risk engine with its throttle
opened wide, execution engine, cache. Ours, as an adapter has them: protobuf (upb) to deltas, and the signed order (hmac, send).
No journal. The engine's queues are what its live node has: data and orders cross tasks of one event loop.
"""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from typing import Any

from common import MARKER, MARKER_SCALE, ORDER_LOTS, SUBSCRIPTION, OrderSocket, stay_awake, wrapper_class
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import (
    LiveDataClientConfig,
    LiveExecClientConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.core import nautilus_pyo3
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import AccountType, BookAction, BookType, OmsType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import AccountId, ClientId, InstrumentId, Symbol, Venue, VenueOrderId
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

NAME = "MEXC"
VENUE = Venue(NAME)
INSTRUMENT = CurrencyPair(
    instrument_id=InstrumentId(Symbol("BTCUSDT"), VENUE), raw_symbol=Symbol("BTCUSDT"), base_currency=BTC,
    quote_currency=USDT, price_precision=2, size_precision=8, price_increment=Price(0.01, 2),
    size_increment=Quantity.from_str("0.00000001"), ts_event=0, ts_init=0, min_notional=Money(1, USDT),
    maker_fee=Decimal(0), taker_fee=Decimal("0.0005"),
)  # fmt: skip
Wrapper = wrapper_class()
RUN: dict[str, Any] = {"frames": 0}


class DataClient(LiveMarketDataClient):
    """The feed: frames to deltas."""

    async def _connect(self) -> None:
        self._instrument_provider.add(INSTRUMENT)
        self._handle_data(INSTRUMENT)
        config = nautilus_pyo3.WebSocketConfig(f"ws://127.0.0.1:{RUN['port']}/ws", [])
        self._feed = await nautilus_pyo3.WebSocketClient.connect(self._loop, config, self._take)

    async def _disconnect(self) -> None:
        await self._feed.disconnect()

    async def _subscribe_order_book_deltas(self, command: Any) -> None:
        await self._feed.send_text(SUBSCRIPTION.encode())

    async def _unsubscribe_order_book_deltas(self, command: Any) -> None:
        """The node ends."""

    def _take(self, raw: bytes) -> None:
        if raw[:1] == b"{":
            return
        RUN["frames"] += 1
        message = Wrapper.FromString(raw)
        depth, ts_event = message.publicAggreDepths, message.sendTime * 1_000_000
        version, ts_init = int(depth.toVersion), self._clock.timestamp_ns()
        deltas = []
        for side, levels in ((OrderSide.SELL, depth.asks), (OrderSide.BUY, depth.bids)):
            for level in levels:
                price, size = Price.from_str(level.price), Quantity(float(level.quantity), 8)
                action = BookAction.UPDATE if size.raw else BookAction.DELETE
                order = BookOrder(side, price, size, 0)
                deltas.append(OrderBookDelta(INSTRUMENT.id, action, order, 0, version, ts_event, ts_init))
        self._handle_data(OrderBookDeltas(INSTRUMENT.id, deltas))


class ExecClient(LiveExecutionClient):
    """Orders: signed and sent within the submission; each is told as accepted and cancelled with its answer."""

    async def _connect(self) -> None:
        self._set_account_id(AccountId(f"{NAME}-1"))
        self._orders = OrderSocket(RUN["port"], RUN["access_key"], RUN["secret"], None)
        self._orders.take_answers(self._loop, self._answered)
        self._under_way: list[Any] = []
        free = [AccountBalance(Money(10_000_000, USDT), Money(0, USDT), Money(10_000_000, USDT))]
        self.generate_account_state(free, [], True, self._clock.timestamp_ns())

    async def _disconnect(self) -> None:
        self._loop.remove_reader(self._orders.socket)

    async def _submit_order(self, command: Any) -> None:
        order = command.order
        self._orders.send(str(order.price), round(float(order.quantity) * 1e8))
        self._under_way.append(order)
        now_ns = self._clock.timestamp_ns()
        self.generate_order_submitted(order.strategy_id, order.instrument_id, order.client_order_id, now_ns)

    def _answered(self) -> None:
        now_ns = self._clock.timestamp_ns()
        for order in self._under_way:
            names = (order.strategy_id, order.instrument_id, order.client_order_id)
            venue_id = VenueOrderId(f"V-{order.client_order_id}")
            self.generate_order_accepted(*names, venue_id, now_ns)
            self.generate_order_canceled(*names, venue_id, now_ns)
        self._under_way.clear()


class DataFactory(LiveDataClientFactory):
    """Makes the feed's client."""

    @staticmethod
    def create(loop: Any, name: str, config: Any, msgbus: Any, cache: Any, clock: Any) -> DataClient:
        """As the node wants it."""
        return DataClient(loop, ClientId(name), VENUE, msgbus, cache, clock, InstrumentProvider(), config)


class ExecFactory(LiveExecClientFactory):
    """Makes the orders' client."""

    @staticmethod
    def create(loop: Any, name: str, config: Any, msgbus: Any, cache: Any, clock: Any) -> ExecClient:
        """As the node wants it."""
        return ExecClient(
            loop, ClientId(name), VENUE, OmsType.NETTING, AccountType.CASH, None, InstrumentProvider(), msgbus,
            cache, clock, config,
        )  # fmt: skip


class MarkerStrategy(Strategy):
    """The marker strategy on the managed book."""

    def on_start(self) -> None:
        """Subscribe; the spin where it is wanted."""
        self.subscribe_order_book_deltas(INSTRUMENT.id, BookType.L2_MBP)
        if RUN["spins"]:
            RUN["spinner"] = asyncio.get_running_loop().create_task(stay_awake(lambda: RUN["frames"]))

    def on_order_book_deltas(self, deltas: Any) -> None:
        """The book is up to date."""
        book = self.cache.order_book(INSTRUMENT.id)
        bid_size, ask = book.best_bid_size(), book.best_ask_price()
        if bid_size is None or ask is None:
            return
        bid_lots = round(float(bid_size) * 1e8)
        if bid_lots % MARKER_SCALE == MARKER:
            size = Quantity((ORDER_LOTS + bid_lots // MARKER_SCALE) / 1e8, 8)
            self.submit_order(
                self.order_factory.limit(
                    INSTRUMENT.id, OrderSide.BUY, size, ask, time_in_force=TimeInForce.IOC
                )
            )


def main() -> None:
    """Trade until the load generator ends this process."""
    _, port, access_key, secret, wait, *_ = sys.argv
    RUN.update(port=int(port), access_key=access_key, secret=secret, spins=wait == "spin")
    config = TradingNodeConfig(
        logging=LoggingConfig(log_level="ERROR", bypass_logging=False),
        exec_engine=LiveExecEngineConfig(reconciliation=False),
        risk_engine=LiveRiskEngineConfig(max_order_submit_rate="100000/00:00:01"),
        data_clients={NAME: LiveDataClientConfig()},
        exec_clients={NAME: LiveExecClientConfig()},
    )
    node = TradingNode(config=config)
    node.add_data_client_factory(NAME, DataFactory)
    node.add_exec_client_factory(NAME, ExecFactory)
    node.trader.add_strategy(MarkerStrategy(StrategyConfig(strategy_id="MARKER-1")))
    node.build()
    node.run()


if __name__ == "__main__":
    main()
