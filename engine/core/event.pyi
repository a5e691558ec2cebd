"""Events from Python: builders answer header and body, with seq and ts_recv_ns zero."""

from collections.abc import Collection

from engine.core.instrument import InstrumentSpec

HEADER_BYTES: int
PRICE_LEVEL_BYTES: int

Level = tuple[int, int]
TradeItem = tuple[int, int, int, int]

def heartbeat(source: int) -> bytes: ...
def feed(source: int, up: bool, private: bool = False) -> bytes: ...
def conflation(source: int, on: bool, frames: int, lag_ns: int) -> bytes: ...
def timer(timer_id: int, strategy: int, due_ns: int) -> bytes: ...
def health(field: int, value: int) -> bytes: ...
def start(run_id: str, session: int, live: bool, seed: int) -> bytes: ...
def config(document: bytes) -> bytes: ...
def instrument(spec: InstrumentSpec) -> bytes: ...
def listing(
    source: int,
    change: int,
    symbol: str = "",
    *,
    listing_id: str = "",
    open_time_ms: int = -1,
    status: int = -1,
    api_allowed: int = -1,
    trade_side_type: int = -1,
    order_types: int = -1,
    venue_codes: tuple[int, int, int] = (-1, -1, -1),
    price_decimals: int = -1,
    size_decimals: int = -1,
    band_up_ppm: int = -1,
    band_down_ppm: int = -1,
    price: int = 0,
    fields: int = 0,
    text: str = "",
    ts_event_ns: int = 0,
) -> bytes: ...
def command(kind: int, idempotency_id: str = "", order_no: int = 0, instrument: int = -1) -> bytes: ...
def order_update(
    order_no: int,
    report: int,
    *,
    instrument: int = -1,
    venue_code: int = 0,
    cumulative_lots: int = -1,
    cumulative_money: int = 0,
    venue_order_id: str = "",
    text: str = "",
    ts_event_ns: int = 0,
) -> bytes: ...
def fill(
    order_no: int,
    *,
    instrument: int,
    side: int,
    price_ticks: int,
    size_lots: int,
    money: int,
    fee: int,
    fee_asset: str,
    is_maker: bool,
    trade_id: str,
    ts_event_ns: int = 0,
) -> bytes: ...
def balance(asset: str, free: int, locked: int, absolute: bool) -> bytes: ...
def reconciled() -> bytes: ...
def malformed(source: int, instrument: int, reason: int, integrity: bool) -> bytes: ...
def snapshot(
    instrument: int,
    version: int,
    asks: Collection[Level],
    bids: Collection[Level],
    depth_limit: int = 0,
    source: int = 0,
) -> bytes: ...
def delta(
    instrument: int,
    from_version: int,
    to_version: int,
    asks: Collection[Level],
    bids: Collection[Level],
    source: int = 0,
    ts_event_ns: int = 0,
) -> bytes: ...
def quote(
    instrument: int,
    version: int,
    bid: tuple[int, int],
    ask: tuple[int, int],
    source: int = 0,
    ts_event_ns: int = 0,
) -> bytes: ...
def trades(instrument: int, items: Collection[TradeItem], source: int = 0, ts_event_ns: int = 0) -> bytes: ...
def batch(events: Collection[bytes]) -> bytes: ...
def stamped(event: bytes, seq: int, ts_recv_ns: int) -> bytes: ...
