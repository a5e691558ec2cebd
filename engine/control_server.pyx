"""The core's side of the control socket (engine.control), by which a command overtakes market data."""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t

from engine.lookout cimport SERVE_OTHERS, Lookout
from engine.quick_command cimport QuickCommand

import asyncio
import os
import select
import socket
import stat
from collections import Counter
from pathlib import Path

import msgspec

from engine.control import (
    LENGTH, MAX_REQUEST_BYTES, SOCKET_NAME, VERSION, CommandRefused, Reply, decode_request, peer_uid, reachable, settled,
)

MAX_CLIENTS = 16
MAX_REMEMBERED = 1024
IDLE_TIMEOUT_S = 60.0

cdef enum:
    READ_MOST = 4 + 4096       # a frame of MAX_REQUEST_BYTES

assert LENGTH.size + MAX_REQUEST_BYTES == READ_MOST


cdef extern from "sys/socket.h" nogil:
    int MSG_DONTWAIT
    int MSG_PEEK
    ssize_t recv(int file, void* data, size_t size, int flags)


cdef Py_ssize_t whole_frame(bytes received) except -2:
    """The bytes of the first frame, its length included; 0 where it is not whole yet, -1 where it can be none."""
    cdef Py_ssize_t length
    if len(received) < LENGTH.size:
        return 0
    (length,) = LENGTH.unpack_from(received)
    if not 0 < length <= MAX_REQUEST_BYTES:
        return -1
    return LENGTH.size + length if len(received) >= LENGTH.size + length else 0


cdef class _Client:
    """One connection: what has come of its next request, and the timer of its silence."""

    def __init__(self, link):
        self.link = link
        self.file = link.fileno()
        self.received = b""
        self.timer = None


