/* One segment file: naming, preallocation and mapping, opening, sealing, finishing. */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "native/log_format.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define LOG_NAME_MAX 96
#define LOG_STEM_MAX 64
#define LOG_PAGE 4096ull
#define LOG_AHEAD (64 * LOG_PAGE) /* how far ahead of the appender pages are populated */
#define LOG_NEAR (16 * LOG_PAGE)  /* and how far they are kept writable */

typedef struct {
    int fd;
    char *base; /* NULL: not mapped */
    uint64_t number;
    uint64_t mapped;    /* bytes */
    uint64_t populated; /* up to here pages are in memory and writable */
    int copy_fd;        /* of the durable copy, log_copy.h; -1: none */
    uint64_t copied;    /* up to here it has the segment's bytes */
} log_segment_t;

static inline int64_t log_clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static inline void log_segment_name(char *name, const char *stem, uint64_t number) {
    snprintf(name, LOG_NAME_MAX, "%s-%08llu.log", stem, (unsigned long long)number);
}

/* Unmaps and closes; the file stays as it is. */
static inline void log_segment_release(log_segment_t *segment) {
    if (segment->base) munmap(segment->base, segment->mapped);
    if (segment->fd >= 0) close(segment->fd);
    if (segment->copy_fd >= 0) close(segment->copy_fd);
    segment->base = NULL;
    segment->fd = segment->copy_fd = -1;
}

/* Maps an open file read-write; 0 or an errno. */
static inline int log_segment_map(log_segment_t *segment, uint64_t bytes) {
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
    if (base == MAP_FAILED) return errno;
    segment->base = (char *)base;
    segment->mapped = bytes;
    return 0;
}

/* Lets a mapped segment that was cut short reach to `bytes`: allocated before any mapped write or read, for on a full
 * tmpfs a hole that is only read is a SIGBUS, too. 0 or an errno. */
static inline int log_segment_extend(log_segment_t *segment, uint64_t bytes) {
    uint64_t before = segment->mapped;
    if (bytes <= before) return 0;
    int error = posix_fallocate(segment->fd, (off_t)before, (off_t)(bytes - before));
    if (error) return error;
    munmap(segment->base, before);
    segment->base = NULL;
    return log_segment_map(segment, bytes);
}

/* Creates a segment, or takes over one that was prepared and never opened: zeros, fully allocated before any mapped
 * write, so that a full disk is an error here and never a SIGBUS there. The header is written, but not opened.
 * 0 or an errno; on failure nothing stays behind but, perhaps, an empty file. */
static inline int log_segment_create(log_segment_t *segment, int dir_fd, const char *stem, uint64_t bytes,
                                     const log_header_t *header) {
    char name[LOG_NAME_MAX];
    log_segment_name(name, stem, header->number);
    segment->base = NULL;
    segment->number = header->number;
    segment->populated = 0;
    segment->copy_fd = -1;
    segment->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (segment->fd < 0) return errno;
    int failed = ftruncate(segment->fd, 0) ? errno : posix_fallocate(segment->fd, 0, (off_t)bytes);
    if (failed == 0) failed = log_segment_map(segment, bytes);
    if (failed) {
        if (ftruncate(segment->fd, 0)) failed = failed ? failed : errno;
        log_segment_release(segment);
        return failed;
    }
    memcpy(segment->base, header, sizeof *header);
    return 0;
}

/* Brings pages ahead of `used` into memory, a stretch at a time, so that an append need not wait for a page fault. */
static inline void log_segment_populate(log_segment_t *segment, uint64_t used) {
    if (used + LOG_AHEAD / 2 < segment->populated || segment->populated == segment->mapped) return;
    uint64_t from = used > segment->populated ? used & ~(LOG_PAGE - 1) : segment->populated;
    uint64_t bytes = segment->mapped - from < LOG_AHEAD ? segment->mapped - from : LOG_AHEAD;
    madvise(segment->base + from, bytes, MADV_POPULATE_WRITE);
    segment->populated = from + bytes;
}

