"""The core: one pure, compiled `process` for live, paper, replay and backtest."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.event cimport event_t
from engine.core.risk.gate cimport Gate
from engine.core.state.books cimport Book
from engine.core.state.state cimport State, order_t, state_t
from engine.core.strategy cimport Desk, Strategy, Trade


cdef class Engine(Desk):
    cdef readonly State state
    cdef readonly Gate gate
    cdef readonly list books
    cdef readonly list strategies
    cdef readonly list errors          # (strategy name, slot, exception) since the rim last looked; for its log
    cdef readonly uint64_t events
    cdef readonly bint started
    cdef public uint32_t halt_at_intent  # replay: the intent of the next event that meets the recorded halt; 0 none
    cdef state_t* c
    cdef list listeners                # by instrument: the strategies that hear of it
    cdef Trade trade
    cdef const uint32_t* halt_flag
    cdef char* out
    cdef size_t out_length
    cdef size_t out_room
    cdef uint32_t intents_in_event

    cdef int process(self, const event_t* event) except -1
    cdef int apply(self, const event_t* record) except -1
    cdef void bind_halt_flag(self, const uint32_t* flag) noexcept
    cdef void* begin(self, uint16_t kind, int32_t instrument, uint16_t source, size_t length) except NULL
    cdef int commit(self) except -1
