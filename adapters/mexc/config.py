"""The MEXC adapter's settings, and where its key comes from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.mexc.limits import WEIGHTS
from adapters.mexc.listings.config import FuturesConfig, ListingsConfig
from engine.adapter import Destination
from engine.config import read_secret
from native.hashing import HmacSha256

_ENDPOINT = re.compile(r"(GET|POST|PUT|DELETE) /[!-~]+")
_KNOWN_WEIGHTS = ", ".join(f"{endpoint} {weight}" for endpoint, weight in WEIGHTS.items())
_MEXC_HOST = re.compile(r"^https?://([^/]+\.)?mexc\.(com|co)(:[0-9]+)?$")


class MexcConfig(BaseModel):
    """Settings of one MEXC spot account. The key is named here and read elsewhere: no secret is ever part of a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rest_url: str = Field("https://api.mexc.com", pattern=r"^https?://[^/\s]+$", description="REST host")
    ws_url: str = Field("wss://wbs-api.mexc.com/ws", pattern=r"^wss?://\S+$", description="websocket address")
    web_url: str = Field(
        "https://www.mexc.com", pattern=r"^https?://[^/\s]+$", description="host of the web site's endpoints"
    )
    futures_url: str = Field(
        "https://contract.mexc.com", pattern=r"^https?://[^/\s]+$", description="REST host of the futures"
    )
    futures_ws_url: str = Field(
        "wss://contract.mexc.com/edge",
        pattern=r"^wss?://\S+$",
        description="websocket address of the futures",
    )
    api_key_env: str = Field("", description="environment variable that holds the access key")
    api_secret_env: str = Field("", description="environment variable that holds the secret key")
    api_key_file: str = Field(
        "", description="file with the access key, mode 0600, instead of the environment"
    )
    api_secret_file: str = Field("", description="file with the secret key, mode 0600")
    ca_file: str = Field(
        "",
        description="PEM file of the authority that https and wss are checked against; empty: the system's",
    )
    channel_speed: Literal["10ms", "100ms"] = Field(
        "10ms", description="aggregation interval of the market channels"
    )
    recv_window_ms: int = Field(5000, ge=100, le=60_000, description="how long a signed request stays valid")
    request_timeout_ms: int = Field(
        5000, ge=100, le=60_000, description="whole time of one request and its answer"
    )
    connect_timeout_ms: int = Field(3000, ge=100, le=60_000, description="time to open a connection")
    firewall_pause_s: float = Field(
        2.0, gt=0, le=600, description="pause of an endpoint after the web firewall's page"
    )
    max_connections: int = Field(16, ge=1, le=100, description="REST connections kept alive")
    order_connections: int = Field(8, ge=1, le=64, description="connections held open for orders and cancels")
    order_ping_s: float = Field(
        15.0, gt=0, le=60, description="idle time after which an order connection is pinged"
    )
    order_wait_ms: int = Field(
        500, ge=1, le=60_000, description="longest wait of an order for a free connection"
    )
    weight_per_10s: int = Field(500, ge=1, le=100_000, description="request weight of one endpoint in 10 s")
    order_headroom_weight: int = Field(
        50, ge=0, le=100_000, description="of that, what questions leave free for orders and cancels"
    )
    weights: dict[str, int] = Field(
        {},
        description='weights of requests that MEXC has changed, as `"GET /api/v3/exchangeInfo" = 25`, 1 to `weight_per_10s`; '
        f"known are {_KNOWN_WEIGHTS}, everything else is 1",
    )
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
    connection_life_s: float = Field(
        84_600.0, gt=0, le=86_400, description="age at which a websocket is replaced; MEXC ends it at 24 h"
    )
    rollover_overlap_s: float = Field(
        2.0, gt=0, le=60, description="how long the old and the new websocket run side by side"
    )
    rollover_timeout_s: float = Field(
        30.0, gt=0, le=600, description="longest wait for a new websocket to come up before another try"
    )
    backoff_initial_s: float = Field(0.25, gt=0, le=60, description="first wait before a reconnection")
    backoff_max_s: float = Field(30.0, gt=0, le=600, description="longest wait before a reconnection")
    listen_key_refresh_s: float = Field(
        1500.0, gt=0, le=3000, description="time between two listen key renewals"
    )
    instruments_interval_s: float = Field(
        60.0, ge=1, le=3600, description="time between two looks at the instruments' rules"
    )
    listings: ListingsConfig = Field(ListingsConfig(), description="evidence of new listings")
    futures: FuturesConfig = Field(FuturesConfig(), description="market data of the futures")

    @model_validator(mode="before")
    @classmethod
    def _one_venue(cls, data: Any) -> Any:
        """Where `rest_url` is not MEXC's own, its other hosts are there too, unless named: a local venue has all on one port."""
        rest_url = data.get("rest_url") if isinstance(data, dict) else None
        if isinstance(rest_url, str) and not _MEXC_HOST.search(rest_url):
            ws_url = re.sub(r"^http", "ws", rest_url) + "/edge"
            return {"web_url": rest_url, "futures_url": rest_url, "futures_ws_url": ws_url, **data}
        return data

    @model_validator(mode="after")
    def _both_keys(self) -> MexcConfig:
        named = bool(self.api_key_env or self.api_key_file), bool(self.api_secret_env or self.api_secret_file)
        if named[0] != named[1]:
            raise ValueError(
                "an access key and a secret key go together: name the places of both or of neither"
            )
        return self

    @model_validator(mode="after")
    def _possible_weights(self) -> MexcConfig:
        for endpoint, weight in self.weights.items():
            if not _ENDPOINT.fullmatch(endpoint) or "?" in endpoint:
                raise ValueError('weights: an endpoint is method and path, as "GET /api/v3/time"')
            if not 1 <= weight <= self.weight_per_10s:
                raise ValueError(
                    f"weights: {endpoint} must weigh 1 to {self.weight_per_10s} (weight_per_10s)"
                )
        return self

    @property
    def destination(self) -> Destination:
        """Where orders would go: without a key nowhere, to a loopback address only to a venue on this machine."""
        if not (self.api_key_env or self.api_key_file):
            return "nowhere"
        host = urlsplit(self.rest_url).hostname or ""
        try:
            return "here" if host == "localhost" or ip_address(host).is_loopback else "away"
        except ValueError:
            return "away"

    def too_often(self) -> str:
        """What would get us blocked at MEXC's own hosts; empty where nothing does. A local venue takes any interval."""
        found = self.listings.too_often() if _MEXC_HOST.search(self.rest_url) else []
        return f"MEXC would block us: listings.{', listings.'.join(found)}" if found else ""


class Credentials:
    """An access key and what signs with its secret. The secret itself is not kept and nothing here prints either."""

    __slots__ = ("access_key", "signer")

    def __init__(self, access_key: str, secret: str) -> None:
        self.access_key = access_key
        self.signer = HmacSha256(secret.encode())

    def sign(self, text: str) -> str:
        """HMAC-SHA256 of the exact characters that will be sent, in lower hex."""
        return self.signer.hex(text.encode())

    def __repr__(self) -> str:
        return "Credentials(hidden)"


def load_credentials(config: MexcConfig) -> Credentials | None:
    """The account's key, or None where the config names none; raises engine.config's ConfigError, without a secret."""
    options = config.model_dump()
    access_key, secret = read_secret(options, "api_key"), read_secret(options, "api_secret")
    if access_key is None or secret is None:
        return None
    return Credentials(access_key.get_secret_value(), secret.get_secret_value())