/* Makes the pages right ahead of `used` writable again where the system has written them out meanwhile: it takes the right to
 * write away for that, and an append would wait for the page fault that gives it back. */
static inline void log_segment_refresh(log_segment_t *segment, uint64_t used) {
    uint64_t from = used & ~(LOG_PAGE - 1);
    uint64_t bytes = segment->mapped - from < LOG_NEAR ? segment->mapped - from : LOG_NEAR;
    madvise(segment->base + from, bytes, MADV_POPULATE_WRITE);
}

/* Makes a prepared segment part of the log: its records start at `first_index`. */
static inline void log_segment_open(log_segment_t *segment, uint64_t first_index) {
    log_header_t *header = (log_header_t *)segment->base;
    header->first_index = first_index;
    header->crc = log_header_crc(header);
    __atomic_store_n(&header->opened, 1, __ATOMIC_RELEASE);
}

static inline void log_segment_seal(log_segment_t *segment, uint64_t offset, uint64_t next_index, uint64_t kind) {
    log_seal_t *seal = (log_seal_t *)(segment->base + offset);
    seal->next_index = next_index;
    seal->kind = kind;
    log_store(&seal->commit, log_seal_word(next_index, kind));
}

/* Ends a sealed segment for good: hash, sync, the word that says so, truncation to the used size, release.
 * 0 or an errno. */
static inline int log_segment_finish(log_segment_t *segment, uint64_t offset, const uint8_t hash[LOG_HASH], int sync) {
    log_seal_t *seal = (log_seal_t *)(segment->base + offset);
    memcpy(seal->hash, hash, LOG_HASH);
    if (sync && fdatasync(segment->fd)) return errno;
    if (sync) log_store(&((log_header_t *)segment->base)->durable_mark, seal->next_index);
    log_store(&seal->finished, LOG_FINISHED);
    if (ftruncate(segment->fd, (off_t)(offset + sizeof *seal))) return errno;
    if (sync && fdatasync(segment->fd)) return errno;
    log_segment_release(segment);
    return 0;
}

/* The number in the name <stem>-<number><suffix>, or -1 for any other file. */
static inline int64_t log_segment_parse(const char *name, const char *stem, const char *suffix) {
    size_t length = strlen(stem);
    uint64_t number = 0;
    if (strncmp(name, stem, length) || name[length] != '-' || strlen(name) < length + 9) return -1;
    for (const char *digit = name + length + 1; digit < name + length + 9; digit++) {
        if (*digit < '0' || *digit > '9') return -1;
        number = number * 10 + (uint64_t)(*digit - '0');
    }
    return strcmp(name + length + 9, suffix) == 0 ? (int64_t)number : -1;
}

typedef struct {
    uint64_t first;
    uint64_t last;
    uint64_t count; /* last - first + 1 unless one is missing */
    uint64_t bytes; /* durable copies included */
} log_segments_t;

/* Which segments a directory has; 0 or an errno. */
static inline int log_segments_list(int dir_fd, const char *stem, log_segments_t *found) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    memset(found, 0, sizeof *found);
    if (dir == NULL) return errno;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        int64_t number = log_segment_parse(entry->d_name, stem, ".log");
        struct stat status;
        if (number < 0 && log_segment_parse(entry->d_name, stem, ".sync") < 0) continue;
        if (fstatat(dir_fd, entry->d_name, &status, 0) == 0) found->bytes += (uint64_t)status.st_size;
        if (number < 0) continue;
        if (found->count == 0 || (uint64_t)number < found->first) found->first = (uint64_t)number;
        if (found->count == 0 || (uint64_t)number > found->last) found->last = (uint64_t)number;
        found->count++;
    }
    closedir(dir);
    return 0;
}

/* Reads a segment's header; 1, or 0 where the file is missing or shorter. */
static inline int log_header_read(int dir_fd, const char *stem, uint64_t number, log_header_t *header) {
    char name[LOG_NAME_MAX];
    log_segment_name(name, stem, number);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = pread(fd, header, sizeof *header, 0);
    close(fd);
    return got == (ssize_t)sizeof *header;
}
