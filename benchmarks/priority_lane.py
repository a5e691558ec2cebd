"""From a cancel to its bytes on the venue's socket, an operator's and a strategy's, behind 200 queued frames of market data.

    python benchmarks/priority_lane.py [--rounds 200] [--strategy compiled|python] [--spin-ms 60000] [--json FILE]

The real daemon (`run.spin`; between the bursts it sleeps only with a small `--spin-ms`) with a quote a side open on four
symbols (`quoter`, compiled, or `market_maker`, in Python), the local venue, and between them a relay that now and then holds
the market feed back until 200 frames are queued. They are sent at once, a first one half a millisecond ahead, for a daemon
that sleeps, and right behind them a command over the
open control connection. Bar (must): p99 50 µs, of commands and strategy, with the compiled one.

`cancel_all`: from the command's arrival to the kernel's stamp of the first of its cancels in the venue's socket; the journal
says which cancels are the command's. It has arrived when the daemon's socket is readable, which the kernel tells root
(benchmarks/arrivals.py); otherwise the clock right before the system call that sends it stands for that. `since_before` is
from there in any case. `last`: to the stamp of the last order's cancel. The cancel of an
order whose own request is not answered yet has to wait for that, and is counted instead. A strategy's own cancels among the
same frames, `strategy`: from the clock that the compiled one reads when it decides, to the same stamp; `strategy_since_frame`:
from the clock read right before the frame that made it decide is taken in; `woken`: as this, of the frame ahead, behind which
nothing is queued.
`halt`, `reduce_only`: to the clock read right before the command's record is written, after which the gate refuses.
`alone`: a C program that has as much to do as the median command takes, and does it in the daemon's place once that has ended
(tick_to_trade/alone.c): what the machine itself makes of such a wait.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the tests' processes; the engine is the installed one

from benchmarks.arrivals import Arrivals  # noqa: E402
from benchmarks.tick_to_trade.build import Tools, build  # noqa: E402
from benchmarks.tick_to_trade.processes import (  # noqa: E402
    ENGINE_CPU,
    ENGINE_NICE,
    LOAD_CPU,
    favoured_session,
    place,
)
from benchmarks.tick_to_trade.run import use_site  # noqa: E402
from benchmarks.tls_relay import READ_BYTES, SO_TIMESTAMPNS, STAMP  # noqa: E402
from engine.control import CommandName, ControlClient, Request, reachable  # noqa: E402
from engine.core.describe import describe  # noqa: E402
from engine.journal.records import JOURNAL_STEM, read_log  # noqa: E402
from engine.microbench import machine, percentile  # noqa: E402
from tests.e2e.live_run import CoreProcess, VenueProcess, make_run  # noqa: E402

STRATEGIES = {"compiled": "quoter", "python": "market_maker"}
DECISION = struct.Struct("=Qq")  # of marker.quoter: an order and when its cancel was decided on
BAR_NS = 50_000
QUEUED = 200
OTHERS_SHARE = 2  # a halt and a reduce_only for so many cancels
BURST_NS = 10_000_000
QUEUED_WITHIN_S = 30.0
AHEAD_S = 0.0005
AHEAD_NS = 1_000_000
AWAKE_S = 0.005
PAUSE_S = 0.3
SPIN_MS = 60_000
ALONE_S = 20
NOT_TOLD = (
    "the kernel does not tell when a command arrives, so each wait begins some µs early, before the command is sent: "
    "run it as root, after `mount -t tracefs nodev /sys/kernel/tracing`"
)
SYMBOLS = (
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSDT",
    "MXUSDT",
)  # of one symbol, 200 frames take so long that its quotes are gone
RUN = """
symbols = [{symbols}]
[run]
spin = true
spin_ms = {spin_ms}
[adapter]
rest_url = "http://127.0.0.1:{port}"
ws_url = "ws://127.0.0.1:{port}/ws"
api_key_env = "PENSTOCK_E2E_KEY"
api_secret_env = "PENSTOCK_E2E_SECRET"
weight_per_10s = 100000
[venue]
embedded = false
[risk]
max_orders_per_window = 1000
[[strategy]]
name = "{strategy}"
params = {{ requote_ms = 50, tolerance_ticks = 0, half_spread_ppm = 400{more} }}
"""


class Link:
    """One connection of the daemon and the venue's side of it."""

    def __init__(self, relay: Relay, engine: socket.socket) -> None:
        self.relay, self.engine = relay, engine
        self.venue = socket.create_connection(("127.0.0.1", relay.venue_port))
        self.is_market = False
        self.frames: list[bytes] = []  # held back
        self.rest = b""
        for each in (engine, self.venue):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        engine.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def from_engine(self) -> bool:
        """Pass it on and note cancels; whether the connection goes on."""
        data, extra, _, _ = self.engine.recvmsg(READ_BYTES, socket.CMSG_SPACE(STAMP.size))
        told = unmasked(data)
        if b"SUBSCRIPTION" in told and b"private" not in told:
            self.is_market = True
        if data.startswith(b"DELETE /api/v3/order?"):
            seconds, nanoseconds = STAMP.unpack(extra[0][2])
            asked = parse_qs(data.split(b" ", 2)[1].partition(b"?")[2].decode())
            name = (asked.get("orderId") or asked["origClientOrderId"])[0]
            self.relay.cancels.append((name, seconds * 1_000_000_000 + nanoseconds))
        self.venue.sendall(data)
        return bool(data)

    def from_venue(self) -> bool:
        """Pass it on, or hold whole frames back; whether the connection goes on."""
        data = self.venue.recv(READ_BYTES)
        if not (self.is_market and self.relay.holding):
            self.engine.sendall(data)
            return bool(data)
        self.rest += data
        while (length := frame_length(self.rest)) and len(self.rest) >= length:
            self.frames.append(self.rest[:length])
            self.rest = self.rest[length:]
        return bool(data)

    def let_go(self) -> int:
        """Send what is held: one frame ahead, then all others at once; answers when it began with those."""
        frames, rest = self.frames, self.rest
        self.frames, self.rest = [], b""
        self.engine.sendall(frames[0])
        until = time.perf_counter() + AHEAD_S
        while time.perf_counter() < until:
            pass
        queue = b"".join(frames[1:]) + rest
        moment_ns = time.time_ns()
        self.engine.sendall(queue)
        return moment_ns


