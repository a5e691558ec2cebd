"""The compiled predictor, for cimport. What it computes is told in plain.py, its twin."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from engine.core.state.books cimport Book
from engine.core.strategy cimport Strategy

cdef enum:
    FEATURES = 4

ctypedef struct pending_t:     # a prediction that waits for its outcome
    int64_t due                # a count of events, or ns
    int64_t made_ns
    double x[FEATURES]
    double mid
    double spread
    double prediction
    int32_t last_move
    int32_t reserved

ctypedef struct sample_t:      # one with its outcome
    pending_t made
    double outcome

ctypedef struct regression_t:
    double w[FEATURES]
    double p[FEATURES][FEATURES]
    uint64_t paused
    uint64_t resets

ctypedef struct lane_t:        # one instrument
    regression_t regression
    bint known                 # the fields of the book before mean something
    bint engaged               # an order or a position wants managing
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    uint64_t resyncs
    double mid
    double depth
    double ofi
    double recent
    double deviation
    double prediction
    double fee_rate
    int32_t last_move
    int32_t reserved
    pending_t* pending         # a ring of PENDING_MOST; NULL: not an instrument of ours
    uint64_t first             # pending ever taken out
    uint64_t after             # pending ever put in
    sample_t* samples
    uint64_t kept
    int64_t books
    uint64_t broken
    uint64_t dropped
    uint64_t skipped
    uint64_t learned
    uint64_t scored
    uint64_t moved
    uint64_t hits
    uint64_t last_move_hits
    double squared_error
    double squared_move


cdef class Predictor(Strategy):
    cdef lane_t* lanes         # by instrument
    cdef readonly object settings
    cdef object trader
    cdef int64_t horizon_events
    cdef int64_t horizon_ns
    cdef double forgetting
    cdef double first
    cdef double trace_most
    cdef double ofi_keep
    cdef uint64_t warmup
    cdef uint64_t samples_most
    cdef bint trade
    cdef lane_t* lane_of(self, instrument) except NULL
    cdef void interrupt(self, lane_t* lane, uint64_t resyncs) noexcept
    cdef void mature(self, lane_t* lane, int64_t now_ns, double mid) noexcept
    cdef void learn(self, lane_t* lane, const pending_t* made, double mid) noexcept
