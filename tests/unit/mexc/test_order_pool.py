"""The order connections over plain TCP and TLS, on both event loops: what is proved when, and nothing sent twice."""

from __future__ import annotations

import asyncio
import collections
import logging
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.order_line import OrderLine
from adapters.mexc.order_pool import OrderPool
from adapters.mexc.rest import RestClient
from engine.adapter import OrderRef, PlaceTicket
from engine.core.instrument import InstrumentSpec
from engine.errors import UserError
from tests.unit.mexc.tls_server import OK, Reply, ScriptServer, make_certificate

PING = b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n"
REQUEST = b"POST /api/v3/order?a=1 HTTP/1.1\r\nHost: x\r\n\r\n"
SPEC = InstrumentSpec("MXUSDT", "MX", "USDT", 4, 2)
TICKET = PlaceTicket(1, 0, "abcdef012345-1", 1, 1, 35_000, 1_000)
Body = Callable[[ScriptServer, OrderPool], Awaitable[None]]


class Counts(collections.Counter[str]):
    """Counts by name, as an adapter does."""

    def __call__(self, name: str) -> None:
        self[name] += 1


def settings(url: str, **fields: Any) -> MexcConfig:
    fast = {
        "request_timeout_ms": 1000, "connect_timeout_ms": 3000, "order_connections": 2, "order_wait_ms": 1000,
        "backoff_initial_s": 0.01, "backoff_max_s": 0.05, **fields,
    }  # fmt: skip
    return MexcConfig(rest_url=url, **fast)


def run(
    body: Body, reply: Reply | None = None, pem: Path | None = None, loop: Any = None, **config: Any
) -> Counts:
    counts = Counts()

    async def main() -> None:
        async with ScriptServer(reply).running(pem) as server:
            options = settings(server.url, ca_file=str(pem or ""), **config)
            pool = OrderPool(options, PING, counts, random.Random(1))
            pool.open()
            try:
                await until(lambda: pool.free == len(server.writers) == options.order_connections)
                await asyncio.wait_for(body(server, pool), 15)
            finally:
                await pool.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())
    return counts


async def until(condition: Callable[[], object]) -> None:
    for _ in range(4000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came")


async def failure(pool: OrderPool, **options: Any) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await pool.send(lambda: REQUEST, **options)
    return caught.value


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


LOOPS = pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
STREAMS = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])


@LOOPS
@STREAMS
def test_a_request_is_written_within_the_call(pem: Path, secure: bool, loop: Any) -> None:
    async def body(server: ScriptServer, pool: OrderPool) -> None:
        order: list[str] = []

        def build() -> bytes:
            order.append("build")
            return REQUEST

        begun = pool.begin(build, lambda: order.append("before_send"))
        assert begun is not None
        assert order == ["build", "before_send"]
        assert pool.free == 1
        answer = await begun
        assert (answer.status, answer.body) == (200, b"{}")
        assert server.orders == [REQUEST]
        assert pool.free == 2

    run(body, pem=pem if secure else None, loop=loop)


@STREAMS
def test_the_bytes_are_in_the_socket_before_the_loop_turns(pem: Path, secure: bool) -> None:
    """On uvloop, whose transports would rather write at the end of a turn."""

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        transport: Any = pool.free_connections[-1]._transport
        assert pool.begin(lambda: REQUEST) is not None
        assert transport.get_write_buffer_size() == 0

    run(body, pem=pem if secure else None, loop=uvloop.new_event_loop)


def test_what_the_socket_has_no_room_for_follows(pem: Path) -> None:
    """A request larger than a socket's buffer arrives whole."""

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        large = REQUEST.replace(b"POST ", b"POST /" + b"x" * (8 << 20), 1)
        begun = pool.begin(lambda: large)
        assert begun is not None
        assert (await begun).status == 200
        assert server.orders == [large]

    run(body, loop=uvloop.new_event_loop)


