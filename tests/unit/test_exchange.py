"""The matching engine, case by case."""

from __future__ import annotations

import pytest

from backtest.exchange import Exchange
from backtest.exchange_types import (
    MONEY_ONE,
    Accepted,
    BalanceChange,
    BookChange,
    CancelRequest,
    Done,
    ExchangeLimits,
    Fill,
    OrderStatus,
    PlaceRequest,
    Reason,
    Record,
    Rejected,
    SelfTradePolicy,
    SymbolSpec,
    SymbolStatus,
    Trade,
)
from backtest.fees import FeeAsset, FeeSchedule
from engine.core.enums import OrderType, Side

BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET, MAKER = OrderType.LIMIT, OrderType.MARKET, OrderType.LIMIT_MAKER
IOC, FOK = OrderType.IOC, OrderType.FOK
SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", price_decimals=2, size_decimals=3)
UNIT = SPEC.money_per_tick_lot
FREE = FeeSchedule(0, 0)


class Bench:
    """An exchange with two rich accounts, and short calls."""

    def __init__(self, spec: SymbolSpec = SPEC, **options: object) -> None:
        options.setdefault("fees", FREE)
        self.exchange = Exchange([spec], **options)  # type: ignore[arg-type]
        self.now_ns = 0
        for name in ("alice", "bob"):
            self.exchange.add_account(name, {"USDT": 10**6 * MONEY_ONE, "BTC": 10**3 * MONEY_ONE})

    def place(
        self, account: str, side: Side, order_type: OrderType, lots: int = 0, price: int = 0, **more: object
    ) -> list[Record]:
        self.now_ns += 1
        request = PlaceRequest(account, "BTCUSDT", side, order_type, lots, price, **more)  # type: ignore[arg-type]
        self.exchange.place(self.now_ns, request)
        return self.exchange.take_records()

    def cancel(self, account: str, order_no: int = 0, client_id: str = "") -> list[Record]:
        self.now_ns += 1
        self.exchange.cancel(self.now_ns, CancelRequest(account, order_no, client_id))
        return self.exchange.take_records()

    def depth(self, side: Side) -> list[tuple[int, int]]:
        return self.exchange.books["BTCUSDT"].depth(side, 10)

    def balance(self, account: str, asset: str) -> tuple[int, int]:
        held = self.exchange.accounts[account].balance(asset)
        return held.free, held.locked

    def ambient(self, side: Side, price: int, lots: int) -> list[Record]:
        self.now_ns += 1
        self.exchange.set_ambient(self.now_ns, "BTCUSDT", side, price, lots)
        return self.exchange.take_records()

    def print_trade(self, taker: Side, price: int, lots: int) -> list[Record]:
        self.now_ns += 1
        self.exchange.ambient_trade(self.now_ns, "BTCUSDT", taker, price, lots)
        return self.exchange.take_records()


def of(records: list[Record], kind: type) -> list:
    return [record for record in records if isinstance(record, kind)]


def fills(records: list[Record], account: str) -> list[tuple[int, int]]:
    return [(f.price_ticks, f.size_lots) for f in of(records, Fill) if f.order.account.name == account]


def reason(records: list[Record]) -> Reason:
    (rejected,) = of(records, Rejected)
    return rejected.reason


def test_a_resting_order_is_filled_at_its_own_price_and_both_sides_settle() -> None:
    bench = Bench()
    bench.place("alice", SELL, LIMIT, 100, 5000)
    records = bench.place("bob", BUY, LIMIT, 60, 5010)
    assert fills(records, "bob") == fills(records, "alice") == [(5000, 60)]
    (trade,) = of(records, Trade)
    assert (trade.price_ticks, trade.size_lots, trade.taker_side) == (5000, 60, BUY)
    assert bench.depth(SELL) == [(5000, 40)]
    assert bench.balance("bob", "USDT") == (10**6 * MONEY_ONE - 5000 * 60 * UNIT, 0)
    assert bench.balance("bob", "BTC") == (10**3 * MONEY_ONE + 60 * SPEC.units_per_lot, 0)
    assert bench.balance("alice", "BTC") == (
        10**3 * MONEY_ONE - 100 * SPEC.units_per_lot,
        40 * SPEC.units_per_lot,
    )


