"""A peer: NautilusTrader 1.x's backtest engine, quotes into a strategy in Python that counts them.

python nautilus_events.py COUNT ROUNDS

Tells the events per CPU-second of each round, of `BacktestEngine.run` alone; loading the data is not timed.
"""

from __future__ import annotations

import sys
import time
import warnings
from decimal import Decimal
from typing import Any

import nautilus_trader
from events import quotes, tell
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("MEXC")
INSTRUMENT = CurrencyPair(
    instrument_id=InstrumentId(Symbol("BTCUSDT"), VENUE), raw_symbol=Symbol("BTCUSDT"), base_currency=BTC,
    quote_currency=USDT, price_precision=2, size_precision=8, price_increment=Price(0.01, 2),
    size_increment=Quantity.from_str("0.00000001"), ts_event=0, ts_init=0, maker_fee=Decimal(0), taker_fee=Decimal("0.0005"),
)  # fmt: skip


class Counter(Strategy):
    """The least that a strategy can do with a quote."""

    def __init__(self) -> None:
        super().__init__(StrategyConfig(strategy_id="COUNTER-1"))
        self.quotes = 0

    def on_start(self) -> None:
        """Subscribe."""
        self.subscribe_quote_ticks(INSTRUMENT.id)

    def on_quote_tick(self, tick: Any) -> None:
        """Count it."""
        self.quotes += 1


def ticks(count: int) -> list[QuoteTick]:
    """The quotes as its data."""
    return [
        QuoteTick(
            INSTRUMENT.id,
            Price(bid, 2),
            Price(ask, 2),
            Quantity(bid_size, 8),
            Quantity(ask_size, 8),
            now_ns,
            now_ns,
        )
        for bid, ask, bid_size, ask_size, now_ns in quotes(count)
    ]


def rate(data: list[QuoteTick]) -> float:
    """Events per CPU-second of one run."""
    engine = BacktestEngine(
        config=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False)
    )
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [Money(1_000_000, USDT)])
    engine.add_instrument(INSTRUMENT)
    engine.add_data(data)
    counter = Counter()
    engine.add_strategy(counter)
    started = time.process_time_ns()
    engine.run()
    taken = time.process_time_ns() - started
    engine.dispose()
    if counter.quotes != len(data):
        raise RuntimeError(f"{counter.quotes} of {len(data)} quotes were heard")
    return len(data) * 1e9 / taken


def main() -> None:
    """So many rounds over the same quotes."""
    warnings.simplefilter("ignore")  # its own, about pandas
    count, rounds = int(sys.argv[1]), int(sys.argv[2])
    data = ticks(count)
    tell(nautilus_trader.__version__, [rate(data) for _ in range(rounds)])


if __name__ == "__main__":
    main()
