/* An exact L2 order book in integer ticks and lots: two sides (book_side.h) behind one interface.
 *
 * All memory is taken in book_init. Nothing here fails later but by a status.
 */
#pragma once
#include "native/book_side.h"

typedef struct {
    book_side_t bids;
    book_side_t asks;
} order_book_t;

/* Walks a side from its best level to its worst. Any change of the side ends its validity. */
typedef struct {
    const book_side_t *side;
    uint64_t bits;
    int32_t word;
    uint32_t overflow_left;
} book_cursor_t;

static inline book_side_t *book_side(order_book_t *book, int side) {
    return side == BOOK_BID ? &book->bids : &book->asks;
}

static inline const book_side_t *book_side_const(const order_book_t *book, int side) {
    return side == BOOK_BID ? &book->bids : &book->asks;
}

/* BOOK_OK where every level has a price in range and a size that is not negative. */
static inline int book_check_levels(const level_t *levels, uint32_t n) {
    int64_t bad_price = 0, bad_size = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        bad_price |= (levels[i].price_ticks < 1) | (levels[i].price_ticks > BOOK_MAX_PRICE_TICKS);
        bad_size |= levels[i].size_lots < 0;
    }
    return bad_price ? BOOK_BAD_PRICE : bad_size ? BOOK_BAD_SIZE : BOOK_OK;
}

/* Set one level; size 0 removes it. A refused level changes nothing. */
static inline int book_set(order_book_t *book, int side, int64_t price_ticks, int64_t size_lots) {
    book_side_t *s = book_side(book, side);
    level_t level = {price_ticks, size_lots};
    int status = book_check_levels(&level, 1);

    if (__builtin_expect(status != BOOK_OK, 0)) return status;
    book_side_set(s, s->sign * price_ticks, size_lots);
    return BOOK_OK;
}

/* Set n levels of one side, all or, where one of them is refused, none. */
static inline int book_apply(order_book_t *book, const level_t *levels, uint32_t n, int side) {
    book_side_t *s = book_side(book, side);
    int64_t sign = s->sign;
    int status = book_check_levels(levels, n);
    uint32_t i;

    if (__builtin_expect(status != BOOK_OK, 0)) return status;
    for (i = 0; i < n; i++) book_side_set(s, sign * levels[i].price_ticks, levels[i].size_lots);
    return BOOK_OK;
}

/* Whether the side has these levels, all of its window, as they stand: to apply them again changes nothing. */
static inline int book_holds(const order_book_t *book, const level_t *levels, uint32_t n, int side) {
    const book_side_t *s = book_side_const(book, side);
    int64_t size;
    uint64_t offset;
    uint32_t i;

    if (!book_side_is_settled(s)) return 0;
    for (i = 0; i < n; i++) {
        offset = (uint64_t)(s->sign * levels[i].price_ticks) - (uint64_t)s->base;
        if (offset >= s->window_ticks) return 0;
        size = s->words[offset >> 6] >> (offset & 63) & 1 ? s->sizes[offset] : 0;
        if (size != levels[i].size_lots) return 0;
    }
    return 1;
}

static inline int book_empty(const order_book_t *book, int side) {
    return book_side_const(book, side)->best < 0;
}

/* 0 on an empty side. */
static inline int64_t book_best_ticks(const order_book_t *book, int side) {
    const book_side_t *s = book_side_const(book, side);
    return s->best < 0 ? 0 : s->sign * (s->base + s->best);
}

static inline int64_t book_best_lots(const order_book_t *book, int side) {
    const book_side_t *s = book_side_const(book, side);
    return s->best < 0 ? 0 : s->sizes[s->best];
}

/* Best bid at or above best ask; false where a side is empty. */
static inline int book_crossed(const order_book_t *book) {
    return book->bids.best >= 0 && book->asks.best >= 0 &&
           book_best_ticks(book, BOOK_BID) >= book_best_ticks(book, BOOK_ASK);
}

static inline uint32_t book_count(const order_book_t *book, int side) {
    const book_side_t *s = book_side_const(book, side);
    return s->n_window + s->n_overflow;
}

/* The size at a price, 0 where there is no level; ask book_knows whether that means empty. */
static inline int64_t book_size_at(const order_book_t *book, int side, int64_t price_ticks) {
    const book_side_t *s = book_side_const(book, side);
    int64_t key;
    uint64_t offset;
    uint32_t at;

    if (price_ticks < 1 || price_ticks > BOOK_MAX_PRICE_TICKS) return 0;
    key = s->sign * price_ticks;
    offset = (uint64_t)key - (uint64_t)s->base;
    if (offset < s->window_ticks) return s->words[offset >> 6] >> (offset & 63) & 1 ? s->sizes[offset] : 0;
    at = book_overflow_find(s, key);
    return at < s->n_overflow && s->overflow[at].price_ticks == key ? s->overflow[at].size_lots : 0;
}

/* Whether no level at this price means that it is empty: false beyond where a snapshot was cut. */
static inline int book_knows(const order_book_t *book, int side, int64_t price_ticks) {
    const book_side_t *s = book_side_const(book, side);
    return price_ticks >= 1 && price_ticks <= BOOK_MAX_PRICE_TICKS && s->sign * price_ticks >= s->known_key;
}

/* The worst price up to which the side is known: a floor for bids, a ceiling for asks. */
static inline int64_t book_known_limit_ticks(const order_book_t *book, int side) {
    const book_side_t *s = book_side_const(book, side);
    return s->sign * s->known_key;
}

