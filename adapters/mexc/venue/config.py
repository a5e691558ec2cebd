"""The local venue's configuration. Unknown keys are refused; every number carries its unit in its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from adapters.mexc.venue.numbers import parse_scaled
from backtest.exchange_types import MONEY_DECIMALS, SymbolSpec, SymbolStatus
from engine.core.enums import OrderType, Side

FaultName = Literal[
    "gap", "duplicate", "silent", "disconnect", "refuse_subscription", "http_5xx", "lost_ack", "ack_delay",
    "rate_limited", "html_403", "stale_snapshot", "bodyless", "one_sided", "garbage_frame", "unknown_field",
    "ack_after_fill",
]  # fmt: skip

RECORDED_SYMBOLS = ["BTCUSDT", "ETHUSDT"]  # what there are recordings of
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
    order_types: list[Literal["LIMIT", "MARKET", "LIMIT_MAKER"]] = ["LIMIT", "MARKET", "LIMIT_MAKER"]
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


class AccountConfig(Strict):
    """One API key and what it owns at the start; the balances are decimal strings per asset."""

    api_key: str = "mx0-demo"
    secret: SecretStr = SecretStr("demo-secret")
    balances: dict[str, str] = {"USDT": "100000", "BTC": "1", "ETH": "20", "SOL": "400", "MX": "20000"}


class SeededConfig(Strict):
    """The made market: rates are per second and symbol."""

    maker_rate_hz: float = Field(default=40, ge=0, le=1000)
    taker_rate_hz: float = Field(default=5, ge=0, le=1000)
    levels: int = Field(default=20, ge=1, le=500)
    warm_up_steps: int = Field(default=200, ge=0)


class RecordedConfig(Strict):
    """The replayed recording."""

    data_dir: Path | None = None  # default: $PENSTOCK_DATA, else ../shared/data
    speed: float = Field(default=1.0, gt=0, le=10_000)
    start_on_subscribe: bool = True  # else the recording runs from the venue's start


class LimitsConfig(Strict):
    """MEXC's limits; `time_scale` divides its times, so that a test need not wait a minute."""

    subscriptions: int = 30
    messages_per_s: int = 100
    no_subscription_s: float = 30
    no_data_s: float = 60
    connection_life_s: float = 86_400
    time_scale: float = Field(default=1.0, gt=0)
    listen_key_life_s: float = 3600
    listen_keys: int = 60
    connections_per_key: int = 5
    connections: int = 200
    send_queue_frames: int = 8192
    rest_weight_per_10s: int = 500
    open_orders: int = 500
    logged_orders: int = 200_000


class FaultConfig(Strict):
    """One fault: when, how often, and to what. See `adapters.mexc.venue.faults` for the names."""

    name: FaultName
    probability: float = Field(default=1.0, ge=0, le=1)
    at_s: float = Field(default=0.0, ge=0)  # after it was set
    for_s: float | None = Field(default=None, gt=0)
    count: int | None = Field(default=None, ge=1)
    match: str = ""  # only channels, or methods and paths (`POST /api/v3/order`), that contain this
    status: int = Field(default=503, ge=500, le=599)  # http_5xx
    delay_ms: float = Field(default=50, ge=0, le=60_000)  # ack_delay, ack_after_fill
    retry_after_s: int = Field(default=1, ge=0)  # rate_limited
    cut: bool = False  # lost_ack: cut the connection instead of answering 504


class VenueConfig(Strict):
    """Everything about one local venue."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    tls: bool = False  # https and wss, with a certificate for localhost that is made at the start
    seed: int = 1
    market: Literal["seeded", "recorded"] = "seeded"
    symbols: list[str] = []  # empty: all that are listed, or all that were recorded
    listed: list[SymbolConfig] = Field(default_factory=default_symbols)
    accounts: list[AccountConfig] = Field(default_factory=lambda: [AccountConfig()])
    seeded: SeededConfig = SeededConfig()
    recorded: RecordedConfig = RecordedConfig()
    limits: LimitsConfig = LimitsConfig()
    clock: Literal["system", "manual"] = "system"
    manual_start_ms: int = 1_700_000_000_000
    matching_latency_us: int = Field(default=0, ge=0, le=10_000_000)
    private_push_delay_ms: float = Field(default=2, ge=0, le=60_000)
    my_trades_delay_ms: int = Field(default=0, ge=0, le=60_000)
    duplicate_client_ids: Literal["reject", "accept"] = "reject"
    self_trade: Literal["allow", "cancel_taker", "cancel_maker", "cancel_both"] = "allow"
    fee_asset: Literal["quote", "received", "MX"] = "quote"
    faults: list[FaultConfig] = []

    def chosen_symbols(self) -> list[SymbolConfig]:
        """The listed symbols that this venue carries; ValueError for a name that is not listed."""
        known = {symbol.symbol: symbol for symbol in self.listed}
        wanted = self.symbols or (RECORDED_SYMBOLS if self.market == "recorded" else list(known))
        missing = [name for name in wanted if name not in known]
        if missing:
            raise ValueError(f"unknown symbol {missing[0]}; listed are {', '.join(known)}")
        return [known[name] for name in wanted]