def frame_length(data: bytes) -> int:
    """Bytes of the first frame of a server, header included (RFC 6455, 5.2); 0 where the header is not whole."""
    if len(data) < 4:
        return 0
    short = data[1] & 127
    if short < 126:
        return 2 + short
    if short == 126:
        return 4 + int.from_bytes(data[2:4], "big")
    return 10 + int.from_bytes(data[2:10], "big") if len(data) >= 10 else 0


def unmasked(data: bytes) -> bytes:
    """The payloads of a client's short frames, one after the other (RFC 6455, 5.3); empty where these are none."""
    found, at = b"", 0
    while at + 6 <= len(data) and data[at + 1] & 128:
        length, head = data[at + 1] & 127, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        key, payload = data[at + head : at + head + 4], data[at + head + 4 : at + head + 4 + length]
        found += bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
        at += head + 4 + length
    return found


class Relay(threading.Thread):
    """Passes bytes on; `holding` keeps market frames back, and `strike` lets them go with a command behind them."""

    def __init__(self, venue_port: int) -> None:
        super().__init__(daemon=True)
        self.venue_port = venue_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.links: list[Link] = []
        self.cancels: list[tuple[str, int]] = []  # of which order by which id, and when
        self.holding = False
        self.strike_with: tuple[socket.socket, bytes] | None = None
        # when the command was sent, when the sending of the frames before it began, and how many
        self.struck: tuple[int, int, int] | None = None
        self.awake_until = 0.0
        self.selector = selectors.DefaultSelector()
        self.stopping = False

    def run(self) -> None:
        """Until `stopping`."""
        self.selector.register(self.listener, selectors.EVENT_READ)
        while not self.stopping:
            # Who sleeps at the other end of a loopback has to be woken by whoever sends, within the send: a network has not.
            for key, _ in self.selector.select(0 if time.perf_counter() < self.awake_until else 0.1):
                if key.fileobj is self.listener:
                    self._accept()
                else:
                    self._pass(*key.data)
            market = next((link for link in self.links if link.is_market and len(link.frames) > QUEUED), None)
            if market is not None and self.strike_with is not None:
                self._strike(market, *self.strike_with)

    def _accept(self) -> None:
        link = Link(self, self.listener.accept()[0])
        self.links.append(link)
        self.selector.register(link.engine, selectors.EVENT_READ, (link, link.from_engine))
        self.selector.register(link.venue, selectors.EVENT_READ, (link, link.from_venue))

    def _pass(self, link: Link, work: Any) -> None:
        try:
            goes_on = link not in self.links or work()
        except OSError:
            goes_on = False
        if not goes_on:
            self.links.remove(link)
            for each in (link.engine, link.venue):
                self.selector.unregister(each)
                each.close()

    def _strike(self, link: Link, control: socket.socket, command: bytes) -> None:
        self.holding, self.strike_with = False, None
        queued = len(link.frames) - 1
        now_ns, send = time.time_ns, control.sendall
        queued_ns = link.let_go()
        moment_ns = now_ns()
        send(command)
        self.struck = (moment_ns, queued_ns, queued)
        self.awake_until = time.perf_counter() + AWAKE_S


