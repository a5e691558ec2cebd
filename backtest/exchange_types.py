"""The nouns of the matching engine: symbols, requests, orders, and the records it emits.

Prices are ticks of 10^-price_decimals, sizes lots of 10^-size_decimals, money and balances Python ints in
10^-20 units of their asset, times nanoseconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.accounts import Account

from engine.core.enums import OrderType, Side

MONEY_DECIMALS = 20
MONEY_ONE = 10**MONEY_DECIMALS


class OrderStatus(IntEnum):
    """Where an order stands; the last three are final."""

    NEW = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 4
    PARTIALLY_CANCELED = 5

    @property
    def is_final(self) -> bool:
        """True once nothing more can happen to the order."""
        return self >= OrderStatus.FILLED


class SymbolStatus(Enum):
    """What a symbol lets happen."""

    TRADING = "trading"
    PAUSED = "paused"  # listed, no orders
    DISABLED = "disabled"  # listed, trading not enabled yet
    HIDDEN = "hidden"  # as if it did not exist


class SelfTradePolicy(Enum):
    """What happens when an order would meet one of the same account."""

    ALLOW = "allow"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_BOTH = "cancel_both"


class Reason(Enum):
    """Why a request was refused or an order ended early."""

    UNKNOWN_SYMBOL = "unknown symbol"
    SYMBOL_PAUSED = "symbol paused"
    TRADING_DISABLED = "trading disabled"
    NOT_TRADABLE = "symbol not open to this interface"
    SIDE_CLOSED = "side closed"
    SIDE_SUSPENDED = "side suspended"
    ORDER_TYPE_CLOSED = "order type not allowed"
    BAD_PRICE = "price missing, not positive or off the tick"
    BAD_SIZE = "size missing, not positive or off the lot"
    SIZE_TOO_SMALL = "size below the minimum"
    SIZE_TOO_LARGE = "size above the maximum"
    NOTIONAL_TOO_SMALL = "notional below the minimum"
    NOTIONAL_TOO_LARGE = "notional above the maximum"
    PRICE_OUT_OF_BAND = "price outside of the band"
    INSUFFICIENT_BALANCE = "insufficient balance"
    TOO_MANY_ORDERS = "too many open orders"
    DUPLICATE_CLIENT_ID = "duplicate client id"
    WOULD_CROSS = "a maker order would take"
    NO_OPPONENT = "nothing to trade with"
    NO_PRICE = "no price yet"
    UNKNOWN_ORDER = "unknown order"
    UNKNOWN_ACCOUNT = "unknown account"
    # why an accepted order ended without being filled
    CANCELED_BY_USER = "cancelled by the user"
    UNFILLED_REMAINDER = "the rest could not be filled at once"
    NOT_FILLABLE = "could not be filled completely at once"
    DELISTED = "the symbol was removed"
    SELF_TRADE = "would have traded with itself"


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """One symbol's scale, filters and permissions. A zero `max_...`, `band_...` or minimum means none."""

    symbol: str
    base: str
    quote: str
    price_decimals: int
    size_decimals: int
    tick_step: int = 1
    lot_step: int = 1
    min_lots: int = 1
    max_lots: int = 0
    min_notional: int = 0
    max_notional: int = 0
    max_notional_market: int = 0
    band_up_ppm: int = 0
    band_down_ppm: int = 0
    status: SymbolStatus = SymbolStatus.TRADING
    tradable: bool = True
    sides: frozenset[Side] = frozenset(Side)
    suspended: frozenset[Side] = frozenset()  # closed for the moment, against what `sides` says
    order_types: frozenset[OrderType] = frozenset(OrderType)
    first_version: int = 1

    def __post_init__(self) -> None:
        if self.price_decimals < 0 or self.size_decimals < 0:
            raise ValueError(f"{self.symbol}: decimals must not be negative")
        if self.price_decimals + self.size_decimals > MONEY_DECIMALS:
            raise ValueError(f"{self.symbol}: price and size decimals together exceed {MONEY_DECIMALS}")

    @property
    def money_per_tick_lot(self) -> int:
        """Money units of one tick times one lot."""
        return int(10 ** (MONEY_DECIMALS - self.price_decimals - self.size_decimals))

    @property
    def units_per_lot(self) -> int:
        """Money units of base in one lot."""
        return int(10 ** (MONEY_DECIMALS - self.size_decimals))


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """An order as asked for. A market order gives `size_lots` or `quote_money`, the others price and size."""

    account: str
    symbol: str
    side: Side
    order_type: OrderType
    size_lots: int = 0
    price_ticks: int = 0
    quote_money: int = 0
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A cancel by the exchange's number or, where that is 0, by client id."""

    account: str
    order_no: int = 0
    client_id: str = ""


