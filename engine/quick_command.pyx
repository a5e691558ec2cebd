"""A command's way into the core without a detour through Python, for those that must not wait: halt, cancel_all, reduce_only.

It reads a `engine.control.Request` as our own client encodes it: its four fields in their order, in MessagePack's shortest
form. Whatever else a request may be is left to the ordinary way, and so is an id that was used before.
"""

from cpython.dict cimport PyDict_Contains
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from engine.clock cimport wall_ns
from engine.core.event cimport (
    COMMAND_CANCEL_ALL, COMMAND_HALT, COMMAND_REDUCE_ONLY, EVENT_COMMAND, command_t, told_t,
)
from engine.core.state.state cimport recent_has, recent_key
from engine.sequencer cimport Sequencer

from engine.control import LENGTH, MAX_ID_CHARS, VERSION, Request

import msgspec

cdef enum:
    ID_MOST = 39               # MAX_ID_CHARS
    HEAD = 5                   # a frame's length, and the map of four that follows

assert (MAX_ID_CHARS, VERSION) == (ID_MOST, 1)
cdef bytes REHEARSED = msgspec.msgpack.encode(Request("0" * 32, "cancel_all"))
REHEARSED = LENGTH.pack(len(REHEARSED)) + REHEARSED


cdef inline const uint8_t* passed(const uint8_t* at, const uint8_t* end, const char* text, size_t size) noexcept nogil:
    """Behind these bytes; NULL where others stand there."""
    return at + size if at != NULL and <size_t>(end - at) >= size and memcmp(at, text, size) == 0 else NULL


cdef inline const uint8_t* text_at(const uint8_t* at, const uint8_t* end, size_t* size) noexcept nogil:
    """Where a text of `size` bytes begins; NULL where none is."""
    if at == NULL or end - at < 2:
        return NULL
    if at[0] >> 5 == 5:
        size[0] = at[0] & 31
        at += 1
    elif at[0] == 0xD9 and at[1] > 31:
        size[0] = at[1]
        at += 2
    else:
        return NULL
    return at if <size_t>(end - at) >= size[0] else NULL


cdef uint32_t command_of(const uint8_t* name, size_t size) noexcept nogil:
    if size == 4 and memcmp(name, b"halt", 4) == 0:
        return COMMAND_HALT
    if size == 10 and memcmp(name, b"cancel_all", 10) == 0:
        return COMMAND_CANCEL_ALL
    if size == 11 and memcmp(name, b"reduce_only", 11) == 0:
        return COMMAND_REDUCE_ONLY
    return 0


cdef bint read_frame(const char* data, size_t length, told_t* told, size_t* id_size) noexcept nogil:
    """Make the event of the one whole frame that these bytes are; False where they are none of those that are known here."""
    cdef const uint8_t* at = <const uint8_t*>data
    cdef const uint8_t* end = at + length
    cdef const uint8_t* id_
    cdef size_t i, size = 0
    cdef uint32_t stated
    if length < HEAD:
        return False
    memcpy(&stated, data, 4)
    if stated != length - 4:
        return False
    at = text_at(passed(at + 4, end, b"\x84\xa2id", 4), end, id_size)
    if at == NULL or not 0 < id_size[0] <= ID_MOST:
        return False
    id_ = at
    for i in range(id_size[0]):
        if not 33 <= id_[i] <= 126:
            return False
    at = text_at(passed(at + id_size[0], end, b"\xa7command", 8), end, &size)
    if at == NULL:
        return False
    memset(told, 0, sizeof(told_t))
    told.command.command = command_of(at, size)
    if not told.command.command or passed(at + size, end, b"\xa6symbol\xa0\xa7version\x01", 17) != end:
        return False
    told.header.kind = EVENT_COMMAND
    told.header.instrument = -1
    told.header.length = sizeof(command_t)
    memcpy(told.command.idempotency_id, id_, id_size[0])
    return True


def read_command(frame: bytes) -> tuple[int, str] | None:
    """What the quick way makes of a frame: the CommandKind and the id; None where it leaves it to the ordinary one."""
    cdef told_t told
    cdef size_t size = 0
    if not read_frame(frame, len(frame), &told, &size):
        return None
    return told.command.command, told.command.idempotency_id[:size].decode("ascii")


cdef class QuickCommand:
    """Into one sequencer."""

    def __init__(self, Sequencer sequencer not None):
        self.sequencer = sequencer

    cdef bint is_new(self, const told_t* told, size_t size, dict answers) except -1:
        name = PyUnicode_DecodeASCII(told.command.idempotency_id, <Py_ssize_t>size, NULL)
        return not PyDict_Contains(answers, name) and not recent_has(
            &self.sequencer.core.c.command_ids, recent_key(told.command.idempotency_id, size))

    cdef uint64_t take(self, const char* data, size_t size, dict answers) except? 0:
        """Have the command in these bytes journaled and carried out; its number, or 0 where it is left to the ordinary way.

        answers: by the ids that were used before.
        """
        cdef told_t told
        cdef size_t id_size = 0
        cdef uint64_t number
        if self.sequencer.busy or not read_frame(data, size, &told, &id_size) or not self.is_new(&told, id_size, answers):
            return 0
        self.sequencer.heed_flag()
        number = self.sequencer.enter(&told.header, wall_ns())
        self.sequencer.flush_due()  # cancels that it overtook come before all that is kept about it
        return number

    cdef int rehearse(self, dict answers) except -1:
        """The way of `take` until something would come of it."""
        cdef told_t told
        cdef size_t size = 0
        if not self.sequencer.busy and read_frame(REHEARSED, len(REHEARSED), &told, &size) and self.is_new(&told, size, answers):
            self.sequencer.make_room(told.header.length)
            memcpy(self.sequencer.scratch, &told, sizeof(told_t))
            self.sequencer.core.rehearse_cancel_all()
        return 0
