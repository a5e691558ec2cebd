"""The core's one `process`: strategies that fail, halts, timers, commands, breakers, days, restarts."""

from __future__ import annotations

import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import BreakerKind, CommandKind, OrderReport
from engine.core.instrument import InstrumentSpec
from engine.core.risk.limits import HIGHEST
from tests.core_session import BUY, COIN, MONEY, NO_STRATEGY, SECOND_NS, SELL, START_NS, Session, ready

DAY_NS = 86_400 * SECOND_NS


def kinds(outputs: list[dict[str, Any]]) -> list[str]:
    return [each["kind"] for each in outputs]


def delta(session: Session, **more: Any) -> list[dict[str, Any]]:
    version = session.engine.books[0].version + 1
    return session.push(event.delta(0, version, version, more.pop("asks", []), more.pop("bids", []), **more))


def provoke(session: Session, slot: str) -> list[dict[str, Any]]:
    """Have a slot of all strategies called."""
    if slot == "on_book":
        return delta(session)
    if slot == "on_trade":
        return session.push(event.trades(0, [(10_000, 1, BUY, 0)]))
    if slot == "on_timer":
        return session.push(event.timer(9, 0, 0))
    number = session.engine.open_orders(0)[0].order_no
    return session.update(number, OrderReport.WORKING)


@pytest.mark.parametrize("policy", ["cancel", "keep"])
@pytest.mark.parametrize("slot", ["on_book", "on_trade", "on_timer", "on_order"])
def test_a_strategy_that_raises_is_stopped_and_the_others_go_on(slot: str, policy: str) -> None:
    session = ready(names=("bad", "good"), on_strategy_error=policy)
    bad, good = session.puppets
    mine = [session.place(BUY, 9_990 - n, 10, puppet=0)[0] for n in range(3)]
    session.place(BUY, 9_980, 10, puppet=1)
    session.do(lambda one: one.cancel(mine[2]))
    session.engine.gate.take()
    bad.raises.add(slot)
    outputs = provoke(session, slot)
    stopped = [each for each in outputs if each["kind"] == "STRATEGY_STOPPED"]
    assert [each["text"] for each in stopped] == [f"bad.{slot} raised RuntimeError"]
    cancelled = [each["order_no"] for each in outputs if each["kind"] == "CANCEL"]
    assert cancelled == (mine[:2] if policy == "cancel" else [])
    assert [one.order_no for one in session.engine.gate.take()] == cancelled
    assert [(name, slot_) for name, slot_, _ in session.engine.errors] == [("bad", slot)]
    heard = len(bad.heard)
    before = len(good.heard)
    provoke(session, "on_book")
    assert len(bad.heard) == heard and len(good.heard) == before + 1
    session.command(CommandKind.RESUME)
    bad.raises.clear()
    provoke(session, "on_book")
    assert len(bad.heard) == heard + 1, "a resume lets it go on"


def test_a_strategy_that_raises_at_its_start_is_stopped() -> None:
    session = Session()
    session.push(event.start("testrun00000", 0, False, 1))
    session.limits(strategies=("bad", "good"))
    session.push(event.instrument(COIN))
    session.attach(("bad", "good"))
    session.puppets[0].raises.add("on_start")
    assert kinds(session.push(event.reconciled())) == ["STRATEGY_STOPPED"]
    assert session.puppets[1].heard == [("on_start", None)]
    assert session.push(event.reconciled()) == [], "strategies start once a session"


def test_a_strategy_that_calls_exit_is_stopped_and_the_core_goes_on() -> None:
    session = ready()
    session.do(lambda _: sys.exit(3))
    assert kinds(session.outputs) == ["STRATEGY_STOPPED"]
    assert "SystemExit" in session.outputs[0]["text"]


def test_intents_are_bounded_per_event_and_told_once() -> None:
    session = ready(names=("one", "two"))
    session.do(lambda one: [one.buy(0, 1, 1) for _ in range(500)])
    reasons = [each["reason"] for each in session.outputs]
    assert reasons == ["PRICE_COLLAR"] * 64 + ["INTENTS_PER_EVENT"]
    assert session.place(BUY, 9_990, 10)[0], "the next event starts anew"


def test_wrong_arguments_of_a_strategy_stop_it() -> None:
    session = ready()
    session.do(lambda one: one.buy(0, 2**70, 1))
    assert kinds(session.outputs) == ["STRATEGY_STOPPED"]


