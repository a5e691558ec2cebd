"""Tampering with a log: whatever is changed, the first damaged record is named, and a torn tail is no tampering."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from native.log_errors import LogDamaged, LogError
from native.log_reader import LogReader, segment_numbers, segment_path
from native.log_verify import Damage, VerifyReport, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import HEADER_BYTES, SEAL_BYTES, RawRecord, chain, parse

STEM = "journal"
RECORDS = 200
VICTIM = 70  # a record in the middle of the log, and of its segment
MARK_OFFSET = 112  # of the durable mark in a segment header
RECORD_BYTES = 44


def payload(index: int) -> bytes:
    """All of one size, so that records can change places; 4 bytes of padding."""
    return struct.pack("<Q", index) * 5 + b"tail"


def writer(directory: Path, chained: bool = True) -> LogWriter:
    return LogWriter(
        directory,
        stem=STEM,
        run_id="abc123def456",
        chained=chained,
        sync=True,
        segment_bytes=4096,
        build="test",
    )


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that was closed in order."""
    directory = tmp_path_factory.mktemp("closed")
    with writer(directory) as log:
        for index in range(RECORDS):
            log.append(payload(index))
    return directory


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files as a killed writer leaves them: the last segment is open, the next one prepared. What its durable copy
    has to do with that is in test_log_copy.py: here there is none."""
    directory = tmp_path_factory.mktemp("killed")
    live = tmp_path_factory.mktemp("live")
    with writer(live) as log:
        for index in range(RECORDS):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        shutil.copytree(live, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sync"))
    for number in segment_numbers(directory, STEM):
        set_mark(directory, number, 0)
    return directory


@pytest.fixture
def log_dir(closed: Path, tmp_path: Path) -> Path:
    return copied(closed, tmp_path)


@pytest.fixture
def killed_dir(killed: Path, tmp_path: Path) -> Path:
    return copied(killed, tmp_path)


def copied(source: Path, target: Path) -> Path:
    shutil.copytree(source, target / "log")
    return target / "log"


def set_mark(directory: Path, segment: int, records: int) -> None:
    """Sets a segment's durable mark: how many records its header says were synced."""
    patch(segment_path(directory, STEM, segment), MARK_OFFSET, struct.pack("<Q", records))


def patch(path: Path, offset: int, new: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(new)


def flip(path: Path, offset: int, mask: int = 0x01) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([old ^ mask]))


def find(directory: Path, index: int) -> tuple[Path, int, RawRecord]:
    for number in segment_numbers(directory, STEM):
        path = segment_path(directory, STEM, number)
        for record in parse(path):
            if record.index == index:
                return path, number, record
    raise AssertionError(f"record {index} is not there")


def expect(report: VerifyReport, damage: Damage, index: int, segment: int | None, offset: int | None) -> None:
    assert (report.damage, report.index) == (damage, index)
    if segment is not None:
        assert report.segment == segment
    if offset is not None:
        assert report.offset == offset
    assert report.ok == (damage in (Damage.NONE, Damage.TORN_TAIL))
    assert report.records == index
    assert report.head_hash == chain(payload(i) for i in range(index)).hex()


def test_an_untouched_log_is_whole(closed: Path, killed: Path) -> None:
    for directory in (closed, killed):
        expect(verify(directory, STEM), Damage.NONE, RECORDS, None, None)


def test_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no log"):
        verify(tmp_path, STEM)


@pytest.mark.parametrize("mask", [0x01, 0x80])
@pytest.mark.parametrize("field", range(16 + RECORD_BYTES + 4 + 32))
def test_every_byte_of_a_record_counts(log_dir: Path, field: int, mask: int) -> None:
    path, segment, record = find(log_dir, VICTIM)
    assert record.stride == 16 + RECORD_BYTES + 4 + 32
    flip(path, record.offset + field, mask)
    expect(verify(log_dir, STEM), Damage.CHANGED, VICTIM, segment, record.offset)


@pytest.mark.parametrize("at", [*range(MARK_OFFSET), 120, 121, 122, 123, 124, 127])
def test_every_byte_of_a_header_counts(log_dir: Path, at: int) -> None:
    flip(segment_path(log_dir, STEM, 2), at, 0x04)
    report = verify(log_dir, STEM)
    assert (report.damage, report.segment) == (Damage.BAD_HEADER, 2)
    assert report.index == parse(segment_path(log_dir, STEM, 2))[0].index


