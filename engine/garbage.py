"""Python's garbage collector, kept out of the way: a collection in the midst of an event would be a pause.

What is there when trading begins is frozen: it is never looked at again. From then on nothing is collected by itself. CPython
counts the containers that were made and not unmade since the last collection, at no cost; only where these add up, as they
do when errors leave cycles behind, is there anything to collect.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

MADE_MOST = 20_000


class Garbage:
    """One session's; `observe(stage, ns)` hears how long each collection took. `collections` counts those since freeze()."""

    def __init__(self, observe: Callable[[str, int], None]) -> None:
        self.collections = 0
        self._observe = observe

    def freeze(self) -> None:
        """Collect once, freeze what is left, and collect nothing by itself from now on."""
        gc.collect()
        gc.freeze()
        gc.disable()
        gc.callbacks.append(self._count)

    def collect_where_due(self) -> None:
        """Called when the house is kept."""
        if gc.get_count()[0] >= MADE_MOST:
            began_ns = time.perf_counter_ns()
            gc.collect()
            self._observe("collect", time.perf_counter_ns() - began_ns)

    def close(self) -> None:
        """Count no more."""
        if self._count in gc.callbacks:
            gc.callbacks.remove(self._count)

    def _count(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            self.collections += 1
