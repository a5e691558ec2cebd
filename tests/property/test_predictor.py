"""Both predictors tell the same bits of any book; the future changes no prediction; the regression is least squares."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.predictor import PlainPredictor, Predictor, Sample, Settings
from strategies.predictor.evaluation import evaluate, newey_west_t
from tests.predictor_bench import Bench, pair, told

SIZES = st.integers(1, 50) | st.integers(1, 2**62)
PRICES = st.integers(5, 60) | st.integers(5, 2**61)
SHOW = st.tuples(
    st.just("show"), PRICES, SIZES, st.integers(1, 6), SIZES, st.sampled_from([0, 1, 1_000_000, 50_000_000])
)
STEPS = st.lists(
    SHOW | SHOW | SHOW | st.just(("gap",)) | st.tuples(st.just("empty"), st.booleans()),
    min_size=1, max_size=60,
)  # fmt: skip
PARAMS = st.fixed_dictionaries(
    {
        "horizon_events": st.integers(1, 8),
        "horizon_ms": st.sampled_from([0, 0, 1, 20]),
        "memory_events": st.sampled_from([2, 7, 1_000]),
        "ofi_events": st.sampled_from([1, 5, 40]),
        "ridge": st.sampled_from([1e-6, 0.1, 1.0, 1e6]),
        "warmup_events": st.integers(0, 5),
    }
)


def play(bench: Bench, steps: list[tuple[Any, ...]]) -> None:
    for kind, *rest in steps:
        if kind == "show":
            bid, bid_lots, spread, ask_lots, step_ns = rest
            bench.show(bid, bid_lots, bid + spread, ask_lots, step_ns)
        elif bench.best is None:
            continue
        elif kind == "gap":
            bench.gap()
        else:
            bid, bid_lots, ask, ask_lots = bench.best
            bench.show(bid, 0 if rest[0] else bid_lots, ask, ask_lots if rest[0] else 0)


@given(STEPS, PARAMS)
@settings(max_examples=150, deadline=None)
def test_both_tell_the_same_bits(steps: list[tuple[Any, ...]], params: dict[str, Any]) -> None:
    both = pair(samples_most=100, **params)
    bench = Bench(*both)
    for at in range(0, len(steps), 10):
        play(bench, steps[at : at + 10])
        assert told(both[0]) == told(both[1])


def walk(rng: random.Random, count: int) -> list[tuple[Any, ...]]:
    """A mid that drifts after the heavier side, with noise."""
    bid, found = 10_000, []
    for _ in range(count):
        bid_lots, ask_lots = rng.randint(1, 1_000), rng.randint(1, 1_000)
        found.append(("show", bid, bid_lots, rng.choice((1, 1, 2)), ask_lots, rng.randint(0, 40_000_000)))
        pull = (bid_lots - ask_lots) / (bid_lots + ask_lots)
        bid += rng.choice((-1, 0, 1)) + round(3 * pull)
    return found


@pytest.mark.parametrize("kind", [Predictor, PlainPredictor])
@pytest.mark.parametrize("horizon", [{"horizon_events": 7}, {"horizon_ms": 150}])
def test_the_future_changes_no_prediction(kind: type[Any], horizon: dict[str, int]) -> None:
    rng = random.Random(11)
    steps = walk(rng, 600)
    past, future = steps[:400], steps[400:]
    runs = []
    for _ in range(3):
        one = kind(samples_most=1_000, **horizon)
        bench = Bench(one)
        play(bench, past)
        until_ns = bench.now_ns
        play(bench, future)
        runs.append([each for each in one.samples(0) if each.made_ns <= until_ns])
        rng.shuffle(future)
    made = [[each._replace(outcome_ticks=0.0) for each in run] for run in runs]
    assert len(made[0]) >= 400
    assert made[0] == made[1] == made[2]
    # Only outcomes that fell due in the future differ: the last ones.
    assert runs[0] != runs[1]
    assert runs[0][:350] == runs[1][:350]


def batch_weights(x: Any, y: Any, memory: int, ridge: float) -> Any:
    """Least squares by numpy: observations weighted by age, and a prior that ages with them."""
    forgetting = 1.0 - 1.0 / memory
    root = np.sqrt(forgetting ** np.arange(len(y) - 1, -1, -1.0))
    prior = np.sqrt(ridge * forgetting ** len(y)) * np.eye(4)
    rows = np.vstack([x * root[:, None], prior])
    return np.linalg.lstsq(rows, np.concatenate([y * root, np.zeros(4)]), rcond=None)[0]


@pytest.mark.parametrize("kind", [Predictor, PlainPredictor])
@pytest.mark.parametrize("memory", [50, 2_000])
def test_the_weights_are_those_of_weighted_least_squares(kind: type[Any], memory: int) -> None:
    one = kind(horizon_events=3, memory_events=memory, ridge=0.5, samples_most=2_000)
    bench = Bench(one)
    play(bench, walk(random.Random(5), 1_500))
    samples, score = one.samples(0), one.score(0)
    assert len(samples) == score.learned > 1_400
    assert score.paused == score.resets == 0
    x = np.array([(1.0, each.deviation_ticks, each.ofi, each.recent_ofi) for each in samples])
    y = np.array([each.outcome_ticks for each in samples])
    np.testing.assert_allclose(one.weights(0), batch_weights(x, y, memory, 0.5), rtol=1e-7, atol=1e-9)
    # And each prediction was made with the weights of the outcomes that were known by then, no other.
    for at in (0, 2, 3, 10, 77, 1_400):
        known = batch_weights(x[: max(0, at - 2)], y[: max(0, at - 2)], memory, 0.5)
        assert samples[at].prediction_ticks == pytest.approx(float(known @ x[at]), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("kind", [Predictor, PlainPredictor])
def test_a_book_that_stands_still_does_not_unlearn(kind: type[Any]) -> None:
    one = kind(horizon_events=3, memory_events=10)
    bench = Bench(one)
    play(bench, walk(random.Random(5), 500))
    for _ in range(3_000):
        bench.show(10_000, 5, 10_002, 5)
    assert one.score(0).paused > 2_000
    assert one.score(0).resets == 0
    bench.show(10_001, 5, 10_002, 9)
    assert abs(one.signals(0).prediction_ticks) < 10


def samples_of(predicted: np.ndarray[Any, Any], outcome: np.ndarray[Any, Any]) -> list[Sample]:
    last = np.where(np.arange(len(outcome)) % 2, 1, -1)
    return [
        Sample(at * 10_000_000, 10_000.0, 1.0, 0.2, 0.0, 0.0, int(last[at]), float(p), float(y))
        for at, (p, y) in enumerate(zip(predicted, outcome, strict=True))
    ]


def test_noise_is_not_taken_for_skill() -> None:
    """Of 60 predictors of nothing, some 5 % may look like something; a real one must."""
    rng = np.random.default_rng(1)
    only = Settings(warmup_events=0, horizon_events=1)
    covered = inside = 0
    for _ in range(60):
        found = evaluate(samples_of(rng.normal(size=6_000) * 0.01, rng.normal(size=6_000)), only, 0.0, 10**9)
        covered += found.hit_rate.low <= 0.5 <= found.hit_rate.high
        inside += abs(found.diebold_mariano) < 1.96
        assert found.unmoved == 0.0
        assert found.blocks == 60
    assert covered >= 52
    assert inside >= 52
    signal = rng.normal(size=6_000)
    real = evaluate(samples_of(0.1 * signal, 0.1 * signal + rng.normal(size=6_000)), only, 0.0, 10**9)
    assert real.r_squared.low > 0.0
    assert real.r_squared.value == pytest.approx(0.01, abs=0.005)
    assert real.diebold_mariano > 2.0


def test_overlap_widens_what_is_not_known() -> None:
    rng = np.random.default_rng(3)
    steps = rng.normal(size=5_050)
    overlapping = np.convolve(steps, np.ones(50), "valid")[:5_000]
    assert abs(newey_west_t(overlapping, 60)) < 0.4 * abs(newey_west_t(overlapping, 0))
    assert np.isnan(newey_west_t(np.zeros(10), 3))


def test_costs_are_taken_off() -> None:
    only = Settings(warmup_events=2, horizon_events=1)
    predicted, outcome = np.full(400, 3.0), np.full(400, 4.0)
    found = evaluate(samples_of(predicted, outcome), only, 0.0001, 10**9)
    assert found.predictions == 398
    assert (found.spread.beyond, found.spread.net_ticks.value) == (398, 3.0)
    assert (found.fees.beyond, found.fees.net_ticks.value) == (398, 2.0)
    none = evaluate(samples_of(predicted, outcome), only, 0.01, 10**9).fees
    assert none.beyond == 0 and np.isnan(none.net_ticks.value)
    # Every move is up: the microprice, always above the mid, is as good; the last move is right half of the time.
    assert found.hit_rate.value == found.microprice_rate.value == 1.0
    assert found.last_move_rate.value == pytest.approx(0.5, abs=0.01)
    assert found.gain.value == 0.0
    with pytest.raises(ValueError, match="too few samples"):
        evaluate(samples_of(predicted[:50], outcome[:50]), only, 0.0, 10**9)
