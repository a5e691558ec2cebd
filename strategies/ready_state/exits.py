"""When and how much to sell of a position: take-profit phases, stop, trailing stop, time. Pure integers.

A slice that the venue would refuse as too small is sold with the next one; a rest that would be too small at the stop is
sold with the last. So nothing is left behind that cannot be sold, unless the position itself is that small.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import InstrumentSpec
from strategies.ready_state.presets import PPM, Phase


@dataclass(frozen=True, slots=True)
class Scale:
    """What an instrument allows, in ticks and lots. `*_scaled` is money in units of one tick times one lot."""

    tick_step: int
    lot_step: int
    min_lots: int
    max_lots: int
    min_scaled: int
    max_scaled: int
    band_down_ppm: int
    money_unit: int  # 10^-20 units of one tick times one lot

    @classmethod
    def of(cls, spec: InstrumentSpec) -> Scale:
        """From an InstrumentSpec."""
        unit = spec.notional(1, 1)
        return cls(
            spec.tick_step, spec.lot_step, spec.min_lots, spec.max_lots, -(-spec.min_notional // unit),
            spec.max_notional // unit, spec.band_down_ppm, unit,
        )  # fmt: skip

    def is_sellable(self, lots: int, price_ticks: int) -> bool:
        """Whether the venue takes a sale of this size at this price."""
        return lots >= self.min_lots and lots * price_ticks >= self.min_scaled

    def capped(self, lots: int, price_ticks: int) -> int:
        """The largest part of it that fits into one order; no rest that is too small is left over."""
        most = min(self.max_lots, self.max_scaled // max(price_ticks, 1))
        if lots <= most:
            return lots
        most -= most % self.lot_step
        if not self.is_sellable(lots - most, price_ticks):
            half = lots // 2
            return min(most, half - half % self.lot_step)
        return most


@dataclass(slots=True)
class Step:
    """A phase that is to be sold: once the bid reaches `trigger_ticks`, `until_lots` in all are out."""

    trigger_ticks: int
    until_lots: int


@dataclass(slots=True)
class ExitPlan:
    """The exits of one position. `entry_micro`: the average entry price in millionths of a tick."""

    scale: Scale
    entry_micro: int
    lots: int
    steps: list[Step]
    stop_ticks: int
    trailing_ppm: int
    trailing_from_ticks: int
    until_ms: int
    high_ticks: int = 0

    @property
    def entry_ticks(self) -> int:
        """The average entry price, rounded up."""
        return -(-self.entry_micro // PPM)

    @property
    def is_trailing(self) -> bool:
        return self.trailing_ppm > 0 and self.high_ticks >= self.trailing_from_ticks

    def stop(self) -> int:
        """The bid at or under which all is sold. Once it trails, it is never under the entry."""
        if not self.is_trailing:
            return self.stop_ticks
        trailing = self.high_ticks * (PPM - self.trailing_ppm) // PPM
        return max(self.stop_ticks, self.entry_ticks, trailing)

    def decide(self, bid_ticks: int, sold_lots: int, now_ms: int) -> tuple[str, int]:
        """(why, lots) to sell now; ("", 0) for nothing. `sold_lots` are out already."""
        if bid_ticks > self.high_ticks:
            self.high_ticks = bid_ticks
        left = self.lots - sold_lots
        if left <= 0:
            return "", 0
        if bid_ticks <= self.stop():
            return ("trailing stop" if self.is_trailing else "stop loss"), left
        if now_ms >= self.until_ms:
            return "time", left
        due = 0
        for step in self.steps:
            if bid_ticks < step.trigger_ticks:
                break
            due = step.until_lots
        if due > sold_lots and self.scale.is_sellable(due - sold_lots, bid_ticks):
            return "take profit", due - sold_lots
        return "", 0

    def next_step(self, sold_lots: int) -> Step | None:
        """The first phase that is not sold yet."""
        return next((step for step in self.steps if step.until_lots > sold_lots), None)


def plan_exits(
    scale: Scale,
    entry_micro: int,
    lots: int,
    phases: tuple[Phase, ...],
    *,
    stop_loss_ppm: int,
    trailing_ppm: int,
    trailing_start_ppm: int,
    until_ms: int,
) -> ExitPlan:
    """Cut a position into phases that the venue takes."""
    stop_ticks = entry_micro * (PPM - stop_loss_ppm) // (PPM * PPM)
    steps: list[Step] = []
    reached = carried = 0
    for gain_ppm, share_ppm in phases:
        trigger = -(-entry_micro * (PPM + gain_ppm) // (PPM * PPM))
        slice_lots = lots * share_ppm // PPM
        carried += slice_lots - slice_lots % scale.lot_step
        if not scale.is_sellable(carried, trigger):
            continue
        reached, carried = reached + carried, 0
        if not scale.is_sellable(lots - reached, stop_ticks):
            reached = lots
        steps.append(Step(trigger, reached))
        if reached == lots:
            break
    return ExitPlan(
        scale,
        entry_micro,
        lots,
        steps,
        stop_ticks,
        trailing_ppm,
        -(-entry_micro * (PPM + trailing_start_ppm) // (PPM * PPM)),
        until_ms,
    )


def average_micro(money: int, lots: int, money_unit: int) -> int:
    """The average price of an execution in millionths of a tick, rounded down; 0 where nothing was executed."""
    return money * PPM // (lots * money_unit) if lots > 0 else 0


def exit_price(scale: Scale, bid_ticks: int, ask_ticks: int, slippage_ppm: int, margin_ppm: int) -> int:
    """The limit of a sale that takes: under the bid by the slippage, above the band's floor; 0 where that excludes the bid.

    The band is measured from the mid of our own book, as the gate does.
    """
    step = scale.tick_step
    limit = -(-bid_ticks * (PPM - slippage_ppm) // PPM)
    if scale.band_down_ppm and ask_ticks:
        ppm = PPM - max(scale.band_down_ppm - margin_ppm, 0)
        limit = max(limit, -(-(bid_ticks + ask_ticks) * ppm // (2 * PPM)))
    limit += -limit % step
    return limit if 0 < limit <= bid_ticks else 0
