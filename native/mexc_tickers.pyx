"""Which symbols of MEXC's mini tickers trade for the first time; the reading is in mexc_tickers.h."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t

from native.mexc_protobuf cimport (
    MEXC_OK, slice_t, symbol_add, symbol_find, symbol_table_free, symbol_table_init, symbol_table_t,
)

from native.mexc_protobuf import FrameError


cdef extern from "native/mexc_tickers.h" nogil:
    ctypedef struct wire_t:
        const uint8_t *p
        const uint8_t *end
    ctypedef struct wire_field_t:
        uint32_t tag
        slice_t bytes
    ctypedef struct mexc_mini_ticker_t:
        slice_t symbol
        slice_t price
        slice_t volume
        slice_t quantity
    int wire_next(wire_t *wire, wire_field_t *field)
    int mexc_tickers_scan(wire_t wire, slice_t *body, int64_t *send_time_ms, int *has_body)
    int mexc_mini_ticker(slice_t item, mexc_mini_ticker_t *out)
    int mexc_ticker_trades(const mexc_mini_ticker_t *ticker)

cdef uint32_t ITEM_TAG = 1 << 3 | 2


cdef class NewTickers:
    """The symbols that were seen to trade, at most max_symbols; `take` tells those that were not yet.

    `items` counts tickers, `full` new symbols that had no room and `unnamed` those without a readable name.
    """
    cdef symbol_table_t known
    cdef readonly int64_t items
    cdef readonly int64_t full
    cdef readonly int64_t unnamed

    def __cinit__(self, uint32_t max_symbols=16384):
        if symbol_table_init(&self.known, max_symbols) != 0:
            raise MemoryError(f"no memory for {max_symbols} symbols")

    def __dealloc__(self):
        symbol_table_free(&self.known)

    def __len__(self):
        return self.known.n

    def take(self, bytes frame):
        """(symbol, price text, send time in ms) of each symbol that trades for the first time, in their order.

        A frame without mini tickers has none. Raises ValueError, and takes nothing in, where the frame is damaged.
        """
        cdef slice_t body
        cdef int64_t send_time_ms = 0
        cdef int has_body = 0
        cdef wire_t wire
        wire.p = <const uint8_t *>PyBytes_AS_STRING(frame)
        wire.end = wire.p + PyBytes_GET_SIZE(frame)
        cdef int error = mexc_tickers_scan(wire, &body, &send_time_ms, &has_body)
        if error == MEXC_OK and not has_body:
            return []
        if error == MEXC_OK:
            wire.p, wire.end = body.p, body.p + body.n
            error = self.check(wire)
        if error != MEXC_OK:
            raise ValueError(f"mini tickers: {FrameError(error).name}")
        return self.news(wire, send_time_ms)

    cdef int check(self, wire_t wire) noexcept:
        """The error of a body, before anything of it counts."""
        cdef wire_field_t field
        cdef mexc_mini_ticker_t ticker
        cdef int error
        while wire.p < wire.end:
            error = wire_next(&wire, &field)
            if error == MEXC_OK and field.tag == ITEM_TAG:
                error = mexc_mini_ticker(field.bytes, &ticker)
            if error != MEXC_OK:
                return error
        return MEXC_OK

    cdef list news(self, wire_t wire, int64_t send_time_ms):
        """What is new of a body that is sound."""
        cdef wire_field_t field
        cdef mexc_mini_ticker_t ticker
        cdef list found = []
        while wire.p < wire.end:
            wire_next(&wire, &field)
            if field.tag != ITEM_TAG:
                continue
            self.items += 1
            mexc_mini_ticker(field.bytes, &ticker)
            if symbol_find(&self.known, ticker.symbol.p, ticker.symbol.n) >= 0 or not mexc_ticker_trades(&ticker):
                continue
            name = (<const char *>ticker.symbol.p)[:ticker.symbol.n] if ticker.symbol.n else b""
            if not (0 < len(name) <= 31 and name.isascii()):
                self.unnamed += 1
            elif symbol_add(&self.known, ticker.symbol.p, ticker.symbol.n, 0, 0) < 0:
                self.full += 1
            else:
                price = (<const char *>ticker.price.p)[:ticker.price.n].decode("ascii")
                found.append((name.decode("ascii"), price, send_time_ms))
        return found
