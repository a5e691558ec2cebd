/* Walks one segment and says where, and how, a log was damaged. */
#pragma once
#include "native/log_format.h"

typedef struct {
    uint64_t index; /* of the record expected next */
    uint8_t hash[LOG_HASH];
    uint64_t mark;           /* records below it were durable: they cannot be torn */
    int pending;             /* the thread had not hashed these yet, when it ended or is still at work */
    uint64_t pending_index;  /* the first of them */
    uint64_t pending_offset;
    uint8_t pending_hash[LOG_HASH];
    uint64_t kind; /* of the seal that ended the segment; 0: none */
    const uint64_t *asked; /* ascending counts of records after which the chain's hash is asked for */
    uint8_t *answers;      /* LOG_HASH bytes for each of them, zeros where the log never has so many */
    uint64_t asked_left;
} log_verify_t;

enum log_damage {
    DAMAGE_NONE,
    DAMAGE_CHANGED,
    DAMAGE_REMOVED,
    DAMAGE_REORDERED,
    DAMAGE_TRUNCATED,
    DAMAGE_TORN_TAIL,
    DAMAGE_BAD_HEADER,
    DAMAGE_UNDECIDED, /* the records end without a seal: log_verify_tail has the last word */
};

/* Moves the chain over one record. A hash that is not there is fine behind the durable mark, as long as no later record
 * has one; *offset goes back to the first of those where one has. */
static inline int log_verify_hash(log_verify_t *state, const char *record, uint32_t size, uint64_t *offset) {
    const uint8_t *stored = log_hash_of(record, size);
    uint8_t hash[LOG_HASH];
    int absent = log_is_zero(stored, LOG_HASH) && state->index >= state->mark;
    memcpy(hash, state->hash, LOG_HASH);
    log_chain(hash, record, size);
    if (absent && !state->pending) {
        state->pending = 1;
        state->pending_index = state->index;
        state->pending_offset = *offset;
        memcpy(state->pending_hash, state->hash, LOG_HASH);
    } else if (!absent && state->pending) {
        state->index = state->pending_index;
        *offset = state->pending_offset;
        memcpy(state->hash, state->pending_hash, LOG_HASH);
        return 0;
    }
    if (!absent && memcmp(hash, stored, LOG_HASH)) return 0;
    memcpy(state->hash, hash, LOG_HASH);
    return 1;
}

/* Answers what was asked about the chain as it is now. */
static inline void log_verify_answer(log_verify_t *state) {
    while (state->asked_left && *state->asked <= state->index) {
        if (*state->asked == state->index) memcpy(state->answers, state->hash, LOG_HASH);
        state->asked++;
        state->answers += LOG_HASH;
        state->asked_left--;
    }
}

static inline enum log_damage log_verify_seal(const log_verify_t *state, const log_seal_t *seal, int chained) {
    if (seal->next_index > state->index) return DAMAGE_REMOVED;
    if (seal->next_index < state->index) return DAMAGE_CHANGED;
    if (seal->finished != 0 && seal->finished != LOG_FINISHED) return DAMAGE_CHANGED;
    if (seal->finished == 0 && log_is_zero(seal->hash, LOG_HASH)) return DAMAGE_NONE;
    if (!chained) return log_is_zero(seal->hash, LOG_HASH) ? DAMAGE_NONE : DAMAGE_CHANGED;
    return memcmp(seal->hash, state->hash, LOG_HASH) || state->pending ? DAMAGE_CHANGED : DAMAGE_NONE;
}

/* Walks the records of a segment; *offset says where it stopped. */
static inline enum log_damage log_verify_walk(log_verify_t *state, const char *base, uint64_t end, int chained,
                                              uint64_t *offset) {
    state->kind = 0;
    for (*offset = sizeof(log_header_t);;) {
        uint32_t size = 0;
        const char *record = base + *offset;
        enum log_probe probe = log_probe(base, *offset, end, chained, &size);
        if (probe == LOG_SEAL) {
            state->kind = ((const log_seal_t *)record)->kind;
            return log_verify_seal(state, (const log_seal_t *)record, chained);
        }
        if (probe != LOG_RECORD || log_index(record) != state->index) return DAMAGE_UNDECIDED;
        if (!log_padding_is_zero(record, size)) return DAMAGE_CHANGED;
        if (chained && !log_verify_hash(state, record, size, offset)) return DAMAGE_CHANGED;
        state->index++;
        log_verify_answer(state);
        *offset += log_stride(size, chained);
    }
}

/* Looks through the rest of a segment for whole records and seals: bit 0 says that there is any behind the first word,
 * bit 1 that the expected record is among them. */
static inline int log_verify_search(const char *tail, uint64_t size, uint64_t expected, int chained) {
    int found = 0;
    for (uint64_t at = 8; at + LOG_RECORD_HEAD <= size; at += 8) {
        uint32_t length = 0;
        uint64_t near = *(const uint64_t *)(tail + at + 8) - expected + (1ull << 24);
        if (*(const uint64_t *)(tail + at) == 0 || near > 1ull << 25) continue;
        enum log_probe probe = log_probe(tail, at, size, chained, &length);
        if (probe == LOG_RECORD && log_index(tail + at) == expected) return 3;
        if (probe == LOG_RECORD || probe == LOG_SEAL) found = 1;
    }
    return found;
}

/* What ended the records of a segment without a seal, by a copy of the bytes from there on. `last` says that no later
 * segment was opened. */
static inline enum log_damage log_verify_tail(const log_verify_t *state, const char *tail, uint64_t size, int chained,
                                              int last) {
    uint32_t length = 0;
    enum log_probe probe = log_probe(tail, 0, size, chained, &length);
    int later = log_verify_search(tail, size, state->index, chained);
    uint64_t index = size >= LOG_RECORD_HEAD ? log_index(tail) : 0;
    if (probe == LOG_RECORD) return index < state->index || later & 2 ? DAMAGE_REORDERED : DAMAGE_REMOVED;
    if (probe == LOG_END && !later) return DAMAGE_TRUNCATED;
    if (last && !later && state->index >= state->mark) {
        return log_is_zero((const uint8_t *)tail, size) ? DAMAGE_NONE : DAMAGE_TORN_TAIL;
    }
    if (probe == LOG_EMPTY && index != state->index) return later & 2 ? DAMAGE_REORDERED : DAMAGE_REMOVED;
    return DAMAGE_CHANGED;
}
