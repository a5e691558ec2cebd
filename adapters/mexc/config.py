"""The MEXC adapter's settings, and where its key comes from."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from native.hashing import HmacSha256


class MexcConfig(BaseModel):
    """Settings of one MEXC spot account. The key is named here and read elsewhere: no secret is ever part of a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rest_url: str = Field("https://api.mexc.com", pattern=r"^https?://[^/\s]+$", description="REST host")
    ws_url: str = Field("wss://wbs-api.mexc.com/ws", pattern=r"^wss?://\S+$", description="websocket address")
    api_key_env: str = Field("", description="environment variable that holds the access key")
    api_secret_env: str = Field("", description="environment variable that holds the secret key")
    key_file: Path | None = Field(
        None, description="TOML file with api_key and api_secret, mode 0600, instead of the environment"
    )
    channel_speed: Literal["10ms", "100ms"] = Field(
        "10ms", description="aggregation interval of the market channels"
    )
    recv_window_ms: int = Field(5000, ge=100, le=60_000, description="how long a signed request stays valid")
    request_timeout_ms: int = Field(
        5000, ge=100, le=60_000, description="whole time of one request and its answer"
    )
    connect_timeout_ms: int = Field(3000, ge=100, le=60_000, description="time to open a connection")
    max_connections: int = Field(16, ge=1, le=100, description="REST connections kept alive")
    max_body_bytes: int = Field(32 << 20, ge=1 << 16, le=1 << 30, description="largest REST answer accepted")
    max_message_bytes: int = Field(
        4 << 20, ge=1 << 12, le=1 << 28, description="largest websocket message accepted"
    )
    depth_limit: int = Field(5000, ge=100, le=5000, description="levels of a REST order book")
    clock_samples: int = Field(
        5, ge=1, le=50, description="server times asked for one measurement of the clock"
    )
    clock_refresh_s: float = Field(60.0, gt=0, le=3600, description="time between measurements of the clock")
    ping_interval_s: float = Field(15.0, gt=0, le=25, description="time between two PING messages")
    pong_timeout_s: float = Field(10.0, gt=0, le=60, description="longest wait for a PONG")
    subscribe_timeout_s: float = Field(
        10.0, gt=0, le=30, description="longest wait for subscriptions to be confirmed"
    )
    first_frame_timeout_s: float = Field(
        20.0, gt=0, le=60, description="longest wait for the first frame after that"
    )
    silent_timeout_s: float = Field(30.0, gt=0, le=60, description="longest silence of a market feed")
    backoff_initial_s: float = Field(0.25, gt=0, le=60, description="first wait before a reconnection")
    backoff_max_s: float = Field(30.0, gt=0, le=600, description="longest wait before a reconnection")
    listen_key_refresh_s: float = Field(
        1500.0, gt=0, le=3000, description="time between two listen key renewals"
    )

    @model_validator(mode="after")
    def _one_key_source(self) -> MexcConfig:
        if bool(self.api_key_env) != bool(self.api_secret_env):
            raise ValueError("api_key_env and api_secret_env go together")
        if self.key_file and self.api_key_env:
            raise ValueError("name either key_file or the two environment variables")
        return self


class Credentials:
    """An access key and what signs with its secret. The secret itself is not kept and nothing here prints either."""

    __slots__ = ("_hmac", "access_key")

    def __init__(self, access_key: str, secret: str) -> None:
        self.access_key = access_key
        self._hmac = HmacSha256(secret.encode())

    def sign(self, text: str) -> str:
        """HMAC-SHA256 of the exact characters that will be sent, in lower hex."""
        return self._hmac.hex(text.encode())

    def __repr__(self) -> str:
        return "Credentials(hidden)"


def load_credentials(config: MexcConfig) -> Credentials | None:
    """The account's key, or None where the config names none; raises ValueError, never with a secret in it."""
    if config.key_file is not None:
        return _from_file(config.key_file)
    if not config.api_key_env:
        return None
    key, secret = os.environ.get(config.api_key_env, ""), os.environ.get(config.api_secret_env, "")
    if not key or not secret:
        missing = config.api_secret_env if key else config.api_key_env
        raise ValueError(f"environment variable {missing} is not set or empty")
    return Credentials(key, secret)


def _from_file(path: Path) -> Credentials:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            if mode.st_uid != os.geteuid() or stat.S_IMODE(mode.st_mode) & 0o077:
                raise ValueError(f"key file {path} must be yours and closed to others: chmod 600 {path}")
            values = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"key file {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError:
        raise ValueError(f"key file {path} is no valid TOML") from None
    key, secret = values.get("api_key"), values.get("api_secret")
    if not (isinstance(key, str) and key and isinstance(secret, str) and secret):
        raise ValueError(f"key file {path} needs api_key and api_secret")
    return Credentials(key, secret)
