"""Exits as arithmetic: phases that the venue takes, stops that hold, nothing sold twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strategies.ready_state.exits import ExitPlan, Scale, average_micro, exit_price, plan_exits
from strategies.ready_state.presets import PPM, PRESETS

SCALES = st.builds(
    Scale,
    tick_step=st.sampled_from([1, 5]),
    lot_step=st.sampled_from([1, 10]),
    min_lots=st.integers(1, 50),
    max_lots=st.integers(10_000, 10**9),
    min_scaled=st.integers(0, 5_000_000),
    max_scaled=st.integers(10**9, 10**12),
    band_down_ppm=st.sampled_from([0, 5_000, 200_000]),
    money_unit=st.just(10**14),
)
PHASES = st.sampled_from(list(PRESETS.values()))


def plan(scale: Scale, entry_ticks: int, lots: int, phases: tuple[tuple[int, int], ...]) -> ExitPlan:
    return plan_exits(
        scale, entry_ticks * PPM, lots, phases, stop_loss_ppm=50_000, trailing_ppm=100_000,
        trailing_start_ppm=150_000, until_ms=10**6,
    )  # fmt: skip


@given(SCALES, st.integers(100, 10**6), st.integers(1, 10**5), PHASES)
def test_every_phase_can_be_sold_and_so_can_what_is_left_at_the_stop(
    scale: Scale, entry: int, lots: int, phases: tuple[tuple[int, int], ...]
) -> None:
    made = plan(scale, entry, lots, phases)
    before = 0
    for step in made.steps:
        assert scale.is_sellable(step.until_lots - before, step.trigger_ticks)
        before = step.until_lots
    assert before <= lots
    assert not made.steps or before == lots or scale.is_sellable(lots - before, made.stop_ticks)
    assert [step.trigger_ticks for step in made.steps] == sorted({step.trigger_ticks for step in made.steps})


def test_a_slice_under_the_minimum_is_sold_with_the_next() -> None:
    # 4 USDT in quarters of 1 USDT, where the venue takes no less than 1.6: halves.
    scale = Scale(1, 1, 1, 10**9, 1_600_000, 10**12, 0, 10**14)
    made = plan(scale, 10_000, 400, PRESETS["levels"])
    assert [(step.trigger_ticks, step.until_lots) for step in made.steps] == [(11_000, 200), (12_500, 400)]


def test_a_rest_that_could_not_be_stopped_out_goes_with_the_last_slice() -> None:
    scale = Scale(1, 1, 1, 10**9, 1_000_000, 10**12, 0, 10**14)
    made = plan(scale, 10_000, 400, PRESETS["normal"])  # 25, 25, 20, 10 %: 80 lots at the stop are 0.76
    assert made.steps[-1].until_lots == 400


def test_the_presets_are_the_published_ones() -> None:
    assert PRESETS["normal"] == (
        (500_000, 250_000),
        (1_000_000, 250_000),
        (1_250_000, 200_000),
        (1_750_000, 100_000),
    )
    assert all(sum(share for _, share in phases) <= PPM for phases in PRESETS.values())


@given(
    SCALES, st.integers(100, 10**6), st.integers(100, 10**5), PHASES,
    st.lists(st.tuples(st.integers(20, 500), st.integers(0, 100)), max_size=40),
)  # fmt: skip
def test_decisions_never_sell_more_than_is_held(
    scale: Scale, entry: int, lots: int, phases: tuple[tuple[int, int], ...], path: list[tuple[int, int]]
) -> None:
    made, sold = plan(scale, entry, lots, phases), 0
    for percent, filled in path:
        bid = max(1, entry * percent // 100)
        why, wanted = made.decide(bid, sold, 0)
        assert 0 <= wanted <= lots - sold
        assert bool(why) == bool(wanted)
        if bid <= made.stop():
            assert wanted == lots - sold
        sold += wanted * filled // 100


@given(SCALES, st.integers(1_000, 10**6), st.lists(st.integers(50, 400), min_size=1, max_size=30))
def test_a_trailing_stop_is_never_under_the_entry_and_never_falls(
    scale: Scale, entry: int, path: list[int]
) -> None:
    made, last = plan(scale, entry, 1_000, ()), 0
    for percent in path:
        made.decide(max(1, entry * percent // 100), 0, 0)
        assert made.stop() >= last
        if made.is_trailing:
            assert made.stop() >= entry
        last = made.stop()


def test_time_sells_what_is_held() -> None:
    made = plan(Scale(1, 1, 1, 10**9, 0, 10**12, 0, 10**14), 10_000, 500, PRESETS["normal"])
    assert made.decide(10_100, 0, 10**6 - 1) == ("", 0)
    assert made.decide(10_100, 0, 10**6) == ("time", 500)


@given(SCALES, st.integers(1, 10**5), st.integers(1, 10**6))
def test_an_order_is_cut_to_what_the_venue_takes(scale: Scale, units: int, price: int) -> None:
    lots = units * scale.lot_step
    cut = scale.capped(lots, price)
    assert 0 <= cut <= lots
    assert cut <= scale.max_lots
    assert cut * price <= max(scale.max_scaled, price * scale.lot_step)


@given(SCALES, st.integers(1, 10**6), st.integers(0, 10**5), st.integers(0, 300_000))
def test_a_sale_is_priced_within_the_band_or_not_at_all(
    scale: Scale, bid: int, spread: int, slippage: int
) -> None:
    ask = bid + spread + 1
    price = exit_price(scale, bid, ask, slippage, 1_000)
    if not price:
        return
    assert 0 < price <= bid
    assert price % scale.tick_step == 0
    if scale.band_down_ppm:
        assert 2 * price * PPM >= (bid + ask) * (PPM - scale.band_down_ppm)


def test_an_average_is_exact_to_a_millionth_of_a_tick() -> None:
    assert average_micro(3 * 10**14 * 10_001, 3, 10**14) == 10_001 * PPM
    assert average_micro(0, 0, 10**14) == 0
