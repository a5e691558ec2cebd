/* Chained segments made from an input's choices, and the edits that somebody with a hex editor, and with the CRC at hand,
 * may make to them. */
#pragma once
#include "tests/fuzz/c/harness.h"

#include "native/log_copy.h"

enum { MOST_RECORDS = 8, MOST_PAYLOAD = 64, SEGMENT_ROOM = 2048 };

typedef struct {
    _Alignas(16) char bytes[SEGMENT_ROOM];
    uint64_t used; /* up to the end of the seal, or of the records where there is none */
    uint64_t records_end;
    uint64_t next_index;
    uint8_t hash[LOG_HASH];
} built_t;

static inline void build_header(built_t *built, uint64_t number, uint64_t first_index, uint32_t flags,
                                const uint8_t hash[LOG_HASH]) {
    log_header_t *header = (log_header_t *)built->bytes;
    memset(built, 0, sizeof *built);
    memcpy(header->magic, LOG_MAGIC, 8);
    memcpy(header->run_id, "abcdef012345", 12);
    header->version = LOG_VERSION;
    header->flags = flags;
    header->number = number;
    header->first_index = first_index;
    memcpy(header->previous_hash, hash, LOG_HASH);
    header->crc = log_header_crc(header);
    header->opened = 1;
    memcpy(built->hash, hash, LOG_HASH);
    built->next_index = first_index;
    built->used = built->records_end = sizeof *header;
}

/* Up to MOST_RECORDS records, hashed; the last `unhashed` of them not. */
static inline void build_records(built_t *built, choices_t *choices, unsigned count, unsigned unhashed) {
    for (unsigned i = 0; i < count; i++) {
        char *record = built->bytes + built->used;
        uint32_t size = choose(choices) % (MOST_PAYLOAD + 1);
        memcpy(record + 8, &built->next_index, 8);
        for (uint32_t at = 0; at < size; at++) record[LOG_RECORD_HEAD + at] = (char)choose(choices);
        log_store(record, log_commit_word(record, size));
        if (i + unhashed < count) {
            log_chain(built->hash, record, size);
            memcpy(log_hash_of(record, size), built->hash, LOG_HASH);
        }
        built->used += log_stride(size, 1);
        built->next_index++;
    }
    built->records_end = built->used;
}

static inline void build_seal(built_t *built, uint64_t kind, int finished) {
    log_seal_t *seal = (log_seal_t *)(built->bytes + built->used);
    seal->next_index = built->next_index;
    seal->kind = kind;
    seal->commit = log_seal_word(built->next_index, kind);
    if (finished) {
        memcpy(seal->hash, built->hash, LOG_HASH);
        seal->finished = LOG_FINISHED;
        ((log_header_t *)built->bytes)->durable_mark = built->next_index;
    }
    built->used += sizeof *seal;
}

/* Makes the checksums right again, of the header and of what stands where records are: what a CRC cannot tell. */
static inline void repair(char *base, uint64_t size, int with_header) {
    log_header_t *header = (log_header_t *)base;
    if (size < sizeof *header) return;
    if (with_header) {
        memcpy(header->magic, LOG_MAGIC, 8);
        header->version = LOG_VERSION;
        header->crc = log_header_crc(header);
        header->opened = 1;
    }
    int chained = (header->flags & LOG_CHAINED) != 0;
    for (uint64_t at = sizeof *header; at + LOG_RECORD_HEAD <= size;) {
        uint32_t length = (uint32_t)log_load(base + at);
        if (length == LOG_SEAL_SIZE) {
            log_seal_t *seal = (log_seal_t *)(base + at);
            if (at + sizeof *seal <= size) seal->commit = log_seal_word(seal->next_index, seal->kind);
            return;
        }
        if (log_load(base + at) == 0 || length > LOG_MAX_PAYLOAD || at + log_stride(length, chained) > size) return;
        log_store(base + at, log_commit_word(base + at, length));
        at += log_stride(length, chained);
    }
}

/* Changes what lies in [from, *size): bytes, words of zeros, stretches that are copied or cut out, the end. */
static inline void edit(char *base, uint64_t from, uint64_t *size, choices_t *choices) {
    unsigned action = choose(choices) % 6;
    uint64_t span = *size > from ? *size - from : 0;
    if (span == 0) return;
    uint64_t at = from + choose16(choices) % span;
    uint64_t length = 1 + choose(choices) % 96;
    if (length > *size - at) length = *size - at;
    uint64_t to = from + choose16(choices) % span;
    if (length > *size - to) length = *size - to;
    switch (action) {
    case 0: base[at] ^= (char)(1 << choose(choices) % 8); break;
    case 1: base[at] = (char)choose(choices); break;
    case 2: memset(base + at, 0, length); break;
    case 3: memmove(base + to, base + at, length); break;
    case 4: /* cut out: what follows moves up */
        memmove(base + at, base + at + length, *size - at - length);
        *size -= length;
        break;
    default: *size = at; break;
    }
}
