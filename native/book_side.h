/* One side of an L2 order book: the levels near its best in a direct-mapped window of ticks with a two-level
 * occupancy bitmap, all others in a sorted array.
 *
 * A side works in keys: the price for bids, minus the price for asks, so that a better
 * level always has the greater key and both sides share one code. Invariant: the best level of a side is in
 * its window, so that what overflows is worse than all of the window.
 *
 * All memory is taken in book_side_init; nothing here can fail later.
 */
#pragma once
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "native/level.h"

#define BOOK_MAX_PRICE_TICKS ((int64_t)1 << 62)

enum { BOOK_BID = 1, BOOK_ASK = 2 }; /* as engine.core.event's SIDE_BUY and SIDE_SELL */
enum { BOOK_MIN_WINDOW_TICKS = 256, BOOK_DEFAULT_WINDOW_TICKS = 16384, BOOK_MAX_WINDOW_TICKS = 1 << 20 };
enum { BOOK_DEFAULT_MAX_OVERFLOW = 65536, BOOK_MAX_OVERFLOW = 1 << 20 };

typedef enum {
    BOOK_OK = 0,
    BOOK_BAD_PRICE = 1,   /* not in 1 .. 2^62 */
    BOOK_BAD_SIZE = 2,    /* negative */
    BOOK_BAD_SETTING = 3, /* window not a power of two within its bounds, or too much overflow */
    BOOK_NO_MEMORY = 4
} book_status_t;

typedef struct {
    int64_t *sizes;    /* by key - base; only what the bitmap marks is valid */
    uint64_t *words;   /* one bit per tick of the window */
    uint64_t *summary; /* one bit per word that is not zero */
    level_t *overflow; /* price_ticks holds the key; ascending, so the best is last */
    int64_t base;      /* key of the window's first tick, a multiple of 64 */
    int64_t known_key; /* levels with a smaller key are unknown, not empty */
    int64_t sign;      /* key = sign * price */
    int32_t best;      /* index in the window, -1: the side is empty */
    uint32_t window_ticks;
    uint32_t n_window;
    uint32_t n_overflow;
    uint32_t max_overflow;
    uint64_t recentred;
    uint64_t dropped; /* levels forgotten because the overflow was full */
} book_side_t;

/* The highest marked index in the words 0 .. word, or -1. */
static inline int32_t book_side_highest(const book_side_t *s, int32_t word) {
    int32_t group;
    uint64_t bits;

    if (word < 0) return -1;
    if (s->words[word]) return word * 64 + 63 - __builtin_clzll(s->words[word]);
    group = word >> 6;
    bits = s->summary[group] & ((2ULL << (word & 63)) - 1);
    while (!bits) {
        if (group-- == 0) return -1;
        bits = s->summary[group];
    }
    word = group * 64 + 63 - __builtin_clzll(bits);
    return word * 64 + 63 - __builtin_clzll(s->words[word]);
}

static inline void book_side_mark(book_side_t *s, int32_t index, int64_t size) {
    s->words[index >> 6] |= 1ULL << (index & 63);
    s->summary[index >> 12] |= 1ULL << ((index >> 6) & 63);
    s->sizes[index] = size;
}

/* The level of this key and all worse ones are no longer known. */
static inline void book_side_forget(book_side_t *s, int64_t key, uint64_t n_levels) {
    if (s->known_key <= key) s->known_key = key + 1;
    s->dropped += n_levels;
}

