"""Exact numbers at the edge: MEXC's decimal strings to scaled integers. No float passes through here."""

from __future__ import annotations

import re

from native.decimal import parse_decimal, parse_money

MONEY_DECIMALS = 20


def scaled(value: object, decimals: int, what: str) -> int:
    """The integer in units of 10^-decimals of a decimal string or a JSON integer that is not negative.

    Raises ValueError for another type, for text that is no plain decimal, and where non-zero digits lie beyond the scale.
    """
    try:
        return parse_decimal(_text(value), decimals)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def money(value: object, what: str) -> int:
    """An amount in units of 10^-20 of its asset; raises ValueError as `scaled` does."""
    try:
        return parse_money(_text(value))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def lots_at_least(value: object, decimals: int, what: str) -> int:
    """The smallest number of lots that is not below a minimum, which may be finer than one lot."""
    unit = int(10 ** (MONEY_DECIMALS - decimals))
    return -(-money(value, what) // unit)


def integer(value: object, what: str) -> int:
    """An integer of 64 bits that MEXC sends as a JSON number here and as a string there; ValueError for anything else."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise ValueError(f"{what}: {str(value)[:40]!r} is no integer")


def _text(value: object) -> str:
    if isinstance(value, str) and len(value) <= 64:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{str(value)[:40]!r} is no decimal string")
