"""The smallest compiled strategy: measures spreads and counts updates in native memory, without Python per event.

A strategy of your own in your own package is written in the same way. `my_package/my_strategy.pyx`:

    from engine.core.state.books cimport Book
    from engine.core.strategy cimport WANTS_BOOK, Strategy

    cdef class MyStrategy(Strategy):
        cdef readonly long changes

        def __cinit__(self, *args, **kwargs):
            self.wants = WANTS_BOOK              # which slots are to be called at all

        cdef int book_slot(self, Book book) except -1:
            self.changes += 1                    # book.market.bid_ticks, .ask_ticks ...: C fields, no Python object
            return 0

Its `setup.py` compiles it against the installed Penstock, of exactly the version that it will run with:

    from pathlib import Path
    import engine
    from Cython.Build import cythonize
    from setuptools import Extension, setup

    installed = str(Path(engine.__file__).parent.parent)     # holds engine/*.pxd and native/*.h
    extension = Extension("my_package.my_strategy", ["my_package/my_strategy.pyx"], include_dirs=[installed])
    setup(name="my-package", packages=["my_package"], ext_modules=cythonize([extension], include_path=[installed]))

and its `pyproject.toml` gives it a name for the config's `[[strategy]]` tables:

    [project.entry-points."penstock.strategies"]
    my_strategy = "my_package.my_strategy:MyStrategy"

The slots are book_slot, trade_slot, order_slot, timer_slot and start_slot (engine/core/strategy.pxd). One that raises stops
the strategy, as with a Python one. `self.desk.place(...)` proposes an order without crossing into Python; buy(), sell() and
cancel() do the same for callers that are not in a hurry.
"""

from collections import namedtuple

from libc.stdlib cimport calloc, free

from engine.core.event cimport ORDER_LIMIT_MAKER, SIDE_BUY, SIDE_SELL
from engine.core.state.state cimport MAX_INSTRUMENTS
from engine.core.strategy cimport WANTS_BOOK, WANTS_TRADE

Measured = namedtuple(
    "Measured", "books two_sided spread_sum_ticks spread_least_ticks spread_most_ticks trades traded_lots")


cdef class SpreadMeter(Strategy):
    """Measures; with `order_every` it also proposes an order of `order_lots` on every so-many-th book change it hears.

    The orders are post-only at the best price of our own side, buys and sells in turn: something for benchmarks to time.
    ValueError where orders are wanted, but of no size.
    """

    def __cinit__(self, order_every: int = 0, order_lots: int = 0):
        if order_every < 0 or (order_every and order_lots <= 0):
            raise ValueError("order_every must not be negative, and orders need a size in lots above zero")
        self.order_every = order_every
        self.order_lots = order_lots
        self.wants = WANTS_BOOK | WANTS_TRADE
        self.meters = <meter_t*>calloc(MAX_INSTRUMENTS, sizeof(meter_t))
        if self.meters == NULL:
            raise MemoryError("no memory for the meters")

    def __dealloc__(self):
        free(self.meters)

    cdef int book_slot(self, Book book) except -1:
        cdef meter_t* meter = &self.meters[book.instrument]
        cdef int64_t bid = book.market.bid_ticks, ask = book.market.ask_ticks, spread = ask - bid
        self.books += 1
        meter.books += 1
        if bid > 0 and ask > 0:
            meter.spread_least_ticks = min(spread, meter.spread_least_ticks) if meter.two_sided else spread
            meter.spread_most_ticks = max(spread, meter.spread_most_ticks) if meter.two_sided else spread
            meter.spread_sum_ticks += spread
            meter.two_sided += 1
            if self.order_every and self.books % self.order_every == 0:
                return self.propose(book)
        return 0

    cdef int trade_slot(self, Trade trade) except -1:
        cdef meter_t* meter = &self.meters[trade.instrument]
        self.trades += 1
        meter.trades += 1
        meter.traded_lots += trade.size_lots
        return 0

    cdef int propose(self, Book book) except -1:
        cdef bint buy = self.proposed % 2 == 0
        self.proposed += 1
        self.desk.place(
            self, book.instrument, SIDE_BUY if buy else SIDE_SELL, ORDER_LIMIT_MAKER,
            book.market.bid_ticks if buy else book.market.ask_ticks, self.order_lots, 0)
        return 0

    def measured(self, instrument: int) -> Measured:
        """What was heard of an instrument (its index); IndexError where there can be no such instrument."""
        if not 0 <= instrument < MAX_INSTRUMENTS:
            raise IndexError(f"no instrument {instrument}")
        cdef meter_t* meter = &self.meters[instrument]
        return Measured(meter.books, meter.two_sided, meter.spread_sum_ticks, meter.spread_least_ticks,
                        meter.spread_most_ticks, meter.trades, meter.traded_lots)
