/* Decimal text to integers: exact or refused. Never a float, never a silent rounding.
 *
 * Grammar: digits, then optionally a point and digits ("84270.00", "0.5", "1"). ".5", "5." and "" are
 * refused. Zeros beyond the scale are fine; any other digit there is out of scale.
 */
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
    1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL,
    100000000ULL, 1000000000ULL, 10000000000ULL, 100000000000ULL, 1000000000000ULL,
    10000000000000ULL, 100000000000000ULL, 1000000000000000ULL, 10000000000000000ULL,
    100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL,
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

/* Any length and any fault, for what the fast path below gives up on. The first fault of the grammar is told
 * before a fault of scale, and that before overflow. */
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

/* The value of at most 16 bytes right-aligned in a vector, of which the first ones are zero: *value without
 * its point, *n_fraction digits behind it. False where anything but digits and one point between them is
 * found. */
static inline __attribute__((always_inline)) int decimal_read_16(__m128i text, unsigned length,
                                                                 uint64_t *value, unsigned *n_fraction) {
    const __m128i lanes = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits), shift;
    unsigned points = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));
    unsigned used = 0xffffu << (16 - length) & 0xffff, inner = used & (used << 1) & 0x7fff;
    int point = points ? __builtin_ctz(points) : -1;
    uint64_t pair;

    if ((((unsigned)_mm_movemask_epi8(is_digit) | points) != used) | (points & (points - 1)) |
        (points & ~inner))
        return 0;
    /* close the gap: the lanes up to the point move one to the right */
    shift = _mm_cmpgt_epi8(_mm_set1_epi8((char)(point + 1)), lanes);
    digits = _mm_shuffle_epi8(_mm_and_si128(digits, is_digit), _mm_add_epi8(lanes, shift));
    /* pairs of digits, of pairs, of fours: two numbers of eight digits remain */
    digits = _mm_maddubs_epi16(digits, _mm_set1_epi16(1 << 8 | 10));
    digits = _mm_madd_epi16(digits, _mm_set1_epi32(1 << 16 | 100));
    digits = _mm_madd_epi16(_mm_packus_epi32(digits, digits), _mm_set1_epi32(1 << 16 | 10000));
    pair = (uint64_t)_mm_cvtsi128_si64(digits);
    *value = (pair & UINT32_MAX) * 100000000 + (pair >> 32);
    *n_fraction = points ? 15 - (unsigned)point : 0;
    return 1;
}

/* The text's value in units of 10^-decimals (<= 18) into *out, which is left alone on any status but OK. Two
 * overlapping loads take in 8 to 16 bytes without reading beyond the text; other lengths are rare. */
static inline __attribute__((always_inline)) int decimal_parse(const char *text, size_t length,
                                                               unsigned decimals, int64_t *out) {
    uint64_t head, tail, value, unit;
    unsigned n_fraction, shift;

    if (__builtin_expect(length - 8 > 8 || decimals > DECIMAL_MAX_DECIMALS, 0))
        return decimal_parse_any(text, length, decimals, out);
    memcpy(&head, text, 8);
    memcpy(&tail, text + length - 8, 8);
    shift = (unsigned)(16 - length) * 4; /* twice, as 64 at once is undefined */
    if (!decimal_read_16(_mm_set_epi64x((int64_t)tail, (int64_t)(head << shift << shift)), (unsigned)length,
                         &value, &n_fraction))
        return decimal_parse_any(text, length, decimals, out);
    if (__builtin_expect(n_fraction > decimals, 0)) {
        unit = DECIMAL_POW10[n_fraction - decimals];
        if (value % unit) return DECIMAL_OUT_OF_SCALE;
        value /= unit;
        n_fraction = decimals;
    }
    if (__builtin_mul_overflow(value, DECIMAL_POW10[decimals - n_fraction], &value) ||
        value > (uint64_t)INT64_MAX)
        return DECIMAL_OVERFLOW;
    *out = (int64_t)value;
    return DECIMAL_OK;
}

/* An amount of money in units of 10^-20. One leading minus is allowed: balances have changes.
 * DECIMAL_ROUNDED: digits beyond the 20th decimal; *out is rounded away from zero, to be counted. */
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
