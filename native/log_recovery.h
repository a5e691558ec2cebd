/* Takes a log up again after its writer was killed or the power failed: see log_recover. */
#pragma once
#include "native/log_copy.h"

enum log_status {
    LOG_OK = 0,
    LOG_CLOSED = 1,
    LOG_TOO_LARGE = 2,
    LOG_FULL = 3,   /* no room now: the next segment could not be allocated */
    LOG_FAILED = 4, /* an I/O error: the log takes nothing any more */
    LOG_DAMAGED = 5,
    LOG_MISMATCH = 6, /* chained and not chained, or another version */
};

typedef struct {
    int status;
    int error; /* errno, where status is LOG_FAILED */
    uint64_t index;
    uint64_t segment;
    uint64_t offset;
} log_error_t;

typedef struct {
    /* where the log goes on */
    uint64_t number;
    uint64_t next_index;
    uint8_t hash[LOG_HASH];
    uint64_t oldest; /* the first segment there is */
    uint64_t archived; /* segments below this one may be missing */
    uint64_t mark;   /* records below it were synced: damage to them is an error */
    /* what was done */
    uint64_t torn_bytes;
    uint64_t rehashed;
    log_error_t error;
} log_recovery_t;

static inline int log_recovery_fail(log_recovery_t *state, int status, int error, uint64_t segment, uint64_t offset) {
    state->error = (log_error_t){status, error, state->next_index, segment, offset};
    return status;
}

/* The seal of a segment that was finished, by the end of its file; 0 where it was not. */
static inline int log_finished_seal(int dir_fd, const char *stem, uint64_t number, log_seal_t *seal) {
    char name[LOG_NAME_MAX];
    struct stat status;
    log_segment_name(name, stem, number);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    int found = fstat(fd, &status) == 0 && status.st_size >= (off_t)(sizeof(log_header_t) + sizeof *seal) &&
                pread(fd, seal, sizeof *seal, status.st_size - (off_t)sizeof *seal) == (ssize_t)sizeof *seal &&
                seal->commit == log_seal_word(seal->next_index, seal->kind) && seal->finished == LOG_FINISHED;
    close(fd);
    return found;
}

/* How many bytes of a range are in use: up to the last one that is not zero. */
static inline uint64_t log_extent(const char *base, uint64_t from, uint64_t to) {
    while (to - from >= 8 && (to & 7) == 0 && *(const uint64_t *)(base + to - 8) == 0) to -= 8;
    while (to > from && base[to - 1] == 0) to--;
    return to - from;
}

/* Walks the records of a mapped segment from its start, filling in missing hashes. Ends at a seal (returns LOG_SEAL) or
 * at the first thing that is no record in sequence (LOG_EMPTY); *offset says where. */
static inline enum log_probe log_recover_walk(log_recovery_t *state, log_segment_t *segment, int chained,
                                              uint64_t *offset) {
    for (*offset = sizeof(log_header_t);;) {
        uint32_t size = 0;
        char *record = segment->base + *offset;
        enum log_probe probe = log_probe(segment->base, *offset, segment->mapped, chained, &size);
        if (probe == LOG_SEAL && ((log_seal_t *)record)->next_index == state->next_index) return LOG_SEAL;
        if (probe != LOG_RECORD || log_index(record) != state->next_index) return LOG_EMPTY;
        if (!log_padding_is_zero(record, size)) { /* as verify: damage to what was durable; else it is put right */
            if (state->next_index < state->mark) return LOG_EMPTY;
            memset(record + LOG_RECORD_HEAD + size, 0, log_padding(size));
        }
        if (chained) {
            uint8_t hash[LOG_HASH], *stored = log_hash_of(record, size);
            memcpy(hash, state->hash, LOG_HASH);
            log_chain(hash, record, size);
            if (memcmp(hash, stored, LOG_HASH)) {
                if (state->next_index < state->mark) return LOG_EMPTY;
                memcpy(stored, hash, LOG_HASH);
                state->rehashed++;
            }
            memcpy(state->hash, hash, LOG_HASH);
        }
        state->next_index++;
        *offset += log_stride(size, chained);
    }
}

/* Removes the segments and copies behind a torn end, the last one first: none of them was ever durable. It comes before the
 * torn end is sealed, so that a crash in between leaves a log that is recovered as before. 0 or an errno. */
static inline int log_recover_drop(int dir_fd, const char *stem, uint64_t number, uint64_t last) {
    char name[LOG_NAME_MAX];
    if (last <= number) return 0;
    for (; last > number; last--) {
        log_copy_name(name, stem, last);
        if (unlinkat(dir_fd, name, 0) && errno != ENOENT) return errno;
        log_segment_name(name, stem, last);
        if (unlinkat(dir_fd, name, 0) && errno != ENOENT) return errno;
    }
    return fsync(dir_fd) ? errno : 0;
}

