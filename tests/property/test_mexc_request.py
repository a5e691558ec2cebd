"""Requests from templates equal those that the standard library makes, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native.hashing import HmacSha256
from native.mexc_request import RequestTemplate
from tests.oracles import mexc_request as oracle

HEAD = " HTTP/1.1\r\nHost: api.mexc.com\r\nX-MEXC-APIKEY: mx0\r\nContent-Length: 0\r\n\r\n"
TARGET = b"POST /api/v3/order?symbol=MXUSDT&side=BUY&type=LIMIT"
STATIC = {"symbol": "MXUSDT", "side": "BUY", "type": "LIMIT"}
SECRETS = st.binary(min_size=1, max_size=100)
AMOUNTS = st.integers(1, 2**63 - 1) | st.sampled_from([10**n for n in range(19)])
DECIMALS = st.integers(0, 18)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
TIMES = st.integers(0, 2**63 - 1)


def template(secret: bytes, **options: Any) -> RequestTemplate:
    fields = {"target": TARGET, "head": HEAD.encode(), "recv_window_ms": 5000, **options}
    return RequestTemplate(HmacSha256(secret), fields.pop("target"), fields.pop("head"), **fields)


@given(SECRETS, AMOUNTS, DECIMALS, AMOUNTS | st.just(0), DECIMALS, NAMES, TIMES, st.integers(1, 60_000))
def test_an_order_equals_the_oracles(
    secret: bytes,
    lots: int,
    size_decimals: int,
    ticks: int,
    price_decimals: int,
    name: str,
    time_ms: int,
    window: int,
) -> None:
    made = template(
        secret, recv_window_ms=window, size_decimals=size_decimals, price_decimals=price_decimals
    ).order(lots, ticks, name, time_ms)
    params = {**STATIC, "quantity": oracle.decimal_text(lots, size_decimals)}
    if ticks:
        params["price"] = oracle.decimal_text(ticks, price_decimals)
    params |= {"newClientOrderId": name, "recvWindow": str(window), "timestamp": str(time_ms)}
    assert made == oracle.request("POST", "/api/v3/order", HEAD, secret, params)


@given(SECRETS, st.sampled_from(["orderId", "origClientOrderId"]), NAMES, TIMES)
def test_a_cancel_equals_the_oracles(secret: bytes, parameter: str, value: str, time_ms: int) -> None:
    made = template(secret, target=b"DELETE /api/v3/order?symbol=MXUSDT").naming(parameter, value, time_ms)
    params = {"symbol": "MXUSDT", parameter: value, "recvWindow": "5000", "timestamp": str(time_ms)}
    assert made == oracle.request("DELETE", "/api/v3/order", HEAD, secret, params)


def test_the_official_vectors(data_dir: Path) -> None:
    """MEXC's own example: an order whose parameters end in recvWindow and timestamp."""
    vectors = json.loads((data_dir / "mexc" / "sign_vectors.json").read_text())
    seen = 0
    for vector in vectors:
        signed = vector.get("totalParams") or vector["target"]
        static, found, time_ms = signed.partition("&recvWindow=5000&timestamp=")
        static, _, price = static.rpartition("&")
        if not (found and time_ms.isdigit() and price.startswith("price=")):
            continue
        target = f"POST /api/v3/order?{static}".encode()
        made = template(vector["secret"].encode(), target=target).naming("price", price[6:], int(time_ms))
        assert f"?{signed}&signature={vector['signature']} HTTP/1.1".encode() in made
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize(
    ("lots", "ticks", "name", "time_ms"),
    [(0, 1, "a", 1), (-1, 1, "a", 1), (1, -1, "a", 1), (1, 1, "", 1), (1, 1, "a" * 257, 1), (1, 1, "a", -1)],
)
def test_what_is_no_order_is_refused(lots: int, ticks: int, name: str, time_ms: int) -> None:
    with pytest.raises(ValueError):
        template(b"s").order(lots, ticks, name, time_ms)


@pytest.mark.parametrize(
    "fields",
    [
        {"target": b"POST /api/v3/order"},
        {"target": b"/api/v3/order?a=1"},
        {"target": b"POST /a?b?c"},
        {"head": b" HTTP/1.1\r\nHost: a\r\n"},
        {"head": b" HTTP/1.1\r\nHost: a\r\n\r\nGET /\r\n\r\n"},
        {"head": b"Host: a\r\n\r\n"},
        {"head": b" HTTP/1.1\r\nX: " + b"a" * 4096 + b"\r\n\r\n"},
        {"size_decimals": 19},
        {"price_decimals": -1},
    ],
)
def test_what_is_no_request_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        template(b"s", **fields)


def test_a_name_that_is_too_long_or_empty_is_refused() -> None:
    for value in ("", "a" * 257):
        with pytest.raises(ValueError):
            template(b"s").naming("orderId", value, 1)