Request = PlaceRequest | CancelRequest


@dataclass(slots=True, eq=False)
class Order:
    """A live or finished order. `locked` is what it holds of its account's balance."""

    order_no: int
    account: Account
    spec: SymbolSpec
    side: Side
    order_type: OrderType
    price_ticks: int
    size_lots: int
    quote_money: int
    client_id: str
    created_ns: int
    updated_ns: int
    status: OrderStatus = OrderStatus.NEW
    filled_lots: int = 0
    filled_money: int = 0
    locked: int = 0
    ahead_lots: int = 0  # ambient size that is served before this order
    guard_ticks: int = 0  # of a market order: the best opposite price when it arrived

    @property
    def remaining_lots(self) -> int:
        """Lots not filled yet; 0 for a market order by quote amount."""
        return self.size_lots - self.filled_lots if self.size_lots else 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The order is in; fills, if any, follow as their own records."""

    time_ns: int
    request_no: int
    order: Order


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request was refused; nothing was or will be executed."""

    time_ns: int
    request_no: int
    request: Request
    reason: Reason
    limit: int = 0  # the limit that was broken, in the units of what it limits


@dataclass(frozen=True, slots=True)
class Fill:
    """One order's side of a trade, with what the order had reached right after it."""

    time_ns: int
    order: Order
    trade_no: int
    price_ticks: int
    size_lots: int
    money: int
    fee: int
    fee_asset: str
    is_maker: bool
    is_self_trade: bool
    filled_lots: int
    filled_money: int
    status: OrderStatus


@dataclass(frozen=True, slots=True)
class Trade:
    """A public print. `taker` or `maker` is None where ambient liquidity stood on that side."""

    time_ns: int
    symbol: str
    trade_no: int
    price_ticks: int
    size_lots: int
    taker_side: Side
    taker: Order | None
    maker: Order | None


@dataclass(frozen=True, slots=True)
class Done:
    """An order ended without being filled completely."""

    time_ns: int
    order: Order
    reason: Reason
    request_no: int = 0  # the cancel request, where there was one


@dataclass(frozen=True, slots=True)
class BookChange:
    """A level's new total; each change has the symbol's next version."""

    time_ns: int
    symbol: str
    side: Side
    price_ticks: int
    size_lots: int
    version: int


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """An account's balance of one asset after a change, and the change itself."""

    time_ns: int
    account: str
    asset: str
    free: int
    locked: int
    free_change: int
    locked_change: int
    cause: str  # place, fill, fee, release, deposit


Record = Accepted | Rejected | Fill | Trade | Done | BookChange | BalanceChange


@dataclass(slots=True)
class ExchangeLimits:
    """Bounds of the exchange's own memory and of each account."""

    open_orders_per_account: int = 500
    finished_orders_per_account: int = 100_000
    pending_requests: int = 100_000


@dataclass(order=True, slots=True)
class Pending:
    """A request on its way: it acts at `due_ns`; ties go by number."""

    due_ns: int
    request_no: int
    request: Request = field(compare=False)
