/* MEXC's PushDataV3ApiWrapper, decoded by hand into the caller's memory in two passes.
 *
 * mexc_scan reads the wrapper: channel, symbol, times, and where the body lies. mexc_decode_body then decodes
 * that into integers at the symbol's scales. Fields may come in any order, unknown ones are skipped, the last
 * value of a singular field wins. Nothing is read outside of the frame, no loop runs longer than the frame,
 * nothing recurses.
 */
#pragma once
#include "native/mexc_frame.h"
#include "native/mexc_private.h"
#include "native/symbol_table.h"

enum { MEXC_FIRST_BODY = 301, MEXC_LAST_BODY = 399 }; /* 315 is the last one in use */

static inline uint32_t mexc_kind_of_body(uint32_t number) {
    switch (number) {
    case 303: return MEXC_LIMIT_DEPTH;
    case 304: return MEXC_PRIVATE_ORDER;
    case 306: return MEXC_PRIVATE_DEAL;
    case 307: return MEXC_PRIVATE_ACCOUNT;
    case 313: return MEXC_DEPTH;
    case 314: return MEXC_DEALS;
    case 315: return MEXC_BOOK_TICKER;
    default: return MEXC_HEARTBEAT;
    }
}

/* The symbol's index by its own field or, without one, by one of the channel's last two parts
 * ("...@BTCUSDT@5"). */
static inline int32_t mexc_find_symbol(const symbol_table_t *symbols, const mexc_frame_t *frame) {
    const uint8_t *end = frame->channel.p + frame->channel.n, *start;
    int part;

    if (frame->symbol_text.n) return symbol_find(symbols, frame->symbol_text.p, frame->symbol_text.n);
    for (part = 0; part < 2; part++) {
        int32_t index;
        for (start = end; start > frame->channel.p && start[-1] != '@';) start--;
        if (start == frame->channel.p) break;
        index = symbol_find(symbols, start, (size_t)(end - start));
        if (index >= 0) return index;
        end = start - 1;
    }
    return SYMBOL_NOT_FOUND;
}

static inline int mexc_scan_fields(wire_t wire, mexc_frame_t *frame) {
    wire_field_t f = {0};
    int n_bodies = 0, error = MEXC_OK;

    while (error == MEXC_OK && wire.p < wire.end) {
        error = wire_next(&wire, &f);
        switch (f.tag) {
        case WIRE_TAG(1, WIRE_BYTES):
            if (error == MEXC_OK) frame->channel = f.bytes;
            break;
        case WIRE_TAG(3, WIRE_BYTES):
            if (error == MEXC_OK) frame->symbol_text = f.bytes;
            break;
        case WIRE_TAG(5, WIRE_VARINT):
            if (error == MEXC_OK) error = mexc_read_time(f.varint, &frame->create_time_ms);
            break;
        case WIRE_TAG(6, WIRE_VARINT):
            if (error == MEXC_OK) error = mexc_read_time(f.varint, &frame->send_time_ms);
            break;
        default:
            if (f.tag < WIRE_TAG(MEXC_FIRST_BODY, 0) || f.tag > WIRE_TAG(MEXC_LAST_BODY, 7)) break;
            frame->kind = mexc_kind_of_body(f.tag >> 3); /* told of a truncated body, too */
            if (error != MEXC_OK) break;
            if ((f.tag & 7) != WIRE_BYTES) return MEXC_BAD_WIRE_TYPE;
            if (n_bodies++) return MEXC_DUPLICATE_BODY;
            frame->body = f.bytes;
        }
    }
    return error;
}

/* All but the body; field by field, which is half the time of a memset. */
static inline void mexc_clear(mexc_frame_t *frame, const uint8_t *p) {
    frame->kind = MEXC_HEARTBEAT;
    frame->error = MEXC_OK;
    frame->symbol = SYMBOL_NOT_FOUND;
    frame->n_asks = frame->n_bids = frame->n_trades = frame->n_rounded = 0;
    frame->channel = frame->symbol_text = frame->body = (slice_t){p, 0};
    frame->send_time_ms = frame->create_time_ms = frame->last_order_time_ms = 0;
    frame->from_version = frame->to_version = 0;
}

