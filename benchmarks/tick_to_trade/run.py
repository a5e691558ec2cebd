"""From wire to wire: a depth frame in, the signed order's bytes out on another socket, beside a floor in C.

    python benchmarks/tick_to_trade/run.py [--mode blocking|spin] [--tls] [--strategy compiled|python] [--rounds 9]

The daemon is the real one, with gate, journal and tape. Load generator and sink are a process of their own (load.c); the
floor (floor.c) does the same work with the engine's own parse, book and request headers. Each round runs the floor, then
the daemon, over the same frames; a ratio is that of the medians over the rounds. Exit 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from benchmarks.tick_to_trade.build import Tools, build  # noqa: E402
from benchmarks.tick_to_trade.frames import Shape, write_frames  # noqa: E402
from benchmarks.tick_to_trade.processes import (  # noqa: E402
    ENGINE_NICE,
    ENGINE_PRIORITY,
    PEERS,
    Bench,
    Load,
    Setting,
    favoured_session,
)
from engine.microbench import machine, percentile  # noqa: E402

SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
# The ratio to the floor, by strategy and mode (must).
BARS: dict[tuple[str, str], dict[str, float]] = {
    ("compiled", "blocking"): {"p50": 1.2, "p99": 1.4},
    ("compiled", "spin"): {"p50": 1.25, "p99": 1.4},
    ("python", "spin"): {"p50": 1.5},
}
STRETCH = 1.15
PEER_NAMES = ("websockets", "nautilus")
WARM_UP_FRAMES = 400

Subject = Callable[[], AbstractContextManager[Load]]


def measure(subject: Subject, frames: int, rate: float) -> list[int]:
    """One round of one engine: warmed up, then timed; the latencies in ns."""
    with subject() as load:
        load.send(WARM_UP_FRAMES, rate)
        burst = load.send(frames, rate)
    if burst.missed:
        raise RuntimeError(f"{burst.missed} frames that are to cause an order caused none")
    return burst.latencies_ns


def summary(samples: list[int]) -> dict[str, float]:
    """Percentiles of one round, µs."""
    return {name: percentile(samples, share) / 1000 for name, share in SHARES.items()}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The median of each percentile over the rounds."""
    return {name: percentile([each[name] for each in rounds], 0.5) for name in SHARES}


