/* What the machine adds to a short piece of work that has a processor for itself: the floor of the priority lane.
 *
 *     alone WORK_NS SECONDS
 *
 * Work is due every EVERY_NS by the clock, which is no part of the system's tick, whatever the machine does meanwhile. It is
 * done after WORK_NS of this program's own time: of a loop that looks at the clock, what passes between two looks, but for what
 * is longer than PAUSE_NS, which something else took for the most part. What would be due before the last one was done is left
 * out, as commands are that wait for their answers, and so is the first tenth of a second. Says `waits COUNT P50 P90 P99 MAX`,
 * ns from when it was due until it was done.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVERY_NS = 211057, PAUSE_NS = 1000, SECONDS_MOST = 200, MOST = SECONDS_MOST * 4800, WARM_UP = 500 };

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
    if (work_ns <= 0 || !(seconds >= 1 && seconds <= SECONDS_MOST)) {
        fputs("usage: alone WORK_NS SECONDS\n", stderr);
        return 2;
    }
    long number, most = (long)(seconds * 1e9 / EVERY_NS);
    int64_t due_ns = clock_ns(), ended_ns = due_ns;
    for (number = -WARM_UP; number < most; number++) {
        while (due_ns <= ended_ns) due_ns += EVERY_NS;
        ended_ns = done_ns(due_ns, work_ns);
        if (number >= 0) waits_ns[number] = ended_ns - due_ns;
    }
    qsort(waits_ns, (size_t)number, sizeof *waits_ns, by_size);
    printf("waits %ld %lld %lld %lld %lld\n", number, (long long)waits_ns[number / 2], (long long)waits_ns[number * 9 / 10],
           (long long)waits_ns[number * 99 / 100], (long long)waits_ns[number - 1]);
    return 0;
}
