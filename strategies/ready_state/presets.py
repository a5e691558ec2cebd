"""Take profits by name: at which gain how much of the position is sold, both in millionths.

The percentages are those of a public listing bot (its two files of exit levels, and its users' default levels). They
are somebody's habit and no result: docs/listings.md says what is known.
"""

from __future__ import annotations

Phase = tuple[int, int]  # (gain over the entry, share of the position), ppm
PPM = 1_000_000


def _phases(*levels: tuple[int, int]) -> tuple[Phase, ...]:
    """(gain in percent, share in percent) as millionths."""
    return tuple((gain * 10_000, share * 10_000) for gain, share in levels)


PRESETS: dict[str, tuple[Phase, ...]] = {
    "normal": _phases((50, 25), (100, 25), (125, 20), (175, 10)),
    "high": _phases((100, 15), (150, 15), (200, 25), (300, 25)),
    "conservative": _phases((10, 30), (20, 40), (30, 30)),
    "scalping": _phases((5, 20), (10, 30), (15, 30), (20, 20)),
    "diamond": _phases((200, 10), (500, 20), (1000, 30), (2000, 20)),
    "cautious_multiple": _phases((30, 20), (100, 52), (150, 28)),
    "balanced": _phases((50, 15), (150, 35), (300, 50)),
    "aggressive": _phases((100, 10), (200, 20), (400, 70)),
    "levels": _phases((5, 25), (10, 25), (15, 25), (25, 25)),
    "none": (),
}


def take_profit(value: str | list[list[int]]) -> tuple[Phase, ...]:
    """A preset's name, or [gain_ppm, share_ppm] rows; ValueError where they cannot be."""
    if isinstance(value, str):
        if value not in PRESETS:
            raise ValueError(f"take_profit {value!r} is no preset: there are {', '.join(PRESETS)}")
        return PRESETS[value]
    phases = tuple((int(gain), int(share)) for gain, share in value)
    gains = [gain for gain, _ in phases]
    if gains != sorted(set(gains)) or any(gain <= 0 or share <= 0 for gain, share in phases):
        raise ValueError("take_profit: gains must grow from row to row, and gains and shares be above 0")
    if sum(share for _, share in phases) > PPM:
        raise ValueError("take_profit: the shares are more than the whole position (1,000,000 ppm)")
    return phases
