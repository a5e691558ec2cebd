"""What a fill costs: maker and taker rates in millionths, and the asset they are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PPM = 1_000_000


class FeeAsset(Enum):
    """Which asset pays the fee."""

    QUOTE = "quote"  # the quote asset, on both sides
    RECEIVED = "received"  # what the fill brings in: base for a buyer, quote for a seller
    THIRD = "third"  # a token of the venue; falls back to quote when the account has too little of it


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Rates in millionths of the notional (a negative maker rate would be a rebate and is refused).

    For `FeeAsset.THIRD`, `third_asset` names the token and one unit of it is worth
    `third_price_numerator / third_price_denominator` units of quote; `third_discount_ppm` is the part waived.
    """

    maker_ppm: int = 0
    taker_ppm: int = 500
    paid_in: FeeAsset = FeeAsset.QUOTE
    third_asset: str = ""
    third_price_numerator: int = 1
    third_price_denominator: int = 1
    third_discount_ppm: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.maker_ppm < PPM and 0 <= self.taker_ppm < PPM):
            raise ValueError("fee rates must be from 0 up to, not including, 1,000,000 ppm")
        if self.paid_in is FeeAsset.THIRD and not self.third_asset:
            raise ValueError("a fee paid in a third asset needs its name")

    def rate_ppm(self, is_maker: bool) -> int:
        """The rate that applies to one side of a fill."""
        return self.maker_ppm if is_maker else self.taker_ppm

    def bound(self, money: int) -> int:
        """The most that fills worth `money` can cost, rounded up; what a buy order locks on top.

        Fees themselves round down, so that any split of an order into fills stays within this bound.
        """
        if self.paid_in is FeeAsset.RECEIVED:
            return 0
        return -(-money * max(self.maker_ppm, self.taker_ppm) // PPM)

    def fee(self, amount: int, is_maker: bool) -> int:
        """The fee on `amount`, in the units of `amount`, rounded down."""
        return amount * self.rate_ppm(is_maker) // PPM

    def third_fee(self, quote_fee: int) -> int:
        """A quote fee expressed in the third asset, after its discount, rounded down."""
        discounted = quote_fee * (PPM - self.third_discount_ppm) // PPM
        return discounted * self.third_price_denominator // self.third_price_numerator
