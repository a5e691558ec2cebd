"""A strategy that asks the gate by the clock, whatever its books are like: what is answered while a feed is behind shows."""

from engine import OrderType, Strategy

INTERVAL_MS, ORDER_LOTS = 50, 10_000


class Metronome(Strategy):
    """Every INTERVAL_MS the least size at a book's best ask, immediate or cancel, one book after another."""

    def __init__(self):
        self.turn = 0

    def on_start(self):
        """Begin."""
        self.set_timer(1, INTERVAL_MS)

    def on_timer(self, timer_id):
        """The next book's turn."""
        self.set_timer(1, INTERVAL_MS)
        instruments = self.instruments
        instrument = instruments[self.turn % len(instruments)]
        self.turn += 1
        ask_ticks = self.book(instrument).best_ask_ticks
        if ask_ticks:
            self.buy(instrument, ask_ticks, ORDER_LOTS, OrderType.IOC)
