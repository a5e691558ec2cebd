"""Scores that explain a listing to people. No order, state or time depends on them.

The formulas are those of a public listing bot; its activity types and its advance-opportunity score, which looks at the
calendar alone. Its branch for test runners, and that for symbols of certain names, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

# Kind -> percentage points; the three of high priority add five.
ACTIVITIES = {
    "SUN_SHINE": 15,
    "PROMOTION": 12,
    "LAUNCH_EVENT": 18,
    "TRADING_COMPETITION": 10,
    "AIRDROP": 8,
    "STAKING_EVENT": 10,
    "LISTING_EVENT": 20,
}
HIGH_PRIORITY = frozenset({"LAUNCH_EVENT", "LISTING_EVENT", "SUN_SHINE"})
# Words of an announcement's title -> kind. The venue names no kinds there: this reading is ours.
_WORDS = {
    "launch": "LAUNCH_EVENT",
    "will list": "LISTING_EVENT",
    "airdrop": "AIRDROP",
    "staking": "STAKING_EVENT",
    "competition": "TRADING_COMPETITION",
    "promotion": "PROMOTION",
}
# Substring of the lower-cased name -> points of 100, the first that fits: so "ai" fits "chain", too.
_PROJECTS = (("ai", 90), ("defi", 85), ("gamefi", 80), ("infrastructure", 75), ("meme", 70))
_OTHER_PROJECT = 60
MIN_ADVANCE_H = 3.5


def activity_points(kinds: Iterable[str]) -> int:
    """min(20, the best kind + 5 where there are several), in percentage points; an unknown kind counts 5."""
    found = [ACTIVITIES.get(kind, 5) for kind in kinds]
    return min(20, max(found) + (5 if len(found) > 1 else 0)) if found else 0


def activity_boost(title: str) -> int:
    """What an announcement adds to the confidence, in thousandths: its activity, and 50 where that has priority."""
    kinds = [kind for word, kind in _WORDS.items() if word in title.lower()]
    return activity_points(kinds) * 10 + (50 if HIGH_PRIORITY & set(kinds) else 0)


def project_points(name: str) -> int:
    """How a project's kind is scored, of 100."""
    return next((points for word, points in _PROJECTS if word in name.lower()), _OTHER_PROJECT)


def advance_opportunity(
    name: str,
    open_ms: int,
    now_ms: int,
    *,
    pairs: int = 1,
    has_codes: bool = False,
    kinds: Iterable[str] = (),
) -> int:
    """The score of a calendar entry, thousandths; 0 where it opens in less than 3.5 hours.

    Vector: "Quantum AI", in 6 h, a weekday at 10:00 UTC: 40 + 15 + 27 + 5 + 5 + 5 = 97 points = 970.
    """
    hours = (open_ms - now_ms) / 3_600_000
    if hours < MIN_ADVANCE_H:
        return 0
    kinds = list(kinds)
    opens = datetime.fromtimestamp(open_ms / 1000, UTC)
    points = 400 + (200 if hours >= 12 else 150 if hours >= 6 else 100)
    points += project_points(name) * 3
    points += (50 if name else 0) + (50 if pairs > 1 else 0) + (100 if has_codes else 0)
    points += activity_points(kinds) * 8 + (80 if HIGH_PRIORITY & set(kinds) and hours <= 48 else 0)
    points += (50 if opens.weekday() < 5 else 0) + (50 if 8 <= opens.hour <= 15 else 0)
    return max(0, min(1000, points))
