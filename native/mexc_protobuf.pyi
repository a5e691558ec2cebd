from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from native.order_book import OrderBook

class FrameKind(IntEnum):
    HEARTBEAT = 0
    DEPTH = 1
    LIMIT_DEPTH = 2
    DEALS = 3
    BOOK_TICKER = 4
    PRIVATE_ORDER = 5
    PRIVATE_DEAL = 6
    PRIVATE_ACCOUNT = 7

class FrameError(IntEnum):
    OK = 0
    TRUNCATED = 1
    BAD_VARINT = 2
    BAD_WIRE_TYPE = 3
    BAD_FIELD = 4
    DUPLICATE_BODY = 5
    MISSING_FIELD = 6
    UNKNOWN_SYMBOL = 7
    BAD_NUMBER = 8
    OUT_OF_SCALE = 9
    OVERFLOW = 10
    TOO_MANY_LEVELS = 11
    BAD_VALUE = 12

class Decoder:
    def __init__(self, symbols: Sequence[tuple[str, int, int]], max_levels: int = 8192) -> None: ...
    def decode(self, frame: bytes) -> dict[str, Any]: ...
    def decode_into_book(self, frame: bytes, book: OrderBook) -> FrameError: ...

def time_decode_into_book(
    decoder: Decoder, frames: list[bytes], book: OrderBook, batch: int, samples: int
) -> list[float]: ...