def test_better_price_first_then_the_earlier_order() -> None:
    bench = Bench()
    bench.place("alice", SELL, LIMIT, 10, 5001, client_id="late price")
    bench.place("alice", SELL, LIMIT, 10, 5000, client_id="first")
    bench.place("alice", SELL, LIMIT, 10, 5000, client_id="second")
    records = bench.place("bob", BUY, LIMIT, 25, 5001)
    makers = [f.order.client_id for f in of(records, Fill) if f.is_maker]
    assert makers == ["first", "second", "late price"]
    assert [f.size_lots for f in of(records, Fill) if f.is_maker] == [10, 10, 5]


def test_every_change_of_the_book_has_the_next_version() -> None:
    bench = Bench()
    versions = [SPEC.first_version]
    for records in (
        bench.place("alice", SELL, LIMIT, 10, 5000),
        bench.place("alice", SELL, LIMIT, 10, 5001),
        bench.place("bob", BUY, LIMIT, 15, 5001),
        bench.cancel("alice", 2),
    ):
        versions += [change.version for change in of(records, BookChange)]
    assert versions == list(range(1, 7))
    assert bench.depth(SELL) == []


@pytest.mark.parametrize(("order_type", "left"), [(IOC, OrderStatus.PARTIALLY_CANCELED), (LIMIT, None)])
def test_what_cannot_be_filled_at_once_rests_or_ends(order_type: OrderType, left: OrderStatus | None) -> None:
    bench = Bench()
    bench.place("alice", SELL, LIMIT, 10, 5000)
    records = bench.place("bob", BUY, order_type, 30, 5000)
    assert fills(records, "bob") == [(5000, 10)]
    if left is None:
        assert bench.depth(BUY) == [(5000, 20)]
    else:
        (done,) = of(records, Done)
        assert (done.order.status, done.reason) == (left, Reason.UNFILLED_REMAINDER)
        assert bench.depth(BUY) == [] and bench.balance("bob", "USDT")[1] == 0


def test_fok_is_all_or_nothing() -> None:
    bench = Bench()
    bench.place("alice", SELL, LIMIT, 10, 5000)
    bench.place("alice", SELL, LIMIT, 10, 5002)
    records = bench.place("bob", BUY, FOK, 20, 5001)
    (done,) = of(records, Done)
    assert done.reason is Reason.NOT_FILLABLE and done.order.status is OrderStatus.CANCELED
    assert not of(records, Trade)
    assert fills(bench.place("bob", BUY, FOK, 20, 5002), "bob") == [(5000, 10), (5002, 10)]


def test_a_maker_order_that_would_take_is_refused() -> None:
    bench = Bench()
    bench.place("alice", SELL, LIMIT, 10, 5000)
    assert reason(bench.place("bob", BUY, MAKER, 10, 5000)) is Reason.WOULD_CROSS
    assert of(bench.place("bob", BUY, MAKER, 10, 4999), Accepted)
    assert bench.depth(BUY) == [(4999, 10)]


def test_market_by_quantity_and_by_quote_amount() -> None:
    bench = Bench()
    assert reason(bench.place("bob", BUY, MARKET, 10)) is Reason.NO_PRICE
    bench.place("alice", BUY, LIMIT, 10, 4000)
    assert reason(bench.place("bob", BUY, MARKET, 10)) is Reason.NO_OPPONENT
    bench.place("alice", SELL, LIMIT, 10, 5000)
    bench.place("alice", SELL, LIMIT, 100, 6000)
    records = bench.place("bob", BUY, MARKET, 15)
    assert fills(records, "bob") == [(5000, 10), (6000, 5)]
    assert of(records, Accepted)[0].order.status is OrderStatus.FILLED
    # 1000 quote units at 60.00 a piece: sixteen lots and a rest that buys no whole lot
    amount = 6000 * UNIT * 16 + 5999 * UNIT
    records = bench.place("bob", BUY, MARKET, quote_money=amount)
    assert fills(records, "bob") == [(6000, 16)]
    order = of(records, Accepted)[0].order
    assert order.status is OrderStatus.FILLED and order.filled_money == 6000 * 16 * UNIT
    assert bench.balance("bob", "USDT")[1] == 0


