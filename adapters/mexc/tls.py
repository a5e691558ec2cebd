"""TLS as a layer over any byte stream: what is written is on the wire when the call returns.

An event loop's own TLS transports queue and flush as they see fit; an order is encrypted and handed to the socket in one
call, so the layer is `ssl.SSLObject` over memory buffers.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from typing import Any

from adapters.mexc.tls_rehearsal import seal_for_nobody
from engine.errors import UserError

_READ_BYTES = 1 << 16


@functools.cache
def client_context(ca_file: str) -> ssl.SSLContext:
    """Verifies certificate and host name, against the system's authorities or those in `ca_file` (PEM); raises UserError."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"adapter.ca_file: {ca_file} holds no certificates that can be read: {type(error).__name__}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class TlsLayer:
    """One client connection's TLS. Whoever owns it sends what `outgoing` holds after each call.

    `encrypt(plain)`, then `take_encrypted()`: what is to be sent for it.

    All calls raise ssl.SSLError for what the other side does wrong, an untrusted certificate included.
    """

    def __init__(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        # SSLObject's methods are Python around those of the object that it holds; a seal takes the short way, where there is one.
        inner: Any = getattr(self._object, "_sslobj", self._object)
        self.encrypt: Callable[[bytes], int] = inner.write
        self.take_encrypted: Callable[[], bytes] = self._outgoing.read
        self.is_ready = False
        self.is_closed = False
        seal_for_nobody(b"-")
        self._shake_hands()

    @property
    def outgoing(self) -> bytes:
        """What is to be sent now; taken out."""
        return self._outgoing.read()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What makes the next handshake shorter, once the other side has offered it."""
        session = self._object.session
        return session if session is not None and session.has_ticket else None

    @property
    def is_resumed(self) -> bool:
        """Whether a session was taken up again."""
        return bool(self._object.session_reused)

    def rehearse(self, data: bytes) -> bytes:
        """Encrypt in a session that leads nowhere, and nothing in this one: code and data are at hand when it counts.

        Answers what this session owes the other side all the same, to be sent at once.
        """
        seal_for_nobody(data)
        self.encrypt(b"")
        return self.take_encrypted()

    def open(self, data: bytes) -> bytes:
        """Take in what came; answers what was in it, decrypted. What it asks for besides, new keys, is in `outgoing` then."""
        self._incoming.write(data)
        if not self.is_ready and not self._shake_hands():
            return b""
        parts = []
        while True:
            try:
                part = self._object.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                self.is_closed = True
                break
            parts.append(part)
        if not self.is_closed:
            # OpenSSL answers a KeyUpdate (RFC 8446, 4.6.3) no sooner than at the next write.
            self.encrypt(b"")
        return b"".join(parts)

    def _shake_hands(self) -> bool:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.is_ready = True
        return True
