"""What fails while cancels are sent: the others leave all the same, and the core hears of the one that did not."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from pathlib import Path
from typing import Any

import pytest

from engine import control
from engine.adapter import Evidence
from engine.control_server import ControlServer
from engine.core import event
from engine.core.describe import describe
from engine.core.enums import CommandKind, EventKind, OrderReport
from engine.core.risk.gate import Approved
from engine.execution.executor import Executor
from engine.journal.records import JOURNAL_STEM, read_log
from engine.quick_command import QuickCommand
from engine.rim import Rim
from tests.command_desk import Desk, followed


class Faults(Rim):
    """Keeps what could not be done."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_fault(self, what: str, error: Exception | None) -> None:
        self.told.append(what)


class Broken(ControlServer):
    """Whoever comes, it fails."""

    def serve(self, number: int) -> None:
        raise OSError("out of order")


def test_a_look_that_fails_between_two_cancels_is_told_and_keeps_neither(tmp_path: Path) -> None:
    rim = Faults()
    desk = Desk(tmp_path, orders=2, rim=rim)
    server = Broken(tmp_path, desk.refuse, QuickCommand(desk.sequencer), acknowledge=desk.acknowledge)
    desk.sequencer.bind_commands(server)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        await server.start()
        try:
            with control.reachable(tmp_path) as address, socket.socket(socket.AF_UNIX) as link:
                link.connect(address)
                desk.decide(followed(desk, *desk.numbers))
                told = list(desk.lane.told)
                await desk.executor.close()
        finally:
            await server.close()
            desk.journal.close()
        assert told == [("cancel", number) for number in desk.numbers]

    asyncio.run(main())
    assert set(rim.told) == {"a command could not be obeyed"}
    assert not any(desk.session.engine.order(number).is_open for number in desk.numbers)


def test_an_interrupt_amid_two_cancels_does_not_keep_the_second_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=2)

    def interrupt() -> None:
        desk.lane.meanwhile = lambda: None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.send(tmp_path, "halt", followed(desk, *desk.numbers), interrupt)
    assert desk.lane.told == [("cancel", number) for number in desk.numbers]


class Stubborn(Executor):
    """Does not take a cancel the quick way, and says so by raising; with `takes_none` not at all."""

    takes_none = False

    def try_cancel(self, approved: Approved) -> bool:
        raise RuntimeError("not today")

    def submit(self, approved: Approved) -> None:
        if self.takes_none and approved.is_cancel:
            raise RuntimeError("never")
        self.desk.lane.told.append(("submitted", approved.order_no))
        self.submitted.set()

    desk: Desk
    submitted = asyncio.Event()


def test_a_first_cancel_that_fails_within_the_core_goes_the_longer_way_and_the_others_follow(
    tmp_path: Path,
) -> None:
    rim = Faults()
    desk = Desk(tmp_path, orders=3, rim=rim, executor=Stubborn)
    Stubborn.desk = desk
    desk.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
    assert desk.lane.told == [("submitted", number) for number in desk.numbers]
    assert rim.told == [f"order {desk.open_no} could not be cancelled at once"]
    desk.journal.close()


def refusing(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Faults, Desk]:
    """A desk whose executor takes no cancel at all, and what is told of that."""
    rim = Faults()
    desk = Desk(run_dir, rim=rim, executor=Stubborn)
    Stubborn.desk = desk
    monkeypatch.setattr(Stubborn, "takes_none", True)
    return rim, desk


def test_a_rehearsed_cancel_that_fails_tells_the_core_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rim, desk = refusing(tmp_path, monkeypatch)
    before = desk.sequencer.core.durable_hash()
    desk.sequencer.rehearse(0)
    desk.decide(lambda one: [])  # with which all goes in that waits
    desk.journal.close()
    assert rim.told == [f"order {desk.open_no} could not be cancelled"]
    assert desk.sequencer.core.durable_hash() == before
    assert not list(read_log(tmp_path, JOURNAL_STEM))


@pytest.mark.filterwarnings("ignore:coroutine")  # what cannot be begun without a loop
def test_a_cancel_that_cannot_leave_keeps_no_other_from_leaving_and_may_be_asked_for_again(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, orders=3)
    desk.executor.take_lane(None)
    for _ in range(2):
        desk.sequencer.ingest(event.command(CommandKind.CANCEL_ALL))
        assert not any(desk.session.engine.order(number).cancel_pending for number in desk.numbers)
    desk.journal.close()
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    for kind in ("CANCEL", "ORDER_UPDATE", "QUERY"):
        assert sorted(each["order_no"] for each in told if each["kind"] == kind) == sorted(
            2 * desk.numbers
        ), kind


def test_a_strategy_that_asks_again_at_once_waits_for_the_venues_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rim, desk = refusing(tmp_path, monkeypatch)
    puppet = desk.session.puppets[0]

    submitted = asyncio.Event()
    monkeypatch.setattr(Stubborn, "submitted", submitted)

    def ask_again(order: Any) -> None:
        if order.is_open and not order.cancel_pending:
            puppet.cancel(order.order_no)

    monkeypatch.setattr(puppet, "on_order", ask_again)

    asked: list[int] = []

    async def query(reference: Any) -> Evidence:
        asked.append(reference.order_no)
        monkeypatch.setattr(Stubborn, "takes_none", len(asked) < 3)  # in vain twice more
        return Evidence(report=OrderReport.WORKING, venue_order_id=f"v{reference.order_no}", text="")

    async def main() -> None:
        desk.adapter.query, desk.adapter.acceptance_window_ns = query, lambda: 10**9
        desk.decide(lambda one: one.cancel(desk.open_no))
        assert rim.told == [f"order {desk.open_no} could not be cancelled"] * 2
        assert desk.lane.told == []
        await asyncio.wait_for(submitted.wait(), 10)
        await desk.executor.close()

    asyncio.run(main())
    desk.journal.close()
    assert asked == [desk.open_no] * 3
    assert rim.told == [f"order {desk.open_no} could not be cancelled"] * 6
    assert desk.lane.told == [("submitted", desk.open_no)]


def test_the_chain_is_closed_where_the_rim_raises(tmp_path: Path) -> None:
    class Deaf(Rim):
        def on_notice(self, record: dict[str, Any]) -> None:
            raise OSError("nobody hears")

    desk = Desk(tmp_path, rim=Deaf())
    expected = bytes.fromhex(desk.session.engine.actions_hash)
    with pytest.raises(OSError, match="nobody hears"):
        desk.decide(lambda one: [one.alert("look here")])
    desk.journal.close()
    for record in read_log(tmp_path, JOURNAL_STEM):
        if record.kind >= EventKind.PLACE:
            expected = hashlib.sha256(expected + record.raw).digest()
    assert desk.session.engine.actions_hash == expected.hex()
