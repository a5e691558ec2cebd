"""What people and operator programs may say to a running core: framed commands over a Unix socket in the run directory.

A frame is a length (u32, little-endian) and that many bytes of MessagePack: a `Request` one way, a `Reply` the other.
A reply is sent once the handler is done, which is after the command has been journaled. A repeated idempotency id
gets the first reply again and is not carried out twice.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from engine.errors import UserError

SOCKET_NAME = "control.sock"
VERSION = 1
MAX_REQUEST_BYTES = 4096
MAX_REPLY_BYTES = 131_072
# The journal has room for this many bytes of it (command_t in engine/core/event.pxd).
MAX_ID_CHARS = 39
LENGTH = struct.Struct("<I")
_PEER = struct.Struct("3i")

CommandName = Literal["halt", "resume", "cancel_all", "reduce_only", "flatten", "status"]
IdempotencyId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS, pattern="^[!-~]+$")]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command; `id`, of printable ASCII, makes it safe to repeat. `symbol` is of flatten: empty for all."""

    id: IdempotencyId
    command: CommandName
    symbol: str = ""
    version: int = VERSION


_DECODER = msgspec.msgpack.Decoder(Request)


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
Acknowledge = Callable[[Request, int], Awaitable[Reply]]


@contextlib.contextmanager
def reachable(run_dir: Path) -> Iterator[str]:
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
        return _DECODER.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def settled(reply: Reply) -> Reply:
    """A reply that is there already."""
    return reply


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
                reachable(self._run_dir) as address,
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link,
            ):
                link.settimeout(self._timeout_s)
                link.connect(address)
                link.sendall(LENGTH.pack(len(payload)) + payload)
                return self._reply(link)
        except TimeoutError:
            raise ControlUnavailable(f"the core did not answer within {self._timeout_s:g} s") from None
        except OSError as error:
            raise ControlUnavailable(
                f"no core listens in {self._run_dir}: {error.strerror or error}"
            ) from None

    def _reply(self, link: socket.socket) -> Reply:
        (length,) = LENGTH.unpack(_exactly(link, LENGTH.size))
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
