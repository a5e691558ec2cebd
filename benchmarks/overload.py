"""The real daemon in a flood of market data: all of it taken in and right, or conflated, counted and right again.

    python benchmarks/overload.py                        # 200,000 messages/s for 60 s: none may be left out
    python benchmarks/overload.py --factor 2             # first what it can take, then twice that

Gate, journal and tape are on and a compiled strategy trades; the generator is a process of its own and sends by an open
schedule (tick_to_trade/flood.c): what the daemon does not read in time is sent late, with the time it was due at. Exit 1
where a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from benchmarks.flooding import (  # noqa: E402
    MIX,
    Checks,
    Sent,
    Session,
    Setting,
    Totals,
    book_check,
    is_live,
    journal_check,
    may_pin,
    order_checks,
    replay_check,
    report,
    stage,
)
from benchmarks.tick_to_trade.build import build  # noqa: E402
from benchmarks.tick_to_trade.run import use_site  # noqa: E402
from engine.microbench import machine  # noqa: E402
from tests.e2e.live_run import read_status  # noqa: E402

LATE_MOST_S = 0.5
PROBE_S, PROBE_RATE = 2.0, 2_000_000.0
CALM_S, CALM_RATE = 5.0, 20_000.0


def send(
    session: Session,
    options: argparse.Namespace,
    seconds: float,
    rate: float,
    look: Callable[[], None] | None = None,
) -> Sent:
    """One flood, with a bar where there is a terminal; `look` is called once a second."""
    with Progress(disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"{rate:,.0f} messages/s", total=seconds * rate)

        def each(sent: int, lag_ms: int) -> None:
            progress.update(task, completed=sent)
            if look is not None:
                look()

        return session.flood.send(seconds, rate, options.orders, each)


def setting_of(options: argparse.Namespace, run: str = "", metronome: bool = False) -> Setting:
    """What the command line asks for."""
    return Setting(options.symbols, options.spin, options.tape_mb, may_pin(options), run, metronome)


def facts_of(sent: Sent, summary: dict[str, Any], setting: Setting) -> dict[str, Any]:
    """What was sent, and what it cost."""
    latency = summary["latency_us"]
    return {
        "mix": f"{MIX}; {setting.symbols} symbols over {setting.connections} connections, "
        f"{sent.bytes / sent.frames:.0f} bytes a frame",
        "messages": f"{sent.frames:,} in {sent.seconds:.2f} s: {sent.frames / sent.seconds:,.0f}/s",
        "most a frame was late, ms": sent.lag_max_ms,
        "conflated": f"{summary['conflated']:,}",
        "frame to core's answer, us": f"p50 {latency['frame']['p50']:.2f}, p99 {latency['frame']['p99']:.2f}",
        "memory of the daemon at most, MB": summary["rss_anon_mb_max"],
    }


def check_all(sent: Sent, totals: Totals, summary: dict[str, Any], rate: float, seconds: float) -> Checks:
    """The promises where nothing is too much."""
    books = summary["books"].values()
    taken = summary["messages"]
    applied = sum(book["deltas"] for book in books)
    malformed = sum(n for name, n in summary["counters"].items() if name.startswith("malformed"))
    odd = sum(book["holes"] + book["damages"] for book in books)
    return {
        f"{rate:,.0f} messages/s for {seconds:g} s": (
            sent.seconds <= seconds + LATE_MOST_S,
            f"{sent.frames:,} in {sent.seconds:.2f} s",
        ),
        "every message decoded": (
            taken == totals.frames + totals.told and not malformed,
            f"{taken:,} of {totals.frames + totals.told:,}",
        ),
        "every book delta applied": (applied == sent.depths and not odd, f"{applied:,} of {sent.depths:,}"),
        "conflated": (summary["conflated"] == 0, summary["conflated"]),
        "every frame that asks for an order got one": (totals.marked == totals.orders, totals.marked),
        **book_check(summary, totals),
        **order_checks(summary, totals),
    }


def sustained(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Any], Checks]:
    """A rate that is to be taken in whole."""
    setting = setting_of(options)
    with stage(folder, build(), setting) as begin, begin() as session:
        sent = send(session, options, options.seconds, options.rate)
        session.settle(session.flood.totals().frames)
        summary, totals = session.finish()
        found = check_all(sent, totals, summary, options.rate, options.seconds)
        found |= journal_check(session.core.place.path)
    return facts_of(sent, summary, setting), found


def capacity(folder: Path, options: argparse.Namespace) -> float:
    """Messages a second that it takes where more than it can take are sent, and nothing is left out."""
    setting = setting_of(options, run="conflate_lag_ms = 0")
    with stage(folder, build(), setting) as begin, begin() as session:
        sent = send(session, options, PROBE_S, PROBE_RATE)
        session.settle(session.flood.totals().frames)
        session.finish()
    return sent.frames / sent.seconds


def overloaded(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Any], Checks]:
    """More than it can take; then little again, without a restart."""
    (folder / "capacity").mkdir()
    most = capacity(folder / "capacity", options)
    setting = setting_of(options, metronome=True)
    seen: set[str] = set()
    with stage(folder, build(), setting) as begin, begin() as session:

        def look() -> None:
            status = read_status(session.core.place)
            if status is not None:
                seen.update(book.trust for book in status.books)

        sent = send(session, options, options.seconds, options.factor * most, look)
        session.settle(session.flood.totals().frames)
        loud = session.flood.totals()
        left_out = sum(feed.conflated for feed in session.core.wait_until(is_live).feeds)
        calm = send(session, options, CALM_S, CALM_RATE)
        session.settle(session.flood.totals().frames)
        summary, totals = session.finish()
        found = check_overload(summary, loud, totals, left_out)
        found |= {
            "the books were STALE meanwhile": ("STALE" in seen, ", ".join(sorted(seen))),
            **journal_check(session.core.place.path),
            **replay_check(session.core.place.path),
        }
    facts = {
        "what it takes": f"{most:,.0f} messages/s",
        "sent": f"{options.factor:g} times that, {options.factor * most:,.0f} messages/s, for {options.seconds:g} s",
        **facts_of(sent, summary, setting),
        "then": f"{calm.frames:,} messages in {calm.seconds:.2f} s",
        "denied": summary["denied"],
        "times that frames were left out": summary["counters"].get("mexc.conflations", 0),
    }
    return facts, found


def check_overload(summary: dict[str, Any], loud: Totals, totals: Totals, left_out: int) -> Checks:
    """The promises where it is too much: `loud` as of the end of the flood, when so many frames had been left out."""
    taken, conflated = summary["messages"], summary["conflated"]
    sent = totals.frames + totals.told
    return {
        "conflated, and counted": (
            taken + conflated == sent and conflated > 0,
            f"{taken:,} taken in and {conflated:,} left out of {sent:,}",
        ),
        "the gate refused as the feed lagged": (
            summary["denied"].get("FEED_LAGGING", 0) > 0,
            summary["denied"].get("FEED_LAGGING", 0),
        ),
        "afterwards nothing more was left out": (conflated == left_out, conflated - left_out),
        "afterwards every frame that asks for an order got one": (
            totals.marked - loud.marked > 0 and totals.orders - loud.orders >= totals.marked - loud.marked,
            f"{totals.marked - loud.marked} asked",
        ),
        **book_check(summary, totals),
        **order_checks(summary, totals),
    }


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python benchmarks/overload.py", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument(
        "--rate", type=float, default=200_000, help="messages a second, all connections together"
    )
    parser.add_argument(
        "--factor", type=float, default=0.0, help="send this times what it can take, instead of --rate"
    )
    parser.add_argument("--symbols", type=int, default=20, help="ten of them share a connection")
    parser.add_argument("--orders", type=float, default=20, help="orders that are asked for a second")
    parser.add_argument("--spin", action="store_true", help="run.spin of the daemon")
    parser.add_argument("--tape-mb", type=int, default=1024, help="run.tape_budget_mb of the daemon")
    parser.add_argument(
        "--no-pin", action="store_true", help="leave cores and priorities to the operating system"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="a new directory for the runs, which stays")
    options = parser.parse_args()
    if options.seconds <= 0 or options.rate <= 0 or not 1 <= options.symbols <= 500:
        parser.error("--seconds and --rate are above 0, --symbols from 1 to 500")
    return options


def run() -> bool:
    """Carry it out; whether every promise was kept."""
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    use_site(build())
    header = machine()
    with contextlib.ExitStack() as stack:
        if options.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-overload-")))
        else:
            options.keep.mkdir(parents=True)
            folder = options.keep.resolve()
        facts, found = (overloaded if options.factor else sustained)(folder, options)
    sys.stdout.write(report("Overload", facts, found))
    if options.json is not None:
        document = {"machine": header, "facts": facts, "promises": found}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return all(kept for kept, _ in found.values())


def main() -> None:
    """Entry point."""
    try:
        raise SystemExit(0 if run() else 1)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
