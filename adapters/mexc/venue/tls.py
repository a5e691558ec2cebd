"""A certificate of the venue's own, made when it starts: for localhost, and never kept."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=30)
_CLOCK_ERROR = datetime.timedelta(hours=1)  # a peer's clock may be a little behind


class Certificate:
    """A self-signed certificate for localhost, 127.0.0.1 and ::1, and its server context.

    `ca_pem_path` is what a client trusts; it is removed by `remove`. The private key is on disk only while the
    server context reads it, in a folder that nobody else may enter.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-venue-"))  # mode 0700
        self.ca_pem_path = self._folder / "ca.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        self.ca_pem_path.write_bytes(self_signed(key).public_bytes(serialization.Encoding.PEM))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        key_path = self._folder / "key.pem"
        try:
            key_path.touch(mode=0o600)
            key_path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            self.context.load_cert_chain(self.ca_pem_path, key_path)
        finally:
            key_path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Take the certificate off the disk."""
        shutil.rmtree(self._folder, ignore_errors=True)


def self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate for localhost and its addresses, valid for LIFE."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Penstock local MEXC venue")])
    addresses = [ipaddress.ip_address(text) for text in ("127.0.0.1", "::1")]
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), *(x509.IPAddress(address) for address in addresses)]
    )
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_ERROR)
        .not_valid_after(now + LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
