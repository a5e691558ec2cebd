"""The writing side of one order connection: bytes go straight into the socket, without an event loop's detours."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno

cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_NOSIGNAL
    ssize_t send(int socket, const void *data, size_t size, int flags)


cdef class OrderWire:
    """Over a transport of the event loop, whose socket it shares. tls: a TlsLayer, or None.

    `is_free` is the connection's: whether a request may be written now. What is written to the transport otherwise than by
    this class must have left before that.
    """

    def __cinit__(self, transport, int socket, tls):
        self.transport = transport
        self.socket = socket
        self.tls = tls
        if tls is not None:
            self.encrypt, self.take_encrypted = tls.encrypt, tls.take_encrypted
        self.is_free = False
        self.is_backed_up = False

    def write(self, data: bytes) -> None:
        """Encrypt and send; what the socket has no room for now follows through the transport. Raises OSError."""
        self.put(data, len(data))

    cdef bint has_room(self) except -1:
        """Whether bytes may go straight into the socket: nothing waits before them."""
        if self.is_backed_up:
            self.is_backed_up = bool(self.transport.get_write_buffer_size())
        return self.socket >= 0 and not self.is_backed_up

    cdef int rehearse(self, const char *data, Py_ssize_t size) except -1:
        """Encrypt these bytes for nobody, and send none: all of it is at hand when there is something to send."""
        cdef bytes owed
        if self.tls is not None:
            owed = self.tls.rehearse(PyBytes_FromStringAndSize(data, size))
            if owed:
                self.give(PyBytes_AS_STRING(owed), PyBytes_GET_SIZE(owed))
        if self.has_room():
            send(self.socket, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL)
        return 0

    cdef int put(self, const char *data, Py_ssize_t size) except -1:
        cdef bytes sealed
        if self.tls is not None:
            self.encrypt(PyBytes_FromStringAndSize(data, size))
            sealed = self.take_encrypted()
            return self.give(PyBytes_AS_STRING(sealed), PyBytes_GET_SIZE(sealed))
        return self.give(data, size)

    cdef int give(self, const char *data, Py_ssize_t size) except -1:
        """Send these very bytes."""
        cdef ssize_t sent = 0
        if self.has_room():
            sent = send(self.socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
            if sent < 0 and errno != EAGAIN and errno != EINTR:
                PyErr_SetFromErrno(OSError)
        if sent < size:
            sent = max(sent, 0)
            self.is_backed_up = True
            self.transport.write(PyBytes_FromStringAndSize(data + sent, size - sent))
        return 0


cdef class Wired:
    """Whatever has a wire, where compiled callers find it; None until there is one.

    `gone` is the order lane's request that is on its way while nobody waits for its answer: one that comes before somebody does
    is put into its `answer`.
    """
