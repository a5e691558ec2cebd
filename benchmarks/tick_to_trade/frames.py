"""The frames of the wire-to-wire benchmark: a BTCUSDT book's deltas in MEXC's protobuf, as a file for load.c.

The first frame fills the book, 100 levels a side; each later one changes some levels of both sides and always the best
bid's size. In frames that are to cause an order that size ends in the marker, and the digits above it number the frame.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from pathlib import Path

from adapters.mexc.venue.frames import DepthUpdate, depth_frame

SYMBOL = "BTCUSDT"
CHANNEL = f"spot@public.aggre.depth.v3.api.pb@10ms@{SYMBOL}"
BEST_BID, BEST_ASK, DEPTH = 5_999_998, 6_000_002, 100  # ticks of 0.01
MARKER_SCALE, MARKER, ORDER_LOTS = 10_000, 7_777, 10_000  # as strategy/src/marker
IDS = 9_999
FIRST_VERSION = 82_000_000_000
_TIME_MS = 1_900_000_000_000  # six bytes as a varint, as every time until 2109; load.c puts the true one in its place
_TIME_FIELD = b"\x30"  # field 6, varint


@dataclass(frozen=True)
class Shape:
    """How many levels a frame changes, both sides together, and on which frames an order is to follow."""

    levels: int
    order_every: int


def _price(ticks: int) -> str:
    return f"{ticks // 100}.{ticks % 100:02d}"


def _size(lots: int) -> str:
    return f"{lots // 10**8}.{lots % 10**8:08d}".rstrip("0").rstrip(".")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _levels(rng: random.Random, best: int, step: int, count: int) -> list[tuple[str, str]]:
    """Changes away from the best level, most of them near it; a third of them remove their level."""
    found: dict[int, int] = {}
    while len(found) < count:
        away = min(1 + int(rng.expovariate(1 / 15)), DEPTH - 1)
        found[away] = 0 if rng.random() < 0.35 else rng.randint(1, 2 * 10**8)
    return [(_price(best + step * away), _size(lots)) for away, lots in sorted(found.items())]


def _update(rng: random.Random, shape: Shape, version: int, order_id: int) -> DepthUpdate:
    bid_lots = order_id * MARKER_SCALE + MARKER if order_id else rng.randint(1, IDS) * MARKER_SCALE + 1_234
    bids = [(_price(BEST_BID), _size(bid_lots)), *_levels(rng, BEST_BID, -1, shape.levels // 2 - 1)]
    asks = _levels(rng, BEST_ASK, 1, shape.levels - shape.levels // 2)
    return DepthUpdate(version, version, asks, bids)


def _full(version: int) -> DepthUpdate:
    asks = [(_price(BEST_ASK + away), "1.00000001") for away in range(DEPTH)]
    bids = [(_price(BEST_BID - away), "1.00000001") for away in range(DEPTH)]
    return DepthUpdate(version, version, asks, bids)


def snapshot() -> bytes:
    """The order book that the first frame follows: one far level a side, which is replaced at once."""
    return (
        f'{{"lastUpdateId":{FIRST_VERSION},"bids":[["{_price(BEST_BID - DEPTH)}","1"]],'
        f'"asks":[["{_price(BEST_ASK + DEPTH)}","1"]],"timestamp":{_TIME_MS}}}'
    ).encode()


def write_frames(path: Path, shape: Shape, count: int, seed: int = 1) -> None:
    """The snapshot and `count` frames, the filling one not counted; ids repeat after 9,999 orders."""
    rng, orders = random.Random(seed), 0
    document = snapshot()
    out = [struct.pack("<I", len(document)), document, struct.pack("<I", count + 1)]
    needle = _TIME_FIELD + _varint(_TIME_MS)
    for number in range(count + 1):
        version = FIRST_VERSION + 1 + number
        is_order = number > 0 and number % shape.order_every == 0
        order_id = orders % IDS + 1 if is_order else 0
        orders += is_order
        update = _update(rng, shape, version, order_id) if number else _full(version)
        raw = depth_frame(CHANNEL, SYMBOL, _TIME_MS, update)
        out += [struct.pack("<III", len(raw), raw.index(needle) + 1, order_id), raw]
    path.write_bytes(b"".join(out))