class Strike(NamedTuple):
    """One command: its id, when it arrived, when its sending began and when that of the frames before it, and how many."""

    command: CommandName
    id: str
    arrived_ns: int  # by the kernel; where it does not say, when the sending began
    moment_ns: int
    queued_ns: int
    queued: int


class Figures(NamedTuple):
    """Waits in ns."""

    cancels: list[float]
    since_before: list[float]  # the same since right before the command's sending
    last: list[float]
    strategy: list[float]  # since it decided
    since_frame: list[float]  # the same since the frame that made it decide
    woken: list[float]  # the same of the frame ahead
    others: dict[str, list[float]]
    idle: int  # commands that found no order open
    waited: int  # of the commands' cancels: for the answer to the order's own request, as they must
    strategy_waited: int


def strike(
    relay: Relay, control: socket.socket, command: CommandName, number: int, arrivals: Arrivals
) -> Strike:
    """One command behind a queue."""
    name = f"lane-{number}"
    payload = msgspec.msgpack.encode(Request(name, command))
    relay.struck = None
    relay.strike_with = (control, len(payload).to_bytes(4, "little") + payload)
    relay.holding = True
    until = time.monotonic() + QUEUED_WITHIN_S
    while relay.struck is None:
        if time.monotonic() > until:
            raise RuntimeError(f"there were not {QUEUED} market frames within {QUEUED_WITHIN_S:g} s")
        time.sleep(0.005)
    size = int.from_bytes(control.recv(4, socket.MSG_WAITALL), "little")
    control.recv(size, socket.MSG_WAITALL)
    moment_ns, queued_ns, queued = relay.struck
    # The offset of the clocks is to the microsecond.
    known = [at for at in arrivals.by_thread(relay.native_id or 0) if at >= moment_ns - 1000]
    return Strike(command, name, max(min(known, default=moment_ns), moment_ns), moment_ns, queued_ns, queued)


