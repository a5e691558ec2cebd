"""What both predictors share: the settings, the constants, and the shapes of what they tell.

The arithmetic itself stands twice, in plain.py and in compiled.pyx, and gives the same bits: every step is a single IEEE
double operation in a stated order, compiled without contraction to fused operations and without fast-math (setup.py).
Prices and sizes come in as integers and become doubles for the signals alone: what is ordered is computed in integers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

FEATURES = 4  # 1, microprice - mid, imbalance of the event, recent imbalance
PENDING_MOST = 1024  # predictions that wait for their outcome, per instrument
SAMPLES_MOST = 1_000_000
DEPTH_EVENTS = 256  # memory of the average depth that order flow is measured by
TRACE_SLACK = 2.0  # the regression never forgets beyond so many times the uncertainty that it began with


class Signals(NamedTuple):
    """The newest signals of an instrument; zeros before its first two-sided book."""

    mid_ticks: float
    microprice_ticks: float
    ofi_lots: float  # order-flow imbalance of the newest change
    recent_ofi_lots: float  # the same, summed with exponential decay
    prediction_ticks: float  # of the mid's move over the horizon


class Sample(NamedTuple):
    """A prediction and what came of it. Made first, with the weights of then; learned from when the outcome was known."""

    made_ns: int  # when the event was received that it was made at
    mid_ticks: float
    spread_ticks: float
    deviation_ticks: float  # microprice - mid
    ofi: float  # in average depths
    recent_ofi: float  # in average depths
    last_move: int  # sign of the mid's last move before: 1, -1, or 0 where it had not moved yet
    prediction_ticks: float
    outcome_ticks: float


class Score(NamedTuple):
    """Counts and sums of an instrument; those from `scored` on are over predictions made after the warm-up."""

    books: int  # changes heard with a bid and an ask
    broken: int  # times that a resync or an empty side let go of what was pending
    dropped: int  # predictions let go of so
    skipped: int  # not kept for scoring: too many were pending
    learned: int  # outcomes that were learned from
    paused: int  # of them without forgetting: nothing new had come for long
    resets: int  # the regression began anew: its numbers had become unusable
    scored: int
    squared_error: float  # sum of (outcome - prediction)^2, ticks^2
    squared_move: float  # sum of outcome^2: what forecasting zero costs
    moved: int  # outcomes other than zero
    hits: int  # of them: the prediction had the sign
    last_move_hits: int  # of them: the last move before had the sign

    @property
    def r_squared(self) -> float:
        """Share of the zero forecast's squared error that the prediction saves; below 0 it is worse. NaN without moves."""
        return 1.0 - self.squared_error / self.squared_move if self.squared_move else float("nan")

    @property
    def hit_rate(self) -> float:
        """Share of the moves whose sign was predicted; NaN without moves."""
        return self.hits / self.moved if self.moved else float("nan")


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of a predictor, as in the config's `params`.

    The horizon is `horizon_events` changes of the book, or `horizon_ms` of the events' time of receipt where that is not 0.
    `memory_events`: the regression forgets with the factor 1 - 1/memory_events. `ofi_events`: the same for recent order
    flow. `ridge`: weight of the prior, which is that nothing is predictable, in squared units of the features.
    `warmup_events`: outcomes that are learned from before predictions are scored, or traded on. `samples_most`: predictions
    with outcomes to keep per instrument, the first ones, for an evaluation. `trade`: send orders of `notional` (quote currency, a
    decimal string) when a prediction exceeds spread and fees, sell after `hold_ms`, rest `rest_ms` after each attempt.
    ValueError where a value makes no sense, TypeError where it is of another type than the default.
    """

    horizon_events: int = 10
    horizon_ms: int = 0
    memory_events: int = 5_000
    ofi_events: int = 20
    ridge: float = 1.0
    warmup_events: int = 500
    samples_most: int = 0
    trade: bool = False
    notional: str = "20"
    hold_ms: int = 1_000
    rest_ms: int = 1_000

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        for each in fields(self):
            value, wanted = getattr(self, each.name), type(each.default)
            if type(value) is not wanted and not (wanted is float and type(value) is int):
                raise TypeError(f"{each.name} must be of type {wanted.__name__}, not {value!r}")
        if not 1 <= self.horizon_events <= PENDING_MOST:
            raise ValueError(f"horizon_events must be 1 to {PENDING_MOST}")
        if not 0 <= self.horizon_ms <= 3_600_000:
            raise ValueError("horizon_ms must be 0 (the horizon is in events) to 3600000")
        if self.memory_events < 2 or self.ofi_events < 1:
            raise ValueError("memory_events must be at least 2, ofi_events at least 1")
        if not 1e-6 <= self.ridge <= 1e6:
            raise ValueError("ridge must be 1e-6 to 1e6")
        if self.warmup_events < 0 or not 0 <= self.samples_most <= SAMPLES_MOST:
            raise ValueError(f"warmup_events must not be negative, samples_most 0 to {SAMPLES_MOST}")
        if self.hold_ms <= 0 or self.rest_ms <= 0:
            raise ValueError("hold_ms and rest_ms must be positive")

    @property
    def forgetting(self) -> float:
        """Factor by which an observation loses weight with each that comes after it."""
        return 1.0 - 1.0 / self.memory_events

    @property
    def ofi_keep(self) -> float:
        """Factor by which recent order flow fades with each event."""
        return 1.0 - 1.0 / self.ofi_events
