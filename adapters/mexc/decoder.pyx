"""MEXC's frames as events: native.mexc_protobuf's integers, laid out as engine/core/event.pxd says.

Pure: no clock, no input or output. A depth is decoded straight into the event's body, one pass, no copy.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from engine.core.decoder cimport FrameDecoder
from engine.core.event cimport *
from native.decimal cimport DECIMAL_OK, decimal_money_to_units, decimal_parse, int128_high, int128_low, int128_t
from native.level cimport level_t
from native.mexc_protobuf cimport *

import orjson

from engine.execution.client_ids import check_run_id

cdef enum:
    NS_PER_MS = 1_000_000
    MAX_ORDER_DIGITS = 19

cdef int64_t LAST_MS = (2**63 - 1) // 1_000_000  # its nanoseconds still fit an event
cdef int64_t LARGEST = 2**63 - 1


cdef inline uint32_t bit(int field) noexcept nogil:
    return <uint32_t>1 << field


cdef inline bint put_slice(char* field, size_t room, slice_t text) noexcept nogil:
    """Copy a text into a zero padded field; False where it does not fit with its final zero."""
    if text.n >= room:
        return False
    if text.n:  # an empty text need not lie anywhere, and memcpy may not be given that
        memcpy(field, text.p, text.n)
    return True


cdef inline void put_money(int128_t amount, money_t* out) noexcept nogil:
    out.low = int128_low(amount)
    out.high = int128_high(amount)


cdef bint names_depth(slice_t channel) noexcept nogil:
    """Whether a channel may be one of depth; a channel that is not there may be any."""
    cdef size_t i
    for i in range(channel.n):
        if channel.n - i >= 5 and memcmp(channel.p + i, b"depth", 5) == 0:
            return True
    return channel.n == 0


cdef class MexcDecoder(FrameDecoder):
    """Decodes MEXC's spot frames and order books.

    run_id: client ids of this run are ours, all others are foreign: counted in `foreign` and answered as HEARTBEAT.
    depth_limit: how many levels a REST order book was asked for; a side with that many is cut there.
    `rounded` counts private amounts with more than 20 decimals.
    """

    def __cinit__(self, run_id, depth_limit=5000, uint32_t max_symbols=4096):
        self.client_prefix = f"{check_run_id(run_id)}-".encode()
        self.depth_limit = depth_limit
        self.core_index = <int32_t*>calloc(max_symbols, sizeof(int32_t))
        if self.core_index == NULL or symbol_table_init(&self.symbols, max_symbols) != 0:
            raise MemoryError("no memory for the symbol table")

    def __dealloc__(self):
        symbol_table_free(&self.symbols)
        free(self.core_index)

    def add_instrument(self, index: int, symbol: str, price_decimals: int, size_decimals: int) -> None:
        """Make a symbol known, or its scales anew; raises ValueError for a name or scale that cannot be."""
        cdef bytes name = symbol.encode()
        if not (0 <= price_decimals <= SYMBOL_MAX_DECIMALS and 0 <= size_decimals <= SYMBOL_MAX_DECIMALS):
            raise ValueError(f"{symbol}: decimals must be 0 to {SYMBOL_MAX_DECIMALS}")
        cdef int32_t at = symbol_find(&self.symbols, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
        if at < 0:
            at = symbol_add(
                &self.symbols, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name), price_decimals, size_decimals
            )
        if at < 0:
            raise ValueError(f"symbol {symbol!r} cannot be added (reason {at})")
        self.symbols.symbols[at].price_decimals = price_decimals
        self.symbols.symbols[at].size_decimals = size_decimals
        self.core_index[at] = index

    cdef int decode(self, const char* frame, size_t length, event_t* header, char* body, size_t capacity) except -1:
        cdef int error = mexc_scan(<const uint8_t*>frame, length, &self.symbols, &self.frame)
        header.kind = EVENT_HEARTBEAT
        header.length = 0
        header.instrument = self.core_index[self.frame.symbol] if self.frame.symbol >= 0 else -1
        header.ts_event_ns = self.frame.send_time_ms * NS_PER_MS
        if error == MEXC_OK:
            error = self.decode_into(header, body, capacity)
            self.rounded += self.frame.n_rounded
        if error == MEXC_UNKNOWN_SYMBOL and self.frame.kind >= MEXC_PRIVATE_ORDER:
            self.foreign += 1
        elif error != MEXC_OK:
            self.put_malformed(header, body, capacity, error)
        return 0

    cdef int decode_into(self, event_t* header, char* body, size_t capacity) noexcept:
        """The body of a frame whose wrapper is sound; returns the error."""
        cdef book_t* book = <book_t*>body
        cdef trades_t* trades = <trades_t*>body
        cdef quote_t* quote = <quote_t*>body
        cdef uint32_t kind = self.frame.kind
        cdef size_t prefix = sizeof(trades_t) if kind == MEXC_DEALS else sizeof(book_t)
        if kind == MEXC_HEARTBEAT or kind == MEXC_LIMIT_DEPTH:
            return MEXC_OK
        if capacity < sizeof(order_update_t):
            return MEXC_TOO_MANY_LEVELS
        cdef int error = mexc_decode_body(
            &self.frame, &self.symbols,
            <level_t*>(body + prefix), <uint32_t>((capacity - prefix) // sizeof(level_t)),
            <mexc_trade_t*>(body + prefix), <uint32_t>((capacity - prefix) // sizeof(mexc_trade_t)),
        )
        if error != MEXC_OK:
            return error
        if kind == MEXC_DEPTH:
            memset(book, 0, sizeof(book_t))
            book.from_version = self.frame.from_version
            book.to_version = self.frame.to_version
            book.n_asks = self.frame.n_asks
            book.n_bids = self.frame.n_bids
            header.kind = EVENT_BOOK_DELTA
            header.length = sizeof(book_t) + (book.n_asks + book.n_bids) * sizeof(level_t)
        elif kind == MEXC_DEALS:
            trades.n_trades = self.frame.n_trades
            trades.reserved = 0
            header.kind = EVENT_TRADES
            header.length = sizeof(trades_t) + self.frame.n_trades * sizeof(trade_t)
        elif kind == MEXC_BOOK_TICKER:
            quote.bid_ticks = self.frame.ticker.bid.price_ticks
            quote.bid_lots = self.frame.ticker.bid.size_lots
            quote.ask_ticks = self.frame.ticker.ask.price_ticks
            quote.ask_lots = self.frame.ticker.ask.size_lots
            quote.version = self.frame.to_version
            header.kind = EVENT_QUOTE
            header.length = sizeof(quote_t)
        elif kind == MEXC_PRIVATE_ORDER:
            return self.put_order(header, body, capacity)
        elif kind == MEXC_PRIVATE_DEAL:
            return self.put_fill(header, body, capacity)
        else:
            return self.put_balance(header, body, capacity)
        return MEXC_OK

    cdef int put_order(self, event_t* header, char* body, size_t capacity) noexcept:
        cdef order_update_t* update = <order_update_t*>body
        cdef mexc_order_t* order = &self.frame.order
        cdef uint64_t order_no = order_number(self.client_prefix, order.client_id)
        if order_no == 0:
            self.foreign += 1
            return MEXC_OK
        memset(update, 0, sizeof(order_update_t))
        update.order_no = order_no
        if order.status == 1 or order.status == 3:
            update.report = REPORT_WORKING
        elif order.status == 2:
            update.report = REPORT_FILLED
        elif order.status == 4 or order.status == 5:
            update.report = REPORT_CANCELED
        else:
            return MEXC_BAD_VALUE
        update.cumulative_lots = -1
        if order.present & bit(13):
            if decimal_money_to_units(
                order.cumulative_quantity, self.size_decimals(), &update.cumulative_lots
            ) != DECIMAL_OK:
                return MEXC_OUT_OF_SCALE
            if update.cumulative_lots < 0:  # which would say that it is not known
                return MEXC_BAD_VALUE
            put_money(order.cumulative_amount, &update.cumulative_money)
        if not put_slice(update.venue_order_id, sizeof(update.venue_order_id), order.id):
            return MEXC_BAD_VALUE
        header.kind = EVENT_ORDER_UPDATE
        header.length = sizeof(order_update_t)
        return MEXC_OK

    cdef int put_fill(self, event_t* header, char* body, size_t capacity) noexcept:
        cdef fill_t* fill = <fill_t*>body
        cdef mexc_private_deal_t* deal = &self.frame.deal
        cdef uint64_t order_no = order_number(self.client_prefix, deal.client_order_id)
        cdef uint32_t needed = bit(1) | bit(2) | bit(3) | bit(4) | bit(7)
        if order_no == 0:
            self.foreign += 1
            return MEXC_OK
        if deal.present & needed != needed:
            return MEXC_MISSING_FIELD
        if deal.trade_type != SIDE_BUY and deal.trade_type != SIDE_SELL:
            return MEXC_BAD_VALUE
        memset(fill, 0, sizeof(fill_t))
        fill.order_no = order_no
        fill.side = deal.trade_type
        fill.is_maker = deal.is_maker
        if decimal_money_to_units(deal.price, self.price_decimals(), &fill.price_ticks) != DECIMAL_OK:
            return MEXC_OUT_OF_SCALE
        if decimal_money_to_units(deal.quantity, self.size_decimals(), &fill.size_lots) != DECIMAL_OK:
            return MEXC_OUT_OF_SCALE
        if fill.price_ticks < 0 or fill.size_lots <= 0:
            return MEXC_BAD_VALUE
        put_money(deal.amount, &fill.money)
        put_money(deal.fee_amount, &fill.fee)
        if not put_slice(fill.fee_asset, sizeof(fill.fee_asset), deal.fee_currency):
            return MEXC_BAD_VALUE
        if not put_slice(fill.trade_id, sizeof(fill.trade_id), deal.trade_id):
            return MEXC_BAD_VALUE
        if deal.time_ms > 0:
            header.ts_event_ns = deal.time_ms * NS_PER_MS
        header.kind = EVENT_FILL
        header.length = sizeof(fill_t)
        return MEXC_OK

    cdef int put_balance(self, event_t* header, char* body, size_t capacity) noexcept:
        cdef balance_t* balance = <balance_t*>body
        cdef mexc_account_t* account = &self.frame.account
        if account.present & bit(1) == 0 or account.present & bit(3) == 0:
            return MEXC_MISSING_FIELD
        memset(balance, 0, sizeof(balance_t))
        if not put_slice(balance.asset, sizeof(balance.asset), account.asset):
            return MEXC_BAD_VALUE
        put_money(account.balance, &balance.free)
        put_money(account.frozen, &balance.locked)
        header.kind = EVENT_BALANCE
        header.length = sizeof(balance_t)
        return MEXC_OK

    cdef int put_malformed(self, event_t* header, char* body, size_t capacity, int reason) except -1:
        """The frame is lost. A book is in doubt unless the frame is known to be none of its deltas.

        A depth of a symbol that nobody asked for touches no book; a private frame that is lost counts as in doubt.
        """
        cdef malformed_t* malformed = <malformed_t*>body
        cdef uint32_t kind = self.frame.kind
        cdef bint in_doubt = kind >= MEXC_PRIVATE_ORDER or kind == MEXC_DEPTH
        if kind == MEXC_HEARTBEAT:
            in_doubt = names_depth(self.frame.channel)
        if reason == MEXC_UNKNOWN_SYMBOL:
            in_doubt = False
        if capacity < sizeof(malformed_t):
            raise ValueError(f"a body of {capacity} bytes takes no event")
        malformed.reason = reason
        malformed.integrity = in_doubt
        header.kind = EVENT_MALFORMED
        header.length = sizeof(malformed_t)
        return 0

    cdef int price_decimals(self) noexcept:
        return self.symbols.symbols[self.frame.symbol].price_decimals

    cdef int size_decimals(self) noexcept:
        return self.symbols.symbols[self.frame.symbol].size_decimals

    def decode_event(self, bytes frame, size_t capacity=1 << 20) -> bytes:
        """One frame as event bytes (header and body): for tests and tools."""
        cdef event_t header
        memset(&header, 0, sizeof(event_t))
        out = PyBytes_FromStringAndSize(NULL, sizeof(event_t) + capacity)
        cdef char* start = PyBytes_AS_STRING(out)
        self.decode(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), &header, start + sizeof(event_t), capacity)
        memcpy(start, &header, sizeof(event_t))
        return out[:sizeof(event_t) + header.length]

    def decode_document(self, int instrument, bytes document) -> bytes:
        """A REST order book as a BOOK_SNAPSHOT event.

        lastUpdateId may be a number or a string; raises ValueError for a body that is no order book of this instrument.
        """
        cdef symbol_t* symbol = self.symbol_of(instrument)
        answer = parsed_book(document)
        asks, bids = answer["asks"], answer["bids"]
        cdef size_t length = sizeof(book_t) + (len(asks) + len(bids)) * sizeof(level_t)
        out = PyBytes_FromStringAndSize(NULL, sizeof(event_t) + length)
        cdef char* start = PyBytes_AS_STRING(out)
        cdef event_t* header = <event_t*>start
        cdef book_t* book = <book_t*>(start + sizeof(event_t))
        memset(start, 0, sizeof(event_t) + sizeof(book_t))
        header.kind = EVENT_BOOK_SNAPSHOT
        header.instrument = instrument
        header.length = <uint32_t>length
        header.ts_event_ns = whole_number(answer.get("timestamp", 0), "timestamp", LAST_MS) * NS_PER_MS
        book.to_version = whole_number(answer.get("lastUpdateId"), "lastUpdateId", LARGEST)
        book.n_asks = len(asks)
        book.n_bids = len(bids)
        book.depth_limit = self.depth_limit
        cdef level_t* levels = <level_t*>(start + sizeof(event_t) + sizeof(book_t))
        put_levels(asks, levels, symbol, "asks")
        put_levels(bids, levels + book.n_asks, symbol, "bids")
        return out

    cdef symbol_t* symbol_of(self, int instrument) except NULL:
        cdef uint32_t i
        for i in range(self.symbols.n):
            if self.core_index[i] == instrument:
                return &self.symbols.symbols[i]
        raise ValueError(f"instrument {instrument} is not known")


cdef uint64_t order_number(bytes prefix, slice_t client_id) noexcept:
    """The order number of a client id of this run; 0 where it is another's or none."""
    cdef size_t n = PyBytes_GET_SIZE(prefix), i
    cdef uint64_t number = 0
    if client_id.n <= n or client_id.n > n + MAX_ORDER_DIGITS or client_id.p[n] == c"0":
        return 0
    if memcmp(client_id.p, PyBytes_AS_STRING(prefix), n) != 0:
        return 0
    for i in range(n, client_id.n):
        if not c"0" <= client_id.p[i] <= c"9":
            return 0
        number = number * 10 + (client_id.p[i] - c"0")
    return number


