"""The paper adapter `mexc_paper`: MEXC's public feeds through the real adapter, orders through the paper market.

It holds no key and opens no private connection: nothing it does can reach an account. The account lives as long as the
session; after a restart its balances are what the journal says, and orders that rested are gone.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, cast

import msgspec

from adapters.mexc.adapter import MexcAdapter
from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.examine import examine
from adapters.mexc.numbers import money
from adapters.mexc.paper.config import PaperConfig
from adapters.mexc.paper.market import PaperMarket
from engine.adapter import (
    PRIVATE_SOURCE,
    AdapterStatus,
    AssetBalance,
    Destination,
    Evidence,
    FeedStatus,
    OpenOrder,
    OrderRef,
    PlaceTicket,
    SequencerPort,
    VenueFill,
)  # fmt: skip
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import EventKind, OrderReport, Side
from engine.core.instrument import InstrumentSpec
from engine.core.state.books import Book
from engine.doctor import Finding

# event_t, trades_t and trade_t (engine/core/event.pxd)
_KIND_AND_INSTRUMENT = struct.Struct("<24xHHi")
_TRADE_COUNT = struct.Struct("<II")
_TRADE = struct.Struct("<qqqII")
_NS_PER_MS = 1_000_000
_MARGIN_NS = 1_000 * _NS_PER_MS


class CoreView(Protocol):
    """The core as the paper market reads it: the same books that the strategies see."""

    @property
    def books(self) -> Sequence[Book]: ...
    def book(self, instrument: int) -> Book:
        """The book of an instrument."""

    def spec(self, instrument: int) -> InstrumentSpec:
        """An instrument as it is now."""

    def balances(self) -> dict[str, tuple[int, int]]:
        """asset -> (total, reserved), 10^-20 units."""


class PaperPort(SequencerPort, Protocol):
    """The sequencer, with its core."""

    @property
    def core(self) -> CoreView: ...


class Tap:
    """Passes everything on to the sequencer, and market frames to `on_frame` once the core has processed them."""

    def __init__(self, port: PaperPort, on_frame: Callable[[bytes], None]) -> None:
        self._port = port
        self._on_frame = on_frame

    def ingest_frame_bytes(self, source: int, frame: bytes) -> Any:
        """One raw frame of a feed."""
        self._port.ingest_frame_bytes(source, frame)
        self._on_frame(frame)

    def ingest_document(self, source: int, instrument: int, document: bytes) -> Any:
        """One raw order book answer."""
        return self._port.ingest_document(source, instrument, document)

    def ingest(self, event: bytes) -> Any:
        """One normalised event."""
        return self._port.ingest(event)

    def count(self, name: str, by: int = 1) -> Any:
        """Count one oddity, or more."""
        return self._port.count(name, by)

    def alert(self, text: str) -> Any:
        """Tell people."""
        return self._port.alert(text)

    def now_ns(self) -> int:
        """Our clock, UTC."""
        return self._port.now_ns()

    def instrument_of(self, symbol: str) -> int:
        """The core's instrument of a symbol."""
        return self._port.instrument_of(symbol)

    def heed(self) -> Any:
        """A command that has come first."""
        return self._port.heed()


