"""The native chain against hashlib, for any records, and for many."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native.log_reader import LogReader, segment_numbers, segment_path
from native.log_verify import Damage, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain, parse

STEM = "journal"


def writer(directory: Path, segment_bytes: int = 4096) -> LogWriter:
    return LogWriter(
        directory, stem=STEM, run_id="abc123def456", chained=True, sync=False, segment_bytes=segment_bytes
    )


@settings(max_examples=60, deadline=None)
@given(sessions=st.lists(st.lists(st.binary(max_size=700), max_size=30), min_size=1, max_size=4))
def test_any_records_in_any_sessions(
    tmp_path_factory: pytest.TempPathFactory, sessions: list[list[bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("log")
    sent: list[bytes] = []
    for records in sessions:
        with writer(directory) as log:
            for record in records:
                assert log.append(record) == len(sent)
                sent.append(record)
        assert log.head_hash == chain(sent).hex()
    assert [(index, bytes(view)) for index, view in LogReader(directory, STEM)] == list(enumerate(sent))
    report = verify(directory, STEM)
    assert (report.damage, report.records, report.head_hash) == (Damage.NONE, len(sent), chain(sent).hex())


def test_200_000_records_have_the_oracles_chain(tmp_path: Path) -> None:
    sent = [index.to_bytes(8, "little") * (1 + index % 24) for index in range(200_000)]
    with writer(tmp_path, segment_bytes=4 << 20) as log:
        for record in sent:
            log.append(record)
    expected = chain(sent).hex()
    assert log.head_hash == verify(tmp_path, STEM).head_hash == expected
    stored = [
        record for n in segment_numbers(tmp_path, STEM) for record in parse(segment_path(tmp_path, STEM, n))
    ]
    assert [record.payload for record in stored] == sent
    assert stored[-1].stored_hash.hex() == expected