def play(
    subjects: dict[str, Subject], rounds: int, frames: int, rate: float
) -> dict[str, list[dict[str, float]]]:
    """All subjects in turn, so many times."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name, subject in subjects.items():
            samples = measure(subject, frames, rate)
            results[name].append(summary(samples))
            text = "  ".join(f"{share} {value:8.1f}" for share, value in results[name][-1].items())
            sys.stdout.write(f"round {number + 1}  {name:12} {text} us  ({len(samples)} orders)\n")
            sys.stdout.flush()
    return results


def judge(results: dict[str, list[dict[str, float]]], bars: dict[str, float]) -> list[dict[str, Any]]:
    """A row for each engine: medians, their ratios to the floor's, for the daemon whether its bars are met, and the quietest
    round, which says what the neighbours were good for."""
    lowest = medians(results["floor"])
    rows: list[dict[str, Any]] = []
    for name, rounds in results.items():
        middle = medians(rounds)
        ratios = {share: middle[share] / lowest[share] for share in SHARES}
        limits = bars if name == "daemon" else {}
        met = {share: ratios[share] <= limit for share, limit in limits.items()}
        rows.append(
            {
                "engine": name,
                "us": middle,
                "ratio": ratios,
                "bars": limits,
                "met": met,
                "quietest": min(rounds, key=lambda each: each["p50"]),
                "rounds": rounds,
            }
        )
    return rows


def tell(rows: list[dict[str, Any]], out: Any = sys.stdout) -> None:
    """The table of medians."""
    out.write(
        f"\n{'engine':12} {'p50 us':>9} {'p90 us':>9} {'p99 us':>9}   {'p50 x':>6} {'p99 x':>6}   "
        f"{'quietest: p50':>13} {'p99':>8}   bars\n"
    )
    for row in rows:
        us, ratio, quiet = row["us"], row["ratio"], row["quietest"]
        bars = "  ".join(
            f"{share} <= {limit:g}: {'met' if row['met'][share] else 'MISSED'}"
            + (f" (stretch {STRETCH:g})" if ratio[share] <= STRETCH else "")
            for share, limit in row["bars"].items()
        )
        out.write(
            f"{row['engine']:12} {us['p50']:9.1f} {us['p90']:9.1f} {us['p99']:9.1f}   "
            f"{ratio['p50']:6.2f} {ratio['p99']:6.2f}   {quiet['p50']:13.1f} {quiet['p99']:8.1f}   {bars}\n"
        )


def use_site(tools: Tools) -> None:
    """Have this process and those it starts find the strategies."""
    sys.path.append(str(tools.site))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(tools.site), os.environ.get("PYTHONPATH", "")])
    )


def priority(setting: Setting) -> str:
    """How the engine is favoured, in words."""
    if not setting.pinned or os.geteuid() != 0:
        return "none"
    return f"nice {ENGINE_NICE}" if setting.spin else f"SCHED_FIFO {ENGINE_PRIORITY}"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python benchmarks/tick_to_trade/run.py", description=__doc__)
    parser.add_argument("--mode", choices=("blocking", "spin"), default="blocking")
    parser.add_argument("--strategy", choices=("compiled", "python"), default="compiled")
    parser.add_argument("--tls", action="store_true", help="TLS on all connections")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--floor-later",
        action="store_true",
        help="beside it the floor with frames acknowledged after their orders, as the daemon does; for information",
    )
    parser.add_argument("--frames", type=int, default=6_000, help="frames that are timed in a round")
    parser.add_argument("--rate", type=float, default=2_000, help="frames per second")
    parser.add_argument(
        "--levels", type=int, default=2, help="levels that a frame changes, both sides together"
    )
    # Linux acknowledges every second frame within its read: with an odd number both kinds have orders.
    parser.add_argument("--order-every", type=int, default=7, help="on which frames an order follows")
    parser.add_argument("--peers", action="store_true", help="the peers, too (make peers)")
    parser.add_argument(
        "--no-pin", action="store_true", help="leave cores and priorities to the operating system"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.levels < 2:
        parser.error("a frame changes at least two levels")
    return options


def main() -> None:
    """Entry point."""
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    tools = build()
    if options.tls and not tools.has_tls:
        sys.exit("the TLS floor is left out: OpenSSL's headers are missing (apt-get install libssl-dev)")
    use_site(tools)
    may_pin = not options.no_pin and (os.cpu_count() or 1) > 1
    setting = Setting(options.mode == "spin", options.tls, options.strategy, may_pin)
    header = machine() | {"pinned": may_pin, "priority": priority(setting)}
    sys.stdout.write(json.dumps(header) + "\n")
    favour = favoured_session() if may_pin else contextlib.nullcontext()
    with tempfile.TemporaryDirectory(prefix="penstock-wire-") as name, favour:
        folder = Path(name)
        write_frames(
            folder / "frames", Shape(options.levels, options.order_every), WARM_UP_FRAMES + options.frames
        )
        bench = Bench(tools, folder, folder / "frames", setting)
        try:
            subjects: dict[str, Subject] = {"floor": bench.floor, "daemon": bench.daemon}
            if options.floor_later:
                subjects["floor, later"] = lambda: bench.floor("later")
            for peer in PEER_NAMES if options.peers else ():
                if (PEERS / f".venv-{peer}").is_dir():
                    subjects[peer] = lambda peer=peer: bench.peer(peer)  # type: ignore[misc]
                else:
                    sys.stdout.write(f"{peer}: no environment; make peers\n")
            results = play(subjects, options.rounds, options.frames, options.rate)
        finally:
            bench.close()
    rows = judge(results, BARS.get((options.strategy, options.mode), {}))
    tell(rows)
    if options.json is not None:
        document = {"options": {k: str(v) for k, v in vars(options).items()}, "machine": header, "rows": rows,
                    "stages_us": bench.stages}  # fmt: skip
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    raise SystemExit(0 if all(all(row["met"].values()) for row in rows) else 1)


if __name__ == "__main__":
    main()
