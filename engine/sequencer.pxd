"""The one way into the core: gives sequence numbers, records, processes, and hands out what came of it."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t

from engine.backlog cimport Backlog
from engine.core.decoder cimport FrameDecoder
from engine.core.engine cimport Engine
from engine.core.event cimport event_t, malformed_t
from engine.lookout cimport Lookout
from engine.outputs cimport Outputs
from native.histogram cimport Histogram
from native.log_writer cimport LogWriter


cdef enum:
    REHEARSAL_PARTS = 4
    NEWEST_MOST = 1024


cdef class Sequencer(Outputs):
    cdef readonly FrameDecoder decoder
    cdef readonly LogWriter tape
    cdef readonly uint64_t frames
    cdef const uint64_t* halt_flag
    cdef Lookout lookout               # for commands; None: none come
    cdef object call_soon              # the event loop's, where frames are followed by a rehearsal
    cdef object rehearsal
    cdef int64_t rehearsed_ns
    cdef int64_t frame_ended_ns
    cdef int64_t core_ended_ns
    cdef int64_t core_took_ns
    cdef readonly Backlog backlog
    cdef uint64_t seq
    cdef bint draining
    cdef object waiting                # events that came in while one was in process
    cdef char* scratch
    cdef size_t scratch_room
    cdef char newest[NEWEST_MOST]      # the newest change of a book, as it came: for rehearsals
    cdef size_t newest_length          # 0: none
    cdef uint16_t newest_source
    cdef Histogram decode_ns
    cdef Histogram record_ns
    cdef Histogram core_ns
    cdef Histogram journal_ns
    cdef Histogram out_ns              # from the core's decision to the first bytes of what came of it
    cdef Histogram frame_ns

    cdef int ingest_frame(self, uint16_t source, const char* frame, size_t length, int64_t ts_recv_ns) except -1
    cdef bint is_behind(self, uint16_t source) noexcept
    cdef int64_t lag_of(self, uint16_t source, const char* frame, size_t length, int64_t ts_recv_ns) except? -1
    cpdef rehearse(self, int32_t instrument)
    cdef int rehearse_part(self, int32_t instrument, int part) except -1
    cdef int rehearse_frame(self) except -1
    cpdef heed(self)
    cdef event_t* decode(self, event_t* raw, const char* frame) except NULL
    cdef event_t* document_event(self, const event_t* raw, bytes decoded) except NULL
    cdef int run(self, const event_t* event, int64_t began_ns) except -1
    cdef int step(self, const event_t* event) except -1
    cdef int settle(self) except -1
    cdef int after(self) except -1
    cdef int keep(self, LogWriter log, const event_t* header, const void* body, size_t length) except -1
    cdef int heed_flag(self) except -1
    cdef int heed_commands(self, int64_t now_ns) except -1
    cdef int let_overtake(self) except -1
    cdef int make_room(self, size_t length) except -1
    cdef uint64_t enter(self, const event_t* event, int64_t ts_recv_ns) except 0
    cdef int postpone(self, uint16_t kind, uint16_t source, int32_t instrument, bytes what, int64_t ts_recv_ns) except -1
    cdef int note_malformed(self, const malformed_t* malformed, uint16_t source) except -1