def test_a_market_order_that_empties_the_book_is_cancelled_for_the_rest() -> None:
    bench = Bench()
    bench.place("alice", BUY, LIMIT, 10, 5000)
    records = bench.place("bob", SELL, MARKET, 15)
    (done,) = of(records, Done)
    assert done.order.status is OrderStatus.PARTIALLY_CANCELED and done.order.filled_lots == 10
    assert bench.balance("bob", "BTC")[1] == 0


def test_cancel_by_number_and_client_id_and_never_twice() -> None:
    bench = Bench()
    bench.place("alice", BUY, LIMIT, 10, 5000, client_id="a")
    bench.place("alice", BUY, LIMIT, 10, 5000, client_id="b")
    assert of(bench.cancel("alice", 1), Done)[0].order.client_id == "a"
    assert of(bench.cancel("alice", client_id="b"), Done)[0].order.client_id == "b"
    assert reason(bench.cancel("alice", client_id="b")) is Reason.UNKNOWN_ORDER
    assert reason(bench.cancel("bob", 1)) is Reason.UNKNOWN_ORDER
    assert reason(bench.cancel("nobody", 1)) is Reason.UNKNOWN_ACCOUNT
    assert bench.balance("alice", "USDT") == (10**6 * MONEY_ONE, 0)


def test_a_better_price_gives_the_surplus_of_the_lock_back() -> None:
    bench = Bench(fees=FeeSchedule(0, 500))
    bench.place("alice", SELL, LIMIT, 10, 5000)
    bench.place("bob", BUY, LIMIT, 20, 6000)
    rest = 10 * 6000 * UNIT
    free, locked = bench.balance("bob", "USDT")
    assert locked == rest + rest * 500 // 10**6
    spent = 10 * 5000 * UNIT
    assert free == 10**6 * MONEY_ONE - spent - spent * 500 // 10**6 - locked


