"""Decimal text to integers: exact, or refused with the reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native.decimal import format_decimal, parse_decimal, parse_money


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [
        ("84270.00", 2, 8427000),
        ("84270", 2, 8427000),
        ("0.0001778", 8, 17780),
        ("0.00638700", 6, 6387),
        ("1", 0, 1),
        ("0", 8, 0),
        ("0.00000000", 2, 0),
        ("007.5", 1, 75),
        ("92233720368547758.07", 2, 2**63 - 1),
        ("9223372036854775807", 0, 2**63 - 1),
        ("0000000000000000000000000000012.5000000000000000000000000", 3, 12500),
        (b"12.5", 1, 125),
    ],
)
def test_parse(text: str | bytes, decimals: int, value: int) -> None:
    assert parse_decimal(text, decimals) == value


@pytest.mark.parametrize(
    ("text", "decimals", "reason"),
    [
        ("", 2, "is empty"),
        (".", 2, "not a decimal"),
        (".5", 2, "not a decimal"),
        ("5.", 2, "not a decimal"),
        ("1.2.3", 2, "not a decimal"),
        ("1,5", 2, "not a decimal"),
        (" 1", 2, "not a decimal"),
        ("e5", 2, "not a decimal"),
        ("١", 2, "not a decimal"),
        ("1\0", 2, "not a decimal"),
        ("nan", 2, "not a decimal"),
        ("-1", 2, "has a sign"),
        ("+1", 2, "has a sign"),
        ("1e5", 2, "has an exponent"),
        ("1.5E-8", 2, "has an exponent"),
        ("0.001", 2, "more decimals"),
        ("0.00000000000000000000000001", 2, "more decimals"),
        ("9223372036854775808", 0, "too large"),
        ("99999999999999999999999999999", 0, "too large"),
        ("92233720368547758.08", 2, "too large"),
        ("10", 18, "too large"),
    ],
)
def test_refusals(text: str, decimals: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_decimal(text, decimals)


@pytest.mark.parametrize("decimals", [-1, 19])
def test_scale_out_of_range(decimals: int) -> None:
    with pytest.raises(ValueError, match="decimals must"):
        parse_decimal("1", decimals)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("21.94210356004384", 2194210356004384000000),
        ("-10", -(10**21)),
        ("0.00000000000000000001", 1),
        ("-0.000000000000000000010000", -1),
        ("1701411834604692317.31687303715884105727", 2**127 - 1),
    ],
)
def test_money(text: str, value: int) -> None:
    assert parse_money(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("-", "has a sign"),
        ("--1", "has a sign"),
        ("+1", "has a sign"),
        ("1e5", "exponent"),
        ("0.000000000000000000001", "more than 20"),
        ("1701411834604692317.31687303715884105728", "too large"),
        ("9" * 60, "too large"),
    ],
)
def test_money_refusals(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_money(text)


@given(st.text(alphabet="0123456789.eE+-x", max_size=30), st.integers(0, 18))
def test_parse_agrees_with_python(text: str, decimals: int) -> None:
    shape = re.fullmatch(r"(\d+)(?:\.(\d+))?", text, re.ASCII)
    fraction = (shape[2] or "").rstrip("0") if shape else ""
    units = int(shape[1] + fraction.ljust(decimals, "0")) if shape else -1
    if shape is None or len(fraction) > decimals or units > 2**63 - 1:
        with pytest.raises(ValueError):
            parse_decimal(text, decimals)
    else:
        assert parse_decimal(text, decimals) == units


@given(st.integers(0, 2**63 - 1), st.integers(0, 18), st.booleans())
def test_format_round_trip(value: int, decimals: int, trim: bool) -> None:
    assert parse_decimal(format_decimal(value, decimals, trim), decimals) == value


@given(st.integers(-(2**127) + 1, 2**127 - 1))
def test_money_round_trip(value: int) -> None:
    assert parse_money(format_decimal(value, 20)) == value


@pytest.mark.parametrize(
    ("value", "decimals", "trim", "text"),
    [
        (8427000, 2, True, "84270"),
        (8427000, 2, False, "84270.00"),
        (5, 3, True, "0.005"),
        (-5, 3, True, "-0.005"),
        (0, 8, True, "0"),
        (7, 0, False, "7"),
    ],
)
def test_format(value: int, decimals: int, trim: bool, text: str) -> None:
    assert format_decimal(value, decimals, trim) == text
    with pytest.raises(ValueError, match="negative"):
        format_decimal(value, -1)