@LOOPS
def test_many_at_once_wait_for_each_other(pem: Path, loop: Any) -> None:
    async def slow(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        answers = await asyncio.gather(*(pool.send(lambda: REQUEST) for _ in range(8)))
        assert [each.body for each in answers] == [b"{}"] * 8
        assert len(server.orders) == 8
        assert len(server.writers) == 2

    run(body, slow, pem, loop, order_wait_ms=5000)


def test_none_free_in_time_is_definitely_not_sent() -> None:
    async def never(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        busy = [pool.begin(lambda: REQUEST) for _ in range(2)]
        assert pool.begin(lambda: REQUEST) is None
        called: list[int] = []
        error = await failure(pool, before_send=lambda: called.append(1))
        assert error.error_class is ErrorClass.NOT_SENT
        assert called == []
        for each in busy:
            assert each is not None
            with pytest.raises(VenueError) as caught:
                await pool.answer(each)
            assert caught.value.error_class is ErrorClass.AMBIGUOUS
        assert len(server.orders) == 2

    run(body, never, request_timeout_ms=400, order_wait_ms=50)


@STREAMS
def test_what_before_send_raises_sends_nothing(pem: Path, secure: bool) -> None:
    class Void(Exception):
        pass

    def veto() -> None:
        raise Void

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        for _ in range(5):
            with pytest.raises(Void):
                pool.begin(lambda: REQUEST, veto)
            with pytest.raises(Void):
                await pool.send(lambda: REQUEST, veto)
        assert pool.free == 2
        assert server.orders == []
        assert (await pool.send(lambda: REQUEST)).body == b"{}"

    run(body, pem=pem if secure else None)


@LOOPS
@pytest.mark.parametrize("how", ["abort", "close", "half", "garbage", "silent", "giant"])
def test_no_usable_answer_is_ambiguous_sent_once_and_the_connection_is_replaced(
    pem: Path, how: str, loop: Any
) -> None:
    async def break_it(request: bytes, writer: asyncio.StreamWriter) -> None:
        if how == "abort":
            writer.transport.abort()
        elif how == "close":
            writer.close()
        elif how == "half":
            writer.write(OK[:-1])
            writer.close()
        elif how == "garbage":
            writer.write(b"\x16\x03\x01 what\r\n\r\n")
        elif how == "giant":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        error = await failure(pool)
        assert error.error_class is ErrorClass.AMBIGUOUS
        assert server.orders == [REQUEST]
        await until(lambda: pool.free == 2 and len(server.writers) == 3)
        server.reply = None
        assert (await pool.send(lambda: REQUEST)).status == 200

    counts = run(body, break_it, pem, loop)
    assert counts["order_connections_lost"] == 1


def test_a_venue_that_closes_after_its_answer_is_answered_all_the_same(pem: Path) -> None:
    async def last(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{1}")
        writer.close()

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        answer = await pool.send(lambda: REQUEST)
        assert answer.body == b"{1}"
        await until(lambda: pool.free == 2 and len(server.writers) == 3)

    run(body, last)
    run(body, last, pem)


def test_idle_connections_are_pinged_and_a_dead_one_is_replaced_unseen(pem: Path) -> None:
    async def body(server: ScriptServer, pool: OrderPool) -> None:
        await until(lambda: len(server.requests) >= 6)
        assert server.orders == []
        server.writers[0].transport.abort()
        await until(lambda: len(server.writers) == 3 and pool.free == 2)
        assert (await pool.send(lambda: REQUEST)).status == 200

    run(body, pem=pem, order_ping_s=0.02)


def test_a_silent_venue_is_found_by_the_ping() -> None:
    async def body(server: ScriptServer, pool: OrderPool) -> None:
        silenced = server.writers[:]
        for writer in silenced:
            writer.write = lambda data: None  # type: ignore[method-assign]
        await until(lambda: len(server.writers) >= 4 and pool.free == 2)

    counts = run(body, order_ping_s=0.05, request_timeout_ms=100)
    assert counts["order_connections_stale"] >= 2


def test_an_order_does_not_wait_for_the_backoff(pem: Path) -> None:
    async def body(server: ScriptServer, pool: OrderPool) -> None:
        await server.refuse()
        await until(lambda: not pool.free)
        assert (await failure(pool)).error_class is ErrorClass.NOT_SENT
        await server.listen()
        assert (await pool.send(lambda: REQUEST)).status == 200

    counts = run(body, pem=pem, backoff_initial_s=20, backoff_max_s=20)
    assert counts["order_connect_failures"] >= 1


def test_a_pool_that_closes_lets_nobody_wait() -> None:
    async def never(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def body(server: ScriptServer, pool: OrderPool) -> None:
        sending = [asyncio.ensure_future(pool.send(lambda: REQUEST)) for _ in range(3)]
        await until(lambda: len(server.orders) == 2)
        await pool.close()
        ends = await asyncio.gather(*sending, return_exceptions=True)
        assert [getattr(each, "error_class", each) for each in ends] == [
            ErrorClass.AMBIGUOUS, ErrorClass.AMBIGUOUS, ErrorClass.NOT_SENT,
        ]  # fmt: skip
        assert (await failure(pool)).error_class is ErrorClass.NOT_SENT

    run(body, never, request_timeout_ms=20_000, order_wait_ms=20_000)


def test_a_session_is_taken_up_again(pem: Path) -> None:
    async def body(server: ScriptServer, pool: OrderPool) -> None:
        await pool.send(lambda: REQUEST)
        await asyncio.sleep(0.1)
        opened = pool.opened
        server.writers[0].transport.abort()
        await until(lambda: pool.opened > opened)
        assert pool.resumed >= 1

    run(body, pem=pem, order_ping_s=0.05)


def test_an_untrusted_certificate_is_refused(
    pem: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        counts = Counts()
        wrong_name = make_certificate(tmp_path, "127.0.0.9")
        for served, trusted in ((pem, ""), (pem, str(wrong_name)), (wrong_name, str(wrong_name))):
            async with ScriptServer().running(served) as server:
                pool = OrderPool(settings(server.url, ca_file=trusted), PING, counts, random.Random(1))
                pool.open()
                before = counts["order_connect_failures"]
                await until(lambda: counts["order_connect_failures"] >= before + 2)  # noqa: B023
                assert pool.free == 0
                assert server.requests == []
                await pool.close()

    asyncio.run(main())
    assert "self-signed certificate" in caplog.text
    assert "IP address mismatch" in caplog.text


def test_a_file_without_certificates_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(UserError, match=r"adapter\.ca_file"):
            OrderPool(
                settings("https://127.0.0.1:1", ca_file=str(tmp_path / name)),
                PING,
                Counts(),
                random.Random(1),
            )


def line_run(body: Callable[[ScriptServer, OrderLine], Awaitable[None]], reply: Reply, **config: Any) -> None:
    async def main() -> None:
        async with ScriptServer(reply).running() as server:
            credentials = Credentials("mx0", "hush-hush")
            line = OrderLine(
                RestClient(settings(server.url, **config), credentials),
                credentials,
                Counts(),
                random.Random(1),
            )
            line.pool.open()
            try:
                await until(lambda: line.pool.free == 2)
                await asyncio.wait_for(body(server, line), 10)
            finally:
                await line.close()

    asyncio.run(main())


def answers(status: int, text: str, *headers: str) -> Reply:
    lines = "".join(f"{header}\r\n" for header in headers)

    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode())

    return reply


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, '{"code":10101,"msg":"insufficient balance"}', ErrorClass.BALANCE),
        (403, "<html>Access Denied</html>", ErrorClass.WAF),
        (504, "<html>gateway</html>", ErrorClass.AMBIGUOUS),
        (307, "", ErrorClass.AMBIGUOUS),
        (400, '{"code":700003,"msg":"Timestamp"}', ErrorClass.CLOCK),
    ],
)
def test_an_answer_is_read_as_every_answer_is_and_nothing_is_sent_again(
    status: int, text: str, expected: ErrorClass
) -> None:
    async def body(server: ScriptServer, line: OrderLine) -> None:
        with pytest.raises(VenueError) as caught:
            await line.order(TICKET, SPEC, lambda: None)
        assert (caught.value.error_class, caught.value.http_status) == (expected, status)
        assert len(server.orders) == 1

    line_run(body, answers(status, text, "Location: /elsewhere"))


def test_a_retry_after_closes_the_endpoint_for_orders() -> None:
    async def body(server: ScriptServer, line: OrderLine) -> None:
        with pytest.raises(VenueError) as caught:
            await line.order(TICKET, SPEC, lambda: None)
        assert (caught.value.error_class, caught.value.retry_after_s) == (ErrorClass.RATE, 7.0)
        called: list[int] = []
        with pytest.raises(VenueError) as caught:
            await line.order(TICKET, SPEC, lambda: called.append(1))
        assert caught.value.error_class is ErrorClass.NOT_SENT
        assert called == []
        server.reply = None
        assert await line.cancel(OrderRef(1, 0, "abcdef012345-1"), SPEC) == b"{}"

    line_run(body, answers(429, "{}", "Retry-After: 7"))


def test_an_order_beyond_the_budget_is_not_sent() -> None:
    async def body(server: ScriptServer, line: OrderLine) -> None:
        for _ in range(3):
            await line.order(TICKET, SPEC, lambda: None)
        with pytest.raises(VenueError, match="budget"):
            await line.order(TICKET, SPEC, lambda: None)
        assert len(server.orders) == 3

    line_run(body, answers(200, "{}"), weight_per_10s=3)


def test_no_secret_and_no_signature_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def cut(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def body(server: ScriptServer, line: OrderLine) -> None:
        with pytest.raises(VenueError) as caught:
            await line.order(TICKET, SPEC, lambda: None)
        told = f"{caught.value} {caught.value!r} {caplog.text}"
        assert caught.value.__suppress_context__
        assert "hush-hush" not in told
        assert "signature" not in told
        assert b"signature=" in server.orders[0]

    line_run(body, cut)
