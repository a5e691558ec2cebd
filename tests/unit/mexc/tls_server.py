"""A server that answers by script over plain TCP or TLS, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def make_certificate(folder: Path, name: str = "127.0.0.1") -> Path:
    """A self-signed certificate and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


class ScriptServer:
    """Answers each request by `reply`; notes the requests and the connections."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""
        self._port = 0
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.writers.append(writer)
        # Cancelled with its loop, it must not end cancelled: asyncio's streams would say so at length.
        with contextlib.suppress(
            asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError
        ):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(request)
                if self.reply is not None and b"/api/v3/ping" not in request:
                    await self.reply(request, writer)
                else:
                    writer.write(OK)
        writer.close()

    @property
    def orders(self) -> list[bytes]:
        """The requests that are no pings."""
        return [each for each in self.requests if b"/api/v3/ping" not in each]

    async def listen(self) -> None:
        """Accept connections, on the same port each time."""
        self._server = await asyncio.start_server(
            self.handle, "127.0.0.1", self._port, limit=1 << 25, ssl=self._context
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    async def refuse(self) -> None:
        """Cut all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in self.writers:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self, pem: Path | None = None) -> AsyncIterator[ScriptServer]:
        """Listen on a port of 127.0.0.1; over TLS where there is a certificate."""
        if pem is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(pem)
        await self.listen()
        try:
            yield self
        finally:
            await self.refuse()
