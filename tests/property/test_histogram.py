"""The latency histogram against one that keeps every value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native.histogram import Histogram
from tests.oracles.histogram import ExactHistogram

LIMIT_NS = 2**36
durations = st.one_of(st.integers(0, 200), st.integers(0, 10**6), st.integers(0, LIMIT_NS - 1))


def filled(values: list[int]) -> tuple[Histogram, ExactHistogram]:
    ours, exact = Histogram(), ExactHistogram()
    for value in values:
        ours.record(value)
        exact.record(value)
    return ours, exact


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 100))
def test_percentiles_are_within_a_64th_above(values: list[int], percent: float) -> None:
    ours, exact = filled(values)
    true_value = exact.percentile(percent)
    assert true_value <= ours.percentile(percent) <= true_value + true_value // 64
    assert ours.percentile(100) == ours.max == max(values)
    assert ours.count == len(values)
    assert ours.mean == pytest.approx(sum(values) / len(values))


@given(st.lists(durations, max_size=50), st.lists(durations, max_size=50))
def test_merging_is_recording_both(first: list[int], second: list[int]) -> None:
    merged = filled(first)[0]
    merged.merge(filled(second)[0])
    both = filled(first + second)[0]
    assert merged.summary() == both.summary()
    assert merged.mean == both.mean


def test_empty_and_reset() -> None:
    histogram = Histogram()
    assert histogram.summary() == {"p50": 0, "p99": 0, "p999": 0, "max": 0, "count": 0}
    assert histogram.mean == 0.0
    histogram.record(5)
    histogram.reset()
    assert histogram.summary()["count"] == 0


def test_what_is_out_of_range_is_clamped_but_the_maximum_is_exact() -> None:
    histogram = Histogram()
    histogram.record(-3)
    assert histogram.percentile(50) == 0
    histogram.record(LIMIT_NS * 8)
    assert histogram.max == LIMIT_NS * 8
    assert histogram.percentile(100) == LIMIT_NS * 8


def test_a_percentile_lies_in_0_to_100() -> None:
    with pytest.raises(ValueError, match=r"0\.\.100"):
        Histogram().percentile(101)
