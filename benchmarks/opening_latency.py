"""From the frame that shows a symbol open to the first order bytes on the venue's socket, over loopback TLS.

    python benchmarks/opening_latency.py [--listings 60] [--json FILE]

The real daemon with `ready_state` armed, the local venue that lists and opens symbols, and between them a TLS relay in a
process of its own (benchmarks/tls_relay.py), which notes when bytes pass. The frame that shows a symbol open is the first
after which its book, rebuilt here from the bytes themselves, has two sides. Bars (must): p50 300 µs, p99 1 ms. With few
openings the 99th percentile is the slowest of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from adapters.mexc.schema import PushDataV3ApiWrapper  # noqa: E402
from engine.microbench import machine, percentile  # noqa: E402
from tests.e2e.live_run import VenueProcess, make_run  # noqa: E402

FIRST_OPEN_S, EVERY_S, LIFE_S = 16.0, 1.0, 4.0
BARS_NS = {"p50": 300_000, "p99": 1_000_000}
STAGES = ("decode", "core", "journal", "frame", "send")
_ORDER = re.compile(rb"POST /api/v3/order\?\S*?symbol=([A-Z0-9]+)")

VENUE = """
symbols = ["BTCUSDT"]
mini_tickers_ms = 1000

[limits]
rest_weight_per_10s = 100000
connections = 1000
"""
LISTING = """
[[listings]]
symbol = "{symbol}"
base = "{base}"
price_decimals = 4
size_decimals = 2
start_price = "2.5"
typical_size = "500"
band = "0.2"
announce_s = 0.5
web_s = 1
list_s = 2
ready_s = 3
api_s = 4
open_s = {open_s}
delist_s = {delist_s}
opening = {{ one_sided_ms = 0, spread_times = 1, run_ppm = 0 }}
"""
RUN = """
symbols = ["BTCUSDT"]
[adapter]
rest_url = "https://127.0.0.1:{port}"
ws_url = "wss://127.0.0.1:{port}/ws"
ca_file = "{ca_file}"
api_key_env = "PENSTOCK_E2E_KEY"
api_secret_env = "PENSTOCK_E2E_SECRET"
weight_per_10s = 100000
[adapter.listings]
enabled = true
calendar_interval_s = 1
web_interval_s = 1
exchange_info_interval_s = 1
near_interval_s = 0.5
futures = false
calm_s = 0.3
[venue]
embedded = false
[risk]
price_collar_bps = 3000
max_slippage_bps = 1000
max_volatility_bps = 100000
max_orders_per_window = 1000
max_gross_exposure = "100000"
max_net_exposure = "100000"
[run]
spin = {spin}
[[strategy]]
name = "ready_state"
[strategy.params]
watch_lead_s = 600
arm_lead_s = 10
baseline_s = 1
max_watched = 48
max_concurrent_trades = 1000
late_window_s = 10
hold_s = 1
keep_finished_s = 5
"""


def websocket_messages(stream: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Binary messages of a server's side of a websocket with the time their last byte left; HTTP before it is skipped."""
    data, ends = bytearray(), []
    for moment_ns, chunk in stream:
        data += chunk
        ends.append((len(data), moment_ns))
    at = data.find(b"\r\n\r\n") + 4
    which = 0
    while at + 2 <= len(data):
        opcode, length, head = data[at] & 15, data[at + 1] & 127, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        end = at + head + length
        while which < len(ends) and ends[which][0] < end:
            which += 1
        if which == len(ends):
            return
        if opcode == 2:
            yield ends[which][1], bytes(data[at + head : end])
        at = end


def shown_open(notes: list[tuple[int, str, int, bytes]]) -> dict[str, int]:
    """Symbol -> when the frame left after which its book has two sides."""
    streams: dict[int, list[tuple[int, bytes]]] = {}
    for number, direction, moment_ns, chunk in notes:
        if direction == "out":
            streams.setdefault(number, []).append((moment_ns, chunk))
    found: dict[str, int] = {}
    for stream in streams.values():
        if not stream[0][1].startswith(b"HTTP/1.1 101"):
            continue
        sides: dict[str, list[set[str]]] = {}
        for moment_ns, message in websocket_messages(stream):
            push = PushDataV3ApiWrapper.FromString(message)
            if not push.HasField("publicAggreDepths") or push.symbol in found:
                continue
            book = sides.setdefault(push.symbol, [set(), set()])
            for side, levels in zip(
                book, (push.publicAggreDepths.asks, push.publicAggreDepths.bids), strict=True
            ):
                for level in levels:
                    (side.add if float(level.quantity) else side.discard)(level.price)
            if all(book):
                found[push.symbol] = moment_ns
    return found