@pytest.mark.parametrize(
    ("fees", "asset", "fee"),
    [
        (FeeSchedule(100, 500), "USDT", 5000 * 10 * UNIT * 500 // 10**6),
        (FeeSchedule(100, 500, FeeAsset.RECEIVED), "BTC", 10 * SPEC.units_per_lot * 500 // 10**6),
        (FeeSchedule(100, 500, FeeAsset.THIRD, "BTC", 50), "BTC", 10 * UNIT * 500 // 10**6 * 100),
        (FeeSchedule(100, 500, FeeAsset.THIRD, "MX"), "USDT", 5000 * 10 * UNIT * 500 // 10**6),
    ],
)
def test_fees_are_taken_from_the_asset_agreed(fees: FeeSchedule, asset: str, fee: int) -> None:
    bench = Bench(fees=fees)
    bench.place("alice", SELL, LIMIT, 10, 5000)
    records = bench.place("bob", BUY, LIMIT, 10, 5000)
    (taker,) = [f for f in of(records, Fill) if not f.is_maker]
    assert (taker.fee_asset, taker.fee) == (asset, fee)
    (maker,) = [f for f in of(records, Fill) if f.is_maker]
    assert maker.fee * 5 == fee or maker.fee_asset != asset


@pytest.mark.parametrize(
    ("policy", "maker_left", "taker_left", "traded"),
    [
        (SelfTradePolicy.ALLOW, 0, 0, 10),
        (SelfTradePolicy.CANCEL_TAKER, 10, 0, 0),
        (SelfTradePolicy.CANCEL_MAKER, 0, 10, 0),
        (SelfTradePolicy.CANCEL_BOTH, 0, 0, 0),
    ],
)
def test_self_trade_policies(policy: SelfTradePolicy, maker_left: int, taker_left: int, traded: int) -> None:
    bench = Bench(self_trade=policy)
    bench.place("alice", SELL, LIMIT, 10, 5000)
    records = bench.place("alice", BUY, LIMIT, 10, 5000)
    assert sum(trade.size_lots for trade in of(records, Trade)) == traded
    assert sum(lots for _, lots in bench.depth(SELL)) == maker_left
    assert sum(lots for _, lots in bench.depth(BUY)) == taker_left
    assert all(fill.is_self_trade for fill in of(records, Fill))


STRICT = SymbolSpec(
    "BTCUSDT", "BTC", "USDT", 2, 3, tick_step=5, lot_step=10, min_lots=20, max_lots=1000,
    min_notional=MONEY_ONE, max_notional=100 * MONEY_ONE, max_notional_market=MONEY_ONE * 2,
    band_up_ppm=100_000, band_down_ppm=100_000, sides=frozenset({BUY}), order_types=frozenset({LIMIT, MARKET}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "request_"),
    [
        (Reason.UNKNOWN_ACCOUNT, PlaceRequest("nobody", "BTCUSDT", BUY, LIMIT, 100, 5000)),
        (Reason.UNKNOWN_SYMBOL, PlaceRequest("alice", "XYZ", BUY, LIMIT, 100, 5000)),
        (Reason.SIDE_CLOSED, PlaceRequest("alice", "BTCUSDT", SELL, LIMIT, 100, 5000)),
        (Reason.ORDER_TYPE_CLOSED, PlaceRequest("alice", "BTCUSDT", BUY, IOC, 100, 5000)),
        (Reason.BAD_PRICE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 100, 5001)),
        (Reason.BAD_PRICE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 100, 0)),
        (Reason.BAD_PRICE, PlaceRequest("alice", "BTCUSDT", BUY, MARKET, 100, 5000)),
        (Reason.BAD_SIZE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 0, 5000)),
        (Reason.BAD_SIZE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 105, 5000)),
        (Reason.BAD_SIZE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 0, 5000, MONEY_ONE)),
        (Reason.SIZE_TOO_SMALL, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 10, 5000)),
        (Reason.SIZE_TOO_LARGE, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 2000, 5000)),
        (Reason.NOTIONAL_TOO_SMALL, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 20, 4900)),
        (Reason.NOTIONAL_TOO_LARGE, PlaceRequest("alice", "BTCUSDT", BUY, MARKET, 100)),
        (Reason.PRICE_OUT_OF_BAND, PlaceRequest("alice", "BTCUSDT", BUY, LIMIT, 100, 5505)),
    ],
)
def test_each_filter_refuses_with_its_reason(expected: Reason, request_: PlaceRequest) -> None:
    bench = Bench(STRICT)
    bench.exchange.add_account("market", {}, house=True)
    bench.exchange.place(0, PlaceRequest("market", "BTCUSDT", SELL, LIMIT, 500, 5000))
    bench.exchange.take_records()
    assert bench.exchange.place(0, request_) is None
    assert reason(bench.exchange.take_records()) is expected
    assert bench.balance("alice", "USDT") == (10**6 * MONEY_ONE, 0)


def test_symbol_states_refuse_and_can_change() -> None:
    bench = Bench()
    for changes, expected in (
        ({"status": SymbolStatus.HIDDEN}, Reason.UNKNOWN_SYMBOL),
        ({"status": SymbolStatus.PAUSED}, Reason.SYMBOL_PAUSED),
        ({"status": SymbolStatus.TRADING, "tradable": False}, Reason.NOT_TRADABLE),
    ):
        bench.exchange.change_symbol("BTCUSDT", **changes)
        assert reason(bench.place("alice", BUY, LIMIT, 10, 5000)) is expected
    bench.exchange.change_symbol("BTCUSDT", tradable=True)
    assert of(bench.place("alice", BUY, LIMIT, 10, 5000), Accepted)
    with pytest.raises(ValueError, match="scale"):
        bench.exchange.change_symbol("BTCUSDT", price_decimals=3)


