"""The append-only log: append, roll, reopen, follow, retention and the full disk."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from native.log_errors import LogDamaged, LogError, LogFull
from native.log_reader import LogReader, Segment, segment_numbers, segment_path
from native.log_verify import Damage, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import GENESIS, chain
from tests.small_disk import small_disk

STEM = "journal"
SMALL = 4096
BUILD = "0.1.0 x86-64-v3"


def writer(directory: Path, **changes: Any) -> LogWriter:
    settings: dict[str, Any] = {
        "stem": STEM,
        "run_id": "abc123def456",
        "chained": True,
        "sync": True,
        "segment_bytes": SMALL,
        "build": BUILD,
    }
    return LogWriter(directory, **(settings | changes))


def payload(index: int) -> bytes:
    return bytes((index * 31 + k) % 256 for k in range(index % 97))


def contents(directory: Path, **options: Any) -> list[bytes]:
    return [bytes(view) for _, view in LogReader(directory, STEM, **options)]


def eventually(done: Any, what: str) -> None:
    """Waits for the log's thread, which polls."""
    give_up = time.monotonic() + 10
    while not done():
        assert time.monotonic() < give_up, what
        os.sched_yield()


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("sync", [True, False])
def test_records_come_back_over_many_segments(tmp_path: Path, chained: bool, sync: bool) -> None:
    sent = [payload(index) for index in range(1000)]
    with writer(tmp_path, chained=chained, sync=sync) as log:
        assert [log.append(record) for record in sent] == list(range(1000))
        assert log.records == 1000
        assert contents(tmp_path) == sent  # a reader needs no sync
    assert log.durable_records == log.chained_records == 1000
    assert log.head_hash == (chain(sent).hex() if chained else GENESIS.hex())
    assert len(segment_numbers(tmp_path, STEM)) > 10
    report = verify(tmp_path, STEM)
    assert (report.damage, report.records, report.head_hash) == (Damage.NONE, 1000, log.head_hash)
    assert log.bytes_written == sum(path.stat().st_size for path in tmp_path.glob("*.log"))


