"""One symbol's trades as bars of a minute, and everything that is summed from those: klines, the last 24 hours."""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MINUTE_S = 60
DAY_S = 86_400
KEPT_MINUTES = 7 * 24 * 60
_EPOCH_MONDAY_S = 4 * DAY_S  # 1970-01-05

REST_INTERVALS = {
    "1m": 60, "5m": 300, "15m": 900, "30m": 1800, "60m": 3600, "4h": 14_400, "1d": DAY_S, "1W": 7 * DAY_S,
    "1M": 0,
}  # fmt: skip
WS_INTERVALS = {
    "Min1": 60, "Min5": 300, "Min15": 900, "Min30": 1800, "Min60": 3600, "Hour4": 14_400, "Hour8": 28_800,
    "Day1": DAY_S, "Week1": 7 * DAY_S, "Month1": 0,
}  # fmt: skip


@dataclass(slots=True)
class Bar:
    """Prices in ticks, `lots` traded, `turnover` in tick-lots; times in seconds UTC, the end not part of it."""

    start_s: int
    end_s: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    turnover: int = 0

    def add(self, later: Bar) -> None:
        """Take in what came after."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.lots += later.lots
        self.turnover += later.turnover


class Candles:
    """The last seven days in minutes that had trades."""

    def __init__(self) -> None:
        self._minutes: deque[Bar] = deque(maxlen=KEPT_MINUTES)

    @property
    def last_ticks(self) -> int:
        """The last price, 0 before the first trade."""
        return self._minutes[-1].close if self._minutes else 0

    def add(self, time_ms: int, ticks: int, lots: int) -> None:
        """A trade."""
        start_s = time_ms // 1000 // MINUTE_S * MINUTE_S
        trade = Bar(start_s, start_s + MINUTE_S, ticks, ticks, ticks, ticks, lots, ticks * lots)
        if self._minutes and self._minutes[-1].start_s >= start_s:
            self._minutes[-1].add(trade)
        else:
            self._minutes.append(trade)

    def bars(self, interval_s: int, start_s: int = 0, end_s: int = 1 << 62) -> list[Bar]:
        """Bars that start within [start_s, end_s], oldest first. `interval_s` 0: calendar months (UTC)."""
        minutes = (bar for bar in self._minutes if start_s <= window(bar.start_s, interval_s)[0] <= end_s)
        return list(_summed(minutes, interval_s))

    def current(self, interval_s: int) -> Bar | None:
        """The newest bar."""
        if not self._minutes:
            return None
        start_s, _ = window(self._minutes[-1].start_s, interval_s)
        return self.bars(interval_s, start_s)[-1]

    def since(self, start_s: int) -> Bar | None:
        """Everything from that second on as one bar; None without a trade."""
        total: Bar | None = None
        for bar in reversed(self._minutes):
            if bar.end_s <= start_s:
                break
            earlier = Bar(
                bar.start_s, bar.end_s, bar.open, bar.high, bar.low, bar.close, bar.lots, bar.turnover
            )
            if total is not None:
                earlier.add(total)
                earlier.end_s = total.end_s
            total = earlier
        return total


def window(time_s: int, interval_s: int) -> tuple[int, int]:
    """The interval that a second lies in; weeks begin on Monday, `interval_s` 0 is a calendar month."""
    if not interval_s:
        first = datetime.datetime.fromtimestamp(time_s, datetime.UTC).replace(
            day=1, hour=0, minute=0, second=0
        )
        later = (first + datetime.timedelta(days=31)).replace(day=1)
        return int(first.timestamp()), int(later.timestamp())
    shift = _EPOCH_MONDAY_S if interval_s == 7 * DAY_S else 0
    start_s = (time_s - shift) // interval_s * interval_s + shift
    return start_s, start_s + interval_s


def _summed(minutes: Iterable[Bar], interval_s: int) -> Iterator[Bar]:
    total: Bar | None = None
    for bar in minutes:
        start_s, end_s = window(bar.start_s, interval_s)
        if total is not None and total.start_s == start_s:
            total.add(bar)
            continue
        if total is not None:
            yield total
        total = Bar(start_s, end_s, bar.open, bar.high, bar.low, bar.close, bar.lots, bar.turnover)
    if total is not None:
        yield total
