/* native/mexc_protobuf.h on any bytes. Input: one byte (how many levels there is room for), then the frame. */
#include "tests/fuzz/c/harness.h"

#include "native/mexc_protobuf.h"

enum { ROOM = 64 };

static symbol_table_t symbols;

static int is_within(slice_t slice, const uint8_t *frame, size_t size) {
    return slice.n == 0 || (slice.p >= frame && slice.n <= size && slice.p + slice.n <= frame + size);
}

static void check_frame(const mexc_frame_t *f, const uint8_t *frame, size_t size) {
    CHECK(f->error <= MEXC_BAD_VALUE && f->kind <= MEXC_PRIVATE_ACCOUNT);
    CHECK(f->symbol >= -1 && f->symbol < (int32_t)symbols.n);
    CHECK(is_within(f->channel, frame, size) && is_within(f->symbol_text, frame, size));
    CHECK(is_within(f->body, frame, size));
    CHECK(f->send_time_ms >= 0 && f->create_time_ms >= 0);
    CHECK(f->send_time_ms <= INT64_MAX / 1000000 && f->create_time_ms <= INT64_MAX / 1000000);
    if (f->error != MEXC_OK) return;
    if (f->kind == MEXC_PRIVATE_ORDER) {
        CHECK(is_within(f->order.id, frame, size) && is_within(f->order.client_id, frame, size));
    } else if (f->kind == MEXC_PRIVATE_DEAL) {
        CHECK(is_within(f->deal.trade_id, frame, size) && is_within(f->deal.client_order_id, frame, size));
        CHECK(is_within(f->deal.order_id, frame, size) && is_within(f->deal.fee_currency, frame, size));
    } else if (f->kind == MEXC_PRIVATE_ACCOUNT) {
        CHECK(is_within(f->account.asset, frame, size) && is_within(f->account.coin_id, frame, size));
        CHECK(is_within(f->account.type, frame, size));
    } else if (f->kind == MEXC_BOOK_TICKER) {
        CHECK(f->ticker.bid.price_ticks >= 0 && f->ticker.bid.size_lots >= 0);
        CHECK(f->ticker.ask.price_ticks >= 0 && f->ticker.ask.size_lots >= 0);
    }
}

/* Levels and deals that were accepted are numbers that a book may hold. */
static void check_items(const mexc_frame_t *f, const level_t *levels, uint32_t max_levels, const mexc_trade_t *trades,
                        uint32_t max_trades) {
    if (f->error != MEXC_OK) return;
    if (f->kind == MEXC_DEPTH || f->kind == MEXC_LIMIT_DEPTH) {
        CHECK(f->n_asks <= max_levels && f->n_bids <= max_levels - f->n_asks);
        for (uint32_t i = 0; i < f->n_asks + f->n_bids; i++)
            CHECK(levels[i].price_ticks > 0 && levels[i].size_lots >= 0);
        if (f->kind == MEXC_DEPTH) CHECK(f->from_version > 0 && f->to_version > 0);
    }
    if (f->kind == MEXC_DEALS) {
        CHECK(f->n_trades <= max_trades);
        for (uint32_t i = 0; i < f->n_trades; i++) {
            CHECK(trades[i].price_ticks > 0 && trades[i].size_lots >= 0 && trades[i].ts_event_ns >= 0);
            CHECK(trades[i].side == 1 || trades[i].side == 2);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t unknown[] = {0xc0, 0x3e, 0x05}; /* field 1000, a varint of 5 */
    mexc_frame_t found, again, longer;

    if (symbols.n == 0) {
        CHECK(symbol_table_init(&symbols, 8) == 0);
        CHECK(symbol_add(&symbols, "BTCUSDT", 7, 2, 8) == 0 && symbol_add(&symbols, "MXUSDT", 6, 4, 2) == 1);
        CHECK(symbol_add(&symbols, "A", 1, 0, 18) == 2);
    }
    if (size < 1) return 0;
    uint32_t room = data[0] % ROOM;
    size -= 1;
    uint8_t *frame = exact_copy(data + 1, size);
    level_t *levels = (level_t *)malloc(room * sizeof *levels + 1), *more = (level_t *)malloc(ROOM * sizeof *more);
    mexc_trade_t *trades = (mexc_trade_t *)malloc(room * sizeof *trades + 1), many[ROOM];
    CHECK(levels && more && trades);

    mexc_decode(frame, size, &symbols, levels, room, trades, room, &found);
    check_frame(&found, frame, size);
    check_items(&found, levels, room, trades, room);

    /* More room changes nothing but a refusal for the lack of it. */
    mexc_decode(frame, size, &symbols, more, ROOM, many, ROOM, &again);
    check_frame(&again, frame, size);
    check_items(&again, more, ROOM, many, ROOM);
    if (found.error != MEXC_TOO_MANY_LEVELS) {
        CHECK(found.error == again.error && found.kind == again.kind && found.symbol == again.symbol);
        if (found.error == MEXC_OK && found.kind <= MEXC_LIMIT_DEPTH)
            CHECK(memcmp(levels, more, (found.n_asks + found.n_bids) * sizeof *more) == 0);
    }

    /* A field that nobody knows, at the end, changes nothing of a sound frame. */
    if (again.error == MEXC_OK) {
        uint8_t *extended = (uint8_t *)malloc(size + sizeof unknown);
        CHECK(extended != NULL);
        memcpy(extended, frame, size);
        memcpy(extended + size, unknown, sizeof unknown);
        mexc_decode(extended, size + sizeof unknown, &symbols, more, ROOM, many, ROOM, &longer);
        CHECK(longer.error == MEXC_OK && longer.kind == again.kind && longer.symbol == again.symbol);
        CHECK(longer.n_asks == again.n_asks && longer.n_bids == again.n_bids && longer.n_trades == again.n_trades);
        CHECK(longer.send_time_ms == again.send_time_ms && longer.to_version == again.to_version);
        free(extended);
    }
    free(frame);
    free(levels);
    free(more);
    free(trades);
    return 0;
}
