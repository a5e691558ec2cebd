"""Decimal strings to scaled integers and back, exactly. MEXC pads depth and trims everything else."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"(\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)


def parse_scaled(text: str, decimals: int) -> int:
    """`text` as an integer of 10^-decimals units; ValueError if it is no plain decimal or finer than the scale."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"not a plain decimal number: {text!r}")
    fraction = (match[2] or "").rstrip("0")
    if len(fraction) > decimals:
        raise ValueError(f"{text!r} has more than {decimals} decimals")
    return int(match[1] + fraction.ljust(decimals, "0"))


def padded(value: int, decimals: int) -> str:
    """A scaled integer with all its decimals: `84270.00`."""
    if value < 0:
        return "-" + padded(-value, decimals)
    if not decimals:
        return str(value)
    whole, fraction = divmod(value, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}"


def trimmed(value: int, decimals: int) -> str:
    """A scaled integer without trailing zeros: `84270`."""
    text = padded(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text
