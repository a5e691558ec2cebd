"""Settings of the listing evidence and of the futures market data, all part of the MEXC adapter's own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SHORTEST_AT_MEXC_S = {
    "calendar_interval_s": 5.0,
    "web_interval_s": 5.0,
    "exchange_info_interval_s": 5.0,
    "self_symbols_interval_s": 5.0,
    "announcements_interval_s": 5.0,
    "offline_interval_s": 5.0,
    "futures_interval_s": 5.0,
    "near_interval_s": 1.5,
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListingsConfig(_Section):
    """Evidence of new listings: which sources are asked, and how often."""

    enabled: bool = Field(default=False, description="Gather evidence of listings.")
    quotes: tuple[str, ...] = Field(
        default=("USDT",),
        min_length=1,
        description="Quote currencies of interest; the calendar names none: the first is taken.",
    )
    calendar: bool = Field(default=True, description="Ask the web site's calendar of new coins.")
    calendar_interval_s: float = Field(
        default=30.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    web: bool = Field(default=True, description="Ask the web site's list of symbols (symbolsV2).")
    web_interval_s: float = Field(
        default=15.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    exchange_info: bool = Field(default=True, description="Ask exchangeInfo for all symbols.")
    exchange_info_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    self_symbols: bool = Field(default=True, description="Ask which symbols the key may trade; needs a key.")
    self_symbols_interval_s: float = Field(
        default=300.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    announcements: bool = Field(default=True, description="Ask for the newest announcements.")
    announcements_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    announcements_language: str = Field(default="en-US", description="Language of the announcements.")
    offline: bool = Field(default=True, description="Ask which symbols were or will be taken off.")
    offline_interval_s: float = Field(
        default=60.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    market_data: bool = Field(
        default=True, description="Listen to the mini tickers of all symbols for those that begin to trade."
    )
    market_data_silence_s: float = Field(
        default=60.0, gt=0, le=3600, description="Longest silence of the mini tickers, in seconds."
    )
    futures: bool = Field(
        default=True, description="Ask for the futures contracts, and listen to their changes."
    )
    futures_interval_s: float = Field(
        default=30.0, gt=0, le=3600, description="Time between two questions, in seconds."
    )
    near_interval_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="Time between two questions about a symbol near its opening, in seconds.",
    )
    near_before_s: float = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="How long before its opening a symbol is asked about like that.",
    )
    near_after_s: float = Field(
        default=600.0, ge=0, le=86_400, description="How long after it, while the symbol does not trade."
    )
    calm_s: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="Before and after a watched opening, whole lists are not asked for.",
    )
    outage_interval_s: float = Field(
        default=600.0, gt=0, le=86_400, description="Longest time between questions to a source that fails."
    )

    def too_often(self) -> list[str]:
        """The intervals that MEXC's own hosts must not be asked at, with the shortest that they may be.

        Each endpoint has 500 weight in 10 s (announced), which orders and books need too: exchangeInfo costs 10 to 25, the
        web site is behind a firewall that blocks the hasty, contract details are allowed once in 5 s.
        """
        return [
            f"{name} must be at least {least:g} s"
            for name, least in SHORTEST_AT_MEXC_S.items()
            if getattr(self, name) < least
        ]


class FuturesConfig(_Section):
    """Market data of MEXC futures: books, trades, funding and a reference price. No orders."""

    contracts: tuple[str, ...] = Field(
        default=(),
        max_length=30,
        description="Contracts whose book, trades and funding are followed, as BTC_USDT.",
    )
    depth_limit: int = Field(default=1000, ge=5, le=1000, description="Levels of a REST order book.")
    reference_interval_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Shortest time between two reference prices of a contract, in seconds.",
    )
    reference_step_ppm: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="Smallest change of a reference price that is told, in millionths.",
    )
    ping_interval_s: float = Field(
        default=15.0, gt=0, le=50, description="Time between two pings, in seconds."
    )
    silent_timeout_s: float = Field(
        default=45.0, gt=0, le=300, description="Longest silence of the connection, pongs included."
    )
