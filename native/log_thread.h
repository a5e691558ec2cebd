/* The thread behind a log: chains, syncs in groups, prepares segments ahead, finishes full ones, keeps the budget.
 * It polls, so that the appender never pays for waking it. It never calls Python. */
#pragma once
#include <sys/prctl.h>

#include "native/log_retention.h"

static inline void log_fail(log_writer_t *log, int error) {
    __atomic_store_n(&log->failed, error ? error : EIO, __ATOMIC_RELEASE);
}

/* Lets others see how far chain and disk are, and ends a latency sample. */
static inline void log_publish(log_writer_t *log) {
    int64_t sample_ns = __atomic_load_n(&log->sample_ns, __ATOMIC_ACQUIRE);
    pthread_mutex_lock(&log->mutex);
    log->published = log->chained;
    memcpy(log->head, log->hash, LOG_HASH);
    __atomic_store_n(&log->durable, log->synced, __ATOMIC_RELEASE);
    if (sample_ns && log->sample_index < log->synced) {
        histogram_record(&log->latency, log_clock_ns(CLOCK_MONOTONIC) - sample_ns);
        __atomic_store_n(&log->sample_ns, 0, __ATOMIC_RELEASE);
    }
    pthread_cond_broadcast(&log->progress);
    pthread_mutex_unlock(&log->mutex);
}

/* The files of a segment to come, safely on disk in a log that is synced: 0, or an errno and nothing but, perhaps, empty
 * files. */
static inline int log_allocate_files(log_writer_t *log, const log_header_t *header) {
    log_segment_t *segment = log_slot(log, header->number);
    const log_config_t *config = &log->config;
    int error = log_segment_create(segment, log->dir_fd, config->stem, config->segment_bytes, header);
    if (error) return error;
    if (config->sync) error = log_copy_create(segment, log->dir_fd, config->stem, config->segment_bytes);
    if (error == 0 && config->sync && (fsync(segment->fd) || fsync(segment->copy_fd))) error = errno;
    if (error == 0 && fsync(log->dir_fd)) error = errno;
    if (error == 0) {
        log_segment_populate(segment, 0);
    } else {
        if (ftruncate(segment->fd, 0) || (segment->copy_fd >= 0 && ftruncate(segment->copy_fd, 0))) error = errno;
        log_segment_release(segment);
    }
    return error;
}

/* Bytes on disk of a segment that is not finished. */
static inline uint64_t log_open_bytes(const log_writer_t *log) {
    return log->config.segment_bytes * (log->config.sync ? 2 : 1);
}

/* Allocates the segment after the current one; a full disk is remembered and tried again later. */
static inline void log_prepare(log_writer_t *log) {
    uint64_t number = log->prepared + 1;
    if (number > __atomic_load_n(&log->current, __ATOMIC_ACQUIRE) + 1) return;
    if (__atomic_load_n(log_slot_state(log, number), __ATOMIC_ACQUIRE) != LOG_SLOT_FREE) return;
    if (log->prepare_error && log_clock_ns(CLOCK_MONOTONIC) < log->retry_ns) return;
    log_header_t header;
    memset(&header, 0, sizeof header);
    memcpy(header.magic, LOG_MAGIC, 8);
    header.version = LOG_VERSION;
    header.flags = (log->config.chained ? LOG_CHAINED : 0) | (log->config.budget_bytes ? LOG_BUDGETED : 0);
    header.number = number;
    header.created_ns = log_clock_ns(CLOCK_REALTIME);
    memcpy(header.run_id, log->config.run_id, sizeof header.run_id);
    memcpy(header.build, log->config.build, sizeof header.build);
    int error = number > LOG_MAX_SEGMENT ? EFBIG : log_allocate_files(log, &header);
    while (error == ENOSPC && log_give_way(log)) error = log_allocate_files(log, &header);
    if (error) {
        log->retry_ns = log_clock_ns(CLOCK_MONOTONIC) + LOG_RETRY_NS;
        __atomic_store_n(&log->prepare_error, error, __ATOMIC_RELEASE);
        return;
    }
    log->prepared = number;
    log->total_bytes += log_open_bytes(log);
    __atomic_store_n(&log->prepare_error, 0, __ATOMIC_RELEASE);
    __atomic_store_n(log_slot_state(log, number), LOG_SLOT_READY, __ATOMIC_RELEASE);
}

/* Ends the segment whose seal stands at the cursor and moves the cursor into the next one. */
static inline void log_finish(log_writer_t *log, log_segment_t *segment) {
    uint64_t kind = ((const log_seal_t *)(segment->base + log->at_offset))->kind;
    int sync = log->config.sync || kind == LOG_SEAL_CLOSED;
    int error = log->config.sync
                    ? log_copy_finish(segment, log->dir_fd, log->config.stem, log->at_offset, log->hash)
                    : log_segment_finish(segment, log->at_offset, log->hash, sync);
    if (error) {
        log_fail(log, error);
        return;
    }
    if (sync) log->synced = log->chained;
    log->total_bytes -= log_open_bytes(log) - (log->at_offset + sizeof(log_seal_t));
    __atomic_store_n(log_slot_state(log, log->at_number), LOG_SLOT_FREE, __ATOMIC_RELEASE);
    log->at_number++;
    log->at_offset = 0;
    log->ended = kind == LOG_SEAL_CLOSED;
    log_retain(log);
}