def test_balance_and_order_limits() -> None:
    bench = Bench(limits=ExchangeLimits(open_orders_per_account=1))
    too_much = 10**6 * MONEY_ONE // (5000 * UNIT) + 1
    assert reason(bench.place("alice", BUY, LIMIT, too_much, 5000)) is Reason.INSUFFICIENT_BALANCE
    assert of(bench.place("alice", BUY, LIMIT, 1, 5000, client_id="x"), Accepted)
    assert reason(bench.place("alice", BUY, LIMIT, 1, 5000)) is Reason.TOO_MANY_ORDERS
    bench.cancel("alice", client_id="x")
    assert reason(bench.place("alice", BUY, LIMIT, 1, 5000, client_id="x")) is Reason.DUPLICATE_CLIENT_ID
    bench.exchange.reject_duplicate_client_ids = False
    assert of(bench.place("alice", BUY, LIMIT, 1, 5000, client_id="x"), Accepted)


def test_finished_orders_are_forgotten_beyond_their_limit() -> None:
    bench = Bench(limits=ExchangeLimits(finished_orders_per_account=2))
    for number in range(5):
        bench.place("alice", BUY, LIMIT, 1, 5000, client_id=f"c{number}")
        bench.cancel("alice", client_id=f"c{number}")
    account = bench.exchange.accounts["alice"]
    assert list(account.orders) == [4, 5]
    assert account.by_client_id("c0") is None and account.by_client_id("c4") is not None


def test_requests_act_after_the_latency_in_order() -> None:
    bench = Bench(latency_ns=100)
    exchange = bench.exchange
    first = exchange.submit(10, PlaceRequest("alice", "BTCUSDT", SELL, LIMIT, 10, 5000))
    second = exchange.submit(20, PlaceRequest("bob", "BTCUSDT", BUY, LIMIT, 10, 5000))
    third = exchange.submit(20, CancelRequest("alice", 1))
    assert exchange.next_due_ns() == 110
    assert exchange.advance(109) == []
    records = exchange.advance(115)
    assert [r.request_no for r in of(records, Accepted)] == [first]
    records = exchange.advance(120)
    assert [r.request_no for r in of(records, Accepted)] == [second] and of(records, Fill)
    assert [r.request_no for r in of(records, Rejected)] == [third]
    assert exchange.next_due_ns() is None
    with pytest.raises(ValueError, match="backwards"):
        exchange.advance(119)


def test_house_accounts_leave_no_private_records_and_may_go_negative() -> None:
    bench = Bench()
    bench.exchange.add_account("market", {}, house=True)
    records = bench.place("market", SELL, LIMIT, 10, 5000)
    assert [type(record) for record in records] == [BookChange]
    records = bench.place("bob", BUY, LIMIT, 10, 5000)
    assert {f.order.account.name for f in of(records, Fill)} == {"bob"}
    assert {b.account for b in of(records, BalanceChange)} == {"bob"}
    assert bench.balance("market", "BTC")[0] == -10 * SPEC.units_per_lot


# ambient liquidity


def test_an_order_takes_ambient_size_once_until_it_is_set_again() -> None:
    bench = Bench()
    bench.ambient(SELL, 5000, 10)
    assert fills(bench.place("bob", BUY, IOC, 8, 5000), "bob") == [(5000, 8)]
    assert fills(bench.place("bob", BUY, IOC, 8, 5000), "bob") == [(5000, 2)]
    assert fills(bench.place("bob", BUY, IOC, 8, 5000), "bob") == []
    book = bench.exchange.books["BTCUSDT"]
    assert book.ambient_depth(SELL, 5) == [(5000, 10)] and book.depth(SELL, 5) == []
    bench.ambient(SELL, 5000, 9)
    assert fills(bench.place("bob", BUY, IOC, 8, 5000), "bob") == [(5000, 8)]


