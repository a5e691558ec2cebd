"""The core: one pure, compiled `process` for live, paper, replay and backtest."""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from engine.core.audience cimport Audience
from engine.core.event cimport (
    book_t, breaker_t, command_t, conflation_t, event_t, feed_t, health_t, malformed_t, timer_t, trades_t,
)
from engine.core.outlet cimport Outlet
from engine.core.state.books cimport Book
from engine.core.state.state cimport order_t
from engine.core.strategy cimport Trade


cdef class Engine(Audience):
    cdef readonly uint64_t events
    cdef readonly uint64_t refused       # journaled inputs that were refused at a restart, as they were when they came
    cdef Trade trade
    cdef Outlet outlet                   # of what cannot wait; None: all leaves at the end of an event

    cdef int process(self, const event_t* event) except -1
    cdef int apply(self, const event_t* record) except -1
    cdef void hear(self, const event_t* event) noexcept
    cdef Book book_of(self, const event_t* event)
    cdef int on_delta(self, const event_t* event, const book_t* delta) except -1
    cdef int on_snapshot(self, const event_t* event, const book_t* snapshot) except -1
    cdef int book_changed(self, Book book) except -1
    cdef int on_trades(self, const event_t* event, const trades_t* trades) except -1
    cdef int on_feed(self, const event_t* event, const feed_t* feed) except -1
    cdef int on_conflation(self, const event_t* event, const conflation_t* conflation) except -1
    cdef int on_malformed(self, const event_t* event, const malformed_t* malformed) except -1
    cdef int on_health(self, const health_t* health) except -1
    cdef int on_timer(self, const timer_t* timer) except -1
    cdef int on_durable(self, const event_t* event) except -1
    cdef int flatten(self, int32_t instrument) except -1
    cdef int forget_session(self) except -1
    cdef int ask_all(self, uint16_t kind) except -1
    cdef int rehearse_delta(self, const event_t* event) except -1
    cdef int rehearse_cancel_all(self) except -1
    cdef int resync(self, Book book, uint32_t reason) except -1
    cdef int obey(self, const command_t* command, int32_t instrument) except -1
    cdef int order_changed(self, const event_t* event, const order_t* order) except -1
    cdef int open_breaker(self, const breaker_t* found, int32_t instrument) except -1
    cdef int judge_equity(self) except -1
    cdef int note_equity(self, bint from_here) except -1
    cdef int keep_house(self) except -1
