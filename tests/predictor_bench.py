"""A core with predictors on one instrument, fed by hand: both kinds hear the very same events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from engine import InstrumentSpec
from engine.core import event
from engine.core.engine import Engine
from engine.core.strategy import Strategy
from engine.journal.records import split
from strategies.predictor import PlainPredictor, Predictor
from tests.core_session import MONEY, START_NS, WIDE

COIN = InstrumentSpec("AAAUSDT", "AAA", "USDT", price_decimals=2, size_decimals=3)
Best = tuple[int, int, int, int]  # bid ticks, bid lots, ask ticks, ask lots; 0 lots: no such side


class Bench:
    """One engine with these strategies, ready to trade on one instrument."""

    def __init__(
        self, *strategies: Strategy, spec: InstrumentSpec = COIN, saved: tuple[bytes, int, int] | None = None
    ) -> None:
        self.core = Engine()
        self.seq, self.now_ns, self.version = 0, START_NS, 0
        if saved is not None:
            self.core.load_durable(*saved)
            _, self.seq, self.now_ns = saved
        self.best: Best | None = None
        self.outputs: list[bytes] = []
        names = [f"s{at}" for at in range(len(strategies))]
        document = {"mode": "paper", "risk": WIDE, "strategy": [{"id": name} for name in names]}
        self.take(event.start("predictors00", int(saved is not None), False, 1))
        self.take(event.config(json.dumps(document).encode()))
        self.take(event.instrument(spec))
        self.take(event.balance(spec.base, 10_000 * MONEY, 0, True))
        self.take(event.balance(spec.quote, 1_000_000 * MONEY, 0, True))
        for name, strategy in zip(names, strategies, strict=True):
            self.core.attach(strategy, name, [spec.symbol])
        self.take(event.feed(spec.source, True))
        self.take(event.reconciled())
        assert not self.core.errors

    def take(self, what: bytes, step_ns: int = 1_000_000) -> list[bytes]:
        """One event, so long after the one before; its outputs."""
        return self.take_at(what, self.now_ns + step_ns)

    def take_at(self, what: bytes, now_ns: int) -> list[bytes]:
        """One event at a time; its outputs. A strategy that raised fails the test."""
        self.seq += 1
        self.now_ns = now_ns
        outputs = list(split(self.core.process_bytes(event.stamped(what, self.seq, now_ns))))
        self.outputs += outputs
        if self.core.errors:
            raise AssertionError(self.core.errors) from self.core.errors[0][2]
        return outputs

    def show(self, bid: int, bid_lots: int, ask: int, ask_lots: int, step_ns: int = 1_000_000) -> list[bytes]:
        """The book's best levels become these; a side of no lots is empty."""
        self.version += 1
        now = (bid, bid_lots, ask, ask_lots)
        if self.best is None:
            asks, bids = ([(p, q)] if q else [] for p, q in ((ask, ask_lots), (bid, bid_lots)))
            made = event.snapshot(0, self.version, asks, bids)
        else:
            asks, bids = moved(self.best[2:], now[2:]), moved(self.best[:2], now[:2])
            made = event.delta(0, self.version, self.version, asks, bids)
        self.best = now
        return self.take(made, step_ns)

    def gap(self) -> None:
        """A version is missing: the book resyncs, and starts again from what was best."""
        assert self.best is not None
        self.version += 5
        self.take(event.delta(0, self.version, self.version, [], [(1, 1)]))
        bid, bid_lots, ask, ask_lots = self.best
        self.version += 1
        asks, bids = ([(p, q)] if q else [] for p, q in ((ask, ask_lots), (bid, bid_lots)))
        self.take(event.snapshot(0, self.version, asks, bids))


def moved(before: Sequence[int], now: Sequence[int]) -> list[tuple[int, int]]:
    """The level changes of one side."""
    levels = [(before[0], 0)] if before[0] != now[0] and before[1] else []
    return [*levels, (now[0], now[1])]


def pair(**params: Any) -> tuple[Predictor, PlainPredictor]:
    """One of each kind with the same parameters."""
    return Predictor(**params), PlainPredictor(**params)


def told(strategy: Predictor | PlainPredictor, instrument: int = 0) -> tuple[Any, ...]:
    """Everything that a predictor tells, doubles as their bits: NaN and the sign of zero count."""
    parts: Iterable[Any] = (
        strategy.signals(instrument),
        strategy.weights(instrument),
        strategy.score(instrument),
        *strategy.samples(instrument),
    )
    return tuple(tuple(each.hex() if isinstance(each, float) else each for each in part) for part in parts)
