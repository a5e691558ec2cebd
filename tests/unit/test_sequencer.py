"""The one way in: numbers, records before actions, and what happens where something fails on the way."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core import event
from engine.core.decoder import FrameDecoder
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import CommandKind, EventKind, OrderReport
from engine.journal.records import JOURNAL_STEM, TAPE_STEM, Record, read_log, read_run
from engine.rim import Rim
from engine.sequencer import Sequencer
from native.log_verify import verify
from native.log_writer import LogWriter
from tests.core_session import BUY, COIN, MONEY, WIDE, Puppet
from tests.small_disk import small_disk


class Deaf(FrameDecoder):
    """Takes instruments and documents; a document is the snapshot event itself."""

    def add_instrument(self, index: int, symbol: str, price_decimals: int, size_decimals: int) -> None:
        self.known = [*getattr(self, "known", []), (index, symbol)]

    def decode_document(self, instrument: int, document: bytes) -> bytes:
        return document


class Hand(Rim):
    """Notes what it is handed, and looks into the journal each time."""

    def __init__(self) -> None:
        self.handed: list[tuple[str, Any]] = []
        self.on_each: Callable[[str, Any], None] = lambda name, what: None

    def _note(self, name: str, what: Any) -> None:
        self.handed.append((name, what))
        self.on_each(name, what)

    def on_approved(self, approved: Any) -> None:
        self._note("approved", approved)

    def on_resync(self, instrument: int, attempt: int) -> None:
        self._note("resync", instrument)

    def on_query(self, order_no: int) -> None:
        self._note("query", order_no)

    def on_timer_set(self, timer_id: int, strategy: int, due_ns: int) -> None:
        self._note("timer", timer_id)

    def on_notice(self, record: dict[str, Any]) -> None:
        self._note("notice", record["kind"])

    def on_fill(self, record: dict[str, Any]) -> None:
        self._note("fill", record["order_no"])

    def on_fault(self, what: str, error: Exception) -> None:
        self._note("fault", what)

    def names(self) -> list[str]:
        return [name for name, _ in self.handed]


class Stage:
    """A sequencer with real logs, one instrument and one puppet that trades."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.rim, self.core, self.decoder = Hand(), Engine(), Deaf()
        logs = [run_dir / "journal", run_dir / "tape"]
        for log in logs:
            log.mkdir()
        segment = {"run_id": "testrun00000", "segment_bytes": 1 << 20}
        self.journal = LogWriter(logs[0], stem=JOURNAL_STEM, chained=True, sync=False, **segment)
        self.tape = LogWriter(logs[1], stem=TAPE_STEM, chained=False, sync=False, **segment)
        self.sequencer = Sequencer(self.core, self.decoder, self.rim, self.journal, self.tape)
        document = {"mode": "paper", "risk": WIDE, "strategy": [{"id": "one"}]}
        for each in (
            event.start("testrun00000", 0, False, 1),
            event.config(json.dumps(document).encode()),
            event.instrument(COIN),
            event.balance("AAA", 10**6 * MONEY, 0, True),
            event.balance("USDT", 10**6 * MONEY, 0, True),
        ):
            self.sequencer.ingest(each)
        self.puppet = Puppet()
        self.core.attach(self.puppet, "one", ["AAAUSDT"])
        self.sequencer.ingest(event.reconciled())
        self.sequencer.ingest(event.feed(0, True))
        self.sequencer.ingest_document(0, 0, event.snapshot(0, 1, [(10_010, 10**6)], [(9_990, 10**6)]))
        self.rim.handed.clear()

    def act(self, todo: Callable[[Puppet], Any]) -> Any:
        self.puppet.todo = todo
        self.sequencer.ingest(event.timer(1, 0, 0))
        return self.puppet.result

    def journaled(self) -> list[str]:
        return [EventKind(record.kind).name for record in read_log(self.run_dir / "journal", JOURNAL_STEM)]

    def close(self) -> None:
        self.journal.close()
        self.tape.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_an_order_is_in_the_journal_before_the_rim_has_it(stage: Stage) -> None:
    seen: list[list[str]] = []
    stage.rim.on_each = lambda name, what: seen.append(stage.journaled())
    stage.act(lambda one: one.buy(0, 9_990, 10))
    assert stage.rim.names() == ["approved"]
    assert seen[0][-1] == "PLACE"
    assert stage.decoder.known == [(0, "AAAUSDT")]


