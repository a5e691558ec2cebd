"""What each turn of the event loop costs: whatever comes in during a turn waits for its end.

Measured in processor time of the loop's thread, so that being kept from running does not count; the wait for sockets does
not either. The kernel charges a thread for much that it does while that thread goes to sleep (a millisecond or two where it
looks for other work for the processor), so a turn is the lesser of processor time and time not spent waiting. libuv calls a
prepare handle once a turn, right before the loop waits, and counts the waiting. uvloop shows neither: libuv's own functions
are taken from its library. While the loop polls, turns are a microsecond long: the processor's time, which takes a system call,
is then read only now and then and at a turn that was not short.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from cpython.pycapsule cimport PyCapsule_GetPointer

from native.histogram cimport Histogram, histogram_record, histogram_t

import os

from uvloop import loop as uvloop_library

cdef extern from "<time.h>" nogil:
    enum:
        CLOCK_THREAD_CPUTIME_ID

cdef extern from "<dlfcn.h>" nogil:
    enum:
        RTLD_NOLOAD
        RTLD_NOW
    void* dlopen(const char* name, int mode)
    void* dlsym(void* library, const char* name)

ctypedef void (*handle_cb)(void* handle) noexcept nogil
ctypedef int (*init_fn)(void* loop, void* handle) noexcept nogil
ctypedef int (*start_fn)(void* handle, handle_cb called) noexcept nogil
ctypedef int (*stop_fn)(void* handle) noexcept nogil
ctypedef void (*unref_fn)(void* handle) noexcept nogil
ctypedef void (*close_fn)(void* handle, handle_cb closed) noexcept nogil
ctypedef uint64_t (*idle_fn)(void* loop) noexcept nogil
ctypedef int (*configure_fn)(void* loop, int option, ...) noexcept nogil
ctypedef size_t (*size_fn)(int kind) noexcept nogil

cdef enum:
    UV_PREPARE = 9               # uv_handle_type
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


cdef void on_closed(void* handle) noexcept nogil:
    free(handle)


cdef void on_prepare(void* handle) noexcept nogil:
    """Called by libuv, which runs without the interpreter's lock."""
    cdef turns_t* turns = <turns_t*>(<void**>handle)[0]
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

    `long_turns()`: (seconds since the start, ns) of turns above `long_ns`, LONG_KEPT at most; `n_long` counts all. `start()`
    raises OSError where uvloop's library does not show libuv's functions.
    """
    cdef readonly Histogram histogram
    cdef turns_t turns
    cdef void* library
    cdef void* handle

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

    def long_turns(self) -> list:
        """The newest long ones, oldest first."""
        cdef uint64_t first = max(<int64_t>self.turns.n_long - LONG_KEPT, 0), number
        return [(round(self.turns.newest[number % LONG_KEPT].at_ns / 1e9, 3), self.turns.newest[number % LONG_KEPT].took_ns)
                for number in range(first, self.turns.n_long)]

    cdef void* found(self, const char* name) except NULL:
        cdef void* function = dlsym(self.library, name)
        if function == NULL:
            raise OSError(f"uvloop's library does not show {name.decode()}: turns of the loop are not measured")
        return function

    def start(self, loop) -> None:
        """Measure this loop, which runs in this thread, from its next turn on."""
        cdef void* uv_loop
        cdef void* handle
        if self.handle != NULL:
            raise RuntimeError("turns are measured already")
        name = os.fsencode(uvloop_library.__file__)
        self.library = dlopen(<const char*>name, RTLD_NOW | RTLD_NOLOAD)
        if self.library == NULL:
            raise OSError("uvloop's library is not loaded")
        for each in (b"uv_prepare_init", b"uv_prepare_start", b"uv_prepare_stop", b"uv_unref", b"uv_close",
                     b"uv_loop_configure"):
            self.found(each)
        uv_loop = PyCapsule_GetPointer(uvloop_library.libuv_get_loop_t_ptr(loop), NULL)
        handle = calloc(1, (<size_fn>self.found(b"uv_handle_size"))(UV_PREPARE))
        if handle == NULL:
            raise MemoryError("no memory for a libuv handle")
        (<configure_fn>self.found(b"uv_loop_configure"))(uv_loop, UV_METRICS_IDLE_TIME)
        self.turns.loop = uv_loop
        self.turns.idle_time = <idle_fn>self.found(b"uv_metrics_idle_time")
        (<init_fn>self.found(b"uv_prepare_init"))(uv_loop, handle)
        (<void**>handle)[0] = <void*>&self.turns
        (<start_fn>self.found(b"uv_prepare_start"))(handle, on_prepare)
        (<unref_fn>self.found(b"uv_unref"))(handle)
        self.handle = handle
        self.turns.began_ns = clock_ns(CLOCK_MONOTONIC)

    def stop(self) -> None:
        """Measure no more; before the loop is closed, and with at least one turn to come."""
        if self.handle != NULL:
            (<stop_fn>self.found(b"uv_prepare_stop"))(self.handle)
            (<close_fn>self.found(b"uv_close"))(self.handle, on_closed)
            self.handle = NULL
