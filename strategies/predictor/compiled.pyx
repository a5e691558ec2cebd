"""The predictor compiled: what plain.py computes, to the last bit, in native memory and without a Python call per event.

plain.py tells the formulas and their sources. Each expression here has the operations of its twin there in the same order;
the build has neither fast-math nor contraction to fused multiply-adds (setup.py), so that both round alike. An event
allocates nothing: rings and samples are made at the start.
"""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from engine.core.state.books cimport Book
from engine.core.state.state cimport MAX_INSTRUMENTS
from engine.core.strategy cimport WANTS_BOOK, WANTS_ORDER, Strategy

from strategies.predictor import model
from strategies.predictor.model import Sample, Score, Settings, Signals
from strategies.predictor.trading import Trader, fee_rate

cdef uint64_t PENDING_MOST = model.PENDING_MOST        # a power of two
cdef double DEPTH_STEP = 1.0 / model.DEPTH_EVENTS
cdef double TRACE_SLACK = model.TRACE_SLACK

if model.FEATURES != FEATURES or PENDING_MOST & (PENDING_MOST - 1):
    raise ImportError("strategies.predictor: model.py and compiled.pxd disagree; build again")


cdef inline int64_t flow(int64_t price, int64_t lots, int64_t before_price, int64_t before_lots) noexcept nogil:
    """What one change added to the demand of a side, in lots; the greater price is the better one."""
    if price > before_price:
        return lots
    return -before_lots if price < before_price else lots - before_lots


cdef void regression_reset(regression_t* r, double first) noexcept nogil:
    memset(r.w, 0, sizeof(r.w))
    memset(r.p, 0, sizeof(r.p))
    for i in range(FEATURES):
        r.p[i][i] = first


cdef inline double regression_predict(const regression_t* r, const double* x) noexcept nogil:
    return r.w[0] * x[0] + r.w[1] * x[1] + r.w[2] * x[2] + r.w[3] * x[3]


cdef void regression_learn(
    regression_t* r, const double* x, double outcome, double forgetting, double first, double trace_most,
) noexcept nogil:
    cdef double g[FEATURES]
    cdef double denominator, error, gain
    cdef int i, j
    for i in range(FEATURES):
        g[i] = r.p[i][0] * x[0] + r.p[i][1] * x[1] + r.p[i][2] * x[2] + r.p[i][3] * x[3]
    if r.p[0][0] + r.p[1][1] + r.p[2][2] + r.p[3][3] > trace_most:
        r.paused += 1
        forgetting = 1.0
    denominator = forgetting + (x[0] * g[0] + x[1] * g[1] + x[2] * g[2] + x[3] * g[3])
    if not 0.0 < denominator < 1e300:  # NaN too
        r.resets += 1
        regression_reset(r, first)
        return
    error = outcome - regression_predict(r, x)
    for i in range(FEATURES):
        gain = g[i] / denominator
        r.w[i] = r.w[i] + gain * error
        for j in range(i, FEATURES):
            r.p[i][j] = r.p[j][i] = (r.p[i][j] - gain * g[j]) / forgetting


cdef void read_features(lane_t* lane, Book book, double mid, double spread, double ofi_keep, double* x) noexcept:
    """The signals of this book, and the lane brought up to it."""
    cdef int64_t bid = book.market.bid_ticks, bid_lots = book.market.bid_lots
    cdef int64_t ask = book.market.ask_ticks, ask_lots = book.market.ask_lots
    cdef double both = <double>bid_lots + <double>ask_lots
    cdef double depth = 0.5 * both
    if lane.depth == 0.0:
        lane.depth = depth
    lane.depth = lane.depth + (depth - lane.depth) * DEPTH_STEP
    lane.ofi = 0.0
    if lane.known:
        lane.ofi = (<double>flow(bid, bid_lots, lane.bid_ticks, lane.bid_lots)
                    - <double>flow(-ask, ask_lots, -lane.ask_ticks, lane.ask_lots))
        if mid != lane.mid:
            lane.last_move = 1 if mid > lane.mid else -1
    lane.recent = lane.recent * ofi_keep + lane.ofi
    lane.deviation = 0.5 * spread * ((<double>bid_lots - <double>ask_lots) / both)
    lane.bid_ticks = bid
    lane.bid_lots = bid_lots
    lane.ask_ticks = ask
    lane.ask_lots = ask_lots
    lane.mid = mid
    lane.known = True
    x[0] = 1.0
    x[1] = lane.deviation
    x[2] = lane.ofi / lane.depth
    x[3] = lane.recent / lane.depth


