"""Orders and their life cycle: pure functions over the state, the same for a live event and a journal record."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from engine.core.event cimport event_t, fill_t, order_update_t, place_t
from engine.core.state.state cimport order_t, state_t

cdef uint64_t free_order_no(const state_t* s) noexcept nogil
cdef void expect_order(const state_t* s) noexcept nogil
cdef order_t* find_order(state_t* s, uint64_t order_no) noexcept nogil
cdef order_t* open_order(state_t* s, const event_t* header, const place_t* place) noexcept nogil
cdef order_t* update_order(state_t* s, const event_t* header, const order_update_t* update) noexcept nogil
cdef order_t* fill_order(state_t* s, const event_t* header, const fill_t* fill, int64_t fee_asset) noexcept nogil
cdef uint32_t open_numbers(const state_t* s, uint64_t* numbers) noexcept nogil
cdef void lose_sight(state_t* s, order_t* order) noexcept nogil
cdef int64_t open_lots(const order_t* order) noexcept nogil