@pytest.mark.parametrize(("price", "size"), [(9_990.5, 1000), (9_990, 1000.9), (Decimal("9990.5"), 1000)])
def test_a_price_or_size_that_is_no_integer_is_never_cut_to_one(price: Any, size: Any) -> None:
    session = ready()
    session.do(lambda one: one.buy(0, price, size))
    assert [each["kind"] for each in session.outputs] == ["STRATEGY_STOPPED"]
    assert session.engine.counts()["intents"] == 0


@pytest.mark.parametrize("delay_ms", [-1, 2**62, 10**30])
def test_a_timer_beyond_its_bounds_is_an_error_of_the_strategy(delay_ms: int) -> None:
    session = ready()
    session.do(lambda one: one.set_timer(1, delay_ms))
    assert kinds(session.outputs) == ["STRATEGY_STOPPED"]


def test_timers() -> None:
    session = ready(names=("one", "two"))
    session.do(lambda one: one.set_timer(7, 250), puppet=1)
    (timer,) = session.outputs
    assert (timer["timer_id"], timer["strategy"]) == (7, 1)
    assert timer["due_ns"] == session.now_ns + 250_000_000
    session.puppets[1].todo = lambda _: None
    session.push(event.timer(7, 1, timer["due_ns"]))
    assert session.puppets[1].heard[-1] == ("on_timer", 7)
    assert ("on_timer", 7) not in session.puppets[0].heard


def test_a_halt_between_two_intents_is_a_record_and_replays_the_same() -> None:
    def play(session: Session, at: int) -> list[dict[str, Any]]:
        session.engine.halt_at_intent = at
        session.do(lambda one: [one.buy(0, 9_990, 10), one.buy(0, 9_990, 11), one.buy(0, 9_990, 12)])
        session.engine.halt_at_intent = 0
        return session.outputs

    first, second = ready(), ready()
    outputs = play(first, 2)
    assert kinds(outputs) == ["PLACE", "COMMAND", "DENIED", "DENIED"]
    assert (outputs[1]["command"], outputs[1]["at_intent"]) == ("HALT", 2)
    assert first.engine.is_halted and first.engine.halt_epoch == 1
    play(second, 2)
    assert first.records == second.records
    assert first.engine.actions_hash == second.engine.actions_hash
    restored = Engine()
    for record in first.records:
        restored.apply_bytes(record)
    assert restored.durable_hash() == first.engine.durable_hash()
    with pytest.raises(ValueError, match="no input"):
        second.push(first.records[-3])


def test_stop_approves_nothing_until_the_next_session() -> None:
    session = ready()
    session.command(CommandKind.STOP)
    denied = session.place(BUY, 9_990, 10)[1]
    assert denied is not None and denied["reason"] == "HALTED"
    session.push(event.start("testrun00000", 1, False, 1))
    session.push(event.reconciled())
    session.book()
    assert session.place(BUY, 9_990, 10)[0]


def test_a_command_is_obeyed_once_live_and_at_a_restart() -> None:
    session = ready()
    session.command(CommandKind.HALT, idempotency_id="a")
    session.command(CommandKind.RESUME, idempotency_id="b")
    session.command(CommandKind.HALT, idempotency_id="a")
    assert not session.engine.is_halted and session.engine.halt_epoch == 1
    restored = Engine()
    for record in session.records:
        restored.apply_bytes(record)
    assert not restored.is_halted
    assert restored.durable_hash() == session.engine.durable_hash()


def test_cancel_all_and_cancel_by_command() -> None:
    session = ready()
    numbers = [session.place(BUY, 9_990, 10)[0] for _ in range(3)]
    assert kinds(session.command(CommandKind.CANCEL, order_no=numbers[1])) == ["CANCEL"]
    assert session.command(CommandKind.CANCEL, order_no=99) == []
    outputs = session.command(CommandKind.CANCEL_ALL)
    assert [each["order_no"] for each in outputs] == [numbers[0], numbers[2]]


def lose(session: Session) -> list[dict[str, Any]]:
    number, _ = session.place(BUY, 10_000, 1_000, 3)
    session.fill(number, 1_000)
    session.book(bids=[(8_990, 5_000)], asks=[(9_010, 5_000)])
    return session.keep_house()