cdef int64_t units_of(bytes text, int decimals) noexcept:
    """The number at this scale; -1 where it is none or out of scale."""
    cdef int64_t value = 0
    if decimal_parse(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), decimals, &value) != DECIMAL_OK:
        return -1
    return value


cdef int put_levels(list side, level_t* out, const symbol_t* symbol, str what) except -1:
    """[["price", "size", ...], ...] into levels; raises ValueError for any other shape or number."""
    cdef Py_ssize_t i
    cdef bytes price, size
    for i in range(len(side)):
        level = side[i]
        if not (isinstance(level, list) and len(level) >= 2
                and isinstance(level[0], str) and isinstance(level[1], str)):
            raise ValueError(f"order book {what}: {str(level)[:40]} is no level")
        price, size = level[0].encode(), level[1].encode()
        out[i].price_ticks = units_of(price, symbol.price_decimals)
        out[i].size_lots = units_of(size, symbol.size_decimals)
        if out[i].price_ticks <= 0 or out[i].size_lots < 0:
            raise ValueError(f"order book {what}: {str(level)[:60]} is out of scale or no number")
    return 0


cdef dict parsed_book(bytes document):
    """The JSON object of an order book; raises ValueError with what came instead."""
    try:
        answer = orjson.loads(document)
    except orjson.JSONDecodeError:
        shown = document[:40].decode("utf-8", "replace")
        raise ValueError(f"order book: {shown!r} is no JSON") from None
    if not isinstance(answer, dict):
        raise ValueError("order book: not an object")
    if not (isinstance(answer.get("asks"), list) and isinstance(answer.get("bids"), list)):
        text = str(answer.get("msg", ""))[:80]
        raise ValueError(f"order book: asks and bids are missing {text}".rstrip())
    return answer


cdef int64_t whole_number(object value, str what, int64_t most) except? -1:
    """A JSON integer, or its digits as a string, up to `most`."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"order book: {what} {str(value)[:40]!r} is no whole number")
    return value
