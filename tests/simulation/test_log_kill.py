"""kill -9 at random instants: every record that was acknowledged is there afterwards, and the chain holds.

And a power failure at such an instant: of that, every record that was durable.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from native.log_reader import LogReader, copy_path, segment_numbers, segment_path
from native.log_verify import Damage, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain, parse

STEM = "journal"
SEGMENT_BYTES = 32 * 1024  # rolls every hundred records or so
SECTOR = 512  # what a disk writes in one piece
MARK_OFFSET = 112  # of the durable mark in a segment header

# Appends at full speed; the shared counters are the acknowledgement, which moves after the append has returned, and
# how many records are durable.
APPENDER = """
import mmap, struct, sys
from native.log_errors import LogFull
from native.log_writer import LogWriter
directory, chained, sync = sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1"
with open(directory + "/acknowledged", "r+b") as file:
    counters = mmap.mmap(file.fileno(), 16)
log = LogWriter(directory, stem="journal", run_id="abc123def456", chained=chained, sync=sync, segment_bytes=32768)
payload = bytes(range(256))
while True:
    index = log.records
    try:
        log.append(struct.pack("<Q", index) + payload[: index * 7 % 256])
    except LogFull:  # the disk did not keep up for two seconds: nothing was appended, and nothing is acknowledged
        continue
    counters[:] = struct.pack("<QQ", index + 1, log.durable_records)
"""


def payload(index: int) -> bytes:
    return struct.pack("<Q", index) + bytes(range(256))[: index * 7 % 256]


def killed_at(directory: Path, target: int, *, chained: bool, sync: bool) -> tuple[int, int]:
    """Starts an appender and kills it once it has acknowledged `target` more records.

    Returns how many it had acknowledged by then, and how many were durable.
    """
    counter_path = directory / "acknowledged"
    if not counter_path.exists():
        counter_path.write_bytes(bytes(16))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    with counter_path.open("r+b") as file, mmap.mmap(file.fileno(), 16) as counter:
        target += int.from_bytes(counter[:8], "little")
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(directory), str(int(chained)), str(int(sync))],
            env=environment,
        )
        give_up = time.monotonic() + 100  # a shared disk may stand still for a minute
        try:
            while int.from_bytes(counter[:8], "little") < target:
                assert child.poll() is None, "the appender ended by itself"
                assert time.monotonic() < give_up, "the appender is too slow"
                os.sched_yield()
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        acknowledged, durable = struct.unpack("<QQ", counter[:])
        return acknowledged, durable


@pytest.mark.parametrize("seed", range(20))
def test_every_acknowledged_record_survives(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    chained, sync = seed % 4 != 3, seed % 2 == 0
    for _ in range(2):  # the second appender starts on what the first one left
        acknowledged, _ = killed_at(tmp_path, rng.randrange(1, 3000), chained=chained, sync=sync)
        assert verify(tmp_path, STEM).ok
    with LogWriter(
        tmp_path, stem=STEM, run_id="abc123def456", chained=chained, sync=sync, segment_bytes=SEGMENT_BYTES
    ) as log:
        found = log.recovered.records
        # One more may be there: committed, and killed before it was acknowledged.
        assert acknowledged <= found <= acknowledged + 1
        log.append(payload(found))
    kept = [bytes(view) for _, view in LogReader(tmp_path, STEM)]
    assert kept == [payload(index) for index in range(found + 1)]
    report = verify(tmp_path, STEM)
    assert (report.damage, report.records) == (Damage.NONE, found + 1)
    if chained:
        assert report.head_hash == chain(kept).hex()


def lose_sectors(path: Path, rng: random.Random, start: int) -> None:
    """Zeroes some of the sectors from `start` on, as if they had never reached the disk."""
    raw, share = bytearray(path.read_bytes()), rng.choice([0.05, 0.5, 1.0])
    for at in range(start - start % SECTOR, len(raw), SECTOR):
        if rng.random() < share:
            lost = range(max(at, start), min(at + SECTOR, len(raw)))
            raw[lost.start : lost.stop] = bytes(len(lost))
    path.write_bytes(raw)


def fail_power(directory: Path, durable: int, rng: random.Random) -> int:
    """Takes from a killed log what was never synced, in any pattern; how many records the log itself calls durable."""
    for number in segment_numbers(directory, STEM, ".sync"):
        copy, segment = copy_path(directory, STEM, number), segment_path(directory, STEM, number)
        durable = max(durable, int.from_bytes(copy.read_bytes()[MARK_OFFSET : MARK_OFFSET + 8], "little"))
        kept = [record for record in parse(copy) if record.index < durable]
        lose_sectors(copy, rng, kept[-1].offset + kept[-1].stride if kept else 0)
        lose_sectors(segment, rng, 0)
    return durable


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(20))
def test_every_durable_record_survives_a_power_failure(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2):
        acknowledged, durable = killed_at(tmp_path, rng.randrange(1, 3000), chained=True, sync=True)
        durable = fail_power(tmp_path, durable, rng)
        with LogWriter(
            tmp_path, stem=STEM, run_id="abc123def456", chained=True, sync=True, segment_bytes=SEGMENT_BYTES
        ) as log:
            found = log.recovered.records
        assert durable <= found <= acknowledged + 1
        kept = [bytes(view) for _, view in LogReader(tmp_path, STEM)]
        assert kept == [payload(index) for index in range(found)]
        report = verify(tmp_path, STEM)
        assert (report.damage, report.head_hash) == (Damage.NONE, chain(kept).hex())
        (tmp_path / "acknowledged").write_bytes(struct.pack("<QQ", found, found))
