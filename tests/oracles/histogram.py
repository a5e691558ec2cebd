"""The latency histogram's plain-Python twin: keeps every value."""

from __future__ import annotations

import math


class ExactHistogram:
    """Nearest-rank percentiles of all values recorded, ns."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def record(self, value_ns: int) -> None:
        self.values.append(max(value_ns, 0))

    def percentile(self, percent: float) -> int:
        if not self.values:
            return 0
        rank = max(1, math.ceil(percent * len(self.values) / 100.0))
        return sorted(self.values)[rank - 1]
