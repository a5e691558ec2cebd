# cython: annotation_typing=False
"""Events from Python: builders for what the rim puts in, and a reader for people. Layout: event.pxd.

A builder answers header and body with seq and ts_recv_ns zero; the sequencer fills these in.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from engine.core.money cimport money_words, whole
from native.level cimport level_t

HEADER_BYTES = sizeof(event_t)
PRICE_LEVEL_BYTES = sizeof(level_t)


cdef bytes build(uint16_t kind, int32_t instrument, uint16_t source, int64_t ts_event_ns, const void* body, size_t length):
    cdef event_t header
    memset(&header, 0, sizeof(event_t))
    header.kind = kind
    header.instrument = instrument
    header.source = source
    header.ts_event_ns = ts_event_ns
    header.length = <uint32_t>length
    return (<char*>&header)[:sizeof(event_t)] + (<const char*>body)[:length]


cdef int put_text(char* field, size_t room, str text, str what) except -1:
    encoded = text.encode("utf-8", "replace")
    if <size_t>len(encoded) >= room:
        raise ValueError(f"{what} is longer than {room - 1} bytes: {text!r}")
    memcpy(field, <const char*>encoded, len(encoded))
    return 0


def heartbeat(source: int) -> bytes:
    """The feed is alive, and said nothing."""
    return build(EVENT_HEARTBEAT, -1, source, 0, NULL, 0)


def feed(source: int, up: bool, private: bool = False) -> bytes:
    """A feed came up, subscribed and confirmed, or went down."""
    cdef feed_t body
    body.up = up
    body.private_ = private
    return build(EVENT_FEED, -1, source, 0, &body, sizeof(body))


def conflation(source: int, on: bool, frames: int, lag_ns: int) -> bytes:
    """Frames of a feed are left out from here on, or, after so many, no longer."""
    cdef conflation_t body
    memset(&body, 0, sizeof(body))
    body.on = on
    body.frames = whole(frames)
    body.lag_ns = whole(lag_ns)
    return build(EVENT_CONFLATION, -1, source, 0, &body, sizeof(body))


def timer(timer_id: int, strategy: int, due_ns: int) -> bytes:
    """A timer is due."""
    cdef timer_t body
    body.timer_id = whole(timer_id)
    body.strategy = whole(strategy)
    body.due_ns = whole(due_ns)
    return build(EVENT_TIMER, -1, 0, 0, &body, sizeof(body))


def health(field: int, value: int) -> bytes:
    """Something that the core's checks need to know of the rim (HealthField)."""
    cdef health_t body
    memset(&body, 0, sizeof(body))
    body.field = whole(field)
    body.value = whole(value)
    return build(EVENT_HEALTH, -1, 0, 0, &body, sizeof(body))


def start(run_id: str, session: int, live: bool, seed: int) -> bytes:
    """A session of the run begins."""
    cdef start_t body
    memset(&body, 0, sizeof(body))
    put_text(body.run_id, sizeof(body.run_id), run_id, "run id")
    body.session = whole(session)
    body.live = live
    body.seed = whole(seed)
    return build(EVENT_START, -1, 0, 0, &body, sizeof(body))


def config(document: bytes) -> bytes:
    """The resolved config as JSON."""
    return build(EVENT_CONFIG, -1, 0, 0, <const char*>document, len(document))


def instrument(spec) -> bytes:
    """An instrument becomes known, or changes (engine.core.instrument.InstrumentSpec)."""
    cdef instrument_t body
    memset(&body, 0, sizeof(body))
    put_text(body.symbol, sizeof(body.symbol), spec.symbol, "symbol")
    put_text(body.base, sizeof(body.base), spec.base, "base asset")
    put_text(body.quote, sizeof(body.quote), spec.quote, "quote asset")
    body.price_decimals = whole(spec.price_decimals)
    body.size_decimals = whole(spec.size_decimals)
    body.tradable = whole(spec.tradable)
    body.sides = whole(spec.sides)
    body.order_types = whole(spec.order_types)
    body.source = whole(spec.source)
    body.tick_step = whole(spec.tick_step)
    body.lot_step = whole(spec.lot_step)
    body.min_lots = whole(spec.min_lots)
    body.max_lots = whole(spec.max_lots)
    body.band_up_ppm = whole(spec.band_up_ppm)
    body.band_down_ppm = whole(spec.band_down_ppm)
    body.maker_fee_ppm = whole(spec.maker_fee_ppm)
    body.taker_fee_ppm = whole(spec.taker_fee_ppm)
    body.min_notional = money_words(spec.min_notional)
    body.max_notional = money_words(spec.max_notional)
    body.opens_ns = whole(spec.opens_ns)
    return build(EVENT_INSTRUMENT, -1, spec.source, 0, &body, sizeof(body))


