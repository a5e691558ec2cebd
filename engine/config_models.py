"""The shape of a Penstock configuration: every section, field, unit, default and bound.

`engine.config` reads a TOML file into these models; `docs/configuration.md` is generated from them, so the
descriptions here are the reference. Money is held as whole units of 10^-20, never as a float.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

MONEY_DECIMALS = 20
MONEY_LIMIT = 2**127 - 1
SYMBOL_PATTERN = r"^[A-Z0-9]{2,24}$"
NAME_PATTERN = r"^[a-z][a-z0-9_.-]{0,31}$"
SECRET_KEY = re.compile(
    r"(?i)(^|_)(api_?key|secret|secret_?key|password|passphrase|private_?key|token|mnemonic)$"
)


def parse_money(value: object) -> int:
    """A decimal string or whole number of currency as units of 10^-20.

    Raises ValueError for floats, for what is no finite decimal, and for what does not fit exactly.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(
            'write the amount as a string or a whole number, as in "0.1": other types are not exact'
        )
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a decimal number") from None
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not a finite amount")
    sign, digits, exponent = amount.as_tuple()
    shift = int(exponent) + MONEY_DECIMALS
    if shift < 0 or shift + len(digits) > 2 * MONEY_DECIMALS:
        raise ValueError(f"{value!r} does not fit: at most {MONEY_DECIMALS} decimals, and less than 10^18")
    scale: int = 10**shift
    units = int("".join(map(str, digits))) * scale
    if units > MONEY_LIMIT:
        raise ValueError(f"{value!r} does not fit into 128 bits at {MONEY_DECIMALS} decimals")
    return -units if sign else units


