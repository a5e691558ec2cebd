"""A peer: uvloop, `websockets`, protobuf (upb), a book of dicts, hmac, all in Python; no gate, no journal.

python websockets_peer.py PORT ACCESS_KEY SECRET blocking|spin [tls]
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import uvloop
import websockets
from common import (
    MARKER,
    MARKER_SCALE,
    ORDER_LOTS,
    SUBSCRIPTION,
    OrderSocket,
    stay_awake,
    tls_context,
    wrapper_class,
)

Wrapper = wrapper_class()


class Side:
    """Sizes in lots by price; the best price is looked for only where it was removed."""

    def __init__(self, better: Any) -> None:
        self.sizes: dict[float, int] = {}
        self.best = 0.0
        self._better = better

    def apply(self, levels: Any) -> None:
        """Absolute sizes; zero removes a level."""
        sizes = self.sizes
        for level in levels:
            price, lots = float(level.price), round(float(level.quantity) * 1e8)
            if lots:
                sizes[price] = lots
                self.best = self._better(self.best or price, price)
            elif sizes.pop(price, None) is not None and price == self.best:
                self.best = self._better(sizes) if sizes else 0.0


async def main(port: int, access_key: str, secret: str, spins: bool, with_tls: bool) -> None:
    """Trade until the load generator ends."""
    context = tls_context(with_tls)
    orders = OrderSocket(port, access_key, secret, context)
    loop = asyncio.get_running_loop()
    orders.take_answers(loop)
    bids, asks, frames = Side(max), Side(min), 0
    address = f"{'wss' if with_tls else 'ws'}://127.0.0.1:{port}/ws"
    async with websockets.connect(address, ssl=context, compression=None) as feed:
        await feed.send(SUBSCRIPTION)
        spinner = asyncio.create_task(stay_awake(lambda: frames)) if spins else None
        async for raw in feed:
            if isinstance(raw, str):
                continue
            frames += 1
            message = Wrapper.FromString(raw)
            bids.apply(message.publicAggreDepths.bids)
            asks.apply(message.publicAggreDepths.asks)
            bid_lots = bids.sizes.get(bids.best, 0)
            if bid_lots % MARKER_SCALE == MARKER and bids.best < asks.best:
                orders.send(f"{asks.best:.2f}", ORDER_LOTS + bid_lots // MARKER_SCALE)
    if spinner is not None:
        spinner.cancel()


if __name__ == "__main__":
    _, at, name, key, wait, *rest = sys.argv
    with contextlib.suppress(websockets.ConnectionClosed):
        uvloop.run(main(int(at), name, key, wait == "spin", rest == ["tls"]))
