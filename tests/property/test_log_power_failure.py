"""A power failure: what was synced is there, anything behind it may be gone in any pattern, and opening copes."""

from __future__ import annotations

import random
import shutil
import struct
from pathlib import Path

import pytest

from native.log_reader import LogReader, segment_path
from native.log_verify import Damage, verify
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


def lose_sectors(path: Path, durable: int, rng: random.Random) -> None:
    """Zeroes some of the sectors that hold nothing durable, as if they had never reached the disk."""
    records = parse(path)
    raw = bytearray(path.read_bytes())
    keep = records[durable - 1].offset + records[durable - 1].stride if durable else 128
    end = records[-1].offset + records[-1].stride
    share = rng.choice([0.05, 0.5, 1.0])
    for start in range(keep - keep % SECTOR, end, SECTOR):
        if rng.random() < share:
            lost = range(max(start, keep), min(start + SECTOR, end))
            raw[lost.start : lost.stop] = bytes(len(lost))
    raw[MARK_OFFSET : MARK_OFFSET + 8] = struct.pack("<Q", durable)
    path.write_bytes(raw)


@pytest.mark.parametrize("seed", range(40))
def test_durable_records_survive_and_the_log_goes_on(live_copy: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    durable = rng.choice([0, 1, rng.randrange(RECORDS), RECORDS - 1, RECORDS])
    directory = tmp_path / "log"
    shutil.copytree(live_copy, directory)
    lose_sectors(segment_path(directory, STEM, 0), durable, rng)
    with writer(directory) as log:
        found = log.recovered.records
        assert durable <= found <= RECORDS
        assert log.head_hash == chain(payload(index) for index in range(found)).hex()
        assert log.append(payload(found)) == found
    kept = [bytes(view) for _, view in LogReader(directory, STEM)]
    assert kept == [payload(index) for index in range(found + 1)]
    report = verify(directory, STEM)
    assert (report.damage, report.head_hash) == (Damage.NONE, chain(kept).hex())