cdef class Predictor(Strategy):
    """Predicts the mid's move and keeps the score; sends orders only with `trade`. Parameters: model.Settings."""

    def __cinit__(self, **params):
        self.settings = Settings(**params)
        self.horizon_events = self.settings.horizon_events
        self.horizon_ns = <int64_t>self.settings.horizon_ms * 1_000_000
        self.forgetting = self.settings.forgetting
        self.first = 1.0 / <double>self.settings.ridge
        self.trace_most = FEATURES * self.first * TRACE_SLACK
        self.ofi_keep = self.settings.ofi_keep
        self.warmup = self.settings.warmup_events
        self.samples_most = self.settings.samples_most
        self.trade = self.settings.trade
        self.trader = Trader(self, self.settings)
        self.wants = WANTS_BOOK | WANTS_ORDER
        self.lanes = <lane_t*>calloc(MAX_INSTRUMENTS, sizeof(lane_t))
        if self.lanes == NULL:
            raise MemoryError("no memory for the predictor")

    def __dealloc__(self):
        if self.lanes == NULL:
            return
        for i in range(MAX_INSTRUMENTS):
            free(self.lanes[i].pending)
            free(self.lanes[i].samples)
        free(self.lanes)

    cdef int start_slot(self) except -1:
        cdef lane_t* lane
        for instrument in self.instruments:
            lane = &self.lanes[<int32_t>instrument]
            if lane.pending == NULL:
                lane.pending = <pending_t*>calloc(PENDING_MOST, sizeof(pending_t))
                lane.samples = <sample_t*>calloc(self.samples_most + 1, sizeof(sample_t))
                if lane.pending == NULL or lane.samples == NULL:
                    raise MemoryError("no memory for the predictor")
            regression_reset(&lane.regression, self.first)
            lane.fee_rate = fee_rate(self.spec(instrument))
            if self.trade:
                lane.engaged = self.trader.start(instrument)
        return 0

    cdef int book_slot(self, Book book) except -1:
        cdef lane_t* lane = &self.lanes[book.instrument]
        cdef int64_t bid = book.market.bid_ticks, ask = book.market.ask_ticks, now_ns = book.market.updated_ns
        cdef double mid, spread
        cdef double x[FEATURES]
        cdef pending_t* made
        cdef bint pays
        if bid == 0 or ask == 0 or book.resyncs != lane.resyncs:
            self.interrupt(lane, book.resyncs)
            if bid == 0 or ask == 0:
                return 0
        mid = 0.5 * (<double>bid + <double>ask)
        lane.books += 1
        self.mature(lane, now_ns, mid)
        spread = <double>ask - <double>bid
        read_features(lane, book, mid, spread, self.ofi_keep, x)
        lane.prediction = regression_predict(&lane.regression, x)
        if lane.after - lane.first < PENDING_MOST:
            made = &lane.pending[lane.after & (PENDING_MOST - 1)]
            made.due = now_ns + self.horizon_ns if self.horizon_ns else lane.books + self.horizon_events
            made.made_ns = now_ns
            for i in range(FEATURES):
                made.x[i] = x[i]
            made.mid = mid
            made.spread = spread
            made.prediction = lane.prediction
            made.last_move = lane.last_move
            lane.after += 1
        else:
            lane.skipped += 1
        if self.trade:
            pays = lane.learned >= self.warmup and lane.prediction > spread + lane.fee_rate * mid
            if pays or lane.engaged:  # rare: may cost what Python costs
                lane.engaged = self.trader.consider(book.instrument, bid, ask, pays)
        return 0

    cdef int order_slot(self, object order) except -1:
        if self.trade:
            self.trader.on_order(order)
            self.lanes[<int32_t>order.instrument].engaged = True
        return 0

    cdef void interrupt(self, lane_t* lane, uint64_t resyncs) noexcept:
        """What was before is no neighbour of what comes: forget the book before and let go of what is pending."""
        if lane.known:
            lane.broken += 1
        lane.dropped += lane.after - lane.first
        lane.first = lane.after
        lane.known = False
        lane.resyncs = resyncs
        lane.ofi = lane.recent = 0.0
        lane.last_move = 0

    cdef void mature(self, lane_t* lane, int64_t now_ns, double mid) noexcept:
        """Outcomes that are known by now. By time, it is the last mid that was not after the horizon's end."""
        cdef pending_t* made
        while lane.first != lane.after:
            made = &lane.pending[lane.first & (PENDING_MOST - 1)]
            if self.horizon_ns:
                if made.due >= now_ns:
                    return
                self.learn(lane, made, lane.mid)
            elif made.due <= lane.books:
                self.learn(lane, made, mid)
            else:
                return
            lane.first += 1

    cdef void learn(self, lane_t* lane, const pending_t* made, double mid) noexcept:
        cdef double outcome = mid - made.mid, error
        if lane.learned >= self.warmup:
            error = outcome - made.prediction
            lane.scored += 1
            lane.squared_error += error * error
            lane.squared_move += outcome * outcome
            if outcome != 0.0:
                lane.moved += 1
                lane.hits += outcome * made.prediction > 0.0
                lane.last_move_hits += outcome * made.last_move > 0.0
        if lane.kept < self.samples_most:
            lane.samples[lane.kept].made = made[0]
            lane.samples[lane.kept].outcome = outcome
            lane.kept += 1
        lane.learned += 1
        regression_learn(&lane.regression, made.x, outcome, self.forgetting, self.first, self.trace_most)

    cdef lane_t* lane_of(self, instrument) except NULL:
        if instrument not in self.instruments or self.lanes[<int32_t>instrument].pending == NULL:
            raise KeyError(instrument)
        return &self.lanes[<int32_t>instrument]

    def signals(self, instrument: int) -> Signals:
        """The newest signals; KeyError for an instrument that is not ours."""
        cdef lane_t* lane = self.lane_of(instrument)
        return Signals(lane.mid, lane.mid + lane.deviation, lane.ofi, lane.recent, lane.prediction)

    def weights(self, instrument: int) -> tuple:
        """The regression's weights: constant, microprice - mid, imbalance, recent imbalance; KeyError as in signals."""
        cdef lane_t* lane = self.lane_of(instrument)
        return tuple([lane.regression.w[i] for i in range(FEATURES)])

    def score(self, instrument: int) -> Score:
        """Counts and sums so far; KeyError as in signals."""
        cdef lane_t* lane = self.lane_of(instrument)
        return Score(
            lane.books, lane.broken, lane.dropped, lane.skipped, lane.learned, lane.regression.paused,
            lane.regression.resets, lane.scored, lane.squared_error, lane.squared_move, lane.moved, lane.hits,
            lane.last_move_hits)

    def samples(self, instrument: int) -> list:
        """The predictions with their outcomes, oldest first, the first `samples_most`; KeyError as in signals."""
        cdef lane_t* lane = self.lane_of(instrument)
        cdef sample_t* each
        found = []
        for i in range(lane.kept):
            each = &lane.samples[i]
            found.append(Sample(each.made.made_ns, each.made.mid, each.made.spread, each.made.x[1], each.made.x[2],
                                each.made.x[3], each.made.last_move, each.made.prediction, each.outcome))
        return found
