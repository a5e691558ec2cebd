"""The paper adapter's settings: those of the market data, and the account that is made up here."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from adapters.mexc.config import MexcConfig
from adapters.mexc.numbers import money


class PaperConfig(MexcConfig):
    """MEXC's public data and a paper account: every setting of `mexc` but for its key, which is refused, and these."""

    balances: dict[str, str] = Field(
        {"USDT": "10000"},
        min_length=1,
        max_length=64,
        description="what the paper account begins with, by asset",
    )
    latency_ms: int = Field(
        50, ge=0, le=10_000, description="time from sending an order or cancel until it acts"
    )
    levels: int = Field(200, ge=1, le=5000, description="levels of each side that orders are matched against")

    @field_validator("balances")
    @classmethod
    def _are_amounts(cls, value: dict[str, str]) -> dict[str, str]:
        for asset, amount in value.items():
            money(amount, asset)
        return value

    @model_validator(mode="after")
    def _takes_no_key(self) -> PaperConfig:
        named = [
            name
            for name in ("api_key_env", "api_secret_env", "api_key_file", "api_secret_file")
            if getattr(self, name)
        ]
        if named:
            raise ValueError(f"paper fills need no key, and are given none: leave {', '.join(named)} away")
        return self
