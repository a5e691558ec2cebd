/* A log-linear latency histogram: 64 buckets per power of two, so a value is known to 1/64 (1.6 %). Fixed memory. */
#pragma once
#include <stdint.h>
#include <string.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_MAX_BITS 36 /* values are clamped to 2^36 - 1 ns, 68.7 s */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

typedef struct {
    uint64_t count;
    uint64_t sum;
    uint64_t max; /* exact, not clamped */
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram_t;

/* Values below 64 have a bucket each; above, the top seven bits choose it. */
static inline uint32_t histogram_bucket(uint64_t value) {
    if (value < HISTOGRAM_SUB) return (uint32_t)value;
    if (value >> HISTOGRAM_MAX_BITS) return HISTOGRAM_BUCKETS - 1;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return shift * HISTOGRAM_SUB + (uint32_t)(value >> shift);
}

/* The largest value that falls into a bucket. */
static inline uint64_t histogram_upper(uint32_t bucket) {
    if (bucket < HISTOGRAM_SUB) return bucket;
    uint32_t shift = bucket / HISTOGRAM_SUB - 1;
    return ((uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB + 1) << shift) - 1;
}

/* Records one duration; a negative one (a clock that stepped) counts as 0. */
static inline void histogram_record(histogram_t *histogram, int64_t value_ns) {
    uint64_t value = value_ns > 0 ? (uint64_t)value_ns : 0;
    histogram->buckets[histogram_bucket(value)]++;
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max) histogram->max = value;
}

/* An upper bound, to 1/64, of the record of this rank (1 is the smallest); 0 if empty. */
static inline uint64_t histogram_rank(const histogram_t *histogram, uint64_t rank) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank && seen) {
            uint64_t upper = histogram_upper(i);
            return i == HISTOGRAM_BUCKETS - 1 || upper > histogram->max ? histogram->max : upper;
        }
    }
    return histogram->max;
}

static inline void histogram_merge(histogram_t *into, const histogram_t *from) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) into->buckets[i] += from->buckets[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max) into->max = from->max;
}

static inline void histogram_reset(histogram_t *histogram) { memset(histogram, 0, sizeof *histogram); }
