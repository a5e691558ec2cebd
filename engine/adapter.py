"""What an adapter is: the one interface between the engine and a venue, ours or a user's own.

A package offers an adapter through the entry point group `penstock.adapters`. Everything that comes in goes through the
sequencer; everything that goes out comes as a `PlaceTicket` or an `OrderRef` and is answered with `Evidence`.
Money is an integer at 10^-20 of its asset; prices are ticks, sizes are lots of the instrument.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    import asyncio

    from pydantic import BaseModel

    from engine.core.decoder import FrameDecoder
    from engine.core.engine import Engine
    from engine.core.instrument import InstrumentSpec
    from engine.doctor import Finding
    from engine.execution.quick_lane import QuickLane

Destination = Literal["nowhere", "here", "away"]
"""Where orders go: nowhere (no key, or filled by the adapter itself), to a venue on this machine, or to one elsewhere."""

PRIVATE_SOURCE = 0
"""The feed that carries our own orders, fills and balances; books come on feeds from 1 upwards."""

MONEY_DECIMALS = 20


class SequencerPort(Protocol):
    """What an adapter may say to the engine: `engine.sequencer.Sequencer`, or a recorder in its place."""

    def ingest_frame_bytes(self, source: int, frame: bytes) -> Any:
        """One raw frame of a feed."""

    def ingest_document(self, source: int, instrument: int, document: bytes) -> Any:
        """One raw order book answer."""

    def ingest(self, event: bytes) -> Any:
        """One normalised event made by `engine.core.event`."""

    def count(self, name: str, by: int = 1) -> Any:
        """Count one oddity, or more, by its dotted name."""

    def alert(self, text: str) -> Any:
        """Tell people something that they should know; once for each time that it becomes so."""

    def now_ns(self) -> int:
        """Our clock, UTC."""

    def instrument_of(self, symbol: str) -> int:
        """The core's instrument of a symbol, -1 where it is not known."""

    def heed(self) -> Any:
        """Have an operator's command that has come carried out now, before other work that takes its time."""


class OrderRef(msgspec.Struct, frozen=True):
    """One of our orders, as a venue needs it to find it again.

    `venue_order_id` is empty while not known; `placed_ns` is our clock when it was approved, 0 where not known.
    """

    order_no: int
    instrument: int
    client_order_id: str
    venue_order_id: str = ""
    placed_ns: int = 0


class PlaceTicket(msgspec.Struct, frozen=True):
    """An approved order on its way out. `price_ticks` is 0 for a market order."""

    order_no: int
    instrument: int
    client_order_id: str
    side: int
    order_type: int
    price_ticks: int
    size_lots: int


class Evidence(msgspec.Struct, frozen=True):
    """What a venue's answer, or the lack of one, says of one order; `report` is an `OrderReport`."""

    report: int
    venue_code: int = 0
    text: str = ""
    venue_order_id: str = ""
    cumulative_lots: int = -1
    cumulative_money: int = 0
    ts_event_ns: int = 0


class OpenOrder(msgspec.Struct, frozen=True):
    """One order the venue holds open, ours or not. `instrument` is -1 for a symbol we did not load."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    instrument: int
    evidence: Evidence


class VenueFill(msgspec.Struct, frozen=True):
    """One execution as the venue lists it."""

    instrument: int
    venue_order_id: str
    client_order_id: str
    trade_id: str
    side: int
    price_ticks: int
    size_lots: int
    money: int
    fee: int
    fee_asset: str
    is_maker: bool
    ts_event_ns: int


class AssetBalance(msgspec.Struct, frozen=True):
    """What the account holds of one asset."""

    asset: str
    free: int
    locked: int


class FeedStatus(msgspec.Struct, frozen=True):
    """One feed for the status page; times in seconds of the run's loop, -1 where nothing came yet."""

    name: str
    source: int
    state: str
    symbols: list[str]
    frames: int
    reconnects: int
    refused: int
    silent_s: float
    last_error: str
    conflated: int = 0


class SourceStatus(msgspec.Struct, frozen=True):
    """One source of listing evidence: `state` is waiting, up or down, since `since_ns` of our clock; `rows` it told of."""

    name: str
    state: str
    reason: str
    since_ns: int
    answers: int
    failures: int
    rows: int
    skipped: int


