"""What lets an operator's command overtake market data: a look, between two frames of one read, whether one has come."""

from libc.stdint cimport int64_t, uint32_t

# A look costs a system call.
cdef int64_t LOOK_NS = 10_000
# A command comes once in a long while: its way is gone this often for nothing, so that it is at hand.
cdef int64_t REHEARSE_NS = 200_000


cdef extern from "sys/epoll.h" nogil:
    struct epoll_event:
        uint32_t events
    int epoll_wait(int epoll, epoll_event* events, int most, int timeout_ms)


cdef class Lookout:
    """`epoll`: a descriptor that is readable while a command waits; `obey()` carries it out, `rehearsal()` goes the same way
    with nothing read or carried out."""

    def __init__(self, int epoll, obey, rehearsal):
        self.epoll, self.obey, self.rehearsal = epoll, obey, rehearsal

    cdef bint sees(self, int64_t now_ns) noexcept:
        """Whether a command waits; looked for once in LOOK_NS."""
        cdef epoll_event event
        if now_ns - self.looked_ns < LOOK_NS:
            return False
        self.looked_ns = now_ns
        return epoll_wait(self.epoll, &event, 1, 0) > 0

    cdef bint is_due(self, int64_t now_ns) noexcept:
        """Whether the rehearsal is; then the next one is REHEARSE_NS away."""
        if now_ns - self.rehearsed_ns < REHEARSE_NS:
            return False
        self.rehearsed_ns = now_ns
        return True
