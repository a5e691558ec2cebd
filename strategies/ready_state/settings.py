"""The parameters of `ready_state`: every threshold, with its unit in its name and the default that was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from engine import OrderType
from native.listing_patterns import PRE_READY, READY
from strategies.ready_state.presets import PPM, take_profit

# sts, st, tt of the web site's table, kind, hours until ready, confidence in percent. -1 fits any code.
# What the codes mean is documented nowhere: these rows are one bot's reading of them (0.5, 2, 6 and 8 hours).
CODES: tuple[tuple[int, int, int, str, float, int], ...] = (
    (2, 2, 4, "ready", 0, 85),
    (2, 2, -1, "pre_ready", 0.5, 85),
    (2, 1, -1, "pre_ready", 2, 75),
    (1, 1, -1, "pre_ready", 6, 60),
    (1, 2, -1, "pre_ready", 8, 45),
)
_KINDS = {"ready": READY, "pre_ready": PRE_READY}
_TYPES = {"IOC": OrderType.IOC, "LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}

PPM_PER_BPS = 100


def _percent(ppm: int) -> str:
    return f"{Decimal(ppm) / 10_000:f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them; ValueError names the first that cannot be. Durations are ms or s, shares millionths (ppm)."""

    # Evidence.
    quotes: tuple[str, ...] = ("USDT",)
    max_symbols: int = 8192  # rows of evidence; more are counted and not looked at
    max_listings: int = 256  # listings followed at one time
    codes: tuple[tuple[int, int, int, str, float, int], ...] = CODES
    min_sources: int = 2  # independent ones that READY needs
    paused_is_ready: bool = True  # an API row that is allowed, paused and has an opening time says "ready"
    success_rate_percent: int = 75  # of the past, for the confidence alone
    baseline_s: int = (
        60  # what a source tells so soon after its first word was there before; nothing new is followed yet
    )
    sweep_ms: int = 50  # evidence is classified this long after it came
    # Time.
    watch_lead_s: int = 180  # the symbol's book is opened so long before
    max_watched: int = 16  # symbols whose books are open at one time, each with a connection of its own
    arm_lead_s: int = 60
    opening_early_ms: int = 500  # OPENING begins so long before the announced time
    late_window_s: int = 600  # an opening is waited for so long after it
    stale_ready_s: int = 7200  # the same without an announced time, since it became ready
    keep_finished_s: int = 3600  # finished listings and their memos are kept so long
    # Entry.
    max_concurrent_trades: int = 3
    max_position_usdt: str = "50"  # in the quote asset, at the order's limit price
    order_type: str = "IOC"  # IOC, LIMIT or MARKET; MARKET falls back to IOC where the venue does not take it
    entry_slippage_ppm: int = 20_000  # over the first ask that was seen; the limit is never moved above that
    max_spread_ppm: int = 20_000  # a book with a wider one is waited out
    max_premium_ppm: int = 200_000  # over the futures' price where one is told; 0: not looked at
    band_margin_ppm: int = 1_000  # stay so far inside the venue's price band
    entry_rest_ms: int = 500  # a LIMIT entry is cancelled after this
    cancel_retry_ms: int = 500  # until it is cancelled again, growing up to cancel_retry_max_ms
    cancel_retry_max_ms: int = 10_000
    not_yet_codes: tuple[int, ...] = (10007, 30000, 30016)
    retry_ms: int = 50  # after such an answer; grows by retry_growth_percent up to retry_max_ms
    retry_growth_percent: int = 150
    retry_max_ms: int = 2_000
    busy_retry_ms: int = (
        1_000  # after "too many requests" (429, 510) or "too many orders" (30029); grows alike
    )
    max_attempts: int = 12  # orders sent for one entry
    entry_window_s: int = 60  # from the first sign of an open market until the entry is given up
    # On paper alone: enter so long after the first sign, as a slower reader would. A live run takes it as 0.
    real_data_delay_s: int = 0
    # Exits.
    take_profit: str | list[list[int]] = "normal"  # a preset, or [gain_ppm, share_ppm] rows
    stop_loss_ppm: int = 50_000
    trailing_ppm: int = 100_000  # under the highest bid; 0: no trailing stop. Never under the entry
    trailing_start_ppm: int = 150_000  # gain from which it trails
    hold_s: int = 3_600  # what is held then is sold
    exit_slippage_ppm: int = 30_000  # under the best bid
    exit_retry_ms: int = 250  # between exits that did not fill, growing; each reason to sell begins anew
    exit_retry_max_ms: int = 60_000  # of take profits, and of any while the venue refuses all sales
    halted_retry_ms: int = (
        5_000  # while it does: at least so long until a trade, or a moved bid, has it tried again
    )
    stop_retry_max_ms: int = 1_000  # of stop loss, trailing stop and time
    resting_exits: bool = False  # take profits rest as LIMIT orders instead of being watched for
    # Filled in from the above.
    phases: tuple[tuple[int, int], ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        for name in ("quotes", "not_yet_codes", "codes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.order_type not in _TYPES:
            raise ValueError(f"order_type must be one of {', '.join(_TYPES)}, not {self.order_type!r}")
        may_be_zero = {
            "real_data_delay_s",
            "max_premium_ppm",
            "trailing_ppm",
            "band_margin_ppm",
            "baseline_s",
        }
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int) and not isinstance(value, bool):
                least = 0 if name in may_be_zero else 1
                if value < least:
                    raise ValueError(f"{name} must be at least {least}, not {value}")
        for name in ("stop_loss_ppm", "trailing_ppm", "exit_slippage_ppm", "band_margin_ppm"):
            if getattr(self, name) >= PPM:
                raise ValueError(f"{name} must be under 1,000,000, which is the whole price")
        if self.arm_lead_s > self.watch_lead_s:
            raise ValueError("arm_lead_s must be at most watch_lead_s: what is armed has a book")
        if self.retry_growth_percent < 100:
            raise ValueError("retry_growth_percent must be at least 100")
        self._check_position()
        self.code_rows()
        object.__setattr__(self, "phases", take_profit(self.take_profit))

    def _check_position(self) -> None:
        if isinstance(self.max_position_usdt, float):
            raise ValueError("max_position_usdt must be a string or an integer, never a float")
        try:
            amount = Decimal(str(self.max_position_usdt))
        except InvalidOperation:
            raise ValueError(f"max_position_usdt {self.max_position_usdt!r} is no amount") from None
        if not 0 < amount < 10**12:
            raise ValueError(f"max_position_usdt must be above 0, not {amount}")

    def check_limits(self, risk: Mapping[str, Any]) -> None:
        """Whether orders as these parameters make them can pass the gate; ValueError names the first that never would."""
        for name, orders in (("exit_slippage_ppm", "exits"), ("entry_slippage_ppm", "entries")):
            for limit in ("max_slippage_bps", "price_collar_bps"):
                value, most = getattr(self, name), risk[limit] * PPM_PER_BPS
                if value > most:
                    raise ValueError(
                        f"{name} = {value} lets {orders} reach {_percent(value)} beyond the best price, but risk.{limit} = "
                        f"{risk[limit]} allows {_percent(most)}: the gate would deny such orders. Raise risk.{limit} to at least "
                        f"{-(-value // PPM_PER_BPS)}, or lower {name} to at most {most}"
                    )

    @property
    def position(self) -> Decimal:
        """The most that one entry may cost at its limit price, in the quote asset."""
        return Decimal(str(self.max_position_usdt))

    @property
    def entry_type(self) -> OrderType:
        """How the entry is sent."""
        return _TYPES[self.order_type]

    def code_rows(self) -> list[tuple[int, int, int, int, int, int]]:
        """`codes` as the kernel takes them: minutes and thousandths."""
        rows = []
        for row in self.codes:
            if len(row) != 6 or row[3] not in _KINDS:
                raise ValueError(
                    f"codes: {row!r} is not [sts, st, tt, 'ready' or 'pre_ready', hours, confidence in percent]"
                )
            sts, st, tt, kind, hours, percent = row
            rows.append((int(sts), int(st), int(tt), _KINDS[kind], round(hours * 60), int(percent) * 10))
        return rows
