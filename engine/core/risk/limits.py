"""The limits of the gate: read from the resolved config, exact, all of them set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from native.decimal import parse_money

MONEY_DECIMALS = 20
MONEY_LIMIT = 10**38  # money_limit() of money.h
LONGEST = 2**62  # of any window, in ns: sums of a time and a window stay in 64 bits

# Config field -> (field of limits_t, factor from the config's unit to the core's)
MONEY_FIELDS = (
    "max_order_notional",
    "max_position_notional",
    "max_gross_exposure",
    "max_net_exposure",
    "max_fees_per_day",
    "max_daily_loss",
    "max_drawdown",
    "proposer_budget_notional",
)
INTEGER_FIELDS: dict[str, tuple[str, int]] = {
    "max_concentration_bps": ("max_concentration_bps", 1),
    "max_open_orders": ("max_open_orders", 1),
    "max_open_orders_per_instrument": ("max_open_orders_per_instrument", 1),
    "max_orders_per_second": ("max_orders_per_second", 1),
    "max_orders_per_window": ("max_orders_per_window", 1),
    "order_window_s": ("order_window_ns", 1_000_000_000),
    "price_collar_bps": ("price_collar_bps", 1),
    "max_slippage_bps": ("max_slippage_bps", 1),
    "max_errors_per_window": ("max_errors_per_window", 1),
    "max_rejects_per_window": ("max_rejects_per_window", 1),
    "breaker_window_s": ("breaker_window_ns", 1_000_000_000),
    "max_volatility_bps": ("max_volatility_bps", 1),
    "volatility_window_s": ("volatility_window_ns", 1_000_000_000),
    "max_feed_silence_ms": ("max_feed_silence_ns", 1_000_000),
    "max_feed_lag_ms": ("max_feed_lag_ns", 1_000_000),
    "max_clock_skew_ms": ("max_clock_skew_ns", 1_000_000),
    "proposer_window_s": ("proposer_window_ns", 1_000_000_000),
    "intent_ttl_ms": ("intent_ttl_ns", 1_000_000),
    "opening_early_ms": ("opening_early_ns", 1_000_000),
}
# Windows are kept as rings of times (SEND_SLOTS and OUTCOME_SLOTS of the state). A breaker opens on more than its limit, so
# that it needs the time of one more.
HIGHEST = {
    "max_open_orders": 1024,
    "max_orders_per_second": 1024,
    "max_orders_per_window": 1024,
    "max_errors_per_window": 255,
    "max_rejects_per_window": 255,
}


def money(value: object) -> int:
    """A decimal amount as an integer of 10^-20 units; ValueError on a float, or on more than 20 decimals."""
    if isinstance(value, float):
        raise ValueError(f"money must be a string or an integer, never a float: {value!r}")
    return parse_money(str(value))


def limits_from(risk: Mapping[str, Any]) -> dict[str, int]:
    """The [risk] table of a resolved config as values of limits_t; ValueError names the field that is missing or wrong."""
    found: dict[str, int] = {}
    for name in MONEY_FIELDS:
        found[name] = _positive(name, money(_field(risk, name)))
        if found[name] > MONEY_LIMIT:
            raise ValueError(f"risk.{name} is beyond what counts as money, 10^18")
    for name, (field, factor) in INTEGER_FIELDS.items():
        value = _positive(name, _integer(name, _field(risk, name)))
        if value * factor > LONGEST:
            raise ValueError(f"risk.{name} is {value}, which is beyond what can be counted")
        if value > HIGHEST.get(name, value):
            raise ValueError(f"risk.{name} is {value}, but at most {HIGHEST[name]} can be kept track of")
        found[field] = value * factor
    return found


def _field(risk: Mapping[str, Any], name: str) -> Any:
    if name not in risk:
        raise ValueError(f"risk.{name} is not set")
    return risk[name]


def _integer(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"risk.{name} is no number: {str(value)[:40]!r}") from None


def _positive(name: str, value: int) -> int:
    if value <= 0:
        raise ValueError(f"risk.{name} must be above zero, not {value}")
    return value