/* Say that the side is known up to this price and not beyond it. */
static inline void book_set_known_limit(order_book_t *book, int side, int64_t price_ticks) {
    book_side_t *s = book_side(book, side);
    s->known_key = s->sign * price_ticks;
}

static inline book_cursor_t book_cursor(const order_book_t *book, int side) {
    const book_side_t *s = book_side_const(book, side);
    book_cursor_t cursor = {s, 0, 0, s->n_overflow};

    if (s->best >= 0) {
        cursor.word = s->best >> 6;
        cursor.bits = s->words[cursor.word];
    }
    return cursor;
}

/* The next level into *out; 0 at the end. */
static inline int book_cursor_next(book_cursor_t *cursor, level_t *out) {
    const book_side_t *s = cursor->side;
    int32_t index;

    if (!cursor->bits) {
        index = book_side_highest(s, cursor->word - 1);
        if (index < 0) {
            if (!cursor->overflow_left) return 0;
            *out = s->overflow[--cursor->overflow_left];
            out->price_ticks *= s->sign;
            cursor->word = 0;
            return 1;
        }
        cursor->word = index >> 6;
        cursor->bits = s->words[cursor->word];
    }
    index = cursor->word * 64 + 63 - __builtin_clzll(cursor->bits);
    cursor->bits &= ~(1ULL << (index & 63));
    *out = (level_t){s->sign * (s->base + index), s->sizes[index]};
    return 1;
}

/* Copy at most max_levels levels, best first; returns how many. */
static inline uint32_t book_copy(const order_book_t *book, int side, level_t *out, uint32_t max_levels) {
    book_cursor_t cursor = book_cursor(book, side);
    uint32_t n = 0;

    while (n < max_levels && book_cursor_next(&cursor, out + n)) n++;
    return n;
}

/* The nth level from the best (0) into *out; 0 where there are not so many. */
static inline int book_level(const order_book_t *book, int side, uint32_t nth, level_t *out) {
    book_cursor_t cursor = book_cursor(book, side);

    while (book_cursor_next(&cursor, out))
        if (nth-- == 0) return 1;
    return 0;
}

typedef void (*book_sink_t)(void *context, const void *bytes, size_t length);

/* Feed the book's canonical bytes to a sink: bids, then asks; each as side, count, known limit (int64), then
 * its levels from best to worst. Equal books give equal bytes, however they came about. */
static inline void book_digest(const order_book_t *book, book_sink_t sink, void *context) {
    int side;

    for (side = BOOK_BID; side <= BOOK_ASK; side++) {
        int64_t head[3] = {side, (int64_t)book_count(book, side), book_known_limit_ticks(book, side)};
        book_cursor_t cursor = book_cursor(book, side);
        level_t chunk[64];
        uint32_t n = 0;

        sink(context, head, sizeof head);
        while (book_cursor_next(&cursor, chunk + n)) {
            if (++n == 64) {
                sink(context, chunk, sizeof chunk);
                n = 0;
            }
        }
        if (n) sink(context, chunk, n * sizeof *chunk);
    }
}

/* Both sides empty, and known to be so at every price. The counters go on. */
static inline void book_clear(order_book_t *book) {
    book_side_clear(&book->bids);
    book_side_clear(&book->asks);
}

/* Replace the book by a snapshot. A side with at least depth_limit levels (0: no limit) was cut at its worst
 * level: beyond it is unknown. A refused level leaves the book as it was. */
static inline int book_load(order_book_t *book, const level_t *asks, uint32_t n_asks, const level_t *bids,
                            uint32_t n_bids, uint32_t depth_limit) {
    const level_t *levels[2] = {bids, asks};
    uint32_t counts[2] = {n_bids, n_asks}, i;
    int side, status = book_check_levels(asks, n_asks);

    if (status == BOOK_OK) status = book_check_levels(bids, n_bids);
    if (status != BOOK_OK) return status;
    book_clear(book);
    for (side = BOOK_BID; side <= BOOK_ASK; side++) {
        book_side_t *s = book_side(book, side);
        uint32_t n = counts[side - 1];
        const level_t *from = levels[side - 1];
        int64_t worst = INT64_MAX;

        book_apply(book, from, n, side);
        for (i = 0; i < n; i++)
            worst = s->sign * from[i].price_ticks < worst ? s->sign * from[i].price_ticks : worst;
        if (depth_limit && n >= depth_limit && worst > s->known_key) s->known_key = worst;
    }
    return BOOK_OK;
}

/* As book_clear, and the memory that the levels took is given back to the system. */
static inline void book_let_go(order_book_t *book) {
    book_side_let_go(&book->bids);
    book_side_let_go(&book->asks);
}

static inline void book_free(order_book_t *book) {
    book_side_free(&book->bids);
    book_side_free(&book->asks);
}

/* An empty book. On any status but OK nothing is held and book_free may still be called. */
static inline int book_init(order_book_t *book, uint32_t window_ticks, uint32_t max_overflow) {
    int status;

    memset(book, 0, sizeof *book);
    if (window_ticks < BOOK_MIN_WINDOW_TICKS || window_ticks > BOOK_MAX_WINDOW_TICKS ||
        (window_ticks & (window_ticks - 1)) || max_overflow > BOOK_MAX_OVERFLOW)
        return BOOK_BAD_SETTING;
    status = book_side_init(&book->bids, 1, window_ticks, max_overflow);
    if (status == BOOK_OK) status = book_side_init(&book->asks, -1, window_ticks, max_overflow);
    if (status != BOOK_OK) book_free(book);
    return status;
}
