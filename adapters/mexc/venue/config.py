"""The local venue's configuration. Unknown keys are refused; every number carries its unit in its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from adapters.mexc.venue.config_symbols import ListingConfig, Strict, SymbolConfig, default_symbols
from adapters.mexc.venue.listings_generated import GeneratedConfig, generated_listings

FaultName = Literal[
    "gap", "duplicate", "silent", "disconnect", "refuse_subscription", "http_5xx", "lost_ack", "ack_delay",
    "rate_limited", "html_403", "stale_snapshot", "bodyless", "one_sided", "garbage_frame", "unknown_field",
    "ack_after_fill", "banned", "latency", "http_404", "http_silent", "changed_shape", "refuse_upgrade",
    "deal_before_order", "other_decimals",
]  # fmt: skip

RECORDED_SYMBOLS = ["BTCUSDT", "ETHUSDT"]  # what there are recordings of


PERMISSIONS = ("SPOT_ACCOUNT_READ", "SPOT_DEAL_READ", "SPOT_DEAL_WRITE")


class AccountConfig(Strict):
    """One API key, what it may do, and what it owns at the start; the balances are decimal strings per asset."""

    api_key: str = "mx0-demo"
    secret: SecretStr = SecretStr("demo-secret")
    permissions: list[str] = Field(default=list(PERMISSIONS))  # without one its endpoints answer 700007
    symbols: list[str] = Field(default=[])  # selfSymbols; empty: all that are open to the API
    ip_white_list: list[str] = Field(default=[])  # from other addresses: 700006; empty: from anywhere
    days_valid: int = Field(default=90, ge=0)  # remainingValidity
    is_expired: bool = False  # 700002, as MEXC answers for an expired key
    balances: dict[str, str] = Field(
        default={"USDT": "100000", "BTC": "1", "ETH": "20", "SOL": "400", "MX": "20000"}
    )


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
    refusals_before_ban: int = 20  # 429 answers to one client within ten seconds, then 418
    ban_s: float = 120
    futures_per_2s: int = 20  # for each futures endpoint
    batches_per_s: int = 2  # 0: by weight alone
    account_per_s: int = 0  # MEXC: 2; 0: by weight alone
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
    delay_ms: float = Field(
        default=50, ge=0, le=60_000
    )  # ack_delay, ack_after_fill, deal_before_order, latency
    jitter_ms: float = Field(default=0, ge=0, le=60_000)  # latency
    retry_after_s: int = Field(default=1, ge=0)  # rate_limited, banned
    cut: bool = False  # lost_ack: cut the connection instead of answering 504


class VenueConfig(Strict):
    """Everything about one local venue."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    tls: bool = False  # https and wss, with a certificate for localhost that is made at the start
    seed: int = 1
    market: Literal["seeded", "recorded"] = "seeded"
    symbols: list[str] = Field(default=[])  # empty: all that are listed, or all that were recorded
    listed: list[SymbolConfig] = Field(default_factory=default_symbols)
    listings: list[ListingConfig] = Field(default=[])  # symbols that appear and open while the venue runs
    generated_listings: GeneratedConfig = GeneratedConfig()  # more of them, drawn from the seed
    accounts: list[AccountConfig] = Field(default_factory=lambda: [AccountConfig()])
    seeded: SeededConfig = SeededConfig()
    recorded: RecordedConfig = RecordedConfig()
    limits: LimitsConfig = LimitsConfig()
    clock: Literal["system", "manual"] = "system"
    manual_start_ms: int = 1_700_000_000_000
    matching_latency_us: int = Field(default=0, ge=0, le=10_000_000)
    rest_latency_ms: float = Field(default=0, ge=0, le=60_000)  # before a REST request is looked at
    rest_jitter_ms: float = Field(default=0, ge=0, le=60_000)  # up to so much more
    show_zero_balances: bool = False
    private_push_delay_ms: float = Field(default=2, ge=0, le=60_000)
    mini_tickers_ms: int = Field(default=3000, ge=100, le=60_000)  # between two pushes of the mini tickers
    my_trades_delay_ms: int = Field(default=0, ge=0, le=60_000)
    unknown_symbol_code: Literal[
        -1121, 10007
    ] = -1121  # for symbols that are not listed; MEXC's own is not known
    duplicate_client_ids: Literal["reject", "accept"] = "reject"
    self_trade: Literal["allow", "cancel_taker", "cancel_maker", "cancel_both"] = "allow"
    fee_asset: Literal["quote", "received", "MX"] = "quote"
    faults: list[FaultConfig] = Field(default=[])

    @model_validator(mode="after")
    def _listings_need_a_made_market(self) -> VenueConfig:
        names = [listing.symbol for listing in self.listings]
        if (names or self.generated_listings.count) and self.market != "seeded":
            raise ValueError('listings need market = "seeded": a recording has no new symbols')
        there = {symbol.symbol for symbol in self.listed}
        twice = [name for place, name in enumerate(names) if name in there or name in names[:place]]
        if twice:
            raise ValueError(f"listings: {twice[0]} is listed twice")
        return self

    def all_listings(self) -> list[ListingConfig]:
        """Those that were given, then those that are drawn from the seed."""
        return self.listings + generated_listings(self.generated_listings, self.seed)

    def chosen_symbols(self) -> list[SymbolConfig]:
        """The listed symbols that this venue carries; ValueError for a name that is not listed."""
        known = {symbol.symbol: symbol for symbol in self.listed}
        wanted = self.symbols or (RECORDED_SYMBOLS if self.market == "recorded" else list(known))
        missing = [name for name in wanted if name not in known]
        if missing:
            raise ValueError(f"unknown symbol {missing[0]}; listed are {', '.join(known)}")
        return [known[name] for name in wanted]
