"""The recorded market of PENSTOCK_DATA as events of the core, for what is measured on real data.

Four files (346 seconds of 8 August 2024; Binance spot and USD-M futures, BTCUSDT and ETHUSDT) and two ways of reading
each: `depth` is the maintained book of the depth stream (spot every 100 ms, futures as fast as the venue sent it),
`ticker` a book of the best level a side that follows every change which the bookTicker stream tells of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.mexc.venue.market_recorded import Line, read_lines, read_snapshot
from adapters.mexc.venue.numbers import parse_scaled
from engine import InstrumentSpec
from engine.core import event

MARKETS = ("spot", "usdm")
SYMBOLS = ("BTCUSDT", "ETHUSDT")
STREAMS = ("depth", "ticker")
SIZE_DECIMALS = 8
PRICE_DECIMALS = {
    ("spot", "BTCUSDT"): 2,
    ("spot", "ETHUSDT"): 2,
    ("usdm", "BTCUSDT"): 1,
    ("usdm", "ETHUSDT"): 2,
}
TAKER_FEE_PPM = 500  # MEXC spot, as its API tells it of most symbols


def folder() -> Path:
    """$PENSTOCK_DATA, else ../shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("PENSTOCK_DATA") or beside)


def path_of(market: str, symbol: str) -> Path:
    """Where a recording lies; FileNotFoundError, with the remedy, where it does not."""
    path = folder() / "market" / f"{market}_{symbol.lower()}_20240808.gz"
    if not path.is_file():
        raise FileNotFoundError(f"no recording at {path}: set PENSTOCK_DATA")
    return path


def spec(market: str, symbol: str) -> InstrumentSpec:
    """The instrument as recorded; the tick is one unit of price_decimals."""
    return InstrumentSpec(
        symbol,
        symbol[:-4],
        "USDT",
        PRICE_DECIMALS[market, symbol],
        SIZE_DECIMALS,
        taker_fee_ppm=TAKER_FEE_PPM,
    )


def changes(market: str, symbol: str, stream: str) -> Iterator[tuple[int, bytes]]:
    """(local time in ns, event) of every change, a snapshot first; the events are of instrument 0 and not numbered."""
    path, what = path_of(market, symbol), spec(market, symbol)
    if stream == "ticker":
        yield from _best(read_lines(path, symbol), what)
        return
    snapshot = read_snapshot(path, symbol)
    started = False
    for line in read_lines(path, symbol):
        if line.stream == "snapshot" and not started:
            started = True
            asks, bids = (_levels(snapshot[side], what) for side in ("asks", "bids"))
            yield line.local_ns, event.snapshot(0, int(snapshot["lastUpdateId"]), asks, bids)
        elif line.stream == "depth":
            data = line.data
            # Futures tell what went before by pu: their ids have gaps of their own.
            first = int(data["pu"]) + 1 if "pu" in data else int(data["U"])
            asks, bids = _levels(data["a"], what), _levels(data["b"], what)
            yield line.local_ns, event.delta(0, first, int(data["u"]), asks, bids)


def _levels(levels: list[list[str]], what: InstrumentSpec) -> list[tuple[int, int]]:
    return [
        (parse_scaled(price, what.price_decimals), parse_scaled(size, what.size_decimals))
        for price, size in levels
    ]


def _best(lines: Iterator[Line], what: InstrumentSpec) -> Iterator[tuple[int, bytes]]:
    """A book of one level a side: each change takes away what was best and sets what is."""
    version = 0
    before: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line.stream != "bookTicker":
            continue
        now = {side: _level(line.data, side, what) for side in ("a", "b")}
        version += 1
        if not before:
            yield line.local_ns, event.snapshot(0, version, [now["a"]], [now["b"]])
        else:
            asks, bids = (_moved(before[side], now[side]) for side in ("a", "b"))
            yield line.local_ns, event.delta(0, version, version, asks, bids)
        before = now


def _level(data: dict[str, Any], side: str, what: InstrumentSpec) -> tuple[int, int]:
    return parse_scaled(data[side], what.price_decimals), parse_scaled(data[side.upper()], what.size_decimals)


def _moved(before: tuple[int, int], now: tuple[int, int]) -> list[tuple[int, int]]:
    if before[0] == now[0]:
        return [now]
    return [(before[0], 0), now]
