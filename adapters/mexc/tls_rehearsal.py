"""Encryption that leads nowhere, so that the processor has at hand what encryption takes."""

from __future__ import annotations

import contextlib
import functools
import ssl


def seal_for_nobody(data: bytes) -> None:
    """Encrypt with the code that OpenSSL has for the real sessions, in one between two ends of this process."""
    session, sealed = _session()
    if session is not None:
        session.write(data)
        sealed.read()


@functools.cache
def _session() -> tuple[ssl.SSLObject | None, ssl.MemoryBIO]:
    """The sending end and what it has sealed; no end where there is no place on the disk for a certificate."""
    # What makes certificates takes long to load, and most processes connect to nothing.
    from adapters.mexc.venue.tls import Certificate

    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        certificate = Certificate()
    except OSError:
        return None, up
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
    return ends[0], up
