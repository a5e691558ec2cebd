"""Encryption that leads nowhere, so that the processor has at hand what encryption takes."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Callable
from typing import Any


def seal_for_nobody(data: bytes) -> None:
    """Encrypt with the code that OpenSSL has for the real sessions, in one between two ends of this process."""
    encrypt, take_encrypted = _session()
    encrypt(data)
    take_encrypted()


@functools.cache
def _session() -> tuple[Callable[[bytes], object], Callable[[], object]]:
    """The sending end's `encrypt` and `take_encrypted` (TlsLayer); of no effect where the disk has no place for a certificate."""
    # What makes certificates takes long to load, and most processes connect to nothing.
    from adapters.mexc.venue.tls import Certificate

    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        certificate = Certificate()
    except OSError:
        return len, bytes
    try:
        client = ssl.create_default_context(cafile=str(certificate.ca_pem_path))
        ends = (
            client.wrap_bio(down, up, server_hostname="localhost"),
            certificate.context.wrap_bio(up, down, server_side=True),
        )
        for end in ends * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    finally:
        certificate.remove()
    down.read()
    inner: Any = getattr(ends[0], "_sslobj", ends[0])
    return inner.write, up.read