def listing(source: int, change: int, symbol: str = "", *, listing_id: str = "", open_time_ms: int = -1, status: int = -1,
            api_allowed: int = -1, trade_side_type: int = -1, order_types: int = -1, venue_codes: tuple = (-1, -1, -1),
            price_decimals: int = -1, size_decimals: int = -1, band_up_ppm: int = -1, band_down_ppm: int = -1,
            price: int = 0, fields: int = 0, text: str = "", ts_event_ns: int = 0) -> bytes:
    """What one source (ListingSource) says of a symbol (ListingChange); -1: not said. A text is cut to its room."""
    cdef listing_t body
    memset(&body, 0, sizeof(body))
    put_text(body.symbol, sizeof(body.symbol), symbol, "symbol")
    put_text(body.listing_id, sizeof(body.listing_id), listing_id, "listing id")
    put_text(body.text, sizeof(body.text), text.encode("utf-8", "replace")[:127].decode("utf-8", "ignore"), "text")
    body.source = whole(source)
    body.change = whole(change)
    body.open_time_ms = whole(open_time_ms)
    body.status = whole(status)
    body.api_allowed = whole(api_allowed)
    body.trade_side_type = whole(trade_side_type)
    body.order_types = whole(order_types)
    body.venue_codes[0], body.venue_codes[1], body.venue_codes[2] = venue_codes
    body.price_decimals = whole(price_decimals)
    body.size_decimals = whole(size_decimals)
    body.band_up_ppm = whole(band_up_ppm)
    body.band_down_ppm = whole(band_down_ppm)
    body.price = money_words(price)
    body.fields = whole(fields)
    return build(EVENT_LISTING, -1, 0, ts_event_ns, &body, sizeof(body))


def command(kind: int, idempotency_id: str = "", order_no: int = 0, instrument: int = -1) -> bytes:
    """What an operator says (CommandKind); one idempotency id is obeyed once. instrument: of FLATTEN, -1 for all."""
    cdef command_t body
    memset(&body, 0, sizeof(body))
    body.command = kind
    body.order_no = whole(order_no)
    put_text(body.idempotency_id, sizeof(body.idempotency_id), idempotency_id, "idempotency id")
    return build(EVENT_COMMAND, instrument, 0, 0, &body, sizeof(body))


def order_update(order_no: int, report: int, *, instrument: int = -1, venue_code: int = 0, cumulative_lots: int = -1,
                 cumulative_money: int = 0, venue_order_id: str = "", text: str = "", ts_event_ns: int = 0) -> bytes:
    """What the venue, or its silence, says of an order (OrderReport). cumulative_money: quote, 10^-20 units."""
    cdef order_update_t body
    memset(&body, 0, sizeof(body))
    body.order_no = whole(order_no)
    body.report = whole(report)
    body.venue_code = whole(venue_code)
    body.cumulative_lots = whole(cumulative_lots)
    body.cumulative_money = money_words(cumulative_money)
    put_text(body.venue_order_id, sizeof(body.venue_order_id), venue_order_id, "venue order id")
    put_text(body.text, sizeof(body.text), text.encode("utf-8")[:55].decode("utf-8", "ignore"), "text")
    return build(EVENT_ORDER_UPDATE, instrument, 0, ts_event_ns, &body, sizeof(body))


def fill(order_no: int, *, instrument: int, side: int, price_ticks: int, size_lots: int, money: int, fee: int,
         fee_asset: str, is_maker: bool, trade_id: str, ts_event_ns: int = 0) -> bytes:
    """One execution. money: price times size in quote; fee in fee_asset; both in 10^-20 units."""
    cdef fill_t body
    memset(&body, 0, sizeof(body))
    body.order_no = whole(order_no)
    body.price_ticks = whole(price_ticks)
    body.size_lots = whole(size_lots)
    body.is_maker = is_maker
    body.side = whole(side)
    body.money = money_words(money)
    body.fee = money_words(fee)
    put_text(body.fee_asset, sizeof(body.fee_asset), fee_asset, "fee asset")
    put_text(body.trade_id, sizeof(body.trade_id), trade_id, "trade id")
    return build(EVENT_FILL, instrument, 0, ts_event_ns, &body, sizeof(body))


