"""A peer: the backtest engine of NautilusTrader 2 (all in Rust), quotes into a strategy in Python that counts them.

python nautilus2_events.py COUNT ROUNDS

Tells the events per CPU-second of each round, of `BacktestEngine.run` alone; loading the data is not timed.
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Any

import nautilus_trader
from events import quotes, tell
from nautilus_trader.backtest import BacktestEngine, BacktestEngineConfig
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.model import (
    AccountType,
    Currency,
    CurrencyPair,
    InstrumentId,
    Money,
    OmsType,
    Price,
    Quantity,
    QuoteTick,
    StrategyId,
    Symbol,
    Venue,
)
from nautilus_trader.trading import Strategy, StrategyConfig

VENUE = Venue("MEXC")
BTC, USDT = Currency.from_str("BTC"), Currency.from_str("USDT")
INSTRUMENT_ID = InstrumentId(Symbol("BTCUSDT"), VENUE)
INSTRUMENT = CurrencyPair(
    instrument_id=INSTRUMENT_ID, raw_symbol=Symbol("BTCUSDT"), base_currency=BTC, quote_currency=USDT,
    price_precision=2, size_precision=8, price_increment=Price(0.01, 2), size_increment=Quantity(0.00000001, 8),
    ts_event=0, ts_init=0,
)  # fmt: skip
QUIET = LoggerConfig(bypass_logging=True)
FEES = MakerTakerFeeModel(Decimal(0), Decimal("0.0005"))


class Counter(Strategy):
    """The least that a strategy can do with a quote."""

    def on_start(self) -> None:
        """Subscribe."""
        self.count = 0
        self.subscribe_quotes(INSTRUMENT_ID)

    def on_quote(self, quote: Any) -> None:
        """Count it."""
        self.count += 1


def ticks(count: int) -> list[QuoteTick]:
    """The quotes as its data."""
    return [
        QuoteTick(
            INSTRUMENT_ID,
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
    engine = BacktestEngine(BacktestEngineConfig(logging=QUIET, run_analysis=False))
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [Money(1_000_000.0, USDT)], fee_model=FEES)
    engine.add_instrument(INSTRUMENT)
    engine.add_data(data)
    counter = Counter(StrategyConfig(strategy_id=StrategyId("COUNTER-1")))
    engine.add_strategy(counter)
    started = time.process_time_ns()
    engine.run()
    taken = time.process_time_ns() - started
    engine.dispose()
    if counter.count != len(data):
        raise RuntimeError(f"{counter.count} of {len(data)} quotes were heard")
    return len(data) * 1e9 / taken


def main() -> None:
    """So many rounds over the same quotes."""
    count, rounds = int(sys.argv[1]), int(sys.argv[2])
    data = ticks(count)
    tell(nautilus_trader.__version__, [rate(data) for _ in range(rounds)])


if __name__ == "__main__":
    main()
