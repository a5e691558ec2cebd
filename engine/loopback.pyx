"""A connection to ourselves, on which the operating system's part of sending is rehearsed.

Of an order's way the system call is the dearest step, the dearer the longer nothing was sent (docs/benchmarks.md). Nothing may
be sent to a venue for practice, but what the system does on the way to a network device it does for any TCP connection.
"""

from libc.string cimport memset

import contextlib
import socket

CONNECT_TIMEOUT_S = 0.2

cdef enum:
    REQUEST_BYTES = 400        # as long as an order's request
    READ_MOST = 1600           # more than one of them: what was late for one read must not lie there for good

cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t send(int file, const void* data, size_t size, int flags)
    ssize_t recv(int file, void* data, size_t size, int flags)


cdef class Loopback:
    """Both ends of a TCP connection over the loopback device. Where there can be none, it does nothing.

    What is sent are zeros, read at once. A stranger who connects first is turned away.
    """

    def __cinit__(self):
        self.out = self.into = -1

    def __init__(self):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", 0)) as listener:
            self.sender = socket.create_connection(listener.getsockname(), CONNECT_TIMEOUT_S)
            self.receiver, address = listener.accept()
            if address != self.sender.getsockname():
                self.close()
                return
            for each in (self.sender, self.receiver):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.out, self.into = self.sender.fileno(), self.receiver.fileno()

    def close(self) -> None:
        """Close both ends; nothing is rehearsed any more."""
        self.out = self.into = -1
        for each in (self.sender, self.receiver):
            if each is not None:
                each.close()

    cdef int rehearse(self) noexcept:
        """Send a request's length to ourselves, and read what is there."""
        cdef char data[READ_MOST]
        if self.out >= 0:
            memset(data, 0, REQUEST_BYTES)
            send(self.out, data, REQUEST_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL)
            recv(self.into, data, READ_MOST, MSG_DONTWAIT)
        return 0