/* Brings the copy up to date and has the disk start on it, so that it works while we hash. */
static inline void log_push(log_writer_t *log, log_segment_t *segment) {
    uint64_t from = segment->copied;
    int error = log_copy_write(segment, log->at_offset);
    if (error) log_fail(log, error);
    sync_file_range(segment->copy_fd, (off_t)from, (off_t)(log->at_offset - from), SYNC_FILE_RANGE_WRITE);
}

/* Takes up to LOG_BATCH records at the cursor into the chain; how many. */
static inline uint32_t log_advance(log_writer_t *log) {
    uint32_t done = 0;
    while (done < LOG_BATCH && !log->ended && !log->failed) {
        if (__atomic_load_n(log_slot_state(log, log->at_number), __ATOMIC_ACQUIRE) != LOG_SLOT_USED) break;
        log_segment_t *segment = log_slot(log, log->at_number);
        if (log->at_offset == 0) {
            memcpy(((log_header_t *)segment->base)->previous_hash, log->hash, LOG_HASH);
            log->at_offset = sizeof(log_header_t);
        }
        const char *record = segment->base + log->at_offset;
        uint64_t commit = log_load(record);
        uint32_t size = (uint32_t)commit;
        if (commit == 0) break;
        if (size == LOG_SEAL_SIZE) {
            log_finish(log, segment);
            continue;
        }
        if (log->config.chained) {
            log_chain(log->hash, record, size);
            memcpy(log_hash_of(record, size), log->hash, LOG_HASH);
        }
        log->at_offset += log_stride(size, log->config.chained);
        log->chained++;
        done++;
        if (log->config.sync && log->at_offset - segment->copied > LOG_PUSH) log_push(log, segment);
    }
    return done;
}

/* Keeps pages populated ahead of the appender, and the next ones writable, as far as the cursor says where it is. */
static inline void log_populate(log_writer_t *log) {
    log_segment_t *segment = log_slot(log, log->at_number);
    if (segment->base == NULL) return;
    log_segment_populate(segment, log->at_offset);
    int64_t now_ns = log_clock_ns(CLOCK_MONOTONIC);
    if (now_ns - log->refreshed_ns < LOG_REFRESH_NS) return;
    log_segment_refresh(segment, log->at_offset);
    log->refreshed_ns = now_ns;
}

/* One group commit. */
static inline void log_sync(log_writer_t *log) {
    log_segment_t *segment = log_slot(log, log->at_number);
    if (segment->base == NULL || log->at_offset == 0 || log->synced == log->chained) return;
    int error = log_copy_write(segment, log->at_offset);
    if (error == 0 && fdatasync(segment->copy_fd)) error = errno;
    if (error) {
        log_fail(log, error);
        return;
    }
    log->synced = log->chained;
}

/* Renews the durable mark of the current segment: a lower bound that recovery holds the log to. */
static inline void log_mark(log_writer_t *log) {
    log_segment_t *segment = log_slot(log, log->at_number);
    if (!log->config.sync || segment->base == NULL || segment->copied == 0 || log->marked == log->synced) return;
    int64_t now_ns = log_clock_ns(CLOCK_MONOTONIC);
    if (now_ns - log->marked_ns < LOG_MARK_NS) return;
    int error = log_copy_mark(segment, log->synced);
    if (error) log_fail(log, error);
    log->marked = log->synced;
    log->marked_ns = now_ns;
}

/* The pause after `idle` polls that found nothing. */
static inline int64_t log_pause_ns(const log_writer_t *log, uint32_t idle) {
    int64_t pause_ns = log->config.poll_ns;
    return idle < LOG_IDLE_POLLS ? pause_ns : idle < 8 * LOG_IDLE_POLLS ? 4 * pause_ns : 10 * pause_ns;
}

static void *log_thread(void *argument) {
    log_writer_t *log = (log_writer_t *)argument;
    uint32_t idle = 0;
    prctl(PR_SET_NAME, "penstock-log");
    prctl(PR_SET_TIMERSLACK, 1000ul);
    for (;;) {
        int stopping = __atomic_load_n(&log->stop, __ATOMIC_ACQUIRE);
        uint32_t done = log_advance(log);
        if (__atomic_load_n(&log->budget_bytes, __ATOMIC_ACQUIRE) != log->kept_to) log_retain(log);
        if (!stopping) log_prepare(log);
        log_populate(log);
        if (log->config.sync && !log->failed) log_sync(log);
        if (done || log->ended || log->failed) log_publish(log);
        log_mark(log);
        if (log->ended || (stopping && log->failed)) break;
        idle = done ? 0 : idle + 1;
        if (!done) log_sleep(log_pause_ns(log, idle));
    }
    return NULL;
}
