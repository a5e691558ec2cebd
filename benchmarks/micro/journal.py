"""How fast a record is safe: append, durability and chain of the journal, and the signer.

Appends are timed inside, without the GIL, clock included; throughputs are the best of a few runs, since a neighbour on
the machine only ever makes them worse. The files lie in the temporary directory: put TMPDIR on the disk that counts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import tempfile
import time
from collections.abc import Callable
from typing import Any

from native.hashing import HmacSha256
from native.log_bench import time_append, time_sign
from native.log_writer import LogWriter

RECORD_BYTES = 256
PACED_INTERVAL_NS = 200_000  # 5,000 records per second
PACED_RECORDS = 5_000
BURST_RECORDS = 300_000
SIGNED_BYTES = 150
RUNS = 5

Row = dict[str, Any]


def percentile(samples: list[float], share: float) -> float:
    """The sample below which this share lies."""
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def row(name: str, unit: str, value: float, bar: float | None, kind: str, **more: Any) -> Row:
    """One result; times are met at or below their bar, rates at or above it."""
    met = None if bar is None else (value >= bar if unit.endswith("/s") else value <= bar)
    facts: Row = {
        "name": name,
        "unit": unit,
        "value": value,
        "p50": None,
        "p99": None,
        "bar": bar,
        "kind": kind,
    }
    facts |= {"met": met, "reference": None, "ratio": None} | more
    if facts["reference"] is not None:
        reference = facts["reference"]["value"]
        facts["ratio"] = value / reference if unit.endswith("/s") else reference / value
    return facts


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


def run_paced() -> list[Row]:
    """Append and durability at 5,000 records per second: a busy trading day."""
    plain = time_write_and_sync(500)
    reference = {"name": "write() and fdatasync() of each record", "value": percentile(plain, 0.5)}
    with tempfile.TemporaryDirectory() as directory, journal(directory) as log:
        append = time_append(log, PACED_RECORDS, RECORD_BYTES, PACED_INTERVAL_NS).summary()
        log.wait_durable(10_000)
        durable = log.durable_latency.summary()
    return [
        row("journal_append", "ns", append["p50"], 300.0, "must", p50=append["p50"], p99=append["p99"],
            reference=reference),
        row("journal_durable", "ns", durable["p50"], 500_000.0, "must", p50=durable["p50"], p99=durable["p99"],
            reference=reference),
    ]  # fmt: skip


def best_rate(one_run: Callable[[], float]) -> float:
    """Records per second of the fastest of a few runs, each of which returns its seconds."""
    return BURST_RECORDS / min(one_run() for _ in range(RUNS))


def run_burst() -> list[Row]:
    """Everything at once: how many records per second are copied, chained, and on disk."""
    appended: list[Row] = []

    def chained(sync: bool) -> float:
        with tempfile.TemporaryDirectory() as directory, journal(directory, sync=sync) as log:
            started = time.perf_counter()
            times = time_append(log, BURST_RECORDS, RECORD_BYTES).summary()
            if sync:
                log.wait_durable(60_000)
            while log.chained_records < BURST_RECORDS:
                time.sleep(0.0001)
            taken = time.perf_counter() - started
        appended[:] = [
            row(
                "journal_append_burst",
                "ns",
                times["p50"],
                None,
                "stretch",
                p50=times["p50"],
                p99=times["p99"],
            )
        ]
        return taken

    def reference() -> float:
        record, head = bytes(RECORD_BYTES), bytes(32)
        started = time.perf_counter()
        for index in range(BURST_RECORDS):
            head = hashlib.sha256(head + struct.pack("<IQ", RECORD_BYTES, index) + record).digest()
        return time.perf_counter() - started

    hashlib_rate = {"name": "the hash chain alone with hashlib", "value": best_rate(reference)}
    chain_rate = best_rate(lambda: chained(sync=False))
    durable_rate = best_rate(lambda: chained(sync=True))
    return [
        *appended,
        row("journal_chained", "records/s", chain_rate, 1_000_000.0, "must", reference=hashlib_rate),
        row(
            "journal_chained_durable", "records/s", durable_rate, 1_000_000.0, "must", reference=hashlib_rate
        ),
    ]


def run_signer() -> list[Row]:
    """An order's signature: HMAC-SHA256 over 150 bytes."""
    key, message = b"k" * 32, bytes(SIGNED_BYTES)
    ours = [time_sign(HmacSha256(key), 2_000, SIGNED_BYTES) for _ in range(50)]
    theirs = []
    for _ in range(50):
        started = time.perf_counter_ns()
        for _ in range(500):
            hmac.digest(key, message, "sha256")
        theirs.append((time.perf_counter_ns() - started) / 500)
    reference = {"name": "hmac.digest", "value": percentile(theirs, 0.5)}
    p50, p99 = percentile(ours, 0.5), percentile(ours, 0.99)
    return [row("hmac_sha256_150_bytes", "ns", p50, None, "stretch", p50=p50, p99=p99, reference=reference)]


def run() -> list[Row]:
    """All rows of this subject: {name, unit, value, p50, p99, bar, kind, met, reference, ratio} each."""
    return [*run_paced(), *run_burst(), *run_signer()]