class PaperMexcAdapter:
    """See the module. Made without input or output, like every adapter."""

    name: ClassVar[str] = "mexc_paper"
    config_type: ClassVar[type[PaperConfig]] = PaperConfig

    def __init__(self, config: PaperConfig, *, run_id: str, seed: int = 0) -> None:
        self.private_restored = asyncio.Event()
        self.destination: Destination = "nowhere"
        self._config = config
        self._data = MexcAdapter(config, run_id=run_id, seed=seed)
        self._decoder = self._data.decoder()
        self._decoded = 0
        self._port: PaperPort | None = None
        self._market = PaperMarket("paper", {})

    # Market data: the real adapter's.

    def decoder(self) -> MexcDecoder:
        """A new decoder of MEXC's frames."""
        return self._data.decoder()

    async def load_instruments(self, symbols: Sequence[str]) -> list[InstrumentSpec]:
        """As MEXC lists them."""
        return await self._data.load_instruments(symbols)

    async def start(self, sequencer: SequencerPort, instruments: Sequence[InstrumentSpec]) -> None:
        """Open the market feeds, and the account with the config's balances, or with what the journal says after a restart."""
        port = self._port = cast(PaperPort, sequencer)
        held = {asset: total for asset, (total, _) in port.core.balances().items() if total > 0}
        begun = {asset: money(amount, asset) for asset, amount in self._config.balances.items()}
        self._market = PaperMarket(f"P{port.now_ns() // _NS_PER_MS:x}", held or begun)
        await self._data.start(Tap(port, self._on_frame), instruments)
        port.ingest(event.feed(PRIVATE_SOURCE, True, True))
        self.private_restored.set()

    async def watch(self, symbol: str) -> None:
        """Keep a symbol's instrument and book."""
        await self._data.watch(symbol)

    async def unwatch(self, symbol: str) -> None:
        """Close a watched symbol's feed."""
        await self._data.unwatch(symbol)

    async def fetch_book(self, instrument: int, attempt: int) -> None:
        """Fetch a book."""
        await self._data.fetch_book(instrument, attempt)

    async def examine(self, symbols: Sequence[str], max_clock_skew_ms: int) -> list[Finding]:
        """Clock, symbols and market feed; there is no key to look at."""
        return await examine(self._config, symbols, max_clock_skew_ms, needs_key=False)

    # Orders: the paper market's.

    async def place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Evidence:
        """Match one order against the book as it stands when the latency is over."""
        before_send()
        await self._travel()
        port = self._begun()
        book = self._take_over(ticket.instrument)
        if not book.is_live:
            text = "paper: there is no live book to fill it from"
            return Evidence(report=OrderReport.REJECTED, text=text)
        evidence = self._market.place(port.now_ns(), book.symbol, ticket)
        # The answer first, then the pushes: they come in once the caller has handed the answer in.
        asyncio.get_running_loop().call_soon(self._push)
        return evidence

    def quick_lane(self, core: Engine) -> None:
        """There is no way that could be shorter."""

    async def cancel(self, order: OrderRef) -> Evidence:
        """Cancel one order; the answer says how it stands."""
        await self._travel()
        evidence = self._market.cancel(self._begun().now_ns(), order)
        asyncio.get_running_loop().call_soon(self._push)
        return evidence or Evidence(report=OrderReport.AMBIGUOUS, text="paper: no such order in this session")

    async def query(self, order: OrderRef) -> Evidence | None:
        """How an order stands; None for one of a session before this one."""
        return self._market.query(order)

    async def open_orders(self, instrument: int | None = None) -> list[OpenOrder]:
        """The orders that rest."""
        found = self._market.open_orders()
        return [order for order in found if instrument is None or order.instrument == instrument]

    async def trades_of(self, order: OrderRef) -> list[VenueFill]:
        """The executions of one order."""
        return self._market.fills(order.instrument, client_order_id=order.client_order_id)

    async def trades_since(self, instrument: int, since_ns: int) -> list[VenueFill]:
        """The executions in one instrument from this time on."""
        return self._market.fills(instrument, since_ns)

    async def account(self) -> list[AssetBalance]:
        """The paper account."""
        return self._market.balances()

    def acceptance_window_ns(self) -> int:
        """An order acts after the latency, or never."""
        return self._config.latency_ms * _NS_PER_MS + _MARGIN_NS

    def status(self) -> AdapterStatus:
        """The market feeds, and the paper account as a feed."""
        status = self._data.status()
        state = "UP" if self._port is not None else "DOWN"
        paper = FeedStatus("paper", PRIVATE_SOURCE, state, [], 0, 0, 0, -1.0, "")
        return msgspec.structs.replace(status, name=self.name, feeds=[*status.feeds, paper])

    async def close(self) -> None:
        """Close the feeds; the account ends with the session."""
        await self._data.close()

    async def _travel(self) -> None:
        if self._config.latency_ms:
            await asyncio.sleep(self._config.latency_ms / 1000)

    def _begun(self) -> PaperPort:
        if self._port is None:
            raise RuntimeError("the adapter was not started")
        return self._port

    def _take_over(self, instrument: int) -> Book:
        """Give the market the instrument and its book as the core has them now; answers the core's book."""
        port = self._begun()
        book = port.core.book(instrument)
        self._market.specify(instrument, port.core.spec(instrument))
        if book.is_live:
            bids, asks = (book.levels(side, self._config.levels) for side in (Side.BUY, Side.SELL))
            self._market.set_book(port.now_ns(), book.symbol, bids, asks)
        return book

    def _on_frame(self, frame: bytes) -> None:
        """A market frame that the core has processed: it may fill what rests here."""
        core = self._begun().core
        while self._decoded < len(core.books):
            spec = core.spec(self._decoded)
            self._decoder.add_instrument(self._decoded, spec.symbol, spec.price_decimals, spec.size_decimals)
            self._decoded += 1
        found = self._decoder.decode_event(frame)
        kind, _, instrument = _KIND_AND_INSTRUMENT.unpack_from(found)
        if kind not in (EventKind.BOOK_DELTA, EventKind.TRADES) or instrument < 0:
            return
        symbol = core.book(instrument).symbol
        if not self._market.is_resting(symbol):
            return
        if kind == EventKind.TRADES:
            now_ns = self._begun().now_ns()
            for taker, price_ticks, lots in trades_in(found):
                self._market.trade(now_ns, symbol, taker, price_ticks, lots)
        self._take_over(instrument)
        self._push()

    def _push(self) -> None:
        port = self._begun()
        for told in self._market.take_events():
            port.ingest(told)


def trades_in(found: bytes) -> list[tuple[Side, int, int]]:
    """(taker's side, price in ticks, lots) of each trade of a TRADES event."""
    body = found[event.HEADER_BYTES :]
    count = _TRADE_COUNT.unpack_from(body)[0]
    rows = (_TRADE.unpack_from(body, _TRADE_COUNT.size + at * _TRADE.size) for at in range(count))
    return [(Side(side), price_ticks, lots) for price_ticks, lots, _, side, _ in rows]
