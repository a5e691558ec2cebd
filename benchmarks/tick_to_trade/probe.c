/* Notes when a program's main thread waits, reads, writes and looks at the clock. Loaded by LD_PRELOAD (timeline.py).
 *
 * $PENSTOCK_PROBE names the file that is written at the end, with the process id behind it: records of {time ns, UTC; kind;
 * value; caller}, the newest 2^20. Value: what the call answered, of a write what it is about to send. The engine's own
 * readings of its clocks mark the steps between a read and a write, at the cost of some 20 ns each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WAITED = 1, READ_BEGAN = 2, READ_ENDED = 3, WRITE_BEGAN = 4, WRITE_ENDED = 5, CLOCK_READ = 6, NOTES = 1 << 20 };

typedef struct {
    int64_t ns;
    int32_t kind, value;
    void *caller;
} note_t;

static note_t *notes;
static uint64_t n_notes, n_kept; /* kept: up to here, whatever comes */
static pid_t main_thread;
static int (*real_clock)(clockid_t, struct timespec *);
static __thread int is_main; /* 0: not known yet */

static void note(int kind, int64_t value, void *caller) {
    struct timespec now;
    if (!notes) return;
    if (is_main == 0) is_main = syscall(SYS_gettid) == main_thread ? 1 : -1;
    if (is_main < 0) return;
    if (kind == READ_ENDED || kind == WRITE_ENDED) n_kept = n_notes + 1;
    real_clock(CLOCK_REALTIME, &now);
    notes[n_notes++ % NOTES] = (note_t){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec, kind, (int32_t)value, caller};
}

/* A turn of the loop that neither read nor wrote leaves nothing: a loop that spins would be all there is. */
static void note_wait(int answer) {
    if (is_main < 0) return;
    n_notes = n_kept;
    if (answer > 0) note(WAITED, answer, NULL);
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("PENSTOCK_PROBE");
    *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    main_thread = (pid_t)syscall(SYS_gettid);
    if (!file || !strcmp(program_invocation_short_name, "load")) return;
    note_t *memory = mmap(NULL, NOTES * sizeof(note_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                          -1, 0);
    if (memory != MAP_FAILED) notes = memory;
}

__attribute__((destructor)) static void end(void) {
    char name[4096];
    Dl_info info;
    note_t *kept = notes;
    if (!kept || (pid_t)syscall(SYS_gettid) != main_thread || getpid() != main_thread) return;
    notes = NULL;
    snprintf(name, sizeof name, "%s.%d", getenv("PENSTOCK_PROBE"), main_thread);
    FILE *file = fopen(name, "w");
    if (!file) return;
    for (uint64_t i = n_notes > NOTES ? n_notes - NOTES : 0; i < n_notes; i++) {
        note_t *each = kept + i % NOTES;
        const char *object = each->caller && dladdr(each->caller, &info) && info.dli_fname ? info.dli_fname : "-";
        uintptr_t base = *object == '-' ? 0 : (uintptr_t)info.dli_fbase;
        const char *slash = strrchr(object, '/');
        fprintf(file, "%lld %d %d %s+%lx\n", (long long)each->ns, each->kind, each->value, slash ? slash + 1 : object,
                (unsigned long)((uintptr_t)each->caller - base));
    }
    fclose(file);
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

#define NOTED(type, began, ended, value, call) \
    note(began, value, __builtin_return_address(0)); \
    type answer = call; \
    note(ended, answer, NULL); \
    return answer

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real_clock) *(void **)&real_clock = dlsym(RTLD_NEXT, "clock_gettime");
    note(CLOCK_READ, clock, __builtin_return_address(0));
    return real_clock(clock, now);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int wait_ms) {
    REAL(int, "epoll_wait", int, struct epoll_event *, int, int);
    int answer = real(epoll, events, most, wait_ms);
    note_wait(answer);
    return answer;
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int wait_ms, const sigset_t *mask) {
    REAL(int, "epoll_pwait", int, struct epoll_event *, int, int, const sigset_t *);
    int answer = real(epoll, events, most, wait_ms, mask);
    note_wait(answer);
    return answer;
}

ssize_t read(int fd, void *out, size_t room) {
    REAL(ssize_t, "read", int, void *, size_t);
    NOTED(ssize_t, READ_BEGAN, READ_ENDED, fd, real(fd, out, room));
}

ssize_t recv(int fd, void *out, size_t room, int flags) {
    REAL(ssize_t, "recv", int, void *, size_t, int);
    NOTED(ssize_t, READ_BEGAN, READ_ENDED, fd, real(fd, out, room, flags));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    REAL(ssize_t, "recvmsg", int, struct msghdr *, int);
    NOTED(ssize_t, READ_BEGAN, READ_ENDED, fd, real(fd, message, flags));
}

ssize_t write(int fd, const void *bytes, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    NOTED(ssize_t, WRITE_BEGAN, WRITE_ENDED, (int64_t)size, real(fd, bytes, size));
}

ssize_t send(int fd, const void *bytes, size_t size, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    NOTED(ssize_t, WRITE_BEGAN, WRITE_ENDED, (int64_t)size, real(fd, bytes, size, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    NOTED(ssize_t, WRITE_BEGAN, WRITE_ENDED, (int64_t)message->msg_iovlen, real(fd, message, flags));
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    NOTED(ssize_t, WRITE_BEGAN, WRITE_ENDED, count, real(fd, parts, count));
}