/* Checks one segment that was not finished, drops its torn tail and the segments up to `last` behind it, seals and finishes
 * it. *ended says that nothing after it counts: it had no seal. */
static inline int log_recover_segment(log_recovery_t *state, int dir_fd, const char *stem, uint64_t number, uint64_t last,
                                      int chained, int *ended) {
    char name[LOG_NAME_MAX];
    struct stat status;
    uint64_t offset = 0;
    log_segment_t segment = {.fd = -1, .copy_fd = -1, .number = number};
    log_segment_name(name, stem, number);
    segment.fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
    int error = segment.fd < 0 || fstat(segment.fd, &status) ? errno : log_segment_map(&segment, (uint64_t)status.st_size);
    if (error) {
        log_segment_release(&segment);
        return log_recovery_fail(state, LOG_FAILED, error, number, 0);
    }
    log_header_t *header = (log_header_t *)segment.base;
    int known = number == 0 || number > state->oldest;
    if (!known) { /* the first one there is, older ones were removed to keep a budget */
        state->next_index = header->first_index;
        memcpy(state->hash, header->previous_hash, LOG_HASH);
    }
    if (header->number != number || header->first_index != state->next_index) {
        log_segment_release(&segment);
        return log_recovery_fail(state, LOG_DAMAGED, 0, number, 0);
    }
    if (log_is_zero(header->previous_hash, LOG_HASH)) memcpy(header->previous_hash, state->hash, LOG_HASH);
    if (memcmp(header->previous_hash, state->hash, LOG_HASH)) {
        log_segment_release(&segment);
        return log_recovery_fail(state, LOG_DAMAGED, 0, number, offsetof(log_header_t, previous_hash));
    }
    *ended = log_recover_walk(state, &segment, chained, &offset) != LOG_SEAL;
    if (*ended) {
        if (state->next_index < state->mark) { /* synced once, gone now: no power failure does that */
            log_segment_release(&segment);
            return log_recovery_fail(state, LOG_DAMAGED, 0, number, offset);
        }
        error = log_recover_drop(dir_fd, stem, number, last);
        if (error == 0) error = log_segment_extend(&segment, offset + sizeof(log_seal_t)); /* finishing cuts it again */
        if (error) {
            log_segment_release(&segment);
            return log_recovery_fail(state, LOG_FAILED, error, number, offset);
        }
        uint64_t torn = log_extent(segment.base, offset, segment.mapped);
        memset(segment.base + offset, 0, torn);
        state->torn_bytes += torn;
        log_segment_seal(&segment, offset, state->next_index, LOG_SEAL_CLOSED);
    }
    error = log_segment_finish(&segment, offset, state->hash, 1);
    log_segment_release(&segment);
    return error ? log_recovery_fail(state, LOG_FAILED, error, number, offset) : LOG_OK;
}

/* Whether a segment was opened; what cannot be read, or has a header that is not ours, counts as damage. */
static inline int log_recover_header(log_recovery_t *state, int dir_fd, const char *stem, uint64_t number, int chained,
                                     int *opened) {
    log_header_t header;
    *opened = log_header_read(dir_fd, stem, number, &header) && header.opened;
    if (!*opened) return LOG_OK;
    if (!log_header_valid(&header)) return log_recovery_fail(state, LOG_DAMAGED, 0, number, 0);
    if (number == state->oldest && number > state->archived && !(header.flags & LOG_BUDGETED)) {
        return log_recovery_fail(state, LOG_DAMAGED, 0, 0, 0);
    }
    if (header.durable_mark > state->mark) state->mark = header.durable_mark;
    if (((header.flags & LOG_CHAINED) != 0) != chained) return log_recovery_fail(state, LOG_MISMATCH, 0, number, 0);
    return LOG_OK;
}

/* Consults the durable copy of one segment: what is sound in it goes into the segment, which is recovered after that as
 * any other. A finished segment needs nothing of what may be left of its copy. */