def test_an_order_waits_behind_the_ambient_size_that_was_there() -> None:
    bench = Bench()
    bench.ambient(BUY, 5000, 10)
    bench.place("bob", BUY, LIMIT, 5, 5000)
    assert fills(bench.print_trade(SELL, 5000, 6), "bob") == []
    bench.ambient(BUY, 5000, 30)  # who comes later stands behind
    assert fills(bench.print_trade(SELL, 5000, 7), "bob") == [(5000, 3)]
    assert fills(bench.print_trade(SELL, 5000, 7), "bob") == [(5000, 2)]


def test_the_queue_ahead_shrinks_with_the_ambient_size() -> None:
    bench = Bench()
    bench.ambient(BUY, 5000, 10)
    bench.place("bob", BUY, LIMIT, 5, 5000)
    bench.ambient(BUY, 5000, 2)
    assert fills(bench.print_trade(SELL, 5000, 3), "bob") == [(5000, 1)]
    bench.ambient(BUY, 5000, 0)
    assert fills(bench.print_trade(SELL, 5000, 1), "bob") == [(5000, 1)]


def test_a_trade_through_our_price_fills_us_at_our_price() -> None:
    bench = Bench()
    bench.ambient(BUY, 5000, 100)
    bench.place("bob", BUY, LIMIT, 5, 5000)
    bench.place("bob", BUY, LIMIT, 5, 5001)
    records = bench.print_trade(SELL, 4999, 7)
    assert fills(records, "bob") == [(5001, 5), (5000, 2)]
    assert all(f.is_maker for f in of(records, Fill))
    assert fills(bench.print_trade(BUY, 5001, 7), "bob") == []


def test_ambient_size_that_crosses_us_fills_us_and_counts_as_taken() -> None:
    bench = Bench()
    bench.place("bob", BUY, LIMIT, 5, 5000)
    bench.place("bob", BUY, LIMIT, 5, 5002)
    records = bench.ambient(SELL, 5000, 7)
    assert fills(records, "bob") == [(5002, 5), (5000, 2)]
    assert bench.depth(SELL) == [] and bench.depth(BUY) == [(5000, 3)]


def test_our_orders_and_ambient_size_share_a_level_in_priority() -> None:
    bench = Bench()
    bench.ambient(SELL, 5000, 10)
    bench.place("alice", SELL, LIMIT, 5, 5000)
    bench.ambient(SELL, 5000, 20)
    records = bench.place("bob", BUY, LIMIT, 30, 5000)
    assert [(t.size_lots, t.maker is None) for t in of(records, Trade)] == [
        (10, True),
        (5, False),
        (10, True),
    ]
    assert bench.depth(BUY) == [(5000, 5)]


def test_a_delisted_symbol_gives_back_what_its_orders_held() -> None:
    bench = Bench()
    exchange, free = bench.exchange, bench.exchange.accounts["bob"].balance("USDT").free
    assert of(bench.place("bob", BUY, LIMIT, 10, 4000), Accepted)
    assert exchange.accounts["bob"].balance("USDT").free < free
    exchange.remove_symbol(1_000_000, "BTCUSDT")
    ended = of(exchange.take_records(), Done)
    assert [done.reason for done in ended] == [Reason.DELISTED]
    assert exchange.accounts["bob"].balance("USDT").free == free
    assert not exchange.accounts["bob"].open_orders and "BTCUSDT" not in exchange.books


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": SymbolStatus.DISABLED}, Reason.TRADING_DISABLED),
        ({"suspended": frozenset({BUY})}, Reason.SIDE_SUSPENDED),
        ({"suspended": frozenset({SELL})}, None),
    ],
)
def test_a_symbol_closed_for_the_moment(changes: dict[str, object], expected: Reason | None) -> None:
    bench = Bench()
    bench.exchange.change_symbol("BTCUSDT", **changes)
    records = bench.place("bob", BUY, LIMIT, 10, 4000)
    assert (reason(records) is expected) if expected else of(records, Accepted)
