# cython: annotation_typing=False
"""The bytes of orders and cancels: one template per symbol, side and type, filled in by `native.mexc_request`."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.orders import SIDE_NAMES, TYPE_NAMES
from engine.adapter import OrderRef, PlaceTicket
from engine.core.enums import OrderType
from engine.core.instrument import InstrumentSpec
from native.mexc_request import RequestTemplate

ORDER_PATH = "/api/v3/order"
TEST_PATH = f"{ORDER_PATH}/test"
PLACE, CANCEL = f"POST {ORDER_PATH}", f"DELETE {ORDER_PATH}"


def template_key(instrument: int, side: int, order_type: int) -> int:
    """What an order's template is found by; sides and types are below 8."""
    return instrument << 6 | side << 3 | order_type


class OrderRequests:
    """One account's order requests to one host; ValueError for a key or host that fits no header."""

    def __init__(self, config: MexcConfig, credentials: Credentials) -> None:
        host = urlsplit(config.rest_url).netloc
        for text in (host, credentials.access_key):
            if not text.isascii() or not text.isprintable():
                raise ValueError("the access key or host holds characters that no HTTP header takes")
        self._signer = credentials.signer
        self._recv_window_ms = config.recv_window_ms
        common = f"Host: {host}\r\nUser-Agent: penstock\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        self._head = (
            f" HTTP/1.1\r\n{common}X-MEXC-APIKEY: {credentials.access_key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        self.ping = f"GET /api/v3/ping HTTP/1.1\r\n{common}\r\n".encode()
        self.templates: dict[int, tuple[InstrumentSpec, RequestTemplate]] = {}
        self.cancels: dict[int, tuple[InstrumentSpec, RequestTemplate]] = {}

    def prepare(self, instrument: int, spec: InstrumentSpec) -> None:
        """Make all templates of an instrument ahead."""
        for side in SIDE_NAMES:
            for order_type in TYPE_NAMES:
                self._order_template(instrument, side, order_type, spec)
        self._cancel_template(instrument, spec)

    def order(self, ticket: PlaceTicket, spec: InstrumentSpec, timestamp_ms: int) -> bytes:
        """The whole signed request of a new order; VenueError NOT_SENT where the ticket cannot be one."""
        found = self.templates.get(template_key(ticket.instrument, ticket.side, ticket.order_type))
        # A spec that was loaded anew may have other scales.
        template = (
            found[1]
            if found is not None and found[0] is spec
            else self._order_template(ticket.instrument, ticket.side, ticket.order_type, spec)
        )
        price_ticks = 0 if ticket.order_type == OrderType.MARKET else ticket.price_ticks
        try:
            return template.order(ticket.size_lots, price_ticks, ticket.client_order_id, timestamp_ms)
        except ValueError as error:
            raise VenueError(ErrorClass.NOT_SENT, str(error)) from None

    def test_query(self, ticket: PlaceTicket, spec: InstrumentSpec, timestamp_ms: int) -> str:
        """The signed query of the same order to order/test, by a template of the same kind; not for a market order."""
        target = _target(f"{PLACE}/test", ticket.side, ticket.order_type, spec)
        try:
            request = self._template(target, spec).order(
                ticket.size_lots, ticket.price_ticks, ticket.client_order_id, timestamp_ms
            )
        except ValueError as error:
            raise VenueError(ErrorClass.NOT_SENT, str(error)) from None
        return request.split(b" ", 2)[1].partition(b"?")[2].decode()

    def cancel(self, order: OrderRef, spec: InstrumentSpec, timestamp_ms: int) -> bytes:
        """The whole signed request of a cancel: by the venue's id where it is known, else by ours."""
        found = self.cancels.get(order.instrument)
        template = (
            found[1]
            if found is not None and found[0] is spec
            else self._cancel_template(order.instrument, spec)
        )
        if order.venue_order_id:
            return template.naming("orderId", order.venue_order_id, timestamp_ms)
        return template.naming("origClientOrderId", order.client_order_id, timestamp_ms)

    def _order_template(
        self, instrument: int, side: int, order_type: int, spec: InstrumentSpec
    ) -> RequestTemplate:
        template = self._template(_target(PLACE, side, order_type, spec), spec)
        self.templates[template_key(instrument, side, order_type)] = (spec, template)
        return template

    def _cancel_template(self, instrument: int, spec: InstrumentSpec) -> RequestTemplate:
        template = self._template(f"{CANCEL}?symbol={quote(spec.symbol, safe='')}", spec)
        self.cancels[instrument] = (spec, template)
        return template

    def _template(self, target: str, spec: InstrumentSpec) -> RequestTemplate:
        return RequestTemplate(
            self._signer,
            target.encode(),
            self._head,
            self._recv_window_ms,
            size_decimals=spec.size_decimals,
            price_decimals=spec.price_decimals,
        )


def _target(endpoint: str, side: int, order_type: int, spec: InstrumentSpec) -> str:
    """What a new order's request begins with."""
    symbol = quote(spec.symbol, safe="")
    return f"{endpoint}?symbol={symbol}&side={SIDE_NAMES[side]}&type={TYPE_NAMES[order_type]}"
