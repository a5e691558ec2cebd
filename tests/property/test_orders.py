"""Orders, positions and money under everything a venue may say, in any order: equal to a plain-Python twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import IntentState, OrderReport
from engine.core.instrument import InstrumentSpec
from tests.core_session import BUY, LIMIT_MAKER, MONEY, SELL, Session, ready
from tests.oracles.orders import Ledger, TwinOrder

SPECS = [
    InstrumentSpec("AAAUSDT", "AAA", "USDT", 2, 3, taker_fee_ppm=500),
    InstrumentSpec("BBBUSDT", "BBB", "USDT", 4, 0, taker_fee_ppm=333),
]
START = 10**6 * MONEY
# What may become of an order; a fill may come late, and FAILED turns out wrong where it was executed after all.
LEGAL = {
    "APPROVED": {"EXECUTING", "COMPLETED", "FAILED", "UNKNOWN"},
    "EXECUTING": {"COMPLETED", "FAILED", "UNKNOWN"},
    "UNKNOWN": {"EXECUTING", "COMPLETED", "FAILED"},
    "COMPLETED": set(),
    "FAILED": {"COMPLETED"},
}
TERMINAL = {"COMPLETED", "FAILED"}


class Orders(RuleBasedStateMachine):
    """Each step goes into the core and into the twin; after each, all that can be read is the same."""

    @initialize()
    def begin(self) -> None:
        self.session: Session = ready(*SPECS)
        self.twin = Ledger(SPECS)
        self.twin.total = {"AAA": START, "BBB": START, "USDT": START}
        self.states: dict[int, str] = {}
        self.told: list[tuple[int, bytes]] = []
        self.trade_no = 0

    @rule(
        i=st.integers(0, 1),
        side=st.sampled_from([BUY, SELL]),
        size=st.integers(1, 5_000),
        away=st.integers(0, 9),
    )
    def place(self, i: int, side: int, size: int, away: int) -> None:
        price = 9_990 - away if side == BUY else 10_010 + away
        number, _ = self.session.place(side, price, size, LIMIT_MAKER, instrument=i)
        if number:
            self.twin.placed(TwinOrder(number, i, side, LIMIT_MAKER, price, size, price))

    def pick(self, nth: int) -> TwinOrder:
        return list(self.twin.orders.values())[nth % len(self.twin.orders)]

    @precondition(lambda self: self.twin.orders)
    @rule(
        nth=st.integers(0, 50),
        report=st.sampled_from(OrderReport),
        part=st.integers(-1, 110),
        extra=st.integers(0, 9),
    )
    def report(self, nth: int, report: OrderReport, part: int, extra: int) -> None:
        order = self.pick(nth)
        if part < 0:
            self.session.update(order.number, report)
            self.twin.update(order.number, report)
            return
        lots = order.size * part // 100
        money = SPECS[order.instrument].notional(order.price, lots) + extra
        self.session.update(order.number, report, cumulative_lots=lots, cumulative_money=money)
        self.twin.update(order.number, report, (lots, money))

    @precondition(lambda self: self.twin.orders)
    @rule(
        nth=st.integers(0, 50),
        lots=st.integers(1, 3_000),
        worse=st.integers(0, 99),
        fee=st.integers(-MONEY, MONEY),
    )
    def fill(self, nth: int, lots: int, worse: int, fee: int) -> None:
        order = self.pick(nth)
        self.trade_no += 1
        money = SPECS[order.instrument].notional(order.price, lots) + worse
        facts = (order.number, order.instrument, order.side, lots, money, fee, f"t{self.trade_no}")
        raw = event.fill(
            order.number, instrument=order.instrument, side=order.side, price_ticks=order.price, size_lots=lots,
            money=money, fee=fee, fee_asset="USDT", is_maker=True, trade_id=facts[6],
        )  # fmt: skip
        self.session.push(raw)
        self.twin.fill(*facts)
        self.told.append((order.number, raw))

    @precondition(lambda self: self.told)
    @rule(nth=st.integers(0, 50))
    def fill_again(self, nth: int) -> None:
        self.session.push(self.told[nth % len(self.told)][1])

    @rule(i=st.integers(0, 1), side=st.sampled_from([BUY, SELL]), lots=st.integers(1, 3_000))
    def orphan_fill(self, i: int, side: int, lots: int) -> None:
        """A fill of an order that nobody here knows: the position is right all the same."""
        self.trade_no += 1
        money = SPECS[i].notional(10_000, lots)
        self.session.push(
            event.fill(
                10**9, instrument=i, side=side, price_ticks=10_000, size_lots=lots, money=money, fee=0,
                fee_asset="USDT", is_maker=True, trade_id=f"t{self.trade_no}",
            )
        )  # fmt: skip
        self.twin.fill(10**9, i, side, lots, money, 0, f"t{self.trade_no}")

    @precondition(lambda self: self.twin.orders)
    @rule(nth=st.integers(0, 50))
    def cancel(self, nth: int) -> None:
        order = self.pick(nth)
        asked = self.session.do(lambda one: one.cancel(order.number))
        assert asked == (order.is_open and not order.cancel_pending)
        order.cancel_pending = order.cancel_pending or asked

    @rule()
    def restart(self) -> None:
        """The process ends and another begins from the journal alone."""
        before = self.session
        engine = Engine()
        for record in before.records:
            engine.apply_bytes(record)
        assert engine.durable_hash() == before.engine.durable_hash()
        self.session = Session(engine)
        self.session.now_ns, self.session.records = before.now_ns, before.records
        self.session.seq = before.seq
        self.session.push(event.start("testrun00000", 1, False, 1))
        self.session.attach()
        self.session.push(event.reconciled())
        for i in range(len(SPECS)):
            self.session.book(i)
        self.twin.restart()

    @rule(taker_fee_ppm=st.sampled_from([0, 100, 900]))
    def fees_change(self, taker_fee_ppm: int) -> None:
        """The venue's fees change while orders are open: what they reserved is what they give back."""
        if not self.twin.open_on():
            self.session.push(event.instrument(replace(SPECS[0], taker_fee_ppm=taker_fee_ppm)))
            self.twin.specs = [replace(SPECS[0], taker_fee_ppm=taker_fee_ppm), SPECS[1]]

    @invariant()
    def orders_equal(self) -> None:
        for number, twin in self.twin.orders.items():
            order = self.session.engine.order(number)
            assert order is not None
            found = (
                order.state_name,
                order.is_open,
                order.filled_lots,
                order.filled_money,
                order.cancel_pending,
            )
            assert found == (twin.state, twin.is_open, twin.filled, twin.filled_money, twin.cancel_pending)
            before = self.states.get(number, order.state_name)
            assert before == order.state_name or order.state_name in LEGAL[before]
            assert order.is_open == (order.state_name not in TERMINAL)
            self.states[number] = order.state_name

    @invariant()
    def exposure_is_the_sum_of_open_orders(self) -> None:
        engine, twin = self.session.engine, self.twin
        counts = engine.counts()
        assert counts["open_orders"] == len(twin.open_on())
        assert counts["unknown_orders"] == sum(twin.unknown(i) for i in (0, 1))
        for i in (0, 1):
            listed = engine.open_orders(i)
            assert [order.order_no for order in listed] == [order.number for order in twin.open_on(i)]
            assert sum(order.remaining_lots for order in listed) == sum(
                twin.open_lots(i, s) for s in (BUY, SELL)
            )

    @invariant()
    def money_is_exact(self) -> None:
        engine, twin = self.session.engine, self.twin
        for asset, (total, reserved) in engine.balances().items():
            assert (total, reserved) == (twin.total[asset], twin.reserved(asset)), asset
            if not twin.open_on():
                assert reserved == 0
        for i in (0, 1):
            assert engine.position_lots(i) == twin.position[i]
        for i, position, cost, realised in engine.positions():
            assert (position, cost, realised) == (twin.position[i], twin.cost[i], twin.realised[i])
            # Nothing is lost to rounding: what came in and went out is profit realised less what the position cost.
            assert realised - cost == twin.cash_flow[i]
            assert position != 0 or cost == 0


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_two_accounts_of_the_same_fills_agree_in_any_order(data: Any) -> None:
    """Cumulative reports and single fills of one order, shuffled and repeated: the position is its size."""
    session = ready()
    parts = data.draw(st.lists(st.integers(1, 500), min_size=1, max_size=6))
    size = sum(parts)
    number, _ = session.place(BUY, 9_990, size)
    spec, done = SPECS[0], 0
    told: list[bytes] = []
    for nth, lots in enumerate(parts):
        done += lots
        told.append(
            event.fill(
                number, instrument=0, side=BUY, price_ticks=9_990, size_lots=lots, money=spec.notional(9_990, lots),
                fee=nth, fee_asset="USDT", is_maker=True, trade_id=f"t{nth}",
            )
        )  # fmt: skip
        kind = OrderReport.FILLED if done == size else OrderReport.WORKING
        told.append(
            event.order_update(
                number, kind, cumulative_lots=done, cumulative_money=spec.notional(9_990, done)
            )
        )
    for raw in data.draw(st.permutations(told + told)):
        session.push(raw)
    order = session.engine.order(number)
    assert (order.state_name, order.filled_lots) == (IntentState.COMPLETED.name, size)
    assert order.filled_money == spec.notional(9_990, size)
    assert session.engine.position_lots(0) == size
    assert session.engine.money()["fees"] == sum(range(len(parts)))
    assert session.engine.balances()["USDT"][1] == 0


