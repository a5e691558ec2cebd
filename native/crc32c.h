/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) by the SSE4.2 instruction, which the x86-64-v3 baseline has. */
#pragma once
#include <nmmintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Continues `crc` (0 at the start) over `size` bytes. */
static inline uint32_t crc32c(uint32_t crc, const void *bytes, size_t size) {
    const uint8_t *data = (const uint8_t *)bytes;
    uint64_t state = (uint32_t)~crc;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; size; size--, data++) rest = _mm_crc32_u8(rest, *data);
    return ~rest;
}

/* The same, and copies the bytes in the same pass: no second way through them, and no call out of line. */
static inline uint32_t crc32c_copy(uint32_t crc, void *into, const void *bytes, size_t size) {
    const uint8_t *data = (const uint8_t *)bytes;
    uint8_t *copy = (uint8_t *)into;
    uint64_t state = (uint32_t)~crc;
    for (; size >= 8; size -= 8, data += 8, copy += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        memcpy(copy, &word, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t rest = (uint32_t)state;
    for (; size; size--, data++, copy++) rest = _mm_crc32_u8(rest, *copy = *data);
    return ~rest;
}
