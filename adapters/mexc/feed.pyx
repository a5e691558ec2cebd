"""The websocket listener: binary frames go straight to the sequencer, text frames to the connection that supervises.

Compiled against picows' own classes, so that a market data frame makes no Python object on its way in.
"""

from libc.stdint cimport int64_t, uint16_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec

from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from engine.sequencer cimport Sequencer

from asyncio import get_running_loop


cdef double QUIET_S = 0.1

cdef extern from "<sys/ioctl.h>" nogil:
    enum:
        FIONREAD
    int ioctl(int fd, unsigned long request, ...)

cdef extern from "netinet/in.h" nogil:
    int IPPROTO_TCP

cdef extern from "netinet/tcp.h" nogil:
    int TCP_QUICKACK

cdef extern from "sys/socket.h" nogil:
    int setsockopt(int socket, int level, int name, const void *value, unsigned int size)

cdef enum:
    OVER = -1
    READ_MOST = 1 << 14
    HELD_FIRST = 1 << 16
    HELD_KEPT = 1 << 20  # more memory than this is given back
    UNREAD_MOST = 1 << 16    # with no more than this unread a feed is not behind, but its venue
    CAUGHT_UP_PART = 16      # caught up: no further behind than this part of the limit
    EMPTY_READS_MOST = 64
    HELD_LEAST = 8       # frames of each feed in a turn, however little is left of it


cdef inline size_t entry_bytes(size_t size) noexcept nogil:
    return sizeof(size_t) + ((size + 7) & ~<size_t>7)


cdef inline int64_t clock_ns(int clock) noexcept nogil:
    cdef timespec now
    clock_gettime(<int>clock, &now)
    return <int64_t>now.tv_sec * 1_000_000_000 + now.tv_nsec


cdef int unread_bytes(WSTransport transport):
    """What the kernel has of a connection that was not read yet; 0 where it does not say."""
    cdef int count = 0
    if ioctl(transport._socket, FIONREAD, &count) != 0:
        return 0
    return count


cdef class SmallReads:
    """Stands between a transport and picows from the first burst on, and has it read READ_MOST bytes at a time.

    picows doubles its buffer whenever one read fills it, and keeps it: after some bursts a single read would hold thousands of
    frames, and the loop would look at nothing else for milliseconds. All else goes to picows.
    """
    cdef object transport
    cdef object picows
    cdef object get
    cdef object updated

    def __cinit__(self, WSTransport transport):
        self.transport = transport.underlying_transport

    cdef int begin(self) except -1:
        """Stand there, unless it does already, or picows has left."""
        picows = self.transport.get_protocol()
        if picows is not None and picows is not self:
            self.picows = picows
            self.get, self.updated = picows.get_buffer, picows.buffer_updated
            self.transport.set_protocol(self)
        return 0

    def get_buffer(self, hint):
        """Where the next bytes go."""
        room = self.get(hint)
        return room if len(room) <= READ_MOST else room[:READ_MOST]

    def buffer_updated(self, count):
        """So many are there."""
        self.updated(count)

    def __getattr__(self, name):
        return getattr(self.picows, name)


