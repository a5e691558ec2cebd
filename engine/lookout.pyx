"""What lets an operator's command overtake market data: a look, between two frames of one read, whether one has come."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

# A look costs a system call.
cdef int64_t LOOK_NS = 2_500


cdef extern from "sys/epoll.h" nogil:
    union epoll_data_t:
        int fd
        uint64_t u64
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_wait(int epoll, epoll_event* events, int most, int timeout_ms)


cdef class Lookout:
    """Where commands come from: `engine.control_server`. `epoll`, a descriptor, is readable while one waits."""

    def __cinit__(self, *_, **__):
        self.epoll = -1

    cdef int sees(self, int64_t now_ns) noexcept:
        """The number that `serve` takes where somebody waits, else -1; looked for once in LOOK_NS."""
        cdef epoll_event event
        if now_ns - self.looked_ns < LOOK_NS:
            return -1
        self.looked_ns = now_ns
        return event.data.fd if epoll_wait(self.epoll, &event, 1, 0) > 0 else -1

    cpdef serve(self, int number):
        """Carry out what was sent by the one of this number."""

    cpdef rehearse(self):
        """Go a command's way with nothing read, carried out or remembered. Called many times a second."""