def test_a_segment_says_who_wrote_it(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        log.append(b"x")
    segment = Segment(segment_path(tmp_path, STEM, 0), 0)
    assert (segment.run_id, segment.build, segment.first_index) == ("abc123def456", BUILD, 0)
    assert segment.created_ns > 0


def test_a_damaged_header_is_not_read_beyond_its_fields(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        log.append(b"x")
    path = segment_path(tmp_path, STEM, 0)
    raw = bytearray(path.read_bytes())
    raw[40:120] = b"\xe9" * 80  # run id, build and what follows them
    path.write_bytes(raw)
    segment = Segment(path, 0)
    assert (segment.run_id, segment.build) == ("\ufffd" * 16, "\ufffd" * 24)
    assert not segment.intact


def test_waiting_for_durability(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        for index in range(100):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        assert log.durable_records == log.chained_records == 100
        assert log.head_hash == chain(payload(index) for index in range(100)).hex()
        assert log.durable_latency.count > 0


def test_waiting_on_a_log_that_is_not_synced_is_an_error(tmp_path: Path) -> None:
    with writer(tmp_path, sync=False) as log, pytest.raises(LogError, match="not synced"):
        log.wait_durable(1)


def test_reopened_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    sent: list[bytes] = []
    for session in range(5):
        with writer(tmp_path) as log:
            assert log.recovered.records == len(sent)
            assert (log.recovered.torn_bytes, log.recovered.rehashed) == (0, 0)
            assert log.head_hash == chain(sent).hex()
            for _ in range(session * 20):
                sent.append(payload(len(sent)))
                assert log.append(sent[-1]) == len(sent) - 1
    assert contents(tmp_path) == sent
    assert verify(tmp_path, STEM).head_hash == chain(sent).hex()


def test_a_reader_follows_a_live_log(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, STEM)
    assert reader.poll() is None
    with writer(tmp_path) as log:
        assert reader.poll() is None
        for index in range(300):
            log.append(payload(index))
            found = reader.poll()
            assert found is not None
            assert (found[0], bytes(found[1])) == (index, payload(index))
            assert reader.poll() is None


def test_views_outlive_their_segment(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        for index in range(500):
            log.append(payload(index))
        views = [view for _, view in LogReader(tmp_path, STEM)]
    assert [bytes(view) for view in views] == [payload(index) for index in range(500)]


@pytest.mark.parametrize("start", [0, 1, 33, 250, 499, 500, 600])
def test_a_reader_starts_where_it_is_told(tmp_path: Path, start: int) -> None:
    with writer(tmp_path) as log:
        for index in range(500):
            log.append(payload(index))
    found = [(index, bytes(view)) for index, view in LogReader(tmp_path, STEM, from_index=start)]
    assert found == [(index, payload(index)) for index in range(start, 500)]


def test_after_closing_nothing_is_taken(tmp_path: Path) -> None:
    log = writer(tmp_path)
    log.append(b"one")
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(b"two")
    assert log.records == 1


def test_the_largest_record_fits_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        with pytest.raises(LogError, match="at most") as caught:
            log.append(bytes(SMALL))
        most = int(str(caught.value).rsplit(" ", 1)[1])
        for _ in range(3):
            log.append(b"\xff" * most)
        with pytest.raises(LogError, match="too large"):
            log.append(bytes(most + 1))
        log.append(b"")
    assert contents(tmp_path) == [b"\xff" * most] * 3 + [b""]
    assert verify(tmp_path, STEM).damage is Damage.NONE


@pytest.mark.parametrize(
    "bad",
    [
        {"segment_bytes": 4095},
        {"segment_bytes": 0},
        {"stem": "a/b"},
        {"stem": ""},
        {"run_id": "x" * 16},
        {"budget_bytes": SMALL},
        {"reserve_bytes": SMALL},
        {"sync_interval_us": 0},
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        writer(tmp_path, **bad)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_and_a_log_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="No such file"):
        writer(tmp_path / "absent")
    with writer(tmp_path) as log:
        log.append(b"x")
    with pytest.raises(LogError, match="chained"):
        writer(tmp_path, chained=False)


def test_two_logs_share_a_folder(tmp_path: Path) -> None:
    with writer(tmp_path) as journal, writer(tmp_path, stem="journal-2", chained=False, sync=False) as tape:
        journal.append(b"journal")
        tape.append(b"tape")
    assert contents(tmp_path) == [b"journal"]
    assert [bytes(view) for _, view in LogReader(tmp_path, "journal-2")] == [b"tape"]


def test_a_live_log_can_be_verified_while_it_rolls(tmp_path: Path) -> None:
    def append() -> None:
        for index in range(3_000):
            log.append(payload(index))

    with writer(tmp_path) as log:
        appender = threading.Thread(target=append)
        appender.start()
        reports = []
        while appender.is_alive():
            reports.append(verify(tmp_path, STEM))
        appender.join()
    assert [report for report in reports if not report.ok] == []
    assert verify(tmp_path, STEM).records == 3_000


# ---- retention ----


def test_a_budget_removes_the_oldest_segments(tmp_path: Path) -> None:
    budget = 8 * SMALL
    with writer(tmp_path, chained=True, sync=False, budget_bytes=budget) as log:
        for index in range(3000):
            log.append(payload(index))
    assert log.segments_removed > 0
    assert log.records_dropped_for_readers == 0
    assert sum(path.stat().st_size for path in tmp_path.glob("*.log")) <= budget
    kept = list(LogReader(tmp_path, STEM))
    assert kept[0][0] > 0
    assert [(index, bytes(view)) for index, view in kept] == [
        (index, payload(index)) for index in range(kept[0][0], 3000)
    ]
    report = verify(tmp_path, STEM)
    assert (report.damage, report.records) == (Damage.NONE, 3000)
    assert report.head_hash == chain(payload(index) for index in range(3000)).hex()
    with writer(tmp_path, budget_bytes=budget) as log:
        assert log.append(b"next") == 3000


def test_a_reader_that_keeps_up_loses_nothing(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, STEM, register="recorder")
    with writer(tmp_path, chained=False, sync=False, budget_bytes=8 * SMALL) as log:
        for index in range(3000):
            log.append(payload(index))
            found = reader.poll()
            assert found is not None
            assert found[0] == index
    assert log.segments_removed > 0
    assert log.records_dropped_for_readers == 0
    reader.close()
    assert list((tmp_path / "readers").iterdir()) == []


def test_a_reader_too_slow_for_the_budget_is_counted(tmp_path: Path) -> None:
    reader = LogReader(tmp_path, STEM, register="recorder")
    with writer(tmp_path, chained=False, sync=False, budget_bytes=8 * SMALL) as log:
        log.append(payload(0))
        assert reader.poll() is not None
        for index in range(1, 3000):
            log.append(payload(index))
    first = next(iter(LogReader(tmp_path, STEM)))[0]
    assert log.records_dropped_for_readers == first


def test_a_readers_name_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name"):
        LogReader(tmp_path, STEM, register="../x")


# ---- the full disk ----


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size`: allocating a segment fails as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_records_but_leaves_room_for_cancels(tmp_path: Path) -> None:
    with writer(tmp_path, reserve_bytes=1024) as log:
        log.append(b"first")
        eventually(lambda: segment_path(tmp_path, STEM, 1).exists(), "the next segment is prepared ahead")
        taken = 1
        with largest_file(SMALL - 1):
            with pytest.raises(LogFull):
                while True:
                    log.append(b"p" * 48)
                    taken += 1
            assert log.failed_errno != 0
            reserved = 0
            with pytest.raises(LogFull):
                while True:
                    log.append_reserved(b"cancel__")
                    reserved += 1
            assert reserved >= 1024 // (16 + 8 + 32)
            assert log.wait_durable(10_000)

        def accepted() -> bool:
            try:
                log.append(b"again")
            except LogFull:
                return False
            return True

        eventually(accepted, "with room again the log goes on")
        assert log.failed_errno == 0
    assert contents(tmp_path) == [b"first", *[b"p" * 48] * (taken - 1), *[b"cancel__"] * reserved, b"again"]
    assert verify(tmp_path, STEM).damage is Damage.NONE


def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    with largest_file(SMALL - 1), pytest.raises(LogError):
        writer(tmp_path)
    with writer(tmp_path) as log:
        assert log.append(b"x") == 0


# ---- a log with a budget gives way ----


def test_a_smaller_budget_is_kept_at_once(tmp_path: Path) -> None:
    with writer(tmp_path, budget_bytes=40 * SMALL) as log:
        for index in range(1500):
            log.append(payload(index))
        before = log.segments_removed
        log.set_budget(8 * SMALL)
        eventually(lambda: log.segments_removed > before, "the oldest go")
        # Kept when a segment is finished: the two files of the next one may come after that.
        eventually(lambda: used(tmp_path) <= (8 + 2) * SMALL, "down to the budget")
        log.set_budget(40 * SMALL)
        for index in range(1500, 2000):
            log.append(payload(index))
        assert used(tmp_path) > (8 + 2) * SMALL
        with pytest.raises(ValueError, match="four segments"):
            log.set_budget(SMALL)
    (tmp_path / "other").mkdir()
    with (
        writer(tmp_path / "other", budget_bytes=0) as log,
        pytest.raises(ValueError, match="without a budget"),
    ):
        log.set_budget(40 * SMALL)


def used(directory: Path) -> int:
    total = 0
    for path in directory.iterdir():
        with suppress(FileNotFoundError):  # removed meanwhile
            total += path.stat().st_size
    return total


def test_on_a_full_disk_the_oldest_make_room_for_the_newest(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        log = LogWriter(
            disk.path, stem=STEM, run_id="abc123def456", chained=False, sync=False, segment_bytes=1 << 16,
            budget_bytes=1 << 22,
        )  # fmt: skip
        with log:
            for index in range(3000):
                log.append(payload(index) * 5)
            assert log.segments_removed == 0
            disk.leave(0)
            for index in range(3000, 9000):
                log.append(payload(index) * 5)
            assert log.segments_removed > 0
        kept = list(LogReader(disk.path, STEM))
        assert [bytes(view) for _, view in kept] == [payload(index) * 5 for index, _ in kept]
        assert kept[-1][0] == 8999 and kept[0][0] > 0


def test_the_chains_head_is_one_moments(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        assert log.head() == (0, "00" * 32)
        for index in range(100):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        assert log.head() == (100, chain(payload(index) for index in range(100)).hex())


def test_segments_that_were_archived_are_not_missed(tmp_path: Path) -> None:
    with writer(tmp_path) as log:
        for index in range(400):
            log.append(payload(index))
    first = Segment(segment_path(tmp_path, STEM, 2), 2)
    for number in (0, 1):
        segment_path(tmp_path, STEM, number).unlink()
    assert verify(tmp_path, STEM).damage is Damage.REMOVED
    assert verify(tmp_path, STEM, archived=1).damage is Damage.REMOVED
    report = verify(tmp_path, STEM, archived=2, asked=[first.first_index - 1, first.first_index, 400])
    head = chain(payload(index) for index in range(first.first_index)).hex()
    assert (report.damage, report.records, report.first) == (Damage.NONE, 400, first.first_index)
    assert report.first_hash == first.previous_hash == head
    assert report.hashes == ("", head, report.head_hash)
    for allowed in (0, 1):
        with pytest.raises(LogDamaged):
            writer(tmp_path, archived=allowed)
    with writer(tmp_path, archived=2) as log:
        assert log.append(payload(400)) == 400
    assert verify(tmp_path, STEM, archived=2).head_hash == chain(payload(i) for i in range(401)).hex()
