"""The predictor's signals by hand, when outcomes fall due, what interrupts them, and the orders it may send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.core import event
from engine.core.describe import describe
from engine.core.enums import EventKind, OrderReport, Side
from engine.core.strategy import Strategy
from engine.journal.records import parse
from engine.plugins import STRATEGIES, load
from strategies.predictor import PlainPredictor, Predictor, Settings
from strategies.predictor.model import PENDING_MOST
from tests.predictor_bench import COIN, Bench, Best, pair, told

KINDS = (Predictor, PlainPredictor)
MS = 1_000_000

# One change each, from bid 100 x 50, ask 102 x 40. Expected by Cont, Kukanov and Stoikov (2014), section 2.1:
# e = [b >= b'] q - [b <= b'] q' - [a <= a'] r + [a >= a'] r'.
FROM: Best = (100, 50, 102, 40)
FLOWS: list[tuple[str, Best, int]] = [
    ("nothing at the best levels", (100, 50, 102, 40), 0),
    ("limit buy joins the bid", (100, 57, 102, 40), 7),
    ("market sell or cancel at the bid", (100, 45, 102, 40), -5),
    ("limit buy within the spread", (101, 9, 102, 40), 9),
    ("the bid is used up", (99, 80, 102, 40), -50),
    ("limit sell joins the ask", (100, 50, 102, 46), -6),
    ("market buy or cancel at the ask", (100, 50, 102, 28), 12),
    ("limit sell within the spread", (100, 50, 101, 3), -3),
    ("the ask is used up", (100, 50, 104, 11), 40),
    ("both sides at once: up", (101, 9, 104, 11), 9 + 40),
    ("both sides at once: down", (98, 5, 101, 2), -50 - 2),
    ("sizes of both sides", (100, 53, 102, 30), 3 + 10),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("what", "then", "flow"), FLOWS, ids=[each[0] for each in FLOWS])
def test_order_flow_imbalance(kind: type[Any], what: str, then: Best, flow: int) -> None:
    one = kind()
    bench = Bench(one)
    bench.show(*FROM)
    assert one.signals(0).ofi_lots == 0  # there is no change yet
    bench.show(*then)
    assert one.signals(0).ofi_lots == flow


@pytest.mark.parametrize("kind", KINDS)
def test_recent_flow_fades(kind: type[Any]) -> None:
    one = kind(ofi_events=4)
    bench = Bench(one)
    bench.show(*FROM)
    bench.show(100, 66, 102, 40)
    assert one.signals(0).recent_ofi_lots == 16.0
    bench.show(100, 66, 102, 36)
    assert one.signals(0).recent_ofi_lots == 16.0 * 0.75 + 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("book", "mid", "microprice"),
    [
        ((100, 50, 102, 50), 101.0, 101.0),
        ((100, 75, 101, 25), 100.5, 100.75),  # a heavy bid: near the ask
        ((100, 10, 104, 30), 102.0, 101.0),
    ],
)
def test_microprice(kind: type[Any], book: Best, mid: float, microprice: float) -> None:
    one = kind()
    Bench(one).show(*book)
    assert one.signals(0)[:2] == (mid, microprice)


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_by_events_is_the_mid_so_many_changes_later(kind: type[Any]) -> None:
    one = kind(horizon_events=2, samples_most=10, warmup_events=0)
    bench = Bench(one)
    for at, bid in enumerate((100, 101, 104, 102)):
        bench.show(bid, 5, bid + 2, 5)
        assert one.score(0).learned == max(0, at - 1)
    assert [(each.mid_ticks, each.outcome_ticks) for each in one.samples(0)] == [(101, 4), (102, 1)]
    assert [each.last_move for each in one.samples(0)] == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_by_time_is_the_last_mid_not_after_the_end(kind: type[Any]) -> None:
    one = kind(horizon_ms=10, samples_most=10)
    bench = Bench(one)
    bench.show(100, 5, 102, 5)
    first_ns = bench.now_ns
    bench.show(103, 5, 105, 5, step_ns=10 * MS)  # at the very end: it counts
    assert one.score(0).learned == 0  # something else might come at this time
    bench.show(110, 5, 112, 5, step_ns=0)
    assert one.score(0).learned == 0
    bench.show(200, 5, 202, 5, step_ns=1)
    assert [(each.made_ns, each.outcome_ticks) for each in one.samples(0)] == [(first_ns, 10)]
    bench.show(300, 5, 302, 5, step_ns=60_000 * MS)  # a long silence: the mid stayed
    assert [each.outcome_ticks for each in one.samples(0)] == [10, 97, 90, 0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["gap", "empty side"])
def test_an_interruption_lets_go_of_what_is_pending(kind: type[Any], how: str) -> None:
    one = kind(horizon_events=2, samples_most=10)
    bench = Bench(one)
    bench.show(100, 5, 102, 5)
    bench.show(101, 5, 103, 5)
    if how == "gap":
        bench.gap()
    else:
        bench.show(101, 5, 103, 0)
        bench.show(101, 5, 103, 5)
    assert one.signals(0).ofi_lots == 0
    score = one.score(0)
    assert (score.books, score.broken, score.dropped, score.learned) == (3, 1, 2, 0)
    bench.show(104, 5, 106, 5)
    bench.show(105, 5, 107, 5)
    assert [(each.mid_ticks, each.outcome_ticks) for each in one.samples(0)] == [(102, 4)]


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pending_are_skipped_and_counted(kind: type[Any]) -> None:
    one = kind(horizon_ms=3_600_000)
    bench = Bench(one)
    for at in range(PENDING_MOST + 7):
        bench.show(100, 5 + at % 3, 102, 5)
    assert one.score(0).skipped == 7
    bench.show(100, 5, 102, 5, step_ns=3_700_000 * MS)
    assert one.score(0).learned == PENDING_MOST


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"horizon_events": 0}, {"horizon_events": PENDING_MOST + 1}, {"horizon_ms": -1}, {"memory_events": 1},
        {"ofi_events": 0}, {"ridge": 0.0}, {"ridge": float("nan")}, {"warmup_events": -1}, {"samples_most": -1},
        {"hold_ms": 0}, {"rest_ms": 0}, {"notional": "0"}, {"notional": "NaN"}, {"notional": "1e"},
    ],
)  # fmt: skip
def test_senseless_parameters_are_refused(kind: type[Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        kind(**wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_parameter_is_refused(kind: type[Any]) -> None:
    with pytest.raises(TypeError, match="horizon"):
        kind(horizon=3)
    for wrong in ({"horizon_events": 2.5}, {"trade": 1}, {"notional": 20.0}, {"memory_events": True}):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be of type"):
            kind(**wrong)
    assert kind(ridge=2).settings.ridge == 2
    with pytest.raises(KeyError):
        kind().score(0)


def test_both_are_found_by_name() -> None:
    assert load(STRATEGIES, "predictor") is Predictor
    assert load(STRATEGIES, "predictor_python") is PlainPredictor


# Orders. The book announces its moves: a heavy bid goes up 40 ticks, a heavy ask comes back.

UP, DOWN = (1_000, 900, 1_002, 100), (1_040, 100, 1_042, 900)


def lesson(bench: Bench, rounds: int = 60) -> None:
    for _ in range(rounds):
        bench.show(*UP)
        bench.show(*DOWN)


def placed(bench: Bench) -> list[dict[str, Any]]:
    return [describe(raw) for raw in bench.outputs if parse(raw).kind == EventKind.PLACE]


def fill(bench: Bench, order_no: int, side: Side, price_ticks: int, lots: int) -> None:
    bench.take(event.order_update(order_no, OrderReport.FILLED, instrument=0, cumulative_lots=lots))
    bench.take(
        event.fill(
            order_no, instrument=0, side=side, price_ticks=price_ticks, size_lots=lots,
            money=COIN.notional(price_ticks, lots), fee=0, fee_asset="USDT", is_maker=False, trade_id=f"t{order_no}",
        )
    )  # fmt: skip


def a_deal(one: Strategy) -> Bench:
    """It learns, buys, is filled, waits, sells, is filled."""
    bench = Bench(one)
    lesson(bench)
    assert [each["side"] for each in placed(bench)] == ["BUY"]
    bought = placed(bench)[0]
    fill(bench, bought["order_no"], Side.BUY, bought["price_ticks"], bought["size_lots"])
    lesson(bench, 3)
    assert len(placed(bench)) == 1  # it holds
    bench.show(*UP, step_ns=2_000 * MS)
    assert [each["side"] for each in placed(bench)] == ["BUY", "SELL"]
    sold = placed(bench)[1]
    fill(bench, sold["order_no"], Side.SELL, sold["price_ticks"], sold["size_lots"])
    return bench


def test_it_sends_nothing_unless_told_to() -> None:
    bench = Bench(*pair(horizon_events=1))
    lesson(bench)
    assert placed(bench) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_buys_what_pays_and_sells_it_later(kind: type[Any]) -> None:
    bench = a_deal(kind(horizon_events=1, trade=True, warmup_events=50, notional="20"))
    bought, sold = placed(bench)
    assert bought["price_ticks"] == 1_002
    assert bought["size_lots"] == sold["size_lots"] == 20 * 100 * 1000 // 1_002
    assert bench.core.position_lots(0) == 0
    lesson(bench, 2)
    assert len(placed(bench)) == 2  # it rests
    bench.show(*DOWN, step_ns=2_000 * MS)
    lesson(bench, 2)
    assert len(placed(bench)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_fees_beyond_the_prediction_keep_it_out(kind: type[Any]) -> None:
    costly = replace(COIN, taker_fee_ppm=20_000)  # twice 2 % of 10.21: 41 ticks for 40
    bench = Bench(kind(horizon_events=1, trade=True, warmup_events=50), spec=costly)
    lesson(bench)
    assert placed(bench) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_denial_is_followed_by_a_rest(kind: type[Any]) -> None:
    bench = Bench(kind(horizon_events=1, trade=True, warmup_events=50, notional="100000000", rest_ms=50))
    lesson(bench, 100)  # 200 ms
    denied = [raw for raw in bench.outputs if parse(raw).kind == EventKind.DENIED]
    assert 2 <= len(denied) <= 4
    assert placed(bench) == []


def test_both_kinds_send_the_same() -> None:
    one, other = (a_deal(kind(horizon_events=1, trade=True, warmup_events=50)) for kind in KINDS)
    assert one.outputs == other.outputs
    assert one.core.actions_hash == other.core.actions_hash


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_holds_is_sold_after_a_restart(kind: type[Any]) -> None:
    params = {"horizon_events": 1, "trade": True, "warmup_events": 50}
    bench = Bench(kind(**params))
    lesson(bench)
    bought = placed(bench)[0]
    fill(bench, bought["order_no"], Side.BUY, bought["price_ticks"], bought["size_lots"])
    saved, seq, now_ns = bench.core.state.durable_bytes(), bench.core.seq, bench.core.now_ns
    again = Bench(kind(**params), saved=(saved, seq, now_ns))
    again.show(*DOWN)
    assert [(each["side"], each["size_lots"]) for each in placed(again)] == [("SELL", bought["size_lots"])]


def test_the_same_events_lead_to_the_same_end() -> None:
    first, second = (
        pair(horizon_events=1, trade=True, warmup_events=50),
        pair(horizon_events=1, trade=True, warmup_events=50),
    )
    benches = [Bench(*first), Bench(*second)]
    for bench in benches:
        lesson(bench)
    assert benches[0].outputs == benches[1].outputs
    assert [told(each) for each in first] == [told(each) for each in second]


def test_the_settings_say_what_is_meant() -> None:
    assert Settings(memory_events=100).forgetting == 0.99
    assert Predictor(horizon_ms=250).settings == PlainPredictor(horizon_ms=250).settings
