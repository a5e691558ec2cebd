"""What keeps the daemon from its work: starts, turns of the event loop, garbage collections, memory, file descriptors.

    python benchmarks/pauses.py --minutes 30

First the daemon is started a few times, caches warm, from its process's first instruction to live books. Then it hears
20,000 messages a second and trades, while the processor time of each turn of its loop is measured in it (engine/turns.pyx),
and its memory and descriptors are sampled from outside. The first --warm-up seconds do not count. With --floor-minutes a
program that only looks at the clock (tick_to_trade/still.c) runs afterwards in the daemon's place, alone and then with a second
one in the generator's: what the machine itself takes. With --witness (needs `perf`, as root) the daemon's core is interrupted
every tenth of a millisecond, and of each long turn it is told how much it stood still for (witness.py). Exit 1 where a bar is
missed, whoever it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from rich.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from benchmarks.flooding import MIX, Checks, Setting, book_check, may_pin, order_checks, report, stage  # noqa: E402
from benchmarks.soak import Samples  # noqa: E402
from benchmarks.tick_to_trade.build import Tools, build  # noqa: E402
from benchmarks.tick_to_trade.processes import (  # noqa: E402
    ENGINE_CPU,
    ENGINE_NICE,
    ENGINE_PRIORITY,
    LOAD_CPU,
    place,
)
from benchmarks.tick_to_trade.run import use_site  # noqa: E402
from benchmarks.witness import Witness, WitnessError, stood_still_ns  # noqa: E402
from engine.microbench import machine  # noqa: E402

READY_MOST_S = 3.0
TURN_MOST_MS = 1.0
GROWTH_MOST_MB = 5.0
PASSING_FILES = 2


def measured(
    begin: Callable[[], Any], options: argparse.Namespace, setting: Setting
) -> tuple[dict[str, Any], Checks, Samples, dict[str, Any]]:
    """Starts, then the long flood; what was found, the samples and the long turns."""
    starts = []
    for _ in range(options.starts):
        with begin() as session:
            starts.append((session.ready_s, session.finish()[0]["ready_s"]))
    seconds = options.minutes * 60
    samples = Samples()
    with begin() as session, Progress(disable=not sys.stderr.isatty()) as progress:
        process = psutil.Process(session.core.process.pid)
        began = time.monotonic()
        task = progress.add_task(f"{options.rate:,.0f} messages/s", total=seconds)

        def each(sent: int, lag_ms: int) -> None:
            if time.monotonic() - began >= options.warm_up:
                samples.take(process, time.monotonic() - began)
            progress.update(task, completed=sent / options.rate)

        sent = session.flood.send(seconds, options.rate, options.orders, each)
        session.settle(session.flood.totals().frames)
        summary, totals = session.finish()
    facts = {
        "mix": f"{MIX}; {setting.symbols} symbols over {setting.connections} connections",
        "messages": f"{sent.frames:,} in {sent.seconds:.0f} s",
        "starts: until live books, s": ", ".join(f"{wall_s:.2f}" for wall_s, _ in starts),
        "starts: until feeds were opened, s": ", ".join(f"{ready_s:.2f}" for _, ready_s in starts),
        "a turn's processor time, us": ", ".join(
            f"{name} {summary['latency_us']['turn'][name]:,.0f}" for name in ("p50", "p99", "p999", "max")
        ),
        "memory (RssAnon), MB": f"{samples.rows[0][1]:.1f} at first, {samples.rows[-1][1]:.1f} at last",
    }
    found = judge(starts, samples, summary, options.warm_up) | {
        "conflated": (summary["conflated"] == 0, summary["conflated"]),
        **book_check(summary, totals),
        **order_checks(summary, totals),
    }
    return facts, found, samples, summary["long_turns"]


@contextlib.contextmanager
def still(tools: Tools, minutes: float, cpu: int | None) -> Iterator[subprocess.Popen[str]]:
    """A loop that only looks at the clock, on this core with the daemon's priority, or anywhere."""
    with subprocess.Popen(
        [str(tools.still), str(minutes * 60)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if cpu is not None:
                place(process.pid, cpu, ENGINE_NICE, ENGINE_PRIORITY)
            yield process
        finally:
            process.kill()


def floor(tools: Tools, minutes: float, pinned: bool, both: bool) -> str:
    """The turns of a loop that only looks at the clock, in the daemon's place; `both`: with another in the generator's."""
    with contextlib.ExitStack() as stack:
        if both:
            stack.enter_context(still(tools, minutes, LOAD_CPU if pinned else None))
        process = stack.enter_context(still(tools, minutes, ENGINE_CPU if pinned else None))
        _, turns, over, longest_ns = process.communicate()[0].split()
    longest = f"the longest {int(longest_ns) / 1e6:.2f} ms"
    return f"{int(turns):,} turns in {minutes:g} minutes, {over} above {TURN_MOST_MS:g} ms, {longest}"


def watched(
    begin: Callable[[], Any], options: argparse.Namespace, setting: Setting, folder: Path
) -> tuple[dict[str, Any], Checks, Samples, list[Any]]:
    """As `measured`, under a witness; of each long turn also what it took and did not stand still for, ns."""
    with Witness(ENGINE_CPU, folder) as witness:
        facts, found, samples, long_turns = measured(begin, options, setting)
    turns = [(at_s, ns) for at_s, ns in long_turns["newest"] if at_s >= options.warm_up]
    ends_ns = [long_turns["began_ns"] + round(at_s * 1e9) for at_s, _ in turns]
    times = [(end_ns - ns, end_ns) for (_, ns), end_ns in zip(turns, ends_ns, strict=True)]
    try:
        interrupts = witness.seen(times)
    except WitnessError as error:  # all else was measured
        facts["long turns, less what they stood still for"] = f"not known: {error}"
        return facts, found, samples, turns
    own = [ns - stood_still_ns(interrupts, *time) for (_, ns), time in zip(turns, times, strict=True)]
    facts["long turns, less what they stood still for"] = (
        f"{sum(ns > TURN_MOST_MS * 1e6 for ns in own)} of {len(own)} above {TURN_MOST_MS:g} ms, "
        f"{max(own, default=0) / 1e6:.2f} ms at most"
    )
    return facts, found, samples, [(*turn, own_ns) for turn, own_ns in zip(turns, own, strict=True)]


def judge(
    starts: list[tuple[float, float]], samples: Samples, summary: dict[str, Any], warm_up_s: float
) -> Checks:
    """Each bar with whether it was met and what was found."""
    slow = [(ns / 1e6, at_s) for at_s, ns in summary["long_turns"]["newest"] if at_s >= warm_up_s]
    worst_ms, worst_at_s = max(slow, default=(0.0, 0.0))
    growth, (fewest, most) = samples.growth_mb(), samples.descriptors()
    at_first, at_last = samples.usual_descriptors()
    slowest_s = max((wall_s for wall_s, _ in starts), default=0.0)
    return {
        f"ready in less than {READY_MOST_S:g} s": (slowest_s < READY_MOST_S, f"{slowest_s:.2f} s at most"),
        f"no turn above {TURN_MOST_MS:g} ms of processor time": (
            worst_ms <= TURN_MOST_MS,
            f"{len(slow)} above; the longest {worst_ms:.2f} ms, {worst_at_s:.0f} s in" if slow else "none",
        ),
        "garbage collections while trading": (summary["gc_collections"] == 0, summary["gc_collections"]),
        f"memory grew after the warm-up by less than {GROWTH_MOST_MB:g} MB": (
            growth < GROWTH_MOST_MB,
            f"{growth:.2f} MB",
        ),
        # A question to the venue may open a connection for a moment.
        "file descriptors constant": (
            most - fewest <= PASSING_FILES and at_first == at_last,
            f"{at_first} after the warm-up, {at_last} at the end, {fewest} to {most}",
        ),
    }


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python benchmarks/pauses.py", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--rate", type=float, default=20_000, help="messages a second, all connections together"
    )
    parser.add_argument("--symbols", type=int, default=20, help="ten of them share a connection")
    parser.add_argument("--orders", type=float, default=4, help="orders that are asked for a second")
    parser.add_argument("--starts", type=int, default=5, help="starts that are timed")
    parser.add_argument(
        "--warm-up",
        type=float,
        default=120.0,
        help="seconds that do not count: what the start asks of the venue leaves connections for 75 s; half the run at most",
    )
    parser.add_argument(
        "--floor-minutes", type=float, default=0.0, help="how long each of the two floors is measured"
    )
    parser.add_argument("--witness", action="store_true", help="tell what long turns stood still for")
    parser.add_argument("--tape-mb", type=int, default=1024, help="run.tape_budget_mb of the daemon")
    parser.add_argument(
        "--no-pin", action="store_true", help="leave cores and priorities to the operating system"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.minutes <= 0 or options.rate <= 0 or not 1 <= options.symbols <= 500 or options.starts < 0:
        parser.error("--minutes and --rate are above 0, --symbols from 1 to 500, --starts from 0")
    if options.witness and options.no_pin:
        parser.error("--witness watches one core: not with --no-pin")
    options.warm_up = min(options.warm_up, options.minutes * 30)
    return options


def run() -> bool:
    """Carry it out; whether every promise was kept."""
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    tools = build()
    use_site(tools)
    header = machine()
    setting = Setting(options.symbols, tape_mb=options.tape_mb, pinned=may_pin(options))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-pauses-")))
        begin = stack.enter_context(stage(folder, tools, setting))
        if options.witness:
            facts, found, samples, long_turns = watched(begin, options, setting, folder)
        else:
            facts, found, samples, told = measured(begin, options, setting)
            long_turns = told["newest"]
    if options.floor_minutes > 0:
        for name, both in (("", False), (", the other core busy", True)):
            facts[f"a loop that only looks at the clock{name}"] = floor(
                tools, options.floor_minutes, setting.pinned, both
            )
    sys.stdout.write(report("Pauses", facts, found))
    if options.json is not None:
        document = {
            "machine": header,
            "facts": facts,
            "promises": found,
            "samples": samples.rows,
            "long": long_turns,
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return all(kept for kept, _ in found.values())


def main() -> None:
    """Entry point."""
    try:
        raise SystemExit(0 if run() else 1)
    except WitnessError as error:
        raise SystemExit(f"pauses: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
