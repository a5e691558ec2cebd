"""What each kind of answer, and the lack of one, proves: the REST client against a server that answers by script."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.rest import RestClient, checked_integer, parse_list, parse_object

SECRET = "hush-hush"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """A server that answers by one handler and notes each request."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.raw_path}")
        self.headers.append(dict(request.headers))
        if request.path == "/api/v3/time":
            return web.json_response({"serverTime": 1_700_000_000_000})
        return await self.handler(request)


def run(
    handler: Handler,
    body: Callable[[RestClient, Script], Awaitable[None]],
    *,
    with_key: bool = True,
    **config: Any,
) -> Script:
    script = Script(handler)

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", script.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        settings = MexcConfig(rest_url=url, **{"request_timeout_ms": 3000, "clock_samples": 2, **config})
        client = RestClient(settings, Credentials("mx0", SECRET) if with_key else None)
        await client.open()
        try:
            await body(client, script)
        finally:
            await client.close()
            await runner.cleanup()

    asyncio.run(asyncio.wait_for(main(), 20))
    return script


def answers(status: int = 200, text: str = "{}", **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return handler


async def refused(client: RestClient, path: str = "/x", method: str = "GET", **options: Any) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await client.signed(method, path, {}, **options)
    return caught.value


def test_the_signature_covers_the_very_bytes_sent() -> None:
    async def body(client: RestClient, script: Script) -> None:
        await client.measure_clock()
        await client.signed("POST", "/api/v3/order", {"symbol": "A B", "list": "x,y"})

    script = run(answers(), body, recv_window_ms=4000)
    raw = script.requests[-1].partition("?")[2]
    signed, _, signature = raw.partition("&signature=")
    assert signed.startswith("symbol=A%20B&list=x%2Cy&recvWindow=4000&timestamp=17000000")
    assert signature == hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert script.headers[-1]["X-MEXC-APIKEY"] == "mx0"
    assert script.headers[-1]["Content-Type"] == "application/json"
    assert "X-MEXC-APIKEY" not in script.headers[0]


@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (400, '{"code":10101,"msg":"insufficient balance"}', ErrorClass.BALANCE),
        (400, '{"code":"30002","msg":"minimum"}', ErrorClass.FILTER),
        (200, '{"code":700002,"msg":"bad signature"}', ErrorClass.AUTH),
        (403, "<html>Access Denied</html>", ErrorClass.WAF),
        (504, "<html>gateway</html>", ErrorClass.AMBIGUOUS),
        (500, '{"code":30002,"msg":""}', ErrorClass.AMBIGUOUS),
        (302, "", ErrorClass.AMBIGUOUS),
        (404, "{not json", ErrorClass.AMBIGUOUS),
        (400, '{"code":true}', ErrorClass.AMBIGUOUS),
        (400, '{"code":' + "[" * 9000, ErrorClass.AMBIGUOUS),
        (200, '{"code":9223372036854775807,"msg":"more than an event has room for"}', ErrorClass.AMBIGUOUS),
        (400, '{"code":99999999999999999999}', ErrorClass.AMBIGUOUS),
    ],
)
def test_errors_by_their_meaning(status: int, text: str, expected: ErrorClass) -> None:
    async def body(client: RestClient, script: Script) -> None:
        error = await refused(client)
        assert error.error_class is expected
        assert error.http_status == status
        assert abs(error.code) < 2**31
        assert error.retry_after_s == (2.0 if expected is ErrorClass.WAF else 0.0)

    run(answers(status, text, **({"Location": "/elsewhere"} if status == 302 else {})), body)


@pytest.mark.parametrize("text", ["{}", '{"code":0,"data":[]}', '{"code":200,"data":[],"msg":null}', "[]"])
def test_wrappers_of_success_pass(text: str) -> None:
    async def body(client: RestClient, script: Script) -> None:
        assert await client.signed("GET", "/x", {}) == text.encode()

    run(answers(200, text), body)


def test_a_redirect_is_never_followed() -> None:
    async def body(client: RestClient, script: Script) -> None:
        await refused(client)
        assert len(script.requests) == 1

    run(answers(307, Location="/elsewhere"), body)


def test_no_answer_in_time_is_ambiguous() -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async def body(client: RestClient, script: Script) -> None:
        assert (await refused(client)).error_class is ErrorClass.AMBIGUOUS
        assert len(script.requests) == 1

    run(never, body)


