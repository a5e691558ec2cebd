"""A real core on a small disk that somebody else fills: the tape gives way, then orders only reduce, then trading halts.

Cancels go out and commands are journaled with not a byte free; the journal is whole, and with room again the run goes on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.console.status import Status
from engine.control import ControlClient
from engine.core.enums import EventKind
from engine.journal.keys import make_keys, public_key
from engine.journal.records import TAPE_STEM
from engine.journal.verification import judge
from engine.run_dir import RunDir
from native.log_reader import segment_numbers
from native.log_writer import LogWriter
from tests.e2e.live_run import VenueProcess, check_balances, config_text, make_run
from tests.e2e.test_kill import check_restarts
from tests.small_disk import MB, SmallDisk, small_disk

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

DISK_MB, REDUCE_MB, HALT_MB = 256, 64, 24
ALMOST_NONE = 1 << 20  # bytes: what a snapshot and a log that find no room had taken comes back
TAPE_SEGMENT_MB, TAPE_BUDGET_MB, TAPE_BEFORE = 16, 144, 6
SETTINGS = f"""snapshot_interval_s = 1
checkpoint_interval_s = 1
tape_segment_mb = {TAPE_SEGMENT_MB}
tape_budget_mb = {TAPE_BUDGET_MB}
disk_reduce_mb = {REDUCE_MB}
disk_halt_mb = {HALT_MB}
"""


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", DISK_MB, request.param) as made:
        yield made


def yesterdays_tape(place: RunDir) -> None:
    """Market data of a session before, as much as the tape's budget lets it keep."""
    place.tape.mkdir()
    with LogWriter(
        place.tape, stem=TAPE_STEM, run_id=place.run_id, chained=False, sync=False,
        segment_bytes=TAPE_SEGMENT_MB * MB, budget_bytes=TAPE_BUDGET_MB * MB,
    ) as tape:  # fmt: skip
        frame, seq = bytes(MB), 0
        while tape.segment < TAPE_BEFORE:
            seq += 1
            tape.append(
                struct.pack("<QqqHHiII", seq, 0, 0, EventKind.TAPE_FRAME, 0, -1, len(frame), 0) + frame
            )


def said(status: Status, words: str) -> bool:
    return any(words in alert.text for alert in status.alerts)


def locked(venue: VenueProcess) -> bool:
    """Whether the venue holds money or coins for an open order."""
    balances = next(iter(venue.control("state")["balances"].values()))
    return any(float(held["locked"]) for held in balances.values())


def start(venue: VenueProcess, disk: SmallDisk, folder: Path) -> RunDir:
    make_keys(folder / "journal.key", folder / "journal.pub")
    key = f'checkpoint_key_file = "{folder / "journal.key"}"\n'
    place = make_run(
        disk.path / "run", config_text(venue).replace("snapshot_interval_s = 1\n", SETTINGS + key, 1)
    )
    yesterdays_tape(place)
    return place


def trades_on(status: Status, before: Status) -> bool:
    return status.health == "ok" and status.gate.approved > before.gate.approved and bool(status.orders)


def test_a_disk_that_fills_up(tmp_path: Path, disk: SmallDisk) -> None:
    with VenueProcess(tmp_path) as venue:
        place = start(venue, disk, tmp_path)
        core = venue.core(place)
        before = core.wait_until(lambda status: status.health == "ok" and status.gate.approved > 10)
        assert before.tape.segments_dropped == 0

        # First the tape gives way, and that is enough: trading goes on as it was.
        disk.leave((REDUCE_MB - 10) * MB)
        gave_way = core.wait_until(lambda status: status.tape.segments_dropped > 0)
        assert said(gave_way, "the tape keeps to its smallest size")
        core.wait_until(
            lambda _: len(segment_numbers(place.tape, TAPE_STEM)) <= 4 + 1
        )  # one of them nearly empty
        core.wait_until(lambda status: trades_on(status, gave_way))
        assert disk.free_bytes > REDUCE_MB * MB

        # Then orders may only reduce.
        disk.leave((REDUCE_MB - 10) * MB)
        low = core.wait_until(
            lambda status: said(status, "orders may only reduce") and "REDUCING_ONLY" in status.gate.denied
        )
        assert low.health == "warning" and "HALTED" not in low.gate.denied

        # With room again it trades as before.
        disk.leave((REDUCE_MB + 20) * MB)
        fine = core.wait_until(lambda status: status.health == "ok")
        trading = core.wait_until(lambda status: trades_on(status, fine))

        # Not a byte free: nothing is placed, what is open is cancelled, commands are durable before they are answered.
        disk.leave(0)
        core.wait_until(lambda status: status.health == "failure" and "HALTED" in status.gate.denied)
        disk.leave(0)
        assert ControlClient(place.path).call("cancel_all").ok
        halted = core.wait_until(lambda status: not status.orders)
        assert said(halted, "trading is halted") and disk.free_bytes < ALMOST_NONE
        assert not locked(venue)
        received = len(venue.control("orders"))
        later = core.wait_until(lambda status: status.gate.denied["HALTED"] > halted.gate.denied["HALTED"])
        assert later.gate.approved == halted.gate.approved >= trading.gate.approved
        assert len(venue.control("orders")) == received, "nothing was placed"
        assert later.journal.writable

        # Killed there, the journal is whole. A restart finds the room that had been allocated ahead, and is halted.
        core.kill()
        assert judge(place, [public_key(tmp_path / "journal.pub")]).ok
        disk.leave(0)
        core = venue.core(place)
        core.wait_until(lambda status: said(status, "trading is halted"))
        core.kill()
        assert judge(place, [public_key(tmp_path / "journal.pub")]).ok

        # With room again it trades.
        disk.leave((REDUCE_MB + 20) * MB)
        core = venue.core(place)
        again = core.wait_until(lambda status: status.health == "ok")
        core.wait_until(lambda status: trades_on(status, again))
        assert core.end() == 0, core.output()
        balances = venue.control("state")["balances"]

    verdict = judge(place, [public_key(tmp_path / "journal.pub")])
    assert verdict.ok and verdict.signed_records == verdict.report.records
    restarts, _ = check_restarts(place)
    assert restarts == 2
    check_balances(place, next(iter(balances.values())))
