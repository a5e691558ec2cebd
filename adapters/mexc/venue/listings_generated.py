"""Listings by the dozen from a seed: names, scales, prices, times, outcomes and openings drawn, the same each time."""

from __future__ import annotations

import random
from typing import get_args

from pydantic import Field

from adapters.mexc.venue.config_symbols import ListingConfig, OpeningConfig, Outcome, Strict
from adapters.mexc.venue.numbers import trimmed

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_MIN_TICKS, _MAX_TICKS = 2_000, 200_000  # of the opening price: one tick is 5 to 500 ppm of it


class GeneratedConfig(Strict):
    """How many listings, and when they open."""

    count: int = Field(default=0, ge=0, le=10_000)
    first_open_s: float = Field(default=30, gt=0)
    every_s: float = Field(default=10, ge=0, description="between two openings, on average")
    notice_s: float = Field(default=20, gt=0, description="from the announcement to the opening, at most")
    life_s: float | None = Field(default=120, gt=0, description="from the opening to the delisting")
    outcomes: list[Outcome] = Field(default=list(get_args(Outcome)))
    contract_percent: int = Field(default=20, ge=0, le=100, description="how many come as a contract too")


def generated_listings(config: GeneratedConfig, seed: int) -> list[ListingConfig]:
    """The listings, in the order of their openings."""
    rng = random.Random(f"{seed}:listings")
    names: set[str] = set()
    found: list[ListingConfig] = []
    open_s = config.first_open_s
    for _ in range(config.count):
        found.append(_one(config, rng, names, round(open_s, 3)))
        open_s += config.every_s * rng.randrange(500, 1501) / 1000
    return found


def _one(config: GeneratedConfig, rng: random.Random, names: set[str], open_s: float) -> ListingConfig:
    base = _new_name(rng, names)
    price_decimals = rng.randrange(3, 9)
    start_ticks = rng.randrange(_MIN_TICKS, _MAX_TICKS)
    spread_ticks = max(1, start_ticks * rng.randrange(200, 2000) // 1_000_000)
    notice_s = min(open_s, config.notice_s * rng.randrange(500, 1001) / 1000)
    steps = sorted(rng.randrange(1, 1000) for _ in range(4))
    web_s, list_s, ready_s, api_s = (round(open_s - notice_s + notice_s * step / 1000, 3) for step in steps)
    shift_s = round(notice_s * rng.randrange(50, 250) / 1000, 3)
    size_decimals = rng.randrange(0, 3)
    # a typical order is worth some 50 quote
    typical_lots = max(1, 50 * 10 ** (price_decimals + size_decimals) // start_ticks)
    return ListingConfig(
        symbol=f"{base}USDT",
        base=base,
        full_name=f"{base.title()} Token",
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        start_price=trimmed(start_ticks, price_decimals),
        typical_size=trimmed(typical_lots, size_decimals),
        half_spread_ticks=spread_ticks,
        level_gap_ticks=max(1, spread_ticks // 2),
        volatility_ticks=spread_ticks,
        band=rng.choice(["0.2", "0.1", "0.05"]),
        first_version=rng.randrange(10**6, 10**10),
        contract_address=f"0x{rng.getrandbits(160):040x}" if rng.randrange(10) else "",
        outcome=rng.choice(config.outcomes),
        open_s=open_s,
        announce_s=round(open_s - notice_s, 3),
        web_s=web_s,
        list_s=list_s,
        ready_s=ready_s,
        api_s=api_s,
        shift_s=shift_s,
        closed_code=rng.choice([30000, 30000, 30016]),
        contract_s=list_s if rng.randrange(100) < config.contract_percent else None,
        delist_s=None if config.life_s is None else round(open_s + shift_s + config.life_s, 3),
        opening=OpeningConfig(one_sided_ms=rng.randrange(0, 200), calm_s=rng.randrange(20, 90)),
    )


def _new_name(rng: random.Random, names: set[str]) -> str:
    while True:
        name = "".join(rng.choice(_LETTERS) for _ in range(rng.randrange(4, 7)))
        if name not in names:
            names.add(name)
            return name
