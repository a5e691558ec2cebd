"""When the loop polls instead of sleeping: around a known opening, and for a little while after each frame (`run.spin`).

A processor that was asleep, and code that has not run for a second, cost several times what the code itself does (figures:
docs/benchmarks.md). So around an opening the loop stays awake, and the way of an order is rehearsed up to its first byte;
while it polls after frames the same is done for every instrument in turn. One part at a time: what comes in waits for its end.
"""

from libc.stdint cimport int32_t, int64_t

from cpython.object cimport PyObject

from engine.clock cimport steady_ns, wall_ns
from engine.libuv cimport EACH_IDLE, EachTurn, Libuv, about_of
from engine.loopback cimport Loopback
from engine.sequencer cimport REHEARSAL_PARTS, Sequencer

import asyncio


cdef int64_t look_ns = 50_000_000
cdef int64_t rehearse_ns = 15_000
IDLE_CHECK_S = 0.001
LOOK_S = look_ns / 1e9
REHEARSE_NS = rehearse_ns
REHEARSED_AT_ONCE = 4

cdef enum:
    SYSTEMS_SHARE = 4          # once in so many rounds: it is the dearest part

ctypedef struct awake_t:
    int64_t due_ns          # when the next rehearsal is
    PyObject* owner         # while the handle is open


cdef void on_idle(void* handle) noexcept nogil:
    """In each turn of a loop that polls. Mostly nothing is due, and the lock is not asked for."""
    cdef awake_t* awake = <awake_t*>about_of(handle)
    if steady_ns() >= awake.due_ns:
        with gil:
            (<Awake>awake.owner).turn()


cdef class Awake:
    """Keeps the loop from sleeping, and rehearses orders meanwhile. One task has it at a time."""

    cdef Sequencer sequencer
    cdef object loop
    cdef object next_turn            # this object's own `turn`, bound once
    cdef object timer                # of the next turn, where it does not come of itself
    cdef EachTurn each_turn          # None: the loop is not uvloop's
    cdef awake_t polling
    cdef object ended
    cdef int64_t after_frames_ns
    cdef int64_t around_ns
    cdef int64_t since_ns            # frames before this do not count
    cdef int64_t look_at_ns
    cdef int32_t instrument
    cdef int part                    # of a rehearsal, the next one; REHEARSAL_PARTS: the system's
    cdef unsigned int rounds         # of all parts
    cdef list opening
    cdef bint is_awake
    cdef Loopback loopback

    def __init__(self, Sequencer sequencer not None):
        self.sequencer = sequencer
        self.opening = []

    async def keep(self, *, int64_t around_ms, int64_t after_frames_ms):
        """Poll from `around_ms` before an opening until as long after it, and `after_frames_ms` after the newest frame; 0: never.

        Meanwhile a part is rehearsed every REHEARSE_NS, around an opening of what opens, else of one instrument after another.
        """
        self.loop = asyncio.get_running_loop()
        self.ended = self.loop.create_future()
        self.next_turn = self.turn
        self.loopback = Loopback()
        self.around_ns, self.after_frames_ns = around_ms * 1_000_000, after_frames_ms * 1_000_000
        self.since_ns = self.sequencer.frame_ended_ns
        self.bind(self.loop)
        self.turn()
        try:
            await self.ended
        finally:
            self.rest()
            self.loopback.close()
            if self.each_turn is not None:
                self.each_turn.close()

    cdef int bind(self, loop) except -1:
        try:
            uv = Libuv(loop)
            each_turn = EachTurn()
            each_turn.open(uv, EACH_IDLE, on_idle, &self.polling)
            self.polling.owner = <PyObject*>self
            self.each_turn = each_turn
        except OSError:
            self.each_turn = None
        return 0

    cpdef turn(self):
        """One look at the clock, the frames and the openings; the event loop calls the next one."""
        cdef int64_t now_ns = steady_ns()
        cdef bint is_awake
        try:
            is_awake = self.look(now_ns)
            if is_awake and now_ns >= self.polling.due_ns:
                self.rehearse()
                self.polling.due_ns = now_ns + rehearse_ns
        except BaseException as error:  # raised where somebody awaits it
            self.rest()
            self.ended.set_exception(error)
            return
        if not is_awake:
            self.rest()
            self.timer = self.loop.call_later(IDLE_CHECK_S if self.after_frames_ns else LOOK_S, self.next_turn)
        elif self.each_turn is None:  # what is called soon has a loop poll its sockets without waiting
            self.timer = self.loop.call_soon(self.next_turn)
        elif not self.is_awake:
            self.timer = None
            self.each_turn.start()
        self.is_awake = is_awake

    cdef int rest(self) except -1:
        """No turn comes any more, until somebody asks for one."""
        if self.timer is not None:
            self.timer.cancel()
        if self.each_turn is not None:
            self.each_turn.stop()
        self.is_awake = False
        return 0

    cpdef rehearse_after(self, int32_t instrument):
        """After a frame: rehearse on its instrument, or do not sleep before the next one, which rehearses as well."""
        if not self.after_frames_ns or self.ended is None or self.ended.done():
            self.sequencer.rehearse(instrument)
        elif not self.is_awake:
            self.rest()
            self.turn()

    cdef bint look(self, int64_t now_ns) except -1:
        """Whether the loop is not to sleep."""
        cdef int64_t utc_ns
        if self.around_ns and now_ns >= self.look_at_ns:
            utc_ns = wall_ns()
            self.opening = self.sequencer.core.openings(utc_ns - self.around_ns, utc_ns + self.around_ns)
            self.look_at_ns = now_ns + look_ns
        return (self.sequencer.frame_ended_ns > self.since_ns
                and now_ns < self.sequencer.frame_ended_ns + self.after_frames_ns) or len(self.opening) > 0

    cdef int rehearse(self) except -1:
        """The next part: with what opens, else with the instrument whose turn it is."""
        cdef int32_t count = <int32_t>self.sequencer.core.c.totals.instruments
        cdef int32_t opening = <int32_t>min(len(self.opening), REHEARSED_AT_ONCE)
        if self.part == REHEARSAL_PARTS:
            self.part = 0
            self.rounds += 1
            if self.rounds % SYSTEMS_SHARE == 0:
                self.loopback.rehearse()
            return 0
        if opening or count:
            if self.part == 0:
                self.instrument = (self.instrument + 1) % (opening or count)
            self.sequencer.rehearse_part(self.opening[self.instrument % opening] if opening else self.instrument, self.part)
        self.part += 1
        return 0
