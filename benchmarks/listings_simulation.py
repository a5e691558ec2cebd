"""A thousand listings by seed against the real core: what became of them, and what must never have happened.

    python benchmarks/listings_simulation.py --seed 1 --listings 1000 [--into docs/listings.md]

Writes a Markdown report to standard output, or between the marks of a page. Exit 1 where a listing ended wrongly.
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

from tests.simulation.listings_checks import Result, Watch, by_outcome, simulate  # noqa: E402
from tests.simulation.listings_script import MINUTE, OUTCOMES  # noqa: E402

BEGIN, END = "<!-- simulation: begin -->", "<!-- simulation: end -->"
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


def share(values: list[int], part: float) -> str:
    """A quantile of millionths, in percent."""
    return (
        f"{sorted(values)[min(int(part * len(values)), len(values) - 1)] / 10_000:+.2f} %" if values else "-"
    )


def played(seed: int, count: int) -> list[tuple[str, list[Result], Watch, int]]:
    """All sessions: name, results, what was watched, events."""
    found = []
    for number, (name, params, conditions) in enumerate(SESSIONS):
        part = count // len(SESSIONS) + (number < count % len(SESSIONS))
        if part:
            results, watch, world = simulate(seed * 100 + number, part, {**COMMON, **params}, **conditions)
            found.append((name, results, watch, world.seq))
    return found


def sessions_table(sessions: list[tuple[str, list[Result], Watch, int]]) -> list[str]:
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


def report(seed: int, sessions: list[tuple[str, list[Result], Watch, int]]) -> str:
    """The whole report as Markdown."""
    results = [each for _, found, _, _ in sessions for each in found]
    problems = [text for each in results for text in each.problems]
    problems += [text for _, _, watch, _ in sessions for text in watch.problems]
    double = sum("entered" in text and "times" in text for text in problems)
    double += sum("open at one time" in text for text in problems)
    outside = sum(
        any(word in text for word in ("worth more", "slippage cap", "trades at one")) for text in problems
    )
    events = sum(count for _, _, _, count in sessions)
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
        "", *sessions_table(sessions), "",
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
    parser.add_argument("--into", type=Path, help="a page with the marks to write between")
    options = parser.parse_args()
    started = time.perf_counter()
    sessions = played(options.seed, options.listings)
    text = report(options.seed, sessions)
    if options.into is None:
        sys.stdout.write(text + "\n")
    else:
        page = options.into.read_text()
        before, _, rest = page.partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            parser.error(f"{options.into} has no marks {BEGIN} and {END}")
        options.into.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
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
