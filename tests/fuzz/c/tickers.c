/* native/mexc_tickers.h on any bytes: the wrapper, each item, and whether it trades. */
#include "tests/fuzz/c/harness.h"

#include "native/mexc_tickers.h"

static int is_within(slice_t slice, slice_t outer) {
    return slice.n == 0 || (slice.p >= outer.p && slice.p + slice.n <= outer.p + outer.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *frame = exact_copy(data, size);
    slice_t whole = {frame, size}, body = {NULL, 0};
    int64_t send_time_ms = 0;
    int has_body = 0;
    wire_field_t field = {0};
    mexc_mini_ticker_t ticker, again;

    int error = mexc_tickers_scan((wire_t){frame, frame + size}, &body, &send_time_ms, &has_body);
    CHECK(error <= MEXC_BAD_VALUE && send_time_ms >= 0 && send_time_ms <= INT64_MAX / 1000000);
    if (error == MEXC_OK && has_body) {
        CHECK(is_within(body, whole));
        wire_t wire = {body.p, body.p + body.n};
        while (wire.p < wire.end && wire_next(&wire, &field) == WIRE_OK) {
            if (field.tag != WIRE_TAG(1, WIRE_BYTES)) continue;
            CHECK(is_within(field.bytes, body));
            if (mexc_mini_ticker(field.bytes, &ticker) != MEXC_OK) continue;
            CHECK(is_within(ticker.symbol, field.bytes) && is_within(ticker.price, field.bytes));
            CHECK(is_within(ticker.volume, field.bytes) && is_within(ticker.quantity, field.bytes));
            CHECK(mexc_mini_ticker(field.bytes, &again) == MEXC_OK && memcmp(&again, &ticker, sizeof ticker) == 0);
            /* What trades has a price of digits, and no turnover that says zero. */
            if (mexc_ticker_trades(&ticker)) {
                CHECK(ticker.price.n > 0);
                for (size_t i = 0; i < ticker.price.n; i++)
                    CHECK((ticker.price.p[i] >= '0' && ticker.price.p[i] <= '9') || ticker.price.p[i] == '.');
            }
        }
    }
    free(frame);
    return 0;
}
