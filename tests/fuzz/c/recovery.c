/* native/log_recovery.h on a folder with two segments and the second one's durable copy, after edits to any of them.
 *
 * Recovery succeeds or says what is wrong. Where it succeeds, the log goes on behind a sound chain, and recovering once
 * more changes nothing. Where records that were durable are gone or altered in the segment that is recovered, it does not
 * succeed. */
#include "tests/fuzz/c/log_builder.h"

#include "native/log_recovery.h"
#include "native/log_verify.h"

static char folder[64];
static int dir_fd = -1;

static void remove_folder(void) { rmdir(folder); }

static void open_folder(void) {
    snprintf(folder, sizeof folder, "/dev/shm/penstock-fuzz-XXXXXX");
    if (mkdtemp(folder) == NULL) { /* no shared memory here: slower, the same */
        snprintf(folder, sizeof folder, "/tmp/penstock-fuzz-XXXXXX");
        CHECK(mkdtemp(folder) != NULL);
    }
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir_fd >= 0);
    atexit(remove_folder);
}

static void clear_folder(void) {
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    CHECK(dir != NULL);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.') unlinkat(dir_fd, entry->d_name, 0);
    closedir(dir);
}

static void put_file(const char *name, const char *bytes, uint64_t size) {
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && log_write(fd, bytes, size, 0) == 0);
    close(fd);
}

/* The last segment of a recovered log, read back: a sound chain up to where the log goes on. */
static void check_last(const log_recovery_t *after, uint64_t first_index, const uint8_t hash[LOG_HASH]) {
    static _Alignas(16) char bytes[2 * SEGMENT_ROOM];
    char name[LOG_NAME_MAX];
    log_segment_name(name, "j", after->number - 1);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof bytes);
    close(fd);
    CHECK(size >= (ssize_t)(sizeof(log_header_t) + sizeof(log_seal_t)));
    log_verify_t state = {.index = first_index, .mark = after->next_index};
    uint64_t offset = 0;
    memcpy(state.hash, hash, LOG_HASH);
    CHECK(log_verify_walk(&state, bytes, (uint64_t)size, 1, &offset) == DAMAGE_NONE);
    CHECK(state.index == after->next_index && memcmp(state.hash, after->hash, LOG_HASH) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static built_t first, second, copy;
    static const uint8_t genesis[LOG_HASH];
    choices_t choices = {data, size};
    char name[LOG_NAME_MAX];
    log_recovery_t once, twice;

    if (dir_fd < 0) open_folder();
    clear_folder();
    unsigned how = choose(&choices);
    uint64_t number = how & 1 ? 3 : 0;
    uint32_t flags = LOG_CHAINED | (number ? LOG_BUDGETED : 0);
    build_header(&first, number, number * 10, flags, genesis);
    build_records(&first, &choices, choose(&choices) % 4, 0);
    build_seal(&first, LOG_SEAL_ROLLED, 1);
    build_header(&second, number + 1, first.next_index, flags, first.hash);
    unsigned records = choose(&choices) % (MOST_RECORDS + 1), unhashed = choose(&choices) % 3;
    build_records(&second, &choices, records, unhashed < records ? unhashed : records);
    copy = second;
    uint64_t durable = how & 2 ? second.next_index - (unhashed < records ? unhashed : records) : 0;
    ((log_header_t *)copy.bytes)->durable_mark = durable;
    if (how & 4) build_seal(&second, LOG_SEAL_CLOSED, 0);

    unsigned edits = choose(&choices) % 4, touched = 0;
    uint64_t sizes[3] = {first.used, second.used + (how & 8 ? 64 : 0), copy.records_end};
    char *files[3] = {first.bytes, second.bytes, copy.bytes};
    while (edits--) {
        unsigned which = choose(&choices) % 3;
        edit(files[which], how & 16 ? 0 : sizeof(log_header_t), &sizes[which], &choices);
        if (how & 32) repair(files[which], sizes[which], how & 64);
        touched |= 1u << which;
    }
    log_segment_name(name, "j", number);
    put_file(name, first.bytes, sizes[0]);
    log_segment_name(name, "j", number + 1);
    put_file(name, second.bytes, sizes[1]);
    log_copy_name(name, "j", number + 1);
    if (how & 2) put_file(name, copy.bytes, sizes[2]);

    int status = log_recover(&once, dir_fd, "j", 1, 0);
    CHECK(status == LOG_OK || status == LOG_FAILED || status == LOG_DAMAGED || status == LOG_MISMATCH);
    CHECK(status == once.error.status || status == LOG_OK);
    if (!touched) CHECK(status == LOG_OK && once.next_index == second.next_index);
    if (status == LOG_OK) {
        CHECK(log_recover(&twice, dir_fd, "j", 1, 0) == LOG_OK);
        CHECK(twice.number == once.number && twice.next_index == once.next_index && twice.torn_bytes == 0);
        CHECK(memcmp(twice.hash, once.hash, LOG_HASH) == 0);
        /* With the first segment and the copy as they were, all that was durable is there again. */
        if (!(touched & 5) && (how & 2)) CHECK(once.next_index >= durable);
        if (!(touched & 1) && once.number == number + 2) check_last(&once, first.next_index, first.hash);
    }
    return 0;
}
