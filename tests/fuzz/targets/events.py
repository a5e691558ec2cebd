"""Event bytes at the core's entries: a journal record, a child's command, a decoder's output. Input: a byte, then the bytes."""

from __future__ import annotations

import contextlib

from adapters.mexc.decoder import MexcDecoder
from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from tests.core_session import BUY, SELL, Session, ready
from tests.fuzz.targets import protobuf_oracle
from tests.property.test_core_fuzz import SEEDS

RENEW_EVERY = 500
_decoder = MexcDecoder("abcdef012345")
_decoder.add_instrument(0, "BTCUSDT", 2, 8)


class _World:
    """A core with a book and two orders, renewed now and then: making it costs more than an input."""

    def __init__(self) -> None:
        self.session: Session = ready()
        for side, price in ((BUY, 9_990), (SELL, 10_010)):
            self.session.place(side, price, 1_000)
        self.inputs = 0


_worlds = [_World()]


def seeds() -> list[bytes]:
    """An event of every kind, and a frame of every kind."""
    raw = [bytes([0]) + each for each in SEEDS]
    return raw + [bytes([1]) + each for each in protobuf_oracle.seeds()]


def check(data: bytes) -> None:
    """ValueError, or a core that is whole: sorted books, counts that agree, a durable state that comes back."""
    if not data:
        return
    world = _worlds[0]
    if world.inputs >= RENEW_EVERY:
        world = _worlds[0] = _World()
    world.inputs += 1
    engine, raw = world.session.engine, data[1:]
    if data[0] & 1:
        raw = _decoder.decode_event(raw, 4096)
        describe(raw)  # what the decoder makes is an event, whatever the frame was
    if len(raw) >= 40 and data[0] & 2:
        raw = raw[:32] + (len(raw) - 40).to_bytes(4, "little") + raw[36:]
    for entry in (describe, Engine().apply_bytes):
        with contextlib.suppress(ValueError, OverflowError):
            entry(raw)
    world.session.seq += 1
    if len(raw) >= 24:
        raw = world.session.seq.to_bytes(8, "little") + raw[8:]
    with contextlib.suppress(ValueError, OverflowError):
        engine.process_bytes(raw)
    book = engine.books[0]
    assert book.levels(1) == sorted(book.levels(1), reverse=True)
    assert engine.counts()["open_orders"] == sum(len(engine.open_orders(i)) for i in range(len(engine.books)))
    if world.inputs % 50 == 0:
        again = Engine()
        again.load_durable(engine.state.durable_bytes(), engine.seq, engine.now_ns)
        assert again.durable_hash() == engine.durable_hash()


assert event.HEADER_BYTES == 40