def balance(asset: str, free: int, locked: int, absolute: bool) -> bytes:
    """What the venue says we hold; an absolute one, from a reconciliation, replaces what the core holds."""
    cdef balance_t body
    memset(&body, 0, sizeof(body))
    put_text(body.asset, sizeof(body.asset), asset, "asset")
    body.absolute = absolute
    body.free = money_words(free)
    body.locked = money_words(locked)
    return build(EVENT_BALANCE, -1, 0, 0, &body, sizeof(body))


def reconciled() -> bytes:
    """Venue and core agree on orders and balances."""
    return build(EVENT_RECONCILED, -1, 0, 0, NULL, 0)


def malformed(source: int, instrument: int, reason: int, integrity: bool) -> bytes:
    """A frame that could not be decoded; with integrity a book delta may be lost."""
    cdef malformed_t body
    body.reason = reason
    body.integrity = integrity
    return build(EVENT_MALFORMED, instrument, source, 0, &body, sizeof(body))


cdef bytes book_event(uint16_t kind, int instrument, int source, int64_t ts_event_ns, int64_t from_version,
                      int64_t to_version, asks, bids, uint32_t depth_limit):
    cdef book_t body
    cdef level_t level
    memset(&body, 0, sizeof(body))
    body.from_version = from_version
    body.to_version = to_version
    body.n_asks = len(asks)
    body.n_bids = len(bids)
    body.depth_limit = depth_limit
    parts = [(<char*>&body)[:sizeof(body)]]
    for price_ticks, size_lots in (*asks, *bids):
        level.price_ticks, level.size_lots = whole(price_ticks), whole(size_lots)
        parts.append((<char*>&level)[:sizeof(level)])
    joined = b"".join(parts)
    return build(kind, instrument, source, ts_event_ns, <const char*>joined, len(joined))


def snapshot(instrument: int, version: int, asks, bids, depth_limit: int = 0, source: int = 0) -> bytes:
    """A whole book of (price_ticks, size_lots), best first; a side with depth_limit levels was cut there."""
    return book_event(EVENT_BOOK_SNAPSHOT, instrument, source, 0, 0, version, asks, bids, depth_limit)


def delta(instrument: int, from_version: int, to_version: int, asks, bids, source: int = 0, ts_event_ns: int = 0) -> bytes:
    """A change of a book: (price_ticks, size_lots) each, absolute sizes, 0 removes."""
    return book_event(EVENT_BOOK_DELTA, instrument, source, ts_event_ns, from_version, to_version, asks, bids, 0)


def trades(instrument: int, items, source: int = 0, ts_event_ns: int = 0) -> bytes:
    """Public trades: (price_ticks, size_lots, side of the taker, ts_event_ns) each."""
    cdef trades_t body
    cdef trade_t item
    body.n_trades = len(items)
    body.reserved = 0
    memset(&item, 0, sizeof(item))
    parts = [(<char*>&body)[:sizeof(body)]]
    for price_ticks, size_lots, side, moment_ns in items:
        item.price_ticks, item.size_lots, item.side = whole(price_ticks), whole(size_lots), whole(side)
        item.ts_event_ns = whole(moment_ns)
        parts.append((<char*>&item)[:sizeof(item)])
    joined = b"".join(parts)
    return build(EVENT_TRADES, instrument, source, ts_event_ns, <const char*>joined, len(joined))


def quote(instrument: int, version: int, bid: tuple, ask: tuple, source: int = 0, ts_event_ns: int = 0) -> bytes:
    """Best bid and ask, (price_ticks, size_lots) each; a price of 0 is an empty side."""
    cdef quote_t body
    body.bid_ticks, body.bid_lots = bid
    body.ask_ticks, body.ask_lots = ask
    body.version = version
    return build(EVENT_QUOTE, instrument, source, ts_event_ns, &body, sizeof(body))


def batch(events) -> bytes:
    """Stamped events end to end, each padded to 8 bytes: what Sequencer.process_batch takes."""
    return b"".join([event + bytes((8 - len(event) % 8) % 8) for event in events])


def stamped(event: bytes, seq: int, ts_recv_ns: int) -> bytes:
    """The event with its sequence number and time of arrival: what the sequencer does, for tests and backtests."""
    cdef event_t header
    if <size_t>len(event) < sizeof(event_t):
        raise ValueError("an event is at least its header")
    memcpy(&header, <const char*>event, sizeof(event_t))
    header.seq = seq
    header.ts_recv_ns = ts_recv_ns
    return (<char*>&header)[:sizeof(event_t)] + event[sizeof(event_t):]
