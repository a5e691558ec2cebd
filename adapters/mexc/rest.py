"""MEXC's REST interface: signed requests over kept-alive connections, and errors that say what they prove.

Signing (spot v3 documentation): HMAC-SHA256 in lower hex over the query string exactly as sent; percent encoding in
upper hex comes before it; parameters keep their order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from adapters.mexc.clock import VenueClock
from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError, classify
from adapters.mexc.numbers import integer

Params = Mapping[str, str | int]
_TEXT_LIMIT = 160
_ERROR_BODY_LIMIT = 65_536
_BANNED_S = 120.0


def query_string(params: Params) -> str:
    """Parameters in their own order, percent-encoded in upper hex."""
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())


class _Flight:
    """One request on its way: what to call before its first byte, and whether a byte may have left."""

    __slots__ = ("before_send", "may_have_left")

    def __init__(self, before_send: Callable[[], None] | None) -> None:
        self.before_send = before_send
        self.may_have_left = False


async def _on_headers(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    """aiohttp calls this with a connection in hand, right before it writes; what is raised here stops the request."""
    flight: _Flight = context.trace_request_ctx
    if flight.before_send is not None:
        flight.before_send()
    flight.may_have_left = True


class RestClient:
    """One account's REST connection pool. `now_ns` is our clock, UTC; nothing is sent twice from here.

    All requests raise VenueError. After a Retry-After, or the web firewall's page, an endpoint is closed for a while: a
    request that must not wait (an order) fails at once with NOT_SENT, the others wait.
    """

    def __init__(
        self, config: MexcConfig, credentials: Credentials | None, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.config = config
        self.clock = VenueClock()
        self.requests = 0
        self._credentials = credentials
        self._now_ns = now_ns
        self._session: aiohttp.ClientSession | None = None
        self._closed_until: dict[str, float] = {}

    async def open(self) -> None:
        """Make the connection pool; must run in the loop that will use it."""
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_on_headers)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.config.max_connections, keepalive_timeout=75.0),
            timeout=aiohttp.ClientTimeout(
                total=self.config.request_timeout_ms / 1000, connect=self.config.connect_timeout_ms / 1000
            ),
            trace_configs=[trace],
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def is_open(self) -> bool:
        """Whether the connection pool exists."""
        return self._session is not None

    @property
    def has_credentials(self) -> bool:
        """Whether signed requests are possible."""
        return self._credentials is not None

    async def public(self, path: str, params: Params | None = None) -> bytes:
        """The body of an unsigned GET."""
        await self._wait_open(f"GET {path}")
        query = query_string(params or {})
        return await self._send("GET", path, query, {}, _Flight(None))

    async def signed(
        self, method: str, path: str, params: Params, *, before_send: Callable[[], None] | None = None
    ) -> bytes:
        """The body of a signed request.

        With `before_send` it is an order: sent at most once and never made to wait. Without, a refused timestamp
        measures the clock and signs once more.
        """
        if before_send is not None:
            self._require_open(f"{method} {path}")
            return await self._send_signed(method, path, params, _Flight(before_send))
        await self._wait_open(f"{method} {path}")
        try:
            return await self._send_signed(method, path, params, _Flight(None))
        except VenueError as error:
            if error.error_class is not ErrorClass.CLOCK:
                raise
        await self.measure_clock()
        return await self._send_signed(method, path, params, _Flight(None))

    async def measure_clock(self) -> None:
        """Measure the venue's clock anew; the shortest of several round trips counts."""
        samples = []
        for _ in range(self.config.clock_samples):
            sent_ns = self._now_ns()
            body = await self.public("/api/v3/time")
            received_ns = self._now_ns()
            answer = parse_object(body, "time")
            samples.append((sent_ns, received_ns, checked_integer(answer, "serverTime")))
        self.clock.measure(samples)

    async def _send_signed(self, method: str, path: str, params: Params, flight: _Flight) -> bytes:
        if self._credentials is None:
            raise VenueError(ErrorClass.AUTH, f"{path} needs an API key and none is configured")
        stamped = {
            **params,
            "recvWindow": self.config.recv_window_ms,
            "timestamp": self.clock.timestamp_ms(self._now_ns()),
        }
        query = query_string(stamped)
        query += f"&signature={self._credentials.sign(query)}"
        return await self._send(method, path, query, {"X-MEXC-APIKEY": self._credentials.access_key}, flight)

    async def _send(
        self, method: str, path: str, query: str, headers: dict[str, str], flight: _Flight
    ) -> bytes:
        if self._session is None:
            raise VenueError(ErrorClass.NOT_SENT, "the REST client is not open")
        self.requests += 1
        url = URL(f"{self.config.rest_url}{path}" + (f"?{query}" if query else ""), encoded=True)
        headers = {"Content-Type": "application/json", **headers}
        try:
            async with self._session.request(
                method, url, headers=headers, allow_redirects=False, trace_request_ctx=flight
            ) as response:
                body = await self._read(response)
                self._check(f"{method} {path}", response, body)
                return body
        # The causes are dropped: they hold the address with its signature.
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            kind = ErrorClass.AMBIGUOUS if flight.may_have_left else ErrorClass.NOT_SENT
            raise VenueError(kind, f"{method} {path}: {type(error).__name__}") from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self.config.max_body_bytes:
                response.close()
                raise VenueError(
                    ErrorClass.BAD_BODY, f"answer larger than {self.config.max_body_bytes} bytes"
                )
            parts.append(part)
        return b"".join(parts)

    def _check(self, endpoint: str, response: aiohttp.ClientResponse, body: bytes) -> None:
        """Raise what an answer says; an answer of success passes."""
        status = response.status
        code, text = _error_of(body)
        if status < 300 and code in (None, 0, 200):
            return
        retry_after_s = _retry_after(response.headers.get("Retry-After"))
        kind = classify(status, code, text)
        if kind is ErrorClass.WAF:
            retry_after_s = retry_after_s or self.config.firewall_pause_s
        elif status in (429, 418):
            retry_after_s = retry_after_s or (_BANNED_S if status == 418 else 1.0)
        if retry_after_s:
            until = asyncio.get_running_loop().time() + retry_after_s
            self._closed_until["*" if status == 418 else endpoint] = until
        raise VenueError(
            kind,
            text or f"http status {status}",
            code=code or 0,
            http_status=status,
            retry_after_s=retry_after_s,
        )

    def _closed_for_s(self, endpoint: str) -> float:
        until = max(self._closed_until.get(endpoint, 0.0), self._closed_until.get("*", 0.0))
        return until - asyncio.get_running_loop().time()

    def _require_open(self, endpoint: str) -> None:
        left_s = self._closed_for_s(endpoint)
        if left_s > 0:
            raise VenueError(ErrorClass.NOT_SENT, f"rate limited for {left_s:.1f} s", retry_after_s=left_s)

    async def _wait_open(self, endpoint: str) -> None:
        if (left_s := self._closed_for_s(endpoint)) > 0:
            await asyncio.sleep(left_s)
            await self._wait_open(endpoint)


