"""The order book as two dictionaries: the plain twin of native/order_book.h, without bounds."""

from __future__ import annotations

BID, ASK = 1, 2


class DictBook:
    """Levels by price per side; everything is sorted when it is asked for."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.sides: dict[int, dict[int, int]] = {BID: {}, ASK: {}}
        self.known: dict[int, int] = {BID: 1, ASK: 1 << 62}

    def set(self, side: int, price_ticks: int, size_lots: int) -> None:
        if size_lots:
            self.sides[side][price_ticks] = size_lots
        else:
            self.sides[side].pop(price_ticks, None)

    def load(self, asks: list[tuple[int, int]], bids: list[tuple[int, int]], depth_limit: int = 0) -> None:
        self.clear()
        for side, levels in ((BID, bids), (ASK, asks)):
            for price_ticks, size_lots in levels:
                self.set(side, price_ticks, size_lots)
            if depth_limit and len(levels) >= depth_limit:
                prices = [price_ticks for price_ticks, _ in levels]
                self.known[side] = min(prices) if side == BID else max(prices)

    def levels(self, side: int) -> list[tuple[int, int]]:
        return sorted(self.sides[side].items(), reverse=side == BID)

    def best(self, side: int) -> tuple[int, int] | None:
        levels = self.sides[side]
        if not levels:
            return None
        price_ticks = max(levels) if side == BID else min(levels)
        return price_ticks, levels[price_ticks]

    def knows(self, side: int, price_ticks: int) -> bool:
        return price_ticks >= self.known[BID] if side == BID else price_ticks <= self.known[ASK]

    def canonical_bytes(self) -> bytes:
        numbers: list[int] = []
        for side in (BID, ASK):
            levels = self.levels(side)
            numbers += [side, len(levels), self.known[side]]
            numbers += [number for level in levels for number in level]
        return b"".join(number.to_bytes(8, "little", signed=True) for number in numbers)
