/* What a frame of MEXC's spot v3 websocket decodes to. Source: MEXC's published push messages of 2026-06. */
#pragma once
#include <stdint.h>

#include "native/decimal.h"
#include "native/level.h"
#include "native/protobuf_wire.h"

typedef enum {
    MEXC_HEARTBEAT = 0, /* no body, or one that is not for us */
    MEXC_DEPTH = 1,
    MEXC_LIMIT_DEPTH = 2,
    MEXC_DEALS = 3,
    MEXC_BOOK_TICKER = 4,
    MEXC_PRIVATE_ORDER = 5,
    MEXC_PRIVATE_DEAL = 6,
    MEXC_PRIVATE_ACCOUNT = 7
} mexc_kind_t;

typedef enum {
    MEXC_OK = 0,
    MEXC_TRUNCATED = 1, /* 1 to 4 as wire_status_t */
    MEXC_BAD_VARINT = 2,
    MEXC_BAD_WIRE_TYPE = 3,
    MEXC_BAD_FIELD = 4,
    MEXC_DUPLICATE_BODY = 5, /* more than one body: which of them counts would be a guess */
    MEXC_MISSING_FIELD = 6,  /* or an empty one that must not be */
    MEXC_UNKNOWN_SYMBOL = 7,
    MEXC_BAD_NUMBER = 8, /* decimal text that is malformed, signed or has an exponent */
    MEXC_OUT_OF_SCALE = 9,
    MEXC_OVERFLOW = 10,
    MEXC_TOO_MANY_LEVELS = 11, /* or deals */
    MEXC_BAD_VALUE = 12        /* a price of zero, a trade type that does not exist */
} mexc_error_t;

/* As engine.core.event's trade_t. */
typedef struct {
    int64_t price_ticks;
    int64_t size_lots;
    int64_t ts_event_ns;
    uint32_t side; /* of the taker: 1 buy, 2 sell */
    uint32_t reserved;
} mexc_trade_t;

/* A price of 0 is an empty side. */
typedef struct {
    level_t bid;
    level_t ask;
} mexc_ticker_t;

/* Of the private bodies: money in 10^-20 units, times in ms, text as slices of the frame; a field that was
 * absent or empty is 0, and its bit (1 << field number) in present is clear. */
typedef struct {
    slice_t id;
    slice_t client_id;
    int128_t price;
    int128_t quantity;
    int128_t amount;
    int128_t avg_price;
    int128_t remain_amount;
    int128_t remain_quantity;
    int128_t last_deal_quantity;
    int128_t cumulative_quantity;
    int128_t cumulative_amount;
    int64_t create_time_ms;
    int32_t order_type; /* 1 LIMIT 2 POST_ONLY 3 IOC 4 FOK 5 MARKET */
    int32_t trade_type; /* 1 buy, 2 sell */
    int32_t status;     /* 1 new 2 filled 3 partly filled 4 cancelled 5 partly filled, then cancelled */
    uint32_t is_maker;
    uint32_t present;
} mexc_order_t;

typedef struct {
    slice_t trade_id;
    slice_t client_order_id;
    slice_t order_id;
    slice_t fee_currency;
    int128_t price;
    int128_t quantity;
    int128_t amount;
    int128_t fee_amount;
    int64_t time_ms;
    int32_t trade_type;
    uint32_t is_maker;
    uint32_t is_self_trade;
    uint32_t present;
} mexc_private_deal_t;

typedef struct {
    slice_t asset;
    slice_t coin_id;
    slice_t type;
    int128_t balance;
    int128_t balance_change;
    int128_t frozen;
    int128_t frozen_change;
    int64_t time_ms;
    uint32_t present;
} mexc_account_t;

typedef struct {
    uint32_t kind;  /* mexc_kind_t; of a frame with an error, as far as it was seen */
    uint32_t error; /* mexc_error_t */
    int32_t symbol; /* index in the symbol table, -1: none or unknown */
    uint32_t n_asks;
    uint32_t n_bids;
    uint32_t n_trades;
    uint32_t n_rounded; /* amounts of money with more than 20 decimals, rounded away from zero */
    slice_t channel;
    slice_t symbol_text;
    slice_t body;
    int64_t send_time_ms;
    int64_t create_time_ms;
    int64_t last_order_time_ms;
    int64_t from_version; /* limit depth and book ticker: their one version, in both; 0: not given */
    int64_t to_version;
    union { /* by kind */
        mexc_ticker_t ticker;
        mexc_order_t order;
        mexc_private_deal_t deal;
        mexc_account_t account;
    };
} mexc_frame_t;

static inline int mexc_decimal_error(int status) {
    switch (status) {
    case DECIMAL_OK: return MEXC_OK;
    case DECIMAL_EMPTY: return MEXC_MISSING_FIELD;
    case DECIMAL_OUT_OF_SCALE: return MEXC_OUT_OF_SCALE;
    case DECIMAL_OVERFLOW: return MEXC_OVERFLOW;
    default: return MEXC_BAD_NUMBER;
    }
}

static inline int mexc_read_units(slice_t text, unsigned decimals, int64_t *out) {
    return mexc_decimal_error(decimal_parse((const char *)text.p, text.n, decimals, out));
}

/* A time in ms whose ns fit 63 bits. */
static inline int mexc_read_time(uint64_t varint, int64_t *out_ms) {
    if (varint > (uint64_t)INT64_MAX / 1000000) return MEXC_OVERFLOW;
    *out_ms = (int64_t)varint;
    return MEXC_OK;
}

/* Money; empty text is no error here: it is 0, and absent. */
static inline int mexc_read_money(mexc_frame_t *frame, slice_t text, int128_t *out) {
    int status;

    *out = 0;
    if (text.n == 0) return MEXC_OK;
    status = decimal_parse_money((const char *)text.p, text.n, out);
    if (status == DECIMAL_ROUNDED) {
        frame->n_rounded++;
        return MEXC_OK;
    }
    return mexc_decimal_error(status);
}

/* The last value of a field wins, and so does its absence: an empty text is absent. */
static inline void mexc_mark_present(uint32_t *present, const wire_field_t *field) {
    uint32_t bit = 1u << (field->tag >> 3);

    if ((field->tag & 7) == WIRE_BYTES && field->bytes.n == 0)
        *present &= ~bit;
    else
        *present |= bit;
}
