"""Bytes into a socket at once, without an event loop's detours."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t send(int socket, const void *data, size_t size, int flags)


cpdef Py_ssize_t send_now(int socket, bytes data) except -1:
    """How many of the bytes the socket took without waiting, 0 where it has no room; raises OSError. socket: its number."""
    cdef ssize_t sent
    while True:
        sent = send(socket, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), MSG_DONTWAIT | MSG_NOSIGNAL)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