static inline int log_recover_copy(log_recovery_t *state, int dir_fd, const char *stem, uint64_t number) {
    char name[LOG_NAME_MAX];
    struct stat status;
    log_seal_t seal;
    log_segment_t copy = {.fd = -1, .copy_fd = -1, .number = number};
    if (log_finished_seal(dir_fd, stem, number, &seal)) return LOG_OK;
    log_copy_name(name, stem, number);
    copy.fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);
    int error = copy.fd < 0 || fstat(copy.fd, &status) ? errno : 0;
    if (error == 0 && status.st_size < (off_t)sizeof(log_header_t)) { /* nothing was ever written to it */
        log_segment_release(&copy);
        return LOG_OK;
    }
    if (error == 0) error = log_segment_map(&copy, (uint64_t)status.st_size);
    int damaged = 0;
    if (error == 0) {
        const log_header_t *header = (const log_header_t *)copy.base;
        damaged = !log_is_zero((const uint8_t *)copy.base, sizeof *header) &&
                  (!log_header_valid(header) || header->number != number);
        if (!damaged) error = log_copy_into_segment(copy.base, copy.mapped, dir_fd, stem, number);
    }
    log_segment_release(&copy);
    if (damaged) return log_recovery_fail(state, LOG_DAMAGED, 0, number, 0);
    return error ? log_recovery_fail(state, LOG_FAILED, error, number, 0) : LOG_OK;
}

/* Consults all durable copies, or, once the segments are finished, removes them. */
static inline int log_recover_copies(log_recovery_t *state, int dir_fd, const char *stem, int removing) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status = LOG_OK;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) return log_recovery_fail(state, LOG_FAILED, errno, 0, 0);
    for (struct dirent *entry = readdir(dir); entry && status == LOG_OK; entry = readdir(dir)) {
        int64_t number = log_segment_parse(entry->d_name, stem, ".sync");
        if (number < 0) continue;
        if (!removing) {
            status = log_recover_copy(state, dir_fd, stem, (uint64_t)number);
        } else if (unlinkat(dir_fd, entry->d_name, 0)) {
            status = log_recovery_fail(state, LOG_FAILED, errno, (uint64_t)number, 0);
        }
    }
    closedir(dir);
    return status;
}

/* Finds where the log ends. Segments that were finished are trusted; later ones are walked: commit words and checksums
 * are checked, missing hashes computed, a torn tail is zeroed, and each is sealed and finished. The writer goes on in a
 * new segment. Records that had been synced (the header's durable mark) and are damaged now are LOG_DAMAGED: nothing is
 * dropped then. */
static inline int log_recover_segments(log_recovery_t *state, int dir_fd, const char *stem, int chained) {
    log_segments_t found;
    log_seal_t seal;
    int opened = 0, ended = 0, status;
    int error = log_segments_list(dir_fd, stem, &found);
    if (error) return log_recovery_fail(state, LOG_FAILED, error, 0, 0);
    if (found.count == 0) return LOG_OK;
    state->oldest = found.first;
    if (found.count != found.last - found.first + 1) return log_recovery_fail(state, LOG_DAMAGED, 0, found.first, 0);
    status = log_recover_header(state, dir_fd, stem, found.first, chained, &opened);
    if (status) return status;
    uint64_t end = found.last + 1; /* behind the last one that was opened */
    for (; end > found.first; end--) {
        status = log_recover_header(state, dir_fd, stem, end - 1, chained, &opened);
        if (status) return status;
        if (opened) break;
    }
    uint64_t number = end;
    for (; number > found.first && !log_finished_seal(dir_fd, stem, number - 1, &seal); number--) {
        status = log_recover_header(state, dir_fd, stem, number - 1, chained, &opened);
        if (status) return status;
        if (!opened) end = number - 1; /* its header never reached the disk, as nothing after it was synced */
    }
    if (number > found.first) {
        state->next_index = seal.next_index;
        memcpy(state->hash, seal.hash, LOG_HASH);
    }
    for (; number < end && !ended; number++) {
        status = log_recover_segment(state, dir_fd, stem, number, found.last, chained, &ended);
        if (status) return status;
    }
    if (state->next_index < state->mark) return log_recovery_fail(state, LOG_DAMAGED, 0, number, 0);
    if (!ended) { /* of what was prepared ahead, one segment is taken over */
        error = log_recover_drop(dir_fd, stem, number, found.last);
        if (error) return log_recovery_fail(state, LOG_FAILED, error, found.last, 0);
    }
    state->number = number;
    return LOG_OK;
}

/* Takes a log up again: the segments get back what only their durable copies have, see log_recover_segments for the
 * rest, and the copies go when every segment is finished. */
static inline int log_recover(log_recovery_t *state, int dir_fd, const char *stem, int chained, uint64_t archived) {
    memset(state, 0, sizeof *state);
    state->archived = archived;
    int status = log_recover_copies(state, dir_fd, stem, 0);
    if (status == LOG_OK) status = log_recover_segments(state, dir_fd, stem, chained);
    return status == LOG_OK ? log_recover_copies(state, dir_fd, stem, 1) : status;
}
