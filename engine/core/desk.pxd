"""The desk: where strategies' intents meet the gate, and where the core's output records are made."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from engine.core.event cimport cancel_t, place_t
from engine.core.risk.gate cimport Gate, intent_t, verdict_t
from engine.core.state.state cimport State, order_t, state_t
from engine.core.strategy cimport Desk, Strategy


cdef class TradingDesk(Desk):
    cdef readonly State state
    cdef readonly Gate gate
    cdef readonly list books
    cdef readonly list strategies
    cdef readonly dict watchers          # symbol -> the strategies that watch it, though the config does not name it
    cdef public uint32_t halt_at_intent  # replay: the intent of the next event that meets the recorded halt; 0 none
    cdef state_t* c
    cdef const uint64_t* halt_flag
    cdef char* out
    cdef size_t out_first              # where the last event's begin
    cdef size_t out_length
    cdef size_t out_room
    cdef size_t chained
    cdef uint32_t intents_in_event

    cdef void* begin(self, uint16_t kind, int32_t instrument, uint16_t source, size_t length) except NULL
    cdef int commit(self) except -1
    cdef void chain(self) noexcept
    cdef int alert(self, uint32_t code, str text, int32_t instrument=*, uint16_t source=*, uint16_t kind=*) except -1
    cdef int ask(self, uint16_t kind, const order_t* order) except -1
    cdef int release_cancel(self, const order_t* order) except -1
    cdef void bind_halt_flag(self, const uint64_t* flag) noexcept
    cdef int meet_halt(self) except -1
    cdef int deny(self, const intent_t* intent, const verdict_t* verdict) except -1
    cdef int watching_changed(self, Strategy strategy, str symbol, bint on) except -1
    cdef place_t* draft(self, const intent_t* intent, const verdict_t* verdict) except NULL
    cdef int rehearse(self, int32_t instrument) except -1
    cdef cancel_t* draft_cancel(self, uint16_t kind, const order_t* order) except NULL
    cdef int rehearse_cancel(self, int32_t instrument) except -1
    cdef uint64_t approve(self, const intent_t* intent, const verdict_t* verdict) except 0
    cdef int check_instrument(self, instrument) except -1
