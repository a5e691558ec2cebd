/* SHA-256 (FIPS 180-4) and HMAC-SHA256 (RFC 2104): SHA-NI where the processor has it, portable C elsewhere. */
#pragma once
#include <cpuid.h>
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHA256_BLOCK 64
#define SHA256_DIGEST 32

typedef struct {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    uint8_t buffer[SHA256_BLOCK];
} sha256_t;

/* The hash states after the inner and the outer pad: each signature saves two blocks. */
typedef struct {
    uint32_t inner[8];
    uint32_t outer[8];
} hmac_key_t;

static const uint32_t SHA256_INITIAL[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t SHA256_K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* Whether the processor has the SHA extensions. cpuid traps in a virtual machine, so it is asked once. */
static inline int sha256_has_extensions(void) {
    static int known = -1;
    int has = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (__builtin_expect(has < 0, 0)) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        has = __get_cpuid_count(7, 0, &a, &b, &c, &d) ? (int)((b >> 29) & 1) : 0;
        __atomic_store_n(&known, has, __ATOMIC_RELAXED);
    }
    return has;
}

static inline uint32_t sha256_rotr(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

static void sha256_blocks_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
    while (blocks--) {
        uint32_t w[64], s[8];
        for (int i = 0; i < 16; i++) {
            uint32_t word;
            memcpy(&word, data + 4 * i, 4);
            w[i] = __builtin_bswap32(word);
        }
        for (int i = 16; i < 64; i++) {
            uint32_t x = w[i - 15], y = w[i - 2];
            uint32_t s0 = sha256_rotr(x, 7) ^ sha256_rotr(x, 18) ^ (x >> 3);
            uint32_t s1 = sha256_rotr(y, 17) ^ sha256_rotr(y, 19) ^ (y >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        memcpy(s, state, sizeof s);
        for (int i = 0; i < 64; i++) {
            uint32_t a = s[0], e = s[4];
            uint32_t s1 = sha256_rotr(e, 6) ^ sha256_rotr(e, 11) ^ sha256_rotr(e, 25);
            uint32_t t1 = s[7] + s1 + ((e & s[5]) ^ (~e & s[6])) + SHA256_K[i] + w[i];
            uint32_t s0 = sha256_rotr(a, 2) ^ sha256_rotr(a, 13) ^ sha256_rotr(a, 22);
            uint32_t t2 = s0 + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            memmove(s + 1, s, 7 * sizeof s[0]);
            s[4] += t1;
            s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) state[i] += s[i];
        data += SHA256_BLOCK;
    }
}

/* Four rounds per step; the message schedule lives in four registers.
 *
 * SHA instructions have no AVX form: while the upper half of any vector register is in use, each of them costs a change of
 * the processor's state, and a signature 3 to 13 microseconds instead of 0.2. What is compiled for AVX leaves them so.
 */
__attribute__((target("sha,sse4.1,ssse3"))) static void
sha256_blocks_extensions(uint32_t state[8], const uint8_t *data, size_t blocks) {
#ifdef __AVX__
    _mm256_zeroupper();
#endif
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    while (blocks--) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), big_endian);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            __m128i k = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)(SHA256_K + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0E));
            if (i < 12) {
                __m128i mixed = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                mixed = _mm_add_epi32(mixed, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(mixed, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
        data += SHA256_BLOCK;
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static inline void sha256_blocks(uint32_t state[8], const uint8_t *data, size_t blocks) {
    if (__builtin_expect(sha256_has_extensions(), 1)) {
        sha256_blocks_extensions(state, data, blocks);
    } else {
        sha256_blocks_portable(state, data, blocks);
    }
}

static inline void sha256_init(sha256_t *hash) {
    memcpy(hash->state, SHA256_INITIAL, sizeof hash->state);
    hash->length = 0;
}

static inline void sha256_update(sha256_t *hash, const void *bytes, size_t size) {
    const uint8_t *data = (const uint8_t *)bytes;
    size_t held = (size_t)(hash->length % SHA256_BLOCK);
    if (size == 0) return;
    hash->length += size;
    if (held) {
        size_t room = SHA256_BLOCK - held;
        if (size < room) {
            memcpy(hash->buffer + held, data, size);
            return;
        }
        memcpy(hash->buffer + held, data, room);
        sha256_blocks(hash->state, hash->buffer, 1);
        data += room;
        size -= room;
    }
    if (size >= SHA256_BLOCK) {
        size_t blocks = size / SHA256_BLOCK;
        sha256_blocks(hash->state, data, blocks);
        data += blocks * SHA256_BLOCK;
        size -= blocks * SHA256_BLOCK;
    }
    memcpy(hash->buffer, data, size);
}

/* Pads and writes the digest; the running hash is spent after it. */
static inline void sha256_final(sha256_t *hash, uint8_t digest[SHA256_DIGEST]) {
    size_t held = (size_t)(hash->length % SHA256_BLOCK);
    uint64_t bits = __builtin_bswap64(hash->length * 8);
    hash->buffer[held++] = 0x80;
    if (held > SHA256_BLOCK - 8) {
        memset(hash->buffer + held, 0, SHA256_BLOCK - held);
        sha256_blocks(hash->state, hash->buffer, 1);
        held = 0;
    }
    memset(hash->buffer + held, 0, SHA256_BLOCK - 8 - held);
    memcpy(hash->buffer + SHA256_BLOCK - 8, &bits, 8);
    sha256_blocks(hash->state, hash->buffer, 1);
    for (int i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(hash->state[i]);
        memcpy(digest + 4 * i, &word, 4);
    }
}

static inline void sha256_digest(const void *data, size_t size, uint8_t digest[SHA256_DIGEST]) {
    sha256_t hash;
    sha256_init(&hash);
    sha256_update(&hash, data, size);
    sha256_final(&hash, digest);
}

static inline void hmac_key_init(hmac_key_t *key, const void *secret, size_t size) {
    uint8_t block[SHA256_BLOCK] = {0};
    if (size > SHA256_BLOCK) {
        sha256_digest(secret, size, block);
    } else if (size) {
        memcpy(block, secret, size);
    }
    for (int i = 0; i < SHA256_BLOCK; i++) block[i] ^= 0x36;
    memcpy(key->inner, SHA256_INITIAL, sizeof key->inner);
    sha256_blocks(key->inner, block, 1);
    for (int i = 0; i < SHA256_BLOCK; i++) block[i] ^= 0x36 ^ 0x5c;
    memcpy(key->outer, SHA256_INITIAL, sizeof key->outer);
    sha256_blocks(key->outer, block, 1);
}

static inline void hmac_digest(const hmac_key_t *key, const void *data, size_t size, uint8_t digest[SHA256_DIGEST]) {
    sha256_t hash;
    memcpy(hash.state, key->inner, sizeof hash.state);
    hash.length = SHA256_BLOCK;
    sha256_update(&hash, data, size);
    sha256_final(&hash, digest);
    memcpy(hash.state, key->outer, sizeof hash.state);
    hash.length = SHA256_BLOCK;
    sha256_update(&hash, digest, SHA256_DIGEST);
    sha256_final(&hash, digest);
}

static inline void hex_encode(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}
