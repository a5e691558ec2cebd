"""The predictor in Python: microprice and order-flow imbalance into an online regression on the mid's next move.

    m = mid + spread / 2 * (bid size - ask size) / (bid size + ask size)             microprice
    e = [b >= b'] q - [b <= b'] q' - [a <= a'] r + [a >= a'] r'                      order-flow imbalance of one change

with bid b of size q, ask a of size r, the values before it with a prime. Sources: Gatheral and Oomen, "Zero-intelligence
realized variance estimation", Finance and Stochastics 14 (2010), for the microprice (Stoikov, Quantitative Finance 18
(2018), calls it the weighted mid-price); Cont, Kukanov and Stoikov, "The price impact of order book events", Journal of
Financial Econometrics 12 (2014), for e. The regression is recursive least squares with exponential forgetting (Haykin,
"Adaptive Filter Theory", chapter 10 of the 4th edition).

An outcome that falls due is learned from before the event's own prediction is made, and a prediction is scored with the
weights it was made with (Dawid, "Statistical theory: the prequential approach", JRSS A 147 (1984)): nothing looks ahead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from engine import Strategy
from engine.core.order import Order
from engine.core.state.books import Book
from strategies.predictor.model import (
    DEPTH_EVENTS,
    FEATURES,
    PENDING_MOST,
    TRACE_SLACK,
    Sample,
    Score,
    Settings,
    Signals,
)
from strategies.predictor.trading import Trader, fee_rate


class Regression:
    """Recursive least squares with forgetting: weights, and P, the inverse of the weighted sum of squares.

    Forgetting pauses while the trace of P is beyond TRACE_SLACK times what it was at first: where nothing new comes in,
    P would grow without bound ("wind-up") and the next observation would throw the weights anywhere.
    """

    def __init__(self, forgetting: float, ridge: float) -> None:
        self.forgetting = forgetting
        self.first = 1.0 / ridge
        self.trace_most = FEATURES * self.first * TRACE_SLACK
        self.paused = self.resets = 0
        self.reset()

    def reset(self) -> None:
        """Know nothing: all weights zero."""
        self.w = [0.0] * FEATURES
        self.p = [[self.first if i == j else 0.0 for j in range(FEATURES)] for i in range(FEATURES)]

    def predict(self, x: tuple[float, float, float, float]) -> float:
        """The weights times the features."""
        w = self.w
        return w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3]

    def learn(self, x: tuple[float, float, float, float], outcome: float) -> None:
        """One observation."""
        x0, x1, x2, x3 = x
        w, p = self.w, self.p
        g = [row[0] * x0 + row[1] * x1 + row[2] * x2 + row[3] * x3 for row in p]
        forgetting = self.forgetting
        if p[0][0] + p[1][1] + p[2][2] + p[3][3] > self.trace_most:
            self.paused += 1
            forgetting = 1.0
        denominator = forgetting + (x0 * g[0] + x1 * g[1] + x2 * g[2] + x3 * g[3])
        if not 0.0 < denominator < 1e300:  # NaN too
            self.resets += 1
            self.reset()
            return
        error = outcome - self.predict(x)
        for i in range(FEATURES):
            gain = g[i] / denominator
            w[i] = w[i] + gain * error
            for j in range(i, FEATURES):
                p[i][j] = p[j][i] = (p[i][j] - gain * g[j]) / forgetting


@dataclass(slots=True)
class Pending:
    """A prediction that waits for its outcome; `due` is a count of events, or ns."""

    due: int
    made_ns: int
    x: tuple[float, float, float, float]
    mid: float
    spread: float
    last_move: int
    prediction: float


@dataclass(slots=True)
class Lane:
    """One instrument: the book before, averages, regression, what is pending, score."""

    regression: Regression
    known: bool = False  # the fields of the book before mean something
    bid_ticks: int = 0
    bid_lots: int = 0
    ask_ticks: int = 0
    ask_lots: int = 0
    resyncs: int = 0
    mid: float = 0.0
    depth: float = 0.0
    ofi: float = 0.0
    recent: float = 0.0
    last_move: int = 0
    deviation: float = 0.0
    prediction: float = 0.0
    pending: deque[Pending] = field(default_factory=deque)
    samples: list[Sample] = field(default_factory=list)
    books: int = 0
    broken: int = 0
    dropped: int = 0
    skipped: int = 0
    learned: int = 0
    scored: int = 0
    squared_error: float = 0.0
    squared_move: float = 0.0
    moved: int = 0
    hits: int = 0
    last_move_hits: int = 0
    fee_rate: float = 0.0  # both ways, as a share of the price
    engaged: bool = False  # an order or a position wants managing


class PlainPredictor(Strategy):
    """Predicts the mid's move and keeps the score; sends orders only with `trade`. Parameters: model.Settings."""

    def __init__(self, **params: object) -> None:
        self.settings = Settings(**params)  # type: ignore[arg-type]  # refused there by name, checked by value
        self.horizon_ns = self.settings.horizon_ms * 1_000_000
        self.trader = Trader(self, self.settings)
        self.lanes: dict[int, Lane] = {}

    def on_start(self) -> None:
        """A lane for each instrument."""
        for instrument in self.instruments:
            lane = Lane(Regression(self.settings.forgetting, self.settings.ridge))
            lane.fee_rate = fee_rate(self.spec(instrument))
            self.lanes[instrument] = lane
            if self.settings.trade:
                lane.engaged = self.trader.start(instrument)

    def on_book(self, book: Book) -> None:
        """Score and learn what is due, then predict."""
        lane = self.lanes[book.instrument]
        bid, ask = book.best_bid_ticks, book.best_ask_ticks
        if not bid or not ask or book.resyncs != lane.resyncs:
            self._interrupt(lane, book.resyncs)
            if not bid or not ask:
                return
        now_ns = book.updated_ns
        mid = 0.5 * (float(bid) + float(ask))
        lane.books += 1
        self._mature(lane, now_ns, mid)
        spread = float(ask) - float(bid)
        x = self._features(lane, book, mid, spread)
        lane.prediction = lane.regression.predict(x)
        if len(lane.pending) < PENDING_MOST:
            due = now_ns + self.horizon_ns if self.horizon_ns else lane.books + self.settings.horizon_events
            lane.pending.append(Pending(due, now_ns, x, mid, spread, lane.last_move, lane.prediction))
        else:
            lane.skipped += 1
        if self.settings.trade:
            warm = lane.learned >= self.settings.warmup_events
            pays = warm and lane.prediction > spread + lane.fee_rate * mid
            if pays or lane.engaged:
                lane.engaged = self.trader.consider(book.instrument, bid, ask, pays)

    def on_order(self, order: Order) -> None:
        """Have it looked after."""
        if self.settings.trade and order.instrument in self.lanes:
            self.trader.on_order(order)
            self.lanes[order.instrument].engaged = True

    def _interrupt(self, lane: Lane, resyncs: int) -> None:
        """What was before is no neighbour of what comes: forget the book before and let go of what is pending."""
        if lane.known:
            lane.broken += 1
        lane.dropped += len(lane.pending)
        lane.pending.clear()
        lane.known = False
        lane.resyncs = resyncs
        lane.ofi = lane.recent = 0.0
        lane.last_move = 0

    def _mature(self, lane: Lane, now_ns: int, mid: float) -> None:
        """Outcomes that are known by now. By time, it is the last mid that was not after the horizon's end."""
        pending = lane.pending
        while pending:
            if self.horizon_ns:
                if pending[0].due >= now_ns:
                    return
                self._learn(lane, pending.popleft(), lane.mid)
            elif pending[0].due <= lane.books:
                self._learn(lane, pending.popleft(), mid)
            else:
                return

    def _learn(self, lane: Lane, made: Pending, mid: float) -> None:
        outcome = mid - made.mid
        if lane.learned >= self.settings.warmup_events:
            error = outcome - made.prediction
            lane.scored += 1
            lane.squared_error += error * error
            lane.squared_move += outcome * outcome
            if outcome:
                lane.moved += 1
                lane.hits += outcome * made.prediction > 0.0
                lane.last_move_hits += outcome * made.last_move > 0.0
        if len(lane.samples) < self.settings.samples_most:
            _, deviation, ofi, recent = made.x
            lane.samples.append(
                Sample(
                    made.made_ns,
                    made.mid,
                    made.spread,
                    deviation,
                    ofi,
                    recent,
                    made.last_move,
                    made.prediction,
                    outcome,
                )
            )
        lane.learned += 1
        lane.regression.learn(made.x, outcome)

    def _features(
        self, lane: Lane, book: Book, mid: float, spread: float
    ) -> tuple[float, float, float, float]:
        """The signals of this book, and the lane brought up to it."""
        bid, bid_lots, ask, ask_lots = (
            book.best_bid_ticks,
            book.best_bid_lots,
            book.best_ask_ticks,
            book.best_ask_lots,
        )
        both = float(bid_lots) + float(ask_lots)
        depth = 0.5 * both
        if lane.depth == 0.0:
            lane.depth = depth
        lane.depth = lane.depth + (depth - lane.depth) * (1.0 / DEPTH_EVENTS)
        lane.ofi = 0.0
        if lane.known:
            lane.ofi = float(flow(bid, bid_lots, lane.bid_ticks, lane.bid_lots)) - float(
                flow(-ask, ask_lots, -lane.ask_ticks, lane.ask_lots)
            )
            if mid != lane.mid:
                lane.last_move = 1 if mid > lane.mid else -1
        lane.recent = lane.recent * self.settings.ofi_keep + lane.ofi
        lane.deviation = 0.5 * spread * ((float(bid_lots) - float(ask_lots)) / both)
        lane.bid_ticks, lane.bid_lots, lane.ask_ticks, lane.ask_lots = bid, bid_lots, ask, ask_lots
        lane.mid, lane.known = mid, True
        return 1.0, lane.deviation, lane.ofi / lane.depth, lane.recent / lane.depth

    def signals(self, instrument: int) -> Signals:
        """The newest signals; KeyError for an instrument that is not ours."""
        lane = self.lanes[instrument]
        return Signals(lane.mid, lane.mid + lane.deviation, lane.ofi, lane.recent, lane.prediction)

    def weights(self, instrument: int) -> tuple[float, ...]:
        """The regression's weights: constant, microprice - mid, imbalance, recent imbalance; KeyError as in signals."""
        return tuple(self.lanes[instrument].regression.w)

    def score(self, instrument: int) -> Score:
        """Counts and sums so far; KeyError as in signals."""
        lane = self.lanes[instrument]
        return Score(
            lane.books, lane.broken, lane.dropped, lane.skipped, lane.learned, lane.regression.paused,
            lane.regression.resets, lane.scored, lane.squared_error, lane.squared_move, lane.moved, lane.hits,
            lane.last_move_hits,
        )  # fmt: skip

    def samples(self, instrument: int) -> list[Sample]:
        """The predictions with their outcomes, oldest first, the first `samples_most`; KeyError as in signals."""
        return list(self.lanes[instrument].samples)


def flow(price: int, lots: int, before_price: int, before_lots: int) -> int:
    """What one change added to the demand of a side, in lots; the greater price is the better one."""
    if price > before_price:
        return lots
    return -before_lots if price < before_price else lots - before_lots