def format_money(units: int) -> str:
    """Units of 10^-20 as the shortest exact decimal string."""
    whole, fraction = divmod(abs(units), 10**MONEY_DECIMALS)
    digits = f"{whole}.{fraction:0{MONEY_DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{digits}" if units < 0 else digits


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Money = Annotated[
    int, BeforeValidator(parse_money), PlainSerializer(format_money, return_type=str), Field(gt=0)
]
Symbol = Annotated[str, Field(pattern=SYMBOL_PATTERN)]
Symbols = Annotated[tuple[Symbol, ...], BeforeValidator(_as_tuple), Field(max_length=1024)]
Bps = Annotated[int, Field(ge=1, le=100_000)]
# The core keeps windows and order tables in rings of a fixed size (engine/core/risk/limits.py).
OrderCount = Annotated[int, Field(ge=1, le=1024)]
OutcomeCount = Annotated[int, Field(ge=1, le=255)]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
Milliseconds = Annotated[int, Field(ge=1, le=86_400_000)]
Megabytes = Annotated[int, Field(ge=1, le=1_048_576)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


def money(text: str, description: str) -> Any:
    """A money field with its default, for people to read in `description`."""
    return Field(default=parse_money(text), description=description)


class Section(BaseModel):
    """What all sections share: strict types, no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RunConfig(Section):
    """The run itself: where it writes, its budgets, its seed."""

    dir: str = Field(default="runs", min_length=1, description="Folder that run directories are made in.")
    seed: Seed = Field(default=1, description="Seed of everything random in the run.")
    tape_budget_mb: Megabytes = Field(
        default=1024, description="Disk budget of the tape; the oldest segments go first."
    )
    tape_segment_mb: Annotated[int, Field(ge=16, le=1024)] = Field(
        default=32, description="Size of one tape segment; the largest message must fit into it."
    )
    journal_segment_mb: Megabytes = Field(
        default=16, description="Size of one journal segment. The journal is never dropped."
    )
    snapshot_interval_s: Seconds = Field(
        default=30, description="Time between snapshots of the durable state."
    )
    checkpoint_key_file: str = Field(
        default="",
        max_length=4096,
        description="File with the Ed25519 private key that signs the journal, mode 0600; empty means unsigned.",
    )
    checkpoint_key_env: str = Field(
        default="", max_length=256, description="Environment variable with that key instead, in PEM."
    )
    checkpoint_interval_s: Seconds = Field(
        default=60, description="Longest time between signed checkpoints while the journal grows."
    )
    disk_reduce_mb: Megabytes = Field(
        default=512, description="Free disk space below which orders may only reduce."
    )
    disk_halt_mb: Megabytes = Field(default=128, description="Free disk space below which trading is halted.")
    max_rss_mb: Megabytes = Field(
        default=2048, description="Resident memory of the core above which it raises an alert."
    )
    spin: bool = Field(
        default=False,
        description="Poll for `spin_ms` after the last packet instead of sleeping: faster, uses a core.",
    )
    spin_ms: Annotated[int, Field(ge=1, le=3_600_000)] = Field(
        default=3,
        description="How long to poll after a packet. In a virtual machine a processor that sleeps may get its core back "
        "milliseconds late: longer than any silence of the feed means never to sleep.",
    )
    conflate_lag_ms: Annotated[int, Field(ge=0, le=86_400_000)] = Field(
        default=2000,
        description="How far behind a market feed may fall, with more of it unread, before frames are left out and its books "
        "fetched anew; 0 means never.",
    )
    opening_awake_ms: Annotated[int, Field(ge=0, le=60_000)] = Field(
        default=2000,
        description="Poll instead of sleeping from this long before a known opening until as long after it; uses a core.",
    )

    @model_validator(mode="after")
    def _tape_holds_four_segments(self) -> Self:
        # The log writer's own rule: one in use, one prepared, and something left to keep.
        if self.tape_budget_mb < 4 * self.tape_segment_mb:
            raise ValueError("tape_budget_mb must hold at least four segments of tape_segment_mb")
        return self

    @model_validator(mode="after")
    def _disk_halts_last(self) -> Self:
        if self.disk_halt_mb > self.disk_reduce_mb:
            raise ValueError("disk_halt_mb is at most disk_reduce_mb: first reduce, then halt")
        return self

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.checkpoint_key_file and self.checkpoint_key_env:
            raise ValueError("the key is in checkpoint_key_file or in checkpoint_key_env, not in both")
        return self


class AdapterConfig(BaseModel):
    """The venue's adapter by name; every other key is the adapter's own and is checked by it."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    name: str = Field(
        default="mexc", pattern=NAME_PATTERN, description="Entry point in the group `penstock.adapters`."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, data: Any) -> Any:
        for key in data if isinstance(data, dict) else ():
            if SECRET_KEY.search(key):
                raise ValueError(
                    f"{key} would put a secret into the file: put the value into an environment variable "
                    f"and its name here, as {key}_env"
                )
        return data

    @property
    def options(self) -> dict[str, Any]:
        """The adapter's own keys."""
        return dict(self.model_extra or {})


class VenueConfig(Section):
    """The local venue that a paper run trades against."""

    embedded: bool = Field(default=True, description="Start the adapter's local venue as a child of the run.")
    market: Literal["seeded", "recorded"] = Field(
        default="seeded", description="A lively made-up market from the seed, or the recorded one."
    )
    symbols: Symbols = Field(
        default=(), description="Symbols that the venue lists; empty means the run's symbols."
    )
    seed: Seed = Field(default=1, description="Seed of the made-up market and of the faults.")
    speed: float = Field(
        default=1.0, gt=0, le=10_000, description="Speed of a recorded market: 1 is real time."
    )
    data: str = Field(
        default="",
        description="Folder of the recorded data; empty means `$PENSTOCK_DATA`, else `../shared/data`.",
    )
    faults: dict[str, float | dict[str, int | float | str | bool]] = Field(
        default={},
        max_length=64,
        description="Faults by name: a probability, or a table of the fault's own keys.",
    )
    options: dict[str, Any] = Field(
        default={}, max_length=64, description="More keys of the local venue's own config; it checks them."
    )


