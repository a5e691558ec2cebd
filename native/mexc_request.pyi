from native.hashing import HmacSha256

class RequestTemplate:
    def __init__(
        self,
        signer: HmacSha256,
        target: bytes,
        head: bytes,
        recv_window_ms: int,
        *,
        size_decimals: int = 0,
        price_decimals: int = 0,
    ) -> None: ...
    def order(self, size_lots: int, price_ticks: int, client_order_id: str, timestamp_ms: int) -> bytes: ...
    def naming(self, parameter: str, value: str, timestamp_ms: int) -> bytes: ...
