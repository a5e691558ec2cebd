"""Whatever is done to a signed journal - a byte, a cut, a line - the verdict tells; oracle: tests/oracles/log_chain.py."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import run_dir
from engine.journal.checkpoints import (
    FILE_NAME,
    CheckpointDamaged,
    open_checkpoints,
    parse_checkpoint,
    read_checkpoints,
    read_newest,
)
from engine.journal.records import JOURNAL_STEM
from engine.journal.verification import judge
from engine.run_dir import RunDir
from native.log_errors import LogError
from native.log_reader import segment_numbers, segment_path
from native.log_verify import Damage, verify
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain, parse

KEY = Ed25519PrivateKey.generate()
RECORDS = 60
MARK = range(112, 120)  # the durable mark in a segment's header: any that is not too high is right


def payload(index: int) -> bytes:
    return b"%d" % index * (1 + index % 11)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A journal of several segments, signed every 7 records and at its end."""
    run = run_dir.create_at(tmp_path_factory.mktemp("sealed") / "run")
    run.journal.mkdir()
    with LogWriter(
        run.journal, stem=JOURNAL_STEM, run_id=run.run_id, chained=True, sync=True, segment_bytes=4096
    ) as log:
        checkpoints = open_checkpoints(run.journal, run.run_id, KEY, 0)
        assert checkpoints is not None
        for index in range(RECORDS):
            log.append(payload(index))
            if index % 7 == 6 or index == RECORDS - 1:
                assert log.wait_durable(10_000)
                checkpoints.sign(*log.head(), seq=index, time_ns=index)
    return run


@contextmanager
def copied(run: RunDir) -> Iterator[RunDir]:
    with tempfile.TemporaryDirectory() as place:
        yield RunDir(Path(shutil.copytree(run.path, Path(place) / "run")), run.run_id)


def is_whole(run: RunDir) -> bool:
    try:
        return judge(run, [KEY.public_key()]).ok
    except LogError:
        return False


def test_it_is_whole_before(sealed: RunDir) -> None:
    assert is_whole(sealed)
    assert len(segment_numbers(sealed.journal, JOURNAL_STEM)) > 1


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_byte_changed_is_found(sealed: RunDir, data: st.DataObject) -> None:
    files = sorted(path.name for path in sealed.journal.iterdir() if path.is_file())
    name = data.draw(st.sampled_from(files))
    size = (sealed.journal / name).stat().st_size
    at = data.draw(st.integers(0, size - 1).filter(lambda at: name == FILE_NAME or at not in MARK))
    with copied(sealed) as run:
        raw = bytearray((run.journal / name).read_bytes())
        raw[at] ^= data.draw(st.integers(1, 255))
        (run.journal / name).write_bytes(raw)
        try:
            verdict = judge(run, [KEY.public_key()])
        except LogError:
            return
        # A seal at the very end, or the end of the last line, may have been torn by a kill: then that is said, and every
        # record is there and, but for that line, signed.
        said = verdict.report.damage is Damage.TORN_TAIL or verdict.torn_checkpoint
        assert not verdict.ok or (said and verdict.report.records == RECORDS)
        assert not verdict.ok or name != FILE_NAME or verdict.signed_records < RECORDS


@settings(max_examples=200, deadline=None)
@given(kept=st.integers(0, RECORDS - 1), zeroed=st.booleans())
def test_any_cut_is_found(sealed: RunDir, kept: int, zeroed: bool) -> None:
    """The journal ends after `kept` records, as if it had been killed there: no seal, nothing behind."""
    with copied(sealed) as run:
        gone = False
        for number in segment_numbers(run.journal, JOURNAL_STEM):
            path = segment_path(run.journal, JOURNAL_STEM, number)
            later = [record for record in parse(path) if record.index >= kept]
            if gone:
                path.unlink()
            elif later:
                size = path.stat().st_size
                left = path.read_bytes()[: later[0].offset]
                path.write_bytes(
                    left[:112] + bytes(8) + left[120:] + bytes(size - len(left) if zeroed else 8)
                )
                gone = True
        assert not is_whole(run)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_rubbish_is_no_checkpoint(raw: bytes) -> None:
    with pytest.raises(CheckpointDamaged):
        parse_checkpoint(raw)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_read_up_to_there(sealed: RunDir, data: st.DataObject) -> None:
    whole = read_checkpoints(sealed.journal).checkpoints
    with copied(sealed) as run:
        file = run.journal / FILE_NAME
        raw = file.read_bytes()
        left = raw[: data.draw(st.integers(0, len(raw)))]
        file.write_bytes(left)
        read = read_checkpoints(run.journal)
        assert read.checkpoints == whole[: left.count(b"\n")]
        assert b"".join(each.line for each in read.checkpoints) + read.torn == left
        newest = read_newest(run.journal)
        assert (newest.checkpoints, newest.torn) == (read.checkpoints[-1:], read.torn)


@settings(max_examples=100, deadline=None)
@given(asked=st.sets(st.integers(0, RECORDS + 5), max_size=12))
def test_the_hash_after_any_count_is_the_chains(sealed: RunDir, asked: set[int]) -> None:
    counts = sorted(asked)
    expected = [
        chain(payload(i) for i in range(count)).hex() if 0 < count <= RECORDS else "" for count in counts
    ]
    report = verify(sealed.journal, JOURNAL_STEM, asked=counts)
    assert list(report.hashes) == expected
    assert (report.first, report.first_hash) == (0, "00" * 32)