cdef class ControlServer(Lookout):
    """Listens in the run directory and hands each request to `handler`; what is refused is counted in `refused`.

    The handler begins a command within its call, and the reply is awaited: so `work`, called between two frames of market
    data, has carried a command out when it returns. Whatever else there is to do for a command is done after that. What
    `quick` takes does not come to the handler: `acknowledge(request, seq)` makes the awaitable of its reply.
    """

    def __init__(self, run_dir, handler, QuickCommand quick=None, acknowledge=None, *, uid=None):
        self._run_dir = Path(run_dir)
        self._handler = handler
        self._quick, self._acknowledge = quick, acknowledge
        self._is_working = False
        self._ear, self._mouth = socket.socketpair()
        self._mouth.send(b"\0")
        self._uid = os.getuid() if uid is None else uid
        self._listener = None
        self._ready = select.epoll()
        self.epoll = self._ready.fileno()
        self._clients = {}
        self._tasks = set()
        self._answers = {}
        self.refused = Counter()

    async def start(self) -> None:
        """Bind the socket with mode 0600, in place of one that a dead core left, and serve. Where it cannot, it is closed."""
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
            await self.close()
            raise
        self._listener = listener

    async def close(self) -> None:
        """Stop listening, drop the clients, remove the socket."""
        if self._ready.closed:
            return
        self.epoll = -1
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._ready.fileno())
            self._listener.close()
            self._listener = None
            (self._run_dir / SOCKET_NAME).unlink(missing_ok=True)
        for client in tuple(self._clients.values()):
            self._drop(client)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._ready.close()
        self._ear.close()
        self._mouth.close()

    def fileno(self) -> int:
        """Readable while `work` has something to do."""
        return self._ready.fileno()

    cpdef work(self):
        """Accept who has come, read what was sent, and begin the commands in it. Never waits."""
        for number, _ in self._ready.poll(0):
            self.serve(number)

    cpdef serve(self, int number):
        """The same for one, by its descriptor."""
        if self._is_working:  # a command lets frames in, and between those the next one is looked for
            return
        self._is_working = True
        try:
            client = self._clients.get(number)
            if client is not None:
                self._read(client)
            elif self._listener is not None and number == self._listener.fileno():
                self._accept(self._listener)
        finally:
            self._is_working = False

    cdef int serve_nearest(self) except -1:
        """As Lookout.serve_nearest: the one who was listened to last."""
        if self._is_working:  # nobody can be served now
            return 0
        if self._nearest is None:
            return SERVE_OTHERS
        self._is_working = True
        try:
            self._read(self._nearest)
        finally:
            self._is_working = False
        return 0

    cpdef rehearse(self):
        """As Lookout.rehearse."""
        cdef char data[1]
        if self._quick is not None and self._listener is not None:
            recv(self._ear.fileno(), data, 1, MSG_DONTWAIT | MSG_PEEK)
            if self._nearest is not None:
                recv(self._nearest.file, data, 1, MSG_DONTWAIT | MSG_PEEK)
            self._quick.rehearse(self._answers)

    cdef _accept(self, listener):
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

    cdef _listen_to(self, _Client client):
        self._ready.register(client.link, select.EPOLLIN)
        client.is_listened_to = True
        self._nearest = client
        client.timer = asyncio.get_running_loop().call_later(IDLE_TIMEOUT_S, self._drop, client, "idle")

    cdef _listen_no_more(self, _Client client):
        self._ready.unregister(client.link)
        self._forget_nearest(client)
        if client.timer is not None:
            client.timer.cancel()

    cpdef _answer(self, _Client client, begun):
        """All else that there is to do for a command that was carried out, unless its client was dropped meanwhile."""
        if client.link.fileno() >= 0:
            self._take_request(client, begun)

    cdef _read(self, _Client client):
        cdef char data[READ_MOST]
        # What is only looked at need not be given back to the system yet, and the way there is rehearsed.
        cdef bint is_quick = self._quick is not None and not client.received
        cdef ssize_t size = recv(client.file, data, READ_MOST, MSG_DONTWAIT | (MSG_PEEK if is_quick else 0))
        cdef uint64_t seq
        if size < 0:
            if errno != EAGAIN and errno != EINTR:
                self._drop(client, "disconnect")
            return
        if not size:
            self._drop(client, "disconnect" if client.received else "")
            return
        begun = None
        if is_quick:
            try:
                seq = self._quick.take(data, size, self._answers)
                begun = seq or None
            except Exception as error:  # as in _ask
                begun = error
            if recv(client.file, data, size, MSG_DONTWAIT) != size:  # it was there a moment ago
                self._drop(client, "disconnect")
                return
        client.received += data[:size]
        if begun is None:
            self._take_request(client)
        else:  # what came with the command has waited long enough
            self._listen_no_more(client)
            asyncio.get_running_loop().call_soon(self._answer, client, begun)

    cdef _take_request(self, _Client client, begun=None):
        """Begin the request that has come whole; nothing more is read of this client until it has its reply.

        begun: None, or the command's number where it was carried out already, or why it could not be.
        """
        end = whole_frame(client.received)
        if not end:
            return
        request = decode_request(client.received[LENGTH.size : end]) if end > 0 else None
        if request is None:
            self._drop(client, "frame")
            return
        # Before it is begun: while a command is carried out the next one is looked for, and that may be this client's.
        client.received = client.received[end:]
        if begun is None:
            self._listen_no_more(client)
        answer = self._begin(request, begun)
        task = asyncio.get_running_loop().create_task(self._reply(client, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, client, answer):
        try:
            payload = msgspec.msgpack.encode(await answer)
        except BaseException:  # told by the loop; the client is not left waiting
            self._drop(client, "failed")
            raise
        try:
            async with asyncio.timeout(IDLE_TIMEOUT_S):  # a client that reads nothing must not keep its place
                await asyncio.get_running_loop().sock_sendall(
                    client.link, LENGTH.pack(len(payload)) + payload
                )
        except TimeoutError:
            self._drop(client, "idle")
        except OSError:
            self._drop(client, "disconnect")
        except BaseException:  # as above
            self._drop(client, "failed")
            raise
        else:
            if client.link.fileno() >= 0:
                self._listen_to(client)
                self._take_request(client)

    cdef _forget_nearest(self, _Client client):
        """Whoever has stayed is as near: asking which of all has sent something takes longer than to look at one."""
        cdef _Client each
        client.is_listened_to = False
        if self._nearest is client:
            self._nearest = None
            for each in self._clients.values():
                if each.is_listened_to:
                    self._nearest = each

    cpdef _drop(self, _Client client, counter=""):
        if counter:
            self.refused[counter] += 1
        if client.timer is not None:
            client.timer.cancel()
        self._clients.pop(client.link.fileno(), None)
        self._forget_nearest(client)
        client.link.close()  # which takes it out of the epoll set

    cdef _begin(self, request, begun):
        """Have it carried out, unless it was before; the reply is to be awaited."""
        if request.version != VERSION:
            self.refused["version"] += 1
            text = f"this core speaks control version {VERSION}, not {request.version}"
            return settled(Reply(request.id, False, text))
        if request.command == "status":
            return self._ask(request, None)
        known = self._answers.get(request.id)
        if known is not None and known[0] != request.command:
            self.refused["reused_id"] += 1
            return settled(Reply(request.id, False, f"the id {request.id} was already used for {known[0]}"))
        if known is None:
            answer = asyncio.ensure_future(self._ask(request, begun))
            self._answers[request.id] = (request.command, answer)
            while len(self._answers) > MAX_REMEMBERED:
                del self._answers[next(iter(self._answers))]
        else:
            answer = known[1]
        return asyncio.shield(answer)

    cdef _ask(self, request, begun):
        try:
            if begun is None:
                begun = self._handler(request)
            elif not isinstance(begun, Exception):
                begun = self._acknowledge(request, begun)
        except Exception as error:  # raised where the reply is awaited, not amid market data
            begun = error
        return self._outcome(request, begun)

    async def _outcome(self, request, begun):
        try:
            if isinstance(begun, Exception):
                raise begun
            return await begun
        except CommandRefused as refusal:
            return Reply(request.id, False, str(refusal))