def test_an_order_filled_by_what_nobody_told_us_counts_as_open() -> None:
    """FILLED without its executions: the exposure stays, as UNKNOWN, and the venue is asked."""
    session = ready()
    number, _ = session.place(BUY, 9_990, 1_000)
    outputs = session.update(number, OrderReport.FILLED)
    assert [each["kind"] for each in outputs] == ["QUERY"]
    order = session.engine.order(number)
    assert (order.state_name, order.remaining_lots) == ("UNKNOWN", 1_000)
    session.fill(number, 1_000)
    assert session.engine.order(number).state_name == "COMPLETED"


def test_an_unacknowledged_order_whose_answer_is_ambiguous_is_unknown_even_while_a_cancel_waits() -> None:
    session = ready()
    number, _ = session.place(BUY, 9_990, 1_000)
    assert session.do(lambda one: one.cancel(number))
    session.update(number, OrderReport.AMBIGUOUS)
    assert session.engine.order(number).state_name == "UNKNOWN"
    assert session.engine.counts()["unknown_orders"] == 1


def test_fees_that_change_while_orders_are_open_leave_nothing_reserved() -> None:
    session = ready(replace(SPECS[0], taker_fee_ppm=500))
    number, _ = session.place(BUY, 9_990, 1_000)
    session.push(event.instrument(replace(SPECS[0], taker_fee_ppm=0)))
    session.update(number, OrderReport.CANCELED)
    assert session.engine.balances()["USDT"][1] == 0
