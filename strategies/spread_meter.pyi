from typing import NamedTuple

from engine.core.strategy import Strategy

class Measured(NamedTuple):
    books: int
    two_sided: int
    spread_sum_ticks: int
    spread_least_ticks: int
    spread_most_ticks: int
    trades: int
    traded_lots: int

class SpreadMeter(Strategy):
    def __init__(self, order_every: int = 0, order_lots: int = 0) -> None: ...
    def measured(self, instrument: int) -> Measured: ...
    @property
    def books(self) -> int: ...
    @property
    def trades(self) -> int: ...
    @property
    def order_every(self) -> int: ...
    @property
    def order_lots(self) -> int: ...
    @property
    def proposed(self) -> int: ...
