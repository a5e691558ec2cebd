/* The reading side of native/log_format.h, log_copy.h and log_verify.h on one segment.
 *
 * The first byte chooses: any bytes as a segment (checksums repaired or not), or a chained and finished segment with edits.
 * An edited one that ends in the same hash has the very records that were written. (Without the last hash there is no such
 * promise: the chain has no key, and libFuzzer, which sees what memcmp expects, does forge one.) */
#include "tests/fuzz/c/log_builder.h"

#include "native/log_verify.h"

/* Any bytes: nothing is read behind them, and no walk leaves them. */
static void any_bytes(const uint8_t *bytes, size_t size, unsigned how) {
    char *base = (char *)exact_copy(bytes, size);
    if (how & 2) repair(base, size, 1);
    log_prefix_t prefix = log_prefix(base, size);
    CHECK(prefix.end <= size && (prefix.end == 0 || prefix.end >= sizeof(log_header_t)));
    if (size >= sizeof(log_header_t)) {
        const log_header_t *header = (const log_header_t *)base;
        log_verify_t state = {.index = header->first_index, .mark = how & 4 ? UINT64_MAX : 0};
        uint64_t offset = 0;
        int chained = (header->flags & LOG_CHAINED) != 0;
        memcpy(state.hash, header->previous_hash, LOG_HASH);
        enum log_damage damage = log_verify_walk(&state, base, size, chained, &offset);
        CHECK(offset >= sizeof(log_header_t) && offset <= size);
        if (damage == DAMAGE_UNDECIDED) {
            char *tail = (char *)exact_copy(base + offset, size - offset);
            CHECK(log_verify_tail(&state, tail, size - offset, chained, how & 8) <= DAMAGE_UNDECIDED);
            free(tail);
        }
        /* Neither accepts a record that the other does not: verify wants no padding besides. */
        if (log_header_valid(header) && header->opened && (how & 4)) CHECK(offset <= prefix.end);
    }
    free(base);
}

/* Where the sound beginning of a changed segment ends in a hash of the original's, all before it is the original's. */
static void check_prefix(const char *changed, uint64_t count, const char *original, uint64_t most) {
    uint64_t at = sizeof(log_header_t), from = at;
    for (uint64_t index = 0; index < count && index < most; index++) {
        uint32_t found = (uint32_t)log_load(changed + at), written = (uint32_t)log_load(original + from);
        const uint8_t *hash = log_hash_of(original + from, written);
        int is_same = found == written && memcmp(changed + at + 8, original + from + 8, 8 + written) == 0;
        if (memcmp(log_hash_of(changed + at, found), hash, LOG_HASH) == 0) CHECK(is_same);
        at += log_stride(found, 1);
        from += log_stride(written, 1);
    }
}

static void edited(choices_t choices, unsigned how) {
    static built_t built;
    static const uint8_t genesis[LOG_HASH];
    uint32_t records = 1 + choose(&choices) % MOST_RECORDS;
    build_header(&built, 0, 0, LOG_CHAINED, genesis);
    build_records(&built, &choices, records, 0);
    build_seal(&built, how & 2 ? LOG_SEAL_ROLLED : LOG_SEAL_CLOSED, 1);

    char *changed = (char *)exact_copy(built.bytes, built.used);
    uint64_t size = built.used, edits = 1 + choose(&choices) % 4, offset = 0;
    while (edits--) edit(changed, sizeof(log_header_t), &size, &choices);
    char *base = (char *)exact_copy(changed, size);
    if (how & 4) repair(base, size, 0);

    log_verify_t state = {.mark = built.next_index};
    enum log_damage damage = log_verify_walk(&state, base, size, 1, &offset);
    CHECK(offset <= size);
    if (damage == DAMAGE_UNDECIDED) damage = log_verify_tail(&state, base + offset, size - offset, 1, how & 8);
    int is_same = size >= built.records_end && memcmp(base, built.bytes, built.records_end) == 0;
    if (damage == DAMAGE_NONE && memcmp(state.hash, built.hash, LOG_HASH) == 0)
        CHECK(is_same && state.index == built.next_index);
    log_prefix_t prefix = log_prefix(base, size);
    CHECK(prefix.end <= size);
    check_prefix(base, prefix.next_index, built.bytes, built.next_index);
    free(base);
    free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] & 1)
        any_bytes(data + 1, size - 1, data[0] >> 1 << 1);
    else
        edited((choices_t){data + 1, size - 1}, data[0]);
    return 0;
}