/* Pass 1: the wrapper of the frame p[0 .. n). Returns frame->error. */
static inline int mexc_scan(const uint8_t *p, size_t n, const symbol_table_t *symbols, mexc_frame_t *frame) {
    wire_t wire = {p, p + n};

    mexc_clear(frame, p);
    frame->error = (uint32_t)mexc_scan_fields(wire, frame);
    frame->symbol = mexc_find_symbol(symbols, frame);
    if (frame->error == MEXC_OK && frame->symbol < 0 && frame->kind != MEXC_HEARTBEAT &&
        frame->kind != MEXC_PRIVATE_ACCOUNT)
        frame->error = frame->symbol_text.n || frame->channel.n ? MEXC_UNKNOWN_SYMBOL : MEXC_MISSING_FIELD;
    return (int)frame->error;
}

/* A level's two texts: price=1, quantity=2. */
static inline int mexc_split_level(wire_t wire, slice_t *price, slice_t *quantity) {
    const uint8_t *p = wire.p;
    size_t n = (size_t)(wire.end - p), price_n, quantity_n;
    wire_field_t f = {0};

    /* as every frame in the wild: both fields, in order, short */
    if (n >= 4 && p[0] == WIRE_TAG(1, WIRE_BYTES) && (price_n = p[1]) < 0x80 && price_n + 4 <= n &&
        p[2 + price_n] == WIRE_TAG(2, WIRE_BYTES) && (quantity_n = p[3 + price_n]) < 0x80 &&
        price_n + quantity_n + 4 == n) {
        *price = (slice_t){p + 2, price_n};
        *quantity = (slice_t){p + 4 + price_n, quantity_n};
        return MEXC_OK;
    }
    *price = *quantity = (slice_t){p, 0};
    while (wire.p < wire.end) {
        int error = wire_next(&wire, &f);
        if (error != MEXC_OK) return error;
        if (f.tag == WIRE_TAG(1, WIRE_BYTES)) *price = f.bytes;
        if (f.tag == WIRE_TAG(2, WIRE_BYTES)) *quantity = f.bytes;
    }
    return MEXC_OK;
}

static inline int mexc_decode_level(slice_t item, const symbol_t *symbol, level_t *out) {
    slice_t price, quantity;
    int error = mexc_split_level((wire_t){item.p, item.p + item.n}, &price, &quantity);

    if (error != MEXC_OK) return error;
    if ((error = mexc_read_units(price, symbol->price_decimals, &out->price_ticks)) != MEXC_OK) return error;
    if ((error = mexc_read_units(quantity, symbol->size_decimals, &out->size_lots)) != MEXC_OK) return error;
    return out->price_ticks ? MEXC_OK : MEXC_BAD_VALUE;
}

/* How many asks the body has, as far as it can be read: where its bids belong if the two are mixed. */
static inline uint32_t mexc_count_asks(wire_t wire) {
    uint32_t n = 0;
    wire_field_t f = {0};

    while (wire.p < wire.end && wire_next(&wire, &f) == WIRE_OK) n += f.tag == WIRE_TAG(1, WIRE_BYTES);
    return n;
}

