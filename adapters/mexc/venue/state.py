"""The venue's heart without sockets: exchange, feeds, accounts, keys, faults, and the order log."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import asdict, dataclass, fields
from typing import Literal

from adapters.mexc.venue.channels import INTERVALS_MS
from adapters.mexc.venue.clock import Clock
from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.config_symbols import SymbolConfig
from adapters.mexc.venue.faults import FaultInjector
from adapters.mexc.venue.feeds import SymbolFeed
from adapters.mexc.venue.identifiers import Identifiers
from adapters.mexc.venue.listen_keys import ListenKeys
from adapters.mexc.venue.numbers import parse_scaled
from adapters.mexc.venue.private import PrivateMessages
from adapters.mexc.venue.streams import Hub
from adapters.mexc.venue.tickers import MiniTickers
from backtest.exchange import Exchange
from backtest.exchange_types import (
    MONEY_DECIMALS,
    Accepted,
    BookChange,
    Done,
    ExchangeLimits,
    Fill,
    Record,
    Rejected,
    Request,
    SelfTradePolicy,
    SymbolStatus,
    Trade,
)
from backtest.fees import FeeAsset, FeeSchedule

Outcome = Accepted | Rejected | Done


@dataclass(slots=True)
class ReceivedOrder:
    """One order request as it came in, whatever became of it."""

    received_ns: int  # when its handler began, by the venue's clock
    api_key: str
    params: dict[str, str]
    client_id: str
    outcome: str = "received"
    order_id: str = ""
    code: int = 0

    def to_json(self) -> dict[str, object]:
        """For the control endpoint."""
        return asdict(self)


class VenueState:
    """Everything that the endpoints, the streams and the market share."""

    def __init__(self, config: VenueConfig) -> None:
        self.config = config
        self.clock = Clock(config.manual_start_ms * 1_000_000 if config.clock == "manual" else None)
        self.start_ns = self.clock.now_ns()
        self.symbols: dict[str, SymbolConfig] = {}
        self.ids = Identifiers(self.start_ns // 1_000_000)
        self.faults = FaultInjector(random.Random(config.seed ^ 0x5EED))
        self.hub = Hub(config.limits, self.faults, self.clock)
        self.exchange = self._make_exchange()
        self.feeds: dict[str, SymbolFeed] = {}
        for symbol in config.chosen_symbols():
            self.add_symbol(symbol)
        self.mini_tickers = MiniTickers(self.hub, self.feeds, config.mini_tickers_ms)
        self.private = PrivateMessages(
            self.hub, self.faults, self.clock, self.ids, config.private_push_delay_ms
        )
        self.listen_keys = ListenKeys(config.limits, random.Random(config.seed ^ 0x11571))
        self.accounts = {account.api_key: account for account in config.accounts}
        self.secrets = {account.api_key: account.secret.get_secret_value() for account in config.accounts}
        self.received: deque[ReceivedOrder] = deque(maxlen=config.limits.logged_orders)
        self.received_total = 0
        self.fills: dict[str, deque[Fill]] = {name: deque(maxlen=100_000) for name in self.secrets}
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        for fault in config.faults:
            self.faults.add(self.start_ns, fault)

    def _make_exchange(self) -> Exchange:
        config = self.config
        exchange = Exchange(
            [],
            latency_ns=config.matching_latency_us * 1000,
            self_trade=SelfTradePolicy(config.self_trade),
            reject_duplicate_client_ids=config.duplicate_client_ids == "reject",
            limits=ExchangeLimits(open_orders_per_account=config.limits.open_orders),
        )
        for account in config.accounts:
            balances = {asset: parse_scaled(text, MONEY_DECIMALS) for asset, text in account.balances.items()}
            exchange.add_account(account.api_key, balances)
        return exchange

    # symbols

    def add_symbol(self, config: SymbolConfig) -> None:
        """List a symbol; ValueError where there is one of that name."""
        spec = config.spec()
        self.exchange.add_symbol(spec)
        self.exchange.settlement.set_fees(config.symbol, self._fees(config))
        book = self.exchange.books[config.symbol]
        is_replayed = self.config.market == "recorded"
        self.symbols[config.symbol] = config
        self.feeds[config.symbol] = SymbolFeed(
            book, self.hub, self.faults, self.clock, is_replayed=is_replayed
        )

    def change_symbol(self, symbol: str, **changes: object) -> None:
        """Change permissions and filters of a symbol; ValueError for an unknown one or what cannot change."""
        old = self.symbols.get(symbol)
        if old is None:
            raise ValueError(f"{symbol} is not listed")
        config = type(old).model_validate(old.model_dump() | changes)
        spec = config.spec()
        fixed = ("symbol", "base", "quote", "price_decimals", "size_decimals", "first_version")
        if any(getattr(spec, name) != getattr(self.exchange.books[symbol].spec, name) for name in fixed):
            raise ValueError("a symbol's name, assets, scale and first version cannot change")
        names = [field.name for field in fields(spec) if field.name not in fixed]
        self.exchange.change_symbol(symbol, **{name: getattr(spec, name) for name in names})
        self.exchange.settlement.set_fees(symbol, self._fees(config))
        self.symbols[symbol] = config

    def remove_symbol(self, symbol: str, now_ns: int) -> None:
        """Delist a symbol: its orders end, its channels fall silent."""
        self.exchange.remove_symbol(now_ns, symbol)
        self.dispatch(self.exchange.take_records())
        del self.feeds[symbol], self.symbols[symbol]

    def set_fee_asset(self, asset: Literal["quote", "received", "MX"]) -> None:
        """Which asset pays fees from now on."""
        self.config.fee_asset = asset
        for config in self.symbols.values():
            self.exchange.settlement.set_fees(config.symbol, self._fees(config))

    def is_known(self, symbol: str) -> bool:
        """Whether a client may know of a symbol."""
        config = self.symbols.get(symbol)
        return config is not None and config.status is not SymbolStatus.HIDDEN

    def _fees(self, symbol: SymbolConfig) -> FeeSchedule:
        maker_ppm, taker_ppm = symbol.ppm(symbol.maker_fee), symbol.ppm(symbol.taker_fee)
        if self.config.fee_asset == "MX":
            # one MX is taken as 3.5 quote; MEXC waives a fifth of a fee that is paid in MX
            return FeeSchedule(maker_ppm, taker_ppm, FeeAsset.THIRD, "MX", 7, 2, 200_000)
        return FeeSchedule(maker_ppm, taker_ppm, FeeAsset(self.config.fee_asset))

    # requests and records

    def submit(self, request: Request) -> asyncio.Future[Outcome]:
        """Hand a request to the exchange; the future carries what became of it."""
        now_ns = self.clock.now_ns()
        request_no = self.exchange.submit(now_ns, request)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._waiting[request_no] = future
        if self.exchange.latency_ns:
            loop.call_later(self.exchange.latency_ns / 1e9, self.pump)
        self.pump()
        return future

    def pump(self) -> None:
        """Let the exchange act up to now, and tell everybody."""
        self.dispatch(self.exchange.advance(self.clock.now_ns()))

    def dispatch(self, records: list[Record]) -> None:
        """Hand records to feeds, private messages and whoever waits for an answer."""
        for record in records:
            if isinstance(record, BookChange):
                self.feeds[record.symbol].on_book_change(record)
            elif isinstance(record, Trade):
                self._on_trade(record)
            else:
                self._on_private(record)

    def close_expired(self, now_s: float) -> None:
        """Close the private connections whose listen key has run out or was deleted."""
        for connection in list(self.hub.connections):
            key = connection.listen_key
            if key and not connection.is_closing and self.listen_keys.owner(key, now_s) is None:
                self.hub.close(connection)

    def flush(self, send_ms: int, *, with_slow: bool) -> None:
        """10 ms of the market went by: publish what they gathered; `with_slow`: the 100 ms channels too."""
        for feed in self.feeds.values():
            feed.flush(INTERVALS_MS[0], send_ms)
            if with_slow:
                feed.flush(INTERVALS_MS[1], send_ms)
        if with_slow:
            self.mini_tickers.flush(send_ms)

    def _on_trade(self, trade: Trade) -> None:
        feed = self.feeds[trade.symbol]
        if feed.is_replayed:
            return  # the recording's own prints are the public ones
        feed.on_trade(
            trade.price_ticks,
            trade.size_lots,
            trade.taker_side,
            trade.time_ns // 1_000_000,
            self.ids.public_trade_id(trade.trade_no),
        )

    def _on_private(self, record: Record) -> None:
        if isinstance(record, Fill):
            self.fills[record.order.account.name].append(record)
        if isinstance(record, Accepted | Rejected | Done) and record.request_no:
            future = self._waiting.pop(record.request_no, None)
            if future is not None and not future.done():
                future.set_result(record)
        self.private.on_record(record)
