"""A TLS relay in front of the local venue that notes when bytes are on its sockets, by the kernel's own stamps.

    python benchmarks/tls_relay.py VENUE_PORT NOTES_FILE

Prints {"port": ..., "ca_pem_path": ...}. On SIGTERM it writes NOTES_FILE: msgpack [connection, direction, ns, bytes] of
every chunk. Direction "out": taken right before the system call that sends the encrypted bytes. Direction "in": when the
kernel put the encrypted bytes into the venue's socket (SO_TIMESTAMPNS). What this process does itself, decryption and
waking up included, is in neither.
"""

from __future__ import annotations

import itertools
import json
import selectors
import signal
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from adapters.mexc.venue.tls import Certificate

Note = tuple[int, str, int, bytes]

# linux/socket.h: the option, and the type of the control message, which holds seconds and nanoseconds (CLOCK_REALTIME).
SO_TIMESTAMPNS = 35
STAMP = struct.Struct("=qq")
READ_BYTES = 1 << 16


class Pair:
    """One connection of the engine and the venue's side of it."""

    def __init__(self, relay: Relay, engine: socket.socket) -> None:
        self.relay, self.engine = relay, engine
        self.number = next(relay.numbers)
        self.venue = socket.create_connection(("127.0.0.1", relay.venue_port))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = relay.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.is_ready = self.is_closed = False
        for each in (engine, self.venue):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        engine.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        relay.selector.register(engine, selectors.EVENT_READ, self.from_engine)
        relay.selector.register(self.venue, selectors.EVENT_READ, self.from_venue)

    def from_engine(self) -> None:
        """Encrypted bytes of the engine."""
        data, extra, _, _ = self.engine.recvmsg(READ_BYTES, socket.CMSG_SPACE(STAMP.size))
        if not data:
            self.close()
            return
        self.incoming.write(data)
        plain = self._decrypt()
        self._flush()
        if plain:
            seconds, nanoseconds = STAMP.unpack(extra[0][2])
            self.relay.notes.append((self.number, "in", seconds * 1_000_000_000 + nanoseconds, plain))
            self.venue.sendall(plain)

    def from_venue(self) -> None:
        """Bytes of the venue, on their way to the engine."""
        data = self.venue.recv(READ_BYTES)
        if not data:
            self.close()
            return
        self.tls.write(data)
        sealed = self.outgoing.read()
        moment_ns = time.time_ns()
        self.engine.sendall(sealed)
        self.relay.notes.append((self.number, "out", moment_ns, data))

    def close(self) -> None:
        """Both sides end."""
        self.is_closed = True
        for each in (self.engine, self.venue):
            self.relay.selector.unregister(each)
            each.close()

    def _decrypt(self) -> bytes:
        parts = []
        try:
            if not self.is_ready:
                self.tls.do_handshake()
                self.is_ready = True
            while part := self.tls.read(READ_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        return b"".join(parts)

    def _flush(self) -> None:
        if sealed := self.outgoing.read():
            self.engine.sendall(sealed)


class Relay:
    """Passes bytes on, both ways, and keeps what passed with its time."""

    def __init__(self, venue_port: int, context: ssl.SSLContext) -> None:
        self.venue_port, self.context = venue_port, context
        self.notes: list[Note] = []
        self.numbers = itertools.count()
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.stopping = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def accept(self) -> None:
        """A new connection of the engine."""
        Pair(self, self.listener.accept()[0])

    def stop(self, *_: object) -> None:
        """At the next occasion."""
        self.stopping = True

    def serve(self) -> None:
        """Relay until `stop`."""
        while not self.stopping:
            for key, _ in self.selector.select(0.2):
                self._handle(key)

    def _handle(self, key: selectors.SelectorKey) -> None:
        work: Callable[[], None] = key.data
        pair = getattr(work, "__self__", None)
        try:
            if not (isinstance(pair, Pair) and pair.is_closed):
                work()
        except OSError:  # ssl.SSLError is one
            if isinstance(pair, Pair):
                pair.close()


def main(venue_port: int, notes_file: Path) -> None:
    """Serve, then write the notes."""
    certificate = Certificate()
    relay = Relay(venue_port, certificate.context)
    signal.signal(signal.SIGTERM, relay.stop)
    sys.stdout.write(json.dumps({"port": relay.port, "ca_pem_path": str(certificate.ca_pem_path)}) + "\n")
    sys.stdout.flush()
    relay.serve()
    certificate.remove()
    notes_file.write_bytes(msgspec.msgpack.encode(relay.notes))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