def _error_of(body: bytes) -> tuple[int | None, str]:
    """MEXC's code and text where a body has them; (None, "") for anything else, an HTML page included."""
    if len(body) > _ERROR_BODY_LIMIT or body.lstrip()[:1] != b"{":
        return None, ""
    try:
        answer = orjson.loads(body)
        code = integer(answer["code"], "code")
    except (KeyError, TypeError, ValueError):
        return None, ""
    return code, str(answer.get("msg") or "")[:_TEXT_LIMIT]


def _retry_after(header: str | None) -> float:
    return min(float(header), 3600.0) if header and header.isascii() and header.isdigit() else 0.0


def _parse(body: bytes, what: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        shown = body[:40].decode(errors="replace")
        raise VenueError(ErrorClass.BAD_BODY, f"{what}: {shown!r} is no JSON") from None


def parse_object(body: bytes, what: str) -> dict[str, object]:
    """A JSON object; raises VenueError for any other body."""
    answer = _parse(body, what)
    if not isinstance(answer, dict):
        raise VenueError(ErrorClass.BAD_BODY, f"{what}: not an object")
    return answer


def parse_list(answer: object, what: str) -> list[dict[str, object]]:
    """A list of JSON objects, from a body or from a value within one; raises VenueError for anything else."""
    if isinstance(answer, bytes):
        answer = _parse(answer, what)
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise VenueError(ErrorClass.BAD_BODY, f"{what}: not a list of objects")
    return answer


def checked_integer(answer: Mapping[str, object], name: str) -> int:
    """An integer field of an answer; raises VenueError where it is missing or no integer."""
    try:
        return integer(answer.get(name), name)
    except ValueError as error:
        raise VenueError(ErrorClass.BAD_BODY, str(error)) from None
