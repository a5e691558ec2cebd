"""The status page and the halt flag: shared memory that is never torn and survives its writer."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.synchronize
from pathlib import Path

import pytest

from engine.console import status, status_page
from engine.console.halt_flag import HaltFlag
from engine.console.status import MAX_PAYLOAD_BYTES, Alert, Fill, JournalStatus, Order, Status, decode, encode
from engine.console.status_page import StatusPage


def test_a_page_is_read_as_it_was_written(tmp_path: Path) -> None:
    with StatusPage.create(tmp_path) as writer, StatusPage.open(tmp_path) as reader:
        assert reader.read() is None
        for payload in (b"one", b"", b"x" * MAX_PAYLOAD_BYTES, b"four"):
            writer.write(payload)
            assert reader.read() == payload
        assert reader.generation == 4


def test_a_page_goes_on_after_its_writer(tmp_path: Path) -> None:
    with StatusPage.create(tmp_path) as first:
        first.write(b"before")
    with StatusPage.create(tmp_path) as second:
        assert second.read() == b"before"
        second.write(b"after")
        assert second.generation == 2


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    with StatusPage.create(tmp_path) as page, pytest.raises(ValueError, match="does not fit"):
        page.write(b"x" * (MAX_PAYLOAD_BYTES + 1))


def test_a_writer_that_died_halfway_leaves_the_page_before(tmp_path: Path) -> None:
    with StatusPage.create(tmp_path) as page:
        page.write(b"whole")
        page.write(b"whole too")
        file = tmp_path / status_page.FILE_NAME
        raw = bytearray(file.read_bytes())
        slot = 64 + (3 % 2) * (16 + MAX_PAYLOAD_BYTES)
        raw[slot : slot + 20] = b"\xff" * 20
        file.write_bytes(raw)
    with StatusPage.open(tmp_path) as reader:
        assert reader.read() == b"whole too"


def test_a_damaged_payload_is_not_taken_for_a_page(tmp_path: Path) -> None:
    with StatusPage.create(tmp_path) as page:
        page.write(b"payload")
    file = tmp_path / status_page.FILE_NAME
    file.write_bytes(file.read_bytes().replace(b"payload", b"pay!oad"))
    with StatusPage.open(tmp_path) as reader:
        assert reader.read() is None


@pytest.mark.parametrize("content", [b"", b"short", b"\x01" * 200_000])
def test_files_that_are_no_page_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / status_page.FILE_NAME).write_bytes(content)
    with pytest.raises(ValueError, match=r"status\.page"):
        StatusPage.open(tmp_path)


def _write_many(
    run_dir: str, ready: multiprocessing.synchronize.Event, stop: multiprocessing.synchronize.Event
) -> None:
    with StatusPage.create(run_dir) as page:
        count = 0
        while not stop.is_set():
            count += 1
            page.write(bytes([count % 256]) * (1 + count * 977 % MAX_PAYLOAD_BYTES))
            ready.set()


def test_reads_are_never_torn(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    writer = context.Process(target=_write_many, args=(str(tmp_path), ready, stop))
    writer.start()
    try:
        assert ready.wait(30)
        seen: set[int] = set()
        reads = 0
        with StatusPage.open(tmp_path) as page:
            while reads < 3000 or len(seen) < 20:
                payload = page.read()
                reads += 1
                if payload is not None:
                    assert payload.count(payload[:1]) == len(payload)
                    seen.add(len(payload))
    finally:
        stop.set()
        writer.join(30)
    assert writer.exitcode == 0


def test_a_status_survives_the_way_there_and_back() -> None:
    document = Status(
        run_id="abc",
        mode="paper",
        ts_ns=5,
        orders=[Order(1, "BTCUSDT", "buy", "limit", "1", "2", "0", "OPEN")],
    )
    assert decode(encode(document)) == document
    assert JournalStatus(records=5, durable_records=3).pending == 2


def test_a_large_status_is_trimmed_and_says_so() -> None:
    fill = Fill("12:00:00.000", "BTCUSDT", "buy", "1" * 40, "2" * 40)
    alerts = [Alert("12:00:00", "error", f"{number} " + "long " * 500) for number in range(100)]
    document = Status(run_id="abc", mode="paper", ts_ns=5, fills=[fill] * 1000, alerts=alerts)
    payload = encode(document)
    shown = decode(payload)
    assert len(payload) <= MAX_PAYLOAD_BYTES
    assert len(shown.fills) + len(shown.alerts) + shown.hidden_rows == 1100
    assert shown.alerts[-1] == alerts[-1]
    assert status.MAX_ROWS >= len(shown.fills) > 0


def test_rubbish_is_no_status() -> None:
    for rubbish in (b"", b"[]", b'{"run_id": 5}', b"\xff", b'{"run_id": "\xff"'):
        with pytest.raises(ValueError):
            decode(rubbish)


def test_the_halt_flag_is_shared(tmp_path: Path) -> None:
    with HaltFlag(tmp_path) as core, HaltFlag(tmp_path) as operator:
        word = ctypes.c_uint64.from_address(core.word_address)
        assert not core.is_set
        operator.set()
        assert core.is_set
        assert word.value != 0
        core.clear()
        assert not operator.is_set
        operator.set()
    with HaltFlag(tmp_path) as again:
        assert again.is_set


def test_a_file_that_is_no_halt_flag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "halt.flag").write_bytes(b"\x01" * 4096)
    with pytest.raises(ValueError, match="not a halt flag"):
        HaltFlag(tmp_path)
