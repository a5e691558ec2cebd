"""What lets an operator's command overtake market data: a look, between two frames of one read, whether one has come."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

# A look costs a system call.
cdef int64_t LOOK_NS = 2_500
cdef unsigned int STRANGERS_SHARE = 4
# After a pause the event loop has just asked about all of them.
cdef int64_t PAUSE_NS = 50_000


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

    cdef int look(self, int64_t now_ns) except -1:
        """Carry out what has come, looked for once in LOOK_NS; one after the other where several wait."""
        cdef epoll_event event
        if now_ns - self.looked_ns < LOOK_NS:
            return 0
        self.looks = 1 if now_ns - self.looked_ns > PAUSE_NS else self.looks + 1
        self.looked_ns = now_ns
        # To read where the last one came from, and find nothing, costs no more than to ask where there is something.
        if self.serve_nearest() == SERVE_OTHERS or self.looks % STRANGERS_SHARE == 0:
            if epoll_wait(self.epoll, &event, 1, 0) > 0:
                self.serve(event.data.fd)
        return 0

    cdef int serve_nearest(self) except -1:
        """Carry out what was sent by whoever is likeliest to; SERVE_OTHERS where there is nobody to look at."""
        return SERVE_OTHERS

    cpdef serve(self, int number):
        """Carry out what was sent by the one of this number."""

    cpdef rehearse(self):
        """Go a command's way with nothing read, carried out or remembered. Called many times a second."""
