/* Exact money: signed 128-bit integers in units of 10^-20 of an asset, so that every price times size of every
 * supported instrument (price and size decimals together at most 20) is a whole number. */
#pragma once
#include <stdint.h>

#define MONEY_DECIMALS 20

typedef __int128 int128_t;

typedef struct {
    uint64_t low;
    int64_t high;
} money_t;

static inline int128_t money_get(money_t words) {
    return (int128_t)(((unsigned __int128)(uint64_t)words.high << 64) | words.low);
}

static inline money_t money_put(int128_t amount) {
    money_t words = {(uint64_t)amount, (int64_t)(amount >> 64)};
    return words;
}

/* The largest amount that counts as money at all: 10^18 units of an asset. Beyond it lies an error. */
static inline int128_t money_limit(void) {
    return (int128_t)1000000000000000000LL * 1000000000000000000LL * 100;
}

/* 10^exponent, exponent 0 to 20. */
static inline int128_t power_of_ten(uint32_t exponent) {
    int128_t power = 1;
    while (exponent--) power *= 10;
    return power;
}

/* price times size in money; `unit` is 10^(20 - price_decimals - size_decimals). Saturates at money_limit(). */
static inline int128_t notional(int64_t price_ticks, int64_t size_lots, int128_t unit) {
    int128_t product = (int128_t)price_ticks * size_lots, amount;
    if (__builtin_mul_overflow(product, unit, &amount)) return product < 0 ? -money_limit() : money_limit();
    if (amount > money_limit()) return money_limit();
    if (amount < -money_limit()) return -money_limit();
    return amount;
}

static inline int128_t money_abs(int128_t amount) { return amount < 0 ? -amount : amount; }
static inline int128_t money_max(int128_t a, int128_t b) { return a > b ? a : b; }

/* Sums and products saturate at money_limit(): what comes near it is an error, and must neither wrap nor be undefined. */
static inline int128_t money_add(int128_t a, int128_t b) {
    int128_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? -money_limit() : money_limit();
    return sum;
}

static inline int128_t money_sub(int128_t a, int128_t b) {
    int128_t rest;
    if (__builtin_sub_overflow(a, b, &rest)) return a < 0 ? -money_limit() : money_limit();
    return rest;
}

static inline int128_t money_times(int128_t amount, int64_t count) {
    int128_t product;
    if (__builtin_mul_overflow(amount, (int128_t)count, &product))
        return (amount < 0) != (count < 0) ? -money_limit() : money_limit();
    return product;
}

/* amount * parts / whole, rounded up in magnitude away from what favours us. */
static inline int128_t share_up(int128_t amount, int64_t parts, int64_t whole) {
    int128_t scaled = amount % whole * parts;
    return money_add(money_times(amount / whole, parts), scaled / whole + (scaled % whole > 0));
}

/* amount * parts / whole, rounded toward zero. Of a cost: the part that belongs to `parts` of `whole` lots. */
static inline int128_t share_of(int128_t amount, int64_t parts, int64_t whole) {
    return money_add(money_times(amount / whole, parts), amount % whole * parts / whole);
}

/* How large `part` is against `whole`, in `scale` ths, without a sign; for people, in denials and breakers. */
static inline int128_t ratio(int128_t part, int128_t whole, int64_t scale) {
    return money_times(money_abs(part), scale) / whole;
}

/* Cython knows no 128-bit literals and guesses the type of mixed sums: these say it. */
static inline int128_t money_of(int64_t amount) { return amount; }
static inline int money_less(int128_t a, int128_t b) { return a < b; }
