"""The processes of the wire-to-wire benchmark: the load generator, and each engine that is measured against it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.mexc.venue.tls import self_signed
from benchmarks.tick_to_trade.build import ROOT, Tools
from benchmarks.tick_to_trade.frames import IDS, ORDER_LOTS
from engine.console.status import Status
from tests.e2e.live_run import API_KEY, API_SECRET, VenueProcess, make_run


def interrupts_of_devices() -> list[int]:
    """How many interrupts of devices each core has served (/proc/interrupts: numbered rows); empty where it does not say."""
    with contextlib.suppress(OSError):
        head, *rows = Path("/proc/interrupts").read_text().splitlines()
        served = [
            row.split()[1 : len(head.split()) + 1] for row in rows if row.split(":")[0].strip().isdigit()
        ]
        return [sum(map(int, counts)) for counts in zip(*served, strict=False)]
    return []


def two_cores() -> tuple[int, int]:
    """The load's and the engine's: of the first two, the engine has the one that devices interrupt less often."""
    served = interrupts_of_devices()
    return (1, 0) if len(served) > 1 and served[0] < served[1] else (0, 1)


LOAD_CPU, ENGINE_CPU = two_cores()
ENGINE_PRIORITY, ENGINE_NICE, LOAD_NICE = 40, -20, -10
CHANNELS_OF_DAEMON = 6  # three of the market, three private
READY_S = 30.0
PEERS = ROOT / "benchmarks" / "peers"

VENUE = """
symbols = ["BTCUSDT"]
[limits]
rest_weight_per_10s = 100000
connections = 1000
"""
# Every check of the gate is on; what would stop this many orders is as wide as it goes.
WIDE_RISK = """
[risk]
max_order_notional = "1000"
max_open_orders = 1024
max_open_orders_per_instrument = 1024
max_orders_per_second = 1024
max_orders_per_window = 1024
order_window_s = 1
max_feed_silence_ms = 600000
proposer_budget_notional = "1000000000"
"""
# Tape and journal are always on.
RUN = """
symbols = ["BTCUSDT"]
[run]
spin = {spin}
[adapter]
rest_url = "{http}://127.0.0.1:{port}"
ws_url = "{ws}://127.0.0.1:{port}/ws"
{ca_file}
api_key_env = "PENSTOCK_E2E_KEY"
api_secret_env = "PENSTOCK_E2E_SECRET"
weight_per_10s = 100000
[venue]
embedded = false
{risk}
[[strategy]]
name = "marker_{strategy}"
"""


@dataclass(frozen=True)
class Setting:
    """What one measurement is made under. `pinned`: load generator and engine have a core each, and as root priority there."""

    spin: bool
    tls: bool
    strategy: str
    pinned: bool


@dataclass
class Burst:
    """What came of one burst: of each order when its frame was sent and when it arrived, ns UTC; frames without an order."""

    times_ns: list[tuple[int, int]]
    missed: int

    @property
    def latencies_ns(self) -> list[int]:
        """From the frame to the order."""
        return [arrived - sent for sent, arrived in self.times_ns]


def place(pid: int, cpu: int, nice: int = 0, priority: int = 0, *, threads: bool = False) -> None:
    """A core for a process's main thread, and as root niceness and, above 0, a real-time priority.

    Its other threads share the load's core; with `threads` they do what the main one does, and all of them run where there
    is room.
    """
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        os.sched_setaffinity(
            thread, {LOAD_CPU, ENGINE_CPU} if threads else {cpu if thread == pid else LOAD_CPU}
        )
        if os.geteuid() == 0 and (thread == pid or threads):
            os.setpriority(os.PRIO_PROCESS, thread, nice)
            if priority:
                policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK  # not for threads that it starts later
                os.sched_setscheduler(thread, policy, os.sched_param(priority))


def favour_session(pid: int, nice: int) -> int:
    """Where Linux shares the processor out by session first (autogroup), how a process's session fares; answers how before.

    0 where there is no such thing, or this is not root.
    """
    file = Path(f"/proc/{pid}/autogroup")
    text = file.read_text() if os.geteuid() == 0 and file.exists() else ""
    if not text:  # the file is there, but empty, where the kernel keeps no group for the session
        return 0
    file.write_text(str(nice))
    return int(text.rpartition(" ")[2])


@contextlib.contextmanager
def favoured_session() -> Iterator[None]:
    """Our own session, with the engines in it, comes before all others."""
    before = favour_session(os.getpid(), ENGINE_NICE)
    try:
        yield
    finally:
        favour_session(os.getpid(), before)


class Generator:
    """A load generator that speaks in lines (venue.h), and where it can be reached."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._unread = b""
        self.port = int(self.line().split()[1])

    def line(self, timeout_s: float = READY_S) -> str:
        """The next line it says; RuntimeError where it says nothing for so long, or ends."""
        assert self.process.stdout is not None
        until = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            wait_s = until - time.monotonic()
            if wait_s <= 0 or not select.select([self.process.stdout], [], [], wait_s)[0]:
                raise RuntimeError(
                    f"the load generator said nothing for {timeout_s:g} s: did the engine end?"
                )
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                raise RuntimeError(f"the load generator ended with code {self.process.wait()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def ask(self, command: str) -> None:
        """Give it a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def wait_subscribed(self, channels: int) -> None:
        """Until so many subscriptions were confirmed."""
        for _ in range(channels):
            line = self.line()
            if not line.startswith("subscribed "):
                raise RuntimeError(f"the load generator said {line!r}")

    def end(self) -> None:
        """End it; whoever is connected sees its connections close."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)


class Load(Generator):
    """The load generator of wire to wire, run over one file of frames."""

    def __init__(
        self, tools: Tools, frames: Path, venue_port: int, certificate: tuple[Path, Path] | None
    ) -> None:
        super().__init__([str(tools.load), str(frames), str(venue_port), *map(str, certificate or ())])

    def send(self, count: int, rate: float) -> Burst:
        """So many frames at so many a second; each order is matched to its frame by the number in its size."""
        self.ask(f"send {count} {rate}")
        sent: dict[int, int] = {}
        orders: dict[int, int] = {}
        target = ""
        while not (line := self.line(count / rate + READY_S)).startswith("done "):
            what, first, second = line.split(" ", 2)
            if what == "frame":
                sent[int(first)] = int(second)
            elif what == "order":
                target = second
                number = order_id(target)
                if number in orders:
                    raise RuntimeError(f"two orders for frame {number}")
                orders[number] = int(first)
        if target:
            check_signature(target)
        if strange := set(orders) - set(sent):
            raise RuntimeError(f"orders that no frame asked for: {sorted(strange)[:5]}")
        return Burst([(sent[number], orders[number]) for number in orders], len(sent) - len(orders))


def order_id(target: str) -> int:
    """The number of the frame that an order is for, out of its size."""
    found = re.search(r"[?&]quantity=0\.(\d+)", target)
    lots = int(found[1].ljust(8, "0")) if found else 0
    if not 1 <= lots - ORDER_LOTS <= IDS:
        raise RuntimeError(f"an order of a size that no frame asks for: {target}")
    return lots - ORDER_LOTS


def check_signature(target: str) -> None:
    """What was timed is an order that MEXC would take; raises RuntimeError."""
    query, _, signature = target.partition("?")[2].rpartition("&signature=")
    if hmac.new(API_SECRET.encode(), query.encode(), hashlib.sha256).hexdigest() != signature:
        raise RuntimeError(f"a wrong signature: {target}")


def _is_ready(status: Status) -> bool:
    return bool(status.books) and all(book.trust == "LIVE" for book in status.books) and status.health == "ok"


class Bench:
    """Venue, certificate and frames that all measurements share."""

    def __init__(self, tools: Tools, folder: Path, frames: Path, setting: Setting) -> None:
        self.tools, self.folder, self.frames, self.setting = tools, folder, frames, setting
        self.stages: dict[str, Any] = {}
        self._stack = contextlib.ExitStack()
        self._certificate = write_certificate(folder) if setting.tls else None
        self.venue = self._stack.enter_context(VenueProcess(folder, symbols="BTCUSDT", settings=VENUE))
        if setting.pinned:
            place(int(self.venue.facts["pid"]), LOAD_CPU)

    def close(self) -> None:
        """End what is left."""
        self._stack.close()

    @contextlib.contextmanager
    def _load(self) -> Iterator[Load]:
        load = Load(self.tools, self.frames, int(self.venue.rest_url.rpartition(":")[2]), self._certificate)
        try:
            if self.setting.pinned:
                # Less than the engine's: the scheduler then moves other processes to this core, not to the engine's.
                place(load.process.pid, LOAD_CPU, LOAD_NICE)
                favour_session(load.process.pid, LOAD_NICE)
            yield load
        finally:
            load.end()

    def _place_engine(self, pid: int, *, threads: bool = False) -> None:
        if self.setting.pinned:
            # A process that spins with real-time priority would starve what else its core has to do.
            place(pid, ENGINE_CPU, ENGINE_NICE, 0 if self.setting.spin else ENGINE_PRIORITY, threads=threads)

    @contextlib.contextmanager
    def floor(self, *more: str) -> Iterator[Load]:
        """The floor, subscribed and its book filled."""
        with self._load() as load:
            yield from self._client(load, [str(self.tools.floor)], *more)

    @contextlib.contextmanager
    def peer(self, name: str) -> Iterator[Load]:
        """A peer in its own environment, `benchmarks/peers/NAME.py`."""
        with self._load() as load:
            python = PEERS / f".venv-{name}" / "bin" / "python"
            yield from self._client(load, [str(python), str(PEERS / f"{name}_peer.py")])

    def _client(self, load: Load, program: list[str], *more: str) -> Iterator[Load]:
        wait, tls = "spin" if self.setting.spin else "blocking", ["tls"] if self.setting.tls else []
        process = subprocess.Popen([*program, str(load.port), API_KEY, API_SECRET, wait, *tls, *more])
        try:
            load.wait_subscribed(1)
            load.send(1, 1000)
            # A peer may read its sockets in threads of its own.
            self._place_engine(process.pid, threads=len(program) > 1)
            yield load
            if process.poll() is not None:
                raise RuntimeError(f"{program} ended with code {process.returncode}")
        finally:
            load.end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)  # the floor ends with its connections
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def daemon(self) -> Iterator[Load]:
        """The daemon, its book live and trading."""
        setting = self.setting
        with self._load() as load, tempfile.TemporaryDirectory(dir=self.folder, prefix="run-") as name:
            config = RUN.format(
                risk=WIDE_RISK, port=load.port, spin=str(setting.spin).lower(), strategy=setting.strategy,
                http="https" if setting.tls else "http", ws="wss" if setting.tls else "ws",
                ca_file=f'ca_file = "{self._certificate[0]}"' if self._certificate else "",
            )  # fmt: skip
            core = self.venue.core(make_run(Path(name) / "run", config))
            try:
                load.wait_subscribed(CHANNELS_OF_DAEMON)
                load.send(1, 1000)
                core.wait_until(_is_ready, READY_S)
                self._place_engine(core.process.pid)
                yield load
                core.end()
                self.stages = json.loads(core.place.summary_file.read_text())["latency_us"]
            finally:
                if core.process.poll() is None:
                    core.kill()
                if os.environ.get("PENSTOCK_WIRE_LOG"):
                    sys.stderr.write(core.output())


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key for the load generator; they last as long as the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(self_signed(key).public_bytes(serialization.Encoding.PEM))
    key_path.touch(mode=0o600)
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_path, key_path
