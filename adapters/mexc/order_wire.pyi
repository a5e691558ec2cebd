import asyncio

from adapters.mexc.order_lane import Gone
from adapters.mexc.tls import TlsLayer

class OrderWire:
    is_free: bool
    def __init__(self, transport: asyncio.Transport, socket: int, tls: TlsLayer | None) -> None: ...
    @property
    def transport(self) -> asyncio.Transport: ...
    @property
    def tls(self) -> TlsLayer | None: ...
    @property
    def socket(self) -> int: ...
    def write(self, data: bytes) -> None: ...

class Wired:
    wire: OrderWire | None
    gone: Gone | None
