"""Ed25519 keys for a journal's checkpoints: PKCS #8 and SubjectPublicKeyInfo in PEM, as openssl writes and reads them."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from engine.config import ConfigError, Problem, read_secret
from engine.config_models import RunConfig
from engine.errors import UserError
from engine.journal.checkpoints import key_id


def make_keys(private_file: Path, public_file: Path) -> str:
    """A new pair in two new files, the private one with mode 0600; answers the key's id. UserError where one is there."""
    for path in (private_file, public_file):
        if path.exists() or path.is_symlink():
            raise UserError(
                f"{path} is there already and is not overwritten: choose another name, or move it away"
            )
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        _write_new(private_file, private, 0o600)
        try:
            _write_new(public_file, public, 0o644)
        except OSError:
            private_file.unlink()
            raise
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written: {error.strerror or error}") from None
    return key_id(key.public_key())


def _write_new(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def private_key(run: RunConfig) -> Ed25519PrivateKey | None:
    """The key that the config names, None where it names none; ConfigError where it cannot be used, without showing it."""
    options = {"checkpoint_key_env": run.checkpoint_key_env, "checkpoint_key_file": run.checkpoint_key_file}
    secret = read_secret(options, "checkpoint_key", section="run")
    if secret is None:
        return None
    where = "run.checkpoint_key_env" if run.checkpoint_key_env else "run.checkpoint_key_file"
    try:
        key = load_pem_private_key(secret.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            "run",
            [
                Problem(
                    where,
                    "holds no Ed25519 private key in PEM",
                    "Make one with 'penstock journal keygen FILE'.",
                )
            ],
        )
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """A public key from its file; UserError where it holds none, or a private one."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"the public key {path} cannot be read: {error.strerror or error}") from None
    if b"PRIVATE KEY" in raw:
        raise UserError(
            f"{path} holds a private key: give the public one, which 'penstock journal keygen' wrote beside it"
        )
    try:
        key = load_pem_public_key(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path} holds no Ed25519 public key in PEM")
    return key
