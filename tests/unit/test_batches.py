"""Events in batches end like single ones; a compiled strategy hears what a Python one hears, without Python per event."""

from __future__ import annotations

import importlib.util
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Strategy
from engine.core import event
from engine.core.engine import Engine
from engine.core.state.books import Book
from engine.core.strategy import Trade
from engine.journal.records import read_log
from engine.plugins import STRATEGIES, load
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_writer import LogWriter
from strategies.spread_meter import Measured, SpreadMeter

ROOT = Path(__file__).resolve().parents[2]


def load_workload() -> Any:
    """The benchmarks' events: the source checkout is not on the path, for the installed package is under test."""
    spec = importlib.util.spec_from_file_location("benchmarks_workload", ROOT / "benchmarks" / "workload.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


workload = load_workload()
ORDER_EVERY = 45
STREAM = workload.mixed(2_000, ORDER_EVERY, workload.Stream())


class Twin(workload.Listener):  # type: ignore[misc, name-defined]
    """SpreadMeter in Python, orders and all."""

    def __init__(self, order_every: int = 0) -> None:
        super().__init__(order_every)
        self.heard: dict[int, Measured] = {}

    def on_book(self, book: Book) -> None:
        known = self.measured(book.instrument)
        spread = book.spread_ticks
        self.heard[book.instrument] = known._replace(
            books=known.books + 1,
            two_sided=known.two_sided + 1,
            spread_sum_ticks=known.spread_sum_ticks + spread,
            spread_least_ticks=min(known.spread_least_ticks, spread) if known.books else spread,
            spread_most_ticks=max(known.spread_most_ticks, spread),
        )
        super().on_book(book)

    def on_trade(self, trade: Trade) -> None:
        super().on_trade(trade)
        known = self.measured(trade.instrument)
        lots = known.traded_lots + trade.size_lots
        self.heard[trade.instrument] = known._replace(trades=known.trades + 1, traded_lots=lots)

    def measured(self, instrument: int) -> Measured:
        return self.heard.get(instrument, Measured(0, 0, 0, 0, 0, 0, 0))


class Notes(Rim):
    """Remembers what was approved."""

    def __init__(self) -> None:
        self.approved: list[int] = []

    def on_approved(self, approved: Any) -> None:
        self.approved.append(approved.order_no)


class Session:
    """A core behind its sequencer, ready to trade."""

    def __init__(
        self, strategy: Strategy, journal: LogWriter | None = None, tape: LogWriter | None = None
    ) -> None:
        self.core = Engine()
        self.rim = Notes()
        self.strategy: Any = strategy
        self.sequencer = Sequencer(self.core, workload.NoFrames(), self.rim, journal, tape)
        clock = iter(range(workload.START_NS, workload.START_NS + 1_000_000, 1_000))
        workload.prepare(lambda bare: self.take([event.stamped(bare, 0, next(clock))]), self.core, strategy)

    def take(self, events: list[bytes], size: int = 1_000) -> None:
        taken = sum(self.sequencer.process_batch(each) for each in workload.batches(events, size))
        assert taken == len(events)

    def end(self) -> tuple[str, str, list[int]]:
        return self.core.actions_hash, self.core.full_hash(), self.rim.approved


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=8))
@settings(max_examples=20, deadline=None)
def test_where_a_batch_is_cut_changes_nothing(cuts: list[int]) -> None:
    whole, cut = Session(Twin(ORDER_EVERY)), Session(Twin(ORDER_EVERY))
    whole.take(STREAM, len(STREAM))
    rest = STREAM
    for size in cuts:
        cut.take(rest[:size], size)
        rest = rest[size:]
    cut.take(rest)
    assert cut.end() == whole.end()
    assert len(whole.rim.approved) == whole.core.counts()["fills"] > 10


def test_a_batch_is_recorded_event_by_event(tmp_path: Path) -> None:
    with (
        LogWriter(tmp_path, stem="journal", run_id="r", chained=True, sync=False) as journal,
        LogWriter(tmp_path, stem="tape", run_id="r", chained=False, sync=False) as tape,
    ):
        session = Session(SpreadMeter(ORDER_EVERY, workload.ORDER_LOTS), journal, tape)
        session.take(STREAM)
    taped, journaled = list(read_log(tmp_path, "tape")), list(read_log(tmp_path, "journal"))
    inputs = sorted({record.seq: record.raw for record in taped + journaled if not record.is_output}.items())
    assert [seq for seq, _ in inputs] == list(range(1, session.core.seq + 1))
    assert [raw[8:] for _, raw in inputs[-len(STREAM) :]] == [each[8:] for each in STREAM]
    replayed = Engine()
    sequencer = Sequencer(replayed, workload.NoFrames(), Rim())
    outputs = b""
    for seq, raw in inputs:
        if (
            raw[24:26] == b"\x08\x00" and not replayed.strategies
        ):  # the feed comes up: the instruments are known
            replayed.attach(SpreadMeter(ORDER_EVERY, workload.ORDER_LOTS), "bench", list(workload.SYMBOLS))
        outputs += sequencer.replay(raw)
        assert replayed.seq == seq
    assert outputs == b"".join(record.raw for record in journaled if record.is_output)
    assert replayed.actions_hash == session.core.actions_hash


