"""Signed checkpoints: keys, the file, and what a verdict says of a journal that was cut, replaced or forged."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine import run_dir
from engine.cli import main
from engine.config import ConfigError, parse
from engine.errors import UserError
from engine.journal.checkpoints import (
    FILE_NAME,
    CheckpointDamaged,
    CheckpointWriter,
    key_id,
    open_checkpoints,
    parse_checkpoint,
    read_checkpoints,
)
from engine.journal.keys import make_keys, private_key, public_key
from engine.journal.records import JOURNAL_STEM
from engine.journal.verification import judge, witness
from engine.run_dir import RunDir
from native.log_reader import segment_numbers, segment_path
from native.log_writer import LogWriter
from tests.oracles.log_chain import chain

SMALL = 4096
Capture = pytest.CaptureFixture[str]


def payload(index: int) -> bytes:
    return b"%08d" % index * 6


def append(run: RunDir, key: Ed25519PrivateKey | None, count: int) -> None:
    """One session: so many records, a checkpoint after each ten and at the end."""
    run.journal.mkdir(exist_ok=True)
    with LogWriter(
        run.journal, stem=JOURNAL_STEM, run_id=run.run_id, chained=True, sync=True, segment_bytes=SMALL
    ) as log:
        checkpoints = open_checkpoints(run.journal, run.run_id, key, log.records)
        for number in range(1, count + 1):
            log.append(payload(log.records))
            if checkpoints is not None and (number % 10 == 0 or number == count):
                assert log.wait_durable(10_000)
                checkpoints.sign(*log.head(), seq=log.records, time_ns=1_700_000_000 * 10**9 + log.records)


@pytest.fixture(scope="module")
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey) -> RunDir:
    run = run_dir.create_at(tmp_path_factory.mktemp("signed") / "run")
    append(run, key, 95)
    append(run, key, 25)
    return run


@pytest.fixture
def run(signed: RunDir, tmp_path: Path) -> RunDir:
    return RunDir(Path(shutil.copytree(signed.path, tmp_path / "run")), signed.run_id)


def cut_to(run: RunDir, segment: int) -> None:
    """Removes the segments from this one on, so that the chain's end looks like a kill."""
    for number in segment_numbers(run.journal, JOURNAL_STEM):
        if number >= segment:
            segment_path(run.journal, JOURNAL_STEM, number).unlink()
    last = segment_path(run.journal, JOURNAL_STEM, segment - 1)
    raw = last.read_bytes()
    last.write_bytes(raw[:-64] + bytes(64))  # no seal: the journal was never closed


# ---- keys ----


def test_a_pair_is_made_once_and_openssl_reads_it(tmp_path: Path, capsys: Capture) -> None:
    old = os.umask(0)
    try:
        assert main(["journal", "keygen", str(tmp_path / "journal.key")]) == 0
    finally:
        os.umask(old)
    private, public = tmp_path / "journal.key", tmp_path / "journal.key.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    told = capsys.readouterr().out
    assert key_id(public_key(public)) in told
    assert "PRIVATE" not in told
    before = private.read_bytes()
    assert main(["journal", "keygen", str(private)]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert private.read_bytes() == before
    with pytest.raises(UserError, match="private key"):
        public_key(private)
    if shutil.which("openssl"):
        shown = subprocess.run(
            ["openssl", "pkey", "-in", str(private), "-pubout"], capture_output=True, check=True
        )
        assert shown.stdout == public.read_bytes()


def test_no_private_key_is_left_where_the_public_one_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        make_keys(tmp_path / "a", tmp_path / "no" / "folder")
    assert os.listdir(tmp_path) == []


def test_the_daemons_key_comes_from_a_file_of_ones_own_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    name = make_keys(file, tmp_path / "key.pub")
    by_file = parse(f'symbols = ["BTCUSDT"]\n[run]\ncheckpoint_key_file = "{file}"').run
    by_env = parse('symbols = ["BTCUSDT"]\n[run]\ncheckpoint_key_env = "PENSTOCK_TEST_SIGNER"').run
    found = private_key(by_file)
    assert found is not None and key_id(found.public_key()) == name
    with pytest.raises(ConfigError, match="PENSTOCK_TEST_SIGNER is not set"):
        private_key(by_env)
    monkeypatch.setenv("PENSTOCK_TEST_SIGNER", file.read_text())
    found = private_key(by_env)
    assert found is not None and key_id(found.public_key()) == name
    assert private_key(parse('symbols = ["BTCUSDT"]').run) is None
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 0640, not 0600"):
        private_key(by_file)
    file.write_text("secret words")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="no Ed25519 private key") as refused:
        private_key(by_file)
    assert "secret words" not in str(refused.value)
    with pytest.raises(ConfigError, match="not in both"):
        parse('symbols = ["BTCUSDT"]\n[run]\ncheckpoint_key_env = "A"\ncheckpoint_key_file = "b"')


