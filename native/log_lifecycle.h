/* Opening and closing a log writer. */
#pragma once
#include "native/log_thread.h"

static inline void log_free(log_writer_t *log) {
    for (uint32_t i = 0; i < LOG_SLOTS; i++) log_segment_release(&log->slots[i]);
    if (log->dir_fd >= 0) close(log->dir_fd);
    pthread_cond_destroy(&log->progress);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

/* An empty writer without files; NULL where there is no memory. */
static inline log_writer_t *log_allocate(const log_config_t *config) {
    pthread_condattr_t clock;
    log_writer_t *log = (log_writer_t *)aligned_alloc(64, (sizeof *log + 63) / 64 * 64);
    if (log == NULL) return NULL;
    memset(log, 0, sizeof *log);
    log->config = *config;
    log->budget_bytes = log->kept_to = config->budget_bytes;
    log->with_hashes = config->chained != 0;
    log->with_sync = config->sync != 0;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&log->progress, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&log->mutex, NULL);
    for (uint32_t i = 0; i < LOG_SLOTS; i++) log->slots[i].fd = log->slots[i].copy_fd = -1;
    uint64_t room = config->segment_bytes - sizeof(log_header_t) - sizeof(log_seal_t) - config->reserve_bytes;
    uint64_t most = room - log_stride(0, config->chained) - 7;
    log->max_payload = most < LOG_MAX_PAYLOAD ? most : LOG_MAX_PAYLOAD;
    return log;
}

/* Recovers what the directory holds and opens a new segment behind it. */
static inline int log_start(log_writer_t *log, const char *directory, log_error_t *error) {
    log_recovery_t *found = &log->recovery;
    log_segments_t segments;
    log->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log->dir_fd < 0) {
        *error = (log_error_t){LOG_FAILED, errno, 0, 0, 0};
        return LOG_FAILED;
    }
    if (log_recover(found, log->dir_fd, log->config.stem, log->config.chained, log->config.archived)) {
        *error = found->error;
        return error->status;
    }
    log->next_index = log->records = log->chained = log->synced = log->durable = log->published = found->next_index;
    memcpy(log->hash, found->hash, LOG_HASH);
    memcpy(log->head, found->hash, LOG_HASH);
    log->oldest = found->oldest;
    log->at_number = log->number = log->current = found->number;
    log->prepared = found->number - 1; /* wraps below the first: only prepared + 1 is ever looked at */
    log_prepare(log);
    int failed = log->prepare_error ? log->prepare_error
                                    : log_segments_list(log->dir_fd, log->config.stem, &segments);
    if (failed == 0) {
        log->total_bytes = segments.bytes;
        log_enter(log, found->number);
        failed = pthread_create(&log->thread, NULL, log_thread, log);
    }
    int status = failed == 0 ? LOG_OK : failed == ENOSPC ? LOG_FULL : LOG_FAILED;
    *error = (log_error_t){status, failed, 0, found->number, 0};
    return status;
}

/* Recovers the log of a directory, opens a new segment in it and starts its thread. NULL, with *error filled in, where
 * that fails. */
static inline log_writer_t *log_open(const char *directory, const log_config_t *config, log_error_t *error) {
    log_writer_t *log = log_allocate(config);
    *error = (log_error_t){LOG_FAILED, ENOMEM, 0, 0, 0};
    if (log == NULL) return NULL;
    log->dir_fd = -1;
    if (log_start(log, directory, error) == LOG_OK) return log;
    log_free(log);
    return NULL;
}

/* Seals the log, waits until everything is chained and synced, and removes the files that were prepared for nothing.
 * The counters stay readable. LOG_OK, or LOG_FAILED after an I/O error. */
static inline int log_close(log_writer_t *log) {
    if (log->closed) return LOG_OK;
    log->closed = 1;
    log->soft_limit = 0;
    if (!__atomic_load_n(&log->failed, __ATOMIC_ACQUIRE)) {
        log_segment_seal(log_slot(log, log->number), log->used, log->next_index, LOG_SEAL_CLOSED);
        log->appended_bytes += sizeof(log_seal_t);
        __atomic_store_n(&log->bytes_written, log->appended_bytes, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&log->stop, 1, __ATOMIC_RELEASE);
    pthread_join(log->thread, NULL);
    if (log->prepared == log->number + 1) {
        char name[LOG_NAME_MAX];
        log_segment_name(name, log->config.stem, log->prepared);
        log_segment_release(log_slot(log, log->prepared));
        if (unlinkat(log->dir_fd, name, 0)) log_fail(log, errno);
        log_copy_name(name, log->config.stem, log->prepared);
        if (log->config.sync && unlinkat(log->dir_fd, name, 0)) log_fail(log, errno);
        if (fsync(log->dir_fd)) log_fail(log, errno);
    }
    return log->failed ? LOG_FAILED : LOG_OK;
}

/* Waits until every record appended before the call is durable; 1, or 0 on timeout or after an I/O error. */
static inline int log_wait_durable(log_writer_t *log, int64_t timeout_ns) {
    uint64_t target = __atomic_load_n(&log->records, __ATOMIC_ACQUIRE);
    int64_t until_ns = log_clock_ns(CLOCK_MONOTONIC) + timeout_ns;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    int timed_out = 0;
    pthread_mutex_lock(&log->mutex);
    while (log->durable < target && !timed_out && !__atomic_load_n(&log->failed, __ATOMIC_ACQUIRE)) {
        timed_out = pthread_cond_timedwait(&log->progress, &log->mutex, &until) != 0;
    }
    int reached = log->durable >= target;
    pthread_mutex_unlock(&log->mutex);
    return reached;
}

/* Another budget than the one at the start; the thread keeps it at its next turn. */
static inline void log_set_budget(log_writer_t *log, uint64_t budget_bytes) {
    __atomic_store_n(&log->budget_bytes, budget_bytes, __ATOMIC_RELEASE);
}

/* The hash of the last chained record, into `hash`; how many records that chain has. */
static inline uint64_t log_head(log_writer_t *log, uint8_t hash[LOG_HASH]) {
    pthread_mutex_lock(&log->mutex);
    uint64_t published = log->published;
    memcpy(hash, log->head, LOG_HASH);
    pthread_mutex_unlock(&log->mutex);
    return published;
}

/* Adds the sampled append-to-durable times to `into`. */
static inline void log_latency(log_writer_t *log, histogram_t *into) {
    pthread_mutex_lock(&log->mutex);
    histogram_merge(into, &log->latency);
    pthread_mutex_unlock(&log->mutex);
}
