/* What the machine adds to a short piece of work that has a processor for itself: the floor of the priority lane.
 *
 *     alone WORK_NS SECONDS
 *
 * Work is due every EVERY_NS by the clock, which is no part of the system's tick, whatever the machine does meanwhile. It is
 * done after WORK_NS of this program's own time: of a loop that looks at the clock, what passes between two looks, but for what
 * is longer than PAUSE_NS, which something else took. Says `waits COUNT P50 P90 P99 MAX`, ns from when it was due until it was
 * done.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVERY_NS = 211057, PAUSE_NS = 1000, MOST = 1000000 };

static int64_t waits_ns[MOST];

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* When so much work is done that was due at this moment. */
static int64_t done_ns(int64_t due_ns, int64_t work_ns) {
    int64_t now_ns = clock_ns(), last_ns, own_ns = 0;
    while (now_ns < due_ns) now_ns = clock_ns();
    while (own_ns < work_ns) {
        last_ns = now_ns;
        now_ns = clock_ns();
        if (now_ns - last_ns < PAUSE_NS) own_ns += now_ns - last_ns;
    }
    return now_ns;
}

int main(int count, char **arguments) {
    int64_t work_ns = count == 3 ? atoll(arguments[1]) : 0;
    double seconds = count == 3 ? atof(arguments[2]) : 0;
    long number = 0, most = (long)(seconds * 1e9 / EVERY_NS);
    if (work_ns <= 0 || most <= 0 || most > MOST) {
        fputs("usage: alone WORK_NS SECONDS\n", stderr);
        return 2;
    }
    int64_t due_ns = clock_ns() + EVERY_NS, began_ns;
    for (; number < most; number++, due_ns += EVERY_NS) {
        began_ns = clock_ns();
        if (began_ns > due_ns) due_ns += (began_ns - due_ns) / EVERY_NS * EVERY_NS; /* one at a time, as commands come */
        waits_ns[number] = done_ns(due_ns, work_ns) - due_ns;
    }
    qsort(waits_ns, (size_t)number, sizeof *waits_ns, by_size);
    printf("waits %ld %lld %lld %lld %lld\n", number, (long long)waits_ns[number / 2], (long long)waits_ns[number * 9 / 10],
           (long long)waits_ns[number * 99 / 100], (long long)waits_ns[number - 1]);
    return 0;
}
