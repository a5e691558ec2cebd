/* The append-only log: one appender copies and commits into a mapped segment; one thread behind it chains, syncs,
 * rolls and retains. The appender makes no system call, except where a segment is not ready yet. */
#pragma once
#include <pthread.h>

#include "native/histogram.h"
#include "native/log_recovery.h"

#define LOG_SLOTS 4u        /* segments that may be open at once: being finished, current, prepared */
#define LOG_SAMPLE_MASK 15u /* one append in 16 is timed until it is durable */
#define LOG_WAIT_NS 2000000000ll
#define LOG_BATCH 16384u           /* records chained between two syncs */
#define LOG_PUSH (1ull << 20)      /* bytes after which writing is started ahead of the sync */
#define LOG_MARK_NS 20000000ll     /* how often the durable mark is renewed */
#define LOG_REFRESH_NS 2000000ll   /* how often the pages ahead of the appender are made sure of */
#define LOG_RETRY_NS 50000000ll    /* how often a failed allocation is tried again */
#define LOG_IDLE_POLLS 256u        /* after so many polls without a record the thread polls less often */

enum log_slot { LOG_SLOT_FREE, LOG_SLOT_READY, LOG_SLOT_USED };

typedef struct {
    char stem[LOG_STEM_MAX];
    char run_id[16];
    char build[24];
    uint64_t segment_bytes;
    uint64_t reserve_bytes;
    uint64_t budget_bytes; /* as it was at the start; log_writer_t has the one in force */
    uint64_t archived;     /* segments below this one may be missing */
    int64_t poll_ns;
    int chained;
    int sync;
} log_config_t;

typedef struct {
    log_config_t config;
    log_recovery_t recovery;
    int dir_fd;
    pthread_t thread;
    /* the appender's own */
    char *base __attribute__((aligned(64)));
    uint64_t used;
    uint64_t soft_limit; /* appends end here; behind it lie the reserve and the seal */
    uint64_t max_payload;
    uint64_t next_index;
    uint64_t number;
    uint64_t appended_bytes;
    uint8_t closed;
    uint8_t with_hashes; /* config.chained and config.sync, in the one cache line that an append needs anyway */
    uint8_t with_sync;
    /* written by the appender, read by all */
    uint64_t records __attribute__((aligned(64)));
    uint64_t bytes_written;
    uint64_t current; /* the segment that takes appends */
    uint64_t sample_index;
    int64_t sample_ns; /* 0: no sample under way */
    uint64_t budget_bytes; /* in force now; 0: none */
    int stop;
    int failed; /* errno of an I/O error, for good; the thread's, and here because every append reads it */
    /* the thread's own */
    uint64_t at_number __attribute__((aligned(64)));
    uint64_t at_offset;
    uint64_t chained;
    uint64_t synced;
    uint64_t prepared;
    uint64_t oldest;
    uint64_t total_bytes;
    uint64_t kept_to; /* the budget that was last kept */
    uint64_t marked; /* the durable mark as last written */
    int64_t marked_ns;
    int64_t refreshed_ns;
    int64_t retry_ns;
    uint8_t hash[LOG_HASH];
    int ended;
    /* written by the thread, read by all */
    uint32_t slot_state[LOG_SLOTS] __attribute__((aligned(64)));
    int prepare_error; /* errno of the last try to allocate a segment; 0 when it worked */
    uint64_t durable;
    uint64_t records_dropped; /* removed although a reader still needed them */
    uint64_t segments_removed;
    log_segment_t slots[LOG_SLOTS];
    pthread_mutex_t mutex; /* for what follows */
    pthread_cond_t progress;
    uint64_t published; /* records in the chain whose head is */
    uint8_t head[LOG_HASH];
    histogram_t latency;
} log_writer_t;

static inline log_segment_t *log_slot(log_writer_t *log, uint64_t number) { return &log->slots[number % LOG_SLOTS]; }

static inline uint32_t *log_slot_state(log_writer_t *log, uint64_t number) {
    return &log->slot_state[number % LOG_SLOTS];
}

