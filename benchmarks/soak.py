"""A long run among random faults: the real daemon against the local venue in a process of its own.

    python benchmarks/soak.py --hours 2 --report docs/soak.md
    python benchmarks/soak.py --minutes 3                        # a try

A market maker on two books, and a new listing every half minute. Every few seconds a fault of the venue is set, for a
while and with some probability, drawn from a seed. At the end the faults are lifted, the daemon stops in order, and its
journal, the venue's log of requests and the venue's account must agree: no order lost, none sent twice, positions equal to
the sum of their fills, balances equal to the last unit, memory and file descriptors flat. Exit 1 where one of these does not
hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.progress import Progress

from engine.core.describe import describe
from engine.core.enums import EventKind
from engine.journal.records import JOURNAL_STEM, read_log
from engine.microbench import machine
from engine.run_dir import RunDir

# The tests' processes come from the checkout; the engine is the installed one, so it goes last.
sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.e2e.live_run import CoreProcess, VenueProcess, config_text, folded, make_run, money

# name, what it may strike, the longest it lasts in seconds, and its highest probability
FAULTS: tuple[tuple[str, str, float, float], ...] = (
    ("gap", "", 1.0, 0.2),
    ("duplicate", "", 3.0, 0.5),
    ("silent", "", 8.0, 1.0),
    ("disconnect", "", 0.05, 1.0),
    ("refuse_subscription", "", 3.0, 0.5),
    ("http_5xx", "/api/v3/", 4.0, 0.5),
    ("http_5xx", "POST /api/v3/order", 3.0, 0.5),
    ("lost_ack", "POST /api/v3/order", 4.0, 0.3),
    ("lost_ack", "DELETE /api/v3/order", 4.0, 0.3),
    ("ack_delay", "/api/v3/order", 3.0, 0.5),
    ("ack_after_fill", "/api/v3/order", 3.0, 0.5),
    ("rate_limited", "/api/v3/", 2.0, 0.3),
    ("html_403", "/api/v3/", 1.0, 0.2),
    ("stale_snapshot", "", 4.0, 0.5),
    ("bodyless", "", 3.0, 0.2),
    ("one_sided", "", 3.0, 1.0),
    ("garbage_frame", "", 2.0, 0.05),
    ("unknown_field", "", 3.0, 0.5),
)
VENUE = """
[limits]
logged_orders = 400000

[generated_listings]
count = 2000
first_open_s = 40
every_s = 30
life_s = 120
"""
RUN = """
[adapter.listings]
enabled = true
calendar_interval_s = 5
web_interval_s = 5
exchange_info_interval_s = 10
announcements_interval_s = 15
offline_interval_s = 15
self_symbols_interval_s = 30
futures_interval_s = 15
near_interval_s = 1

[risk]
price_collar_bps = 3000
max_slippage_bps = 1000
max_volatility_bps = 100000
max_errors_per_window = 255
max_rejects_per_window = 255
proposer_budget_notional = "100000000"
max_daily_loss = "100000"
max_drawdown = "100000"