@pytest.mark.parametrize("at", range(SEAL_BYTES))
def test_every_byte_of_a_seal_counts(log_dir: Path, at: int) -> None:
    path = segment_path(log_dir, STEM, 2)
    seal_offset = path.stat().st_size - SEAL_BYTES
    flip(path, seal_offset + at)
    report = verify(log_dir, STEM)
    assert not report.ok
    assert (report.segment, report.offset) == (2, seal_offset)


def rewritten(path: Path, change: Callable[[list[bytes]], None]) -> None:
    """Takes a segment apart into its records and puts it together again."""
    raw = path.read_bytes()
    parsed = parse(path)
    records = [raw[record.offset : record.offset + record.stride] for record in parsed]
    end = parsed[-1].offset + parsed[-1].stride
    change(records)
    body = b"".join(records)
    filled = raw[:HEADER_BYTES] + body + raw[end:]
    path.write_bytes(filled)


@pytest.mark.parametrize("kind", ["closed", "killed"])
def test_a_record_taken_out_is_missed(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    directory = copied(request.getfixturevalue(kind), tmp_path)
    path, segment, record = find(directory, VICTIM)
    rewritten(path, lambda records: records.__delitem__(VICTIM - parse(path)[0].index))
    expect(verify(directory, STEM), Damage.REMOVED, VICTIM, segment, record.offset)


def test_the_last_record_of_a_segment_taken_out_is_missed(log_dir: Path) -> None:
    path = segment_path(log_dir, STEM, 1)
    last = parse(path)[-1]
    rewritten(path, lambda records: records.__delitem__(-1))
    expect(verify(log_dir, STEM), Damage.REMOVED, last.index, 1, last.offset)


def test_a_record_zeroed_out_is_missed(log_dir: Path) -> None:
    path, segment, record = find(log_dir, VICTIM)
    patch(path, record.offset, bytes(record.stride))
    expect(verify(log_dir, STEM), Damage.REMOVED, VICTIM, segment, record.offset)


@pytest.mark.parametrize("distance", [1, 2, 5])
def test_records_that_changed_places_are_named(log_dir: Path, distance: int) -> None:
    path, segment, record = find(log_dir, VICTIM)
    at = VICTIM - parse(path)[0].index

    def swap(records: list[bytes]) -> None:
        records[at], records[at + distance] = records[at + distance], records[at]

    rewritten(path, swap)
    expect(verify(log_dir, STEM), Damage.REORDERED, VICTIM, segment, record.offset)


def test_a_record_put_in_twice_is_named(log_dir: Path) -> None:
    path, segment, record = find(log_dir, VICTIM)
    at = VICTIM - parse(path)[0].index
    rewritten(path, lambda records: records.insert(at, records[at - 1]))
    expect(verify(log_dir, STEM), Damage.REORDERED, VICTIM, segment, record.offset)


def test_a_forged_record_with_a_right_checksum_breaks_the_chain(log_dir: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    forged.mkdir()
    with writer(forged) as log:  # the same index and checksum rules, another content
        for index in range(VICTIM):
            log.append(payload(index))
        log.append(b"x" * RECORD_BYTES)
    path, segment, record = find(log_dir, VICTIM)
    other_path, _, other = find(forged, VICTIM)
    without_hash = other_path.read_bytes()[other.offset : other.offset + other.stride - 32]
    patch(path, record.offset, without_hash)
    expect(verify(log_dir, STEM), Damage.CHANGED, VICTIM, segment, record.offset)


def test_a_rewritten_chain_does_not_meet_the_next_segment(log_dir: Path, tmp_path: Path) -> None:
    """A whole segment forged with its own right chain: the next one's header gives it away."""
    forged = tmp_path / "forged"
    forged.mkdir()
    with writer(forged) as log:
        for index in range(RECORDS):
            log.append(payload(index) if index else b"y" * RECORD_BYTES)
    shutil.copy(segment_path(forged, STEM, 0), segment_path(log_dir, STEM, 0))
    report = verify(log_dir, STEM)
    assert (report.damage, report.segment) == (Damage.BAD_HEADER, 1)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_segment_that_is_gone_is_missed(log_dir: Path, number: int) -> None:
    first = parse(segment_path(log_dir, STEM, number))[0].index
    segment_path(log_dir, STEM, number).unlink()
    expect(verify(log_dir, STEM), Damage.REMOVED, first, number, 0)


def test_the_last_segment_gone_is_missed_by_the_roll_before_it(log_dir: Path) -> None:
    last = segment_numbers(log_dir, STEM)[-1]
    first = parse(segment_path(log_dir, STEM, last))[0].index
    segment_path(log_dir, STEM, last).unlink()
    expect(verify(log_dir, STEM), Damage.REMOVED, first, last, 0)


def test_segments_that_changed_names_are_named(log_dir: Path) -> None:
    one, two = segment_path(log_dir, STEM, 1), segment_path(log_dir, STEM, 2)
    first = parse(one)[0].index
    spare = one.with_suffix(".spare")
    one.rename(spare)
    two.rename(one)
    spare.rename(two)
    expect(verify(log_dir, STEM), Damage.REORDERED, first, 1, 0)


@pytest.mark.parametrize("number", [1, "last"])
@pytest.mark.parametrize("cut", [1, SEAL_BYTES, SEAL_BYTES + 10, SEAL_BYTES + 96, SEAL_BYTES + 96 * 5])
def test_a_file_cut_short_is_truncated(log_dir: Path, number: int | str, cut: int) -> None:
    segment = segment_numbers(log_dir, STEM)[-1] if number == "last" else int(number)
    path = segment_path(log_dir, STEM, segment)
    size = path.stat().st_size - cut
    left = [record for record in parse(path) if record.offset + record.stride <= size]
    with path.open("r+b") as file:
        file.truncate(size)
    expect(verify(log_dir, STEM), Damage.TRUNCATED, left[-1].index + 1, segment, None)


def test_an_unchained_log_is_checked_too(tmp_path: Path) -> None:
    with writer(tmp_path, chained=False) as log:
        for index in range(RECORDS):
            log.append(payload(index))
    assert verify(tmp_path, STEM).damage is Damage.NONE
    flip(segment_path(tmp_path, STEM, 1), HEADER_BYTES + 20)
    report = verify(tmp_path, STEM)
    assert (report.damage, report.segment, report.offset) == (Damage.CHANGED, 1, HEADER_BYTES)


# ---- torn tails: what a kill or a power failure leaves, and what opening makes of it ----


def tail(directory: Path) -> tuple[Path, int, RawRecord]:
    return find(directory, RECORDS - 1)


def test_a_half_written_record_is_a_torn_tail_and_is_repaired(killed_dir: Path) -> None:
    path, segment, record = tail(killed_dir)
    end = record.offset + record.stride
    patch(path, end + 8, struct.pack("<Q", RECORDS) + b"half a record")
    expect(verify(killed_dir, STEM), Damage.TORN_TAIL, RECORDS, segment, end)
    assert len(list(LogReader(killed_dir, STEM))) == RECORDS
    with writer(killed_dir) as log:
        assert (log.recovered.records, log.recovered.torn_bytes) == (RECORDS, 8 + 8 + 13)
        assert log.append(payload(RECORDS)) == RECORDS
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS + 1, None, None)


@pytest.mark.parametrize("field", [0, 1, 4, 7, 8, 16, 40])
def test_a_last_record_that_was_not_durable_may_be_torn(killed_dir: Path, field: int) -> None:
    path, segment, record = tail(killed_dir)
    flip(path, record.offset + field)
    expect(verify(killed_dir, STEM), Damage.TORN_TAIL, RECORDS - 1, segment, record.offset)
    with writer(killed_dir) as log:
        assert log.recovered.records == RECORDS - 1
        assert log.recovered.torn_bytes > 0
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS - 1, None, None)