def test_a_refused_connection_is_definitely_not_sent() -> None:
    async def main() -> None:
        client = RestClient(MexcConfig(rest_url="http://127.0.0.1:9"), Credentials("mx0", SECRET))
        assert (await refused(client)).error_class is ErrorClass.NOT_SENT
        await client.open()
        assert (await refused(client)).error_class is ErrorClass.NOT_SENT
        await client.close()

    asyncio.run(main())


def test_a_retry_after_delays_what_comes_next_to_its_endpoint() -> None:
    calls: list[str] = []

    async def limited(request: web.Request) -> web.StreamResponse:
        calls.append(request.path)
        if len(calls) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"}, text="{}")
        return web.json_response({})

    async def body(client: RestClient, script: Script) -> None:
        loop = asyncio.get_running_loop()
        error = await refused(client, "/api/v3/order")
        assert (error.error_class, error.retry_after_s, error.refused) == (ErrorClass.RATE, 1.0, True)
        began = loop.time()
        await client.signed("GET", "/other", {})
        assert loop.time() - began < 0.5
        await client.signed("GET", "/api/v3/order", {})
        assert loop.time() - began > 0.5
        assert calls == ["/api/v3/order", "/other", "/api/v3/order"]

    run(limited, body)


def test_a_ban_closes_every_endpoint() -> None:
    async def body(client: RestClient, script: Script) -> None:
        assert (await refused(client, "/a")).retry_after_s == 120
        for endpoint in ("GET /b", "POST /api/v3/order"):
            with pytest.raises(VenueError, match="rate limited for 1"):
                client.limits.spend_now(endpoint)

    run(answers(418, "", **{"Retry-After": "soon"}), body)


def test_a_refused_timestamp_measures_the_clock_and_signs_once_more() -> None:
    state = {"refusals": 1}

    async def strict(request: web.Request) -> web.StreamResponse:
        if state["refusals"]:
            state["refusals"] -= 1
            return web.json_response({"code": 700003, "msg": "Timestamp outside"}, status=400)
        return web.json_response({})

    async def body(client: RestClient, script: Script) -> None:
        await client.signed("GET", "/x", {})
        assert [each.split("?")[0] for each in script.requests] == [
            "GET /x", "GET /api/v3/time", "GET /api/v3/time", "GET /x",
        ]  # fmt: skip
        state["refusals"] = 2
        assert (await refused(client)).error_class is ErrorClass.CLOCK

    run(strict, body)


def test_an_answer_without_end_is_cut_off() -> None:
    async def body(client: RestClient, script: Script) -> None:
        error = await refused(client)
        assert error.error_class is ErrorClass.BAD_BODY
        assert not error.refused

    run(answers(200, "x" * 200_000), body, max_body_bytes=1 << 16)


def test_without_a_key_nothing_is_signed() -> None:
    async def body(client: RestClient, script: Script) -> None:
        assert not client.has_credentials
        assert (await refused(client)).error_class is ErrorClass.AUTH
        assert script.requests == []

    run(answers(), body, with_key=False)


def test_no_secret_and_no_signature_is_ever_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async def body(client: RestClient, script: Script) -> None:
        error = await refused(client)
        assert error.__cause__ is None
        assert error.__suppress_context__
        told = f"{error} {error!r} {caplog.text}"
        assert SECRET not in told
        assert "signature" not in str(error)

    run(never, body, request_timeout_ms=100)


@pytest.mark.parametrize("body", [b"", b"<html>", b'"x"', b"[1]", b"5", b"[" * 9000, b'{"a":' * 9000])
def test_bodies_of_another_shape_are_refused(body: bytes) -> None:
    with pytest.raises(VenueError):
        parse_object(body, "x")
    with pytest.raises(VenueError):
        parse_list(body, "x")


def test_a_missing_number_is_refused() -> None:
    with pytest.raises(VenueError, match="serverTime"):
        checked_integer({}, "serverTime")
    assert parse_list([{}], "x") == [{}]


def test_numbers_keep_their_digits() -> None:
    """An answer with JSON numbers where there were strings is as good: no float is made of them."""
    answer = parse_object(b'{"executedQty": 0.10000000000000000555, "price": 12}', "x")
    assert answer == {"executedQty": "0.10000000000000000555", "price": 12}
