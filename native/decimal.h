/* Decimal text to integers: exact or refused. Never a float, never a silent rounding.
 *
 * Grammar: digits, then optionally a point and digits ("84270.00", "0.5", "1"). ".5", "5." and "" are refused.
 * Zeros beyond the scale are fine; any other digit there is out of scale.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef __int128 int128_t;
typedef unsigned __int128 uint128_t;

enum {
    DECIMAL_MAX_DECIMALS = 18, /* 10^18 is the largest power of ten below 2^63 */
    DECIMAL_MONEY_DECIMALS = 20
};

typedef enum {
    DECIMAL_OK = 0,
    DECIMAL_EMPTY = 1,
    DECIMAL_MALFORMED = 2,
    DECIMAL_SIGNED = 3,
    DECIMAL_EXPONENT = 4,
    DECIMAL_OUT_OF_SCALE = 5,
    DECIMAL_OVERFLOW = 6,
    DECIMAL_ROUNDED = 7 /* money only: more than 20 decimals; the value is rounded away from zero */
} decimal_status_t;

static const uint64_t DECIMAL_POW10[20] = {
    1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL,
    10000000000ULL, 100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL,
    10000000000000000ULL, 100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL,
};

/* What the text is as a whole: OK where it follows the grammar. *point is the count of integer digits. */
static inline int decimal_shape(const char *text, size_t length, size_t *point) {
    size_t i, digits_after = 0;
    int has_point = 0;

    *point = length;
    if (length == 0) return DECIMAL_EMPTY;
    if (text[0] == '-' || text[0] == '+') return DECIMAL_SIGNED;
    for (i = 0; i < length; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit <= 9) {
            digits_after += (size_t)has_point;
        } else if (text[i] == '.' && !has_point) {
            has_point = 1;
            *point = i;
        } else {
            return (text[i] == 'e' || text[i] == 'E') && i > 0 ? DECIMAL_EXPONENT : DECIMAL_MALFORMED;
        }
    }
    if (*point == 0 || (has_point && digits_after == 0)) return DECIMAL_MALFORMED;
    return DECIMAL_OK;
}

/* Any length and any fault, for what the fast path below gives up on. The first fault of the grammar is told before
 * a fault of scale, and that before overflow. */
static __attribute__((noinline)) int decimal_parse_any(const char *text, size_t length, unsigned decimals,
                                                       int64_t *out) {
    size_t point, i;
    uint64_t value = 0;
    unsigned kept = 0;
    int overflow = 0;
    int status = decimal_shape(text, length, &point);

    if (status != DECIMAL_OK) return status;
    if (decimals > DECIMAL_MAX_DECIMALS) return DECIMAL_OVERFLOW;
    for (i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (i == point) continue;
        if (i > point && kept == decimals) {
            if (digit != 0) return DECIMAL_OUT_OF_SCALE;
            continue;
        }
        kept += i > point;
        overflow |= __builtin_mul_overflow(value, 10ULL, &value);
        overflow |= __builtin_add_overflow(value, digit, &value);
    }
    overflow |= __builtin_mul_overflow(value, DECIMAL_POW10[decimals - kept], &value);
    if (overflow || value > (uint64_t)INT64_MAX) return DECIMAL_OVERFLOW;
    *out = (int64_t)value;
    return DECIMAL_OK;
}

/* The text's value in units of 10^-decimals into *out, which is left alone on any status but OK. decimals <= 18. */
static inline int decimal_parse(const char *text, size_t length, unsigned decimals, int64_t *out) {
    const char *p = text, *end = text + length;
    uint64_t value = 0;
    unsigned digit, kept = 0;

    /* up to 19 digits cannot overflow 64 bits */
    if (__builtin_expect(length - 1 >= 19 || decimals > DECIMAL_MAX_DECIMALS, 0)) goto any;
    while (p < end && (digit = (unsigned char)*p - (unsigned)'0') <= 9) {
        value = value * 10 + digit;
        p++;
    }
    if (p < end) {
        const char *fraction = p + 1, *stop;
        if (*p != '.' || p == text || fraction == end) goto any;
        stop = (size_t)(end - fraction) > decimals ? fraction + decimals : end;
        for (p = fraction; p < stop && (digit = (unsigned char)*p - (unsigned)'0') <= 9; p++)
            value = value * 10 + digit;
        kept = (unsigned)(p - fraction);
        while (p < end && *p == '0') p++;
        if (p < end) goto any;
    }
    if (__builtin_mul_overflow(value, DECIMAL_POW10[decimals - kept], &value) || value > (uint64_t)INT64_MAX)
        return DECIMAL_OVERFLOW;
    *out = (int64_t)value;
    return DECIMAL_OK;
any:
    return decimal_parse_any(text, length, decimals, out);
}

/* An amount of money in units of 10^-20. One leading minus is allowed: balances have changes.
 * DECIMAL_ROUNDED: digits beyond the 20th decimal; *out is rounded away from zero, for the caller to count. */
static inline int decimal_parse_money(const char *text, size_t length, int128_t *out) {
    const uint128_t max = ~(uint128_t)0 >> 1;
    int negative = length > 1 && text[0] == '-';
    size_t point, i;
    uint128_t value = 0;
    unsigned kept = 0;
    int status, rounded = 0;

    text += negative;
    length -= (size_t)negative;
    status = decimal_shape(text, length, &point);
    if (status != DECIMAL_OK) return status;
    for (i = 0; i < length || kept < DECIMAL_MONEY_DECIMALS; i++) {
        unsigned digit = i < length && i != point ? (unsigned)(text[i] - '0') : 0;
        if (i == point) continue;
        if (i > point && kept == DECIMAL_MONEY_DECIMALS) {
            rounded |= digit != 0;
            continue;
        }
        kept += i > point;
        if (value > max / 10) return DECIMAL_OVERFLOW;
        value = value * 10 + digit;
        if (value > max) return DECIMAL_OVERFLOW;
    }
    if (rounded && value++ == max) return DECIMAL_OVERFLOW;
    *out = negative ? -(int128_t)value : (int128_t)value;
    return rounded ? DECIMAL_ROUNDED : DECIMAL_OK;
}

/* Money to units of 10^-decimals, for prices and sizes: OK, OUT_OF_SCALE or OVERFLOW. decimals <= 18. */
static inline int decimal_money_to_units(int128_t money, unsigned decimals, int64_t *out) {
    int128_t unit, value;

    if (decimals > DECIMAL_MAX_DECIMALS) return DECIMAL_OVERFLOW;
    unit = (int128_t)DECIMAL_POW10[DECIMAL_MAX_DECIMALS - decimals] * 100;
    if (money % unit != 0) return DECIMAL_OUT_OF_SCALE;
    value = money / unit;
    if (value > INT64_MAX || value < INT64_MIN) return DECIMAL_OVERFLOW;
    *out = (int64_t)value;
    return DECIMAL_OK;
}

/* 128-bit numbers as the two words that cross into Python or an event's body. */
static inline uint64_t int128_low(int128_t value) { return (uint64_t)value; }
static inline int64_t int128_high(int128_t value) { return (int64_t)(value >> 64); }
static inline int128_t int128_join(uint64_t low, int64_t high) {
    return (int128_t)(((uint128_t)(uint64_t)high << 64) | low);
}