def test_a_loss_trips_both_breakers_and_a_resume_starts_from_there() -> None:
    session = ready(max_daily_loss="9.99", max_drawdown="9.99")
    opened = lose(session)
    assert [(each["kind"], each["breaker"], each["open"]) for each in opened] == [
        ("BREAKER", BreakerKind.DAILY_LOSS, True),
        ("BREAKER", BreakerKind.DRAWDOWN, True),
    ]
    assert {each["value"] for each in opened} == {10 * MONEY}
    assert session.keep_house() == [], "told once"
    (equity,) = session.command(CommandKind.RESUME)
    assert (
        equity["kind"] == "EQUITY" and equity["peak"] == equity["equity"] == session.engine.money()["equity"]
    )
    assert session.engine.open_breakers == 0
    assert session.keep_house() == [] and session.place(BUY, 8_990, 10)[0]


def test_errors_count_within_their_window_only() -> None:
    session = ready(max_errors_per_window=2, breaker_window_s=10)
    number, _ = session.place(BUY, 9_000, 10)

    def lose_sight() -> list[str]:
        session.update(number, OrderReport.WORKING)
        outputs = kinds(session.update(number, OrderReport.AMBIGUOUS))
        # Still UNKNOWN is no new error.
        assert "BREAKER" not in kinds(session.update(number, OrderReport.AMBIGUOUS))
        return outputs

    for _ in range(6):
        session.now_ns += 5 * SECOND_NS
        assert "BREAKER" not in lose_sight()
    session.now_ns += SECOND_NS
    assert "BREAKER" in lose_sight()


def test_the_highest_limit_of_rejects_counts_within_its_window_only() -> None:
    """More rejects than there are places to keep their times: old ones do not count, and the ring does not lap itself."""
    most = HIGHEST["max_rejects_per_window"]
    session = ready(max_rejects_per_window=most, breaker_window_s=10)

    def refuse() -> list[str]:
        number, _ = session.place(BUY, 9_000, 10)
        return kinds(session.update(number, OrderReport.REJECTED))

    for _ in range(2):
        assert all("BREAKER" not in refuse() for _ in range(most))
        session.now_ns += 10 * SECOND_NS
    assert all("BREAKER" not in refuse() for _ in range(most))
    assert "BREAKER" in refuse()


def shift(session: Session, ticks: int) -> list[dict[str, Any]]:
    """Move the whole book."""
    book = session.engine.books[0]
    asks, bids = book.levels(SELL), book.levels(BUY)
    return delta(
        session,
        asks=[(price, 0) for price, _ in asks] + [(price + ticks, size) for price, size in asks],
        bids=[(price, 0) for price, _ in bids] + [(price + ticks, size) for price, size in bids],
    )


def test_volatility_closes_by_itself_in_a_market_that_never_rests() -> None:
    session = ready(max_volatility_bps=100, volatility_window_s=10)
    assert shift(session, 100) == []
    (opened,) = shift(session, 1)
    assert (opened["breaker"], opened["open"], opened["value"]) == (BreakerKind.VOLATILITY, True, 101)
    outputs = []
    for _ in range(40):  # ten seconds, an event and a house-keeping each quarter
        session.now_ns += SECOND_NS // 4
        outputs += shift(session, 1) + shift(session, -1) + session.keep_house()
    assert [(each["kind"], each.get("open")) for each in outputs if each["kind"] == "BREAKER"] == [
        ("BREAKER", False)
    ]
    assert session.place(BUY, 9_990, 10)[0]


def test_volatility_stays_open_while_the_market_moves_on() -> None:
    session = ready(max_volatility_bps=100, volatility_window_s=10)
    shift(session, 150)
    for _ in range(10):
        session.now_ns += 9 * SECOND_NS
        assert shift(session, 150) == []
        session.keep_house()
    denied = session.place(BUY, 11_000, 10)[1]
    assert denied is not None and denied["reason"] == "BREAKER_VOLATILITY"
    session.now_ns += 10 * SECOND_NS
    assert [each.get("open") for each in session.keep_house() if each["kind"] == "BREAKER"] == [False]


