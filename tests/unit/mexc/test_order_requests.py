"""An order's request as a venue reads it."""

from __future__ import annotations

import pytest

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.order_requests import OrderRequests
from engine.adapter import OrderRef, PlaceTicket
from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec

SPEC = InstrumentSpec("MXUSDT", "MX", "USDT", 4, 2)
CONFIG = MexcConfig(rest_url="http://127.0.0.1:8080", recv_window_ms=4000)
REQUESTS = OrderRequests(CONFIG, Credentials("mx0", "hush"))


def query_of(ticket: PlaceTicket, spec: InstrumentSpec = SPEC) -> str:
    first_line = REQUESTS.order(ticket, spec, 1_700_000_000_000).partition(b"\r\n")[0].decode()
    method, address, version = first_line.split(" ")
    assert (method, version) == ("POST", "HTTP/1.1")
    path, _, query = address.partition("?")
    assert path == "/api/v3/order"
    signed, _, signature = query.partition("&signature=")
    assert signature == Credentials("mx0", "hush").sign(signed)
    return signed


def test_a_limit_order() -> None:
    ticket = PlaceTicket(1, 0, "id-1", Side.BUY, OrderType.LIMIT, 35000, 1050)
    assert query_of(ticket) == (
        "symbol=MXUSDT&side=BUY&type=LIMIT&quantity=10.5&price=3.5&newClientOrderId=id-1"
        "&recvWindow=4000&timestamp=1700000000000"
    )


def test_the_headers_of_an_order() -> None:
    ticket = PlaceTicket(1, 0, "id-1", Side.BUY, OrderType.LIMIT, 35000, 1050)
    lines = REQUESTS.order(ticket, SPEC, 1).decode().split("\r\n")[1:]
    assert lines[-2:] == ["", ""]
    assert dict(line.split(": ") for line in lines[:-2]) == {
        "Host": "127.0.0.1:8080", "User-Agent": "penstock", "Accept": "*/*", "Connection": "keep-alive",
        "X-MEXC-APIKEY": "mx0", "Content-Type": "application/json", "Content-Length": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("order_type", "text"),
    [
        (OrderType.IOC, "IMMEDIATE_OR_CANCEL"),
        (OrderType.FOK, "FILL_OR_KILL"),
        (OrderType.LIMIT_MAKER, "LIMIT_MAKER"),
    ],
)
def test_time_in_force_is_a_type(order_type: int, text: str) -> None:
    assert f"&side=SELL&type={text}&" in query_of(PlaceTicket(1, 0, "i", Side.SELL, order_type, 1, 1))


def test_a_market_order_has_no_price() -> None:
    assert "price" not in query_of(PlaceTicket(1, 0, "i", Side.SELL, OrderType.MARKET, 7, 1))


def test_other_scales_make_another_request() -> None:
    ticket = PlaceTicket(1, 0, "i", Side.SELL, OrderType.LIMIT, 12, 34)
    REQUESTS.prepare(0, SPEC)
    assert "&quantity=0.34&price=0.0012&" in query_of(ticket)
    assert "&quantity=3.4&price=0.12&" in query_of(ticket, InstrumentSpec("MXUSDT", "MX", "USDT", 2, 1))


def test_a_cancel_names_the_order_by_the_venues_id_where_known() -> None:
    for order, named in (
        (OrderRef(1, 0, "c"), b"origClientOrderId=c"),
        (OrderRef(1, 0, "c", "C02__5"), b"orderId=C02__5"),
    ):
        made = REQUESTS.cancel(order, SPEC, 1)
        assert made.startswith(
            b"DELETE /api/v3/order?symbol=MXUSDT&" + named + b"&recvWindow=4000&timestamp=1&"
        )


def test_what_cannot_be_an_order_is_not_sent() -> None:
    with pytest.raises(VenueError) as caught:
        REQUESTS.order(PlaceTicket(1, 0, "i", Side.SELL, OrderType.LIMIT, 1, 0), SPEC, 1)
    assert caught.value.error_class is ErrorClass.NOT_SENT


def test_a_key_that_breaks_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="no HTTP header"):
        OrderRequests(CONFIG, Credentials("mx0\r\nX: y", "hush"))
