"""The command socket, over the socket itself, and the quick way of a command into a core.

Input: a byte for how the bytes are cut and, in its highest bit, whether the core looks for a command between the pieces, as it
does amid market data; then what a client sends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shutil
import socket
import struct
import tempfile
from pathlib import Path

import msgspec
import uvloop

from adapters.mexc.decoder import MexcDecoder
from engine import control, control_server
from engine.control import CommandName, Reply, Request, decode_request
from engine.control_server import ControlServer
from engine.core.enums import CommandKind
from engine.quick_command import QuickCommand, read_command
from engine.rim import Rim
from engine.sequencer import Sequencer
from tests.core_session import ready

LENGTH = struct.Struct("<I")
QUICK: dict[int, CommandName] = {
    CommandKind.HALT: "halt",
    CommandKind.CANCEL_ALL: "cancel_all",
    CommandKind.REDUCE_ONLY: "reduce_only",
}
MOST_PIECES = 24  # a turn of the loop each
LOOKS = 0x80
CARRIED_OUT: list[Request] = []
TAKEN: list[int] = []  # the numbers of those that went the quick way


async def _handler(request: Request) -> Reply:
    CARRIED_OUT.append(request)
    if request.command == "resume":
        raise control.CommandRefused("not now")
    return Reply(request.id, True, request.command, seq=len(CARRIED_OUT))


async def _acknowledge(request: Request, seq: int) -> Reply:
    CARRIED_OUT.append(request)
    TAKEN.append(seq)
    return Reply(request.id, True, request.command, seq=seq)


class _Rim(Rim):
    def __init__(self, troubles: list[str]) -> None:
        self.troubles = troubles

    def on_fault(self, what: str, error: Exception | None) -> None:
        self.troubles.append(f"{what}: {error}")


class _Daemon:
    """One server for all inputs: it has to outlive them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-fuzz-"))
        self.loop = uvloop.new_event_loop()
        self.troubles: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.troubles.append(str(context)))
        self.session = ready()
        self.sequencer = Sequencer(
            self.session.engine, MexcDecoder("f" * 12, 1000), _Rim(self.troubles), seq=self.session.seq
        )
        self.server = ControlServer(self.folder, _handler, QuickCommand(self.sequencer), _acknowledge)
        self.sequencer.bind_commands(self.server)
        self.loop.run_until_complete(self.server.start())
        atexit.register(self.close)

    def close(self) -> None:
        self.loop.run_until_complete(self.server.close())
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def talk(self, pieces: list[bytes], looks: bool) -> bytes:
        """Send these and end; what came back until the server closed. looks: whether the core does, after each piece."""
        received = bytearray()
        with socket.socket(socket.AF_UNIX) as link, contextlib.suppress(ConnectionError):
            link.setblocking(False)
            link.connect(str(self.folder / control.SOCKET_NAME))
            if looks:
                self.server.work()
            with contextlib.suppress(BrokenPipeError):
                for piece in pieces:
                    link.send(piece)
                    if looks:
                        self.sequencer.heed()
                    await asyncio.sleep(0)
                link.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(20):
                while part := await self.loop.sock_recv(link, 1 << 16):
                    received += part
        return bytes(received)


_daemon = _Daemon()


def _frame(value: object) -> bytes:
    payload = msgspec.msgpack.encode(value)
    return LENGTH.pack(len(payload)) + payload


def seeds() -> list[bytes]:
    """Commands, several at once, and rubbish."""
    halt, status = _frame(Request("a1", "halt")), _frame(Request("s", "status"))
    streams = [
        halt,
        halt + status + halt,
        _frame(Request("a2", "resume")),
        _frame(Request("a3", "flatten", "BTCUSDT")),
        _frame(Request("a1", "cancel_all")),
        _frame(Request("a4", "halt", version=9)) + status,
        _frame({"id": "a", "command": "fly"}),
        _frame({"id": "a b", "command": "halt"}),
        LENGTH.pack(4097),
        LENGTH.pack(0),
        b"\x01",
        LENGTH.pack(4000) + b"\x91" * 4000,
        LENGTH.pack(900) + b"\x84\xa2id\xa1a\xa7command\xa4halt\xa6symbol" + b"\x91" * 878,
        LENGTH.pack(8) + b"\x83\xa2id\xa1\xff\xc0\xc0",
    ]
    return [bytes([how]) + stream for stream in streams for how in (0, 3, LOOKS, LOOKS | 60)]


def expected(stream: bytes) -> tuple[list[Request], bool]:
    """The requests of a stream, read by the format alone, and whether it ends in rubbish or in the middle of one."""
    found: list[Request] = []
    at = 0
    while at < len(stream):
        if at + LENGTH.size > len(stream):
            return found, True
        (length,) = LENGTH.unpack_from(stream, at)
        frame = stream[at + LENGTH.size : at + LENGTH.size + length]
        if not 0 < length <= control.MAX_REQUEST_BYTES or len(frame) < length:
            return found, True
        request = decode_request(frame)
        if request is None:
            return found, True
        found.append(request)
        at += LENGTH.size + length
    return found, False


def replies_of(raw: bytes) -> list[Reply]:
    """The frames of a stream of replies."""
    found, at = [], 0
    while at < len(raw):
        (length,) = LENGTH.unpack_from(raw, at)
        found.append(msgspec.msgpack.decode(raw[at + 4 : at + 4 + length], type=Reply))
        at += 4 + length
    return found


def check(data: bytes) -> None:
    """Each request is answered once and in order, rubbish closes the connection and is counted, the server lives on; the core
    has each command of the quick way once."""
    if not data:
        return
    stream, looks = data[1:], bool(data[0] & LOOKS)
    step = max((data[0] & ~LOOKS) * 5 + 1, len(stream) // MOST_PIECES + 1)
    requests, is_rubbish = expected(stream)
    quick = read_command(stream)
    if quick is not None:
        known = [Request(quick[1], QUICK[quick[0]])]
        assert (requests, is_rubbish) == (known, False), "the quick way reads something else"
    refused = sum(_daemon.server.refused.values())
    done, seq = len(CARRIED_OUT), _daemon.session.engine.seq
    raw = _daemon.loop.run_until_complete(
        _daemon.talk([stream[at : at + step] for at in range(0, len(stream), step)], looks)
    )
    replies = replies_of(raw)
    assert [reply.id for reply in replies] == [request.id for request in requests], (requests, replies)
    for request, reply in zip(requests, replies, strict=True):
        if reply.ok:
            assert (reply.text, request.version) == (request.command, control.VERSION)
    assert len(CARRIED_OUT) - done <= len(requests)
    assert list(range(seq + 1, _daemon.session.engine.seq + 1)) == TAKEN, "what the core has is what was told"
    del CARRIED_OUT[:], TAKEN[:]
    # A client that is gone before it was seen may not be counted; rubbish that was read is.
    assert (sum(_daemon.server.refused.values()) > refused) >= is_rubbish
    assert len(_daemon.server._answers) <= control_server.MAX_REMEMBERED
    assert not _daemon.troubles, _daemon.troubles