def first_orders(notes: list[tuple[int, str, int, bytes]]) -> dict[str, int]:
    """Symbol -> when the first bytes of its first order were there."""
    found: dict[str, int] = {}
    for _, direction, moment_ns, chunk in notes:
        for match in _ORDER.finditer(chunk) if direction == "in" else ():
            found.setdefault(match[1].decode(), moment_ns)
    return found


def pin(pid: int, core: int, priority: int) -> None:
    """A core and, above 0, a real-time priority for a process and its threads; needs root."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})
        if priority:
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(priority))


def play(
    folder: Path, listings: int, spin: bool, priority: bool
) -> tuple[list[tuple[int, str, int, bytes]], dict[str, Any]]:
    """One run with so many openings; the relay's notes, and what the daemon itself measured of all its frames."""
    text = VENUE
    for number in range(listings):
        opens_s = FIRST_OPEN_S + EVERY_S * number
        base = f"NEW{number}"
        text += LISTING.format(symbol=f"{base}USDT", base=base, open_s=opens_s, delist_s=opens_s + LIFE_S)
    with VenueProcess(folder, symbols="BTCUSDT", settings=text) as venue:
        notes_file = folder / "notes"
        command = [
            sys.executable,
            str(ROOT / "benchmarks" / "tls_relay.py"),
            venue.rest_url.rpartition(":")[2],
        ]
        relay = subprocess.Popen([*command, str(notes_file)], stdout=subprocess.PIPE)
        try:
            assert relay.stdout is not None
            facts = json.loads(relay.stdout.readline())
            config = RUN.format(port=facts["port"], ca_file=facts["ca_pem_path"], spin=str(spin).lower())
            core = venue.core(make_run(folder / "run", config))
            if priority:
                # A process that spins with real-time priority would starve what else its core has to do.
                pin(core.process.pid, 1, 0 if spin else 40)
                pin(relay.pid, 0, 41)
                pin(int(venue.facts["pid"]), 0, 39)
            deadline = time.monotonic() + FIRST_OPEN_S + EVERY_S * listings + 2
            while time.monotonic() < deadline:
                assert core.process.poll() is None, core.output()
                time.sleep(0.5)
            core.end()
            stages = json.loads(core.place.summary_file.read_text())["latency_us"]
        finally:
            relay.send_signal(signal.SIGTERM)
            relay.wait(60)
    notes = msgspec.msgpack.decode(notes_file.read_bytes(), type=list[tuple[int, str, int, bytes]])
    return notes, {name: stages[name] for name in STAGES if name in stages}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python benchmarks/opening_latency.py", description=__doc__)
    parser.add_argument("--listings", type=int, default=60)
    parser.add_argument(
        "--spin", action="store_true", help="poll after each packet instead of sleeping (run.spin)"
    )
    parser.add_argument(
        "--priority", action="store_true",
        help="real-time priority and a core of its own for the daemon, as a machine for trading has it",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    header = machine()
    with tempfile.TemporaryDirectory(prefix="penstock-opening-") as name:
        notes, stages = play(Path(name), options.listings, options.spin, options.priority)
    opened, ordered = shown_open(notes), first_orders(notes)
    waits = sorted(ordered[symbol] - opened[symbol] for symbol in ordered if symbol in opened)
    result: dict[str, Any] = {"listings": options.listings, "opened": len(opened), "ordered": len(ordered)}
    result |= {"before the frame": sum(wait < 0 for wait in waits)}
    reactions = [float(wait) for wait in waits if wait >= 0]
    if reactions:
        result |= {
            f"{share}_us": percentile(reactions, at) / 1000
            for share, at in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        }
        result |= {"max_us": reactions[-1] / 1000}
    result |= {"spin": options.spin, "priority": options.priority, "stages_us": stages, **header}
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    met = bool(reactions) and all(
        percentile(reactions, {"p50": 0.5, "p99": 0.99}[k]) <= v for k, v in BARS_NS.items()
    )
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