@pytest.mark.parametrize("field", [0, 4, 8, 16, 40, 70])
def test_a_last_record_that_was_durable_is_tampered_with(killed_dir: Path, field: int) -> None:
    path, segment, record = tail(killed_dir)
    set_mark(killed_dir, segment, RECORDS)
    flip(path, record.offset + field)
    expect(verify(killed_dir, STEM), Damage.CHANGED, RECORDS - 1, segment, record.offset)
    before = path.read_bytes()
    with pytest.raises(LogDamaged) as caught:
        writer(killed_dir)
    assert (caught.value.index, caught.value.segment, caught.value.offset) == (
        RECORDS - 1,
        segment,
        record.offset,
    )
    assert path.read_bytes()[: len(before)] == before, "nothing is dropped"


def test_durable_records_that_are_gone_are_not_passed_over(killed_dir: Path) -> None:
    path, segment, record = tail(killed_dir)
    set_mark(killed_dir, segment, RECORDS)
    patch(path, record.offset, bytes(record.stride))
    expect(verify(killed_dir, STEM), Damage.REMOVED, RECORDS - 1, segment, record.offset)
    with pytest.raises(LogDamaged):
        writer(killed_dir)


@pytest.mark.parametrize("missing", [1, 2, 3, 10])
def test_missing_hashes_are_computed(killed_dir: Path, missing: int) -> None:
    """The thread was killed before it had chained the last records."""
    last_segment = tail(killed_dir)[1]
    records = parse(segment_path(killed_dir, STEM, last_segment))[-missing:]
    for record in records:
        patch(segment_path(killed_dir, STEM, last_segment), record.offset + record.stride - 32, bytes(32))
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS, None, None)
    with writer(killed_dir) as log:
        assert log.recovered.rehashed == len(records)
        assert log.head_hash == chain(payload(index) for index in range(RECORDS)).hex()
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS, None, None)