/* Depth (313) and limit depth (303): asks=1, bids=2, eventType=3; fromVersion=4, toVersion=5 or version=4. */
static inline int mexc_decode_depth(wire_t wire, const symbol_t *symbol, level_t *levels, uint32_t max_levels,
                                    mexc_frame_t *frame) {
    const wire_t body = wire;
    uint32_t n_asks = 0, n_bids = 0, bids_at = 0;
    int mixed = 0, error;
    wire_field_t f = {0};

    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) return error;
        if (f.tag == WIRE_TAG(1, WIRE_BYTES) || f.tag == WIRE_TAG(2, WIRE_BYTES)) {
            int is_ask = f.tag == WIRE_TAG(1, WIRE_BYTES);
            uint32_t at;
            if (is_ask && n_bids && !mixed) { /* start again, now that the bids' place is known */
                mixed = 1;
                bids_at = mexc_count_asks(body);
                n_asks = n_bids = 0;
                wire = body;
                continue;
            }
            at = is_ask ? n_asks++ : (mixed ? bids_at : n_asks) + n_bids++;
            if (at >= max_levels) return MEXC_TOO_MANY_LEVELS;
            if ((error = mexc_decode_level(f.bytes, symbol, levels + at)) != MEXC_OK) return error;
        } else if (f.tag == WIRE_TAG(4, WIRE_BYTES)) {
            if ((error = mexc_read_units(f.bytes, 0, &frame->from_version)) != MEXC_OK) return error;
            if (frame->kind == MEXC_LIMIT_DEPTH) frame->to_version = frame->from_version;
        } else if (f.tag == WIRE_TAG(5, WIRE_BYTES) && frame->kind == MEXC_DEPTH) {
            if ((error = mexc_read_units(f.bytes, 0, &frame->to_version)) != MEXC_OK) return error;
        } else if (f.tag == WIRE_TAG(frame->kind == MEXC_DEPTH ? 6 : 5, WIRE_VARINT)) {
            if ((error = mexc_read_time(f.varint, &frame->last_order_time_ms)) != MEXC_OK) return error;
        }
    }
    frame->n_asks = n_asks;
    frame->n_bids = n_bids;
    if (frame->kind == MEXC_DEPTH && (frame->from_version == 0 || frame->to_version == 0))
        return MEXC_MISSING_FIELD;
    return MEXC_OK;
}

/* One deal: price=1, quantity=2, tradeType=3, time=4; its id (5) is not used. */
static inline int mexc_decode_trade(wire_t wire, const symbol_t *symbol, mexc_trade_t *out) {
    slice_t price = {wire.p, 0}, quantity = {wire.p, 0};
    mexc_trade_t trade = {0, 0, 0, 0, 0};
    uint64_t trade_type = 0;
    int64_t time_ms = 0;
    wire_field_t f = {0};
    int error;

    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) return error;
        if (f.tag == WIRE_TAG(1, WIRE_BYTES)) price = f.bytes;
        if (f.tag == WIRE_TAG(2, WIRE_BYTES)) quantity = f.bytes;
        if (f.tag == WIRE_TAG(3, WIRE_VARINT)) trade_type = f.varint;
        if (f.tag == WIRE_TAG(4, WIRE_VARINT) && (error = mexc_read_time(f.varint, &time_ms)) != MEXC_OK)
            return error;
    }
    if ((error = mexc_read_units(price, symbol->price_decimals, &trade.price_ticks)) != MEXC_OK) return error;
    if ((error = mexc_read_units(quantity, symbol->size_decimals, &trade.size_lots)) != MEXC_OK) return error;
    if (trade.price_ticks == 0 || (trade_type != 1 && trade_type != 2)) return MEXC_BAD_VALUE;
    trade.side = (uint32_t)trade_type;
    trade.ts_event_ns = time_ms * 1000000;
    *out = trade;
    return MEXC_OK;
}

/* Deals (314): deals=1, eventType=2. */
static inline int mexc_decode_trades(wire_t wire, const symbol_t *symbol, mexc_trade_t *trades,
                                     uint32_t max_trades, mexc_frame_t *frame) {
    uint32_t n = 0;
    wire_field_t f = {0};
    int error;

    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) return error;
        if (f.tag != WIRE_TAG(1, WIRE_BYTES)) continue;
        if (n == max_trades) return MEXC_TOO_MANY_LEVELS;
        error = mexc_decode_trade((wire_t){f.bytes.p, f.bytes.p + f.bytes.n}, symbol, trades + n++);
        if (error != MEXC_OK) return error;
    }
    frame->n_trades = n;
    return MEXC_OK;
}

