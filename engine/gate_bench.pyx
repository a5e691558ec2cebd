"""Times the gate from inside, with no Python between two checks; for benchmarks/micro/gate.py.

An intent is (strategy, instrument, side, order_type, price_ticks, size_lots, key), as strategies propose it.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from engine.core.engine cimport Engine
from engine.core.risk.gate cimport gate_check, intent_t, verdict_t
from native.histogram cimport Histogram

cdef extern from "native/stopwatch.h" nogil:
    int64_t stopwatch_ns()


cdef class Intents:
    """A list of intents in native memory."""
    cdef intent_t* items
    cdef size_t count

    def __cinit__(self, intents):
        self.count = len(intents)
        if self.count == 0:
            raise ValueError("there must be at least one intent to judge")
        self.items = <intent_t*>calloc(self.count, sizeof(intent_t))
        if self.items == NULL:
            raise MemoryError("no memory for the intents")
        for i, (strategy, instrument, side, order_type, price_ticks, size_lots, key) in enumerate(intents):
            self.items[i].strategy = strategy
            self.items[i].instrument = instrument
            self.items[i].side = side
            self.items[i].order_type = order_type
            self.items[i].price_ticks = price_ticks
            self.items[i].size_lots = size_lots
            self.items[i].key = key

    def __dealloc__(self):
        free(self.items)

    cdef int require_approved(self, Engine core) except -1:
        """A denial ends a check early, and would be timed as if it were a whole one."""
        cdef verdict_t verdict
        cdef size_t i
        for i in range(self.count):
            if gate_check(core.c, &self.items[i], &verdict):
                raise ValueError(f"intent {i} is denied for reason {verdict.reason}: only approvals are timed")
        return 0


def time_checks(Engine core not None, intents, batch: int, samples: int) -> list:
    """Mean ns of an approving check, one sample a batch; the intents are taken in turn. ValueError where one is denied."""
    cdef Intents prepared = Intents(intents)
    cdef verdict_t verdict
    cdef uint32_t i, in_batch = batch
    cdef size_t at = 0
    cdef int64_t started, taken
    cdef int denied = 0
    prepared.require_approved(core)
    found = []
    for _ in range(samples):
        started = stopwatch_ns()
        with nogil:
            for i in range(in_batch):
                denied |= gate_check(core.c, &prepared.items[at], &verdict)
                at = at + 1 if at + 1 < prepared.count else 0
        taken = stopwatch_ns() - started
        found.append(taken / <double>in_batch)
    if denied:
        raise ValueError("an intent was denied in between: only approvals are timed")
    return found


def time_single_checks(Engine core not None, intents, count: int) -> Histogram:
    """Ns of each of `count` approving checks, the two readings of the clock included. ValueError where one is denied."""
    cdef Intents prepared = Intents(intents)
    cdef Histogram times = Histogram()
    cdef verdict_t verdict
    cdef uint64_t i, checks = count
    cdef size_t at = 0
    cdef int64_t started
    cdef int denied = 0
    prepared.require_approved(core)
    with nogil:
        for i in range(checks):
            started = stopwatch_ns()
            denied |= gate_check(core.c, &prepared.items[at], &verdict)
            times.add(stopwatch_ns() - started)
            at = at + 1 if at + 1 < prepared.count else 0
    if denied:
        raise ValueError("an intent was denied in between: only approvals are timed")
    return times
