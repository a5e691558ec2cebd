"""What the venue lists: symbols from the start, and listings that appear and open while it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.mexc.venue.numbers import parse_scaled
from backtest.exchange_types import MONEY_DECIMALS, SymbolSpec, SymbolStatus
from engine.core.enums import OrderType, Side

Outcome = Literal[
    "on_time", "early", "late", "postponed", "cancelled", "not_api_tradable", "paused", "band_moved",
    "no_market_orders", "buy_suspended", "sell_suspended",
]  # fmt: skip
WebCodes = tuple[int, int, int]  # sts, st, tt
READY_CODES: WebCodes = (2, 2, 4)
PRE_READY_CODES: tuple[WebCodes, ...] = ((1, 1, 1), (2, 1, 1), (2, 2, 1))

_API_ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "LIMIT_MAKER": OrderType.LIMIT_MAKER,
    "IMMEDIATE_OR_CANCEL": OrderType.IOC,
    "FILL_OR_KILL": OrderType.FOK,
}
_SIDES = {
    "all": frozenset(Side),
    "buy": frozenset({Side.BUY}),
    "sell": frozenset({Side.SELL}),
    "none": frozenset(),
}
_SUSPENDED = {"none": frozenset(), "buy": frozenset({Side.BUY}), "sell": frozenset({Side.SELL})}


class Strict(BaseModel):
    """A model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class SymbolConfig(Strict):
    """One listed symbol: what exchangeInfo says, and how lively the seeded market makes it."""

    symbol: str = Field(pattern=r"^[A-Z0-9]{2,30}$")
    base: str
    quote: str = "USDT"
    full_name: str = ""
    price_decimals: int = Field(ge=0, le=10)
    size_decimals: int = Field(ge=0, le=10)
    min_size: str = "0"
    min_notional: str = "1"
    max_notional: str = "4000000"
    max_notional_market: str = "1000000"
    band: str = "0.005"
    maker_fee: str = "0"
    taker_fee: str = "0.0005"
    status: SymbolStatus = SymbolStatus.TRADING
    tradable: bool = True
    sides: Literal["all", "buy", "sell", "none"] = "all"
    suspended: Literal["none", "buy", "sell"] = "none"
    order_types: list[Literal["LIMIT", "MARKET", "LIMIT_MAKER"]] = ["LIMIT", "MARKET", "LIMIT_MAKER"]
    market_order_code: Literal[30018, 30019] = (
        30019  # what a market order gets where MARKET is not among these
    )
    first_open_ms: int = Field(default=1_577_836_800_000, ge=0)
    contract_address: str = ""
    has_contract: bool = True  # a futures contract follows it from the start; of a listing see contract_s
    # the seeded market
    start_price: str = "0"
    half_spread_ticks: int = Field(default=4, ge=1)
    level_gap_ticks: int = Field(default=2, ge=1)
    volatility_ticks: int = Field(
        default=4, ge=0, description="standard deviation of the fair price per second"
    )
    typical_size: str = "1"
    first_version: int = 82_000_000_000

    @field_validator("min_notional", "max_notional", "max_notional_market", "band", "maker_fee", "taker_fee")
    @classmethod
    def _is_decimal(cls, value: str) -> str:
        parse_scaled(value, MONEY_DECIMALS)
        return value

    def ppm(self, text: str) -> int:
        """A fraction such as `0.005` in millionths."""
        return parse_scaled(text, 6)

    def spec(self) -> SymbolSpec:
        """The same symbol as the matching engine wants it."""
        types = {_API_ORDER_TYPES[name] for name in self.order_types}
        if OrderType.LIMIT in types:
            types |= {OrderType.IOC, OrderType.FOK}
        return SymbolSpec(
            symbol=self.symbol,
            base=self.base,
            quote=self.quote,
            price_decimals=self.price_decimals,
            size_decimals=self.size_decimals,
            min_lots=max(1, parse_scaled(self.min_size, self.size_decimals)),
            min_notional=parse_scaled(self.min_notional, MONEY_DECIMALS),
            max_notional=parse_scaled(self.max_notional, MONEY_DECIMALS),
            max_notional_market=parse_scaled(self.max_notional_market, MONEY_DECIMALS),
            band_up_ppm=self.ppm(self.band),
            band_down_ppm=self.ppm(self.band),
            status=self.status,
            tradable=self.tradable,
            sides=_SIDES[self.sides],
            suspended=_SUSPENDED[self.suspended],
            order_types=frozenset(types),
            first_version=self.first_version,
        )


