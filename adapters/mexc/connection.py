"""One supervised websocket connection: it subscribes, watches its deadlines and reconnects for ever, with jitter.

What a deadline means: MEXC closes connections without a subscription after 30 s and without data after 60 s, may refuse
with code 0, and may fall silent without closing. None of these is noticed without a clock of our own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import logging
import random
from collections.abc import Awaitable, Callable
from enum import StrEnum

from picows import WSError, WSMsgType, WSTransport, ws_connect

from adapters.mexc.config import MexcConfig
from adapters.mexc.errors import VenueError
from adapters.mexc.feed import FeedListener
from adapters.mexc.subscriptions import Reply, Subscriptions
from adapters.mexc.tls import client_context
from engine.adapter import FeedStatus, SequencerPort
from engine.core import event

_log = logging.getLogger("penstock.mexc.feed")
_PING = b'{"method":"PING"}'
# A connection that was up for this long starts its reconnection waits from the beginning.
_STABLE_S = 10.0


class FeedState(StrEnum):
    """The states of a feed, as the view shows them."""

    CONNECTING = "CONNECTING"
    SUBSCRIBING = "SUBSCRIBING"
    UP = "UP"
    SILENT = "SILENT"
    DOWN = "DOWN"
    REFUSED = "REFUSED"


class FeedFault(Exception):
    """Why a connection was given up, and the state its feed is in until the next attempt."""

    def __init__(self, counter: str, text: str, state: FeedState = FeedState.DOWN) -> None:
        super().__init__(text)
        self.counter = counter
        self.state = state


@dataclasses.dataclass(frozen=True, slots=True)
class FeedPlan:
    """What one connection carries. A private feed carries our own orders and may be quiet; a market feed may not.

    With `opens_later` it may be silent until its first frame: its symbol is not open yet. It is up once it is confirmed.
    """

    name: str
    source: int
    symbols: tuple[str, ...]
    channels: tuple[str, ...]
    private: bool = False
    opens_later: bool = False

    @property
    def may_begin_silent(self) -> bool:
        """Whether no first frame is waited for."""
        return self.private or self.opens_later


class Backoff:
    """Exponential waits between a half and the whole of `initial * 2^n`, capped; the generator makes the jitter."""

    def __init__(self, initial_s: float, max_s: float, rng: random.Random) -> None:
        self._initial_s, self._max_s, self._rng = initial_s, max_s, rng

    def wait_s(self, attempt: int) -> float:
        """The wait after this many failures, counted from 0."""
        whole_s: float = min(self._max_s, self._initial_s * 2 ** min(attempt, 30))
        return whole_s * self._rng.uniform(0.5, 1.0)


def is_worth_a_line(total: int) -> bool:
    """Whether the nth oddity of a kind is logged: the 1st, 10th, 100th and so on. All are counted."""
    return str(total).rstrip("0") == "1"


class Connection:
    """Keeps one feed up. `address` gives the URL of each attempt; `on_up` and `on_bad_key` are for the private feed.

    The sequencer hears of the feed going up once every channel is confirmed and, on a market feed, a first frame is
    there; it hears of it going down at the first sign of trouble.
    """

    def __init__(
        self,
        plan: FeedPlan,
        config: MexcConfig,
        sequencer: SequencerPort,
        rng: random.Random,
        address: Callable[[], Awaitable[str]],
        *,
        on_up: Callable[[], None] | None = None,
        on_bad_key: Callable[[], None] | None = None,
    ) -> None:
        self.plan = plan
        self.state = FeedState.CONNECTING
        self._config = config
        self._sequencer = sequencer
        self._backoff = Backoff(config.backoff_initial_s, config.backoff_max_s, rng)
        self._address = address
        self._on_up = on_up
        self._on_bad_key = on_bad_key
        self._tls = client_context(config.ca_file) if config.ws_url.startswith("wss") else None
        self._wake = asyncio.Event()
        self._subscriptions = Subscriptions(plan.channels, self._backoff.wait_s)
        self._listener: FeedListener | None = None
        self._fault: FeedFault | None = None
        self._is_up = False
        self._up_since_s = 0.0
        self._opened_s = 0.0
        self._confirmed_s: float | None = None
        self._ping_sent_s = 0.0
        self._pong_due_s: float | None = None
        self._frames_before = 0
        self._conflated_before = 0
        self._attempts = 0
        self._refused = 0
        self._last_error = ""
        self._noted: collections.Counter[str] = collections.Counter()

    async def run(self) -> None:
        """Connect and reconnect until cancelled."""
        failures = 0
        while True:
            self.state = FeedState.CONNECTING
            self._up_since_s = 0.0
            try:
                await self._attempt()
            except FeedFault as fault:
                self.state = fault.state
                self._note(fault.counter, str(fault))
            stable = self._up_since_s and self._now_s() - self._up_since_s >= _STABLE_S
            failures = 0 if stable else failures + 1
            await asyncio.sleep(self._backoff.wait_s(max(failures - 1, 0)))

    def restart(self, reason: str) -> None:
        """Give up the present connection and make a new one."""
        self._fail(FeedFault("restarts", reason))

    @property
    def is_up(self) -> bool:
        """Whether its channels are confirmed and data come."""
        return self._is_up

    @property
    def age_s(self) -> float:
        """How long ago the present connection was opened."""
        return self._now_s() - self._opened_s

    def divert(self, sequencer: SequencerPort) -> None:
        """Hand frames and events to another sequencer from now on."""
        self._sequencer = sequencer
        if self._listener is not None:
            self._listener.divert(sequencer)

    def status(self) -> FeedStatus:
        """The feed for the status page."""
        frames = self._listener.frames if self._listener else 0
        return FeedStatus(
            name=self.plan.name,
            source=self.plan.source,
            state=self.state.value,
            symbols=list(self.plan.symbols),
            frames=self._frames_before + frames,
            reconnects=max(self._attempts - 1, 0),
            refused=self._refused,
            silent_s=self._listener.silent_s() if self._listener and frames else -1.0,
            last_error=self._last_error,
            conflated=self._conflated_before + (self._listener.conflated if self._listener else 0),
        )

    # What the listener calls, within the loop's reading callback.

    def on_first_frame(self) -> None:
        """The first data frame of a connection: the feed is up before the frame is taken in."""
        self._maybe_up()
        self._wake.set()

    def on_text(self, text: str) -> None:
        """A control reply."""
        reply = self._subscriptions.take(text, self._now_s())
        if reply is Reply.PONG:
            self._pong_due_s = None
        elif reply is Reply.CONFIRMED:
            self._note_confirmed()
        elif reply is Reply.REFUSED:
            self._refused += 1
            self.state = FeedState.REFUSED
            self._note("refused_subscription", self._subscriptions.last_refusal)
        elif reply is Reply.BAD_LISTEN_KEY:
            if self._on_bad_key is not None:
                self._on_bad_key()
            self._fail(
                FeedFault("invalid_listen_key", "the venue does not know our listen key", FeedState.REFUSED)
            )
        else:
            self._note("strange_text", f"unexpected text: {text[:80]!r}")
        self._wake.set()

    def on_closed(self) -> None:
        """The connection ended."""
        self._fail(FeedFault("disconnects", "closed by the venue or the network"))

    def on_oversized(self) -> None:
        """A message was larger than we take."""
        self._fail(FeedFault("oversized", f"message of more than {self._config.max_message_bytes} bytes"))

    def on_violation(self, what: str) -> None:
        """The venue sent what the websocket protocol forbids."""
        self._fail(FeedFault("protocol_errors", f"against the websocket protocol: {what}"))

    def on_conflation(self, on: bool, frames: int, lag_ns: int) -> None:
        """Frames are left out from now on, or, after so many, no longer."""
        text = f"fell {lag_ns / 1e9:.2f} s behind: frames are left out, its books are fetched anew"
        if on and self._note("conflations", text) == 1:
            self._sequencer.alert(f"feed {self.plan.name} {text}; told once")
        if frames:
            self._sequencer.count("conflated", frames)
        self._sequencer.ingest(event.conflation(self.plan.source, on, frames, lag_ns))

    def on_unread(self) -> None:
        """What we send piles up."""
        self._fail(FeedFault("unread", "the venue reads nothing of what is sent to it"))

    # One attempt, from connecting to the fault that ends it.

    async def _attempt(self) -> None:
        self._attempts += 1
        transport = await self._open()
        try:
            await self._supervise(transport)
        finally:
            self._down()
            transport.disconnect(False)
            # Whatever ended it, a broken frame or a mistake of ours in taking one in, is told; the feed goes on.
            (ended,) = await asyncio.gather(transport.wait_disconnected(), return_exceptions=True)
            if isinstance(ended, Exception):
                self._note("broken_connections", f"{type(ended).__name__}: {ended}"[:200])
            if self._listener is not None:
                self._frames_before += self._listener.frames
                self._conflated_before += self._listener.conflated
                self._listener = None

    async def _open(self) -> WSTransport:
        self._fault = None
        self._subscriptions = Subscriptions(self.plan.channels, self._backoff.wait_s)
        self._confirmed_s, self._pong_due_s = None, None
        listener = FeedListener(self._sequencer, self.plan.source, self, self._config.max_message_bytes)
        try:
            address = await self._address()
            async with asyncio.timeout(self._config.connect_timeout_ms / 1000):
                transport, _ = await ws_connect(
                    lambda: listener,
                    address,
                    websocket_handshake_timeout=self._config.connect_timeout_ms / 1000,
                    max_frame_size=self._config.max_message_bytes,
                    max_redirects=0,
                    ssl_context=self._tls,
                    logger_name=_log,
                )
        # The cause may hold the private address with its listen key: only its kind is told.
        except (WSError, OSError, TimeoutError, EOFError) as error:
            raise FeedFault("connect_failures", f"no connection: {type(error).__name__}") from None
        except VenueError as error:
            raise FeedFault("connect_failures", f"no address: {error}") from None
        self._listener = listener
        self._opened_s = self._ping_sent_s = self._now_s()
        self.state = FeedState.SUBSCRIBING
        self._maybe_up()  # what was read together with the handshake may have confirmed it all
        return transport

    async def _supervise(self, transport: WSTransport) -> None:
        """Send what is due and check every deadline until one is missed; always ends in a FeedFault."""
        config = self._config
        shortest_s = min(
            config.ping_interval_s, config.pong_timeout_s, config.subscribe_timeout_s, config.first_frame_timeout_s,
            config.silent_timeout_s, config.backoff_initial_s * 4, 4.0,
        )  # fmt: skip
        while True:
            self._wake.clear()
            if self._fault is not None:
                raise self._fault
            now_s = self._now_s()
            self._check_deadlines(now_s)
            for request in self._subscriptions.requests_due(now_s):
                transport.send(WSMsgType.TEXT, request)
            if now_s - self._ping_sent_s >= config.ping_interval_s:
                transport.send(WSMsgType.TEXT, _PING)
                self._ping_sent_s = now_s
                if self._pong_due_s is None:
                    self._pong_due_s = now_s + config.pong_timeout_s
            # Not wait_for: Python 3.11's may lose a cancellation that meets a wake-up.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(shortest_s / 4):
                    await self._wake.wait()

    def _check_deadlines(self, now_s: float) -> None:
        config, listener = self._config, self._listener
        if self._pong_due_s is not None and now_s >= self._pong_due_s:
            raise FeedFault("pong_timeouts", f"no PONG within {config.pong_timeout_s} s", FeedState.SILENT)
        asked_s = self._subscriptions.unanswered_since()
        if asked_s is not None and now_s - asked_s >= config.subscribe_timeout_s:
            raise FeedFault(
                "subscribe_timeouts", f"no answer to a subscription in {config.subscribe_timeout_s} s"
            )
        if self.plan.private or listener is None:
            return
        if self._confirmed_s is not None and not listener.frames and not self.plan.opens_later:
            if now_s - self._confirmed_s >= config.first_frame_timeout_s:
                text = f"confirmed, but no frame within {config.first_frame_timeout_s} s"
                raise FeedFault("first_frame_timeouts", text, FeedState.SILENT)
        elif listener.frames and listener.silent_s() >= config.silent_timeout_s:
            raise FeedFault("silences", f"no frame for {config.silent_timeout_s} s", FeedState.SILENT)

    def _note_confirmed(self) -> None:
        if not self._subscriptions.refused and self.state is FeedState.REFUSED:
            self.state = FeedState.SUBSCRIBING
        if self._subscriptions.confirmed and self._confirmed_s is None:
            self._confirmed_s = self._now_s()
            self._maybe_up()

    def _maybe_up(self) -> None:
        has_data = self._listener is not None and self._listener.frames > 0
        if self._is_up or self._confirmed_s is None or not (self.plan.may_begin_silent or has_data):
            return
        self._is_up = True
        self._up_since_s = self._now_s()
        self.state = FeedState.UP
        self._sequencer.ingest(event.feed(self.plan.source, True, self.plan.private))
        if self._on_up is not None:
            self._on_up()

    def _down(self) -> None:
        if self._is_up:
            self._is_up = False
            self._sequencer.ingest(event.feed(self.plan.source, False, self.plan.private))

    def _fail(self, fault: FeedFault) -> None:
        """The first fault counts. The core hears at once; the supervising task ends the connection."""
        if self._fault is None:
            self._fault = fault
            self._down()
        self._wake.set()

    def _note(self, counter: str, text: str) -> int:
        self._last_error = text
        self._sequencer.count(f"mexc.{counter}")
        self._noted[counter] += 1
        if is_worth_a_line(self._noted[counter]):
            _log.warning("feed %s: %s (%d so far)", self.plan.name, text, self._noted[counter])
        return self._noted[counter]

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