def test_what_a_failing_event_put_out_is_journaled_and_sent(stage: Stage) -> None:
    """A KeyboardInterrupt within a strategy is no reason to lose the order before it."""

    def todo(one: Puppet) -> None:
        one.buy(0, 9_990, 10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.act(todo)
    assert stage.journaled()[-1] == "PLACE"
    assert stage.rim.names() == ["approved"]
    stage.act(lambda one: one.buy(0, 9_990, 11))
    assert [approved.size_lots for _, approved in stage.rim.handed] == [10, 11]
    assert stage.core.state.durable_hash() == restored(stage).durable_hash()


def restored(stage: Stage) -> Engine:
    core = Engine()
    for record in read_log(stage.run_dir / "journal", JOURNAL_STEM):
        core.apply_bytes(record.raw)
    return core


def test_events_that_come_in_meanwhile_wait_their_turn_however_many(stage: Stage) -> None:
    number = stage.act(lambda one: one.buy(0, 9_990, 10))
    answers: list[int] = []

    def more(name: str, what: Any) -> None:
        if name == "fill":
            answers.extend(stage.sequencer.ingest(event.heartbeat(0)) for _ in range(20_000))

    stage.rim.on_each = more
    before = stage.core.events
    stage.sequencer.ingest(
        event.fill(
            number, instrument=0, side=BUY, price_ticks=9_990, size_lots=10, money=1, fee=0, fee_asset="USDT",
            is_maker=True, trade_id="t",
        )
    )  # fmt: skip
    assert answers == [0] * 20_000
    assert stage.core.events == before + 1 + 20_000


def test_no_more_wait_than_there_is_room_for(stage: Stage) -> None:
    def flood(name: str, what: Any) -> None:
        for _ in range(70_000):
            stage.sequencer.ingest(event.heartbeat(0))

    stage.rim.on_each = flood
    with pytest.raises(OverflowError, match="65536"):
        # An ORDER_UPDATE without an order is refused by the core: the rim hears of it while the event is in process.
        stage.sequencer.ingest(event.order_update(1, 99))


def lying_book() -> bytes:
    raw = bytearray(event.delta(0, 2, 2, [(1, 1)], []))
    raw[40 + 16 : 40 + 20] = (2**31).to_bytes(4, "little")  # n_asks
    return bytes(raw)


def lying_trades() -> bytes:
    raw = bytearray(event.trades(0, [(1, 1, 1, 1)]))
    raw[40:44] = (2**32 - 1).to_bytes(4, "little")
    return bytes(raw)


def short_body() -> bytes:
    raw = bytearray(event.command(1))[:48]
    raw[32:36] = (8).to_bytes(4, "little")
    return bytes(raw)


REFUSED = {
    "counts that lie": lying_book(),
    "trades that lie": lying_trades(),
    "a short body": short_body(),
    "a length that lies": event.heartbeat(0)[:32] + (9).to_bytes(8, "little"),
    "bytes left over": event.heartbeat(0) + b"x",
    "less than a header": b"x" * 39,
    "nothing": b"",
    "an output": event.heartbeat(0)[:24] + (64).to_bytes(2, "little") + event.heartbeat(0)[26:],
    "a raw frame": event.heartbeat(0)[:24] + (120).to_bytes(2, "little") + event.heartbeat(0)[26:],
}


@pytest.mark.parametrize("name", REFUSED)
def test_bytes_that_are_no_event_are_refused_before_they_are_recorded(stage: Stage, name: str) -> None:
    before = (stage.journal.records, stage.tape.records, stage.core.seq)
    with pytest.raises(ValueError, match=r"."):
        stage.sequencer.ingest(REFUSED[name])
    assert (stage.journal.records, stage.tape.records, stage.core.seq) == before
    if name != "an output":
        with pytest.raises(ValueError, match=r"."):
            stage.sequencer.replay(REFUSED[name][:30])


def test_what_is_too_large_for_a_log_is_refused_and_trading_goes_on(stage: Stage) -> None:
    with pytest.raises(ValueError, match="too large"):
        stage.sequencer.ingest_document(0, 0, bytes(2**23 + 1))
    with pytest.raises(ValueError, match="too large"):
        stage.sequencer.ingest(event.config(bytes(2**23)))
    assert not stage.sequencer.journal_failed


def test_a_document_that_is_no_book_is_survived(stage: Stage) -> None:
    stage.sequencer.ingest_document(0, 0, lying_book())
    assert stage.sequencer.counters["core.refused_events"] == 1
    assert stage.act(lambda one: one.buy(0, 9_990, 10)), "the core goes on"


def test_what_cannot_be_journaled_is_not_sent_but_for_cancels(stage: Stage) -> None:
    number = stage.act(lambda one: one.buy(0, 9_990, 10))
    stage.rim.handed.clear()
    stage.journal.close()
    stage.act(lambda one: (one.cancel(number), one.buy(0, 9_990, 11)))
    assert stage.sequencer.journal_failed
    assert [(name, what.is_cancel) for name, what in stage.rim.handed if name == "approved"] == [
        ("approved", True)
    ]
    assert stage.sequencer.counters["journal.withheld"] == 1
    assert stage.act(lambda one: one.buy(0, 9_990, 12)) == 0, "the gate knows by the next event"


def test_a_full_journal_has_room_for_cancels_and_what_comes_of_them(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk.path / "run").mkdir()
        stage = Stage(disk.path / "run")
        number = stage.act(lambda one: one.buy(0, 9_990, 10))
        disk.leave(0)
        filler = event.balance("AAA", 10**6 * MONEY, 0, True)
        while not stage.sequencer.journal_failed:  # the segment in use, then the one that was prepared
            stage.sequencer.ingest(filler)
        stage.rim.handed.clear()
        stage.act(lambda one: (one.cancel(number), one.buy(0, 9_990, 11)))
        stage.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        stage.sequencer.ingest(event.order_update(number, OrderReport.CANCELED))
        assert [what.is_cancel for name, what in stage.rim.handed if name == "approved"] == [True]
        assert stage.journaled()[-3:] == ["CANCEL", "COMMAND", "ORDER_UPDATE"]
        assert not stage.core.open_orders(0)
        stage.close()
        assert verify(disk.path / "run" / "journal", JOURNAL_STEM).ok
        assert not restored(stage).open_orders(0)


def test_what_the_rim_puts_in_on_hearing_of_a_fault_waits_for_the_event_at_hand(stage: Stage) -> None:
    """The event at hand, and the outputs at hand, lie in memory that the next event would overwrite."""
    answers: list[int] = []

    def answer(name: str, what: Any) -> None:
        if name == "fault" and not answers:
            answers.append(stage.sequencer.ingest(event.config(bytes(400_000))))

    stage.rim.on_each = answer
    stage.tape.close()
    stage.sequencer.ingest(event.delta(0, 2, 2, [(10_005, 7)], []))
    assert answers[0] == 0
    assert stage.core.books[0].best_ask_lots == 7
    assert stage.sequencer.counters["core.refused_events"] >= 1, "the config that was none came after"


def test_a_refused_event_is_on_record_and_a_restart_survives_it(stage: Stage) -> None:
    number = stage.act(lambda one: one.buy(0, 9_990, 10))
    stage.sequencer.ingest(event.order_update(number, 99))
    assert stage.rim.names()[-1] == "fault"
    stage.sequencer.ingest(event.order_update(number, OrderReport.WORKING))
    again = restored(stage)
    assert again.refused == 1 and again.durable_hash() == stage.core.durable_hash()


class Flag:
    """The word in shared memory."""

    def __init__(self, stage: Stage) -> None:
        self.word = ctypes.c_uint64(0)
        stage.sequencer.bind_halt_flag(ctypes.addressof(self.word))

    def up(self) -> None:
        self.word.value = 1


def test_the_halt_flag_becomes_a_command_before_the_next_event(stage: Stage) -> None:
    flag = Flag(stage)
    flag.up()
    assert stage.act(lambda one: one.buy(0, 9_990, 10)) == 0
    assert stage.journaled()[-2:] == ["COMMAND", "DENIED"]


def test_the_halt_flag_between_two_intents_replays_at_the_same_place(stage: Stage) -> None:
    flag = Flag(stage)
    todo = lambda one: [one.buy(0, 9_990, 10), flag.up(), one.buy(0, 9_990, 11)]  # noqa: E731
    placed = stage.act(todo)
    assert placed[0] and not placed[2]
    assert stage.journaled()[-3:] == ["PLACE", "COMMAND", "DENIED"]
    records = list(read_run(stage.run_dir))
    core = Engine()
    sequencer = Sequencer(core, Deaf(), Rim())
    flag.up = lambda: None  # type: ignore[method-assign]
    for record in records:
        if not record.is_output:
            replay_one(core, sequencer, record, records, todo)
    assert core.actions_hash == stage.core.actions_hash
    assert core.durable_hash() == stage.core.durable_hash()
    assert core.full_hash() == stage.core.full_hash()


def replay_one(core: Engine, sequencer: Sequencer, record: Record, records: list[Record], todo: Any) -> None:
    outputs = [each for each in records if each.is_output and each.seq == record.seq]
    core.halt_at_intent = next((each.at_intent for each in outputs if each.kind == EventKind.COMMAND), 0)
    if record.kind == EventKind.RECONCILED:
        puppet = Puppet()
        puppet.todo = todo
        core.attach(puppet, "one", ["AAAUSDT"])
    replayed = sequencer.replay(record.raw)
    assert replayed == b"".join(each.raw for each in outputs)


def test_notices_and_questions_reach_the_rim(stage: Stage) -> None:
    number = stage.act(lambda one: (one.set_timer(4, 10), one.buy(0, 9_990, 10))[1])
    stage.sequencer.ingest(event.order_update(number, OrderReport.AMBIGUOUS))
    stage.sequencer.ingest(event.order_update(77, OrderReport.WORKING))
    stage.sequencer.ingest(event.delta(0, 9, 9, [], []))
    assert stage.rim.names() == ["approved", "timer", "query", "notice", "resync"]
    record = describe(event.stamped(event.order_update(77, OrderReport.WORKING), 1, 1))
    assert record["report"] == "WORKING"
