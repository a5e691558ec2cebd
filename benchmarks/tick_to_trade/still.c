/* What the machine takes from a thread that has next to nothing to do: the floor of the pause benchmark.
 *
 *     still SECONDS
 *
 * Turns of a loop that looks at the clock for BUSY_NS and sleeps for ASLEEP_NS. A turn is measured as the daemon's are
 * (engine/turns.pyx): the lesser of its thread's processor time and the time that it did not sleep. Says `turns COUNT LONG
 * LONGEST_NS`, LONG being those above LONG_NS.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BUSY_NS = 100000, ASLEEP_NS = 150000, LONG_NS = 1000000 };

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t turn_ns(void) {
    int64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), began_ns = clock_ns(CLOCK_MONOTONIC), now_ns;
    do
        now_ns = clock_ns(CLOCK_MONOTONIC);
    while (now_ns - began_ns < BUSY_NS);
    cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    return cpu_ns < now_ns - began_ns ? cpu_ns : now_ns - began_ns;
}

int main(int count, char **arguments) {
    int64_t turns = 0, over = 0, longest_ns = 0;
    double seconds = count == 2 ? atof(arguments[1]) : 0;
    if (seconds <= 0) {
        fputs("usage: still SECONDS\n", stderr);
        return 2;
    }
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    while (clock_ns(CLOCK_MONOTONIC) < until_ns) {
        struct timespec asleep = {0, ASLEEP_NS};
        int64_t took_ns = turn_ns();
        turns++;
        over += took_ns > LONG_NS;
        if (took_ns > longest_ns) longest_ns = took_ns;
        nanosleep(&asleep, NULL);
    }
    printf("turns %lld %lld %lld\n", (long long)turns, (long long)over, (long long)longest_ns);
    return 0;
}
