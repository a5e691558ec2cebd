"""MEXC's websocket frames, decoded into integers, for cimport."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t

from native.decimal cimport int128_t
from native.level cimport level_t
from native.order_book cimport OrderBook


cdef extern from "native/protobuf_wire.h" nogil:
    ctypedef struct slice_t:
        const uint8_t *p
        size_t n


cdef extern from "native/symbol_table.h" nogil:
    enum:
        SYMBOL_MAX_LENGTH
        SYMBOL_MAX_DECIMALS
        SYMBOL_TABLE_MAX
        SYMBOL_NOT_FOUND
        SYMBOL_TABLE_FULL
        SYMBOL_BAD_NAME
        SYMBOL_DUPLICATE
        SYMBOL_BAD_DECIMALS
        SYMBOL_NO_MEMORY
    ctypedef struct symbol_t:
        char *text
        uint32_t length
        uint16_t price_decimals
        uint16_t size_decimals
    ctypedef struct symbol_table_t:
        symbol_t *symbols
        uint32_t n
        uint32_t max_symbols
    int symbol_table_init(symbol_table_t *table, uint32_t max_symbols)
    void symbol_table_free(symbol_table_t *table)
    int32_t symbol_add(symbol_table_t *table, const void *text, size_t length, unsigned price_decimals,
                       unsigned size_decimals)
    int32_t symbol_find(const symbol_table_t *table, const void *text, size_t length)


cdef extern from "native/mexc_protobuf.h" nogil:
    enum:
        MEXC_HEARTBEAT
        MEXC_DEPTH
        MEXC_LIMIT_DEPTH
        MEXC_DEALS
        MEXC_BOOK_TICKER
        MEXC_PRIVATE_ORDER
        MEXC_PRIVATE_DEAL
        MEXC_PRIVATE_ACCOUNT
    enum:
        MEXC_OK
        MEXC_TRUNCATED
        MEXC_BAD_VARINT
        MEXC_BAD_WIRE_TYPE
        MEXC_BAD_FIELD
        MEXC_DUPLICATE_BODY
        MEXC_MISSING_FIELD
        MEXC_UNKNOWN_SYMBOL
        MEXC_BAD_NUMBER
        MEXC_OUT_OF_SCALE
        MEXC_OVERFLOW
        MEXC_TOO_MANY_LEVELS
        MEXC_BAD_VALUE
    ctypedef struct mexc_trade_t:   # the same layout as engine.core.event's trade_t
        int64_t price_ticks
        int64_t size_lots
        int64_t ts_event_ns
        uint32_t side
        uint32_t reserved
    ctypedef struct mexc_ticker_t:
        level_t bid
        level_t ask
    ctypedef struct mexc_order_t:
        slice_t id
        slice_t client_id
        int128_t price
        int128_t quantity
        int128_t amount
        int128_t avg_price
        int128_t remain_amount
        int128_t remain_quantity
        int128_t last_deal_quantity
        int128_t cumulative_quantity
        int128_t cumulative_amount
        int64_t create_time_ms
        int32_t order_type
        int32_t trade_type
        int32_t status
        uint32_t is_maker
        uint32_t present
    ctypedef struct mexc_private_deal_t:
        slice_t trade_id
        slice_t client_order_id
        slice_t order_id
        slice_t fee_currency
        int128_t price
        int128_t quantity
        int128_t amount
        int128_t fee_amount
        int64_t time_ms
        int32_t trade_type
        uint32_t is_maker
        uint32_t is_self_trade
        uint32_t present
    ctypedef struct mexc_account_t:
        slice_t asset
        slice_t coin_id
        slice_t type
        int128_t balance
        int128_t balance_change
        int128_t frozen
        int128_t frozen_change
        int64_t time_ms
        uint32_t present
    ctypedef struct mexc_frame_t:
        uint32_t kind
        uint32_t error
        int32_t symbol
        uint32_t n_asks
        uint32_t n_bids
        uint32_t n_trades
        uint32_t n_rounded
        slice_t channel
        slice_t symbol_text
        slice_t body
        int64_t send_time_ms
        int64_t create_time_ms
        int64_t last_order_time_ms
        int64_t from_version
        int64_t to_version
        mexc_ticker_t ticker          # these four share their memory: the kind says which one holds
        mexc_order_t order
        mexc_private_deal_t deal
        mexc_account_t account
    int mexc_scan(const uint8_t *p, size_t n, const symbol_table_t *symbols, mexc_frame_t *frame)
    int mexc_decode_body(mexc_frame_t *frame, const symbol_table_t *symbols, level_t *levels,
                         uint32_t max_levels, mexc_trade_t *trades, uint32_t max_trades)
    int mexc_decode(const uint8_t *p, size_t n, const symbol_table_t *symbols, level_t *levels,
                    uint32_t max_levels, mexc_trade_t *trades, uint32_t max_trades, mexc_frame_t *frame)


cdef class Decoder:
    cdef symbol_table_t symbols
    cdef mexc_frame_t frame
    cdef level_t *levels
    cdef mexc_trade_t *trades
    cdef uint32_t max_levels

    cdef int decode_frame(self, const uint8_t *p, size_t n) noexcept nogil
    cdef int apply_frame(self, const uint8_t *p, size_t n, OrderBook book) noexcept nogil
