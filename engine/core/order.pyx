"""An order as Python sees it: a copy taken at one moment."""

from engine.core.event cimport SIDE_BUY
from engine.core.money cimport money_int

from engine.core.enums import IntentState, OrderType


cdef class Order:
    """A copy of an order: prices in ticks, sizes in lots, money in 10^-20 units of its asset."""

    @property
    def remaining_lots(self) -> int:
        """What may still be executed; 0 once the order ended."""
        return max(self.size_lots - self.filled_lots, 0) if self.is_open else 0

    @property
    def state_name(self) -> str:
        return IntentState(self.state).name

    @property
    def type_name(self) -> str:
        return OrderType(self.order_type).name

    @property
    def is_buy(self) -> bool:
        return self.side == SIDE_BUY

    def __repr__(self) -> str:
        return (f"Order({self.order_no} {'BUY' if self.is_buy else 'SELL'} {self.type_name} {self.size_lots}@{self.price_ticks} "
                f"filled {self.filled_lots} {self.state_name})")


cdef Order order_view(const order_t* order):
    """A copy of the order as it is now."""
    view = <Order>Order.__new__(Order)
    view.order_no = order.order_no
    view.price_ticks = order.price_ticks
    view.size_lots = order.size_lots
    view.filled_lots = order.filled_lots
    view.placed_ns = order.placed_ns
    view.updated_ns = order.updated_ns
    view.instrument = order.instrument
    view.venue_code = order.venue_code
    view.strategy = order.strategy
    view.side = order.side
    view.order_type = order.order_type
    view.state = order.state
    view.cancel_pending = order.cancel_pending
    view.is_canceled = order.canceled
    view.is_open = order.open_
    view.venue_order_id = order.venue_order_id[:48].split(b"\0", 1)[0].decode("ascii", "replace")
    view.filled_money = money_int(order.filled_money)
    view.fees = money_int(order.fees)
    view.base_fees = money_int(order.base_fees)
    view.fee_asset = order.fee_asset[:16].split(b"\0", 1)[0].decode("ascii", "replace")
    return view
