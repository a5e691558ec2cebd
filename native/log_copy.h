/* The durable copy <stem>-<number>.sync of a segment that takes appends: the same bytes at the same offsets, and the file
 * that is synced. Syncing the mapped segment instead would write-protect the page that the appender is in, and its next
 * append would pay for that. What counts after which kind of crash: docs/journal.md. */
#pragma once
#include "native/log_segment.h"

static inline void log_copy_name(char *name, const char *stem, uint64_t number) {
    snprintf(name, LOG_NAME_MAX, "%s-%08llu.sync", stem, (unsigned long long)number);
}

/* Writes all of it; 0 or an errno. */
static inline int log_write(int fd, const void *bytes, uint64_t size, uint64_t offset) {
    for (uint64_t done = 0; done < size;) {
        ssize_t count = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (count <= 0) return count < 0 ? errno : EIO;
        done += (uint64_t)count;
    }
    return 0;
}

/* Creates the copy of a segment that is being prepared: zeros, fully allocated, so that a full disk is an error here and
 * never at a sync. 0 or an errno. */
static inline int log_copy_create(log_segment_t *segment, int dir_fd, const char *stem, uint64_t bytes) {
    char name[LOG_NAME_MAX];
    log_copy_name(name, stem, segment->number);
    segment->copied = 0;
    segment->copy_fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (segment->copy_fd < 0) return errno;
    return ftruncate(segment->copy_fd, 0) ? errno : posix_fallocate(segment->copy_fd, 0, (off_t)bytes);
}

/* Brings the copy up to `offset` of the segment, hashes included; 0 or an errno. */
static inline int log_copy_write(log_segment_t *segment, uint64_t offset) {
    if (offset <= segment->copied) return 0;
    int error = log_write(segment->copy_fd, segment->base + segment->copied, offset - segment->copied, segment->copied);
    if (error == 0) segment->copied = offset;
    return error;
}

/* Says in the copy that the records below `mark` are on disk. The segment never says so of itself before it is finished:
 * its pages may reach the disk in any order, or not at all. */
static inline int log_copy_mark(log_segment_t *segment, uint64_t mark) {
    return log_write(segment->copy_fd, &mark, sizeof mark, offsetof(log_header_t, durable_mark));
}

/* Ends a sealed segment: completes its copy, syncs it and renames it over the segment. Who has the old file mapped sees
 * its end there too; that file calls itself finished only once no crash can bring its name back. 0 or an errno. */
static inline int log_copy_finish(log_segment_t *segment, int dir_fd, const char *stem, uint64_t offset,
                                  const uint8_t hash[LOG_HASH]) {
    char name[LOG_NAME_MAX], copy[LOG_NAME_MAX];
    log_seal_t *seal = (log_seal_t *)(segment->base + offset);
    memcpy(seal->hash, hash, LOG_HASH);
    log_seal_t last = *seal;
    last.finished = LOG_FINISHED;
    log_segment_name(name, stem, segment->number);
    log_copy_name(copy, stem, segment->number);
    int error = log_copy_write(segment, offset);
    if (error == 0) error = log_copy_mark(segment, last.next_index);
    if (error == 0) error = log_write(segment->copy_fd, &last, sizeof last, offset);
    if (error) return error;
    if (ftruncate(segment->copy_fd, (off_t)(offset + sizeof last)) || fdatasync(segment->copy_fd)) return errno;
    if (renameat(dir_fd, copy, dir_fd, name) || fsync(dir_fd)) return errno;
    log_store(&seal->finished, LOG_FINISHED);
    log_segment_release(segment);
    return 0;
}

typedef struct {
    uint64_t end;        /* 0: the segment was not opened, or its header is not sound */
    uint64_t next_index; /* behind the last record */
    uint64_t seal_kind;  /* of the seal that follows; 0: none */
} log_prefix_t;

/* How far a segment or a copy is sound in itself: header, checksums, indexes, hashes. */
static inline log_prefix_t log_prefix(const char *base, uint64_t size) {
    const log_header_t *header = (const log_header_t *)base;
    log_prefix_t found = {0, 0, 0};
    uint8_t hash[LOG_HASH];
    if (size < sizeof *header || !log_header_valid(header) || !header->opened) return found;
    int chained = (header->flags & LOG_CHAINED) != 0;
    memcpy(hash, header->previous_hash, LOG_HASH);
    found.end = sizeof *header;
    for (found.next_index = header->first_index;; found.next_index++) {
        uint32_t length = 0;
        const char *record = base + found.end;
        enum log_probe probe = log_probe(base, found.end, size, chained, &length);
        if (probe == LOG_SEAL && ((const log_seal_t *)record)->next_index == found.next_index) {
            found.seal_kind = ((const log_seal_t *)record)->kind;
        }
        if (probe != LOG_RECORD || log_index(record) != found.next_index) return found;
        if (chained) {
            log_chain(hash, record, length);
            if (memcmp(hash, log_hash_of(record, length), LOG_HASH)) return found;
        }
        found.end += log_stride(length, chained);
    }
}

/* Puts the sound part of a copy into its segment; nothing where there is none. 0 or an errno. */
static inline int log_copy_into_segment(const char *copy, uint64_t size, int dir_fd, const char *stem, uint64_t number) {
    char name[LOG_NAME_MAX];
    struct stat status;
    log_segment_t segment = {.fd = -1, .copy_fd = -1, .number = number};
    log_prefix_t found = log_prefix(copy, size);
    if (found.end == 0) return 0;
    uint64_t room = found.end + sizeof(log_seal_t);
    log_segment_name(name, stem, number);
    segment.fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int error = segment.fd < 0 || fstat(segment.fd, &status) ? errno : 0;
    if (error == 0 && (uint64_t)status.st_size < room) error = posix_fallocate(segment.fd, 0, (off_t)room);
    if (error == 0) error = log_segment_map(&segment, room);
    if (error == 0) {
        memcpy(segment.base, copy, found.end);
        if (found.seal_kind) log_segment_seal(&segment, found.end, found.next_index, found.seal_kind);
    }
    log_segment_release(&segment);
    return error;
}
