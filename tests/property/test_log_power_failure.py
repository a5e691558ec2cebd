"""A power failure: what was synced to the durable copy is there; anything behind that, and any part of the mapped
segment, may be gone in any pattern, and opening copes."""

from __future__ import annotations

import random
import shutil
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from native.log_errors import LogDamaged, LogError
from native.log_reader import LogReader, copy_path, segment_path
from native.log_verify import Damage, check_recovered, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain, parse

STEM = "journal"
RECORDS = 400
SECTOR = 512  # what a disk writes in one piece
MARK_OFFSET = 112


def payload(index: int) -> bytes:
    return struct.pack("<Q", index) * (1 + index % 13)


def writer(directory: Path) -> LogWriter:
    return LogWriter(
        directory, stem=STEM, run_id="abc123def456", chained=True, sync=True, segment_bytes=128 * 1024
    )


@pytest.fixture(scope="module")
def live_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a log that is being written, all records chained."""
    directory, live = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("live")
    with writer(live) as log:
        for index in range(RECORDS):
            log.append(payload(index))
        assert log.wait_durable(10_000)
        shutil.copytree(live, directory, dirs_exist_ok=True)
    return directory


def lose_sectors(path: Path, keep: int, share: float, rng: random.Random) -> None:
    """Zeroes some of the sectors behind the first `keep` bytes, as if they had never reached the disk."""
    raw = bytearray(path.read_bytes())
    for start in range(keep - keep % SECTOR, len(raw), SECTOR):
        if rng.random() < share:
            lost = range(max(start, keep), start + SECTOR)
            raw[lost.start : lost.stop] = bytes(len(lost))
    path.write_bytes(raw)


def fail_power(directory: Path, durable: int, rng: random.Random) -> None:
    """Loses what was not synced of the copy, and anything of the segment, which is never synced."""
    segment, copy = segment_path(directory, STEM, 0), copy_path(directory, STEM, 0)
    records = parse(copy)
    with copy.open("r+b") as file:
        file.seek(MARK_OFFSET)
        file.write(struct.pack("<Q", rng.randint(0, durable)))
    keep = records[durable - 1].offset + records[durable - 1].stride if durable else 0
    lose_sectors(copy, keep, rng.choice([0.0, 0.05, 0.5, 1.0]), rng)
    lose_sectors(segment, 0, rng.choice([0.0, 0.05, 0.5, 1.0]), rng)


def is_to_be_recovered(directory: Path) -> bool:
    try:
        check_recovered(directory, STEM)
    except LogError:
        return True
    return False


def readable(directory: Path) -> int:
    """How many records a reader gets before the end, or before one that is torn."""
    reader = LogReader(directory, STEM)
    with suppress(LogDamaged):
        while reader.poll() is not None:
            pass
    return reader.next_index


def test_what_stands_in_the_padding_of_a_record_is_put_right_or_damage(tmp_path: Path) -> None:
    """No checksum covers it. What recovery lets pass, verify must let pass too."""
    directory = tmp_path / "odd"
    directory.mkdir()
    with writer(directory) as log:
        for index in range(20):
            log.append(b"odd" + bytes([index]))
        assert log.wait_durable(10_000)
        for name in ("torn", "durable"):
            shutil.copytree(directory, tmp_path / f"odd-{name}")
    for name, mark in (("torn", 0), ("durable", 20)):
        directory = tmp_path / f"odd-{name}"
        for path in (segment_path(directory, STEM, 0), copy_path(directory, STEM, 0)):
            raw = bytearray(path.read_bytes())
            record = parse(path)[12]
            raw[record.offset + 16 + 5] = 7
            raw[MARK_OFFSET : MARK_OFFSET + 8] = struct.pack("<Q", mark)
            path.write_bytes(raw)
        if mark:
            with pytest.raises(LogDamaged):
                writer(directory)
            continue
        with writer(directory) as log:
            assert log.recovered.records == 20
        assert verify(directory, STEM).damage is Damage.NONE


@pytest.mark.parametrize("seed", range(80))
def test_durable_records_survive_and_the_log_goes_on(live_copy: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    durable = rng.choice([0, 1, rng.randrange(RECORDS), RECORDS - 1, RECORDS])
    directory = tmp_path / "log"
    shutil.copytree(live_copy, directory)
    fail_power(directory, durable, rng)
    assert is_to_be_recovered(directory) or readable(directory) >= durable
    with writer(directory) as log:
        found = log.recovered.records
        assert durable <= found <= RECORDS
        assert log.head_hash == chain(payload(index) for index in range(found)).hex()
        assert log.append(payload(found)) == found
    kept = [bytes(view) for _, view in LogReader(directory, STEM)]
    assert kept == [payload(index) for index in range(found + 1)]
    report = verify(directory, STEM)
    assert (report.damage, report.head_hash) == (Damage.NONE, chain(kept).hex())
