"""MEXC's REST interface for everything that is not timed, and errors that say what they prove. Orders: order_line.py.

Signing (spot v3 documentation): HMAC-SHA256 in lower hex over the query string exactly as sent; percent encoding in
upper hex comes before it; parameters keep their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from adapters.mexc.clock import VenueClock
from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError, classify
from adapters.mexc.limits import RequestLimits
from adapters.mexc.numbers import integer
from adapters.mexc.tls import client_context

Params = Mapping[str, str | int]
_TEXT_LIMIT = 160
_ERROR_BODY_LIMIT = 65_536
_BANNED_S = 120.0
_LARGEST_CODE = 2**31 - 1  # what an event has room for; MEXC's own have six digits
# A number that comes as a JSON number with a point keeps its digits: no float is made of it.
_DECODER = msgspec.json.Decoder(float_hook=str)


class _Refusal(msgspec.Struct):
    """What a refusal says. All else of an answer is passed over, and not made into objects."""

    code: object = None
    msg: object = None


_REFUSAL_DECODER = msgspec.json.Decoder(_Refusal, float_hook=str)


def query_string(params: Params) -> str:
    """Parameters in their own order, percent-encoded in upper hex."""
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in params.items())


class RestClient:
    """One account's REST connection pool. `now_ns` is our clock, UTC.

    All requests raise VenueError. They wait for their budget, and where an endpoint was closed by a Retry-After or the web
    firewall's page.
    """

    def __init__(
        self, config: MexcConfig, credentials: Credentials | None, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.config = config
        self.clock = VenueClock()
        self.limits = RequestLimits(config.weight_per_10s, config.order_headroom_weight, own=config.weights)
        self.requests = 0
        self._credentials = credentials
        self._now_ns = now_ns
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the connection pool; must run in the loop that will use it."""
        secure = urlsplit(self.config.rest_url).scheme == "https"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.config.max_connections,
                keepalive_timeout=75.0,
                ssl=client_context(self.config.ca_file) if secure else True,
            ),
            timeout=aiohttp.ClientTimeout(
                total=self.config.request_timeout_ms / 1000, connect=self.config.connect_timeout_ms / 1000
            ),
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
        await self.limits.spend(f"GET {path}", has_symbol="symbol" in (params or {}))
        query = query_string(params or {})
        return await self._send("GET", path, query, {})

    async def signed(self, method: str, path: str, params: Params) -> bytes:
        """The body of a signed request; a refused timestamp measures the clock and signs once more."""
        try:
            return await self._send_signed(method, path, params)
        except VenueError as error:
            if error.error_class is not ErrorClass.CLOCK:
                raise
        await self.measure_clock()
        return await self._send_signed(method, path, params)

    async def built(self, method: str, path: str, build: Callable[[int], str]) -> bytes:
        """The body of a request whose signed query is built elsewhere, for a time of the venue in ms; sent once."""
        if self._credentials is None:
            raise VenueError(ErrorClass.AUTH, f"{path} needs an API key and none is configured")
        await self.limits.spend(f"{method} {path}")
        query = build(self.clock.timestamp_ms(self._now_ns()))
        return await self._send(method, path, query, {"X-MEXC-APIKEY": self._credentials.access_key})

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

    async def _send_signed(self, method: str, path: str, params: Params) -> bytes:
        if self._credentials is None:
            raise VenueError(ErrorClass.AUTH, f"{path} needs an API key and none is configured")
        await self.limits.spend(f"{method} {path}", has_symbol="symbol" in params)
        stamped = {
            **params,
            "recvWindow": self.config.recv_window_ms,
            "timestamp": self.clock.timestamp_ms(self._now_ns()),
        }
        query = query_string(stamped)
        query += f"&signature={self._credentials.sign(query)}"
        return await self._send(method, path, query, {"X-MEXC-APIKEY": self._credentials.access_key})

    async def _send(self, method: str, path: str, query: str, headers: dict[str, str]) -> bytes:
        if self._session is None:
            raise VenueError(ErrorClass.NOT_SENT, "the REST client is not open")
        self.requests += 1
        url = URL(f"{self.config.rest_url}{path}" + (f"?{query}" if query else ""), encoded=True)
        headers = {"Content-Type": "application/json", **headers}
        endpoint = f"{method} {path}"
        # The causes are dropped: they hold the address with its signature.
        try:
            async with self._session.request(method, url, headers=headers, allow_redirects=False) as response:
                body = await self._read(response)
                status, retry_after = response.status, response.headers.get("Retry-After")
        except aiohttp.ClientConnectorError as error:
            raise VenueError(ErrorClass.NOT_SENT, f"{endpoint}: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueError(ErrorClass.AMBIGUOUS, f"{endpoint}: {type(error).__name__}") from None
        refusal = refusal_of(status, retry_after, body, self.config.firewall_pause_s)
        if refusal is not None:
            self.limits.close(endpoint, refusal)
            raise refusal
        return body

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


def refusal_of(
    status: int, retry_after: str | None, body: bytes, firewall_pause_s: float
) -> VenueError | None:
    """What an answer refuses, None for one of success. `retry_after`: the header of that name."""
    code, text = _error_of(body)
    if status < 300 and code in (None, 0, 200):
        return None
    wait_s = _retry_after(retry_after)
    kind = classify(status, code, text)
    if kind is ErrorClass.WAF:
        wait_s = wait_s or firewall_pause_s
    elif status in (429, 418):
        wait_s = wait_s or (_BANNED_S if status == 418 else 1.0)
    return VenueError(
        kind, text or f"http status {status}", code=code or 0, http_status=status, retry_after_s=wait_s
    )


def _error_of(body: bytes) -> tuple[int | None, str]:
    """MEXC's code and text where a body has them; (None, "") for anything else, an HTML page included."""
    if len(body) > _ERROR_BODY_LIMIT or body.lstrip()[:1] != b"{":
        return None, ""
    try:
        answer = _REFUSAL_DECODER.decode(body)
        code = integer(answer.code, "code")
    except (TypeError, ValueError, RecursionError):
        return None, ""
    code = max(min(code, _LARGEST_CODE), -_LARGEST_CODE)
    return code, str(answer.msg or "")[:_TEXT_LIMIT]


def _retry_after(header: str | None) -> float:
    return min(float(header), 3600.0) if header and header.isascii() and header.isdigit() else 0.0


def _parse(body: bytes, what: str) -> object:
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError):
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