def play(
    folder: Path, rounds: int, strategy: str, pinned: bool, spin_ms: int = SPIN_MS
) -> tuple[list[Strike], Figures]:
    """The commands, and what became of them."""
    strikes: list[Strike] = []
    commands: list[CommandName] = ["cancel_all"] * rounds
    for _ in range(rounds // OTHERS_SHARE):
        commands += ["halt", "reduce_only"]
    with VenueProcess(
        folder, symbols=",".join(SYMBOLS), settings="[limits]\nrest_weight_per_10s = 100000\n"
    ) as venue:
        names = ", ".join(f'"{name}"' for name in SYMBOLS)
        relay = Relay(int(venue.rest_url.rpartition(":")[2]))
        relay.start()
        decisions = folder / "decisions"
        more = f', decisions = "{decisions}"' if strategy == "compiled" else ""
        settings = RUN.format(
            port=relay.port, symbols=names, strategy=STRATEGIES[strategy], spin_ms=spin_ms, more=more
        )
        core: CoreProcess = venue.core(make_run(folder / "run", settings))
        core.wait_until(lambda status: status.gate.approved > 0)
        if pinned:
            # As from wire to wire: the daemon's main thread alone on a core, everybody else on the other.
            for pid in (os.getpid(), int(venue.facts["pid"])):
                place(pid, LOAD_CPU, threads=False)
            place(core.process.pid, ENGINE_CPU, ENGINE_NICE)
        arrivals = Arrivals()
        with (
            reachable(core.place.path) as address,
            socket.socket(socket.AF_UNIX) as control,
            arrivals.recorded(),
        ):
            if not arrivals.is_known:
                sys.stderr.write(f"{NOT_TOLD}\n")
            control.connect(address)
            for number, command in enumerate(commands):
                time.sleep(PAUSE_S)
                strikes.append(strike(relay, control, command, number, arrivals))
                if command != "cancel_all":
                    ControlClient(core.place.path).call("resume")
        core.end()
        relay.stopping = True
        relay.join()
        decided = list(DECISION.iter_unpack(decisions.read_bytes())) if more else []
        return strikes, figures_of(strikes, core.place.path, relay.cancels, decided)


def figures_of(
    strikes: list[Strike], run_dir: Path, sent: list[tuple[str, int]], decisions: list[tuple[int, int]]
) -> Figures:
    """The waits, from the journal, the stamps of cancels in the venue's socket, and those of decisions, by orders."""
    orders: dict[str, int] = {}  # by the id that a cancel names
    commands: dict[str, dict[str, Any]] = {}
    decided: list[dict[str, Any]] = []
    answered: set[int] = set()
    for record in read_log(run_dir / "journal", JOURNAL_STEM):
        told = describe(record.raw)
        if told["kind"] == "ORDER_UPDATE":
            answered.add(told["order_no"])
            orders[told["venue_order_id"]] = told["order_no"]
        elif told["kind"] == "COMMAND":
            commands[told["idempotency_id"]] = told
        elif told["kind"] == "CANCEL":
            decided.append({**told, "answered": told["order_no"] in answered})
    stamps: dict[int, list[int]] = {}
    for name, at in sent:
        order_no = int(name.rpartition("-")[2]) if name not in orders else orders[name]
        stamps.setdefault(order_no, []).append(at)

    thought: dict[int, list[int]] = {}
    for order_no, at in decisions:
        thought.setdefault(order_no, []).append(at)

    def next_ns(moments: dict[int, list[int]], order_no: int, since_ns: int) -> int | None:
        return next((at for at in moments.get(order_no, []) if at >= since_ns), None)

    found = Figures([], [], [], [], [], [], {"halt": [], "reduce_only": []}, 0, 0, 0)
    idle = waited = strategy_waited = 0
    for each in strikes:
        told = commands[each.id]
        if each.command != "cancel_all":
            found.others[each.command].append(float(told["ts_recv_ns"] - each.arrived_ns))
            continue
        of_command = [one for one in decided if one["seq"] == told["seq"]]
        idle += not of_command
        waited += sum(not one["answered"] for one in of_command)
        outs = [next_ns(stamps, one["order_no"], each.moment_ns) for one in of_command if one["answered"]]
        gone = [at for at in outs if at is not None]
        if gone:
            found.cancels.append(float(min(gone) - each.arrived_ns))
            found.since_before.append(float(min(gone) - each.moment_ns))
            found.last.append(float(max(gone) - each.arrived_ns))
    of_commands = {told["seq"] for told in commands.values()}
    for one in decided:
        began_ns = one["ts_recv_ns"]
        since_ns = next(
            (at for each in strikes if -AHEAD_NS <= (at := began_ns - each.queued_ns) < BURST_NS), None
        )
        if one["seq"] in of_commands or since_ns is None:
            continue
        at = next_ns(stamps, one["order_no"], began_ns)
        decided_ns = next_ns(thought, one["order_no"], began_ns)
        if not one["answered"]:
            strategy_waited += 1
        elif at is not None:
            (found.since_frame if since_ns >= 0 else found.woken).append(float(at - began_ns))
            if since_ns >= 0 and decided_ns is not None:
                found.strategy.append(float(at - decided_ns))
    return found._replace(idle=idle, waited=waited, strategy_waited=strategy_waited)


def alone(tools: Tools, work_ns: float, pinned: bool) -> dict[str, Any]:
    """The waits of a program that has nothing else to do, as figures in µs."""
    command = [str(tools.alone), str(int(work_ns)), str(ALONE_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if pinned:
            place(process.pid, ENGINE_CPU, ENGINE_NICE)
        try:
            _, count, *told = (process.communicate()[0] or "waits 0").split()
        finally:
            process.kill()
    names = ("p50", "p90", "p99", "max")[: len(told)]
    figures = {f"alone_{name}_us": round(int(ns) / 1000, 1) for name, ns in zip(names, told, strict=True)}
    return {"alone_count": int(count), **figures}


def shares(name: str, waits: list[float]) -> dict[str, Any]:
    """A list of waits as figures in µs."""
    if not waits:
        return {f"{name}count": 0}
    told: dict[str, Any] = {f"{name}count": len(waits)}
    for share, at in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        told[f"{name}{share}_us"] = round(percentile(waits, at) / 1000, 1)
    return told | {f"{name}max_us": round(max(waits) / 1000, 1)}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python benchmarks/priority_lane.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--strategy", choices=tuple(STRATEGIES), default="compiled")
    parser.add_argument(
        "--spin-ms",
        type=int,
        default=SPIN_MS,
        help="run.spin_ms: how long it polls after a frame before it sleeps",
    )
    parser.add_argument(
        "--no-pin", action="store_true", help="leave cores and priorities to the operating system"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    tools = build()
    use_site(tools)
    pinned = not options.no_pin and (os.cpu_count() or 1) > 1
    favour = favoured_session() if pinned else contextlib.nullcontext()
    with tempfile.TemporaryDirectory(prefix="penstock-lane-") as name, favour:
        strikes, found = play(Path(name), options.rounds, options.strategy, pinned, options.spin_ms)
        if not found.cancels:
            sys.exit("no command found an open order to cancel")
        by_machine = alone(tools, percentile(found.cancels, 0.5), pinned)
    queued = [each.queued for each in strikes]
    result: dict[str, Any] = {"commands": len(found.cancels), **shares("", found.cancels)}
    result |= {"without an open order": found.idle}
    result |= shares("since_before_", found.since_before)
    result |= {"arrivals_told_by_the_kernel": sum(each.arrived_ns != each.moment_ns for each in strikes)}
    result |= {"queued_min": min(queued), "queued_max": max(queued)}
    result |= shares("last_", found.last) | shares("strategy_", found.strategy)
    result |= shares("strategy_since_frame_", found.since_frame) | shares("woken_", found.woken)
    result |= {"waited_for_its_order": found.waited, "strategy_waited_for_its_order": found.strategy_waited}
    for command, waits in found.others.items():
        result |= shares(f"{command}_", waits)
    result |= by_machine
    within = sum(wait <= BAR_NS for wait in found.cancels) / len(found.cancels)
    result |= {"within_bar": round(within, 3), "strategy": options.strategy, "pinned": pinned}
    result |= {"spin_ms": options.spin_ms, **machine()}
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    judged = [found.cancels, *found.others.values()]
    if options.strategy == "compiled":
        judged.append(found.strategy)
    worst = max(percentile(waits, 0.99) for waits in judged if waits)
    raise SystemExit(0 if worst <= BAR_NS else 1)


if __name__ == "__main__":
    main()
