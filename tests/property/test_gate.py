"""The gate equals its plain-Python twin: the same reason, limit and value, whatever led there."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import event
from engine.core.enums import CommandKind, HealthField, OrderReport
from engine.core.instrument import InstrumentSpec
from engine.core.risk.limits import limits_from
from tests.core_session import BUY, MARKET, MONEY, SECOND_NS, SELL, START_NS, WIDE, Session
from tests.oracles.gate import Intent, Market, World, judge, note, order_worth, reserve_price
from tests.oracles.orders import Ledger, TwinOrder

MID = 10_000
CAPITAL = 100_000 * MONEY


class Pair:
    """A session and its twin, driven by the same steps."""

    def __init__(self, specs: list[InstrumentSpec]) -> None:
        self.session = Session()
        self.ledger = Ledger(specs)
        self.world = World(specs, self.ledger, limits_from(WIDE), [Market() for _ in specs])
        self.versions = [0] * len(specs)
        self.mode = "paper"
        push = self.session.push
        push(event.start("testrun00000", 0, False, 1))
        self.session.limits()
        for spec in specs:
            push(event.instrument(spec))
            self.balance(spec.base, CAPITAL)
        self.balance("USDT", CAPITAL)
        self.world.capital = CAPITAL
        self.session.attach()
        push(event.reconciled())

    def balance(self, asset: str, amount: int) -> None:
        self.session.push(event.balance(asset, amount, 0, True))
        self.ledger.total[asset] = amount

    def feed(self, source: int, up: bool) -> None:
        self.session.push(event.feed(source, up))
        self.world.feed_up[source] = up
        self.world.feed_heard_ns[source] = self.session.now_ns
        for spec, market in zip(self.world.specs, self.world.markets, strict=True):
            if spec.source == source:
                market.live = 0 if up else 1

    def book(self, i: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        """All levels anew: as a snapshot, or as one delta of a LIVE book."""
        market, source = self.world.markets[i], self.world.specs[i].source
        self.world.feed_heard_ns[source] = self.session.now_ns
        self.versions[i] += 1
        version = self.versions[i]
        if market.live == 2:
            gone = [(price, 0) for price, _ in market.asks], [(price, 0) for price, _ in market.bids]
            self.session.push(event.delta(i, version, version, gone[0] + asks, gone[1] + bids, source=source))
        else:
            self.session.push(event.snapshot(i, version, asks, bids, source=source))
        if market.live != 1:
            self.world.markets[i] = Market(bids, asks, live=2, last_trade=market.last_trade)

    def trade(self, i: int, price: int) -> None:
        source = self.world.specs[i].source
        self.world.feed_heard_ns[source] = self.session.now_ns
        self.session.push(event.trades(i, [(price, 1, BUY, self.session.now_ns)], source=source))
        self.world.markets[i].last_trade = price

    def limits(self, changes: dict[str, Any], live: bool) -> None:
        self.session.limits(mode="live" if live else "paper", **changes)
        self.world.limits = limits_from({**WIDE, **changes})
        self.world.config_live = int(live)

    def command(self, kind: CommandKind) -> None:
        self.session.command(kind)
        if kind == CommandKind.RESUME:
            self.world.halted = self.world.reduce_only = False
        elif kind == CommandKind.HALT:
            self.world.halted = True
        elif kind == CommandKind.REDUCE_ONLY:
            self.world.reduce_only = True

    def health(self, field: HealthField, value: int) -> None:
        self.session.health(field, value)
        if field == HealthField.JOURNAL:
            self.world.journal = bool(value)
        elif field == HealthField.CLOCK_SKEW:
            self.world.skew_ns = value
        else:
            self.world.disk = value

    def propose(self, intent: Intent) -> None:
        """The two judge the same intent; what passes is entered in both."""
        self.world.now_ns = self.session.now_ns
        expected = judge(self.world, intent)
        number, denied = self.session.place(
            intent.side,
            intent.price,
            intent.size,
            intent.order_type,
            instrument=intent.instrument,
            key=intent.key,
        )
        assert (denied and note(denied)) == expected
        assert bool(number) == (expected is None)
        if number:
            reserve = reserve_price(self.world, intent)
            self.world.open_sent(order_worth(self.world, intent))
            self.world.keys.add(intent.key)
            self.ledger.placed(
                TwinOrder(
                    number,
                    intent.instrument,
                    intent.side,
                    intent.order_type,
                    intent.price,
                    intent.size,
                    reserve,
                )
            )

    def update(self, nth: int, report: OrderReport) -> None:
        if self.ledger.orders:
            number = 1 + nth % len(self.ledger.orders)
            self.session.update(number, report)
            self.ledger.update(number, report)

    def fill(self, nth: int, lots: int, fee: int) -> None:
        if not self.ledger.orders:
            return
        order = self.ledger.orders[1 + nth % len(self.ledger.orders)]
        price = order.price or MID
        money = self.world.specs[order.instrument].notional(price, lots)
        trade_id = f"t{self.session.seq}"
        self.session.fill(order.number, lots, price, fee=fee, trade_id=trade_id)
        self.ledger.fill(order.number, order.instrument, order.side, lots, money, fee, trade_id)

    def advance(self, step_ns: int) -> None:
        self.session.now_ns += step_ns


SPECS = st.builds(
    InstrumentSpec,
    symbol=st.just("AAAUSDT"), base=st.just("AAA"), quote=st.just("USDT"),
    price_decimals=st.integers(1, 6), size_decimals=st.integers(1, 6),
    tradable=st.sampled_from([True] * 30 + [False]),
    sides=st.sampled_from([3] * 20 + [1, 2]),
    order_types=st.sampled_from([0b111110] * 15 + [0b10, 0b011010]),
    tick_step=st.sampled_from([1] * 6 + [5]), lot_step=st.sampled_from([1] * 6 + [10]),
    min_lots=st.sampled_from([1, 1, 5]), max_lots=st.sampled_from([2**62] * 4 + [500]),
    band_up_ppm=st.sampled_from([0] * 4 + [2_000, 33_333]), band_down_ppm=st.sampled_from([0] * 4 + [2_000, 33_333]),
    taker_fee_ppm=st.sampled_from([0, 500, 777]),
    min_notional=st.sampled_from([0] * 4 + [MONEY]), max_notional=st.sampled_from([10**38] * 6 + [1000 * MONEY]),
    opens_ns=st.sampled_from([0] * 6 + [START_NS + 4 * SECOND_NS]),
)  # fmt: skip
PAIRS = st.tuples(SPECS, SPECS, st.sampled_from([0, 1])).map(
    lambda drawn: [
        drawn[0],
        InstrumentSpec(
            **{name: getattr(drawn[1], name) for name in InstrumentSpec.__dataclass_fields__}
            | {"symbol": "BBBUSDT", "base": "BBB", "source": drawn[2]}
        ),
    ]
)
WHICH = st.integers(0, 1)
LEVELS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 400)), max_size=4, unique_by=lambda level: level[0]
)
OFFSETS = st.one_of(st.integers(-80, 80), st.integers(-80, 80), st.integers(-700, 700))
SIZES = st.sampled_from([st.integers(1, 300)] * 12 + [st.integers(-1, 3000)] * 3 + [st.just(2**61)]).flatmap(
    lambda kind: kind
)
TIGHT: dict[str, st.SearchStrategy[Any]] = {
    "max_order_notional": st.integers(1, 300_000).map(str),
    "max_position_notional": st.integers(1, 300_000).map(str),
    "max_gross_exposure": st.integers(1, 600_000).map(str),
    "max_net_exposure": st.integers(1, 300_000).map(str),
    "max_concentration_bps": st.integers(1, 12_000),
    "max_open_orders": st.integers(1, 6),
    "max_open_orders_per_instrument": st.integers(1, 4),
    "max_orders_per_second": st.integers(1, 5),
    "max_orders_per_window": st.integers(1, 8),
    "price_collar_bps": st.integers(1, 700),
    "max_slippage_bps": st.integers(1, 100),
    "max_fees_per_day": st.integers(1, 200).map(str),
    "proposer_budget_notional": st.integers(1, 900_000).map(str),
    "max_feed_silence_ms": st.integers(1, 3000),
    "proposer_window_s": st.integers(1, 5),
    "order_window_s": st.integers(1, 5),
}
CHANGES = st.lists(st.sampled_from(sorted(TIGHT)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: TIGHT[name] for name in names})
)
PROPOSALS = st.tuples(
    st.just("propose"),
    st.sampled_from([0] * 9 + [1] * 9 + [2, -1]),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([1] * 9 + [2] * 3 + [3] * 4 + [4, 5, 6, 0]),
    OFFSETS,
    SIZES,
    st.sampled_from([0, 0, 0, 1, 2]),
)
REPORTS = st.sampled_from(
    [OrderReport.WORKING, OrderReport.CANCELED, OrderReport.REJECTED, OrderReport.AMBIGUOUS]
)
COMMON = st.one_of(
    st.tuples(st.just("limits"), CHANGES, st.just(False)),
    st.tuples(st.just("fill"), st.integers(0, 20), st.integers(1, 300), st.integers(0, MONEY)),
    st.tuples(st.just("update"), st.integers(0, 20), REPORTS),
    st.tuples(st.just("advance"), st.integers(0, 2 * SECOND_NS)),
    st.tuples(st.just("book"), WHICH, LEVELS, LEVELS, st.integers(-50, 50)),
    st.just(("command", CommandKind.RESUME)),
)
AMOUNTS = st.integers(0, 100_000).map(lambda n: n * MONEY)
RARE = st.one_of(
    st.tuples(st.just("trade"), WHICH, st.integers(MID - 100, MID + 100)),
    st.tuples(st.just("limits"), CHANGES, st.just(True)),
    st.tuples(st.just("balance"), st.sampled_from(["AAA", "BBB", "USDT"]), AMOUNTS),
    st.tuples(st.just("command"), st.sampled_from([CommandKind.HALT, CommandKind.REDUCE_ONLY])),
    st.tuples(st.just("health"), st.just(HealthField.JOURNAL), st.sampled_from([1, 0])),
    st.tuples(st.just("health"), st.just(HealthField.CLOCK_SKEW), st.integers(-1_100_000_000, 1_100_000_000)),
    st.tuples(st.just("health"), st.just(HealthField.DISK), st.sampled_from([0, 1, 2])),
    st.tuples(st.just("feed"), st.sampled_from([0, 1]), st.booleans()),
)
STEPS = st.sampled_from([PROPOSALS] * 12 + [COMMON] * 7 + [RARE]).flatmap(lambda kind: kind)


def around(i: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]], shift: int) -> Any:
    """Levels by their distance from a middle: bids from the best down, asks from the best up."""
    middle = MID + shift
    return (
        i,
        sorted(((middle - away, lots) for away, lots in bids), reverse=True),
        sorted((middle + away, lots) for away, lots in asks),
    )


@given(PAIRS, st.lists(STEPS, min_size=15, max_size=40))
@settings(max_examples=200, deadline=None)
def test_equals_twin(specs: list[InstrumentSpec], steps: list[tuple[Any, ...]]) -> None:
    pair = Pair(specs)
    for source in (0, 1):
        pair.feed(source, True)
    for i in (0, 1):
        pair.book(*around(i, [(1, 900), (20, 900)], [(1, 900), (20, 900)], 0))
    for name, *facts in steps:
        if name == "book":
            pair.book(*around(*facts))
        elif name == "propose":
            instrument, side, order_type, offset, size, key = facts
            price = 0 if order_type == MARKET and offset % 8 else MID + offset
            pair.propose(Intent(instrument, side, order_type, price, size, key))
        else:
            getattr(pair, name)(*facts)
    assert pair.session.now_ns >= START_NS


PLAIN = [
    InstrumentSpec("AAAUSDT", "AAA", "USDT", 2, 3, taker_fee_ppm=500),
    InstrumentSpec("BBBUSDT", "BBB", "USDT", 1, 4, taker_fee_ppm=777),
]
SENSIBLE = st.tuples(
    WHICH,
    st.sampled_from([BUY, SELL]),
    st.sampled_from([1, 3]),
    st.integers(0, 60),
    st.integers(1, 2_000_000),
)
SIZE_STEPS = st.sampled_from([0] * 10 + [1] * 3 + [2] * 4 + [3, 4]).flatmap(
    lambda kind: [
        st.tuples(st.just("propose"), SENSIBLE),
        st.tuples(st.just("limits"), CHANGES, st.just(False)),
        st.tuples(st.just("fill"), st.integers(0, 20), st.integers(1, 2_000_000), st.integers(0, 50 * MONEY)),
        st.tuples(st.just("update"), st.integers(0, 20), st.sampled_from([OrderReport.CANCELED])),
        st.tuples(st.just("advance"), st.integers(0, 2 * SECOND_NS)),
    ][kind]
)


@given(st.lists(SIZE_STEPS, min_size=15, max_size=50))
@settings(max_examples=120, deadline=None)
def test_equals_twin_where_size_matters(steps: list[tuple[Any, ...]]) -> None:
    """Orders that are in order but for their size, against tight limits and what is already held."""
    pair = Pair(PLAIN)
    pair.feed(0, True)
    for i in (0, 1):
        pair.book(*around(i, [(1, 10**9)], [(1, 10**9)], 0))
    for name, *facts in steps:
        if name == "propose":
            instrument, side, order_type, away, size = facts[0]
            price = MID - away if side == BUY else MID + away
            pair.propose(Intent(instrument, side, order_type, price, size))
        else:
            getattr(pair, name)(*facts)
