"""The durable copy of the segment that takes appends: when there is one, and what it gives back after a crash."""

from __future__ import annotations

import os
import random
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from native.log_errors import LogDamaged, LogError, LogFull
from native.log_reader import LogReader, Segment, copy_path, segment_numbers, segment_path
from native.log_verify import Damage, check_recovered, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import HEADER_BYTES, SEAL_BYTES, chain, parse

STEM = "journal"
SMALL = 4096
RECORDS = 200
SECTOR = 512
MARK_OFFSET = 112


def writer(directory: Path, **changes: Any) -> LogWriter:
    settings: dict[str, Any] = {"chained": True, "sync": True, "segment_bytes": SMALL}
    return LogWriter(directory, stem=STEM, run_id="abc123def456", **(settings | changes))


def payload(index: int) -> bytes:
    return struct.pack("<Q", index) * 5 + b"tail"


def contents(directory: Path) -> list[bytes]:
    return [bytes(view) for _, view in LogReader(directory, STEM)]


def copies(directory: Path) -> list[int]:
    return segment_numbers(directory, STEM, ".sync")


def eventually(done: Callable[[], bool], what: str) -> None:
    """Waits for the log's thread, which polls."""
    give_up = time.monotonic() + 10
    while not done():
        assert time.monotonic() < give_up, what
        os.sched_yield()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a log that takes appends: all but the last segment finished, the next one prepared, all durable."""
    directory, source = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("live")
    with writer(source) as log:
        for index in range(RECORDS):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        eventually(lambda: len(copies(source)) == 2, "the next segment is prepared ahead")
        shutil.copytree(source, directory, dirs_exist_ok=True)
    return directory


@pytest.fixture
def crashed(live: Path, tmp_path: Path) -> Path:
    """A copy of them, to be damaged."""
    shutil.copytree(live, tmp_path / "log")
    return tmp_path / "log"


def current(directory: Path) -> int:
    return segment_numbers(directory, STEM)[-2]


def lose_sectors(path: Path, rng: random.Random, share: float, start: int = 0) -> None:
    """Zeroes some sectors of a file from `start` on, as if they had never reached the disk."""
    raw = bytearray(path.read_bytes())
    for at in range(start - start % SECTOR, len(raw), SECTOR):
        if rng.random() < share:
            lost = range(max(at, start), min(at + SECTOR, len(raw)))
            raw[lost.start : lost.stop] = bytes(len(lost))
    path.write_bytes(raw)


def flip(path: Path, offset: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[offset] ^= 1
    path.write_bytes(raw)


def expect_recovered(directory: Path, records: int = RECORDS) -> None:
    """Opening finds so many records, leaves no copy behind, and the log goes on."""
    with writer(directory) as log:
        assert log.recovered.records == records
        assert log.append(payload(records)) == records
    assert contents(directory) == [payload(index) for index in range(records + 1)]
    report = verify(directory, STEM)
    assert (report.damage, report.head_hash) == (Damage.NONE, chain(contents(directory)).hex())
    assert copies(directory) == []


# ---- while the log is written ----


def test_what_is_durable_is_in_the_copy_and_the_segment_claims_nothing(live: Path) -> None:
    number = current(live)
    segment, copy = segment_path(live, STEM, number), copy_path(live, STEM, number)
    assert copies(live) == [number, number + 1]
    records = parse(copy)
    assert records[-1].index == RECORDS - 1
    end = records[-1].offset + records[-1].stride
    ours, mapped = bytearray(copy.read_bytes()), segment.read_bytes()
    ours[MARK_OFFSET : MARK_OFFSET + 8] = bytes(8)  # the mark is a statement about the copy
    assert ours[:end] == mapped[:end]
    assert not any(ours[end:])
    assert not any(copy_path(live, STEM, number + 1).read_bytes())


def test_the_durable_mark_follows(tmp_path: Path) -> None:
    def mark() -> int:
        return int.from_bytes(
            copy_path(tmp_path, STEM, 0).read_bytes()[MARK_OFFSET : MARK_OFFSET + 8], "little"
        )

    with writer(tmp_path) as log:
        for index in range(10):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        eventually(lambda: mark() > 0, "the mark is renewed")
        assert mark() <= log.durable_records


def test_closed_or_not_synced_a_log_has_no_copies(tmp_path: Path) -> None:
    with writer(tmp_path, sync=False) as log:
        log.append(b"x")
        eventually(lambda: len(segment_numbers(tmp_path, STEM)) == 2, "the next segment is prepared ahead")
        assert copies(tmp_path) == []
    with writer(tmp_path) as log:
        assert len(copies(tmp_path)) > 0
    assert copies(tmp_path) == []


def test_who_has_a_segment_open_sees_its_end(tmp_path: Path) -> None:
    """The finished file is another one: it took the name over."""
    with writer(tmp_path) as log:
        log.append(payload(0))
        before = segment_path(tmp_path, STEM, 0).stat().st_ino
        old, reader = Segment(segment_path(tmp_path, STEM, 0), 0), LogReader(tmp_path, STEM)
        assert reader.poll() is not None
        for index in range(1, RECORDS):
            log.append(payload(index))
        assert log.wait_durable(10_000)
    finished = segment_path(tmp_path, STEM, 0)
    assert finished.stat().st_ino != before
    assert old.mapping[HEADER_BYTES : finished.stat().st_size] == finished.read_bytes()[HEADER_BYTES:]
    assert [bytes(view) for _, view in reader] == [payload(index) for index in range(1, RECORDS)]


def test_the_copy_is_allocated_ahead(tmp_path: Path) -> None:
    with writer(tmp_path, segment_bytes=1 << 20):
        for number in copies(tmp_path):
            assert copy_path(tmp_path, STEM, number).stat().st_blocks * 512 >= 1 << 20


def test_no_room_for_the_copy_is_no_room_for_the_segment(tmp_path: Path) -> None:
    obstacle = copy_path(tmp_path, STEM, 2)
    with writer(tmp_path) as log:
        obstacle.mkdir()  # fails the copy alone, when segment 2 is prepared
        appended = 0
        with pytest.raises(LogFull):
            while True:
                log.append(payload(appended))
                appended += 1
        assert log.failed_errno != 0
        assert segment_path(tmp_path, STEM, 2).stat().st_size == 0
        assert log.wait_durable(10_000), "what was taken is safe"
        obstacle.rmdir()
        eventually(lambda: log.failed_errno == 0, "it is tried again")
        assert log.append(payload(appended)) == appended
    assert contents(tmp_path) == [payload(index) for index in range(appended + 1)]


def test_copies_count_in_the_budget(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="copies"):
        writer(tmp_path, budget_bytes=7 * SMALL)
    with writer(tmp_path, budget_bytes=12 * SMALL) as log:
        for index in range(2_000):
            log.append(payload(index))
            if index % 100 == 0:
                assert log.wait_durable(10_000)
                # Kept when a segment is finished: the two files of the next one may have come after that.
                assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= (12 + 2) * SMALL
        assert log.segments_removed > 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 12 * SMALL


# ---- after a crash ----


def test_a_kill_leaves_the_segment_ahead_of_its_copy(crashed: Path) -> None:
    copy = copy_path(crashed, STEM, current(crashed))
    third = parse(copy)[2]
    copy.write_bytes(copy.read_bytes()[: third.offset].ljust(SMALL, b"\0"))
    check_recovered(crashed, STEM)
    assert verify(crashed, STEM).records == RECORDS
    expect_recovered(crashed)


@pytest.mark.parametrize("lost", ["pages", "everything", "size", "file"])
def test_a_power_failure_leaves_the_copy_ahead_of_its_segment(crashed: Path, lost: str) -> None:
    path = segment_path(crashed, STEM, current(crashed))
    if lost == "file":
        path.unlink()
    elif lost == "size":
        path.write_bytes(b"")
    else:
        lose_sectors(path, random.Random(1), 0.5 if lost == "pages" else 1.0)
    for read in (check_recovered, verify):
        with pytest.raises(LogError, match=r"durable copy.*start the run again"):
            read(crashed, STEM)
    expect_recovered(crashed)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step", ["copied", "sealed", "truncated"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_crash_while_a_segment_is_finished(crashed: Path, step: str, share: float, seed: int) -> None:
    """The appender is in the next segment already, whose copy is still empty: none of it is durable."""
    last = current(crashed)
    path, first_lost = (
        segment_path(crashed, STEM, last - 1),
        parse(segment_path(crashed, STEM, last))[0].index,
    )
    finished = path.read_bytes()
    copy = bytearray(finished if step != "copied" else finished[:-SEAL_BYTES])
    if step == "copied":
        copy[MARK_OFFSET : MARK_OFFSET + 8] = bytes(8)
    if step != "truncated":
        copy = copy.ljust(SMALL, b"\0")
    copy_path(crashed, STEM, last - 1).write_bytes(copy)
    copy_path(crashed, STEM, last).write_bytes(bytes(SMALL))
    mapped = bytearray(finished[:-8].ljust(SMALL, b"\0"))
    mapped[MARK_OFFSET : MARK_OFFSET + 8] = bytes(8)
    path.write_bytes(mapped)
    lose_sectors(path, random.Random(seed), share)
    seal, whole = path.read_bytes()[len(finished) - SEAL_BYTES : len(finished)], finished[-SEAL_BYTES:]
    seal_is_there = step != "copied" or (seal[:16], seal[48:56]) == (whole[:16], whole[48:56])
    expect_recovered(crashed, RECORDS if seal_is_there else first_lost)


@pytest.mark.parametrize("durable", [False, True])
def test_a_segment_that_lost_its_header_ends_the_log(crashed: Path, durable: bool) -> None:
    """The thread had not reached it, and the one after it did get to the disk: none of them was synced."""
    last = current(crashed)
    path, follower = segment_path(crashed, STEM, last), segment_path(crashed, STEM, last + 1)
    first = parse(path)[0].index
    opened = bytearray(path.read_bytes())
    if durable:
        opened[MARK_OFFSET : MARK_OFFSET + 8] = struct.pack("<Q", first + 1)
    follower.write_bytes(opened)
    path.write_bytes(bytes(SECTOR) + opened[SECTOR:])
    copy_path(crashed, STEM, last).write_bytes(bytes(SMALL))
    if durable:
        with pytest.raises(LogDamaged):
            writer(crashed)
        assert follower.read_bytes() == opened
    else:
        expect_recovered(crashed, first)


def test_a_crash_between_the_rename_and_the_next_sync(crashed: Path) -> None:
    copy_path(crashed, STEM, current(crashed)).write_bytes(bytes(SMALL))
    expect_recovered(crashed)


@pytest.mark.parametrize("left", ["allocated", "empty", "segment only", "copy only"])
def test_a_crash_while_a_segment_is_prepared(crashed: Path, left: str) -> None:
    number = current(crashed) + 1
    files = (segment_path(crashed, STEM, number), copy_path(crashed, STEM, number))
    assert all(path.exists() for path in files)
    if left == "empty":
        for path in files:
            path.write_bytes(b"")
    elif left != "allocated":
        files[left == "segment only"].unlink()
    expect_recovered(crashed)


def test_a_crash_while_recovering_leaves_copies_that_are_only_removed(crashed: Path) -> None:
    number = current(crashed)
    copy = copy_path(crashed, STEM, number).read_bytes()
    with writer(crashed) as log:
        assert log.recovered.records == RECORDS
    for stale in (copy, copy[: -SMALL // 2], b"x" * SMALL):
        copy_path(crashed, STEM, number).write_bytes(stale)
        with writer(crashed) as log:
            assert (log.recovered.records, log.recovered.rehashed) == (RECORDS, 0)
        assert copies(crashed) == []
        assert verify(crashed, STEM).records == RECORDS


@pytest.mark.parametrize("at", [0, 4, 8, 20, 70])
def test_a_torn_copy_is_used_as_far_as_it_is_sound(crashed: Path, at: int) -> None:
    number = current(crashed)
    segment, copy = segment_path(crashed, STEM, number), copy_path(crashed, STEM, number)
    torn = parse(copy)[-3]
    raw = bytearray(copy.read_bytes())
    raw[MARK_OFFSET : MARK_OFFSET + 8] = bytes(8)
    copy.write_bytes(raw)
    flip(copy, torn.offset + at)
    lost = Path(shutil.copytree(crashed, crashed.parent / "lost"))
    expect_recovered(crashed)  # the segment has it all
    lose_sectors(segment_path(lost, STEM, number), random.Random(0), 1.0)
    expect_recovered(lost, torn.index)
    assert segment.exists()


def test_a_durable_record_that_neither_file_has_is_damage(crashed: Path) -> None:
    number = current(crashed)
    segment, copy = segment_path(crashed, STEM, number), copy_path(crashed, STEM, number)
    victim = parse(copy)[5]
    raw = bytearray(copy.read_bytes())
    raw[MARK_OFFSET : MARK_OFFSET + 8] = struct.pack("<Q", RECORDS)
    copy.write_bytes(raw)
    flip(copy, victim.offset + 20)
    mended = Path(shutil.copytree(crashed, crashed.parent / "mended"))
    expect_recovered(mended)  # the segment has it still
    lose_sectors(segment, random.Random(0), 1.0)
    for _ in range(2):  # nothing is dropped by trying
        with pytest.raises(LogDamaged) as caught:
            writer(crashed)
        assert (caught.value.index, caught.value.segment) == (victim.index, number)
        assert parse(copy)[-1].index == RECORDS - 1


@pytest.mark.parametrize("at", [0, 16, 24, 120])
def test_a_copy_with_a_header_that_is_not_ours_is_damage(crashed: Path, at: int) -> None:
    copy = copy_path(crashed, STEM, current(crashed))
    flip(copy, at)
    with pytest.raises(LogDamaged):
        writer(crashed)
    assert copy.exists()