static inline void log_sleep(int64_t ns) {
    struct timespec pause = {ns / 1000000000, ns % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

/* ---- the appender ---- */

static inline void log_enter(log_writer_t *log, uint64_t number) {
    log_segment_t *segment = log_slot(log, number);
    log_segment_open(segment, log->next_index);
    log->base = segment->base;
    log->used = sizeof(log_header_t);
    log->soft_limit = log->config.segment_bytes - sizeof(log_seal_t) - log->config.reserve_bytes;
    log->number = number;
    log->appended_bytes += sizeof(log_header_t);
    __atomic_store_n(log_slot_state(log, number), LOG_SLOT_USED, __ATOMIC_RELEASE);
    __atomic_store_n(&log->current, number, __ATOMIC_RELEASE);
}

/* The slow path of an append: rolls to the next segment, waits for it, or takes from the reserve. */
static __attribute__((noinline)) int log_make_room(log_writer_t *log, uint64_t stride, int reserved) {
    if (log->closed) return LOG_CLOSED;
    uint64_t hard_limit = log->config.segment_bytes - sizeof(log_seal_t);
    int64_t give_up_ns = log_clock_ns(CLOCK_MONOTONIC) + LOG_WAIT_NS;
    for (;;) {
        if (__atomic_load_n(&log->failed, __ATOMIC_ACQUIRE)) return LOG_FAILED;
        if (__atomic_load_n(log_slot_state(log, log->number + 1), __ATOMIC_ACQUIRE) == LOG_SLOT_READY) break;
        if (reserved && log->used + stride <= hard_limit) return LOG_OK;
        if (__atomic_load_n(&log->prepare_error, __ATOMIC_ACQUIRE)) return LOG_FULL;
        if (log_clock_ns(CLOCK_MONOTONIC) > give_up_ns) return LOG_FULL;
        log_sleep(20000);
    }
    log_segment_seal(log_slot(log, log->number), log->used, log->next_index, LOG_SEAL_ROLLED);
    log->appended_bytes += sizeof(log_seal_t);
    log_enter(log, log->number + 1);
    return LOG_OK;
}

/* Have the memory of the next record, up to 512 bytes of it, at hand. */
static inline void log_expect(const log_writer_t *log) {
    for (uint64_t at = 0; at < 512 && log->used + at < log->soft_limit; at += 64)
        __builtin_prefetch(log->base + log->used + at, 1);
}

/* Appends head + body as one record: copy, then the commit word; after it the record survives the process.
 * One thread only. An enum log_status; nothing was appended unless LOG_OK. */
static inline int log_append(log_writer_t *log, const void *head, size_t head_size, const void *body, size_t body_size,
                             int reserved) {
    if (__builtin_expect(head_size > log->max_payload || body_size > log->max_payload - head_size, 0)) {
        return log->closed ? LOG_CLOSED : LOG_TOO_LARGE;
    }
    uint32_t size = (uint32_t)(head_size + body_size);
    uint64_t stride = log_stride(size, log->with_hashes);
    if (__builtin_expect(log->used + stride > log->soft_limit, 0)) {
        int status = log_make_room(log, stride, reserved);
        if (status) return status;
    }
    if (__builtin_expect(__atomic_load_n(&log->failed, __ATOMIC_RELAXED), 0)) return LOG_FAILED;
    char *record = log->base + log->used;
    uint64_t words[2] = {size, log->next_index};
    uint32_t crc = crc32c(0, words, sizeof words);
    memcpy(record + 8, &log->next_index, 8);
    crc = crc32c_copy(crc, record + LOG_RECORD_HEAD, head, head_size);
    crc = crc32c_copy(crc, record + LOG_RECORD_HEAD + head_size, body, body_size);
    log_store(record, log_word(crc, size));
    if ((log->next_index & LOG_SAMPLE_MASK) == 0 && log->with_sync &&
        __atomic_load_n(&log->sample_ns, __ATOMIC_ACQUIRE) == 0) {
        log->sample_index = log->next_index;
        __atomic_store_n(&log->sample_ns, log_clock_ns(CLOCK_MONOTONIC), __ATOMIC_RELEASE);
    }
    log->used += stride;
    log->next_index++;
    log->appended_bytes += stride;
    __atomic_store_n(&log->records, log->next_index, __ATOMIC_RELEASE);
    __atomic_store_n(&log->bytes_written, log->appended_bytes, __ATOMIC_RELAXED);
    return LOG_OK;
}
