"""What the peers of the wire-to-wire benchmark share: the frames' schema, the signed order, the wait. Standard library and
protobuf only: peers run in environments of their own, without Penstock."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import importlib.util
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
SUBSCRIPTION = '{"method":"SUBSCRIPTION","params":["spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT"],"id":1}'
MARKER_SCALE, MARKER, ORDER_LOTS = 10_000, 7_777, 10_000  # as tick_to_trade/strategy
SPIN_NS, IDLE_S = 3_000_000, 0.001  # as run.spin_ms and engine/awake.pyx


def wrapper_class() -> Any:
    """MEXC's PushDataV3ApiWrapper, from the repository's own schema."""
    spec = importlib.util.spec_from_file_location("schema", ROOT / "adapters" / "mexc" / "schema.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PushDataV3ApiWrapper


def tls_context(is_wanted: bool) -> ssl.SSLContext | None:
    """A client's TLS that trusts the load generator, whose certificate is its own."""
    if not is_wanted:
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class OrderSocket:
    """One connection for orders: signed with hmac, written at once by one send."""

    def __init__(self, port: int, access_key: str, secret: str, context: ssl.SSLContext | None) -> None:
        self.socket: Any = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket)
        self.socket.setblocking(False)
        self._secret = secret.encode()
        self._head = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-MEXC-APIKEY: {access_key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
        )
        self._sent = 0

    def send(self, price: str, lots: int) -> None:
        """An IOC purchase of so many lots of 10^-8."""
        self._sent += 1
        query = (
            "symbol=BTCUSDT&side=BUY&type=IMMEDIATE_OR_CANCEL"
            f"&quantity=0.{lots:08d}&price={price}&newClientOrderId=peer-{self._sent}"
            f"&recvWindow=5000&timestamp={time.time_ns() // 1_000_000}"
        )
        signature = hmac.new(self._secret, query.encode(), hashlib.sha256).hexdigest()
        self.socket.send(f"POST /api/v3/order?{query}&signature={signature}{self._head}".encode())

    def take_answers(self, loop: asyncio.AbstractEventLoop, heed: Callable[[], None] = lambda: None) -> None:
        """Read answers off the socket; `heed` hears of each read."""

        def read() -> None:
            try:
                while data := self.socket.recv(1 << 16):
                    if not isinstance(self.socket, ssl.SSLSocket):
                        break
                if not data:
                    loop.remove_reader(self.socket)
                    return
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except OSError:
                loop.remove_reader(self.socket)
                return
            heed()

        loop.add_reader(self.socket, read)


async def stay_awake(frames: Callable[[], int]) -> None:
    """The adaptive spin of `run.spin`: the loop does not sleep until SPIN_NS after the newest frame."""
    seen, awake_until_ns = frames(), 0
    while True:
        now_ns = time.monotonic_ns()
        if (count := frames()) != seen:
            seen, awake_until_ns = count, now_ns + SPIN_NS
        await asyncio.sleep(0 if now_ns < awake_until_ns else IDLE_S)
