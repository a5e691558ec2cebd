/* The bytes of an append-only log, shared by writer, recovery, reader and verifier. Little-endian, 8-byte aligned.
 *
 *   segment file  <stem>-<number>.log: header (128), records, seal (64), zeros up to the preallocated size; the same in
 *                 its durable copy <stem>-<number>.sync, see native/log_copy.h
 *   record        u32 size | u32 crc32c (one word, stored last: 0 is "not committed"), u64 index, payload, padding to
 *                 8, and in a chained log 32 bytes: hash_i = SHA256(hash_{i-1} || size || index || payload)
 *   seal          ends a segment: u32 0xFFFFFFFF | u32 crc32c, u64 next index, hash, u64 kind, u64 finished
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "native/crc32c.h"
#include "native/sha256.h"

#define LOG_MAGIC "PSTKLOG1"
#define LOG_VERSION 1u
#define LOG_CHAINED 1u  /* header flags: records carry hashes */
#define LOG_BUDGETED 2u /* header flags: the oldest segments may be gone */
#define LOG_RECORD_HEAD 16u
#define LOG_HASH 32u
#define LOG_SEAL_SIZE 0xFFFFFFFFu
#define LOG_SEAL_ROLLED 1u /* another segment follows */
#define LOG_SEAL_CLOSED 2u /* the log was closed here; a later session may follow */
#define LOG_FINISHED 0x4853494e49464f4cull
#define LOG_MAX_PAYLOAD 0x7FFFFF00u
#define LOG_MAX_SEGMENT 99999999ull

typedef struct {
    char magic[8];
    uint32_t version;
    uint32_t flags;
    uint64_t number;
    uint64_t first_index;
    int64_t created_ns;
    char run_id[16];
    char build[24];                 /* version and CPU level: replays are byte-equal per build */
    uint8_t previous_hash[LOG_HASH]; /* filled in by the writer thread when it gets here */
    uint64_t durable_mark;          /* a lower bound: records below it are on disk, in this very file */
    uint32_t crc;                   /* of everything before previous_hash */
    uint32_t opened;                /* 0: prepared ahead, not part of the log yet */
} log_header_t;

typedef struct {
    uint64_t commit;
    uint64_t next_index;
    uint8_t hash[LOG_HASH];
    uint64_t kind;
    uint64_t finished; /* LOG_FINISHED once every record before it is hashed and synced */
} log_seal_t;

_Static_assert(sizeof(log_header_t) == 128, "the segment header has a fixed size");
_Static_assert(sizeof(log_seal_t) == 64, "the seal has a fixed size");

enum log_probe { LOG_RECORD, LOG_SEAL, LOG_EMPTY, LOG_BAD, LOG_END };

static inline uint64_t log_stride(uint64_t size, int chained) {
    return LOG_RECORD_HEAD + ((size + 7) & ~7ull) + (chained ? LOG_HASH : 0);
}

static inline uint64_t log_load(const void *word) { return __atomic_load_n((const uint64_t *)word, __ATOMIC_ACQUIRE); }

static inline void log_store(void *word, uint64_t value) {
    __atomic_store_n((uint64_t *)word, value, __ATOMIC_RELEASE);
}

/* A commit word. A crc of 0 is written as all ones, so that the word is never 0. */
static inline uint64_t log_word(uint32_t crc, uint32_t size) { return (uint64_t)(crc ? crc : 0xFFFFFFFFu) << 32 | size; }

/* The commit word of a record whose index and payload stand at record + 8. */
static inline uint64_t log_commit_word(const char *record, uint32_t size) {
    uint64_t first = size;
    return log_word(crc32c(crc32c(0, &first, 8), record + 8, 8 + (size_t)size), size);
}

static inline uint64_t log_seal_word(uint64_t next_index, uint64_t kind) {
    uint64_t words[2] = {next_index, kind};
    return log_word(crc32c(0, words, sizeof words), LOG_SEAL_SIZE);
}

static inline uint32_t log_header_crc(const log_header_t *header) {
    return crc32c(0, header, offsetof(log_header_t, previous_hash));
}

static inline int log_header_valid(const log_header_t *header) {
    return memcmp(header->magic, LOG_MAGIC, 8) == 0 && header->version == LOG_VERSION &&
           header->crc == log_header_crc(header);
}

static inline int log_is_zero(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) return 0;
    }
    return 1;
}

/* What stands at `offset` of a segment of `end` bytes; the payload size of a record. Checks bounds and crc. */
static inline enum log_probe log_probe(const char *base, uint64_t offset, uint64_t end, int chained, uint32_t *size) {
    if (offset + LOG_RECORD_HEAD > end) return LOG_END;
    uint64_t commit = log_load(base + offset);
    *size = (uint32_t)commit;
    if (commit == 0) return LOG_EMPTY;
    if (*size == LOG_SEAL_SIZE) {
        const log_seal_t *seal = (const log_seal_t *)(base + offset);
        if (offset + sizeof *seal > end) return LOG_END;
        return commit == log_seal_word(seal->next_index, seal->kind) ? LOG_SEAL : LOG_BAD;
    }
    if (*size > LOG_MAX_PAYLOAD) return LOG_BAD;
    if (offset + log_stride(*size, chained) > end) return LOG_END;
    return commit == log_commit_word(base + offset, *size) ? LOG_RECORD : LOG_BAD;
}

static inline uint64_t log_index(const char *record) { return *(const uint64_t *)(record + 8); }

static inline uint8_t *log_hash_of(const char *record, uint32_t size) {
    return (uint8_t *)record + LOG_RECORD_HEAD + (((uint64_t)size + 7) & ~7ull);
}

/* The bytes that round a payload up to 8: zero, and no checksum covers them. */
static inline uint32_t log_padding(uint32_t size) { return (8 - size % 8) % 8; }

static inline int log_padding_is_zero(const char *record, uint32_t size) {
    return log_is_zero((const uint8_t *)record + LOG_RECORD_HEAD + size, log_padding(size));
}

/* Moves the chain on: hash = SHA256(hash || size || index || payload). */
static inline void log_chain(uint8_t hash[LOG_HASH], const char *record, uint32_t size) {
    sha256_t running;
    uint8_t head[LOG_HASH + 12];
    memcpy(head, hash, LOG_HASH);
    memcpy(head + LOG_HASH, &size, 4);
    memcpy(head + LOG_HASH + 4, record + 8, 8);
    sha256_init(&running);
    sha256_update(&running, head, sizeof head);
    sha256_update(&running, record + LOG_RECORD_HEAD, size);
    sha256_final(&running, hash);
}
