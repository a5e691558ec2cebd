"""Whatever bytes come in, the core says ValueError or survives; what it holds stays whole."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import CommandKind, EventKind, OrderReport
from tests.core_session import BUY, COIN, MONEY, SELL, WIDE, ready
from tests.unit.test_core_enums import BODIES

CONFIG = json.dumps({"mode": "paper", "risk": WIDE, "strategy": [{"id": "one"}]}).encode()
SEEDS = [
    *(raw for raw, _ in BODIES.values()),
    event.config(CONFIG),
    event.snapshot(0, 9, [(10_010, 1), (10_011, 1)], [(9_990, 1)]),
    event.delta(0, 1, 3, [(10_010, 0)], [(9_991, 2)]),
    event.trades(0, [(10_000, 1, BUY, 5), (10_001, 2, SELL, 6)]),
    event.order_update(1, OrderReport.WORKING, cumulative_lots=3, cumulative_money=MONEY),
    event.order_update(2, OrderReport.CANCELED),
    event.command(CommandKind.RESUME, "x"),
    event.reconciled(),
    event.heartbeat(3),
]
INTERESTING = [0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 1]


@st.composite
def mutated(draw: Any) -> bytes:
    """An event with words overwritten, cut or grown; its length is told right more often than not."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        width = draw(st.sampled_from([1, 2, 4, 8]))
        at = draw(st.integers(16, max(len(raw) - width, 16)) if len(raw) > 16 + width else st.just(16))
        word = draw(st.one_of(st.sampled_from(INTERESTING), st.integers(0, 2**64 - 1)))
        raw[at : at + width] = (word % 2 ** (8 * width)).to_bytes(8, "little")[:width]
    if draw(st.integers(0, 4)) == 0:
        raw = raw[: draw(st.integers(0, len(raw)))]
    if draw(st.integers(0, 4)) == 0:
        raw += draw(st.binary(max_size=70))
    if len(raw) >= 40 and draw(st.integers(0, 3)):
        raw[32:36] = (len(raw) - 40).to_bytes(4, "little")
    return bytes(raw)


def feed(engine: Engine, raw: bytes, seq: int) -> bytes:
    """The event under a good number; what came out, nothing where it was refused."""
    raw = seq.to_bytes(8, "little") + raw[8:]
    try:
        return engine.process_bytes(raw)
    except (ValueError, OverflowError):
        return b""


@given(st.lists(mutated(), max_size=30))
@settings(max_examples=300, deadline=None)
def test_mutated_events_are_refused_or_survived(events: list[bytes]) -> None:
    session = ready()
    for side, price in ((BUY, 9_990), (SELL, 10_010)):
        session.place(side, price, 1_000)
    engine, seq = session.engine, session.seq
    for raw in events:
        seq += 1
        feed(engine, raw, seq)
    for what in (
        engine.counts,
        engine.money,
        engine.balances,
        engine.positions,
        engine.durable_hash,
        engine.full_hash,
    ):
        what()
    for book in engine.books:
        assert book.levels(1) == sorted(book.levels(1), reverse=True)
    counted = sum(len(engine.open_orders(i)) for i in range(len(engine.books)))
    assert engine.counts()["open_orders"] == counted
    saved = engine.state.durable_bytes()
    again = Engine()
    again.load_durable(saved, engine.seq, engine.now_ns)
    assert again.durable_hash() == engine.durable_hash()


@given(st.binary(max_size=300))
@example(b"")
@example(event.heartbeat(0)[:39])
@settings(max_examples=300, deadline=None)
def test_any_bytes_at_every_entry(raw: bytes) -> None:
    for entry in (ready().engine.process_bytes, Engine().apply_bytes, describe):
        try:
            entry(raw)
        except (ValueError, OverflowError, KeyError):
            continue


@given(st.lists(mutated(), max_size=20))
@settings(max_examples=100, deadline=None)
def test_mutated_inputs_at_a_restart_give_what_they_gave_live(events: list[bytes]) -> None:
    session = ready()
    engine, seq, records = session.engine, session.seq, list(session.records)
    for raw in events:
        seq += 1
        raw = seq.to_bytes(8, "little") + raw[8:]
        kind = int.from_bytes(raw[24:26], "little")
        if (
            len(raw) < 40
            or len(raw) != 40 + int.from_bytes(raw[32:36], "little")
            or kind == EventKind.COMMAND
        ):
            continue
        output = feed(engine, raw, seq)
        if EventKind.START <= kind <= EventKind.RECONCILED:
            records.append(raw)
        at = 0
        while at < len(output):
            end = at + 40 + int.from_bytes(output[at + 32 : at + 36], "little")
            records.append(output[at:end])
            at = end
    restored = Engine()
    for record in records:
        try:
            restored.apply_bytes(record)
        except ValueError:
            continue  # its body does not fit its kind: the sequencer records no such thing
    assert restored.durable_hash() == engine.durable_hash()


def test_the_largest_lots_and_money_do_not_overflow() -> None:
    session = ready()
    facts: dict[str, Any] = {
        "instrument": 0,
        "price_ticks": 1,
        "fee": 0,
        "fee_asset": "USDT",
        "is_maker": True,
    }
    for n in range(12):
        raw = event.fill(
            10**6, side=BUY if n % 3 else SELL, size_lots=2**61, money=10**38, trade_id=f"t{n}", **facts
        )
        session.seq += 1
        feed(session.engine, event.stamped(raw, session.seq, session.now_ns), session.seq)
    assert abs(session.engine.position_lots(0)) <= 2**61
    assert session.engine.spec(0) == COIN
