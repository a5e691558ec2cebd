/* A monotonic clock for the timing loops of benchmarks; nothing of the product's own paths reads it. */
#pragma once
#include <stdint.h>
#include <time.h>

static inline int64_t stopwatch_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
