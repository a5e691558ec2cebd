"""An order's way out: its request built and signed, and from the adapter to the socket over TLS.

`order_request` is what the adapter does for each order: template found, numbers and time filled in, signed. The reference
is how it was done before: a dict of parameters, encoded, signed and put behind its headers in Python, with the same HMAC.
`order_write_tls` is what an order takes until its bytes are in the socket of a warm connection, on uvloop: budget, request,
signature, encryption and the system call, within one call.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvloop

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.order_line import OrderLine
from adapters.mexc.order_requests import OrderRequests
from adapters.mexc.rest import RestClient
from engine.adapter import PlaceTicket
from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.microbench import NO_BAR, CpuTime, Row, percentile, row, spread
from native.decimal import format_decimal
from tests.unit.mexc.tls_server import ScriptServer, make_certificate

BAR_NS = 1_500.0
BATCH, BATCHES, SENDS = 200, 300, 3_000
SPEC = InstrumentSpec("BTCUSDT", "BTC", "USDT", 2, 8)
CONFIG = MexcConfig()
CREDENTIALS = Credentials("mx0aBYs33eIilxBWC5", "45d0b3c26f2644f19bfb98b07741b2f5")
HEADERS = (
    " HTTP/1.1\r\nHost: api.mexc.com\r\nUser-Agent: penstock\r\nAccept: */*\r\nConnection: keep-alive\r\n"
    f"X-MEXC-APIKEY: {CREDENTIALS.access_key}\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
)
NAMES = {OrderType.LIMIT: "LIMIT"}


def ticket(order_no: int) -> PlaceTicket:
    """An order that differs from the one before."""
    price_ticks = 8_790_000 + order_no % 1000
    return PlaceTicket(
        order_no,
        0,
        f"abcdef012345-{order_no}",
        Side.BUY,
        OrderType.LIMIT,
        price_ticks,
        123_456_700 + order_no,
    )


def in_python(order: PlaceTicket, timestamp_ms: int) -> bytes:
    """The same bytes the plain way."""
    params = {
        "symbol": SPEC.symbol,
        "side": "BUY" if order.side == Side.BUY else "SELL",
        "type": NAMES[OrderType(order.order_type)],
        "quantity": format_decimal(order.size_lots, SPEC.size_decimals),
        "price": format_decimal(order.price_ticks, SPEC.price_decimals),
        "newClientOrderId": order.client_order_id,
        "recvWindow": CONFIG.recv_window_ms,
        "timestamp": timestamp_ms,
    }
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())
    query += f"&signature={CREDENTIALS.sign(query)}"
    return f"POST /api/v3/order?{query}{HEADERS}".encode()


def time_batches(build: Any, batches: int) -> list[float]:
    """Ns per request, one sample a batch."""
    tickets = [ticket(number) for number in range(1, BATCH + 1)]
    samples = []
    for _ in range(batches):
        began = time.perf_counter_ns()
        for each in tickets:
            build(each)
        samples.append((time.perf_counter_ns() - began) / BATCH)
    return samples


def run_request(batches: int) -> list[Row]:
    """`order_request`."""
    requests = OrderRequests(CONFIG, CREDENTIALS)
    now_ms = 1_700_000_000_000
    if requests.order(ticket(7), SPEC, now_ms) != in_python(ticket(7), now_ms):
        raise RuntimeError("the two ways do not make the same request")
    ours: list[float] = []
    theirs: list[float] = []
    cpu_ns: list[float] = []
    for _ in range(5):  # alternating, so that a busy moment meets both
        with CpuTime() as taken:
            ours += time_batches(lambda each: requests.order(each, SPEC, now_ms), batches // 5)
        cpu_ns.append(taken.ns / (batches // 5 * BATCH))
        theirs += time_batches(lambda each: in_python(each, now_ms), max(batches // 20, 1))
    return [
        row(
            "order_request", "ns", percentile(ours, 0.5), "must", bar=BAR_NS, samples=ours, cpu_ns=percentile(cpu_ns, 0.5),
            reference=("dict, quote and f-string in Python", percentile(theirs, 0.5)),
        )
    ]  # fmt: skip


async def time_writes(count: int) -> list[float]:
    """Ns of the call that puts an order into the socket; each is answered before the next."""
    with tempfile.TemporaryDirectory() as place:
        pem = make_certificate(Path(place))
        async with ScriptServer().running(pem) as server:
            config = MexcConfig(
                rest_url=server.url, ca_file=str(pem), weight_per_10s=100_000, order_connections=2
            )
            rest = RestClient(config, CREDENTIALS)
            line = OrderLine(rest, CREDENTIALS, lambda name: None, random.Random(1))
            line.pool.open()
            await line.pool.send(lambda: line.requests.ping)
            samples = []
            for number in range(1, count + 1):
                order = ticket(number)
                began = time.perf_counter_ns()
                answer = line.order(order, SPEC, lambda: None)
                samples.append(time.perf_counter_ns() - began)
                await answer
            await line.close()
    return [float(each) for each in samples]


def run_write(count: int) -> list[Row]:
    """`order_write_tls`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = runner.run(time_writes(count))[count // 10 :]
    note = f"over loopback; {spread(samples)} ns; {NO_BAR}"
    return [row("order_write_tls", "ns", percentile(samples, 0.5), "stretch", samples=samples, note=note)]


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    return [*run_request(10 if quick else BATCHES), *run_write(5 if quick else SENDS)]