class StrategyConfig(Section):
    """One strategy: what it is, what it trades, its own parameters."""

    name: str = Field(pattern=NAME_PATTERN, description="Entry point in the group `penstock.strategies`.")
    id: str = Field(
        default="",
        pattern=r"^$|" + NAME_PATTERN,
        description="Unique id of this instance; empty means the name.",
    )
    symbols: Symbols = Field(
        default=(), description="Symbols that it trades; empty means all of the run's symbols."
    )
    params: dict[str, Any] = Field(
        default={}, max_length=256, description="The strategy's own parameters; it checks them."
    )


class RiskConfig(Section):
    """The gate's limits. Money is in `currency`, a decimal string or a whole number."""

    currency: str = Field(
        default="USDT", pattern=r"^[A-Z0-9]{2,16}$", description="Asset that all money limits are in."
    )
    max_order_notional: Money = money("1000", "Largest notional of one order.")
    max_position_notional: Money = money(
        "5000", "Largest notional held in one instrument, open orders included."
    )
    max_gross_exposure: Money = money("20000", "Largest sum of absolute positions over all instruments.")
    max_net_exposure: Money = money("10000", "Largest absolute sum of signed positions over all instruments.")
    max_concentration_bps: Bps = Field(
        default=5000, description="Largest share of equity in one instrument, in 0.01 %."
    )
    max_open_orders: OrderCount = Field(default=64, description="Open orders over all instruments.")
    max_open_orders_per_instrument: OrderCount = Field(
        default=16, description="Open orders in one instrument."
    )
    max_orders_per_second: OrderCount = Field(default=40, description="Orders sent in any second.")
    max_orders_per_window: OrderCount = Field(
        default=1000, description="Orders sent in any window of `order_window_s`."
    )
    order_window_s: Seconds = Field(default=60, description="Length of the order window.")
    max_fees_per_day: Money = money("200", "Fees paid in one UTC day.")
    price_collar_bps: Bps = Field(
        default=300, description="Farthest a price may lie from our own book's middle, in 0.01 %."
    )
    max_slippage_bps: Bps = Field(
        default=50, description="Worst expected fill against the best price, in 0.01 %."
    )
    max_daily_loss: Money = money("500", "Loss in one UTC day that opens the breaker.")
    max_drawdown: Money = money("500", "Fall from the highest equity that opens the breaker.")
    max_errors_per_window: OutcomeCount = Field(
        default=20, description="Errors in `breaker_window_s` that open the breaker."
    )
    max_rejects_per_window: OutcomeCount = Field(
        default=50, description="Venue rejects in `breaker_window_s` that open the breaker."
    )
    breaker_window_s: Seconds = Field(default=60, description="Window of the error and reject breakers.")
    max_volatility_bps: Bps = Field(
        default=500, description="Price range in `volatility_window_s` that opens the breaker."
    )
    volatility_window_s: Seconds = Field(default=10, description="Window of the volatility breaker.")
    max_feed_silence_ms: Milliseconds = Field(
        default=5000, description="Silence after which a feed counts as stale."
    )
    max_feed_lag_ms: Milliseconds = Field(
        default=2000, description="Lag behind the venue above which a feed is stale."
    )
    max_clock_skew_ms: Milliseconds = Field(
        default=1000, description="Distance of our clock from the venue's."
    )
    proposer_budget_notional: Money = money(
        "1000000", "Notional one strategy may send in `proposer_window_s`."
    )
    proposer_window_s: Seconds = Field(default=3600, description="Window of the budget per strategy.")
    intent_ttl_ms: Milliseconds = Field(
        default=1000, description="Life of an approval: after it the order is not sent."
    )
    opening_early_ms: Milliseconds = Field(
        default=500, description="How long before its announced opening an instrument may be traded."
    )
    on_strategy_error: Literal["cancel", "keep"] = Field(
        default="cancel", description="What happens to the open orders of a strategy that raised."
    )


