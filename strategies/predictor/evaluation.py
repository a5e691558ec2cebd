"""Whether a predictor's score is different from nothing: its samples, judged offline with numpy.

The samples of an online predictor are out of sample as they come: each was made before its outcome was learned from. They
overlap and come in bursts, so that the usual standard errors would be far too small. Two ways of saying how sure one is:
resampling whole blocks of time (Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 17 (1989)), and the test of Diebold and Mariano (JBES 13 (1995)) on the difference of squared errors, with the
variance of Newey and West (Econometrica 55 (1987)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strategies.predictor.model import Sample, Settings

BLOCK_NS = 10_000_000_000
DRAWS = 2_000
SEED = 20_240_808
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """An estimate with the bounds that LEVEL of the block bootstrap's draws lie in; NaN where it cannot be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What predictions beyond their costs would have brought, had each been taken at the touch both ways."""

    beyond: int  # predictions whose size exceeded the costs
    net_ticks: Share  # mean outcome in the direction predicted, less costs; NaN where there were none


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One instrument's predictions against the naive ones."""

    predictions: int
    seconds: float
    blocks: int
    unmoved: float  # share of outcomes that are zero: what "it stays" gets right
    r_squared: Share  # against forecasting zero
    hit_rate: Share  # of the moves, the predicted sign was right
    last_move_rate: Share  # the same of the sign of the last move before
    microprice_rate: Share  # the same of the side of the mid that the microprice is on
    gain: Share  # hit_rate less the better of these two
    diebold_mariano: float  # t of the mean saving of squared error; NaN where it has no variance
    spread: Costs  # at a fee of zero
    fees: Costs  # spread and the fee both ways


def evaluate(
    samples: Sequence[Sample], settings: Settings, fee_rate: float, block_ns: int = BLOCK_NS
) -> Evaluation:
    """Judge a predictor's samples, given in the order they were made; those of the warm-up are left out.

    fee_rate: fees both ways, as a share of the price. ValueError where there are not two blocks of block_ns.
    """
    samples = samples[settings.warmup_events :]
    if not samples or samples[-1].made_ns - samples[0].made_ns < block_ns:
        raise ValueError(f"too few samples: after the warm-up they must span more than {block_ns / 1e9:g} s")
    made, mid, spread, deviation, last, predicted, outcome = _columns(samples)
    blocks = (made - made[0]) // block_ns
    count = int(blocks[-1]) + 1
    moved = outcome != 0.0
    by_spread = _taken(predicted, outcome, spread)
    by_fees = _taken(predicted, outcome, spread + fee_rate * mid)
    columns = (
        (outcome - predicted) ** 2,
        outcome**2,
        moved,
        outcome * predicted > 0.0,
        outcome * last > 0.0,
        outcome * deviation > 0.0,
        *by_spread,
        *by_fees,
    )
    parts: Floats = np.stack([np.bincount(blocks, each.astype(np.float64), count) for each in columns])
    whole, drawn = _figures(parts.sum(axis=1)), _figures(_resampled(parts))
    shares = [_share(*each) for each in zip(whole, drawn, strict=True)]
    r_squared, hits, last_hits, micro_hits, gain, spread_net, fees_net = shares
    saved = outcome**2 - (outcome - predicted) ** 2
    return Evaluation(
        predictions=len(made),
        seconds=float(made[-1] - made[0]) / 1e9,
        blocks=count,
        unmoved=float(1.0 - moved.mean()),
        r_squared=r_squared,
        hit_rate=hits,
        last_move_rate=last_hits,
        microprice_rate=micro_hits,
        gain=gain,
        diebold_mariano=newey_west_t(saved, _lags(made, settings)),
        spread=Costs(int(by_spread[0].sum()), spread_net),
        fees=Costs(int(by_fees[0].sum()), fees_net),
    )


def newey_west_t(values: Floats, lags: int) -> float:
    """Mean over its standard error, autocovariances up to `lags` weighted by Bartlett's kernel; NaN without variance."""
    centred = values - values.mean()
    lags = min(lags, len(values) - 1)
    variance = float(centred @ centred)
    for lag in range(1, lags + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag])
    if variance <= 0.0:
        return float("nan")
    return float(values.mean() * len(values) / np.sqrt(variance))


def _lags(made: Any, settings: Settings) -> int:
    """The most samples that one outcome's span covers, and no less than the usual rule of thumb, 4 (n / 100)^(2/9)."""
    overlap = settings.horizon_events
    if settings.horizon_ms:
        ends = np.searchsorted(made, made + settings.horizon_ms * 1_000_000, side="right")
        overlap = int((ends - np.arange(len(made))).max())
    return max(overlap, int(4.0 * (len(made) / 100.0) ** (2.0 / 9.0)))


def _columns(samples: Sequence[Sample]) -> tuple[Any, ...]:
    made = np.array([each.made_ns for each in samples], dtype=np.int64)
    rest = np.array(
        [
            (each.mid_ticks, each.spread_ticks, each.deviation_ticks, each.last_move, each.prediction_ticks, each.outcome_ticks)
            for each in samples
        ]
    )  # fmt: skip
    return made, *rest.T


def _resampled(parts: Floats) -> Floats:
    """The sums over as many blocks as there are, drawn with replacement: sums by draw."""
    blocks = parts.shape[1]
    picks = np.random.default_rng(SEED).integers(blocks, size=(DRAWS, blocks))
    drawn: Floats = parts[:, picks].sum(axis=2)
    return drawn


def _figures(sums: Floats) -> tuple[Floats, ...]:
    """What is told, of sums: a number each, or one for each draw."""
    error, move, moved, hits, last, micro, spread_count, spread_net, fees_count, fees_net = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            1.0 - error / move, hits / moved, last / moved, micro / moved, (hits - np.maximum(last, micro)) / moved,
            spread_net / spread_count, fees_net / fees_count,
        )  # fmt: skip


def _share(value: Floats, drawn: Floats) -> Share:
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(drawn):
        return Share(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Share(float(value), float(low), float(high))


def _taken(predicted: Floats, outcome: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """Which predictions exceed their costs, and what each would have brought."""
    beyond = (np.abs(predicted) > costs).astype(np.float64)
    return beyond, beyond * (np.sign(predicted) * outcome - costs)
