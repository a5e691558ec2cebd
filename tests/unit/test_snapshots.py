"""State snapshots: whole or not used, newest first, and damage is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.journal.restart import newest_tape_seq
from engine.journal.snapshots import (
    KEEP,
    Snapshot,
    SnapshotDamaged,
    latest_valid,
    read_snapshot,
    write_snapshot,
)
from native.log_writer import LogWriter


def snapshot(records: int, state: bytes = b"state") -> Snapshot:
    return Snapshot(records, state)


@given(st.integers(0, 10**12 - 1), st.binary(max_size=3000))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, records: int, state: bytes
) -> None:
    directory = tmp_path_factory.mktemp("snapshots")
    written = Snapshot(records, state)
    assert read_snapshot(write_snapshot(directory, written)) == written


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for records in range(KEEP + 2):
        write_snapshot(tmp_path, snapshot(records))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"snapshot-{records:012d}.bin" for records in range(2, KEEP + 2)
    ]


def test_damaged_ones_are_skipped_and_named(tmp_path: Path) -> None:
    for records in (1, 2, 3):
        path = write_snapshot(tmp_path, snapshot(records))
    raw = bytearray(path.read_bytes())
    raw[-33] ^= 1  # the last byte of the state
    path.write_bytes(raw)
    found = latest_valid(tmp_path)
    assert found.snapshot == snapshot(2)
    assert found.skipped == ((path, "fails its checksum"),)


def test_every_byte_counts(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, snapshot(7))
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        assert latest_valid(tmp_path).snapshot is None
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(SnapshotDamaged):
            read_snapshot(path)


def test_one_that_is_ahead_of_the_journal_is_not_used(tmp_path: Path) -> None:
    write_snapshot(tmp_path, snapshot(10))
    write_snapshot(tmp_path, snapshot(20))
    found = latest_valid(tmp_path, journal_records=15)
    assert found.snapshot == snapshot(10)
    assert "ahead of the journal" in found.skipped[0][1]


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(tmp_path, snapshot(1))
    assert list(tmp_path.iterdir()) == []


def test_a_renamed_one_is_not_used(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, snapshot(10))
    path.rename(tmp_path / "snapshot-000000000099.bin")
    found = latest_valid(tmp_path)
    assert found.snapshot is None
    assert "renamed" in found.skipped[0][1]


def test_an_empty_folder_has_none_and_half_written_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "snapshot-000000000001.tmp").write_bytes(b"half")
    assert latest_valid(tmp_path).snapshot is None
    assert latest_valid(tmp_path).skipped == ()


@pytest.mark.parametrize("bad", [Snapshot(-1, b""), Snapshot(10**12, b"")])
def test_values_out_of_range_are_refused(tmp_path: Path, bad: Snapshot) -> None:
    with pytest.raises(ValueError, match="a snapshot has"):
        write_snapshot(tmp_path, bad)


def test_a_tape_segment_that_a_full_disk_left_empty_is_passed_over(tmp_path: Path) -> None:
    with LogWriter(tmp_path, stem="tape", run_id="abcdef012345", chained=False, sync=False) as tape:
        tape.append((7).to_bytes(8, "little"))
    (tmp_path / "tape-00000001.log").write_bytes(b"")
    assert newest_tape_seq(tmp_path) == 7
