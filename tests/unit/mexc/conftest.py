"""Stand-ins for the core's side of the adapter, and a local venue over real sockets."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from adapters.mexc import MexcAdapter, MexcConfig
from adapters.mexc.venue.config import AccountConfig, FaultConfig, SeededConfig, VenueConfig
from adapters.mexc.venue.server import Venue
from engine.core.describe import describe
from engine.execution.executor import ExecutorLimits
from tests.unit.mexc.approvals import GateOfTwo
from tests.unit.mexc.scripted import Bench

RUN_ID = "abcdef012345"
ENDED = {"FILLED", "CANCELED", "REJECTED", "NEVER_ACCEPTED"}


@dataclasses.dataclass
class StandInOrder:
    """What the core would know of an order."""

    order_no: int
    instrument: int = 0
    filled_lots: int = 0
    placed_ns: int = 0
    venue_order_id: str = ""
    state_name: str = "EXECUTING"
    is_open: bool = True


class StandInCore:
    """Orders and a halt epoch."""

    def __init__(self) -> None:
        self.halt_epoch = 0
        self.reconcile_pending = False
        self.known: dict[int, StandInOrder] = {}
        self.held: dict[str, tuple[int, int]] = {}
        self.fed = True

    def balances(self) -> dict[str, tuple[int, int]]:
        """Total and reserved of each asset."""
        return self.held

    def order(self, order_no: int) -> StandInOrder | None:
        """A copy of the order."""
        found = self.known.get(order_no)
        return dataclasses.replace(found) if found else None

    def has_feed(self, instrument: int) -> bool:
        """All are traded, unless a test says otherwise."""
        return self.fed

    def position_lots(self, instrument: int) -> int:
        """Nothing is held."""
        return 0

    def open_orders(self, instrument: int) -> list[StandInOrder]:
        """Copies of the open orders."""
        found = [order for order in self.known.values() if order.is_open and order.instrument == instrument]
        return [dataclasses.replace(order) for order in found]


class Recorder:
    """Records what the rim hands in, and moves the stand-in core's orders by it."""

    def __init__(self) -> None:
        self.core = StandInCore()
        self.frames: list[tuple[int, bytes]] = []
        self.documents: list[tuple[int, int, bytes]] = []
        self.events: list[dict[str, Any]] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.alerts: list[str] = []
        self.symbols: list[str] = []
        self.decoder: Any = None

    def ingest_frame_bytes(self, source: int, frame: bytes) -> None:
        self.frames.append((source, frame))
        if self.decoder is not None and source == 0:
            event = self.decoder.decode_event(frame)
            if describe(event)["kind"] in ("ORDER_UPDATE", "FILL", "BALANCE"):
                self.ingest(event)

    def ingest_document(self, source: int, instrument: int, document: bytes) -> None:
        if self.decoder is not None:
            self.decoder.decode_document(instrument, document)
        self.documents.append((source, instrument, document))

    def ingest(self, event: bytes) -> None:
        found = describe(event)
        if found["kind"] == "FEED":
            found["up"], found["private"] = (bool(word) for word in struct.unpack("<II", event[40:48]))
        self.events.append(found)
        if found["kind"] == "ORDER_UPDATE":
            self._move(found)
        if found["kind"] == "INSTRUMENT" and found["symbol"] not in self.symbols:
            self.symbols.append(found["symbol"])

    def _move(self, update: dict[str, Any]) -> None:
        order = self.core.known.get(update["order_no"])
        if order is None:
            return
        order.venue_order_id = update["venue_order_id"] or order.venue_order_id
        order.filled_lots = max(order.filled_lots, update.get("cumulative_lots", 0))
        if update["report"] == "AMBIGUOUS" and order.is_open:
            order.state_name = "UNKNOWN"
        elif update["report"] == "WORKING" and order.is_open:
            order.state_name = "EXECUTING"
        elif update["report"] in ENDED:
            order.is_open, order.state_name = False, "COMPLETED"

    def observe(self, stage: str, duration_ns: int) -> None:
        assert duration_ns > 0

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def alert(self, text: str) -> None:
        self.alerts.append(text)

    def now_ns(self) -> int:
        return time.time_ns()

    def heed(self) -> None:
        """No commands come here."""

    def instrument_of(self, symbol: str) -> int:
        return self.symbols.index(symbol) if symbol in self.symbols else -1

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [each for each in self.events if each["kind"] == kind]

    def reports(self, order_no: int) -> list[str]:
        """What was reported of an order, in order."""
        return [each["report"] for each in self.of("ORDER_UPDATE") if each["order_no"] == order_no]

    def feed_states(self, source: int) -> list[bool]:
        """The ups and downs of a feed."""
        return [each["up"] for each in self.of("FEED") if each["source"] == source]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def approved() -> GateOfTwo:
    """Where approvals come from."""
    return GateOfTwo()


