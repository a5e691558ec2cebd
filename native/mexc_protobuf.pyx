"""MEXC's websocket frames, decoded into integers; all work is in mexc_protobuf.h.

The adapter cimports the C functions. What is here is for tests, tools and benchmarks.
"""

from enum import IntEnum

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

from native.decimal cimport int128_to_python
from native.level cimport level_t
from native.order_book cimport BOOK_ASK, BOOK_BID, OrderBook, book_apply

cdef extern from "native/stopwatch.h" nogil:
    int64_t stopwatch_ns()


class FrameKind(IntEnum):
    """What a frame carries."""

    HEARTBEAT = MEXC_HEARTBEAT
    DEPTH = MEXC_DEPTH
    LIMIT_DEPTH = MEXC_LIMIT_DEPTH
    DEALS = MEXC_DEALS
    BOOK_TICKER = MEXC_BOOK_TICKER
    PRIVATE_ORDER = MEXC_PRIVATE_ORDER
    PRIVATE_DEAL = MEXC_PRIVATE_DEAL
    PRIVATE_ACCOUNT = MEXC_PRIVATE_ACCOUNT


class FrameError(IntEnum):
    """Why a frame was refused."""

    OK = MEXC_OK
    TRUNCATED = MEXC_TRUNCATED
    BAD_VARINT = MEXC_BAD_VARINT
    BAD_WIRE_TYPE = MEXC_BAD_WIRE_TYPE
    BAD_FIELD = MEXC_BAD_FIELD
    DUPLICATE_BODY = MEXC_DUPLICATE_BODY
    MISSING_FIELD = MEXC_MISSING_FIELD
    UNKNOWN_SYMBOL = MEXC_UNKNOWN_SYMBOL
    BAD_NUMBER = MEXC_BAD_NUMBER
    OUT_OF_SCALE = MEXC_OUT_OF_SCALE
    OVERFLOW = MEXC_OVERFLOW
    TOO_MANY_LEVELS = MEXC_TOO_MANY_LEVELS
    BAD_VALUE = MEXC_BAD_VALUE


cdef dict SYMBOL_FAULTS = {
    SYMBOL_BAD_NAME: "its name must be 1 to 31 bytes",
    SYMBOL_DUPLICATE: "it was given twice",
    SYMBOL_BAD_DECIMALS: "its decimals must be 0 to 18",
}


cdef bytes slice_bytes(slice_t text):
    return (<const char *>text.p)[:text.n]


cdef dict order_fields(const mexc_order_t *order):
    return {
        "id": slice_bytes(order.id), "client_id": slice_bytes(order.client_id),
        "price": int128_to_python(order.price), "quantity": int128_to_python(order.quantity),
        "amount": int128_to_python(order.amount), "avg_price": int128_to_python(order.avg_price),
        "remain_amount": int128_to_python(order.remain_amount),
        "remain_quantity": int128_to_python(order.remain_quantity),
        "last_deal_quantity": int128_to_python(order.last_deal_quantity),
        "cumulative_quantity": int128_to_python(order.cumulative_quantity),
        "cumulative_amount": int128_to_python(order.cumulative_amount),
        "create_time_ms": order.create_time_ms, "order_type": order.order_type,
        "trade_type": order.trade_type, "status": order.status, "is_maker": bool(order.is_maker),
        "present": order.present,
    }


cdef dict private_deal_fields(const mexc_private_deal_t *deal):
    return {
        "trade_id": slice_bytes(deal.trade_id), "client_order_id": slice_bytes(deal.client_order_id),
        "order_id": slice_bytes(deal.order_id), "fee_currency": slice_bytes(deal.fee_currency),
        "price": int128_to_python(deal.price), "quantity": int128_to_python(deal.quantity),
        "amount": int128_to_python(deal.amount), "fee_amount": int128_to_python(deal.fee_amount),
        "time_ms": deal.time_ms, "trade_type": deal.trade_type, "is_maker": bool(deal.is_maker),
        "is_self_trade": bool(deal.is_self_trade), "present": deal.present,
    }


cdef dict account_fields(const mexc_account_t *account):
    return {
        "asset": slice_bytes(account.asset), "coin_id": slice_bytes(account.coin_id),
        "type": slice_bytes(account.type), "balance": int128_to_python(account.balance),
        "balance_change": int128_to_python(account.balance_change),
        "frozen": int128_to_python(account.frozen), "frozen_change": int128_to_python(account.frozen_change),
        "time_ms": account.time_ms, "present": account.present,
    }


