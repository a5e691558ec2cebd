"""The daemon in a flood of market data: what benchmarks/overload.py and benchmarks/pauses.py have in common.

The real daemon, with gate, journal and tape, a compiled strategy that trades a little, and the load generator
(tick_to_trade/flood.c) in a process of its own. At the end the daemon's books are held against the generator's.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from benchmarks.tick_to_trade.build import Tools  # noqa: E402
from benchmarks.tick_to_trade.processes import (  # noqa: E402
    ENGINE_CPU,
    ENGINE_NICE,
    ENGINE_PRIORITY,
    LOAD_CPU,
    LOAD_NICE,
    READY_S,
    WIDE_RISK,
    Generator,
    place,
)
from native.order_book import OrderBook  # noqa: E402
from tests.e2e.live_run import CoreProcess, VenueProcess, make_run  # noqa: E402

CHANNELS_PER_SYMBOL, PRIVATE_CHANNELS, SYMBOLS_PER_CONNECTION = 3, 3, 10
SETTLE_S = 120.0
MIX = "70 % book deltas of 2 levels, 25 % of 20 levels, 5 % trades"

VENUE = """
[seeded]
maker_rate_hz = 0
taker_rate_hz = 0
warm_up_steps = 0
levels = 1
[limits]
rest_weight_per_10s = 1000000
connections = 1000
"""
LISTED = """
[[listed]]
symbol = "{symbol}"
base = "{base}"
price_decimals = 2
size_decimals = 8
min_size = "0.000001"
start_price = "50000"
typical_size = "0.02"
"""
# Tape and journal are always on.
RUN = """
symbols = [{symbols}]
[run]
spin = {spin}
tape_budget_mb = {tape_mb}
{run}
[adapter]
rest_url = "http://127.0.0.1:{port}"
ws_url = "ws://127.0.0.1:{port}/ws"
api_key_env = "PENSTOCK_E2E_KEY"
api_secret_env = "PENSTOCK_E2E_SECRET"
weight_per_10s = 100000
[venue]
embedded = false
{risk}max_volatility_bps = 100000
[[strategy]]
name = "marker_compiled"
{strategy}
"""
METRONOME = """
[[strategy]]
name = "metronome"
"""


@dataclass(frozen=True)
class Setting:
    """What a flood is made under: symbols, the daemon's wait, its tape's budget, further lines of [run], a second strategy.

    `pinned`: generator and daemon have a core each and, as root, priority there (tick_to_trade).
    """

    symbols: int
    spin: bool = False
    tape_mb: int = 1024
    pinned: bool = False
    run: str = ""
    metronome: bool = False

    @property
    def names(self) -> list[str]:
        """The symbols."""
        return [f"Q{number:03d}USDT" for number in range(self.symbols)]

    @property
    def connections(self) -> int:
        """How many market connections the adapter opens for them."""
        return -(-self.symbols // SYMBOLS_PER_CONNECTION)


@dataclass(frozen=True)
class Sent:
    """What the generator sent in one flood, as flood.c tells it."""

    frames: int
    depths: int
    trades: int
    bytes: int
    ns: int
    lag_max_ms: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ns / 1e9


@dataclass(frozen=True)
class Totals:
    """Since the generator's start: frames of the market, those that asked for an order, frames of the private feed, orders
    that came, and orders that no frame asked for; of each symbol the version and the hash of its levels."""

    frames: int
    marked: int
    told: int
    orders: int
    strange: int
    books: dict[str, tuple[int, str]]


class Flood(Generator):
    """The generator."""

    def __init__(self, tools: Tools, setting: Setting, venue_port: int) -> None:
        super().__init__([str(tools.flood), ",".join(setting.names), str(venue_port)])

    def send(
        self, seconds: float, rate: float, orders_per_s: float, each: Callable[[int, int], None]
    ) -> Sent:
        """One flood; `each(sent, lag_ms)` is called once a second."""
        self.ask(f"flood {seconds} {rate} {orders_per_s}")
        facts: list[int] = []
        while (line := self.line()) != "done":
            what, *numbers = line.split()
            if what == "progress":
                each(int(numbers[0]), int(numbers[1]))
            elif what == "sent":
                facts = [int(number) for number in numbers]
        return Sent(*facts)

    def totals(self) -> Totals:
        """All of it so far; books as a run's summary has them."""
        self.ask("books")
        counts = list(map(int, self.line().split()[1:]))
        books: dict[str, tuple[int, str]] = {}
        name, version, book = "", 0, OrderBook()
        while True:
            what, *rest = self.line().split()
            if what == "level":
                side, ticks, lots = map(int, rest)
                book.set(side, ticks, lots)
                continue
            if name:
                books[name] = version, hashlib.sha256(book.canonical_bytes()).hexdigest()
            if what == "done":
                return Totals(*counts, books)
            name, version, book = rest[0], int(rest[1]), OrderBook()


def may_pin(options: argparse.Namespace) -> bool:
    """Whether cores and priorities are given: there is more than one core, and nobody said no."""
    return not options.no_pin and (os.cpu_count() or 1) > 1


def is_live(status: Any) -> bool:
    """All books are LIVE, feeds are up, venue and core agree."""
    return bool(status.books) and all(book.trust == "LIVE" for book in status.books) and status.health == "ok"


