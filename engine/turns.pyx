"""What each turn of the event loop costs: whatever comes in during a turn waits for its end.

Measured in processor time of the loop's thread, so that being kept from running does not count; the wait for sockets does
not either. The kernel charges a thread for much that it does while that thread goes to sleep (a millisecond or two where it
looks for other work for the processor), so a turn is the lesser of processor time and time not spent waiting, which libuv counts.
While the loop polls, turns are a microsecond long: the processor's time, which takes a system call,
is then read only now and then and at a turn that was not short.
"""

from libc.stdint cimport int64_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from engine.libuv cimport EACH_PREPARE, EachTurn, Libuv, about_of
from native.histogram cimport Histogram, histogram_record, histogram_t

cdef extern from "<time.h>" nogil:
    enum:
        CLOCK_THREAD_CPUTIME_ID

ctypedef uint64_t (*idle_fn)(void* loop) noexcept nogil
ctypedef int (*configure_fn)(void* loop, int option, ...) noexcept nogil

cdef enum:
    UV_METRICS_IDLE_TIME = 1     # uv_loop_option
    LONG_KEPT = 256
    SHORT_NS = 20_000
    UNREAD_MOST = 16             # turns; what they took may count for one that was not short


ctypedef struct long_turn_t:
    int64_t at_ns
    int64_t took_ns

ctypedef struct turns_t:
    histogram_t* histogram
    int64_t long_ns
    int64_t began_ns     # monotonic
    void* loop
    idle_fn idle_time
    int64_t cpu_ns       # the thread's processor time, as it was last read; 0: never
    int64_t ended_ns     # monotonic
    int64_t idle_ns      # waited so far
    uint64_t n_turns
    bint is_over         # turns are counted, and not measured
    uint64_t n_long
    long_turn_t newest[LONG_KEPT]


cdef inline int64_t clock_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef void on_prepare(void* handle) noexcept nogil:
    cdef turns_t* turns = <turns_t*>about_of(handle)
    cdef int64_t now_ns = clock_ns(CLOCK_MONOTONIC), idle_ns = <int64_t>turns.idle_time(turns.loop), cpu_ns
    cdef int64_t waited_ns = idle_ns - turns.idle_ns, took_ns = now_ns - turns.ended_ns - waited_ns
    turns.n_turns += 1
    if turns.is_over:
        return
    turns.ended_ns, turns.idle_ns = now_ns, idle_ns
    if took_ns >= SHORT_NS or waited_ns >= SHORT_NS or turns.n_turns % UNREAD_MOST == 0 or not turns.cpu_ns:
        cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID)
        if not turns.cpu_ns:  # the first one began somewhere
            turns.cpu_ns = cpu_ns
            return
        took_ns, turns.cpu_ns = min(cpu_ns - turns.cpu_ns, took_ns), cpu_ns
    histogram_record(turns.histogram, took_ns)
    if took_ns > turns.long_ns:
        turns.newest[turns.n_long % LONG_KEPT].at_ns = now_ns - turns.began_ns
        turns.newest[turns.n_long % LONG_KEPT].took_ns = took_ns
        turns.n_long += 1


cdef class Turns:
    """The turns of a running uvloop loop, from `start()` to `stop()`: a histogram of ns and the newest long ones.

    `long_turns()`: (seconds since the start when it ended, ns) of turns above `long_ns`, LONG_KEPT at most; `n_long` counts all,
    `began_ns` is the start by the monotonic clock. `start()` raises OSError where uvloop's library does not show libuv's
    functions.
    """
    cdef readonly Histogram histogram
    cdef turns_t turns
    cdef EachTurn each_turn

    def __cinit__(self, int64_t long_ns=1_000_000):
        self.histogram = Histogram()
        self.turns.histogram = self.histogram.data
        self.turns.long_ns = long_ns

    def end(self) -> None:
        """Go on counting turns, and measure no more of them: what is left is the end of the session."""
        self.turns.is_over = True

    @property
    def counter_address(self) -> int:
        """Where the number of turns lies, a u64, while this object lives."""
        return <size_t>&self.turns.n_turns

    @property
    def n_long(self) -> int:
        return self.turns.n_long

    @property
    def began_ns(self) -> int:
        return self.turns.began_ns

    def long_turns(self) -> list:
        """The newest long ones, oldest first."""
        cdef uint64_t first = max(<int64_t>self.turns.n_long - LONG_KEPT, 0), number
        return [(round(self.turns.newest[number % LONG_KEPT].at_ns / 1e9, 6), self.turns.newest[number % LONG_KEPT].took_ns)
                for number in range(first, self.turns.n_long)]

    def start(self, loop) -> None:
        """Measure this loop, which runs in this thread, from its next turn on."""
        cdef Libuv uv = Libuv(loop)
        if self.each_turn is not None:
            raise RuntimeError("turns are measured already")
        configure = <configure_fn>uv.function(b"uv_loop_configure")
        self.turns.loop = uv.loop
        self.turns.idle_time = <idle_fn>uv.function(b"uv_metrics_idle_time")
        each_turn = EachTurn()
        each_turn.open(uv, EACH_PREPARE, on_prepare, &self.turns)
        configure(uv.loop, UV_METRICS_IDLE_TIME)
        self.turns.began_ns = clock_ns(CLOCK_MONOTONIC)
        self.each_turn = each_turn
        self.each_turn.start()

    def stop(self) -> None:
        """Measure no more; before the loop is closed, and with at least one turn to come."""
        if self.each_turn is not None:
            self.each_turn.close()
            self.each_turn = None
