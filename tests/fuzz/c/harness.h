/* What every harness needs: a check that ends the run, and inputs of exactly their size, so that AddressSanitizer sees
 * the first byte read behind them. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "property violated: %s (%s:%d)\n", #condition, __FILE__, __LINE__);                        \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline uint8_t *exact_copy(const void *bytes, size_t size) {
    uint8_t *copy = (uint8_t *)malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size) memcpy(copy, bytes, size);
    return copy;
}

/* Choices out of the input, zero where it has ended. */
typedef struct {
    const uint8_t *p;
    size_t n;
} choices_t;

static inline uint8_t choose(choices_t *choices) {
    if (choices->n == 0) return 0;
    choices->n--;
    return *choices->p++;
}

static inline uint32_t choose16(choices_t *choices) {
    uint32_t high = choose(choices);
    return high << 8 | choose(choices);
}
