"""Positions, cash and what they are worth: pure functions over the state."""

from libc.stdint cimport int32_t, int64_t

from engine.core.money cimport int128_t
from engine.core.state.state cimport state_t

cdef int64_t mark_ticks(const state_t* s, int32_t i) noexcept nogil
cdef void refresh_exposure(state_t* s, int32_t i) noexcept nogil
cdef void apply_execution(state_t* s, int32_t i, bint buy, int64_t lots, int128_t money) noexcept nogil
cdef bint apply_fee(state_t* s, int32_t i, int64_t asset, int128_t fee, int64_t price_ticks) noexcept nogil
cdef int128_t realised_profit(const state_t* s) noexcept nogil
cdef int128_t total_equity(const state_t* s) noexcept nogil
