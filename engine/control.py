"""What people and operator programs may say to a running core: framed commands over a Unix socket in the run directory.

A frame is a length (u32, little-endian) and that many bytes of MessagePack: a `Request` one way, a `Reply` the other.
A reply is sent once the handler is done, which is after the command has been journaled. A repeated idempotency id
gets the first reply again and is not carried out twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import uuid
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.errors import UserError

SOCKET_NAME = "control.sock"
VERSION = 1
MAX_REQUEST_BYTES = 4096
MAX_REPLY_BYTES = 131_072
MAX_CLIENTS = 16
MAX_REMEMBERED = 1024
# The journal has room for this many bytes of it (command_t in engine/core/event.pxd).
MAX_ID_CHARS = 39
IDLE_TIMEOUT_S = 60.0
_LENGTH = struct.Struct("<I")
_PEER = struct.Struct("3i")

CommandName = Literal["halt", "resume", "cancel_all", "reduce_only", "flatten", "status"]
IdempotencyId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS, pattern="^[!-~]+$")]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command; `id`, of printable ASCII, makes it safe to repeat. `symbol` is of flatten: empty for all."""

    id: IdempotencyId
    command: CommandName
    symbol: str = ""
    version: int = VERSION


class Reply(msgspec.Struct, frozen=True):
    """The answer: whether it was done, `text` for people, the journal's `seq`, and for `status` the document as JSON."""

    id: str
    ok: bool
    text: str = ""
    seq: int = 0
    status: bytes = b""
    version: int = VERSION


class CommandRefused(Exception):
    """Raised by a handler that will not carry a command out; its text goes to the client."""


class ControlUnavailable(UserError):
    """There is no core to talk to, or it does not answer in time."""


Handler = Callable[[Request], Awaitable[Reply]]


@contextlib.contextmanager
def _reachable(run_dir: Path) -> Iterator[str]:
    """A short name for the socket: the address of a Unix socket holds 107 bytes, a run directory may be deeper."""
    folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET_NAME}"
    finally:
        os.close(folder)


def peer_uid(file: int) -> int:
    """The user id of the process at the other end of a Unix socket, from the kernel (SO_PEERCRED, unix(7))."""
    with socket.socket(fileno=os.dup(file)) as connection:
        _, uid, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return int(uid)


def decode_request(frame: bytes) -> Request | None:
    """The request in a frame; None where it is none. msgspec tells bad text by UnicodeDecodeError."""
    try:
        return msgspec.msgpack.decode(frame, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class ControlServer:
    """Listens in the run directory and hands each request to `handler`; what is refused is counted in `refused`."""

    def __init__(self, run_dir: Path | str, handler: Handler, *, uid: int | None = None) -> None:
        self._run_dir = Path(run_dir)
        self._handler = handler
        self._uid = os.getuid() if uid is None else uid
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()
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
            with _reachable(self._run_dir) as address:
                listener.bind(address)
            os.chmod(self._run_dir / SOCKET_NAME, stat.S_IRUSR | stat.S_IWUSR)
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listener, limit=MAX_REQUEST_BYTES
            )
        except BaseException:  # whatever it was goes on up; the socket must not stay behind
            listener.close()
            raise

    async def close(self) -> None:
        """Stop listening, drop the clients, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._clients):
            writer.close()
        await self._server.wait_closed()
        self._server = None
        (self._run_dir / SOCKET_NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        try:
            if peer_uid(writer.get_extra_info("socket").fileno()) != self._uid:
                self.refused["peer"] += 1
            elif len(self._clients) > MAX_CLIENTS:
                self.refused["clients"] += 1
            else:
                while await self._answer_one(reader, writer):
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            self.refused["disconnect"] += 1
        except TimeoutError:
            self.refused["idle"] += 1
        finally:
            self._clients.discard(writer)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on: it does not after an end, or after rubbish."""
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            head = await reader.read(_LENGTH.size)
            if not head:
                return False
            if len(head) < _LENGTH.size:
                head += await reader.readexactly(_LENGTH.size - len(head))
            (length,) = _LENGTH.unpack(head)
            if not 0 < length <= MAX_REQUEST_BYTES:
                self.refused["frame"] += 1
                return False
            frame = await reader.readexactly(length)
        request = decode_request(frame)
        if request is None:
            self.refused["frame"] += 1
            return False
        if request.version != VERSION:
            self.refused["version"] += 1
            reply = Reply(
                request.id, False, f"this core speaks control version {VERSION}, not {request.version}"
            )
        else:
            reply = await self._carry_out(request)
        payload = msgspec.msgpack.encode(reply)
        async with asyncio.timeout(IDLE_TIMEOUT_S):  # a client that reads nothing must not keep its place
            writer.write(_LENGTH.pack(len(payload)) + payload)
            await writer.drain()
        return True

    async def _carry_out(self, request: Request) -> Reply:
        if request.command == "status":
            return await self._ask(request)
        known = self._answers.get(request.id)
        if known is not None and known[0] != request.command:
            self.refused["reused_id"] += 1
            return Reply(request.id, False, f"the id {request.id} was already used for {known[0]}")
        if known is None:
            answer: asyncio.Future[Reply] = asyncio.create_task(self._ask(request))
            self._answers[request.id] = (request.command, answer)
            while len(self._answers) > MAX_REMEMBERED:
                self._answers.popitem(last=False)
        else:
            answer = known[1]
        return await asyncio.shield(answer)

    async def _ask(self, request: Request) -> Reply:
        try:
            return await self._handler(request)
        except CommandRefused as refusal:
            return Reply(request.id, False, str(refusal))


class ControlClient:
    """Says commands to the core of one run directory and waits for its answers. Blocking, one command at a time."""

    def __init__(self, run_dir: Path | str, timeout_s: float = 5.0) -> None:
        self._run_dir = Path(run_dir)
        self._timeout_s = timeout_s

    def call(self, command: CommandName, idempotency_id: str = "", symbol: str = "") -> Reply:
        """The core's reply; raises ControlUnavailable where no core listens or none answers in time."""
        request = Request(idempotency_id or uuid.uuid4().hex, command, symbol)
        payload = msgspec.msgpack.encode(request)
        try:
            with (
                _reachable(self._run_dir) as address,
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link,
            ):
                link.settimeout(self._timeout_s)
                link.connect(address)
                link.sendall(_LENGTH.pack(len(payload)) + payload)
                return self._reply(link)
        except TimeoutError:
            raise ControlUnavailable(f"the core did not answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise ControlUnavailable(
                f"no core listens in {self._run_dir}: {error.strerror or error}"
            ) from None

    def _reply(self, link: socket.socket) -> Reply:
        (length,) = _LENGTH.unpack(_exactly(link, _LENGTH.size))
        if length > MAX_REPLY_BYTES:
            raise ControlUnavailable(
                f"the answer has {length} bytes, more than {MAX_REPLY_BYTES}: it is no core"
            )
        try:
            return msgspec.msgpack.decode(_exactly(link, length), type=Reply)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ControlUnavailable(f"the answer is not understood: {error}") from None


def _exactly(link: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = link.recv(count - len(received))
        if not part:
            raise ControlUnavailable("the core closed the connection without an answer")
        received += part
    return bytes(received)