def tampered(one: bytes, length: int) -> bytes:
    return one[:32] + struct.pack("<I", length) + one[36:]


@pytest.mark.parametrize(
    "bad",
    [
        b"short",
        STREAM[0][:-8],
        tampered(STREAM[0], 10_000),
        tampered(STREAM[0], 2**32 - 1),
        tampered(STREAM[0], 8),
        event.stamped(event.command(1), 0, 1)[:48],
        event.delta(0, 1, 1, [(1, 1)], [])[:44].ljust(88, b"\xff"),
        STREAM[0][:24] + b"\x40" + STREAM[0][25:],
    ],
    ids=["header", "body", "long", "huge", "book", "command", "levels", "output"],
)
def test_a_batch_that_is_none_is_refused_whole(bad: bytes) -> None:
    session = Session(Twin())
    before = session.core.seq
    with pytest.raises(ValueError):
        session.sequencer.process_batch(event.batch(STREAM[:3]) + bad)
    assert session.core.seq == before
    with pytest.raises(ValueError):
        session.sequencer.ingest(bad)


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=130))
@settings(max_examples=200, deadline=None)
def test_hostile_bytes_never_get_past_the_check(noise: bytes, at: int) -> None:
    session = SHARED
    one = event.batch(STREAM[:1])
    before = session.core.seq
    hostile = one[:at] + noise + one[at + len(noise) :]
    try:
        taken = session.sequencer.process_batch(hostile)
    except ValueError:
        assert session.core.seq == before
    else:
        assert taken * 40 <= len(hostile)


def test_no_batch_comes_in_while_an_event_is_in_process() -> None:
    class Greedy(Strategy):
        refused = ""

        def on_trade(self, trade: Trade) -> None:
            try:
                session.sequencer.process_batch(b"")
            except RuntimeError as error:
                Greedy.refused = str(error)

    session = Session(Greedy())
    session.take(STREAM[:20])
    assert "while an event is in process" in Greedy.refused
    assert session.sequencer.process_batch(b"") == 0


def test_the_compiled_strategy_hears_what_its_python_twin_hears() -> None:
    compiled, twin = SpreadMeter(ORDER_EVERY, workload.ORDER_LOTS), Twin(ORDER_EVERY)
    native, python = Session(compiled), Session(twin)
    native.take(STREAM)
    python.take(STREAM)
    for instrument in range(len(workload.SYMBOLS)):
        assert compiled.measured(instrument) == twin.measured(instrument)
        assert compiled.measured(instrument).books > 100
    assert (compiled.books, compiled.trades, compiled.proposed) == (twin.books, twin.trades, twin.proposed)
    assert native.end() == python.end()


def test_two_strategies_of_one_core_hear_the_same() -> None:
    session = Session(SpreadMeter())
    twin = Twin()
    session.core.attach(twin, "bench", list(workload.SYMBOLS))
    session.take(STREAM[:500])
    assert session.strategy.measured(0).trades == twin.measured(0).trades > 0
    assert session.strategy.measured(4) == Measured(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("make", "calls"), [(SpreadMeter, False), (Twin, True)])
def test_a_compiled_slot_is_called_without_python(make: type[Any], calls: bool) -> None:
    session = Session(make())
    batch = event.batch(STREAM[:200])
    names: set[str] = set()
    sys.setprofile(lambda frame, what, _: names.add(frame.f_code.co_name) if what == "call" else None)
    try:
        session.sequencer.process_batch(batch)
    finally:
        sys.setprofile(None)
    assert (names & {"on_book", "on_trade"} != set()) is calls
    assert session.strategy.books > 50


def test_a_slot_that_is_filled_is_not_called_through_its_method() -> None:
    class Sub(SpreadMeter):
        def on_book(self, book: Book) -> None:
            raise AssertionError

    session = Session(Sub())
    session.take(STREAM[:100])
    assert session.strategy.books > 10
    assert session.core.errors == []


def test_the_meter_is_found_by_name_and_refuses_nonsense() -> None:
    assert load(STRATEGIES, "spread_meter") is SpreadMeter
    for bad in ({"order_every": -1}, {"order_every": 1}, {"order_every": 1, "order_lots": -5}):
        with pytest.raises(ValueError, match="order_every"):
            SpreadMeter(**bad)
    with pytest.raises(IndexError):
        SpreadMeter().measured(-1)


SHARED = Session(Twin())