def test_a_hash_missing_before_one_that_is_there_is_tampering(killed_dir: Path) -> None:
    path, segment, last = tail(killed_dir)
    record = parse(path)[-3]
    assert record.index < last.index
    patch(path, record.offset + record.stride - 32, bytes(32))
    expect(verify(killed_dir, STEM), Damage.CHANGED, record.index, segment, record.offset)


def test_the_thread_may_be_killed_before_it_reached_a_segment(killed_dir: Path) -> None:
    path, segment, _ = tail(killed_dir)
    hashed = len(parse(path))
    patch(path, 80, bytes(32))  # the previous hash in the header
    for record in parse(path):
        patch(path, record.offset + record.stride - 32, bytes(32))
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS, None, None)
    with writer(killed_dir) as log:
        assert log.recovered.rehashed == hashed
    expect(verify(killed_dir, STEM), Damage.NONE, RECORDS, None, None)
    assert segment > 0


def unfinish(directory: Path, segment: int) -> RawRecord:
    """Leaves a segment as it was before its sync: full size, seal not finished; its last record is lost."""
    path = segment_path(directory, STEM, segment)
    patch(path, path.stat().st_size - 8, bytes(8))
    lost = parse(path)[-1]
    patch(path, lost.offset, bytes(lost.stride))
    with path.open("r+b") as file:
        file.truncate(4096)
    return lost


def test_a_power_failure_around_a_roll_drops_what_was_not_durable(killed_dir: Path) -> None:
    """The sealed segment lost its end, the one after it did not: nothing behind the gap can be used."""
    last = tail(killed_dir)[1]
    lost = unfinish(killed_dir, last - 1)
    set_mark(killed_dir, last, 0)
    with writer(killed_dir) as log:
        assert log.recovered.records == lost.index
        assert log.append(payload(lost.index)) == lost.index
    expect(verify(killed_dir, STEM), Damage.NONE, lost.index + 1, None, None)
    assert segment_numbers(killed_dir, STEM)[-1] == last


def test_a_durable_segment_after_a_gap_is_damage(killed_dir: Path) -> None:
    last = tail(killed_dir)[1]
    lost = unfinish(killed_dir, last - 1)
    set_mark(killed_dir, last, RECORDS - 1)
    with pytest.raises(LogDamaged) as caught:
        writer(killed_dir)
    assert (caught.value.index, caught.value.segment) == (lost.index, last - 1)
    assert segment_path(killed_dir, STEM, last).exists()


def test_a_segment_missing_when_opening_is_an_error(killed_dir: Path) -> None:
    segment_path(killed_dir, STEM, 1).unlink()
    with pytest.raises(LogDamaged):
        writer(killed_dir)
    segment_path(killed_dir, STEM, 0).unlink()
    with pytest.raises(LogDamaged):
        writer(killed_dir)


def test_readers_name_what_is_wrong(log_dir: Path) -> None:
    path, segment, record = find(log_dir, VICTIM)
    flip(path, record.offset + 20)
    with pytest.raises(LogDamaged, match=f"record {VICTIM}, segment {segment}") as caught:
        list(LogReader(log_dir, STEM))
    assert (caught.value.index, caught.value.segment, caught.value.offset) == (VICTIM, segment, record.offset)
    segment_path(log_dir, STEM, segment).unlink()
    with pytest.raises(LogDamaged, match="missing"):
        list(LogReader(log_dir, STEM))
