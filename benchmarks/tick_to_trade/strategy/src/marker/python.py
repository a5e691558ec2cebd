"""The marker strategy as a Python callback."""

from engine import OrderType, Strategy

# The lowest four digits of the best bid's size in lots are the marker; those above number the frame.
MARKER_SCALE, MARKER, ORDER_LOTS = 10_000, 7_777, 10_000


class Marker(Strategy):
    """Buys the least size, plus the frame's number in lots, at the best ask: immediate or cancel."""

    def on_book(self, book):
        """A LIVE book changed."""
        bid_lots = book.best_bid_lots
        if bid_lots % MARKER_SCALE == MARKER:
            self.buy(
                book.instrument, book.best_ask_ticks, ORDER_LOTS + bid_lots // MARKER_SCALE, OrderType.IOC
            )
