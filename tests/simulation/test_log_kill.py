"""kill -9 at random instants: every record that was acknowledged is there afterwards, and the chain holds."""

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

from native.log_reader import LogReader
from native.log_verify import Damage, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain

STEM = "journal"
SEGMENT_BYTES = 32 * 1024  # rolls every hundred records or so

# Appends at full speed; the shared counter is the acknowledgement: it moves after the append has returned.
APPENDER = """
import mmap, struct, sys
from native.log_errors import LogFull
from native.log_writer import LogWriter
directory, chained, sync = sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1"
with open(directory + "/acknowledged", "r+b") as file:
    counter = mmap.mmap(file.fileno(), 8)
log = LogWriter(directory, stem="journal", run_id="abc123def456", chained=chained, sync=sync, segment_bytes=32768)
payload = bytes(range(256))
while True:
    index = log.records
    try:
        log.append(struct.pack("<Q", index) + payload[: index * 7 % 256])
    except LogFull:  # the disk did not keep up for two seconds: nothing was appended, and nothing is acknowledged
        continue
    counter[:] = struct.pack("<Q", index + 1)
"""


def payload(index: int) -> bytes:
    return struct.pack("<Q", index) + bytes(range(256))[: index * 7 % 256]


def killed_at(directory: Path, target: int, *, chained: bool, sync: bool) -> int:
    """Starts an appender and kills it once it has acknowledged `target` more records; how many it had by then."""
    counter_path = directory / "acknowledged"
    if not counter_path.exists():
        counter_path.write_bytes(bytes(8))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    with counter_path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as counter:
        target += int.from_bytes(counter[:], "little")
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(directory), str(int(chained)), str(int(sync))],
            env=environment,
        )
        give_up = time.monotonic() + 30
        while int.from_bytes(counter[:], "little") < target:
            assert child.poll() is None, "the appender ended by itself"
            assert time.monotonic() < give_up, "the appender is too slow"
            os.sched_yield()
        child.send_signal(signal.SIGKILL)
        child.wait()
        return int.from_bytes(counter[:], "little")


@pytest.mark.parametrize("seed", range(20))
def test_every_acknowledged_record_survives(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    chained, sync = seed % 4 != 3, seed % 2 == 0
    for _ in range(2):  # the second appender starts on what the first one left
        acknowledged = killed_at(tmp_path, rng.randrange(1, 3000), chained=chained, sync=sync)
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
