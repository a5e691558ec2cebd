"""What the peers' measurements share: quotes of the same figures, and how a result is told. Standard library only."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator

SEED, START_NS, STEP_NS = 20_260_923, 1_790_000_000_000_000_000, 100_000
MID_CENTS = 6_000_000


def quotes(count: int) -> Iterator[tuple[float, float, float, float, int]]:
    """(bid, ask, bid size, ask size, ns): best prices that change around a mid that stands still, as our workload's do."""
    rng = random.Random(SEED)
    for i in range(count):
        bid, ask = (MID_CENTS + sign * (1 + int(rng.expovariate(1 / 4))) for sign in (-1, 1))
        sizes = [rng.randint(1, 10**9) / 1e8 for _ in range(2)]
        yield bid / 100, ask / 100, *sizes, START_NS + i * STEP_NS


def tell(version: str, samples: list[float]) -> None:
    """One line of JSON: the peer's version, its Python, a figure for each round."""
    python = ".".join(map(str, sys.version_info[:3]))
    sys.stdout.write(json.dumps({"version": version, "python": python, "samples": samples}) + "\n")
