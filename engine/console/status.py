"""The status document: what a running core tells about itself, four times a second, to whoever looks.

The core fills these structs and publishes them through `engine.console.status_page`. Numbers for people (prices,
sizes, money) are decimal strings, already exact; nothing reads them back into the engine.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.console.listings import Listing

MAX_PAYLOAD_BYTES = 65_536
MAX_ROWS = 64

Mode = Literal["paper", "live"]
Health = Literal["ok", "warning", "failure"]


class Feed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One connection to a venue: `state` is up, down, connecting or stale."""

    name: str
    state: str
    messages: int = 0
    reconnects: int = 0
    conflated: int = 0
    age_ms: int = -1
    lag_ms: int = 0


class Book(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order book: `trust` is LIVE, STALE or RESYNCING; an empty price is an empty side."""

    symbol: str
    trust: str
    bid: str = ""
    bid_size: str = ""
    ask: str = ""
    ask_size: str = ""
    spread_bps: float = 0.0
    age_ms: int = -1


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """One source of listing evidence: `state` is waiting, up or down, and `reason` why it is not up."""

    name: str
    state: str
    reason: str = ""


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order that is not finished, UNKNOWN ones included."""

    order_no: int
    symbol: str
    side: str
    kind: str
    price: str
    size: str
    filled: str
    state: str
    strategy: str = ""
    age_ms: int = -1


class Fill(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recent fill; `time` is HH:MM:SS.mmm UTC."""

    time: str
    symbol: str
    side: str
    price: str
    size: str
    fee: str = ""
    fee_asset: str = ""
    is_maker: bool = False
    strategy: str = ""


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is held in one instrument, and what it has earned, in the risk currency."""

    symbol: str
    size: str
    average_price: str = ""
    notional: str = ""
    realised_pnl: str = "0"
    unrealised_pnl: str = "0"
    fees: str = "0"


class GateCounts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gate has said so far; `denied` counts by reason code."""

    intents: int = 0
    approved: int = 0
    denied: dict[str, int] = {}


class Latency(msgspec.Struct, frozen=True):
    """Percentiles of one stage, in microseconds."""

    p50: float
    p99: float
    p999: float
    max: float


class JournalStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The journal: records written, records not yet on disk, and how long the oldest of them has waited."""

    records: int = 0
    durable_records: int = 0
    durable_lag_ms: float = 0.0
    segments: int = 0
    head_hash: str = ""
    writable: bool = True

    @property
    def pending(self) -> int:
        """Records that are committed, but not durable yet."""
        return max(0, self.records - self.durable_records)


class TapeStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tape: frames and bytes so far, and the share of its budget in use."""

    frames: int = 0
    bytes: int = 0
    budget_bytes: int = 0
    segments_dropped: int = 0


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something a person should know; `level` is info, warning or error; `time` is HH:MM:SS UTC."""

    time: str
    level: str
    text: str


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole document. `ts_ns` is UTC and tells how old the document is; `seq` is the last sequence number."""

    run_id: str
    mode: Mode
    ts_ns: int
    seconds: float = 0.0
    seq: int = 0
    pid: int = 0
    currency: str = "USDT"
    health: Health = "ok"
    halted: bool = False
    reduce_only: bool = False
    feeds: list[Feed] = []
    sources: list[Source] = []
    books: list[Book] = []
    orders: list[Order] = []
    fills: list[Fill] = []
    positions: list[Position] = []
    alerts: list[Alert] = []
    listings: list[Listing] = []
    equity: str = ""
    realised_pnl: str = ""
    gate: GateCounts = GateCounts()
    latency_us: dict[str, Latency] = {}
    journal: JournalStatus = JournalStatus()
    tape: TapeStatus = TapeStatus()
    rss_mb: float = 0.0
    hidden_rows: int = 0


_FIRST_ROWS = ("feeds", "sources", "books", "orders", "positions", "listings")
_LAST_ROWS = ("fills", "alerts")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Status)


def encode(status: Status) -> bytes:
    """The document as JSON of at most 64 KiB; rows beyond the limits are left out and counted in `hidden_rows`.

    Fills and alerts keep their last rows, everything else its first.
    """
    rows = MAX_ROWS
    payload = _encoder.encode(_trimmed(status, rows))
    while len(payload) > MAX_PAYLOAD_BYTES and rows:
        rows //= 2
        payload = _encoder.encode(_trimmed(status, rows))
    return payload


def decode(payload: bytes) -> Status:
    """The document in `payload`; raises ValueError where it is none."""
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise ValueError(f"no status document: {error}") from None


def _trimmed(status: Status, rows: int) -> Status:
    first = {name: getattr(status, name)[:rows] for name in _FIRST_ROWS}
    last = {name: getattr(status, name)[-rows:] if rows else [] for name in _LAST_ROWS}
    kept = first | last
    hidden = sum(len(getattr(status, name)) - len(kept[name]) for name in kept)
    if not hidden:
        return status
    return msgspec.structs.replace(status, hidden_rows=status.hidden_rows + hidden, **kept)
