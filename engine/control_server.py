# cython: annotation_typing=False
"""The core's side of the control socket (engine.control): compiled, since a command that overtakes market data goes this way."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import stat
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from engine.control import (
    LENGTH,
    MAX_REQUEST_BYTES,
    SOCKET_NAME,
    VERSION,
    CommandRefused,
    Handler,
    Rehearsal,
    Reply,
    Request,
    decode_request,
    peer_uid,
    reachable,
    settled,
)  # fmt: skip

MAX_CLIENTS = 16
MAX_REMEMBERED = 1024
IDLE_TIMEOUT_S = 60.0
_REHEARSED = msgspec.msgpack.encode(Request("0" * 32, "cancel_all"))
_REHEARSED_FRAME = LENGTH.pack(len(_REHEARSED)) + _REHEARSED


def whole_frame(received: bytes) -> int:
    """The bytes of the first frame, its length included; 0 where it is not whole yet, -1 where it can be none."""
    if len(received) < LENGTH.size:
        return 0
    (length,) = LENGTH.unpack_from(received)
    if not 0 < length <= MAX_REQUEST_BYTES:
        return -1
    end: int = LENGTH.size + length
    return end if len(received) >= end else 0


class _Client:
    """One connection: what has come of its next request, and the timer of its silence."""

    __slots__ = ("link", "received", "timer")

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.received = b""
        self.timer: asyncio.TimerHandle | None = None


class ControlServer:
    """Listens in the run directory and hands each request to `handler`; what is refused is counted in `refused`.

    The handler begins a command within its call, and the reply is awaited: so `work`, called between two frames of market
    data, has carried a command out when it returns. Whatever else there is to do for a command is done after that.
    `rehearsal` is called with a request that is not to be carried out, and goes the handler's way.
    """

    def __init__(
        self,
        run_dir: Path | str,
        handler: Handler,
        *,
        rehearsal: Rehearsal = lambda _: None,
        uid: int | None = None,
    ) -> None:
        self._run_dir = Path(run_dir)
        self._handler = handler
        self._rehearsal = rehearsal
        self._is_working = False
        self._ear, self._mouth = socket.socketpair()
        self._mouth.send(b"\0")
        self._uid = os.getuid() if uid is None else uid
        self._listener: socket.socket | None = None
        self._ready = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: OrderedDict[str, tuple[str, asyncio.Future[Reply]]] = OrderedDict()
        self.refused: Counter[str] = Counter()

    async def start(self) -> None:
        """Bind the socket with mode 0600, in place of one that a dead core left, and serve."""
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        try:
            os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
            (self._run_dir / SOCKET_NAME).unlink(missing_ok=True)
            with reachable(self._run_dir) as address:
                listener.bind(address)
            os.chmod(self._run_dir / SOCKET_NAME, stat.S_IRUSR | stat.S_IWUSR)
            listener.listen(MAX_CLIENTS)
            self._ready.register(listener, select.EPOLLIN)
            asyncio.get_running_loop().add_reader(self._ready.fileno(), self.work)
        except BaseException:  # whatever it was goes on up; the socket must not stay behind
            listener.close()
            raise
        self._listener = listener

    async def close(self) -> None:
        """Stop listening, drop the clients, remove the socket."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._ready.fileno())
        self._listener.close()
        self._listener = None
        for client in tuple(self._clients.values()):
            self._drop(client)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ready.close()
        self._ear.close()
        self._mouth.close()
        (self._run_dir / SOCKET_NAME).unlink(missing_ok=True)

    def fileno(self) -> int:
        """Readable while `work` has something to do."""
        return self._ready.fileno()

    def work(self) -> None:
        """Accept who has come, read what was sent, and begin the commands in it. Never waits."""
        if self._is_working:  # a command lets frames in, and between those the next one is looked for
            return
        self._is_working = True
        try:
            for number, _ in self._ready.poll(0):
                client = self._clients.get(number)
                if client is not None:
                    self._read(client)
                elif self._listener is not None and number == self._listener.fileno():
                    self._accept(self._listener)
        finally:
            self._is_working = False

    def rehearse(self) -> None:
        """Go a command's way, from its bytes to the handler's, with nothing read, carried out or remembered."""
        self._ready.poll(0)
        self._ear.recv(1, socket.MSG_PEEK)
        end = whole_frame(_REHEARSED_FRAME)
        request = decode_request(_REHEARSED_FRAME[LENGTH.size : end])
        if request is not None and request.version == VERSION and self._answers.get(request.id) is None:
            self._rehearsal(request)

    def _accept(self, listener: socket.socket) -> None:
        try:
            link, _ = listener.accept()
        except OSError:  # it has gone again, or there is no descriptor left for it
            return
        link.setblocking(False)
        client = _Client(link)
        if peer_uid(link.fileno()) != self._uid:
            self._drop(client, "peer")
        elif len(self._clients) >= MAX_CLIENTS:
            self._drop(client, "clients")
        else:
            self._clients[link.fileno()] = client
            self._listen_to(client)

    def _listen_to(self, client: _Client) -> None:
        self._ready.register(client.link, select.EPOLLIN)
        client.timer = asyncio.get_running_loop().call_later(IDLE_TIMEOUT_S, self._drop, client, "idle")

    def _read(self, client: _Client) -> None:
        try:
            data = client.link.recv(LENGTH.size + MAX_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client, "disconnect")
            return
        if not data:
            self._drop(client, "disconnect" if client.received else "")
            return
        client.received = client.received + data if client.received else data
        self._take_request(client)

    def _take_request(self, client: _Client) -> None:
        """Begin the request that has come whole; nothing more is read of this client until it has its reply."""
        end = whole_frame(client.received)
        if not end:
            return
        request = decode_request(client.received[LENGTH.size : end]) if end > 0 else None
        if request is None:
            self._drop(client, "frame")
            return
        answer = self._begin(request)
        client.received = client.received[end:]
        self._ready.unregister(client.link)
        if client.timer is not None:
            client.timer.cancel()
        task = asyncio.get_running_loop().create_task(self._reply(client, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, client: _Client, answer: Awaitable[Reply]) -> None:
        try:
            payload = msgspec.msgpack.encode(await answer)
            async with asyncio.timeout(IDLE_TIMEOUT_S):  # a client that reads nothing must not keep its place
                await asyncio.get_running_loop().sock_sendall(
                    client.link, LENGTH.pack(len(payload)) + payload
                )
        except TimeoutError:
            self._drop(client, "idle")
        except OSError:
            self._drop(client, "disconnect")
        except BaseException:  # told by the loop; the client is not left waiting
            self._drop(client, "failed")
            raise
        else:
            if client.link.fileno() >= 0:
                self._listen_to(client)
                self._take_request(client)

    def _drop(self, client: _Client, counter: str = "") -> None:
        if counter:
            self.refused[counter] += 1
        if client.timer is not None:
            client.timer.cancel()
        self._clients.pop(client.link.fileno(), None)
        client.link.close()  # which takes it out of the epoll set

    def _begin(self, request: Request) -> Awaitable[Reply]:
        """Have it carried out, unless it was before; the reply is to be awaited."""
        if request.version != VERSION:
            self.refused["version"] += 1
            text = f"this core speaks control version {VERSION}, not {request.version}"
            return settled(Reply(request.id, False, text))
        if request.command == "status":
            return self._ask(request)
        known = self._answers.get(request.id)
        if known is not None and known[0] != request.command:
            self.refused["reused_id"] += 1
            return settled(Reply(request.id, False, f"the id {request.id} was already used for {known[0]}"))
        if known is None:
            answer: asyncio.Future[Reply] = asyncio.ensure_future(self._ask(request))
            self._answers[request.id] = (request.command, answer)
            while len(self._answers) > MAX_REMEMBERED:
                self._answers.popitem(last=False)
        else:
            answer = known[1]
        return asyncio.shield(answer)

    def _ask(self, request: Request) -> Coroutine[Any, Any, Reply]:
        begun: Awaitable[Reply] | Exception
        try:
            begun = self._handler(request)
        except Exception as error:  # noqa: BLE001 - raised where the reply is awaited, not amid market data
            begun = error
        return self._outcome(request, begun)

    async def _outcome(self, request: Request, begun: Awaitable[Reply] | Exception) -> Reply:
        try:
            if isinstance(begun, Exception):
                raise begun
            return await begun
        except CommandRefused as refusal:
            return Reply(request.id, False, str(refusal))
