/* Keeps a log within its disk budget by removing the oldest finished segments; on a full disk they go for room, too.
 * Readers say in readers/<stem>.<name> (a decimal number) which segment they still need; those are kept for a quarter of
 * the budget longer, then they go too, and the records are counted as dropped. */
#pragma once
#include "native/log_writer.h"

/* The first segment that any registered reader of this log needs; UINT64_MAX where none is registered. */
static inline uint64_t log_slowest_reader(const log_writer_t *log) {
    uint64_t slowest = UINT64_MAX;
    size_t length = strlen(log->config.stem);
    int fd = openat(log->dir_fd, "readers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) return slowest;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        char text[24] = {0};
        if (strncmp(entry->d_name, log->config.stem, length) || entry->d_name[length] != '.') continue;
        int file = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC);
        ssize_t got = file < 0 ? 0 : read(file, text, sizeof text - 1);
        if (file >= 0) close(file);
        if (got <= 0 || text[0] < '0' || text[0] > '9') continue; /* being written, or not a reader's */
        uint64_t needed = strtoull(text, NULL, 10);
        if (needed < slowest) slowest = needed;
    }
    closedir(dir);
    return slowest;
}

/* Removes the oldest segment; 0 where it cannot be, and its bytes go on counting. */
static inline int log_remove_oldest(log_writer_t *log, int needed) {
    char name[LOG_NAME_MAX];
    log_header_t header;
    log_seal_t seal;
    struct stat status;
    log_segment_name(name, log->config.stem, log->oldest);
    int known = log_header_read(log->dir_fd, log->config.stem, log->oldest, &header) &&
                log_finished_seal(log->dir_fd, log->config.stem, log->oldest, &seal);
    if (fstatat(log->dir_fd, name, &status, 0) || unlinkat(log->dir_fd, name, 0)) return 0;
    uint64_t dropped = known ? seal.next_index - header.first_index : 0;
    log->total_bytes -= (uint64_t)status.st_size;
    log->oldest++;
    if (needed) __atomic_add_fetch(&log->records_dropped, dropped, __ATOMIC_RELAXED);
    __atomic_add_fetch(&log->segments_removed, 1, __ATOMIC_RELEASE);
    return 1;
}

static inline void log_retain(log_writer_t *log) {
    uint64_t budget = __atomic_load_n(&log->budget_bytes, __ATOMIC_ACQUIRE);
    log->kept_to = budget;
    if (budget == 0 || log->total_bytes <= budget) return;
    uint64_t slowest = log_slowest_reader(log);
    while (log->total_bytes > budget && log->oldest < log->at_number) {
        int needed = slowest <= log->oldest;
        if (needed && log->total_bytes <= budget + budget / 4) break;
        if (!log_remove_oldest(log, needed)) break;
    }
}

/* Makes room on a full disk in a log with a budget: its oldest finished segment goes, within the budget or not.
 * 0 where there is none to give. */
static inline int log_give_way(log_writer_t *log) {
    if (log->config.budget_bytes == 0 || log->oldest >= log->at_number) return 0;
    return log_remove_oldest(log, log_slowest_reader(log) <= log->oldest);
}
