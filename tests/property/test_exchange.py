"""What no sequence of requests may break in the matching engine."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounts import total
from backtest.exchange import Exchange
from backtest.exchange_types import (
    MONEY_ONE,
    Accepted,
    BalanceChange,
    BookChange,
    CancelRequest,
    Done,
    Fill,
    OrderStatus,
    PlaceRequest,
    Record,
    SelfTradePolicy,
    SymbolSpec,
    Trade,
)
from backtest.fees import FeeAsset, FeeSchedule
from engine.core.enums import OrderType, Side

SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", price_decimals=2, size_decimals=3)
ACCOUNTS = ("alice", "bob", "carol")
START = {"USDT": 3 * MONEY_ONE, "BTC": MONEY_ONE // 20, "MX": MONEY_ONE // 10_000}


@dataclass(frozen=True)
class Place:
    account: str
    side: Side
    order_type: OrderType
    lots: int
    price: int
    quote_money: int


@dataclass(frozen=True)
class Cancel:
    account: str
    order_no: int


prices = st.integers(95, 105)
places = st.builds(
    Place,
    st.sampled_from(ACCOUNTS),
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    st.integers(1, 20),
    prices,
    st.integers(0, 2).map(lambda n: n * 777 * SPEC.money_per_tick_lot),
)
cancels = st.builds(Cancel, st.sampled_from(ACCOUNTS), st.integers(1, 30))
steps = st.lists(st.one_of(places, places, places, cancels), max_size=40)
schedules = st.sampled_from(
    [
        FeeSchedule(0, 0),
        FeeSchedule(100, 500),
        FeeSchedule(333_333, 777_777),
        FeeSchedule(100, 500, FeeAsset.RECEIVED),
        FeeSchedule(100, 500, FeeAsset.THIRD, "MX", 7, 2, 200_000),
    ]
)


def request_of(place: Place) -> PlaceRequest:
    if place.order_type is OrderType.MARKET:
        by_quote = place.quote_money
        return PlaceRequest(
            place.account, "BTCUSDT", place.side, OrderType.MARKET, 0 if by_quote else place.lots, 0, by_quote
        )
    return PlaceRequest(place.account, "BTCUSDT", place.side, place.order_type, place.lots, place.price)


def run(exchange: Exchange, script: list[Place | Cancel]) -> list[list[Record]]:
    for name in ACCOUNTS:
        exchange.add_account(name, START)
    batches = []
    for now_ns, step in enumerate(script, start=1):
        if isinstance(step, Place):
            exchange.place(now_ns, request_of(step))
        else:
            exchange.cancel(now_ns, CancelRequest(step.account, step.order_no))
        batches.append(exchange.take_records())
        check_invariants(exchange)
    return batches


def check_invariants(exchange: Exchange) -> None:
    book = exchange.books["BTCUSDT"]
    bid, ask = book.bids.best(), book.asks.best()
    assert bid is None or ask is None or bid.price_ticks < ask.price_ticks, "the book is crossed"
    for asset, amount in START.items():
        kept = total(exchange.accounts.values(), asset) + exchange.settlement.collected.get(asset, 0)
        assert kept == len(ACCOUNTS) * amount, f"{asset} was made or lost"
    for account in exchange.accounts.values():
        locked: dict[str, int] = defaultdict(int)
        for order in account.open_orders.values():
            assert not order.status.is_final
            locked[SPEC.quote if order.side is Side.BUY else SPEC.base] += order.locked
        for asset, balance in account.balances.items():
            assert balance.free >= 0 and balance.locked == locked[asset]
    for side in (book.bids, book.asks):
        for level in side.levels.values():
            assert level.lots == sum(order.remaining_lots for order in level.orders.values()) > 0


@settings(max_examples=150, deadline=None)
@given(steps, schedules, st.sampled_from(SelfTradePolicy))
def test_money_and_lots_are_conserved_and_the_book_never_crosses(
    script: list[Place | Cancel], fees: FeeSchedule, policy: SelfTradePolicy
) -> None:
    run(Exchange([SPEC], fees=fees, self_trade=policy), script)


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from(SelfTradePolicy))
def test_records_tell_the_whole_story(script: list[Place | Cancel], policy: SelfTradePolicy) -> None:
    exchange = Exchange([SPEC], fees=FeeSchedule(100, 500), self_trade=policy)
    records = [record for batch in run(exchange, script) for record in batch]
    orders = {record.order.order_no: record.order for record in records if isinstance(record, Accepted)}
    filled: dict[int, int] = defaultdict(int)
    money: dict[int, int] = defaultdict(int)
    for record in records:
        if isinstance(record, Fill):
            filled[record.order.order_no] += record.size_lots
            money[record.order.order_no] += record.money
            assert (record.filled_lots, record.filled_money) == (
                filled[record.order.order_no],
                money[record.order.order_no],
            )
    for number, order in orders.items():
        assert (order.filled_lots, order.filled_money) == (filled[number], money[number])
        if order.order_type is OrderType.FOK:
            assert order.filled_lots in (0, order.size_lots)
        if order.status is OrderStatus.FILLED and order.size_lots:
            assert order.filled_lots == order.size_lots
    traded = sum(record.size_lots for record in records if isinstance(record, Trade))
    assert sum(filled.values()) == 2 * traded
    versions = [record.version for record in records if isinstance(record, BookChange)]
    assert versions == list(range(SPEC.first_version + 1, SPEC.first_version + 1 + len(versions)))
    ended = [record.order.order_no for record in records if isinstance(record, Done)]
    assert len(ended) == len(set(ended))


@settings(max_examples=150, deadline=None)
@given(steps)
def test_book_changes_rebuild_the_book_and_balance_changes_the_balances(script: list[Place | Cancel]) -> None:
    exchange = Exchange([SPEC], fees=FeeSchedule(100, 500))
    levels: dict[tuple[Side, int], int] = {}
    held = {(name, asset): (amount, 0) for name in ACCOUNTS for asset, amount in START.items()}
    for batch in run(exchange, script):
        for record in batch:
            if isinstance(record, BookChange):
                levels[record.side, record.price_ticks] = record.size_lots
            elif isinstance(record, BalanceChange):
                free, locked = held[record.account, record.asset]
                held[record.account, record.asset] = (
                    free + record.free_change,
                    locked + record.locked_change,
                )
                assert held[record.account, record.asset] == (record.free, record.locked)
    book = exchange.books["BTCUSDT"]
    for side in Side:
        rebuilt = {price: lots for (which, price), lots in levels.items() if which is side and lots}
        assert rebuilt == dict(book.depth(side, 1000))
    for (name, asset), (free, locked) in held.items():
        balance = exchange.accounts[name].balance(asset)
        assert (balance.free, balance.locked) == (free, locked)


class PlainBook:
    """The obvious matching of limit orders: sort, walk, fill."""

    def __init__(self) -> None:
        self.resting: list[list[int]] = []  # number, side, price, lots
        self.trades: list[tuple[int, int, int, int]] = []  # maker, taker, price, lots

    def place(self, number: int, side: Side, price: int, lots: int) -> None:
        sign = 1 if side is Side.BUY else -1
        makers = [order for order in self.resting if order[1] != side and sign * (price - order[2]) >= 0]
        for maker in sorted(makers, key=lambda order: (sign * order[2], order[0])):
            taken = min(lots, maker[3])
            if taken:
                self.trades.append((maker[0], number, maker[2], taken))
                maker[3] -= taken
                lots -= taken
        self.resting = [order for order in self.resting if order[3]]
        if lots:
            self.resting.append([number, side, price, lots])

    def cancel(self, number: int) -> None:
        self.resting = [order for order in self.resting if order[0] != number]


limits = st.tuples(st.sampled_from(Side), prices, st.integers(1, 20))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(limits, limits, st.integers(1, 30)), max_size=50))
def test_price_time_priority_equals_the_plain_book(script: list[tuple[Side, int, int] | int]) -> None:
    exchange, plain = Exchange([SPEC]), PlainBook()
    exchange.add_account("market", {}, house=True)
    number = 0
    for now_ns, step in enumerate(script, start=1):
        if isinstance(step, int):
            exchange.cancel(now_ns, CancelRequest("market", step))
            plain.cancel(step)
        else:
            number += 1
            side, price, lots = step
            exchange.place(now_ns, PlaceRequest("market", "BTCUSDT", side, OrderType.LIMIT, lots, price))
            plain.place(number, side, price, lots)
    trades = [
        (record.maker.order_no, record.taker.order_no, record.price_ticks, record.size_lots)
        for record in exchange.take_records()
        if isinstance(record, Trade) and record.maker is not None and record.taker is not None
    ]
    assert trades == plain.trades


ambient_steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(Side), prices, st.integers(0, 20)),
        st.tuples(st.just("trade"), st.sampled_from(Side), prices, st.integers(1, 20)),
        st.tuples(st.just("place"), st.sampled_from(Side), prices, st.integers(1, 20)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(ambient_steps)
def test_ambient_liquidity_never_gives_more_than_it_has(script: list[tuple[str, Side, int, int]]) -> None:
    exchange = Exchange([SPEC], fees=FeeSchedule(0, 0))
    exchange.add_account("alice", {"USDT": 10**6 * MONEY_ONE, "BTC": 10**6 * MONEY_ONE})
    book = exchange.books["BTCUSDT"]
    offered = 0  # all the lots that the outside ever showed or traded
    traded = 0
    for now_ns, (kind, side, price, lots) in enumerate(script, start=1):
        if kind == "set":
            exchange.set_ambient(now_ns, "BTCUSDT", side, price, lots)
            offered += lots
        elif kind == "trade":
            exchange.ambient_trade(now_ns, "BTCUSDT", side, price, lots)
            offered += lots
        else:
            exchange.place(now_ns, PlaceRequest("alice", "BTCUSDT", side, OrderType.LIMIT, lots, price))
        for record in exchange.take_records():
            if isinstance(record, Trade) and (record.maker is None or record.taker is None):
                traded += record.size_lots
            if isinstance(record, Fill):
                limit = record.order.price_ticks
                assert (record.price_ticks - limit) * (1 if record.order.side is Side.BUY else -1) <= 0
        assert traded <= offered
        for book_side in (book.bids, book.asks):
            for level in book_side.levels.values():
                assert 0 <= level.taken <= level.ambient
                ahead = [order.ahead_lots for order in level.orders.values()]
                assert ahead == sorted(ahead) and all(a <= level.ambient_available for a in ahead)
        for order in exchange.accounts["alice"].open_orders.values():
            best = book.opposite(order.side).best()
            if best is not None:
                assert not book.opposite(order.side).reaches(best.price_ticks, order.price_ticks)
