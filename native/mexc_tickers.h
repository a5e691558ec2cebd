/* Mini tickers of all symbols in one frame (body 310), read for one question: which of them are new?
 * Items: symbol=1 price=2 ... volume=7 (quote) quantity=8 (base); source: MEXC's published push messages of 2026-06. */
#pragma once
#include "native/decimal.h"
#include "native/mexc_frame.h"
#include "native/symbol_table.h"

enum { MEXC_MINI_TICKERS_BODY = 310 };

typedef struct {
    slice_t symbol;
    slice_t price;
    slice_t volume;
    slice_t quantity;
} mexc_mini_ticker_t;

/* The body of a wrapper and when it was sent: *has_body is 0 for a frame that carries no mini tickers. */
static inline int mexc_tickers_scan(wire_t wire, slice_t *body, int64_t *send_time_ms, int *has_body) {
    wire_field_t f = {0};
    int error;

    *has_body = 0;
    *send_time_ms = 0;
    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != WIRE_OK) return error;
        if (f.tag == WIRE_TAG(6, WIRE_VARINT)) {
            if ((error = mexc_read_time(f.varint, send_time_ms)) != MEXC_OK) return error;
        }
        if (f.tag != WIRE_TAG(MEXC_MINI_TICKERS_BODY, WIRE_BYTES)) continue;
        if (*has_body) return MEXC_DUPLICATE_BODY;
        *has_body = 1;
        *body = f.bytes;
    }
    return MEXC_OK;
}

static inline int mexc_mini_ticker(slice_t item, mexc_mini_ticker_t *out) {
    wire_t wire = {item.p, item.p + item.n};
    wire_field_t f = {0};
    int error;

    memset(out, 0, sizeof *out);
    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != WIRE_OK) return error;
        switch (f.tag) {
        case WIRE_TAG(1, WIRE_BYTES): out->symbol = f.bytes; break;
        case WIRE_TAG(2, WIRE_BYTES): out->price = f.bytes; break;
        case WIRE_TAG(7, WIRE_BYTES): out->volume = f.bytes; break;
        case WIRE_TAG(8, WIRE_BYTES): out->quantity = f.bytes; break;
        default: break;
        }
    }
    return MEXC_OK;
}

/* Whether a text is a decimal above zero, however large: 1; zero or no number: 0; empty, not said: `unsaid`. */
static inline int mexc_is_positive(slice_t text, int unsaid) {
    int128_t money = 0;
    int status;

    if (text.n == 0) return unsaid;
    status = decimal_parse_money((const char *)text.p, text.n, &money);
    if (status == DECIMAL_OVERFLOW) return text.p[0] != '-';
    return (status == DECIMAL_OK || status == DECIMAL_ROUNDED) && money > 0;
}

/* Whether the symbol trades: it has a price, and no turnover of zero. A symbol that is listed and not open
 * may be in the frame too. */
static inline int mexc_ticker_trades(const mexc_mini_ticker_t *ticker) {
    return mexc_is_positive(ticker->price, 0) && mexc_is_positive(ticker->volume, 1) &&
           mexc_is_positive(ticker->quantity, 1);
}
