/* MEXC's signed requests as HTTP/1.1 bytes, from templates: only what differs from order to order is written.
 *
 * The signature is HMAC-SHA256 in lower hex over the query string exactly as it is sent, up to "&signature=" (spot v3
 * documentation); text is percent-encoded in upper hex before it is signed.
 */
#pragma once
#include <stdint.h>
#include <string.h>

#include "native/decimal.h"
#include "native/sha256.h"

enum {
    REQUEST_ROOM = 4096,
    REQUEST_TEXT_MOST = 256, /* of an order's name: three characters each at most */
    REQUEST_FILLED_MOST = 3 * REQUEST_TEXT_MOST + 256
};

static inline char *request_put(char *out, const void *text, size_t size) {
    memcpy(out, text, size);
    return out + size;
}

static inline char *request_put_number(char *out, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return request_put(out, digits + at, sizeof digits - at);
}

/* A number of 10^-decimals (<= 18) as plain decimal text without zeros at the end of its fraction. */
static inline char *request_put_decimal(char *out, uint64_t value, unsigned decimals) {
    uint64_t unit = DECIMAL_POW10[decimals], fraction = value % unit;
    out = request_put_number(out, value / unit);
    if (!fraction) return out;
    *out++ = '.';
    while (fraction) {
        unit /= 10;
        *out++ = (char)('0' + fraction / unit);
        fraction %= unit;
    }
    return out;
}

static inline int request_is_unreserved(unsigned char each) {
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') ||
           each == '-' || each == '_' || each == '.' || each == '~';
}

static inline char *request_put_encoded(char *out, const char *text, size_t size) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        unsigned char each = (unsigned char)text[i];
        if (request_is_unreserved(each)) {
            *out++ = (char)each;
        } else {
            *out++ = '%';
            *out++ = digits[each >> 4];
            *out++ = digits[each & 15];
        }
    }
    return out;
}

/* Ends the query that began at `query`: receive window and time, then the signature over all of it. */
static inline char *request_sign(char *out, const char *query, const hmac_key_t *key, const char *window,
                                 size_t window_size, int64_t timestamp_ms) {
    uint8_t digest[SHA256_DIGEST];
    out = request_put(out, window, window_size);
    out = request_put_number(out, (uint64_t)timestamp_ms);
    hmac_digest(key, query, (size_t)(out - query), digest);
    out = request_put(out, "&signature=", 11);
    hex_encode(digest, SHA256_DIGEST, out);
    return out + 2 * SHA256_DIGEST;
}
