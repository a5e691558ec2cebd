"""The durable transition: one record of the journal, input or output, applied to the state."""

from engine.core.event cimport event_t
from engine.core.state.state cimport State, order_t, state_t

cdef int apply_output(State state, const event_t* e) except -1
cdef void chain_action(state_t* s, const event_t* e) noexcept nogil
cdef int apply_record(State state, const event_t* e) except -1
cdef order_t* last_order() noexcept
