"""What bytes from outside must be before the core reads them.

A header says how long the body is and, of a book or of trades, the body says how many items follow. Either may lie:
nothing behind the header is read before they agree.
"""

from engine.core.event cimport *
from native.level cimport level_t

cdef size_t MEMO_MOST = 1000               # bytes of a memo's value
cdef int64_t LATEST_NS = 1 << 62           # the year 2116: sums of a time and a limit's duration stay in 64 bits


cdef bint fits_book(const event_t* e) noexcept nogil:
    cdef const book_t* book = <const book_t*>(<const char*>e + sizeof(event_t))
    if e.length < sizeof(book_t):
        return False
    return e.length == sizeof(book_t) + (<size_t>book.n_asks + book.n_bids) * sizeof(level_t)


cdef bint fits_trades(const event_t* e) noexcept nogil:
    cdef const trades_t* trades = <const trades_t*>(<const char*>e + sizeof(event_t))
    if e.length < sizeof(trades_t):
        return False
    return e.length == sizeof(trades_t) + <size_t>trades.n_trades * sizeof(trade_t)


cdef size_t fixed_input_bytes(uint16_t kind) noexcept nogil:
    """The body's length of an input of fixed shape."""
    if kind == EVENT_QUOTE:
        return sizeof(quote_t)
    if kind == EVENT_TIMER:
        return sizeof(timer_t)
    if kind == EVENT_FEED:
        return sizeof(feed_t)
    if kind == EVENT_MALFORMED:
        return sizeof(malformed_t)
    if kind == EVENT_HEALTH:
        return sizeof(health_t)
    if kind == EVENT_CONFLATION:
        return sizeof(conflation_t)
    if kind == EVENT_LISTING:
        return sizeof(listing_t)
    if kind == EVENT_START:
        return sizeof(start_t)
    if kind == EVENT_INSTRUMENT:
        return sizeof(instrument_t)
    if kind == EVENT_COMMAND:
        return sizeof(command_t)
    if kind == EVENT_ORDER_UPDATE:
        return sizeof(order_update_t)
    if kind == EVENT_FILL:
        return sizeof(fill_t)
    if kind == EVENT_BALANCE:
        return sizeof(balance_t)
    return 0


cdef size_t fixed_output_bytes(uint16_t kind) noexcept nogil:
    """The body's length of an output; each but the memo has a fixed shape."""
    if kind == ACTION_PLACE:
        return sizeof(place_t)
    if kind == ACTION_CANCEL or kind == ACTION_QUERY:
        return sizeof(cancel_t)
    if kind == ACTION_DENIED:
        return sizeof(denied_t)
    if kind == ACTION_SET_TIMER:
        return sizeof(timer_t)
    if kind == ACTION_RESYNC:
        return sizeof(resync_t)
    if kind == ACTION_BREAKER:
        return sizeof(breaker_t)
    if kind == ACTION_EQUITY:
        return sizeof(equity_t)
    if kind == ACTION_WATCH:
        return sizeof(watch_t)
    return sizeof(alert_t)


cdef bint body_fits(const event_t* e) noexcept nogil:
    """Whether the body is as long as its kind, and its own counts, say. Kinds that nobody reads fit always."""
    if e.kind == EVENT_BOOK_DELTA or e.kind == EVENT_BOOK_SNAPSHOT:
        return fits_book(e)
    if e.kind == EVENT_TRADES:
        return fits_trades(e)
    if e.kind == EVENT_HEARTBEAT or e.kind == EVENT_CONFIG or e.kind == EVENT_RECONCILED:
        return True
    if e.kind == ACTION_MEMO:
        return sizeof(memo_t) <= e.length <= sizeof(memo_t) + MEMO_MOST
    if e.kind <= EVENT_CONFLATION or EVENT_START <= e.kind <= EVENT_BALANCE:
        return e.length == fixed_input_bytes(e.kind)
    if ACTION_PLACE <= e.kind <= ACTION_MEMO:
        return e.length == fixed_output_bytes(e.kind)
    return True


cdef int check_event(const event_t* e) except -1:
    """ValueError where the body is not what the header says, or the time is none."""
    if not body_fits(e):
        raise ValueError(f"event {e.seq} of kind {e.kind} cannot have a body of {e.length} bytes as it is")
    if not 0 <= e.ts_recv_ns <= LATEST_NS:
        raise ValueError(f"event {e.seq} of kind {e.kind} was received at no possible time: {e.ts_recv_ns}")
    return 0


cdef const event_t* checked(bytes event) except NULL:
    """Header and body as one whole event; ValueError where they are none."""
    cdef const event_t* e = <const event_t*><const char*>event
    if <size_t>len(event) < sizeof(event_t):
        raise ValueError(f"{len(event)} bytes are less than an event's header")
    if <size_t>len(event) != sizeof(event_t) + e.length:
        raise ValueError(f"an event of {len(event)} bytes says that its body has {e.length}")
    check_event(e)
    return e


cdef int check_input(const event_t* event) except -1:
    """What comes in through here is an input, of a size that the scratch memory may grow to."""
    if event.kind >= ACTION_PLACE:
        raise ValueError(f"a record of kind {event.kind} is no input")
    if event.length > FRAME_MOST - sizeof(event_t):
        raise ValueError(f"an event of {sizeof(event_t) + event.length} bytes is too large")
    return 0


cdef int check_batch(const char* start, size_t length) except -1:
    """ValueError names the first event of a batch that is none."""
    cdef size_t at = 0
    cdef const event_t* event
    while at < length:
        event = <const event_t*>(start + at)
        if length - at < sizeof(event_t) or padded_bytes(event) > length - at:
            raise ValueError(f"the batch holds no whole event at byte {at} of {length}")
        check_event(event)
        check_input(event)
        at += padded_bytes(event)
    return 0
