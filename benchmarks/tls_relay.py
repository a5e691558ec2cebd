"""A TLS relay in front of the local venue that notes when bytes pass: what stands on the venue's socket, and when.

    python benchmarks/tls_relay.py VENUE_PORT NOTES_FILE

Prints {"port": ..., "ca_pem_path": ...}. On SIGTERM it writes NOTES_FILE: msgpack [connection, direction, ns, bytes] of
every chunk, direction "in" right after it was decrypted, "out" right before it is handed to TLS; so what TLS costs on
this side is counted against the engine.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from adapters.mexc.venue.tls import Certificate

Note = tuple[int, str, int, bytes]


class Relay:
    """Passes bytes on, both ways, and keeps what passed with its time."""

    def __init__(self, venue_port: int) -> None:
        self.venue_port = venue_port
        self.notes: list[Note] = []
        self.numbers = itertools.count()

    def make(self) -> Outside:
        """The protocol of one connection from outside."""
        return Outside(self)


class Outside(asyncio.Protocol):
    """The engine's side of one connection; what comes before the venue's side is open waits."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.number = next(relay.numbers)
        self.transport: asyncio.Transport | None = None
        self.venue: asyncio.Transport | None = None
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the venue's side."""
        self.transport = cast(asyncio.Transport, transport)
        self.opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self.venue, _ = await loop.create_connection(lambda: Inside(self), "127.0.0.1", self.relay.venue_port)
        for chunk in self.waiting:
            self.venue.write(chunk)
        self.waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes of the engine, decrypted."""
        self.relay.notes.append((self.number, "in", time.perf_counter_ns(), data))
        if self.venue is None:
            self.waiting.append(data)
        else:
            self.venue.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The engine went away."""
        if self.venue is not None:
            self.venue.close()


class Inside(asyncio.Protocol):
    """The venue's side of one connection."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside

    def data_received(self, data: bytes) -> None:
        """Bytes of the venue, on their way to the engine."""
        outside = self.outside
        if outside.transport is not None:
            outside.relay.notes.append((outside.number, "out", time.perf_counter_ns(), data))
            outside.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The venue went away."""
        if self.outside.transport is not None:
            self.outside.transport.close()


async def serve(venue_port: int) -> list[Note]:
    """Relay until SIGTERM; answers the notes."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    certificate, relay = Certificate(), Relay(venue_port)
    server = await loop.create_server(relay.make, "127.0.0.1", 0, ssl=certificate.context)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"port": port, "ca_pem_path": str(certificate.ca_pem_path)}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    certificate.remove()
    return relay.notes


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(msgspec.msgpack.encode(uvloop.run(serve(int(sys.argv[1])))))
