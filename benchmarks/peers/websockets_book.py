"""A peer: a depth frame into a book as a plain Python client does it, protobuf (upb) and a book of dicts.

python websockets_book.py FRAMES.json ROUNDS

FRAMES.json: a list of frames in hexadecimal. Tells the CPU time per frame of each round, ns. The same book as websockets_peer.py.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from events import tell
from websockets_peer import Side, Wrapper


def cpu_ns(frames: list[bytes]) -> float:
    """Of one frame, decoded into both sides."""
    bids, asks = Side(max), Side(min)
    started = time.process_time_ns()
    for raw in frames:
        depth = Wrapper.FromString(raw).publicAggreDepths
        bids.apply(depth.bids)
        asks.apply(depth.asks)
    return (time.process_time_ns() - started) / len(frames)


def main() -> None:
    """So many rounds over the same frames."""
    frames = [bytes.fromhex(each) for each in json.loads(Path(sys.argv[1]).read_text())]
    tell(f"protobuf {version('protobuf')}", [cpu_ns(frames) for _ in range(int(sys.argv[2]))])


if __name__ == "__main__":
    main()
