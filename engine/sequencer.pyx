"""The one way into the core: gives sequence numbers, records, processes, and hands out what came of it.

For everything that comes in, in one thread and this order: a sequence number; the record of it, on the tape (market data,
timers, health) or in the journal (what the durable state depends on); the decoder; the core; the core's outputs into the
journal; and only then the rim acts on them. Without tape and journal it is the replay's way into the very same core.
"""

from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from collections import deque

from engine.clock cimport steady_ns, wall_ns
from engine.backlog cimport Backlog
from engine.core.check cimport FRAME_MOST, check_batch, check_input, checked, padded_bytes
from engine.core.event cimport *
from engine.core.state.state cimport MAX_SOURCES
from engine.lookout cimport Lookout
from native.log_writer cimport LOG_OK

from engine.core import event as events
from engine.core.describe import describe
from engine.core import enums

cdef size_t SCRATCH_FIRST = 1 << 18
cdef int WAITING_MOST = 65536
cdef uint32_t MALFORMED_TOO_LARGE = 0xFFFF
# A frame that comes so soon after the last one was waiting behind it.
cdef int64_t BEHIND_NS = 5_000
cdef int64_t REHEARSE_NS = 200_000


cdef inline bint is_durable_input(uint16_t kind) noexcept nogil:
    return EVENT_START <= kind <= EVENT_RECONCILED


cdef inline void head_of(event_t* raw, uint16_t source, size_t length) noexcept nogil:
    """What a frame is decoded by."""
    memset(raw, 0, sizeof(event_t))
    raw.kind = TAPE_FRAME
    raw.source = source
    raw.instrument = -1
    raw.length = <uint32_t>min(length, FRAME_MOST)