cdef class FeedListener(WSListener):
    """One connection's ears.

    `sequencer` is an `engine.sequencer.Sequencer`, or anything with its `ingest_frame_bytes` (a recorder);
    `control` gets `on_first_frame()`, `on_text(str)`, `on_closed()`, `on_conflation(on, frames, lag_ns)`, `on_oversized()`,
    `on_violation(str)` for what RFC 6455 forbids, and `on_unread()`. A message in fragments is put together up to
    `max_message_bytes`; a longer one ends the connection, as any violation does, and nothing behind it counts.

    Frames have a share of each turn of the loop (engine.backlog): what was read beyond it is held for the next turn, and
    nothing more is read meanwhile. Where the feed is too old all the same, frames are left out until its newest are there.
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
    cdef char* held            # frames that wait for the loop's next turn: a size_t, then the frame, each padded to 8
    cdef size_t held_room
    cdef size_t held_used
    cdef size_t held_at        # of the first one
    cdef object reading        # the transport whose reading is paused for them
    cdef SmallReads portions
    cdef readonly int64_t conflated  # frames that were left out
    cdef bint leaves_out       # they are now
    cdef int64_t left_out      # since that began
    cdef bint is_quiet_due     # end_where_quiet is to come
    cdef int empty_reads       # reads in a row that left nothing unread

    def __dealloc__(self):
        free(self.held)

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
        while self.held_at < self.held_used:
            self.take_held()
        if self.leaves_out:
            self.catch_up(0)
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
            self.take_data(transport, frame.payload_ptr, frame.payload_size, frame.tail_size > 0)
            if self.leaves_out and frame.tail_size == 0:
                self.look_at_lag(transport, frame.payload_ptr, frame.payload_size)
        else:
            self.take_other(transport, frame)

    cpdef on_ws_connected(self, WSTransport transport):
        """picows calls this once, first."""
        self.portions = SmallReads(transport)
        sock = transport.underlying_transport.get_extra_info("socket")
        self.socket = -1 if sock is None else sock.fileno()
        self.acknowledge()

    cpdef pause_writing(self):
        """picows calls this where what we send piles up: the little that we send is not read."""
        self.control.on_unread()

    cpdef on_ws_disconnected(self, WSTransport transport):
        """picows calls this once, at the end. What was read and waits is taken in: it may be word of our own orders."""
        self.socket = -1
        try:
            while self.held_at < self.held_used:
                self.take_held()
            if self.leaves_out:
                self.catch_up(0)
        finally:
            self.control.on_closed()

    cdef void acknowledge(self) noexcept:
        """Have the system acknowledge what was read now, and what comes later than within the read of it.

        Left alone, Linux acknowledges within the read of small packets, and whoever wants what was read waits for that. The
        option 0 holds for one packet only; where an acknowledgement is due, 1 sends it.
        """
        cdef int now = 1, later = 0
        if self.socket >= 0:
            setsockopt(self.socket, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof(now))
            setsockopt(self.socket, IPPROTO_TCP, TCP_QUICKACK, &later, sizeof(later))

    cdef int take_data(
        self, WSTransport transport, const char* payload, Py_ssize_t size, bint is_followed
    ) except -1:
        """One message; `is_followed`: more came with it, and a command may overtake all of them."""
        cdef int64_t now_ns = clock_ns(CLOCK_MONOTONIC)
        self.frames += 1
        self.bytes_received += size
        self.last_frame_ns = now_ns
        if self.frames == 1:
            self.control.on_first_frame()
        if is_followed and self.native is not None:
            self.native.heed_commands(now_ns)
        if self.native is None:
            self.sequencer.ingest_frame_bytes(self.source, payload[:size])
        elif self.leaves_out:
            self.left_out += 1
            self.conflated += 1
        elif self.held_used or self.native.backlog.is_spent():
            self.hold(transport, payload, size)
            if self.native.is_behind(self.source) and unread_bytes(transport) > UNREAD_MOST:
                self.fall_behind()
        else:
            self.native.is_followed = is_followed
            self.native.ingest_frame(self.source, payload, size, clock_ns(CLOCK_REALTIME))
        if not is_followed:
            self.acknowledge()
        return 0

    cdef int hold(self, WSTransport transport, const char* payload, size_t size) except -1:
        """Keep a frame for the loop's next turn, and read nothing more until it is taken in."""
        cdef size_t need = self.held_used + entry_bytes(size), room = max(self.held_room, HELD_FIRST)
        while room < need:
            room *= 2
        if room != self.held_room:
            grown = <char*>realloc(self.held, room)
            if grown == NULL:
                raise MemoryError("no memory for frames that wait")
            self.held, self.held_room = grown, room
        if not self.held_used:
            self.reading = transport
            self.portions.begin()
            transport.underlying_transport.pause_reading()
            get_running_loop().call_soon(self.go_on)
        (<size_t*>(self.held + self.held_used))[0] = size
        memcpy(self.held + self.held_used + sizeof(size_t), payload, size)
        self.held_used = need
        return 0

    cdef int fall_behind(self) except -1:
        """What was read and not taken in is old, and there is more of it unread: leave it out until the newest is there."""
        cdef size_t at = self.held_at
        self.left_out = 0
        while at < self.held_used:
            at += entry_bytes((<size_t*>(self.held + at))[0])
            self.left_out += 1
        self.conflated += self.left_out
        self.held_at = self.held_used
        self.leaves_out = True
        self.empty_reads = 0
        self.control.on_conflation(True, 0, self.native.core.c.sources[self.source].lag_ns)
        return 0

    cdef int look_at_lag(self, WSTransport transport, const char* payload, Py_ssize_t size) except -1:
        """At the last frame of a read: whether the feed has caught up. A venue that is itself late is not waited for."""
        cdef int64_t lag_ns = self.native.lag_of(self.source, payload, size, clock_ns(CLOCK_REALTIME))
        self.empty_reads = 0 if unread_bytes(transport) else self.empty_reads + 1
        if lag_ns * CAUGHT_UP_PART <= self.native.backlog.conflate_ns or self.empty_reads > EMPTY_READS_MOST:
            self.catch_up(lag_ns)
        elif self.empty_reads and not self.is_quiet_due:
            self.is_quiet_due = True
            get_running_loop().call_later(QUIET_S, self.end_where_quiet, self.frames)
        return 0

    def end_where_quiet(self, int64_t frames) -> None:
        """Where all was read and nothing came since, the last frames were late, and the feed has caught up all the same."""
        self.is_quiet_due = False
        if not self.leaves_out:
            return
        if self.frames == frames:
            self.catch_up(0)
        else:
            self.is_quiet_due = True
            get_running_loop().call_later(QUIET_S, self.end_where_quiet, self.frames)

    cdef int catch_up(self, int64_t lag_ns) except -1:
        self.leaves_out = False
        self.control.on_conflation(False, self.left_out, lag_ns)
        return 0

    cdef int take_held(self) except -1:
        cdef size_t size = (<size_t*>(self.held + self.held_at))[0]
        cdef const char* frame = self.held + self.held_at + sizeof(size_t)
        self.held_at += entry_bytes(size)
        self.native.is_followed = self.held_at < self.held_used
        self.native.ingest_frame(self.source, frame, size, clock_ns(CLOCK_REALTIME))
        return 0

    def go_on(self) -> None:
        """The next turn: take in what waits, as far as the share goes, though some of it in any case; then read again."""
        cdef int taken = 0
        try:
            while self.held_at < self.held_used and (taken < HELD_LEAST or not self.native.backlog.is_spent()):
                self.take_held()
                taken += 1
        except BaseException:  # raised again; as picows does with a frame of its own, the connection is ended for it
            self.held_at = self.held_used = 0
            if self.reading is not None:
                self.reading.disconnect(False)
            raise
        if self.held_at < self.held_used:
            get_running_loop().call_soon(self.go_on)
            return
        self.held_at = self.held_used = 0
        if self.held_room > HELD_KEPT:
            free(self.held)
            self.held, self.held_room = NULL, 0
        reading, self.reading = self.reading, None
        if reading is not None and not reading.is_disconnected:
            reading.underlying_transport.resume_reading()

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
            self.finish_message(transport)
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

    cdef int finish_message(self, WSTransport transport) except -1:
        cdef bytes message = bytes(self.fragments)
        cdef int kind = self.fragments_type
        self.fragments.clear()
        self.fragments_type = 0
        if kind == WSMsgType.BINARY:
            self.take_data(transport, message, len(message), False)
        elif kind == WSMsgType.TEXT:
            self.control.on_text(message.decode("utf-8", "replace"))
        return 0