class AdapterStatus(msgspec.Struct, frozen=True):
    """An adapter for the status page."""

    name: str
    feeds: list[FeedStatus]
    rest_rtt_ms: float
    clock_offset_ms: float
    clock_error_ms: float
    counters: dict[str, int]
    sources: list[SourceStatus] = []


class AdapterError(Exception):
    """A question to the venue was not answered: the caller may ask again, and nothing may be concluded from it.

    `symbol_gone`: the venue does not know the symbol, or no longer; asking again does not help.
    """

    def __init__(self, text: str, *, retry_after_s: float = 0.0, symbol_gone: bool = False) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s
        self.symbol_gone = symbol_gone


class Adapter(Protocol):
    """A venue. Constructed as `AdapterClass(config, run_id=..., seed=...)`, which does no input or output.

    `place` and `cancel` never raise for what a venue or a network can do: they answer with evidence, and where nothing is
    proved the evidence is REPORT_AMBIGUOUS. The questions (`query`, `open_orders`, `trades_of`, `trades_since`,
    `account`) raise AdapterError when they got no usable answer.
    """

    name: ClassVar[str]
    config_type: ClassVar[type[BaseModel]]
    destination: Destination
    private_restored: asyncio.Event
    """Set when pushes may have been missed (the private feed came up, or a frame was lost): a reconciliation is due."""

    def decoder(self) -> FrameDecoder:
        """A new decoder of this venue's frames."""

    async def load_instruments(self, symbols: Sequence[str]) -> list[InstrumentSpec]:
        """The specs of these symbols, in this order; raises AdapterError where one does not exist."""

    async def start(self, sequencer: SequencerPort, instruments: Sequence[InstrumentSpec]) -> None:
        """Open the feeds; an instrument's place in the sequence is its index in the core.

        One with source 0 was traded before and is no longer: it is asked about, but has no feed.
        """

    async def watch(self, symbol: str) -> None:
        """Load a symbol's instrument, hand it to the sequencer, again whenever it changes, and open its feed.

        Tries again until it succeeds or the symbol is unwatched. A symbol that is watched, or loaded, already is left alone.
        While the venue does not list it any more it has no feed, and its instrument source 0.
        """

    async def unwatch(self, symbol: str) -> None:
        """Close a watched symbol's feed; its instrument goes on with source 0. Others are left alone."""

    async def fetch_book(self, instrument: int, attempt: int) -> None:
        """Fetch a book and hand it to the sequencer; waits the longer the higher the attempt, which counts from 0.

        Asks again until there is one, or the adapter is closed.
        """

    def place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Awaitable[Evidence]:
        """Send one order once. Calls `before_send` when everything is ready and before any byte leaves.

        It may send within the call or when it is awaited (an `async def` does). What `before_send` raises comes out of
        either, and then nothing was sent.
        """

    def quick_lane(self, core: Engine) -> QuickLane | None:
        """A shorter way for new orders than `place`, once started; None where there is none."""

    def cancel(self, order: OrderRef) -> Awaitable[Evidence]:
        """Ask to cancel one order, within the call or when it is awaited."""

    async def query(self, order: OrderRef) -> Evidence | None:
        """What the venue knows of one order; None where it says that there is no such order."""

    async def open_orders(self, instrument: int | None = None) -> list[OpenOrder]:
        """The account's open orders in one instrument, or in all that are loaded."""

    async def trades_of(self, order: OrderRef) -> list[VenueFill]:
        """The executions of one order that the venue lists by now."""

    async def trades_since(self, instrument: int, since_ns: int) -> list[VenueFill]:
        """The account's executions in one instrument from this venue time on, ours or not."""

    async def account(self) -> list[AssetBalance]:
        """The account's balances."""

    def acceptance_window_ns(self) -> int:
        """How long after it left us an order may still be accepted: receive window plus the error of our clock."""

    def status(self) -> AdapterStatus:
        """Feeds, round trip and clock for the status page."""

    async def close(self) -> None:
        """Close feeds and connections; tells the venue what it should release."""


class Examinable(Protocol):
    """An adapter that can be examined before it is trusted with an account: `penstock doctor --venue`, and each live start."""

    async def examine(self, symbols: Sequence[str], max_clock_skew_ms: int) -> list[Finding]:
        """Look at key, clock, symbols, fees and feeds without placing an order. Never raises for what a venue does.

        The adapter is closed afterwards and not used for anything else.
        """

    async def close(self) -> None:
        """Close what was opened."""