cdef class Decoder:
    """Decodes frames of the given symbols: (name, price_decimals, size_decimals) each.

    A frame may have at most max_levels levels or deals. Raises ValueError for a bad symbol.
    """

    def __cinit__(self, symbols, uint32_t max_levels=8192):
        self.max_levels = max_levels
        if len(symbols) > SYMBOL_TABLE_MAX:
            raise ValueError(f"at most {SYMBOL_TABLE_MAX} symbols, not {len(symbols)}")
        if symbol_table_init(&self.symbols, len(symbols)) != 0:
            raise MemoryError("no memory for the symbol table")
        self.levels = <level_t *>malloc((max_levels + 1) * sizeof(level_t))
        self.trades = <mexc_trade_t *>malloc((max_levels + 1) * sizeof(mexc_trade_t))
        if self.levels == NULL or self.trades == NULL:
            raise MemoryError("no memory for levels")
        for name, price_decimals, size_decimals in symbols:
            raw = name.encode()
            status = symbol_add(&self.symbols, <const char *>raw, len(raw), price_decimals, size_decimals)
            if status < 0:
                raise ValueError(f"symbol {name!r}: {SYMBOL_FAULTS[status]}")

    def __dealloc__(self):
        symbol_table_free(&self.symbols)
        free(self.levels)
        free(self.trades)

    cdef int decode_frame(self, const uint8_t *p, size_t n) noexcept nogil:
        """Decode into self.frame, self.levels and self.trades; returns the error."""
        return mexc_decode(p, n, &self.symbols, self.levels, self.max_levels, self.trades, self.max_levels,
                           &self.frame)

    cdef int apply_frame(self, const uint8_t *p, size_t n, OrderBook book) noexcept nogil:
        """Decode, and apply a depth's levels to the book; returns the error."""
        cdef int error = self.decode_frame(p, n)
        if error == MEXC_OK and self.frame.kind == MEXC_DEPTH:
            if (book_apply(&book.c, self.levels, self.frame.n_asks, BOOK_ASK)
                    or book_apply(&book.c, self.levels + self.frame.n_asks, self.frame.n_bids, BOOK_BID)):
                return MEXC_BAD_VALUE
        return error

    def decode(self, bytes frame):
        """What the frame holds: kind and error always, the rest where there is no error; slow, for people."""
        self.decode_frame(<const uint8_t *>PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame))
        cdef mexc_frame_t *f = &self.frame
        found = {"kind": FrameKind(f.kind), "error": FrameError(f.error), "symbol": f.symbol}
        if f.error != MEXC_OK:
            return found
        found |= {"channel": slice_bytes(f.channel), "send_time_ms": f.send_time_ms,
                  "create_time_ms": f.create_time_ms}
        if f.kind == MEXC_DEPTH or f.kind == MEXC_LIMIT_DEPTH or f.kind == MEXC_BOOK_TICKER:
            found |= {"from_version": f.from_version, "to_version": f.to_version,
                      "last_order_time_ms": f.last_order_time_ms}
        if f.kind == MEXC_DEPTH or f.kind == MEXC_LIMIT_DEPTH:
            levels = [(self.levels[i].price_ticks, self.levels[i].size_lots)
                      for i in range(f.n_asks + f.n_bids)]
            found |= {"asks": levels[:f.n_asks], "bids": levels[f.n_asks:]}
        elif f.kind == MEXC_BOOK_TICKER:
            found |= {"bid": (f.ticker.bid.price_ticks, f.ticker.bid.size_lots),
                      "ask": (f.ticker.ask.price_ticks, f.ticker.ask.size_lots)}
        elif f.kind == MEXC_DEALS:
            found["trades"] = [(self.trades[i].price_ticks, self.trades[i].size_lots, self.trades[i].side,
                                self.trades[i].ts_event_ns) for i in range(f.n_trades)]
        elif f.kind != MEXC_HEARTBEAT:
            found["rounded"] = f.n_rounded
            found["body"] = (order_fields(&f.order) if f.kind == MEXC_PRIVATE_ORDER else
                             private_deal_fields(&f.deal) if f.kind == MEXC_PRIVATE_DEAL else
                             account_fields(&f.account))
        return found

    def decode_into_book(self, bytes frame, OrderBook book):
        """Decode a frame and apply a depth's levels to the book; a frame with an error changes nothing.

        Asks and bids are applied one after the other: a price beyond the book's bounds in the bids is told as
        BAD_VALUE after the asks have gone in.
        """
        error = self.apply_frame(<const uint8_t *>PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame), book)
        return FrameError(error)


def time_decode_into_book(Decoder decoder, list frames, OrderBook book, uint32_t batch, uint32_t samples):
    """Nanoseconds per frame decoded into the book, one sample per batch; the frames go round. Timed natively.

    Raises ValueError where a frame has an error.
    """
    cdef size_t n_frames = len(frames), at = 0, i
    cdef const uint8_t **starts = <const uint8_t **>malloc((n_frames + 1) * sizeof(void *))
    cdef size_t *lengths = <size_t *>malloc((n_frames + 1) * sizeof(size_t))
    cdef int errors = 0
    cdef uint32_t j
    cdef int64_t started
    for i in range(n_frames):
        starts[i] = <const uint8_t *>PyBytes_AS_STRING(frames[i])
        lengths[i] = PyBytes_GET_SIZE(frames[i])
    times = []
    for _ in range(samples):
        started = stopwatch_ns()
        for j in range(batch):
            errors |= decoder.apply_frame(starts[at], lengths[at], book)
            at += 1
            if at == n_frames:
                at = 0
        times.append((stopwatch_ns() - started) / <double>batch)
    free(starts)
    free(lengths)
    if errors:
        raise ValueError("a frame was refused")
    return times
