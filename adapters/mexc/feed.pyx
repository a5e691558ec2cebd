"""The websocket listener: binary frames go straight to the sequencer, text frames to the connection that supervises.

Compiled against picows' own classes, so that a market data frame makes no Python object on its way in.
"""

from libc.stdint cimport int64_t, uint16_t
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from engine.sequencer cimport Sequencer


cdef extern from "netinet/in.h" nogil:
    int IPPROTO_TCP

cdef extern from "netinet/tcp.h" nogil:
    int TCP_QUICKACK

cdef extern from "sys/socket.h" nogil:
    int setsockopt(int socket, int level, int name, const void *value, unsigned int size)

cdef enum:
    OVER = -1

# Linux goes back to an acknowledgement within each read once one is 40 ms late.
cdef int64_t LULL_NS = 30_000_000


cdef inline int64_t clock_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(<int>clock, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef class FeedListener(WSListener):
    """One connection's ears.

    `sequencer` is an `engine.sequencer.Sequencer`, or anything with its `ingest_frame_bytes` (a recorder);
    `control` gets `on_first_frame()`, `on_text(str)`, `on_closed()`, `on_oversized()`, `on_violation(str)` for what RFC 6455
    forbids, and `on_unread()`. A message in fragments is put together up to `max_message_bytes`; a longer one ends the
    connection, as any violation does, and nothing behind it counts.
    """
    cdef Sequencer native
    cdef object sequencer
    cdef object control
    cdef uint16_t source
    cdef Py_ssize_t max_message_bytes
    cdef bytearray fragments
    cdef int fragments_type  # of the message under way; 0: none, OVER: nothing counts any more
    cdef readonly int64_t frames
    cdef readonly int64_t bytes_received
    cdef int64_t last_frame_ns
    cdef int socket

    def __init__(self, sequencer, uint16_t source, control, Py_ssize_t max_message_bytes):
        self.divert(sequencer)
        self.control = control
        self.source = source
        self.max_message_bytes = max_message_bytes
        self.fragments = bytearray()
        self.fragments_type = 0
        self.frames = 0
        self.bytes_received = 0
        self.last_frame_ns = clock_ns(CLOCK_MONOTONIC)
        self.socket = -1

    def divert(self, sequencer) -> None:
        """Hand frames to another sequencer, or to anything with its `ingest_frame_bytes`, from now on."""
        self.native = sequencer if isinstance(sequencer, Sequencer) else None
        self.sequencer = sequencer

    def silent_s(self) -> float:
        """Seconds since the last data frame, or since the connection was made."""
        return (clock_ns(CLOCK_MONOTONIC) - self.last_frame_ns) / 1e9

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        """picows calls this for each frame."""
        if (
            frame.msg_type == WSMsgType.BINARY
            and frame.fin
            and self.fragments_type == 0
            and not (frame.rsv1 | frame.rsv2 | frame.rsv3)
            and frame.payload_size <= self.max_message_bytes
        ):
            self.take_data(frame.payload_ptr, frame.payload_size, frame.tail_size > 0)
        else:
            self.take_other(transport, frame)

    cpdef on_ws_connected(self, WSTransport transport):
        """picows calls this once, first."""
        sock = transport.underlying_transport.get_extra_info("socket")
        self.socket = -1 if sock is None else sock.fileno()
        self.acknowledge_later()

    cpdef pause_writing(self):
        """picows calls this where what we send piles up: the little that we send is not read."""
        self.control.on_unread()

    cpdef on_ws_disconnected(self, WSTransport transport):
        """picows calls this once, at the end."""
        self.socket = -1
        self.control.on_closed()

    cdef void acknowledge_later(self) noexcept:
        """Have the system acknowledge what comes with later packets, and not within each read of it."""
        cdef int off = 0
        if self.socket >= 0:
            setsockopt(self.socket, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off))

    cdef int take_data(self, const char* payload, Py_ssize_t size, bint is_followed) except -1:
        """One message; `is_followed`: more came with it, and a command may overtake all of them."""
        cdef int64_t now_ns = clock_ns(CLOCK_MONOTONIC), since_ns = now_ns - self.last_frame_ns
        self.frames += 1
        self.bytes_received += size
        self.last_frame_ns = now_ns
        if self.frames == 1:
            self.control.on_first_frame()
        if self.native is not None:
            if is_followed:
                self.native.heed_commands(now_ns)
            self.native.ingest_frame(self.source, payload, size, clock_ns(CLOCK_REALTIME))
        else:
            self.sequencer.ingest_frame_bytes(self.source, payload[:size])
        if since_ns > LULL_NS:
            self.acknowledge_later()
        return 0

    cdef int take_other(self, WSTransport transport, WSFrame frame) except -1:
        """Text, control frames, fragments and what is too large: the cold path."""
        cdef int kind = <int>frame.msg_type
        if self.fragments_type == OVER:
            return 0
        if frame.rsv1 | frame.rsv2 | frame.rsv3:
            return self.violated(transport, "a reserved bit is set: no compression was agreed on")
        if kind == WSMsgType.CLOSE:
            transport.disconnect()
        if kind not in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            return 0
        if (kind == WSMsgType.CONTINUATION) != (self.fragments_type != 0):
            return self.violated(transport, "a message begins within another, or goes on that never began")
        if kind != WSMsgType.CONTINUATION:
            self.fragments_type = kind
        if len(self.fragments) + frame.payload_size > self.max_message_bytes:
            self.end(transport)
            self.control.on_oversized()
            return 0
        self.fragments += frame.get_payload_as_bytes()
        if frame.fin:
            self.finish_message()
        return 0

    cdef int violated(self, WSTransport transport, str what) except -1:
        self.end(transport)
        self.control.on_violation(what)
        return 0

    cdef int end(self, WSTransport transport) except -1:
        """Give the connection up; frames that were read with the faulty one are not taken in."""
        self.fragments.clear()
        self.fragments_type = OVER
        transport.disconnect(False)
        return 0

    cdef int finish_message(self) except -1:
        cdef bytes message = bytes(self.fragments)
        cdef int kind = self.fragments_type
        self.fragments.clear()
        self.fragments_type = 0
        if kind == WSMsgType.BINARY:
            self.take_data(message, len(message), False)
        elif kind == WSMsgType.TEXT:
            self.control.on_text(message.decode("utf-8", "replace"))
        return 0
