"""A small MEXC client for tests: signed REST and the protobuf websocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import uvloop
from yarl import URL

from adapters.mexc.schema import PushDataV3ApiWrapper
from adapters.mexc.venue.config import VenueConfig
from adapters.mexc.venue.server import Venue
from adapters.mexc.venue.signing import sign

KEY, SECRET = "mx0-demo", "demo-secret"
SCENARIO_WITHIN_S = 60
Answer = tuple[int, Any]


class Socket:
    """A websocket whose text and binary messages are told apart."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.texts: list[Any] = []
        self.frames: list[bytes] = []

    async def ask(self, method: str, params: list[str] | None = None, request_id: int | None = None) -> Any:
        """Send a control message and wait for its answer; frames that come before are kept."""
        message: dict[str, Any] = {"method": method}
        if params is not None:
            message["params"] = params
        if request_id is not None:
            message["id"] = request_id
        await self.socket.send_json(message)
        return await self.text()

    async def text(self) -> Any:
        """The next control message, parsed."""
        while not self.texts:
            await self._receive()
        return self.texts.pop(0)

    async def frame(self) -> bytes:
        """The next binary frame."""
        while not self.frames:
            await self._receive()
        return self.frames.pop(0)

    async def message(self) -> Any:
        """The next binary frame, decoded."""
        return PushDataV3ApiWrapper.FromString(await self.frame())

    async def _receive(self) -> None:
        message = await self.socket.receive(timeout=10)
        if message.type is aiohttp.WSMsgType.TEXT:
            self.texts.append(message.json() if message.data.startswith("{") else message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            self.frames.append(message.data)
        else:
            raise ConnectionError(f"the websocket ended: {message.type.name}")

    async def until_closed(self) -> None:
        """Read on until the venue closes."""
        while True:
            try:
                await self._receive()
            except ConnectionError:
                return


class Client:
    """Talks to one venue."""

    def __init__(self, venue: Venue, session: aiohttp.ClientSession) -> None:
        self.venue = venue
        self.session = session

    def now_ms(self) -> int:
        clock = self.venue.state.clock
        return clock.now_ms() if clock.is_manual else int(time.time() * 1000)

    async def get(self, path: str) -> Answer:
        """An unsigned request."""
        async with self.session.get(self.venue.rest_url + path) as response:
            return response.status, await response.json()

    def signed_url(self, path: str, params: dict[str, object], secret: str = SECRET) -> str:
        stamped = {"timestamp": self.now_ms(), **params}
        query = "&".join(f"{name}={value}" for name, value in stamped.items())
        return f"{self.venue.rest_url}{path}?{query}&signature={sign(secret, query)}"

    async def signed(self, method: str, path: str, **params: object) -> Answer:
        """A signed request."""
        headers = {"X-MEXC-APIKEY": KEY, "Content-Type": "application/json"}
        url = URL(self.signed_url(path, params), encoded=True)  # sent as it was signed
        async with self.session.request(method, url, headers=headers) as response:
            return response.status, await response.json()

    async def order(self, side: str, kind: str, **params: object) -> Answer:
        """POST /api/v3/order on BTCUSDT unless told otherwise."""
        return await self.signed(
            "POST", "/api/v3/order", **{"symbol": "BTCUSDT", "side": side, "type": kind, **params}
        )

    async def fault(self, name: str, **values: object) -> None:
        """Set a fault by the control endpoint."""
        url = f"{self.venue.rest_url}/control/faults"
        async with self.session.post(url, json={"name": name, **values}) as response:
            assert response.status == 200, await response.text()

    async def clear(self) -> None:
        """Lift all faults."""
        async with self.session.delete(f"{self.venue.rest_url}/control/faults") as response:
            assert response.status == 200

    async def step(self, ms: int) -> None:
        """Move the manual clock."""
        async with self.session.post(f"{self.venue.rest_url}/control/step?ms={ms}") as response:
            assert response.status == 200, await response.text()

    @asynccontextmanager
    async def socket(self, *, private: bool = False) -> AsyncIterator[Socket]:
        """A websocket, with a listen key of its own if it is to be private."""
        url = self.venue.ws_url
        if private:
            status, answer = await self.signed("POST", "/api/v3/userDataStream")
            assert status == 200
            url += f"?listenKey={answer['listenKey']}"
        async with self.session.ws_connect(url) as socket:
            yield Socket(socket)


@asynccontextmanager
async def running_venue(**config: Any) -> AsyncIterator[Client]:
    """A venue with a manual clock unless told otherwise, and a client for it."""
    values = {"clock": "manual", "private_push_delay_ms": 0, "symbols": ["BTCUSDT", "ETHUSDT"]} | config
    timeout = aiohttp.ClientTimeout(total=20)
    async with (
        Venue(VenueConfig.model_validate(values)) as venue,
        aiohttp.ClientSession(timeout=timeout) as session,
    ):
        yield Client(venue, session)


Scenario = Callable[[Client], Awaitable[None]]


class FollowedBook:
    """A book kept by the documented procedure; a hole is an error."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.version = int(snapshot["lastUpdateId"])
        self.sides = {name: dict(snapshot[name]) for name in ("bids", "asks")}
        self.is_bridged = False

    def apply(self, delta: Any) -> bool:
        """False where the delta is older than the snapshot."""
        first, last = int(delta.fromVersion), int(delta.toVersion)
        if last <= self.version:
            return False
        if self.is_bridged:
            assert first == self.version + 1, f"hole: {self.version} then {first}..{last}"
        else:
            assert first <= self.version + 1, "the snapshot is too old"
        for name, levels in (("bids", delta.bids), ("asks", delta.asks)):
            for level in levels:
                if Decimal(level.quantity):
                    self.sides[name][level.price] = level.quantity
                else:
                    self.sides[name].pop(level.price, None)
        self.version, self.is_bridged = last, True
        return True


def play(scenario: Scenario, **config: Any) -> None:
    """Run a scenario against a venue of its own, on the loop that the venue runs on in earnest."""

    async def main() -> None:
        async with running_venue(**config) as client:
            await asyncio.wait_for(scenario(client), SCENARIO_WITHIN_S)

    uvloop.run(main())


async def frames_of(client: Client, socket: Socket, ms: int = 1000) -> list[bytes]:
    """Everything binary that arrives while the manual clock moves on."""
    await client.step(ms)
    assert (await socket.ask("PING"))["msg"] == "PONG"
    frames, socket.frames = socket.frames, []
    return frames