cdef class Sequencer(Outputs):
    """See the module. One thread; `journal` and `tape` may be None (replay, backtest)."""

    def __cinit__(self, Engine core not None, FrameDecoder decoder not None, rim, LogWriter journal=None,
                  LogWriter tape=None, uint64_t seq=0):
        self.core = core
        self.decoder = decoder
        self.rim = rim
        self.journal = journal
        self.tape = tape
        self.seq = seq
        self.waiting = deque()
        self.backlog = Backlog()
        self.scratch = <char*>malloc(SCRATCH_FIRST)
        if self.scratch == NULL:
            raise MemoryError("no memory for the decoder's output")
        self.scratch_room = SCRATCH_FIRST
        self.decode_ns, self.record_ns, self.frame_ns = Histogram(), Histogram(), Histogram()
        self.core_ns, self.journal_ns, self.out_ns = Histogram(), Histogram(), Histogram()
        self.stages = {"record": self.record_ns, "decode": self.decode_ns, "core": self.core_ns,
                       "journal": self.journal_ns, "frame": self.frame_ns, "out": self.out_ns}

    def __dealloc__(self):
        free(self.scratch)

    def bind_halt_flag(self, word_address: int) -> None:
        """Have the halt flag in shared memory read before every event and intent."""
        self.halt_flag = <const uint64_t*><size_t>word_address
        self.core.bind_halt_flag(self.halt_flag)

    def rehearse_after_frames(self, call_soon, rehearse) -> None:
        """After a frame, at most every REHEARSE_NS, `rehearse(its instrument)` by the loop's `call_soon`: first what was read."""
        self.call_soon, self.rehearsal = call_soon, rehearse

    def bind_commands(self, Lookout lookout not None) -> None:
        """Have commands overtake market data: looked for between two frames of one read."""
        self.lookout = lookout
        self.core.outlet = self

    def now_ns(self) -> int:
        """Our clock, UTC."""
        return wall_ns()

    def instrument_of(self, symbol: str) -> int:
        """The core's instrument of a symbol, -1 where it is not known."""
        return self.core.instrument_of(symbol)

    # Ways in.

    cdef int ingest_frame(self, uint16_t source, const char* frame, size_t length, int64_t ts_recv_ns) except -1:
        """One raw websocket frame. Never raises for what is in it."""
        cdef event_t raw
        cdef event_t* event
        cdef int64_t began = steady_ns(), decoded, recorded
        cdef int32_t instrument
        cdef bint is_delta
        if self.busy:
            return self.postpone(TAPE_FRAME, source, -1, frame[:length], ts_recv_ns)
        self.heed_flag()
        if began - self.frame_ended_ns < BEHIND_NS:
            self.heed_commands(began)
        self.frames += 1
        head_of(&raw, source, length)
        self.seq += 1
        raw.seq = self.seq
        raw.ts_recv_ns = ts_recv_ns
        event = self.decode(&raw, frame)
        instrument = event.instrument
        is_delta = event.kind == EVENT_BOOK_DELTA
        decoded = steady_ns()
        if event.kind == EVENT_MALFORMED:
            self.note_malformed(<const malformed_t*>(event + 1), source)
        if is_durable_input(event.kind):
            self.keep(self.journal, event, event + 1, event.length)
        else:
            self.keep(self.tape, &raw, frame, raw.length)
        recorded = steady_ns()
        self.run(event, recorded)
        self.after()
        # Durations are counted when what they led to is on its way.
        self.decode_ns.add(decoded - began)
        self.record_ns.add(recorded - decoded)
        self.frame_ns.add(self.core_ended_ns - began)
        self.frame_ended_ns = steady_ns()
        self.is_followed = False
        self.backlog.spend(self.frame_ended_ns - began)
        if self.call_soon is not None:
            if is_delta and length <= NEWEST_MOST:
                memcpy(self.newest, frame, length)
                self.newest_length, self.newest_source = length, source
            if self.frame_ended_ns - self.rehearsed_ns >= REHEARSE_NS and instrument >= 0:
                self.rehearsed_ns = self.frame_ended_ns
                self.call_soon(self.rehearsal, instrument)
        return 0

    cdef bint is_behind(self, uint16_t source) noexcept:
        """Whether a market feed's newest frame was older than may be. Word of our own orders is never left out."""
        return (self.backlog.conflate_ns and source < MAX_SOURCES and not self.core.c.sources[source].private_
                and self.core.c.sources[source].lag_ns > self.backlog.conflate_ns)

    cdef int64_t lag_of(self, uint16_t source, const char* frame, size_t length, int64_t ts_recv_ns) except? -1:
        """How much later than the feed's quickest one a frame came that is left out; 0 where it does not say."""
        cdef event_t raw
        cdef event_t* event
        head_of(&raw, source, length)
        event = self.decode(&raw, frame)
        return max(ts_recv_ns - event.ts_event_ns - self.core.c.sources[source].offset_ns, 0) if event.ts_event_ns > 0 else 0

    cdef int note_malformed(self, const malformed_t* malformed, uint16_t source) except -1:
        """Count a frame that could not be decoded; told once for each reason."""
        if self.count(f"malformed.{malformed.reason}") == 1:
            self.tell(f"a frame of feed {source} cannot be decoded (reason {malformed.reason}); "
                              "counted from now on, and its book is fetched anew where it may be wrong", None)
        if source < MAX_SOURCES and self.core.c.sources[source].private_:
            self.busy = True  # as in tell
            try:
                self.rim.on_doubt()
            finally:
                self.busy = False
        return 0

    cdef event_t* decode(self, event_t* raw, const char* frame) except NULL:
        """The event that a raw frame stands for, in scratch memory."""
        cdef event_t* event
        self.make_room(<size_t>raw.length * 8 + 4096)
        event = <event_t*>self.scratch
        memcpy(event, raw, sizeof(event_t))
        event.length = 0
        if raw.length >= FRAME_MOST:
            event.kind = EVENT_MALFORMED
            event.length = sizeof(malformed_t)
            (<malformed_t*>(event + 1)).reason = MALFORMED_TOO_LARGE
            (<malformed_t*>(event + 1)).integrity = 1
            return event
        self.decoder.decode(frame, raw.length, event, <char*>(event + 1), self.scratch_room - sizeof(event_t))
        if event.length > self.scratch_room - sizeof(event_t):
            raise RuntimeError(f"{type(self.decoder).__name__} wrote a body of {event.length} bytes beyond its room")
        event.seq = raw.seq
        event.ts_recv_ns = raw.ts_recv_ns
        event.source = raw.source
        return event

    def ingest_frame_bytes(self, source: int, frame: bytes) -> None:
        """One raw websocket frame, from Python."""
        self.ingest_frame(source, frame, len(frame), wall_ns())

    cdef event_t* document_event(self, const event_t* raw, bytes decoded) except NULL:
        """The event that a raw document was decoded into, in scratch memory."""
        cdef event_t* event
        self.make_room(len(decoded))
        event = <event_t*>self.scratch
        memcpy(event, <const char*>decoded, len(decoded))
        event.seq, event.ts_recv_ns, event.source, event.instrument = raw.seq, raw.ts_recv_ns, raw.source, raw.instrument
        return event

    def ingest_document(self, source: int, instrument: int, document: bytes) -> None:
        """A raw REST order book: taped, decoded, processed. ValueError where it is none; then nothing is recorded."""
        cdef event_t raw
        if <size_t>len(document) > FRAME_MOST:
            raise ValueError(f"a document of {len(document)} bytes is too large")
        decoded = self.decoder.decode_document(instrument, document)
        if self.busy:
            self.postpone(TAPE_DOCUMENT, source, instrument, document, wall_ns())
            return
        self.heed_flag()
        memset(&raw, 0, sizeof(raw))
        self.seq += 1
        raw.seq = self.seq
        raw.ts_recv_ns = wall_ns()
        raw.kind = TAPE_DOCUMENT
        raw.source = source
        raw.instrument = instrument
        raw.length = len(document)
        self.keep(self.tape, &raw, <const char*>document, raw.length)
        self.run(self.document_event(&raw, decoded), steady_ns())
        self.after()

    def ingest(self, event: bytes) -> int:
        """One event made by engine.core.event; answers its sequence number, or 0 where it waits for the one in process."""
        check_input(checked(event))
        if self.busy:
            self.postpone(0, 0, -1, event, 0)
            return 0
        self.heed_flag()
        return self.enter(<const event_t*><const char*>event, wall_ns())

    def process_batch(self, events: bytes) -> int:
        """Many events in one crossing (engine.core.event.batch); answers how many.

        Each goes the way of `ingest`, but keeps its own time of arrival, a backtest's clock: where a batch is cut changes
        nothing. ValueError where the bytes are no such events: then none was taken in. RuntimeError within an event.
        """
        cdef const char* start = events
        cdef size_t length = len(events), at = 0
        cdef const event_t* event
        cdef uint64_t count = 0
        if self.busy:
            raise RuntimeError("a batch cannot come in while an event is in process")
        check_batch(start, length)
        while at < length:
            event = <const event_t*>(start + at)
            self.heed_flag()
            self.enter(event, event.ts_recv_ns)
            at += padded_bytes(event)
            count += 1
        return count

    cdef uint64_t enter(self, const event_t* event, int64_t ts_recv_ns) except 0:
        cdef event_t* own
        cdef uint64_t number
        self.make_room(event.length)
        own = <event_t*>self.scratch
        memcpy(own, event, sizeof(event_t) + event.length)
        self.seq += 1
        number = self.seq
        own.seq = number
        own.ts_recv_ns = ts_recv_ns
        self.keep(self.journal if is_durable_input(own.kind) else self.tape, own, own + 1, own.length)
        self.run(own, steady_ns())
        self.after()
        return number

    cdef int postpone(self, uint16_t kind, uint16_t source, int32_t instrument, bytes what, int64_t ts_recv_ns) except -1:
        """What comes in while an event is in process waits its turn, within a limit."""
        if len(self.waiting) >= WAITING_MOST:
            raise OverflowError(f"more than {WAITING_MOST} events came in while one was in process")
        self.waiting.append((kind, source, instrument, what, ts_recv_ns))
        return 0

    def replay(self, record: bytes) -> bytes:
        """One recorded input under its own number and time; answers the outputs. For replays only: records nothing."""
        cdef event_t* event
        cdef event_t raw
        memcpy(&raw, checked(record), sizeof(event_t))
        if raw.kind == TAPE_FRAME:
            event = self.decode(&raw, <const char*>record + sizeof(event_t))
        elif raw.kind == TAPE_DOCUMENT:
            event = self.document_event(&raw, self.decoder.decode_document(raw.instrument, record[sizeof(event_t):]))
        else:
            self.make_room(len(record))
            event = <event_t*>self.scratch
            memcpy(event, <const char*>record, len(record))
        self.seq = raw.seq
        self.step(event)
        self.core.chain()
        outputs = self.core.out[self.core.out_first:self.core.out_length]
        self.core.gate.take()
        return outputs

    cpdef rehearse(self, int32_t instrument):
        """Go the way of an order on an instrument up to its first byte, that of a cancel where an order is open, and that
        of a command; with nothing changed, recorded or sent."""
        cdef int part
        for part in range(REHEARSAL_PARTS):
            self.rehearse_part(instrument, part)

    cdef int rehearse_part(self, int32_t instrument, int part) except -1:
        """One of REHEARSAL_PARTS: a frame's way, a command's, an order's, a cancel's."""
        cdef bint is_known = 0 <= instrument < <int32_t>self.core.c.totals.instruments
        if self.busy or self.journal_failed or self.executor is None or not is_known:
            return 0
        if part == 0:
            return self.rehearse_frame()
        if part == 1:
            if self.lookout is not None:
                self.lookout.rehearse()
            return 0
        if part == 2:
            self.core.rehearse(instrument)
        else:
            self.core.rehearse_cancel(instrument)
        if self.journal is not None:
            self.journal.expect()
        return self.hand_out(b"")

    cdef int rehearse_frame(self) except -1:
        """The newest change of a book once more, up to the book."""
        cdef event_t raw
        if self.newest_length:
            head_of(&raw, self.newest_source, self.newest_length)
            self.core.rehearse_delta(self.decode(&raw, self.newest))
            if self.tape is not None:
                self.tape.expect()
        return 0

    # The steps.

    cdef int make_room(self, size_t length) except -1:
        cdef size_t room = self.scratch_room
        while room < length + sizeof(event_t):
            room *= 2
        if room != self.scratch_room:
            grown = <char*>malloc(room)
            if grown == NULL:
                raise MemoryError(f"no memory for an event of {length} bytes")
            free(self.scratch)
            self.scratch = grown
            self.scratch_room = room
        return 0

    cdef int keep(self, LogWriter log, const event_t* header, const void* body, size_t length) except -1:
        """Record an input; commands, and what comes of cancels, in the room held back for those, if need be. Where that
        fails, trading ends: what is not on record must not be acted on."""
        cdef int status
        if log is None:
            return 0
        if header.kind in (EVENT_COMMAND, EVENT_ORDER_UPDATE, EVENT_FILL):
            status = log.append_parts_reserved(header, sizeof(event_t), body, length)
        else:
            status = log.append_parts(header, sizeof(event_t), body, length)
        if status != LOG_OK:
            self.lose_journal()
        return 0

    cdef int step(self, const event_t* event) except -1:
        """Let the core process one event, and the decoder learn of instruments."""
        cdef int32_t known = self.core.c.totals.instruments
        try:
            self.core.process(event)
        except (ValueError, OverflowError, KeyError) as error:
            # The event is on record; a replay fails on it in the same way and goes on in the same way.
            self.count("core.refused_events")
            self.rim.on_fault(f"event {event.seq} of kind {event.kind} was refused by the core", error)
        if event.kind == EVENT_FILL:
            self.rim.on_fill(describe((<const char*>event)[:sizeof(event_t) + event.length]))
        if known < <int32_t>self.core.c.totals.instruments:
            self.introduce_instruments(known)
        return 0

    def introduce_instruments(self, first: int = 0) -> None:
        """Tell the decoder of the core's instruments from this index on."""
        for index in range(first, self.core.c.totals.instruments):
            spec = self.core.spec(index)
            self.decoder.add_instrument(index, spec.symbol, spec.price_decimals, spec.size_decimals)

    cdef int run(self, const event_t* event, int64_t began_ns) except -1:
        self.kept = 0
        self.busy = True
        try:
            self.step(event)
        except BaseException:  # not foreseen, and raised again
            # What the core had approved by then is in its state: it is journaled and sent all the same.
            self.busy = False
            self.settle()
            raise
        self.busy = False
        self.core_ended_ns = steady_ns()
        self.core_took_ns = self.core_ended_ns - began_ns
        return 0

    cdef int settle(self) except -1:
        """Journal the outputs, then act on them."""
        cdef int64_t kept_ns, core_ended_ns = self.core_ended_ns
        if self.core.out_length > self.core.out_first:
            outputs = self.core.out[self.core.out_first:self.core.out_length]
            self.keep_outputs()
            kept_ns = steady_ns()
            try:
                self.hand_out(outputs)
            finally:
                self.core.chain()
            self.journal_ns.add(kept_ns - core_ended_ns)
            if self.executor is not None and self.executor.went_ns:
                self.out_ns.add(max(self.executor.went_ns - core_ended_ns, 0))
                self.executor.went_ns = 0
        if self.core.errors:
            failed, self.core.errors[:] = list(self.core.errors), []
            for name, slot, error in failed:
                self.rim.on_fault(f"strategy {name} raised in {slot} and was stopped", error)
        return 0

    cdef int after(self) except -1:
        """Settle the event, and take in what came meanwhile."""
        cdef int64_t core_took_ns = self.core_took_ns
        self.settle()
        self.core_ns.add(core_took_ns)
        if self.draining:
            return 0
        self.draining = True
        try:
            while self.waiting:
                kind, source, instrument, what, ts_recv_ns = self.waiting.popleft()
                if kind == TAPE_FRAME:
                    self.ingest_frame(source, what, len(what), ts_recv_ns)
                elif kind == TAPE_DOCUMENT:
                    self.ingest_document(source, instrument, what)
                else:
                    self.ingest(what)
        finally:
            self.draining = False
        return 0

    cdef int heed_flag(self) except -1:
        """A halt flag that is up becomes a sequenced command before the next event."""
        if self.halt_flag != NULL and self.halt_flag[0] and not self.core.c.totals.halted:
            halt = events.command(enums.CommandKind.HALT)
            self.enter(<const event_t*><const char*>halt, wall_ns())
        return 0

    cdef int heed_commands(self, int64_t now_ns) except -1:
        """What an operator wants comes before the frames that are waiting."""
        if self.lookout is None or self.busy:
            return 0
        try:
            self.lookout.look(now_ns)
        except Exception as error:  # whatever it is, the feed goes on
            self.tell("a command could not be obeyed", error)
        return 0

    cpdef heed(self):
        """Have a command that has come carried out now; for whoever keeps the loop from its next turn. What fails is told."""
        if not self.busy:
            try:
                self.heed_flag()
                self.heed_commands(steady_ns())
            except Exception as error:  # whatever it is, the work in hand goes on
                self.tell("a command could not be obeyed", error)

    cdef int let_overtake(self) except -1:
        """As Outputs.let_overtake, and the halt flag. What waits for the event in process waits on; durations are the event's."""
        cdef bint was_draining = self.draining
        cdef int64_t core_ended_ns = self.core_ended_ns, went_ns
        if self.executor is None:
            return 0
        went_ns, self.executor.went_ns, self.draining = self.executor.went_ns, 0, True
        try:
            self.heed_flag()
            self.heed_commands(steady_ns())
        finally:
            self.draining = was_draining
            self.executor.went_ns, self.core_ended_ns = went_ns, core_ended_ns
        return 0