/* The first position in the overflow whose key is not smaller. */
static inline uint32_t book_overflow_find(const book_side_t *s, int64_t key) {
    uint32_t low = 0, high = s->n_overflow;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->overflow[middle].price_ticks < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static __attribute__((noinline)) void book_overflow_set(book_side_t *s, int64_t key, int64_t size) {
    level_t *levels = s->overflow;
    uint32_t at = book_overflow_find(s, key);

    if (at < s->n_overflow && levels[at].price_ticks == key) {
        if (size) {
            levels[at].size_lots = size;
        } else {
            s->n_overflow--;
            memmove(levels + at, levels + at + 1, (s->n_overflow - at) * sizeof *levels);
        }
        return;
    }
    if (!size) return;
    if (s->n_overflow < s->max_overflow) {
        memmove(levels + at + 1, levels + at, (s->n_overflow - at) * sizeof *levels);
        s->n_overflow++;
    } else if (at == 0) {
        book_side_forget(s, key, 1);
        return;
    } else { /* full: the farthest level makes room */
        book_side_forget(s, levels[0].price_ticks, 1);
        at--;
        memmove(levels, levels + 1, at * sizeof *levels);
    }
    levels[at] = (level_t){key, size};
}

/* Move the levels of the window's first n_words words to the overflow, which they are all better than. */
static inline void book_side_evict(book_side_t *s, int32_t n_words) {
    uint32_t leaving = 0, room = s->max_overflow - s->n_overflow, skip = 0;
    int32_t word;

    for (word = 0; word < n_words; word++) leaving += (uint32_t)__builtin_popcountll(s->words[word]);
    s->n_window -= leaving;
    if (leaving > room) {
        uint32_t drop = leaving - room < s->n_overflow ? leaving - room : s->n_overflow;
        if (drop) book_side_forget(s, s->overflow[drop - 1].price_ticks, drop);
        s->n_overflow -= drop;
        memmove(s->overflow, s->overflow + drop, s->n_overflow * sizeof *s->overflow);
        skip = leaving - room - drop;
    }
    for (word = 0; word < n_words; word++) {
        uint64_t bits = s->words[word];
        for (; bits; bits &= bits - 1) {
            int32_t index = word * 64 + __builtin_ctzll(bits);
            if (skip) {
                book_side_forget(s, s->base + index, 1);
                skip--;
            } else {
                s->overflow[s->n_overflow++] = (level_t){s->base + index, s->sizes[index]};
            }
        }
    }
}

static inline void book_side_rebuild_summary(book_side_t *s) {
    int32_t word, n_words = (int32_t)(s->window_ticks / 64);

    memset(s->summary, 0, ((size_t)n_words + 63) / 64 * sizeof *s->summary);
    for (word = 0; word < n_words; word++)
        s->summary[word >> 6] |= (uint64_t)(s->words[word] != 0) << (word & 63);
}

/* Put the key, which is or will be the side's best, into the middle of the window. No level is lost. */
static __attribute__((noinline)) void book_side_recentre(book_side_t *s, int64_t key) {
    int64_t base = (key - (int64_t)(s->window_ticks / 2)) & ~(int64_t)63;
    int64_t n_words = s->window_ticks / 64;
    int64_t shift = (base - s->base) / 64; /* in words; > 0: towards better prices */
    int64_t distance = shift < 0 ? -shift : shift, kept = distance < n_words ? n_words - distance : 0;
    size_t word_bytes = sizeof *s->words, size_bytes = 64 * sizeof *s->sizes;

    if (shift > 0) {
        book_side_evict(s, (int32_t)(n_words - kept));
        memmove(s->words, s->words + (n_words - kept), (size_t)kept * word_bytes);
        memmove(s->sizes, s->sizes + 64 * (n_words - kept), (size_t)kept * size_bytes);
        memset(s->words + kept, 0, (size_t)(n_words - kept) * word_bytes);
    } else if (shift < 0) { /* nothing is better than the key, so nothing leaves at the top */
        memmove(s->words + (n_words - kept), s->words, (size_t)kept * word_bytes);
        memmove(s->sizes + 64 * (n_words - kept), s->sizes, (size_t)kept * size_bytes);
        memset(s->words, 0, (size_t)(n_words - kept) * word_bytes);
    }
    s->base = base;
    book_side_rebuild_summary(s);
    while (s->n_overflow && s->overflow[s->n_overflow - 1].price_ticks >= base) {
        level_t level = s->overflow[--s->n_overflow];
        book_side_mark(s, (int32_t)(level.price_ticks - base), level.size_lots);
        s->n_window++;
    }
    s->best = book_side_highest(s, (int32_t)n_words - 1);
    s->recentred++;
}

/* Whether the best is in the middle half of the window. */
static inline int book_side_is_settled(const book_side_t *s) {
    uint32_t quarter = s->window_ticks / 4;
    return (uint32_t)s->best - quarter < 2 * quarter;
}

/* Where the best has left the middle half of the window, or the window ran empty. */
static inline void book_side_settle(book_side_t *s) {
    if (__builtin_expect(book_side_is_settled(s), 1)) return;
    if (s->best >= 0)
        book_side_recentre(s, s->base + s->best);
    else if (s->n_overflow)
        book_side_recentre(s, s->overflow[s->n_overflow - 1].price_ticks);
}

/* A key outside of the window. */
static __attribute__((noinline)) void book_side_set_outside(book_side_t *s, int64_t key, int64_t size) {
    if (s->best >= 0 && key < s->base) {
        book_overflow_set(s, key, size);
    } else if (size) { /* a new best, beyond the window or of an empty side */
        book_side_recentre(s, key);
        s->best = (int32_t)(key - s->base);
        book_side_mark(s, s->best, size);
        s->n_window++;
    }
}

/* Set the size of a key; 0 removes it. Whether a level comes or goes is hard to predict: no branch on it. */
static inline void book_side_set(book_side_t *s, int64_t key, int64_t size) {
    uint64_t offset = (uint64_t)key - (uint64_t)s->base, set = size != 0, was_set;
    int32_t index = (int32_t)offset, word = index >> 6;
    uint64_t *group;

    if (__builtin_expect(offset >= s->window_ticks, 0)) {
        book_side_set_outside(s, key, size);
        return;
    }
    group = s->summary + (word >> 6);
    was_set = s->words[word] >> (index & 63) & 1;
    s->words[word] ^= (was_set ^ set) << (index & 63);
    *group = (*group & ~(1ULL << (word & 63))) | (uint64_t)(s->words[word] != 0) << (word & 63);
    s->sizes[index] = size;
    s->n_window += (uint32_t)(set - was_set);
    if (index < s->best) return;
    if (set)
        s->best = index;
    else if (index == s->best)
        s->best = book_side_highest(s, word);
    book_side_settle(s);
}

/* An empty side, where no tick of the window is marked. */
static inline void book_side_reset(book_side_t *s) {
    s->known_key = s->sign > 0 ? 1 : -BOOK_MAX_PRICE_TICKS;
    s->best = -1;
    s->n_window = 0;
    s->n_overflow = 0;
}

static inline size_t book_side_sizes_bytes(const book_side_t *s) { return s->window_ticks * sizeof *s->sizes; }

static inline size_t book_side_words_bytes(const book_side_t *s) {
    return s->window_ticks / 64 * sizeof *s->words;
}

static inline size_t book_side_summary_bytes(const book_side_t *s) {
    return (s->window_ticks / 64 + 63) / 64 * sizeof *s->summary;
}

static inline size_t book_side_bytes(const book_side_t *s) {
    return book_side_sizes_bytes(s) + book_side_words_bytes(s) + book_side_summary_bytes(s) +
           ((size_t)s->max_overflow + 1) * sizeof *s->overflow;
}

static inline void book_side_clear(book_side_t *s) {
    memset(s->words, 0, book_side_words_bytes(s));
    memset(s->summary, 0, book_side_summary_bytes(s));
    book_side_reset(s);
}

/* An empty side, and the memory that its levels took given back to the system. */
static inline void book_side_let_go(book_side_t *s) {
    if (madvise(s->sizes, book_side_bytes(s), MADV_DONTNEED) == 0)
        book_side_reset(s); /* the arrays read as zeros now */
    else
        book_side_clear(s);
}

static inline void book_side_free(book_side_t *s) {
    if (s->sizes) munmap(s->sizes, book_side_bytes(s));
    memset(s, 0, sizeof *s);
}

/* The arrays are one mapping of their own, not of malloc's: only what levels touch takes memory, and it can be given
 * back while the side lives. */
static inline int book_side_init(book_side_t *s, int64_t sign, uint32_t window_ticks, uint32_t max_overflow) {
    char *memory;

    memset(s, 0, sizeof *s);
    s->sign = sign;
    s->best = -1;
    s->window_ticks = window_ticks;
    s->max_overflow = max_overflow;
    memory = mmap(NULL, book_side_bytes(s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return BOOK_NO_MEMORY;
    s->sizes = (int64_t *)memory;
    s->words = (uint64_t *)(memory + book_side_sizes_bytes(s));
    s->summary = (uint64_t *)(memory + book_side_sizes_bytes(s) + book_side_words_bytes(s));
    s->overflow = (level_t *)(memory + book_side_sizes_bytes(s) + book_side_words_bytes(s) +
                              book_side_summary_bytes(s));
    book_side_reset(s);
    return BOOK_OK;
}
