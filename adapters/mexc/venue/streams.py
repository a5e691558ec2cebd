"""Websocket connections and who listens to what.

Every connection has a bounded queue and a task that empties it. A connection that cannot keep up is closed, as
MEXC does it: a book that silently misses frames would be worse.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, web

from adapters.mexc.venue.clock import Clock
from adapters.mexc.venue.config import LimitsConfig
from adapters.mexc.venue.faults import FaultInjector

STUCK_AFTER_S = 5.0


@dataclass(eq=False, slots=True)
class Connection:
    """One websocket: its queue, subscriptions and the times that decide when it is closed as idle."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    account: str = ""
    listen_key: str = ""
    opened_s: float = 0.0
    idle_since_s: float = 0.0  # no valid subscription since then
    alive_s: float = 0.0  # last data sent or PING received
    pinged_s: float = 0.0  # on the futures side: last ping
    subscriptions: set[str] = field(default_factory=set)
    queue: deque[bytes | str] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)  # set whenever the queue gets shorter
    message_times: deque[float] = field(default_factory=deque)
    is_closing: bool = False

    def abort(self) -> None:
        """Cut the line without a closing handshake."""
        self.is_closing = True
        self.queue.clear()
        self.wake.set()
        self.room.set()
        if self.transport is not None:
            self.transport.abort()


class Hub:
    """Sends frames to subscribers, with the faults that concern sending."""

    def __init__(self, limits: LimitsConfig, faults: FaultInjector, clock: Clock) -> None:
        self.limits = limits
        self.connections: set[Connection] = set()
        self._faults = faults
        self._clock = clock
        self._subscribers: dict[str, set[Connection]] = {}
        self._private: dict[str, set[Connection]] = {}
        self._closing: set[asyncio.Future[bool]] = set()  # keeps closing tasks from being collected
        self.sent_frames = 0
        self.overflows = 0

    # membership

    def add(self, connection: Connection) -> None:
        """A connection opened."""
        self.connections.add(connection)
        if connection.account:
            self._private.setdefault(connection.account, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        for channel in list(connection.subscriptions):
            self.unsubscribe(connection, channel)
        if connection.account:
            self._private.get(connection.account, set()).discard(connection)

    def subscribe(self, connection: Connection, channel: str) -> None:
        """Start sending a channel to a connection."""
        connection.subscriptions.add(channel)
        self._subscribers.setdefault(channel, set()).add(connection)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Stop sending a channel to a connection."""
        connection.subscriptions.discard(channel)
        listeners = self._subscribers.get(channel)
        if listeners is not None:
            listeners.discard(connection)
            if not listeners:
                del self._subscribers[channel]

    def has(self, channel: str) -> bool:
        """Whether anybody listens to a channel."""
        return channel in self._subscribers

    def channels_of(self, prefix: str) -> list[str]:
        """The channels with that beginning that anybody listens to."""
        return [name for name in self._subscribers if name.startswith(prefix)]

    # sending

    def publish(self, channel: str, frame: bytes | str) -> None:
        """Send one frame to everybody who listens."""
        listeners = self._subscribers.get(channel)
        if listeners:
            self._send_all(channel, frame, listeners)

    def publish_private(self, account: str, channel: str, frame: bytes) -> None:
        """Send one frame to the connections of an account that listen to a private channel."""
        listeners = {c for c in self._private.get(account, ()) if channel in c.subscriptions}
        if listeners:
            self._send_all(channel, frame, listeners)

    def _send_all(self, channel: str, frame: bytes | str, listeners: set[Connection]) -> None:
        now_ns = self._clock.now_ns()
        now_s = asyncio.get_running_loop().time()
        for connection in listeners:
            connection.alive_s = now_s  # a silenced one too: the venue does not notice that it is silent
        if self._faults.hit("silent", now_ns, channel):
            return
        garbage = self._faults.hit("garbage_frame", now_ns, channel)
        for connection in listeners:
            if garbage:
                self._enqueue(connection, b"\x0a\x02a")  # a text of two bytes of which one is missing
            self._enqueue(connection, frame)

    def send(self, connection: Connection, text: str) -> None:
        """Send a control message to one connection."""
        if not self._faults.hit("silent", self._clock.now_ns(), "control"):
            self._enqueue(connection, text)

    def _enqueue(self, connection: Connection, message: bytes | str) -> None:
        if connection.is_closing:
            return
        if len(connection.queue) >= self.limits.send_queue_frames:
            self.overflows += 1
            connection.abort()
            return
        connection.queue.append(message)
        connection.wake.set()
        self.sent_frames += 1

    async def write_loop(self, connection: Connection) -> None:
        """Empty a connection's queue until it closes."""
        socket, queue = connection.socket, connection.queue
        try:
            while not connection.is_closing:
                await connection.wake.wait()
                connection.wake.clear()
                while queue:
                    message = queue.popleft()
                    connection.room.set()
                    if isinstance(message, bytes):
                        await socket.send_bytes(message)
                    else:
                        await socket.send_str(message)
        except (ConnectionError, RuntimeError):
            connection.is_closing = True  # the peer is gone; the reading side cleans up
        finally:
            connection.room.set()

    async def drained(self, most_frames: int = 256) -> None:
        """Wait until no queue is longer than that; for a replay that is faster than its listeners.

        A listener that reads nothing for too long is cut, so that it cannot hold up the others.
        """
        for connection in list(self.connections):
            try:
                while len(connection.queue) > most_frames and not connection.is_closing:
                    connection.room.clear()
                    await asyncio.wait_for(connection.room.wait(), STUCK_AFTER_S)
            except TimeoutError:
                self.overflows += 1
                connection.abort()

    # upkeep

    def is_cut(self, subject: str) -> bool:
        """Cut all lines if the fault `disconnect` says so."""
        if self._faults.hit("disconnect", self._clock.now_ns(), subject) is None:
            return False
        for connection in list(self.connections):
            connection.abort()
        return True

    def tick(self, now_s: float) -> None:
        """Close what is idle or too old, and cut lines where a fault says so."""
        if self.connections and self.is_cut("websocket"):
            return
        limits, scale = self.limits, self.limits.time_scale
        for connection in list(self.connections):
            if connection.is_closing:
                continue
            is_idle = not connection.subscriptions and (
                now_s - connection.idle_since_s > limits.no_subscription_s / scale
            )
            is_quiet = bool(connection.subscriptions) and (
                now_s - connection.alive_s > limits.no_data_s / scale
            )
            is_old = now_s - connection.opened_s > limits.connection_life_s / scale
            if is_idle or is_quiet or is_old:
                self.close(connection)

    def close(self, connection: Connection) -> None:
        """Close in order, with a handshake; what is queued is dropped."""
        connection.is_closing = True
        connection.wake.set()
        task = asyncio.ensure_future(connection.socket.close(code=WSCloseCode.GOING_AWAY))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