def test_a_day_begins_with_new_budgets() -> None:
    session = ready(replace(COIN, taker_fee_ppm=1_000), max_fees_per_day="1", max_feed_silence_ms=10**8)
    assert kinds(session.keep_house()) == ["EQUITY"]
    number, _ = session.place(BUY, 9_990, 100)
    session.fill(number, 100, fee=MONEY)
    denied = session.place(BUY, 9_990, 100)[1]
    assert denied is not None and denied["reason"] == "FEE_BUDGET"
    session.now_ns = (START_NS // DAY_NS + 1) * DAY_NS
    (equity,) = session.keep_house()
    assert equity["kind"] == "EQUITY"
    assert session.place(BUY, 9_990, 100)[0]
    assert session.engine.money()["fees"] == MONEY


def test_a_snapshot_of_the_durable_state_is_taken_over_whole() -> None:
    session = ready()
    numbers = [session.place(BUY, 9_990, 1_000)[0] for _ in range(3)]
    session.update(numbers[0], OrderReport.AMBIGUOUS)
    session.fill(numbers[1], 400)
    saved = session.engine.state.durable_bytes()
    restored = Engine()
    restored.load_durable(saved, session.engine.seq, session.engine.now_ns)
    assert restored.state.durable_bytes() == saved
    assert restored.counts() == session.engine.counts(), "open orders are counted, too"
    assert restored.balances() == session.engine.balances()
    assert restored.spec(0) == COIN


def sums(session: Session) -> tuple[Any, ...]:
    """What a next session's gate judges by."""
    session.push(event.start("testrun00000", 1, False, 1))
    session.attach()
    session.push(event.reconciled())
    session.book()
    session.keep_house()
    money = session.engine.money()
    return money["gross_exposure"], money["equity"], session.engine.counts()["open_orders"]


def test_the_sums_of_a_next_session_do_not_depend_on_how_it_was_restored() -> None:
    session = ready()
    number, _ = session.place(BUY, 9_990, 1_000)
    session.fill(number, 400)
    session.place(BUY, 9_990, 100)
    by_records, by_snapshot = Engine(), Engine()
    for record in session.records:
        by_records.apply_bytes(record)
    by_snapshot.load_durable(session.engine.state.durable_bytes(), session.engine.seq, session.engine.now_ns)
    same_process = session.engine
    found = set()
    for engine in (by_records, by_snapshot, same_process):
        again = Session(engine)
        again.now_ns = session.now_ns
        found.add(sums(again) if engine is not same_process else sums_in_place(session))
    assert found == {(COIN.notional(10_000, 1_100), found.copy().pop()[1], 2)}


def sums_in_place(session: Session) -> tuple[Any, ...]:
    session.engine.detach_all()
    return sums(session)


@pytest.mark.parametrize("cut", [0, 1, 100, 2_000, -1, -100])
def test_a_saved_state_of_another_length_is_refused_and_changes_nothing(cut: int) -> None:
    session = ready()
    session.place(BUY, 9_990, 1_000)
    saved = session.engine.state.durable_bytes()
    fresh = Engine()
    before = fresh.durable_hash()
    with pytest.raises(ValueError, match="saved state"):
        fresh.load_durable(saved[:cut], 1, 1)
    assert fresh.durable_hash() == before


def test_a_refused_input_leaves_the_restart_possible() -> None:
    """It is in the journal before the core refuses it; the restart refuses it again and goes on."""
    session = ready()
    number, _ = session.place(BUY, 9_990, 1_000)
    bad = event.stamped(
        event.fill(
            number, instrument=0, side=SELL, price_ticks=1, size_lots=1, money=1, fee=0, fee_asset="USDT",
            is_maker=False, trade_id="t",
        ),
        session.seq + 1, session.now_ns,
    )  # fmt: skip
    session.seq += 1
    with pytest.raises(ValueError, match="another instrument or side"):
        session.engine.process_bytes(bad)
    restored = Engine()
    for record in [*session.records, bad]:
        restored.apply_bytes(record)
    assert restored.refused == 1
    assert restored.durable_hash() == session.engine.durable_hash()
    place = next(each for each in session.records if describe(each)["kind"] == "PLACE")
    with pytest.raises(ValueError, match="does not exist"):
        Engine().apply_bytes(place)


BAD_SPECS = {
    "scale": {"price_decimals": 3},
    "assets": {"base": "ELSE"},
    "feed": {"source": 64},
    "fee": {"taker_fee_ppm": 1_000_001},
    "paid taker": {"taker_fee_ppm": -1},
    "band": {"band_up_ppm": -1},
    "notional": {"min_notional": -1},
}


@pytest.mark.parametrize("name", BAD_SPECS)
def test_an_instrument_that_cannot_be_is_refused(name: str) -> None:
    session = ready()
    with pytest.raises(ValueError, match=r"."):
        session.push(event.instrument(replace(COIN, **BAD_SPECS[name])))
    assert session.engine.spec(0) == COIN


def test_steps_of_zero_are_refused_before_anything_is_divided_by_them() -> None:
    session = Session()
    raw = bytearray(event.instrument(InstrumentSpec("A", "A", "B", 0, 0, tick_step=2**40 + 1)))
    at = raw.index((2**40 + 1).to_bytes(8, "little"))
    raw[at : at + 8] = bytes(8)
    with pytest.raises(ValueError, match="at least 1"):
        session.push(bytes(raw))


@pytest.mark.parametrize("name", [b"\xffAA", b"A A", b"", b"A" * 16])
def test_a_name_that_is_none_is_refused_wherever_it_comes_in(name: bytes) -> None:
    """A full field would never be found again; another alphabet could not be shown."""
    session = ready()
    known = session.engine.balances()
    raw = event.balance("QQQ", 1, 0, True)
    with pytest.raises(ValueError, match="printable ASCII"):
        session.push(raw.replace(b"QQQ".ljust(16, b"\0"), name.ljust(16, b"\0")))
    raw = event.instrument(InstrumentSpec("OTHER", "QQQ", "USDT", 0, 0))
    with pytest.raises(ValueError, match="printable ASCII"):
        session.push(raw.replace(b"QQQ".ljust(16, b"\0"), name.ljust(16, b"\0")))
    assert session.engine.balances() == known and len(session.engine.books) == 1


@pytest.mark.parametrize("report", [0, 9, 2**32 - 1])
def test_a_report_that_is_none_ends_no_order(report: int) -> None:
    session = ready()
    number, _ = session.place(BUY, 9_990, 1_000)
    with pytest.raises(ValueError, match="no report"):
        session.update(number, report)  # type: ignore[arg-type]
    assert session.engine.order(number).is_open


def test_the_house_timer_belongs_to_no_strategy() -> None:
    session = ready()
    session.push(event.timer(0, NO_STRATEGY, session.now_ns))
    assert all(slot != "on_timer" for slot, _ in session.puppets[0].heard)


def test_events_come_in_order_and_a_refused_one_leaves_no_outputs_behind() -> None:
    session = ready()
    session.place(BUY, 9_990, 1_000)
    old = event.stamped(event.heartbeat(0), 1, session.now_ns)
    with pytest.raises(ValueError, match="comes after"):
        session.engine.process_bytes(old)
    assert session.push(event.heartbeat(0)) == []


def test_a_fill_told_again_after_its_id_is_forgotten_is_not_booked_twice() -> None:
    """The core knows the newest 4096 trade ids; an order's size, and its having ended, know the rest."""
    session = ready(max_orders_per_second=1024, order_window_s=1)
    first, _ = session.place(BUY, 9_990, 100)

    def fill(number: int, lots: int, trade_id: str) -> None:
        session.push(
            event.fill(
                number, instrument=0, side=BUY, price_ticks=9_990, size_lots=lots, money=COIN.notional(9_990, lots),
                fee=1, fee_asset="USDT", is_maker=True, trade_id=trade_id,
            )
        )  # fmt: skip

    fill(first, 100, "first")
    second, _ = session.place(BUY, 9_990, 5_000)
    for number in range(4_100):
        fill(second, 1, f"t{number}")
    position, fees = session.engine.position_lots(0), session.engine.money()["fees"]
    fill(first, 100, "first")
    assert session.engine.counts()["repeated_fills"] == 1
    session.update(second, OrderReport.CANCELED)
    for _ in range(2_048):  # the table forgets both orders
        number = session.do(lambda one: one.buy(0, 9_980, 1), step_ns=2_000_000)
        session.update(number, OrderReport.CANCELED)
    assert session.engine.order(second) is None
    fill(second, 1, "t0")
    assert session.engine.counts()["repeated_fills"] == 2
    assert session.engine.counts()["orphan_fills"] == 0
    assert (session.engine.position_lots(0), session.engine.money()["fees"]) == (position, fees)


@pytest.mark.parametrize("field", ["price_ticks", "size_lots", "money", "fee", "order_no"])
def test_events_take_no_floats(field: str) -> None:
    facts: dict[str, Any] = {
        "instrument": 0, "side": BUY, "price_ticks": 1, "size_lots": 1, "money": 1, "fee": 0, "fee_asset": "USDT",
        "is_maker": True, "trade_id": "t", "order_no": 1,
    }  # fmt: skip
    with pytest.raises(TypeError):
        event.fill(**facts | {field: 1.5})
