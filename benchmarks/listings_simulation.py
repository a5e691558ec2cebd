"""A thousand listings by seed against the real core: what became of them, and what must never have happened.

    python benchmarks/listings_simulation.py --seed 1 --listings 1000 [--tight] [--into docs/listings.md]

`--tight`: with limits of the gate that bind, held against the venue's own record. Writes a Markdown report to standard output,
or between the marks of a page. Exit 1 where a listing ended wrongly or a limit was exceeded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' world; the engine is the installed one

from tests.simulation.listings_audit import MONEY_UNITS  # noqa: E402
from tests.simulation.listings_checks import TIGHT, Result, Watch, by_outcome, simulate  # noqa: E402
from tests.simulation.listings_script import MINUTE, OUTCOMES  # noqa: E402
from tests.simulation.listings_world import World  # noqa: E402

COMMON: dict[str, Any] = {
    "max_position_usdt": "50", "max_concurrent_trades": 3, "entry_slippage_ppm": 20_000, "entry_window_s": 60,
    "max_attempts": 12, "hold_s": 600,
}  # fmt: skip
# Name, parameters of the strategy, parameters of the world.
SESSIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("IOC, scalping", {"take_profit": "scalping"}, {}),
    ("IOC, normal, close together", {"take_profit": "normal"}, {"spacing_ns": 3 * MINUTE}),
    ("MARKET, levels", {"order_type": "MARKET", "take_profit": "levels"}, {}),
    ("LIMIT, conservative", {"order_type": "LIMIT", "take_profit": "conservative"}, {}),
    ("IOC, resting exits, fee in base", {"resting_exits": True, "take_profit": "levels"}, {"fee_in_base": True}),
    ("IOC, paper delay of 2 s", {"real_data_delay_s": 2, "take_profit": "balanced"}, {}),
    ("IOC, killed 60 times, 30 % lost", {"take_profit": "scalping"}, {"restarts": 60, "ack_loss_percent": 30}),
    (
        "LIMIT, resting exits, killed 60 times, 30 % lost",
        {"order_type": "LIMIT", "resting_exits": True},
        {"restarts": 60, "ack_loss_percent": 30},
    ),
]  # fmt: skip
# Of the problems that are found: entries more than once, and beyond a limit.
DOUBLE = ("entered ", "open at one time", "a second entry")
OUTSIDE = ("worth more", "slippage cap", "trades at one", "is beyond")
Played = list[tuple[str, list[Result], Watch, World]]


def share(values: list[int], part: float) -> str:
    """A quantile of millionths, in percent."""
    return (
        f"{sorted(values)[min(int(part * len(values)), len(values) - 1)] / 10_000:+.2f} %" if values else "-"
    )


def played(seed: int, count: int, *, is_tight: bool) -> Played:
    """All sessions: name, results, what was watched, the world at its end."""
    found = []
    for number, (name, params, conditions) in enumerate(SESSIONS):
        part = count // len(SESSIONS) + (number < count % len(SESSIONS))
        params, conditions = {**COMMON, **params}, dict(conditions)
        if is_tight:
            params["max_position_usdt"] = "20"
            conditions |= {"limits": TIGHT, "spacing_ns": 2 * MINUTE}
        if part:
            found.append((name, *simulate(seed * 100 + number, part, params, **conditions)))
    return found


def limits_table(sessions: Played) -> list[str]:
    """A row per limit: what was allowed, what the venue saw at most, and how often the gate said no."""
    settings = {name: COMMON[name] for name in ("max_concurrent_trades",)} | {"max_position_usdt": "20"}
    reasons = {
        "max_order_notional": "ORDER_NOTIONAL", "max_position_notional": "POSITION", "max_gross_exposure": "GROSS_EXPOSURE",
        "max_net_exposure": "NET_EXPOSURE", "max_open_orders": "OPEN_ORDERS",
        "max_open_orders_per_instrument": "OPEN_ORDERS_INSTRUMENT", "max_orders_per_second": "ORDERS_PER_SECOND",
        "max_orders_per_window": "ORDERS_PER_WINDOW",
    }  # fmt: skip
    lines = ["| limit | allowed | most at the venue | denied |", "|---|---|---|---|"]
    for name, most in (TIGHT | settings).items():
        peak = max(world.audit.peaks.get(name, 0) for _, _, _, world in sessions)
        shown = f"{peak / MONEY_UNITS:.4f}" if isinstance(most, str) else str(peak)
        denied = sum(world.engine.counts()["denied"].get(reasons.get(name), 0) for _, _, _, world in sessions)
        lines.append(f"| `{name}` | {most} | {shown} | {denied if name in reasons else '-'} |")
    return lines


def sessions_table(sessions: Played) -> list[str]:
    """A row per session."""
    lines = [
        "| session | listings | traded | orders to enter | answers lost | slippage p50, p90, most | most trades at a time |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, results, watch, _ in sessions:
        slips = [each.slippage_ppm for each in results if each.slippage_ppm is not None]
        quantiles = ", ".join(share(slips, part) for part in (0.5, 0.9, 1.0))
        lines.append(
            f"| {name} | {len(results)} | {sum(bool(each.bought_lots) for each in results)} | "
            f"{sum(each.attempts for each in results)} | {sum(each.lost_answers for each in results)} | "
            f"{quantiles} | {watch.peak_trades} |"
        )
    return lines


def outcomes_table(results: list[Result]) -> list[str]:
    """A row per kind of listing."""
    ends = ["traded", "no fill", "blocked", "stale", "cancelled"]
    table = by_outcome(results)
    lines = [f"| the listing | {' | '.join(ends)} |", "|---" * (len(ends) + 1) + "|"]
    for outcome in OUTCOMES:
        counts = table.get(outcome, Counter())
        others = set(counts) - set(ends)
        if others:
            raise RuntimeError(f"{outcome} ended in ways that the report does not know: {sorted(others)}")
        lines.append(f"| {outcome.replace('_', ' ')} | {' | '.join(str(counts[end]) for end in ends)} |")
    return lines


def report(seed: int, sessions: Played, *, is_tight: bool) -> str:
    """The whole report as Markdown."""
    results = [each for _, found, _, _ in sessions for each in found]
    problems = [text for each in results for text in each.problems]
    problems += [text for _, _, watch, _ in sessions for text in watch.problems]
    double = sum(any(word in text for word in DOUBLE) for text in problems)
    outside = sum(any(word in text for word in OUTSIDE) for text in problems)
    events = sum(world.seq for _, _, _, world in sessions)
    blocked = Counter(
        each.result.removeprefix("blocked: ") for each in results if each.result.startswith("blocked")
    )
    ahead = sum(each.is_ahead for each in results)
    by_trades = sum(each.by_trades for each in results)
    dust = sum(each.result.startswith("dust") for each in results)
    lines = [
        f"Seed {seed}: {len(results):,} listings, {events:,} events, "
        f"{sum(each.attempts for each in results):,} orders to enter. Ended wrongly: "
        f"{sum(bool(each.problems) for each in results)}. Double entries: {double}. Entries outside limits: {outside}. "
        f"Positions that do not equal the sum of their fills: {sum('the fills come to' in text for text in problems)}.",
        "", *outcomes_table(results), "",
        f"Entered before their announced time: {ahead}, {by_trades} of them by public trades alone.",
        "", *(limits_table(sessions) if is_tight else sessions_table(sessions)), "",
        "Why those that were blocked were: "
        + "; ".join(f"{why} ({count})" for why, count in sorted(blocked.items(), key=lambda item: (-item[1], item[0])))
        + f". {dust} positions ended with a rest that is less than the venue takes.",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Run, report, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--listings", type=int, default=1000)
    parser.add_argument("--tight", action="store_true", help="limits of the gate that bind")
    parser.add_argument("--into", type=Path, help="a page with the marks to write between")
    options = parser.parse_args()
    started = time.perf_counter()
    sessions = played(options.seed, options.listings, is_tight=options.tight)
    text = report(options.seed, sessions, is_tight=options.tight)
    mark = "tight simulation" if options.tight else "simulation"
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if options.into is None:
        sys.stdout.write(text + "\n")
    else:
        page = options.into.read_text()
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            parser.error(f"{options.into} has no marks {begin} and {end}")
        options.into.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
    problems = [
        f"{name}: {each.script.symbol} ({each.script.outcome}): {text}"
        for name, results, _, _ in sessions
        for each in results
        for text in each.problems
    ]
    problems += [f"{name}: {text}" for name, _, watch, _ in sessions for text in watch.problems]
    sys.stderr.write("".join(f"{text}\n" for text in problems[:50]))
    sys.stderr.write(f"{len(problems)} problems, {time.perf_counter() - started:.0f} s\n")
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main())
