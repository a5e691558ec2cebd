"""The first minute of a new symbol's market: one side alone, wide spreads, a run up or down.

Counted in the market's steps of 10 ms; everything is integers.
"""

from __future__ import annotations

import random

from adapters.mexc.venue.config_symbols import OpeningConfig
from backtest.fees import PPM
from engine.core.enums import Side

STEPS_PER_S = 100
FILL_PER_STEP = 2  # places of the ladder that makers fill in one step


class Opening:
    """What is particular about one symbol until its market is an ordinary one."""

    def __init__(self, config: OpeningConfig, rng: random.Random, fair: int) -> None:
        self._one_sided_steps = config.one_sided_ms * STEPS_PER_S // 1000
        self._calm_steps = max(1, int(config.calm_s * STEPS_PER_S))
        self._spread_times = config.spread_times
        self._first_side = Side.BUY if rng.getrandbits(1) else Side.SELL
        run_ppm = _drawn_run(rng) if config.run_ppm is None else config.run_ppm
        self._run = fair * run_ppm // PPM
        self._step = 0

    @property
    def is_over(self) -> bool:
        return self._step >= self._calm_steps

    @property
    def is_one_sided(self) -> bool:
        return self._step < self._one_sided_steps

    def next_step(self) -> None:
        """A step went by."""
        self._step += 1

    def allows(self, side: Side) -> bool:
        """Whether makers quote a side already."""
        return side is self._first_side or not self.is_one_sided

    def to_fill(self, side: Side, levels: int) -> range:
        """The places of a side's ladder that are filled in this step."""
        began = 0 if side is self._first_side else self._one_sided_steps
        first = (self._step - began) * FILL_PER_STEP
        return range(max(first, 0), min(first + FILL_PER_STEP, levels)) if first >= 0 else range(0)

    def times(self) -> int:
        """How many times wider and livelier than usual."""
        left = self._calm_steps - self._step
        return 1 + (self._spread_times - 1) * left // self._calm_steps

    def drift(self) -> int:
        """What the run adds to the fair price in this step: most of it at the beginning, all of it in the end."""
        total = self._calm_steps * self._calm_steps
        return self._run_until(self._step + 1, total) - self._run_until(self._step, total)

    def _run_until(self, step: int, total: int) -> int:
        left = self._calm_steps - step
        return self._run - self._run * left * left // total


def _drawn_run(rng: random.Random) -> int:
    """Up by a tenth to one and a half, or down by a tenth to six tenths, in ppm."""
    if rng.randrange(100) < 55:
        return rng.randrange(100_000, 1_500_000)
    return -rng.randrange(100_000, 600_000)
