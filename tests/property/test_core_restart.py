"""The restart promise: journal records alone, with or without a snapshot on the way, give the live durable state."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import CommandKind, HealthField, OrderReport
from engine.core.instrument import InstrumentSpec
from tests.core_session import BUY, MONEY, SECOND_NS, SELL, Puppet, Session, ready

SPECS = [
    InstrumentSpec("AAAUSDT", "AAA", "USDT", 2, 3, taker_fee_ppm=500),
    InstrumentSpec("BBBUSDT", "BBB", "USDT", 3, 1),
]
LIMITS: dict[str, Any] = {
    "max_errors_per_window": 2,
    "max_rejects_per_window": 2,
    "max_volatility_bps": 40,
    "max_daily_loss": "50",
    "max_open_orders": 12,
    "on_strategy_error": "cancel",
}


class Reckless(Puppet):
    """Trades on all it hears, by a seed; fails now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = random.Random(seed)

    def _hear(self, slot: str, what: Any) -> None:
        roll = self.dice.random()
        if roll < 0.02:
            raise RuntimeError(slot)
        if roll < 0.1:
            self.set_timer(1, 100)
        for i in self.instruments[: 1 + (roll < 0.5)]:
            for order in self.orders(i)[:2]:
                if self.dice.random() < 0.3:
                    self.cancel(order.order_no)
            price = 10_000 + self.dice.randint(-30, 30)
            (self.buy if self.dice.random() < 0.5 else self.sell)(
                i, price, self.dice.randint(-1, 900), self.dice.choice([1, 1, 3]), self.dice.choice([0, 0, 5])
            )


STEPS = st.one_of(
    st.tuples(st.just("move"), st.integers(0, 1), st.integers(-40, 40)),
    st.tuples(st.just("fill"), st.integers(0, 99), st.integers(1, 500), st.integers(0, MONEY)),
    st.tuples(st.just("report"), st.integers(0, 99), st.sampled_from(OrderReport), st.integers(-1, 100)),
    st.tuples(st.just("command"), st.sampled_from(CommandKind), st.sampled_from(["", "a", "b", "c"])),
    st.tuples(st.just("wait"), st.sampled_from([1, SECOND_NS, 61 * SECOND_NS, 30_000 * SECOND_NS])),
    st.tuples(st.just("house")),
    st.tuples(
        st.just("balance"), st.sampled_from(["AAA", "USDT", "NEW"]), st.integers(0, 10**6), st.booleans()
    ),
    st.tuples(st.just("feed"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("bad")),
    st.tuples(st.just("snapshot")),
)


class Life:
    """A session under random steps."""

    def __init__(self, seed: int) -> None:
        self.session: Session = ready(*SPECS, names=("one",), **LIMITS)
        self.session.engine.detach_all()
        self.reckless = Reckless(seed)
        self.session.engine.attach(self.reckless, "one", [spec.symbol for spec in SPECS])
        self.snapshots: list[tuple[int, bytes, int, int]] = []

    def number(self, nth: int) -> int:
        return 1 + nth % max(self.session.engine.counts()["approved"], 1)

    def move(self, i: int, ticks: int) -> None:
        book = self.session.engine.books[i]
        if not book.is_live:
            self.session.book(i)
            return
        gone = [[(price, 0) for price, _ in book.levels(side)] for side in (SELL, BUY)]
        version = book.version + 1
        asks, bids = [(10_010 + ticks, 10**6)], [(9_990 + ticks, 10**6)]
        self.session.push(event.delta(i, version, version, gone[0] + asks, gone[1] + bids))

    def fill(self, nth: int, lots: int, fee: int) -> None:
        if self.session.engine.order(self.number(nth)) is not None:
            self.session.fill(self.number(nth), lots, fee=fee)

    def report(self, nth: int, report: OrderReport, percent: int) -> None:
        number = self.number(nth)
        order = self.session.engine.order(number)
        if order is None or percent < 0:
            self.session.update(number, report)
            return
        lots = order.size_lots * percent // 100
        money = SPECS[order.instrument].notional(order.price_ticks, lots)
        self.session.update(number, report, cumulative_lots=lots, cumulative_money=money)

    def command(self, kind: CommandKind, name: str) -> None:
        self.session.command(kind, idempotency_id=name)

    def wait(self, step_ns: int) -> None:
        self.session.now_ns += step_ns
        self.session.push(event.heartbeat(0))

    def house(self) -> None:
        self.session.keep_house()

    def balance(self, asset: str, amount: int, absolute: bool) -> None:
        self.session.push(event.balance(asset, amount * MONEY, 0, absolute))

    def feed(self, source: int, up: bool) -> None:
        self.session.push(event.feed(source, up, private=source == 1))
        self.session.push(event.reconciled())
        self.session.health(HealthField.CLOCK_SKEW, source)

    def bad(self) -> None:
        """A journaled input that the core refuses."""
        session = self.session
        session.seq += 1
        raw = event.stamped(event.order_update(1, 99), session.seq, session.now_ns)
        try:
            session.engine.process_bytes(raw)
        except ValueError:
            session.records.append(raw)

    def snapshot(self) -> None:
        engine = self.session.engine
        self.snapshots.append(
            (len(self.session.records), engine.state.durable_bytes(), engine.seq, engine.now_ns)
        )


@given(st.integers(0, 2**32), st.lists(STEPS, min_size=10, max_size=80))
@settings(max_examples=120, deadline=None)
def test_journal_records_alone_give_the_live_state(seed: int, steps: list[tuple[Any, ...]]) -> None:
    life = Life(seed)
    for name, *facts in steps:
        getattr(life, name)(*facts)
    records, live = life.session.records, life.session.engine
    for start, saved, seq, now_ns in [(0, b"", 0, 0), *life.snapshots]:
        restored = Engine()
        if saved:
            restored.load_durable(saved, seq, now_ns)
        for record in records[start:]:
            restored.apply_bytes(record)
        assert restored.durable_hash() == live.durable_hash()
        assert restored.actions_hash == live.actions_hash


@given(st.integers(0, 2**32), st.lists(STEPS, min_size=10, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_same_inputs_give_the_same_bytes(seed: int, steps: list[tuple[Any, ...]]) -> None:
    lives = [Life(seed), Life(seed)]
    for life in lives:
        for name, *facts in steps:
            getattr(life, name)(*facts)
    one, other = (life.session for life in lives)
    assert one.records == other.records
    assert one.engine.full_hash() == other.engine.full_hash()
