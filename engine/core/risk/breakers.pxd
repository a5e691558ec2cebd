"""Circuit breakers: when to stop proposing, judged on the state alone."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from engine.core.event cimport breaker_t
from engine.core.state.state cimport state_t

cdef bint loss_trips(const state_t* s, breaker_t* found) noexcept nogil
cdef bint drawdown_trips(const state_t* s, breaker_t* found) noexcept nogil
cdef bint errors_trip(const state_t* s, breaker_t* found) noexcept nogil
cdef bint rejects_trip(const state_t* s, breaker_t* found) noexcept nogil
cdef bint volatility_turns(state_t* s, int32_t i, breaker_t* found) noexcept nogil
cdef bint volatility_rests(const state_t* s, int32_t i, breaker_t* found) noexcept nogil
