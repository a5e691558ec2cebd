"""A command that comes while several orders of one event are sent: it overtakes those that are left."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import socket
import struct
import termios
from pathlib import Path

import pytest

from engine.control import CommandName
from engine.core.describe import describe
from engine.core.enums import EventKind
from engine.journal.records import JOURNAL_STEM, read_log
from tests.command_desk import Desk, followed, framed
from tests.core_session import Puppet


def test_a_halt_stops_the_second_order_of_the_event(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "halt")
    first, second = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first)]
    assert desk.lane.told == [("order", first)]
    assert desk.session.engine.is_halted
    assert not desk.session.engine.order(second).is_open, "reported as never accepted"


@pytest.mark.parametrize("command", ["cancel_all", "reduce_only"])
def test_the_chain_of_actions_has_the_events_own_before_those_of_a_command_amid_it(
    tmp_path: Path, command: CommandName
) -> None:
    desk = Desk(tmp_path, orders=3)
    expected = bytes.fromhex(desk.session.engine.actions_hash)
    desk.send_two(tmp_path, command)
    for record in read_log(tmp_path, JOURNAL_STEM):
        if record.kind >= EventKind.PLACE:
            expected = hashlib.sha256(expected + record.raw).digest()
    assert desk.session.engine.actions_hash == expected.hex()


def test_the_halt_flag_does_so_without_a_word(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    flag = ctypes.c_uint64(0)
    desk.sequencer.bind_halt_flag(ctypes.addressof(flag))
    desk.send_two(tmp_path, "halt", lambda: setattr(flag, "value", 1))
    first, second = desk.session.puppets[0].result
    assert desk.lane.told == [("order", first)]
    assert desk.session.engine.is_halted
    assert not desk.session.engine.order(second).is_open


def test_cancels_go_before_the_second_order_and_its_own_cancel_after_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "cancel_all")
    first, second = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), ("cancel", desk.open_no), ("order", second)]
    late = [told for told in desk.lane.told if told not in desk.told_at_once]
    assert sorted(late) == [("late cancel", first), ("late cancel", second)], (
        "they waited for their orders' answers"
    )
    assert not any(desk.session.engine.order(number).is_open for number in (desk.open_no, first, second))


def test_the_journal_has_the_event_whole_before_the_command(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send_two(tmp_path, "cancel_all")
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    first, second = desk.session.puppets[0].result
    kinds = [(each["kind"], each.get("order_no")) for each in told]
    command = next(at for at, each in enumerate(told) if each["kind"] == "COMMAND")
    assert kinds[:command] == [("PLACE", first), ("PLACE", second)]
    assert [each["kind"] for each in told[command + 1 : command + 4]] == ["CANCEL"] * 3
    assert [each["seq"] for each in told] == sorted(each["seq"] for each in told)


def test_the_cancels_of_an_event_go_before_its_orders_and_a_command_between_the_two(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "halt", lambda one: [one.buy(0, 9_100, 100), one.cancel(desk.open_no)])
    first, _ = desk.session.puppets[0].result
    assert desk.told_at_once == [("cancel", desk.open_no)]
    assert not desk.session.engine.order(first).is_open, "reported as never accepted"


def test_a_commands_first_cancel_overtakes_the_cancels_of_an_event_and_its_others_do_not(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, orders=4)
    one, two, three, four = desk.numbers

    desk.send(tmp_path, "cancel_all", followed(desk, three, four))
    assert desk.told_at_once == [("cancel", number) for number in (three, one, four, two)]
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    decided = [each["order_no"] for each in told if each["kind"] == "CANCEL"]
    assert decided == [three, four, one, two], "the event's own were decided, and recorded, first"


def test_a_command_without_cancels_lets_those_it_overtook_go_before_it_is_taken_from_its_client(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, orders=2)
    unread: list[int] = []

    def note_unread() -> None:
        unread.append(*struct.unpack("i", fcntl.ioctl(desk.link, termios.TIOCOUTQ, b"\0" * 4)))
        if len(unread) == 1:
            desk.link.sendall(framed("one", "halt"))

    desk.send(tmp_path, "halt", followed(desk, *desk.numbers), note_unread)
    assert desk.told_at_once == [("cancel", number) for number in desk.numbers]
    assert desk.session.engine.is_halted
    told = [describe(record.raw)["kind"] for record in read_log(tmp_path, JOURNAL_STEM)]
    assert told[:3] == ["CANCEL", "CANCEL", "COMMAND"]
    assert unread[0] == 0 < unread[1], "the halt is on record, and its bytes still wait"


def test_an_order_behind_a_cancel_is_cancelled_after_its_answer_by_a_command_between_the_two(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "cancel_all", lambda one: [one.cancel(desk.open_no), one.buy(0, 9_100, 100)])
    _, order = desk.session.puppets[0].result
    assert desk.told_at_once == [("cancel", desk.open_no), ("order", order)]
    assert desk.lane.told[2:] == [("late cancel", order)]


def test_the_cancel_of_an_order_of_the_same_event_waits_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "reduce_only", lambda one: [one.cancel(one.buy(0, 9_100, 100))], lambda: None)
    first = desk.open_no + 1
    assert desk.told_at_once == [("order", first)]
    assert desk.lane.told == [("order", first), ("late cancel", first)]


def test_a_command_is_obeyed_right_behind_the_last_order_of_an_event(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(tmp_path, "cancel_all", lambda one: [one.buy(0, 9_100, 100)])
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), ("cancel", desk.open_no)]


def test_the_first_cancel_of_all_is_out_before_the_others_are_decided(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    desk.send(tmp_path, "cancel_all", lambda one: [one.buy(0, 9_100, 100)])
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("order", first), *(("cancel", number) for number in desk.numbers)]
    assert desk.lane.pending[1] == 1, "the others were not decided on yet"
    assert desk.lane.pending[2] > 1
    told = [describe(record.raw) for record in read_log(tmp_path, JOURNAL_STEM)]
    canceled = [each["order_no"] for each in told if each["kind"] == "CANCEL"]
    assert canceled == [*desk.numbers, first], "each once, in the order in which they were placed"


def test_a_command_overtakes_the_only_order_of_a_frame_that_others_wait_behind(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def decide(one: Puppet) -> list[int]:
        desk.sequencer.is_followed = True
        desk.lane.meanwhile()  # the command comes while the strategy decides
        return [one.buy(0, 9_100, 100)]

    desk.send(tmp_path, "cancel_all", decide)
    (first,) = desk.session.puppets[0].result
    assert desk.told_at_once == [("cancel", desk.open_no), ("order", first)]
    assert desk.lane.told[2:] == [("late cancel", first)], "it waited for its order's answer"


def test_a_halt_behind_the_command_that_is_carried_out_is_not_lost(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    two = framed("one", "status") + framed("two", "cancel_all")
    replies = desk.send_in_one(tmp_path, two, lambda link: link.sendall(framed("three", "halt")), 3)
    assert replies == ["one", "two", "three"]
    assert desk.lane.told == [("cancel", number) for number in desk.numbers]
    assert desk.session.engine.is_halted
    assert (desk.faults, dict(desk.server.refused)) == ([], {})


def test_a_client_that_is_done_while_its_command_is_carried_out_has_its_reply(tmp_path: Path) -> None:
    desk = Desk(tmp_path, orders=3)
    two = framed("one", "status") + framed("two", "cancel_all")
    replies = desk.send_in_one(tmp_path, two, lambda link: link.shutdown(socket.SHUT_WR), 2)
    assert replies == ["one", "two"]
    assert not any(desk.session.engine.order(number).is_open for number in desk.numbers)
    assert (desk.faults, dict(desk.server.refused)) == ([], {})