[[strategy]]
name = "ready_state"
[strategy.params]
take_profit = "scalping"
baseline_s = 10
watch_lead_s = 20
arm_lead_s = 10
late_window_s = 30
hold_s = 40
keep_finished_s = 120
"""
QUIET_S = 90.0
WARM_UP_SHARE = 0.1
FLAT_MB = 16.0


@dataclass
class Samples:
    """What the daemon's process used, over time: seconds, MB of anonymous memory, open file descriptors."""

    rows: list[tuple[float, float, int]] = field(default_factory=list)

    def take(self, process: psutil.Process, at_s: float) -> None:
        """One sample."""
        self.rows.append((at_s, anonymous_mb(process.pid), process.num_fds()))

    def growth_mb(self) -> float:
        """Memory at the end less memory after the warm-up: medians of a tenth of the samples each."""
        at_first, at_last = self._tenths()
        return median([row[1] for row in at_last]) - median([row[1] for row in at_first])

    def usual_descriptors(self) -> tuple[int, int]:
        """File descriptors after the warm-up and at the end: medians of the same."""
        at_first, at_last = self._tenths()
        return median([row[2] for row in at_first]), median([row[2] for row in at_last])

    def _tenths(self) -> tuple[list[tuple[float, float, int]], list[tuple[float, float, int]]]:
        count = max(len(self.rows) // 10, 1)
        first = int(len(self.rows) * WARM_UP_SHARE)
        return self.rows[first : first + count], self.rows[-count:]

    def descriptors(self) -> tuple[int, int]:
        """Fewest and most file descriptors after the warm-up."""
        after = [row[2] for row in self.rows[int(len(self.rows) * WARM_UP_SHARE) :]]
        return min(after), max(after)


def median(values: list[Any]) -> Any:
    """The middle value, the upper one of two."""
    return sorted(values)[len(values) // 2]


def anonymous_mb(pid: int) -> float:
    """RssAnon of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


def draw_fault(rng: random.Random) -> dict[str, Any]:
    """One fault as the venue's control endpoint takes it."""
    name, match, longest_s, highest = rng.choice(FAULTS)
    return {
        "name": name,
        "match": match,
        "for_s": round(rng.uniform(0.02, longest_s), 3),
        "probability": round(rng.uniform(highest / 4, highest), 3),
        "delay_ms": rng.choice([5, 50, 400]),
        "cut": rng.random() < 0.5,
        "retry_after_s": 1,
    }


def trade_among_faults(
    venue: VenueProcess, core: CoreProcess, seconds: float, rng: random.Random
) -> tuple[Samples, Counter[str]]:
    """Set faults and take samples until the time is over; raises where the daemon ends by itself."""
    samples, struck = Samples(), Counter[str]()
    process = psutil.Process(core.process.pid)
    began = time.monotonic()
    fault_at = sample_at = 0.0
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("among faults", total=seconds)
        while (passed := time.monotonic() - began) < seconds:
            if core.process.poll() is not None:
                raise RuntimeError(f"the daemon ended by itself:\n{core.output()[-4000:]}")
            if passed >= sample_at:
                samples.take(process, passed)
                sample_at = passed + seconds / 400
            if passed >= fault_at:
                fault = draw_fault(rng)
                try:
                    venue.control("faults", fault)
                    struck[fault["name"]] += 1
                except TimeoutError:  # the venue had no processor for so long: that is one more fault
                    struck["a venue without a processor"] += 1
                fault_at = passed + rng.uniform(2.0, 12.0)
            progress.update(task, completed=passed)
            time.sleep(0.2)
    return samples, struck


@dataclass
class Executed:
    """What one order executed by the journal's own records, counted apart from the core."""

    base: str
    sign: int
    reported_lots: int = 0
    dealt_lots: int = 0
    trades: set[str] = field(default_factory=set)

    @property
    def lots(self) -> int:
        """The larger of the venue's two accounts, signed."""
        return self.sign * max(self.reported_lots, self.dealt_lots)


def executed_orders(place: RunDir, bases: list[str]) -> dict[int, Executed]:
    """Order number -> what it executed."""
    orders: dict[int, Executed] = {}
    for record in read_log(place.journal, JOURNAL_STEM):
        if record.kind not in (EventKind.PLACE, EventKind.ORDER_UPDATE, EventKind.FILL):
            continue
        facts = describe(record.raw)
        number = facts["order_no"]
        if record.kind == EventKind.PLACE:
            orders[number] = Executed(bases[facts["instrument"]], 1 if facts["side"] == "BUY" else -1)
        elif number not in orders:
            continue
        elif record.kind == EventKind.ORDER_UPDATE:
            orders[number].reported_lots = max(orders[number].reported_lots, facts.get("cumulative_lots", 0))
        elif facts["trade_id"] not in orders[number].trades:
            orders[number].trades.add(facts["trade_id"])
            orders[number].dealt_lots += facts["size_lots"]
    return orders


def checks(
    place: RunDir, received: list[dict[str, Any]], balances: dict[str, Any], samples: Samples
) -> dict[str, tuple[bool, Any]]:
    """Each promise with whether it was kept and what was found."""
    summary = json.loads(place.summary_file.read_text())
    core = folded(place)
    bases = [core.spec(book.instrument).base for book in core.books]
    orders = executed_orders(place, bases)
    ids = Counter(order["client_id"] for order in received)
    strangers = {int(client_id.rpartition("-")[2]) for client_id in ids} - set(orders)
    held = {asset: money(each["free"]) + money(each["locked"]) for asset, each in balances.items()}
    wrong = {
        asset: (total, held[asset], reserved)
        for asset, (total, reserved) in core.balances().items()
        if asset in held and (total != held[asset] or reserved)
    }
    summed: Counter[str] = Counter()
    for order in orders.values():
        summed[order.base] += order.lots
    positions = {core.spec(i).base: lots for i, lots, _, _ in core.positions()}
    left = summary["unknown_orders"] + summary["open_orders"]
    twice = sum(ids.values()) - len(ids)
    growth, (fewest, most) = samples.growth_mb(), samples.descriptors()
    return {
        "orders sent twice": (twice == 0, twice),
        "orders at the venue that the journal does not know": (not strangers, len(strangers)),
        "orders open or unknown at the end": (left == 0, left),
        "balances that differ from the venue's": (not wrong, wrong or 0),
        "positions equal the sum of their fills": (
            all(summed[base] == positions.get(base, 0) for base in bases),
            f"{dict(summed)} and {positions}",
        ),
        f"memory grew after the warm-up by less than {FLAT_MB:.0f} MB": (
            growth < FLAT_MB,
            f"{growth:.1f} MB",
        ),
        "file descriptors after the warm-up": (most - fewest <= 24, f"{fewest} to {most}"),
        "orders in the journal": (bool(orders), len(orders)),
        "requests for orders at the venue": (bool(received), len(received)),
        "fills": (summary["fills"] > 0, summary["fills"]),
    }


def report(facts: dict[str, Any], found: dict[str, tuple[bool, Any]], struck: Counter[str]) -> str:
    """The result as Markdown."""
    lines = ["# A long run among faults", "", f"`{facts['command']}`", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items() if name != "command"]
    lines += ["", "| promise | kept | found |", "|---|---|---|"]
    lines += [
        f"| {name} | {'yes' if kept else '**no**'} | {value} |" for name, (kept, value) in found.items()
    ]
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| `{name}` | {count} |" for name, count in sorted(struck.items())]
    return "\n".join(lines) + "\n"


def is_quiet(status: Any) -> bool:
    """The feeds that are not one listing's are up, the core trades, and no order is UNKNOWN.

    What is held of a symbol that was delisted has no feed any more.
    """
    steady = all(feed.state == "up" for feed in status.feeds if not feed.name.startswith("watch-"))
    return steady and not status.halted and all(order.state != "UNKNOWN" for order in status.orders)


def run(
    seconds: float, seed: int, folder: Path
) -> tuple[dict[str, tuple[bool, Any]], Counter[str], dict[str, Any]]:
    """The whole run; what was found, the faults that were set, and the daemon's summary."""
    rng = random.Random(seed)
    with VenueProcess(folder, seed=seed, settings=VENUE) as venue:
        place = make_run(folder / "run", config_text(venue, RUN, requote_ms=250))
        core = venue.core(place)
        core.wait_until(lambda status: status.gate.approved > 0)
        samples, struck = trade_among_faults(venue, core, seconds, rng)
        for name in sorted({fault[0] for fault in FAULTS}):
            venue.clear(name)
        core.wait_until(
            is_quiet,
            QUIET_S,
        )
        code = core.end()
        received = venue.control("orders")
        balances = next(iter(venue.control("state")["balances"].values()))
    found = checks(place, received, balances, samples)
    found["the daemon ended in order"] = (code == 0, code)
    return found, struck, json.loads(place.summary_file.read_text())


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/soak.py",
        description="A long run among random faults; exit 1 where a promise was broken.",
    )
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write the result as Markdown")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new directory for the run, which stays")
    options = parser.parse_args()
    seconds = options.hours * 3600 + options.minutes * 60
    if seconds <= 0:
        parser.error("say how long: --hours 2 or --minutes 3")
    header = machine()
    with contextlib.ExitStack() as stack:
        if options.keep is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-soak-"))
        else:
            options.keep.mkdir(parents=True)
            folder = str(options.keep)
        found, struck, summary = run(seconds, options.seed, Path(folder))
    facts = {
        "command": f"python benchmarks/soak.py --seed {options.seed} (for {seconds / 3600:g} h)",
        **{name: header[name] for name in ("date", "cpu", "cores", "load", "kernel", "python")},
        **{
            name: summary[name]
            for name in ("seconds", "messages", "events", "intents", "approved", "orders_sent")
        },
    }
    text = report(facts, found, struck)
    sys.stdout.write(text)
    if options.report is not None:
        options.report.write_text(text)
    raise SystemExit(0 if all(kept for kept, _ in found.values()) else 1)


if __name__ == "__main__":
    main()
