"""Numbers drawn from a seed, the same in every version of Python."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of its own for each name: SHA-256 of seed, name and a counter."""

    def __init__(self, seed: int, name: str) -> None:
        self._head = f"penstock devchain/{seed}/{name}/".encode()
        self._count = 0

    def bits(self) -> int:
        """256 of them."""
        self._count += 1
        return int.from_bytes(hashlib.sha256(self._head + str(self._count).encode()).digest())

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + self.bits() % (high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.bits() % len(items)]

    def log_between(self, low: int, high: int) -> int:
        """An integer from low to high, each doubling as likely as the next."""
        doublings = max(high // low, 1).bit_length() - 1
        start = low << self.between(0, doublings)
        return min(self.between(start, 2 * start), high)
