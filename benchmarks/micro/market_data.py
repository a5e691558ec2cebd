"""How fast market data becomes a book: the native decoder and book, beside protobuf-upb with float() per field.

Native loops are timed natively, a sample being the mean of one batch; percentiles are over the samples. The
reference does less than we do: it fills no book.
"""

from __future__ import annotations

import random
import time

from adapters.mexc.schema import PushDataV3ApiWrapper
from engine.microbench import CpuTime, Row, percentile, spread
from engine.microbench import row as make_row
from native.mexc_protobuf import Decoder, time_decode_into_book
from native.order_book import ASK, BID, OrderBook, time_updates

SEED = 20_260_923
MID_TICKS = 8_427_000
DELETES = 0.38  # of all updates, as in recorded L2 streams
SYMBOLS = [("BTCUSDT", 2, 8)]
BOOK_ROUNDS = 50  # so that what it costs to make the updates' native copies does not count


def row(
    name: str,
    samples: list[float],
    cpu_ns: float,
    bar: float | None,
    kind: str,
    reference: float | None = None,
) -> Row:
    """A row of nanoseconds, met where the median is within the bar."""
    against = None if reference is None else ("protobuf-upb and float() per field", reference)
    return make_row(
        name,
        "ns",
        percentile(samples, 0.5),
        kind,
        bar=bar,
        samples=samples,
        cpu_ns=cpu_ns,
        reference=against,
        note=spread_of(samples),
    )


def spread_of(samples: list[float]) -> str:
    """The medians of five stretches of the samples: how steady the machine was."""
    step = max(1, len(samples) // 5)
    return spread(
        [percentile(samples[at : at + step], 0.5) for at in range(0, 5 * step, step)][: len(samples)]
    )


def updates(n: int, rng: random.Random) -> list[tuple[int, int, int]]:
    """Updates (side, price_ticks, size_lots) of a market that moves, most of them near its top."""
    found, mid = [], MID_TICKS
    for i in range(n):
        if i % 200 == 0:
            mid += rng.randint(-30, 30)
        side, distance = rng.choice((BID, ASK)), 1 + int(rng.expovariate(1 / 100))
        size = 0 if rng.random() < DELETES else rng.randint(1, 10**9)
        found.append((side, mid - distance if side == BID else mid + distance, size))
    return found


def depth_frame(n_levels: int, version: int, rng: random.Random) -> bytes:
    """One delta as MEXC sends it: padded decimals, half of the levels asks, half bids."""
    channel = "spot@public.aggre.depth.v3.api.pb@10ms"
    wrapper = PushDataV3ApiWrapper(channel=f"{channel}@BTCUSDT", symbol="BTCUSDT", sendTime=1782208005090)
    body = wrapper.publicAggreDepths
    body.eventType, body.fromVersion, body.toVersion = channel, str(version), str(version)
    for i in range(n_levels):
        distance = 1 + int(rng.expovariate(1 / 100))
        ticks = MID_TICKS + distance if i % 2 else MID_TICKS - distance
        lots = 0 if rng.random() < DELETES else rng.randint(1, 10**9)
        side = body.asks if i % 2 else body.bids
        side.add(price=f"{ticks // 100}.{ticks % 100:02d}", quantity=f"{lots // 10**8}.{lots % 10**8:08d}")
    frame: bytes = wrapper.SerializeToString()
    return frame


def read_with_upb(frame: bytes) -> list[tuple[float, float]]:
    """What a plain Python client does with a frame."""
    body = PushDataV3ApiWrapper.FromString(frame).publicAggreDepths
    levels = [(float(item.price), float(item.quantity)) for item in body.asks]
    levels += [(float(item.price), float(item.quantity)) for item in body.bids]
    return levels


def time_upb(frames: list[bytes], rounds: int) -> list[float]:
    """Nanoseconds per frame, one sample per frame: short, so that a busy machine disturbs few of them."""
    found = []
    for frame in frames * rounds:
        started = time.perf_counter_ns()
        read_with_upb(frame)
        found.append(float(time.perf_counter_ns() - started))
    return found


def run_book(count: int) -> list[Row]:
    """Book updates in batch."""
    made, book = updates(count, random.Random(SEED)), OrderBook()
    with CpuTime() as making:  # of the native copies, no round
        time_updates(book, made, 1_000, 0)
    with CpuTime() as taken:
        samples = time_updates(book, made, 1_000, BOOK_ROUNDS)
    return [row("book_update", samples, (taken.ns - making.ns) / (BOOK_ROUNDS * count), 15.0, "must")]


def run_depth(n_levels: int, bar: float | None, kind: str, ratio_bar: float | None, rounds: int) -> list[Row]:
    """Depth frames of one size: bytes to integer book, and the ratio to the reference."""
    rng = random.Random(SEED)
    frames = [depth_frame(n_levels, 74_891_313_263 + i, rng) for i in range(128)]
    reference = percentile(time_upb(frames, max(1, rounds // 20)), 0.5)
    with CpuTime() as taken:
        samples = time_decode_into_book(Decoder(SYMBOLS), frames, OrderBook(), 32, 4 * rounds)
    facts = row(f"depth_{n_levels}_levels", samples, taken.ns / (32 * 4 * rounds), bar, kind, reference)
    if ratio_bar is None:
        return [facts]
    name = f"depth_{n_levels}_levels_ratio"
    against = ("protobuf-upb and float() per field, ns", reference)
    compared = make_row(name, "x", facts["ratio"], "must", bar=ratio_bar, reference=against, compare=False)
    return [facts, compared | {"ratio": facts["ratio"]}]


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""

    def rounds(n_levels: int) -> int:
        return 2 if quick else max(60, 2_000 // n_levels)

    return [
        *run_book(5_000 if quick else 200_000),
        *run_depth(2, 150.0, "stretch", None, rounds(2)),
        *run_depth(20, 600.0, "must", 20.0, rounds(20)),
        *run_depth(200, None, "stretch", None, rounds(200)),
    ]