# A live run takes no default of ours for these: they are money, or a count.
LIVE_LIMITS = tuple(
    name
    for name in RiskConfig.model_fields
    if name.startswith(("max_", "price_collar", "proposer_budget")) and not name.endswith("_ms")
)


class LogConfig(Section):
    """Logging. The file `penstock.log` in the run directory is always JSON lines."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="Form of the lines on standard error."
    )


class Config(Section):
    """A whole run."""

    mode: Literal["paper", "live"] = Field(
        default="paper",
        description="`live` sends real orders; it also needs `--live` on the command line (going-live.md).",
    )
    symbols: Symbols = Field(
        min_length=1, description="Symbols whose books are kept, as the venue spells them."
    )
    run: RunConfig = Field(default_factory=RunConfig)
    adapter: AdapterConfig = Field(default_factory=AdapterConfig)
    venue: VenueConfig = Field(default_factory=VenueConfig)
    strategy: Annotated[tuple[StrategyConfig, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), max_length=64
    )
    risk: RiskConfig = Field(default_factory=RiskConfig)
    log: LogConfig = Field(default_factory=LogConfig)

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """Give strategies and venue their symbols and ids, so that the resolved config says everything."""
        symbols = data.get("symbols") if isinstance(data, dict) else None
        if not isinstance(symbols, list | tuple) or not all(map(_is_symbol, symbols)):
            return data
        filled = dict(data)
        venue = data.get("venue", {})
        if isinstance(venue, dict) and not venue.get("symbols"):
            filled["venue"] = {**venue, "symbols": symbols}
        strategies = data.get("strategy", ())
        if isinstance(strategies, list | tuple):
            filled["strategy"] = [_with_defaults(item, symbols) for item in strategies]
        return filled

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        _refuse_repeats("symbols", self.symbols)
        _refuse_repeats("the ids in [[strategy]]", tuple(strategy.id for strategy in self.strategy))
        if any(strategy.id == "operator" for strategy in self.strategy):
            raise ValueError("the id operator is taken: it proposes what people command")
        for strategy in self.strategy:
            _refuse_repeats(f"symbols of strategy {strategy.id}", strategy.symbols)
            _refuse_strangers(f"strategy {strategy.id}", strategy.symbols, self.symbols)
        if self.venue.embedded:
            _refuse_strangers("the run", self.symbols, self.venue.symbols, "venue.symbols")
        return self

    @model_validator(mode="after")
    def _live_is_meant(self) -> Self:
        if self.mode != "live":
            return self
        wrong = []
        if self.venue.embedded:
            wrong.append("[venue] embedded must be false: the local venue is not a real one")
        missing = [name for name in LIVE_LIMITS if name not in self.risk.model_fields_set]
        if missing:
            wrong.append(f"these limits in [risk] must be set, none is defaulted: {', '.join(missing)}")
        if wrong:
            raise ValueError(f'mode = "live": {"; ".join(wrong)} (docs/going-live.md)')
        return self


def _is_symbol(name: object) -> bool:
    return isinstance(name, str) and re.match(SYMBOL_PATTERN, name) is not None


def _with_defaults(item: Any, symbols: Any) -> Any:
    if not isinstance(item, dict):
        return item
    filled = {**item, "symbols": item.get("symbols") or symbols}
    if not filled.get("id") and "name" in filled:
        filled["id"] = filled["name"]
    return filled


def _refuse_repeats(where: str, names: tuple[str, ...]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{where}: {', '.join(repeated)} appears more than once; each must be unique")


def _refuse_strangers(
    who: str, names: tuple[str, ...], known: tuple[str, ...], where: str = "symbols"
) -> None:
    strangers = [name for name in names if name not in known]
    if strangers:
        raise ValueError(f"{who} trades {', '.join(strangers)}: add it to {where}")