# ---- the file ----


def test_a_checkpoint_says_how_far_the_chain_was(signed: RunDir, key: Ed25519PrivateKey) -> None:
    found = read_checkpoints(signed.journal).checkpoints
    assert [each.records for each in found] == [*range(10, 100, 10), 95, 105, 115, 120]
    assert [each.number for each in found] == list(range(len(found)))
    for each in found:
        assert each.head_hash == chain(payload(index) for index in range(each.records)).hex()
        assert each.is_signed_by(key.public_key())
        assert not each.is_signed_by(Ed25519PrivateKey.generate().public_key())
        assert parse_checkpoint(each.line) == each


def test_openssl_verifies_a_checkpoint(signed: RunDir, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """The page's recipe: anybody can verify one without our code."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl program")
    checkpoint = read_checkpoints(signed.journal).checkpoints[3]
    facts = json.loads(checkpoint.line)
    (tmp_path / "signature").write_bytes(bytes.fromhex(facts.pop("signature")))
    text = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    (tmp_path / "text").write_bytes(b"penstock journal checkpoint 1\n" + text)
    (tmp_path / "pub").write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    command = [
        "openssl",
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        "pub",
        "-rawin",
        "-in",
        "text",
        "-sigfile",
        "signature",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "text").write_bytes(b"penstock journal checkpoint 1\n" + text.replace(b":4", b":5"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0


def test_a_torn_last_line_is_said_and_mended(run: RunDir, key: Ed25519PrivateKey, capsys: Capture) -> None:
    file = run.journal / FILE_NAME
    whole = file.read_bytes()
    file.write_bytes(whole + whole.splitlines()[-1][:57])
    verdict = judge(run, [key.public_key()])
    assert verdict.ok and verdict.torn_checkpoint
    assert main(["journal", "verify", str(run.path)]) == 0
    assert "was never completed" in capsys.readouterr().out
    append(run, key, 1)
    assert file.read_bytes().startswith(whole)
    assert [each.records for each in judge(run, [key.public_key()]).checkpoints][-2:] == [120, 121]


def test_a_full_disk_leaves_no_half_line(run: RunDir, key: Ed25519PrivateKey) -> None:
    before = read_checkpoints(run.journal)
    writer = CheckpointWriter(run.journal, run.run_id, key, before)
    size = (run.journal / FILE_NAME).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(OSError, match=r"."):
            writer.sign(200, "ab" * 32, 1, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_checkpoints(run.journal) == before
    assert writer.sign(200, "ab" * 32, 1, 1).number == len(before.checkpoints)


def test_a_checkpoint_never_goes_back(run: RunDir, key: Ed25519PrivateKey) -> None:
    found = read_checkpoints(run.journal)
    writer = CheckpointWriter(run.journal, run.run_id, key, found)
    assert writer.sign(120, "ab" * 32, 1, 1) == found.checkpoints[-1]
    assert read_checkpoints(run.journal) == found


def test_a_journal_shorter_than_what_was_signed_is_not_taken_up(run: RunDir) -> None:
    cut_to(run, 1)
    with pytest.raises(UserError, match="was cut, or replaced by an older copy"):
        append(run, None, 1)  # with a key or without
    (run.journal / FILE_NAME).rename(run.path / "away")
    append(run, None, 1)


def test_checkpoints_of_another_run_are_not_taken_up(run: RunDir, key: Ed25519PrivateKey) -> None:
    with pytest.raises(UserError, match="another run"):
        open_checkpoints(run.journal, "zzzzzzzzzzzz", key, 120)


# ---- verdicts ----


def problem(run: RunDir, *keys: Ed25519PrivateKey) -> str:
    verdict = judge(run, [each.public_key() for each in keys])
    assert verdict.ok == (not verdict.problem and verdict.report.ok)
    return verdict.problem


def test_a_whole_journal_is_signed_to_its_end(run: RunDir, key: Ed25519PrivateKey) -> None:
    verdict = judge(run, [key.public_key()])
    assert verdict.ok and verdict.signed_records == verdict.report.records == 120
    assert judge(run).signed_records == 0, "nothing was checked"


def test_an_unsigned_journal_is_whole_but_not_signed(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    run = run_dir.create_at(tmp_path / "run")
    append(run, None, 20)
    assert problem(run) == ""
    assert "not signed" in problem(run, key)


def test_another_key_is_told_from_a_changed_one(run: RunDir, key: Ed25519PrivateKey) -> None:
    other = Ed25519PrivateKey.generate()
    assert "signed with another key" in problem(run, other)
    append(run, other, 5)
    assert "checkpoint 13 is signed with another key" in problem(run, key)
    assert problem(run, key, other) == ""


def test_a_tail_that_was_cut_is_missed(run: RunDir, key: Ed25519PrivateKey) -> None:
    cut_to(run, 3)
    verdict = judge(run)
    assert verdict.report.ok, "the chain alone does not show it"
    assert not verdict.ok
    assert "it is truncated" in verdict.problem


def test_a_rewritten_journal_does_not_match(run: RunDir, key: Ed25519PrivateKey) -> None:
    """Whoever can write the files can make a new chain that is whole in itself, but cannot sign it."""
    checkpoints = (run.journal / FILE_NAME).read_bytes()
    shutil.rmtree(run.journal)
    run.journal.mkdir()
    with LogWriter(
        run.journal, stem=JOURNAL_STEM, run_id=run.run_id, chained=True, sync=True, segment_bytes=SMALL
    ) as log:
        for index in range(150):
            log.append(payload(index if index != 33 else 34))
    assert judge(run).ok
    (run.journal / FILE_NAME).write_bytes(checkpoints)
    assert problem(run, key) == "checkpoint 3 does not match the chain after 40 records"
    forger = Ed25519PrivateKey.generate()
    forged = dataclasses.replace(read_checkpoints(run.journal).checkpoints[0], number=0, records=150)
    forged = dataclasses.replace(forged, signature=forger.sign(forged.signed_bytes).hex())
    (run.journal / FILE_NAME).write_bytes(forged.line)
    assert "has a signature that is not the key's" in problem(run, key)


def test_checkpoints_of_another_run_do_not_hold(run: RunDir, key: Ed25519PrivateKey) -> None:
    assert "of another run" in problem(RunDir(run.path, "zzzzzzzzzzzz"), key)


@pytest.mark.parametrize("change", ["removed", "swapped", "repeated", "first removed"])
def test_checkpoints_are_numbered(run: RunDir, key: Ed25519PrivateKey, change: str) -> None:
    file = run.journal / FILE_NAME
    lines = file.read_bytes().splitlines(keepends=True)
    if change == "removed":
        del lines[4]
    elif change == "first removed":
        del lines[0]
    elif change == "swapped":
        lines[4], lines[5] = lines[5], lines[4]
    else:
        lines.insert(4, lines[4])
    file.write_bytes(b"".join(lines))
    assert "removed, repeated or reordered" in problem(run, key)


def test_a_whole_older_copy_needs_a_witness(run: RunDir, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    """Journal and checkpoints of yesterday are whole and signed: only what was kept elsewhere tells."""
    older = RunDir(Path(shutil.copytree(run.path, tmp_path / "older")), run.run_id)
    append(run, key, 7)
    kept = tmp_path / "kept"
    kept.write_bytes(read_checkpoints(run.journal).checkpoints[-1].line)
    assert problem(older, key) == ""
    verdict = judge(older, [key.public_key()], kept=witness([], [kept]))
    assert "it is truncated" in verdict.problem
    assert judge(run, [key.public_key()], kept=witness([], [kept])).ok
    hash_then = judge(run).report.head_hash
    assert judge(run, kept=witness([f"127:{hash_then}"], [])).ok
    assert "127 records are expected" in judge(older, kept=witness([f"127:{hash_then}"], [])).problem
    assert "expected hash" in judge(run, kept=witness([f"126:{hash_then}"], [])).problem


def test_a_kept_checkpoint_must_still_be_there(run: RunDir, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    file, kept = run.journal / FILE_NAME, tmp_path / "kept"
    lines = file.read_bytes().splitlines(keepends=True)
    kept.write_bytes(lines[-1])
    file.write_bytes(b"".join(lines[:-1]))
    assert problem(run, key) == "", "no one can tell from the files alone"
    assert "the kept checkpoint 12 is missing" in judge(run, kept=witness([], [kept])).problem


@pytest.mark.parametrize("text", ["12", "x:" + "0" * 64, "1:abc", "-1:" + "0" * 64])
def test_a_witness_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="RECORDS:HASH"):
        witness([text], [])
    (tmp_path / "file").write_text(text)
    with pytest.raises(UserError, match="cannot be used"):
        witness([], [tmp_path / "file"])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="empty"):
        witness([], [tmp_path / "file"])


def test_the_command_says_what_is_signed(
    run: RunDir, key: Ed25519PrivateKey, tmp_path: Path, capsys: Capture
) -> None:
    public = tmp_path / "key.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert main(["journal", "verify", str(run.path)]) == 0
    assert "signatures not checked" in capsys.readouterr().out
    assert main(["journal", "verify", str(run.path), "--public-key", str(public)]) == 0
    told = capsys.readouterr().out
    assert f"signed: the first 120 records, by key {key_id(key.public_key())}" in told
    assert main(["journal", "checkpoint", str(run.path)]) == 0
    line = capsys.readouterr().out
    assert line in told and parse_checkpoint(line.encode()).records == 120
    (tmp_path / "kept").write_text(line)
    arguments = [
        "journal",
        "verify",
        str(run.path),
        "--public-key",
        str(public),
        "--at-least",
        str(tmp_path / "kept"),
    ]
    assert main([*arguments, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["signed_records"], facts["checkpoints"], facts["signatures_verified"]) == (120, 13, True)
    cut_to(run, 2)
    assert main(arguments) == 1
    assert "it is truncated" in capsys.readouterr().out
    (run.journal / FILE_NAME).unlink()
    assert main(["journal", "checkpoint", str(run.path)]) == 1
    assert main(["journal", "verify", str(run.path)]) == 0
    assert "not signed: it has no checkpoints" in capsys.readouterr().out


def test_damage_to_a_line_is_named(run: RunDir) -> None:
    file = run.journal / FILE_NAME
    lines = file.read_bytes().splitlines(keepends=True)
    for bad, words in (
        (b"{}\n", "is no checkpoint"),
        (b"[" * 1000 + b"\n", "is no checkpoint"),
        (b"x" * 2000 + b"\n", "longer than"),
        (lines[2].replace(b'"version":1', b'"version":2'), "version 2"),
        (lines[2].replace(b'"records":30', b'"records":-3'), "records is no count"),
        (lines[2].replace(b'"records":30', b'"records": 30'), "canonical"),
        (lines[2].replace(b'"records":30', b'"records":true'), "records is no count"),
        (lines[2].replace(b'"run_id":"', b'"run_id":"A'), "run_id"),
    ):
        file.write_bytes(b"".join([*lines[:2], bad, *lines[3:]]))
        with pytest.raises(CheckpointDamaged, match="line 3 ") as found:
            read_checkpoints(run.journal)
        assert words in str(found.value)
        file.write_bytes(b"".join([*lines[:2], bad]))
        with pytest.raises(UserError, match="are damaged: the last line"):
            open_checkpoints(run.journal, run.run_id, None, 120)
