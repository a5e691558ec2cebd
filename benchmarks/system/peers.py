"""The same work by Penstock and by its peers, each peer in an environment of its own (`make peers`), in turn.

Events per CPU-second of the core beside NautilusTrader's backtest engines; a depth frame into a book beside protobuf (upb)
with a book of dicts; a book's update beside hftbacktest's. A peer whose environment is missing has a row without a figure
that says so. From wire to wire they meet in `wire_peers`.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.micro.core import BATCH, Bench
from benchmarks.micro.market_data import BOOK_ROUNDS, SEED, SYMBOLS, depth_frame, updates
from benchmarks.program import missing, peer_figures, peer_python
from engine.microbench import CpuTime, Row, percentile, row, spread
from native.mexc_protobuf import Decoder, time_decode_into_book
from native.order_book import OrderBook, time_updates

TIMEOUT_S = 300.0
ROUNDS, QUICK_ROUNDS = 5, 1
EVENTS, FRAMES, UPDATES = 200_000, 4_000, 200_000
QUICK_SHARE = 100  # of these
BACKTEST = "backtest engine, quotes into a counter in Python; no journal, no gate on this path"
BOTH_BOOKS = "the exchange's and the strategy's book, and the queue of events; no decoding"


@dataclass(frozen=True, slots=True)
class Peer:
    """One measurement of a peer: its row, its environment, the program, what comes before the number of rounds, and after."""

    row: str
    environment: str
    script: str
    first: str
    last: tuple[str, ...] = ()
    note: str = ""


def against(ours: Row, unit: str, measure: Callable[[], float], peers: list[Peer], rounds: int) -> list[Row]:
    """Our row and those of the peers, so many rounds in turn; a peer's reference is ours, measured beside it."""
    present = [peer for peer in peers if peer_python(peer.environment)]
    own: list[float] = []
    theirs: dict[str, list[float]] = {peer.row: [] for peer in present}
    versions = {}
    for _ in range(rounds):
        own.append(measure())
        for peer in present:
            told = peer_figures(
                peer.environment, peer.script, peer.first, "1", *peer.last, timeout_s=TIMEOUT_S
            )
            theirs[peer.row] += told["samples"]
            versions[peer.row] = f"{told['version']}, Python {told['python']}"
    middle = percentile(own, 0.5)
    found = [ours | _figures(unit, own)]
    for peer in peers:
        if peer not in present:
            found.append(missing(peer.row, unit, peer.environment))
            continue
        samples = theirs[peer.row]
        found.append(
            row(
                peer.row, unit, percentile(samples, 0.5), "stretch", samples=samples, reference=(ours["name"], middle),
                cpu_ns=_figures(unit, samples)["cpu_ns"], note=f"{versions[peer.row]}: {peer.note}; {spread(samples)} {unit}",
            )
        )  # fmt: skip
    return found


def _figures(unit: str, samples: list[float]) -> dict[str, Any]:
    """A row's figures out of one sample a round."""
    made = row("", unit, percentile(samples, 0.5), "stretch", samples=samples)
    cpu_ns = 1e9 / made["value"] if "/" in unit else made["value"]
    return {key: made[key] for key in ("value", "p50", "p90", "p99")} | {"cpu_ns": cpu_ns}


def ours(name: str, unit: str, note: str) -> Row:
    """Our row before it is measured."""
    return row(name, unit, None, "stretch", note=note)


def run_core(events: int, rounds: int) -> list[Row]:
    """Quotes into a Python strategy that counts them."""
    batches = workload.batches(workload.quotes(events, workload.Stream()), BATCH)
    bench = Bench(workload.Counter, batches)
    peers = [
        Peer("nautilus_quotes", "nautilus", "nautilus_events.py", str(events), (), BACKTEST),
        Peer("nautilus2_quotes", "nautilus2", "nautilus2_events.py", str(events), (), BACKTEST),
    ]
    name, unit = "penstock_quotes", "events/CPU-s"
    mine = ours(name, unit, "gate and journal on, until the last record is on disk")
    return against(mine, unit, lambda: bench.round()[0], peers, rounds)


def run_depth(count: int, rounds: int, place: Path) -> list[Row]:
    """A frame of 20 levels, bytes to book."""
    rng = random.Random(SEED)
    frames = [depth_frame(20, i + 1, rng) for i in range(count)]
    file = place / "frames.json"
    file.write_text(json.dumps([each.hex() for each in frames]))

    decoder, book = Decoder(SYMBOLS), OrderBook()

    def measure() -> float:
        with CpuTime() as taken:
            time_decode_into_book(decoder, frames, book, count, 1)
        return taken.ns / count

    note = "protobuf (upb), float() of each price and size, a book of dicts"
    peer = Peer("upb_depth_20_levels", "websockets", "websockets_book.py", str(file), (), note)
    return against(
        ours("penstock_depth_20_levels", "ns", "into a book of integers"), "ns", measure, [peer], rounds
    )


def run_book(count: int, rounds: int, place: Path) -> list[Row]:
    """One level of a book set."""
    made = updates(count, random.Random(SEED))
    file = place / "updates.json"
    file.write_text(json.dumps(made))

    book = OrderBook()

    def measure() -> float:
        with CpuTime() as making:  # of the native copies, no round
            time_updates(book, made, count, 0)
        with CpuTime() as taken:
            time_updates(book, made, count, BOOK_ROUNDS)
        return (taken.ns - making.ns) / (BOOK_ROUNDS * count)

    peers = [
        Peer(f"hftbacktest_{kind}", "hftbacktest", "hftbacktest_book.py", str(file), (kind,), BOTH_BOOKS)
        for kind in ("hashmap", "vector")
    ]
    return against(ours("penstock_book_update", "ns", "one book, and no queue"), "ns", measure, peers, rounds)


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    rounds, share = (QUICK_ROUNDS, QUICK_SHARE) if quick else (ROUNDS, 1)
    with tempfile.TemporaryDirectory(prefix="penstock-peers-") as name:
        return [
            *run_core(EVENTS // share, rounds),
            *run_depth(FRAMES // share, rounds, Path(name)),
            *run_book(UPDATES // share, rounds, Path(name)),
        ]