/* One side of the book ticker: without a price, or with a price of zero, it is empty. */
static inline int mexc_decode_quote(slice_t price, slice_t quantity, const symbol_t *symbol, level_t *out) {
    int error;

    *out = (level_t){0, 0};
    if (price.n == 0) return MEXC_OK;
    if ((error = mexc_read_units(price, symbol->price_decimals, &out->price_ticks)) != MEXC_OK) return error;
    if ((error = mexc_read_units(quantity, symbol->size_decimals, &out->size_lots)) != MEXC_OK) return error;
    if (out->price_ticks == 0) out->size_lots = 0;
    return MEXC_OK;
}

/* Book ticker (315): bidPrice=1 bidQuantity=2 askPrice=3 askQuantity=4 version=5 lastOrderCreateTime=6. */
static inline int mexc_decode_ticker(wire_t wire, const symbol_t *symbol, mexc_frame_t *frame) {
    const slice_t empty = {wire.p, 0};
    slice_t texts[6] = {empty, empty, empty, empty, empty, empty};
    wire_field_t f = {0};
    int error;

    while (wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) return error;
        if ((f.tag & 7) == WIRE_BYTES && f.tag >> 3 <= 5) texts[f.tag >> 3] = f.bytes;
        if (f.tag == WIRE_TAG(6, WIRE_VARINT)) {
            if ((error = mexc_read_time(f.varint, &frame->last_order_time_ms)) != MEXC_OK) return error;
        }
    }
    if ((error = mexc_decode_quote(texts[1], texts[2], symbol, &frame->ticker.bid)) != MEXC_OK) return error;
    if ((error = mexc_decode_quote(texts[3], texts[4], symbol, &frame->ticker.ask)) != MEXC_OK) return error;
    if (texts[5].n && (error = mexc_read_units(texts[5], 0, &frame->from_version)) != MEXC_OK) return error;
    frame->to_version = frame->from_version;
    return MEXC_OK;
}

/* Pass 2: the body that mexc_scan found, without an error. Depths fill levels (asks, then bids: n_asks +
 * n_bids of at most max_levels), deals fill trades; the two may share memory. Returns frame->error; where it
 * is not MEXC_OK, what was filled so far means nothing. */
static inline int mexc_decode_body(mexc_frame_t *frame, const symbol_table_t *symbols, level_t *levels,
                                   uint32_t max_levels, mexc_trade_t *trades, uint32_t max_trades) {
    wire_t body = {frame->body.p, frame->body.p + frame->body.n};
    const symbol_t *symbol = symbols->symbols + (frame->symbol < 0 ? 0 : frame->symbol);
    int error = MEXC_OK;

    switch (frame->kind) {
    case MEXC_DEPTH:
    case MEXC_LIMIT_DEPTH: error = mexc_decode_depth(body, symbol, levels, max_levels, frame); break;
    case MEXC_DEALS: error = mexc_decode_trades(body, symbol, trades, max_trades, frame); break;
    case MEXC_BOOK_TICKER: error = mexc_decode_ticker(body, symbol, frame); break;
    case MEXC_PRIVATE_ORDER: error = mexc_decode_order(body, frame); break;
    case MEXC_PRIVATE_DEAL: error = mexc_decode_private_deal(body, frame); break;
    case MEXC_PRIVATE_ACCOUNT: error = mexc_decode_account(body, frame); break;
    default: break;
    }
    frame->error = (uint32_t)error;
    return error;
}

/* Both passes. */
static inline int mexc_decode(const uint8_t *p, size_t n, const symbol_table_t *symbols, level_t *levels,
                              uint32_t max_levels, mexc_trade_t *trades, uint32_t max_trades,
                              mexc_frame_t *frame) {
    int error = mexc_scan(p, n, symbols, frame);
    return error == MEXC_OK ? mexc_decode_body(frame, symbols, levels, max_levels, trades, max_trades)
                            : error;
}
