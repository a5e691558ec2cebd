"""One kept-open HTTP/1.1 connection for orders: one request at a time, written within the call that sends it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import cast

from adapters.mexc.http_answer import AnswerParser, BadAnswer, HttpAnswer
from adapters.mexc.order_wire import OrderWire, Wired
from adapters.mexc.tls import TlsLayer


class LostConnection(Exception):
    """The connection ended, or was given up, with a request under way: whether it was carried out is not known."""


class OrderConnection(Wired, asyncio.Protocol):
    """Made by `loop.create_connection`; usable once `ready` is done.

    `tls` is None for plain HTTP. `on_free(connection)` is called when it may carry a request, `on_lost(connection)` once
    at its end, and `heed()` before an answer is read and before what waits for it goes on.
    """

    def __init__(
        self,
        tls: TlsLayer | None,
        max_body_bytes: int,
        on_free: Callable[[OrderConnection], None],
        on_lost: Callable[[OrderConnection], None],
        heed: Callable[[], object] = lambda: None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = self.loop.create_future()
        self.last_used_s = self.loop.time()
        self._tls = tls
        self._parser = AnswerParser(max_body_bytes)
        self._on_free, self._on_lost, self._heed = on_free, on_lost, heed
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False

    @property
    def is_free(self) -> bool:
        """Whether a request may be sent now."""
        return self.wire is not None and self.wire.is_free

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._transport is None and self.ready.done()

    @property
    def is_resumed(self) -> bool:
        """Whether its handshake took up an earlier session."""
        return self._tls is not None and self._tls.is_resumed

    @property
    def session(self) -> ssl.SSLSession | None:
        """For the handshake of the next connection."""
        return self._tls.session if self._tls is not None else None

    def send(self, request: bytes, timeout_s: float) -> asyncio.Future[HttpAnswer]:
        """Write a whole request now; the future ends in the answer or in LostConnection."""
        if self.wire is None or not self.wire.is_free:
            raise RuntimeError("the connection cannot carry a request now")
        failure = ""
        try:
            self.wire.write(request)
        except (OSError, RuntimeError) as error:
            failure = type(error).__name__
        return self._follow(self.loop.create_future(), timeout_s, failure)

    def await_answer(
        self, early: asyncio.Future[HttpAnswer] | None, timeout_s: float, failure: str
    ) -> asyncio.Future[HttpAnswer]:
        """What is kept about a request of the order lane's, after its bytes. early: where its answer has come, or begun to,
        already; failure: why they could not be sent."""
        if early is not None and early.done():
            return early
        self.gone = None
        return self._follow(early or self.loop.create_future(), timeout_s, failure)

    def _follow(
        self, answer: asyncio.Future[HttpAnswer], timeout_s: float, failure: str
    ) -> asyncio.Future[HttpAnswer]:
        self._answer = answer
        if self.wire is not None:
            self.wire.is_free = False
        self.last_used_s = self.loop.time()
        if failure or self._transport is None:
            self._fail(failure or "lost before its answer was waited for")
        else:
            self._timer = self.loop.call_later(timeout_s, self._fail, "no answer in time")
        return answer

    def close(self) -> None:
        """Give it up; a request under way is lost."""
        self._fail("closed by us")

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio calls this first."""
        # uvloop's transports are of no class of asyncio's.
        transport = self._transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # uvloop writes at once, and not at the end of the loop's turn, only where more than this is waiting.
        transport.set_write_buffer_limits(high=0)
        self.wire = OrderWire(transport, -1 if sock is None else sock.fileno(), self._tls)
        if self._tls is None:
            self._open()
        else:
            transport.write(self._tls.outgoing)

    def data_received(self, data: bytes) -> None:
        """asyncio calls this for what came."""
        # One that nobody waits for is free: it must not be taken before what came is judged.
        if self._answer is not None or self.gone is not None:
            self._heed()
        try:
            if self._tls is not None:
                data = self._open_tls(self._tls, data)
            if not data:
                return
            if self._answer is None:
                if self.gone is None:
                    self._fail("bytes that nobody asked for")
                    return
                # The order lane sent a request, and it is answered before anybody waits.
                self._answer = self.gone.answer = self.loop.create_future()
                self.gone = None
            answer = self._parser.feed(data)
        except (BadAnswer, ssl.SSLError) as error:
            self._fail(f"{type(error).__name__}: {error}"[:200])
            return
        if answer is not None:
            self._finish(answer)

    def eof_received(self) -> None:
        """asyncio calls this when the other side is done sending."""
        self._end_of_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio calls this last."""
        self._fail(type(exc).__name__ if exc else "closed by the venue or the network")

    def pause_writing(self) -> None:
        """Nothing waits here: one small request is under way at most."""

    def resume_writing(self) -> None:
        """As above."""

    def _open_tls(self, tls: TlsLayer, data: bytes) -> bytes:
        was_ready = tls.is_ready
        try:
            data = tls.open(data)
        finally:
            outgoing = tls.outgoing
            if outgoing and self._transport is not None:
                self._transport.write(outgoing)
        if tls.is_ready and not was_ready:
            self._open()
        if tls.is_closed:
            if data and self._answer is not None and (answer := self._parser.feed(data)) is not None:
                self._finish(answer)
            self._end_of_stream()
            return b""
        return data

    def _open(self) -> None:
        self._is_open = True
        if self.wire is not None:
            self.wire.is_free = True
        if not self.ready.done():
            self.ready.set_result(None)
        self._on_free(self)

    def _end_of_stream(self) -> None:
        answer = self._parser.end() if self._answer is not None else None
        if answer is not None:
            self._finish(answer)
        self._fail("closed by the venue or the network")

    def _finish(self, answer: HttpAnswer) -> None:
        waiting, self._answer = self._answer, None
        self._stop_timer()
        self.last_used_s = self.loop.time()
        if waiting is not None and not waiting.done():
            self.loop.call_soon(self._heed)  # answers come in flocks, and what each leads to takes its time
            waiting.set_result(answer)
        if answer.keeps_open and self.wire is not None:
            self.wire.is_free = True
            self._on_free(self)
        else:
            self._fail("the venue keeps it open no longer")

    def _fail(self, reason: str) -> None:
        """Its one end, whatever the cause; the first one counts."""
        transport, self._transport = self._transport, None
        was_open, self._is_open = self._is_open, False
        if self.wire is not None:
            self.wire.is_free = False
        self._stop_timer()
        if transport is not None:
            transport.abort()
        if not self.ready.done():
            self.ready.set_exception(LostConnection(reason))
            self.ready.exception()  # seen, whether or not somebody waits
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(LostConnection(reason))
        if was_open:
            self._on_lost(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