@pytest.fixture
def standing_order() -> type[StandInOrder]:
    return StandInOrder


@dataclasses.dataclass
class Rig:
    """A venue, an adapter connected to it, and a recorder behind the adapter."""

    venue: Venue
    adapter: MexcAdapter
    recorder: Recorder
    run_id: str = RUN_ID

    def fault(self, name: str, **fields: Any) -> None:
        """Put a fault in force at the venue."""
        state = self.venue.state
        state.faults.add(state.clock.now_ns(), FaultConfig(name=name, **fields))  # type: ignore[arg-type]

    def clear(self, name: str | None = None) -> None:
        """Lift a fault, or all."""
        self.venue.state.faults.clear(name)

    def order_requests(self) -> list[str]:
        """The client ids of all order requests the venue ever got, refused ones too."""
        return [received.client_id for received in self.venue.state.received]

    async def start(self, *symbols: str) -> None:
        """Load instruments and open feeds."""
        specs = await self.adapter.load_instruments(symbols or ("BTCUSDT", "MXUSDT"))
        decoder = self.adapter.decoder()
        for index, spec in enumerate(specs):
            decoder.add_instrument(index, spec.symbol, spec.price_decimals, spec.size_decimals)
        self.recorder.decoder = decoder
        self.recorder.symbols = [spec.symbol for spec in specs]
        await self.adapter.start(self.recorder, specs)

    async def until(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        """Wait for a condition; AssertionError with the recorder's state after the time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(
                    f"not in {timeout_s} s: {self.recorder.counts} {self.recorder.events[-5:]}"
                )
            await asyncio.sleep(0.005)


FAST = {
    "recv_window_ms": 1000,
    "request_timeout_ms": 3000,
    "connect_timeout_ms": 2000,
    "subscribe_timeout_s": 3.0,
    "first_frame_timeout_s": 1.0,
    "silent_timeout_s": 1.0,
    "ping_interval_s": 0.2,
    "pong_timeout_s": 1.0,
    "backoff_initial_s": 0.02,
    "backoff_max_s": 0.1,
    "firewall_pause_s": 0.05,
    "clock_samples": 3,
}


@contextlib.asynccontextmanager
async def open_rig(
    monkeypatch: pytest.MonkeyPatch, venue: dict[str, Any], **config: Any
) -> AsyncIterator[Rig]:
    """A venue with a lively market of few levels, and an adapter with short deadlines; not started yet."""
    monkeypatch.setenv("TEST_MEXC_KEY", "mx0-test")
    monkeypatch.setenv("TEST_MEXC_SECRET", "test-secret-never-shown")
    account = AccountConfig(api_key="mx0-test", secret="test-secret-never-shown")  # type: ignore[arg-type]
    rates = {"maker_rate_hz": 60, "taker_rate_hz": 10, **venue.pop("seeded_rates", {})}
    seeded = SeededConfig(warm_up_steps=20, **rates)
    async with Venue(VenueConfig(accounts=[account], seeded=seeded, **venue)) as running:
        settings = MexcConfig(
            rest_url=running.rest_url,
            ws_url=running.ws_url,
            api_key_env="TEST_MEXC_KEY",
            api_secret_env="TEST_MEXC_SECRET",
            **{**FAST, **config},
        )
        adapter = MexcAdapter(settings, run_id=RUN_ID, seed=7)
        try:
            yield Rig(running, adapter, Recorder())
        finally:
            await adapter.close()


@pytest.fixture
def rig_run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a test's coroutine with a rig: `rig_run(body, venue={...}, **adapter_config)`."""

    def run(
        body: Callable[[Rig], Awaitable[None]], venue: dict[str, Any] | None = None, **config: Any
    ) -> None:
        async def main() -> None:
            async with open_rig(monkeypatch, venue or {}, **config) as rig:
                await body(rig)

        asyncio.run(asyncio.wait_for(main(), 30))

    return run


@pytest.fixture
def bench_run(recorder: Any, approved: Any, standing_order: Any) -> Callable[..., None]:
    def run(body: Callable[[Bench], Any], limits: ExecutorLimits | None = None) -> None:
        async def main() -> None:
            bench = Bench(recorder, approved, standing_order, limits)
            await body(bench)
            await bench.executor.close()

        asyncio.run(asyncio.wait_for(main(), 10))

    return run