@dataclass
class Session:
    """A daemon that is live, and the generator it hears."""

    flood: Flood
    core: CoreProcess
    ready_s: float  # from the start of its process until it was live

    def settle(self, frames: int) -> None:
        """Wait until it has taken so many frames of the market in, and is live."""
        self.core.wait_until(
            lambda status: (
                is_live(status)
                and sum(feed.messages for feed in status.feeds if feed.name.startswith("market")) >= frames
            ),
            SETTLE_S,
        )

    def finish(self) -> tuple[dict[str, Any], Totals]:
        """End it in order; its summary, and what the generator has of it then: it may trade until its end."""
        code = self.core.end()
        if code != 0:
            raise RuntimeError(f"the daemon ended with code {code}:\n{self.core.output()[-4000:]}")
        summary: dict[str, Any] = json.loads(self.core.place.summary_file.read_text())
        return summary, self.flood.totals()


@contextlib.contextmanager
def stage(folder: Path, tools: Tools, setting: Setting) -> Iterator[Callable[[], Any]]:
    """The venue; what is yielded starts a session on it, as a context: as often as wanted, one at a time."""
    listed = "".join(LISTED.format(symbol=name, base=name[:-4]) for name in setting.names)
    numbers = iter(range(1000))
    with VenueProcess(folder, symbols=",".join(setting.names), settings=VENUE + listed) as venue:

        @contextlib.contextmanager
        def session() -> Iterator[Session]:
            flood = Flood(tools, setting, int(venue.rest_url.rpartition(":")[2]))
            try:
                symbols = ", ".join(f'"{name}"' for name in setting.names)
                text = RUN.format(
                    risk=WIDE_RISK, symbols=symbols, spin=str(setting.spin).lower(), tape_mb=setting.tape_mb, port=flood.port,
                    run=setting.run, strategy=METRONOME if setting.metronome else "",
                )  # fmt: skip
                where = make_run(folder / f"run-{next(numbers)}", text)
                began = time.monotonic()
                core = venue.core(where)
                try:
                    flood.wait_subscribed(setting.symbols * CHANNELS_PER_SYMBOL + PRIVATE_CHANNELS)
                    core.wait_until(is_live, READY_S)
                    ready_s = time.monotonic() - began
                    if setting.pinned:
                        place(flood.process.pid, LOAD_CPU, LOAD_NICE)
                        # A process that spins with real-time priority would starve what else its core has to do.
                        priority = 0 if setting.spin else ENGINE_PRIORITY
                        place(core.process.pid, ENGINE_CPU, ENGINE_NICE, priority)
                    try:
                        yield Session(flood, core, ready_s)
                    except RuntimeError as error:
                        ended = f"ended with code {core.process.poll()}" if core.process.poll() else "runs"
                        raise RuntimeError(f"{error}; the daemon {ended}:\n{core.output()[-4000:]}") from None
                finally:
                    if core.process.poll() is None:
                        core.kill()
                    if os.environ.get("PENSTOCK_WIRE_LOG"):
                        sys.stderr.write(core.output())
            finally:
                flood.end()

        yield session


Checks = dict[str, tuple[bool, Any]]


def book_check(summary: dict[str, Any], totals: Totals) -> Checks:
    """Whether every book ended at the generator's version and levels."""
    wrong = [
        name
        for name, (version, digest) in totals.books.items()
        if (summary["books"][name]["version"], summary["books"][name]["sha256"]) != (version, digest)
    ]
    return {"final books equal the generator's": (not wrong, wrong or f"all {len(totals.books)}")}


def order_checks(summary: dict[str, Any], totals: Totals) -> Checks:
    """Whether every order is accounted for on both sides."""
    left = summary["open_orders"] + summary["unknown_orders"]
    return {
        "orders sent, all at the venue": (
            totals.orders == summary["orders_sent"] > 0,
            f"{summary['orders_sent']}, {totals.orders} there",
        ),
        "orders that no frame asked for": (totals.strange == 0, totals.strange),
        "orders open or unknown at the end": (left == 0, left),
    }


def journal_check(run: Path) -> Checks:
    """`penstock journal verify`."""
    ran = subprocess.run(
        [sys.executable, "-m", "engine.cli", "journal", "verify", str(run)],
        capture_output=True,
        text=True,
        cwd=run,
    )
    return {"the journal verifies": (ran.returncode == 0, (ran.stdout + ran.stderr).strip().splitlines()[-1])}


def replay_check(run: Path) -> Checks:
    """`penstock replay`: the tape with what was left out, through the same core. A tape cut to its budget has no beginning."""
    ran = subprocess.run(
        [sys.executable, "-m", "engine.cli", "replay", str(run)], capture_output=True, text=True, cwd=run
    )
    said = (ran.stdout + ran.stderr).strip().splitlines()[-1]
    return {"the run replays": (ran.returncode == 0 or "cut to its budget" in said, said)}


def report(title: str, facts: dict[str, Any], found: Checks) -> str:
    """A result as Markdown."""
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items()]
    lines += ["", "| promise | kept | found |", "|---|---|---|"]
    lines += [
        f"| {name} | {'yes' if kept else '**no**'} | {value} |" for name, (kept, value) in found.items()
    ]
    return "\n".join(lines) + "\n"
