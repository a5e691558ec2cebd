"""kill -9 of the core while it trades: every restart reaches the state of its journal, and nothing is sent twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.control import CommandName, ControlClient, ControlUnavailable, Reply
from engine.core.engine import Engine
from engine.core.enums import EventKind
from engine.journal.records import JOURNAL_STEM, read_log
from engine.replay import replay
from engine.run_dir import RunDir
from native.log_verify import verify
from tests.e2e.live_run import DEADLINE_S, VenueProcess, check_balances, config_text, make_run

KILLS = 20

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]


def trade_and_kill(venue: VenueProcess, place: RunDir, moment: random.Random, longest_s: float) -> None:
    """Let the core trade, then kill it at an instant that falls anywhere in its work."""
    core = venue.core(place)
    before = core.wait_until(lambda status: status.gate.approved > 0 and status.health == "ok")
    core.wait_until(lambda status: status.gate.approved > before.gate.approved)
    until = time.perf_counter() + moment.uniform(0.0, longest_s)
    while time.perf_counter() < until:
        pass
    core.kill()


def as_soon_as_it_listens(place: RunDir, command: CommandName) -> Reply:
    """Say a command to a core that is starting."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            return ControlClient(place.path).call(command)
        except ControlUnavailable:
            time.sleep(0.002)
    raise AssertionError("the core never listened")


def check_restarts(place: RunDir) -> tuple[int, set[int]]:
    """Fold the journal from its first record; each restart's own hash must be the fold's at that place."""
    core, restarts, sent = Engine(), 0, set()
    for record in read_log(place.journal, JOURNAL_STEM):
        if record.kind == EventKind.NOTE_RESTARTED:
            restarts += 1
            assert json.loads(record.body)["durable_hash"] == core.durable_hash(), f"restart {restarts}"
        if record.is_note:
            continue
        if record.kind == EventKind.PLACE:
            sent.add(int.from_bytes(record.body[:8], "little"))
        core.apply_bytes(record.raw)
    return restarts, sent


def test_twenty_kills(tmp_path: Path) -> None:
    moment = random.Random(20)
    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", config_text(venue))
        for number in range(KILLS):
            # Some sessions live long enough for a snapshot, which the next restart then starts from.
            trade_and_kill(venue, place, moment, 2.5 if number % 5 == 4 else 0.25)
        core = venue.core(place)
        # An order that was journaled but never sent is UNKNOWN until the venue can no longer take it.
        core.wait_until(
            lambda status: status.health == "ok" and all(o.state != "UNKNOWN" for o in status.orders)
        )
        assert core.end() == 0, core.output()
        received = venue.control("orders")
        balances = venue.control("state")["balances"]

    summary = json.loads(place.summary_file.read_text())
    restarts, journaled = check_restarts(place)
    assert restarts == KILLS
    assert any(place.journal.glob("snapshot-*.bin"))
    assert verify(place.journal, JOURNAL_STEM).ok

    # Nothing was sent twice, and nothing was sent that the journal does not know.
    client_ids = Counter(order["client_id"] for order in received)
    assert max(client_ids.values()) == 1
    assert {int(client_id.rpartition("-")[2]) for client_id in client_ids} <= journaled

    # Nothing is left unknown or open, and what the core holds is what the venue holds.
    assert summary["unknown_orders"] == summary["open_orders"] == 0
    check_balances(place, next(iter(balances.values())))

    # All 21 sessions replay to the same bytes.
    result = replay(place.path)
    assert result.divergence is None
    assert result.sessions == KILLS + 1
    assert result.durable_hash == summary["durable_hash"]
    assert result.actions_hash == summary["actions_hash"]


def test_a_cancel_all_while_the_core_starts_is_carried_out(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = make_run(tmp_path / "run", config_text(venue))
        first = venue.core(place)
        first.wait_until(lambda status: status.health == "ok" and len(status.orders) >= 2)
        first.kill()
        # The second session waits for its instruments while it is told.
        venue.control("faults", {"name": "latency", "match": "/api/v3/exchangeInfo", "delay_ms": 1500})
        second = venue.core(place)
        assert as_soon_as_it_listens(place, "halt").ok
        assert as_soon_as_it_listens(place, "cancel_all").ok
        kinds = [record.kind for record in read_log(place.journal, JOURNAL_STEM)]
        assert EventKind.CANCEL in kinds[kinds.index(EventKind.NOTE_RESTARTED) :]
        assert EventKind.INSTRUMENT not in kinds[kinds.index(EventKind.NOTE_RESTARTED) :], (
            "they were there already"
        )
        second.wait_until(lambda status: status.halted and not status.orders)
        assert second.end() == 0, second.output()
    assert replay(place.path).divergence is None