def default_symbols() -> list[SymbolConfig]:
    """Four symbols with different scales."""
    return [
        SymbolConfig(
            symbol="BTCUSDT", base="BTC", full_name="Bitcoin", price_decimals=2, size_decimals=8,
            min_size="0.000001", start_price="60000", half_spread_ticks=12, level_gap_ticks=4,
            volatility_ticks=24, typical_size="0.02", first_version=82_000_000_000,
        ),
        SymbolConfig(
            symbol="ETHUSDT", base="ETH", full_name="Ethereum", price_decimals=2, size_decimals=5,
            min_size="0.0001", start_price="2600", half_spread_ticks=8, level_gap_ticks=3,
            volatility_ticks=16, typical_size="0.4", first_version=61_000_000_000,
        ),
        SymbolConfig(
            symbol="SOLUSDT", base="SOL", full_name="Solana", price_decimals=2, size_decimals=3,
            min_size="0.01", band="0.02", start_price="150", half_spread_ticks=4, level_gap_ticks=1,
            volatility_ticks=7, typical_size="8", first_version=43_000_000_000,
        ),
        SymbolConfig(
            symbol="MXUSDT", base="MX", full_name="MX Token", price_decimals=4, size_decimals=2,
            min_size="0.1", band="0.05", start_price="3.5", half_spread_ticks=5, level_gap_ticks=2,
            volatility_ticks=9, typical_size="150", first_version=7_000_000_000,
        ),
    ]  # fmt: skip


class OpeningConfig(Strict):
    """How the seeded market of a new symbol begins."""

    one_sided_ms: int = Field(
        default=60, ge=0, le=60_000, description="how long one side of the book is empty"
    )
    calm_s: float = Field(default=60, gt=0, description="until spread, volatility and price are ordinary")
    spread_times: int = Field(default=10, ge=1, le=1000, description="width of the spread at the opening")
    run_ppm: int | None = Field(
        default=None, gt=-1_000_000, description="where the price goes meanwhile; none: drawn from the seed"
    )


class ListingConfig(SymbolConfig):
    """A symbol that appears and opens while the venue runs. Times are seconds after the venue's start.

    | time | default | what happens |
    |---|---|---|
    | `announce_s` | 0 | a row in the calendar, an announcement |
    | `web_s` | open_s / 5 | a row in symbolsV2, with the first of the pre-ready codes; two more follow until `ready_s` |
    | `list_s` | open_s / 2 | a row in exchangeInfo: status "2", isSpotTradingAllowed false |
    | `ready_s` | 4/5 of open_s | the codes 2, 2, 4 |
    | `api_s` | 9/10 of open_s | isSpotTradingAllowed true; later than the opening, orders get 10007 in between |
    | `contract_s` | never | a futures contract, that opens with the symbol |
    | `notice_s` | between list_s and open_s | postponed, cancelled: told |
    | `open_s` | | status "1", the market starts |
    | `delist_s` | never | the symbol goes, and is told by symbol/offline |
    """

    start_price: str  # what its market opens at
    outcome: Outcome = "on_time"
    open_s: float = Field(ge=0)
    announce_s: float = Field(default=0, ge=0)
    web_s: float | None = Field(default=None, ge=0)
    list_s: float | None = Field(default=None, ge=0)
    ready_s: float | None = Field(default=None, ge=0)
    api_s: float | None = Field(default=None, ge=0)
    contract_s: float | None = Field(default=None, ge=0)
    notice_s: float | None = Field(default=None, ge=0)
    delist_s: float | None = Field(default=None, ge=0)
    # how early, how late, how far postponed; how long after the opening it is paused or suspended
    shift_s: float = Field(default=5, ge=0)
    closed_code: Literal[30000, 30016] = 30000  # what an order gets before the opening
    moved_band: str = "0.02"  # band_moved: the band from the opening on
    contract_api_allowed: bool = True
    zone: str = "Innovation Zone"
    opening: OpeningConfig = OpeningConfig()

    @model_validator(mode="after")
    def _can_open(self) -> ListingConfig:
        if not parse_scaled(self.start_price, self.price_decimals):
            raise ValueError("start_price: a market needs a price to open at")
        parse_scaled(self.typical_size, self.size_decimals)
        if self.at_s("list_s") > self.opens_s:
            raise ValueError("list_s: a symbol cannot open before it is listed")
        return self

    def at_s(self, name: str) -> float:
        """One of the times, its default filled in; what opens early has everything before that early too."""
        given = getattr(self, name)
        if given is None and name == "notice_s":
            given = (self.at_s("list_s") + self.open_s) / 2
        elif given is None:
            given = self.open_s * {"web_s": 0.2, "list_s": 0.5, "ready_s": 0.8, "api_s": 0.9}[name]
        return float(min(given, self.opens_s) if self.outcome == "early" else given)

    @property
    def opens_s(self) -> float:
        """When it really opens; of a cancelled one, when it would have."""
        shift = {"early": -self.shift_s, "late": self.shift_s, "postponed": self.shift_s}
        return max(0.0, self.open_s + shift.get(self.outcome, 0.0))
