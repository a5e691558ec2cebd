"""Old segments into the archive and back: what may go, what must stay, and that nothing is lost wherever it stops."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import run_dir
from engine.cli import main
from engine.core.enums import EventKind
from engine.errors import UserError
from engine.journal import archive as archives
from engine.journal.archive import archive, restore_segments
from engine.journal.archived import opening, read_archived
from engine.journal.records import JOURNAL_STEM, note, read_log
from engine.journal.snapshots import Snapshot, write_snapshot
from engine.journal.verification import judge, witness
from engine.run_dir import RunDir
from native.log_errors import LogDamaged, LogError
from native.log_reader import segment_numbers, segment_path
from native.log_writer import LogWriter

SMALL = 4096
RECORDS = 300
Capture = pytest.CaptureFixture[str]


def writer(run: RunDir) -> LogWriter:
    run.journal.mkdir(exist_ok=True)
    with opening(run.journal) as archived:
        return LogWriter(
            run.journal, stem=JOURNAL_STEM, run_id=run.run_id, chained=True, sync=True, segment_bytes=SMALL,
            archived=archived,
        )  # fmt: skip


def append(run: RunDir, log: LogWriter, count: int) -> None:
    """Records, with a snapshot and its note after each 49."""
    for _ in range(count):
        index = log.records
        if index % 50 == 49:
            snapshot = Snapshot(index, b"state after %d" % index)
            facts = {"records": index, "sha256": snapshot.state_hash}
            log.append(note(EventKind.NOTE_SNAPSHOT, index, 0, json.dumps(facts).encode()))
            assert log.wait_durable(10_000)
            write_snapshot(run.journal, snapshot)
        else:
            log.append(note(EventKind.NOTE_RESTARTED, index, 0, b"%040d" % index))


def fill(run: RunDir, count: int) -> None:
    with writer(run) as log:
        append(run, log, count)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = run_dir.create_at(tmp_path_factory.mktemp("made") / "run")
    fill(run, RECORDS)
    return run


@pytest.fixture
def run(made: RunDir, tmp_path: Path) -> RunDir:
    return RunDir(Path(shutil.copytree(made.path, tmp_path / "run")), made.run_id)


def numbers(run: RunDir) -> list[int]:
    return segment_numbers(run.journal, JOURNAL_STEM)


def head(run: RunDir, to: Path | None = None) -> tuple[int, str]:
    verdict = judge(run, archive=to)
    assert verdict.ok, verdict.problem or verdict.report
    return verdict.report.records, verdict.report.head_hash


def test_what_no_restart_needs_goes_and_comes_back(run: RunDir, tmp_path: Path) -> None:
    to, before = tmp_path / "archive", head(run)
    files = {path.name: path.read_bytes() for path in run.journal.glob("journal-*.log")}
    outcome = archive(run, to, keep=1)
    assert len(outcome.segments) > 3
    assert numbers(run) == [number for number in range(len(files)) if number not in outcome.segments]
    assert head(run) == head(run, to) == before
    # The oldest of the three snapshots that are kept is of 199 records: it, and what follows, can be restarted from.
    assert next(read_log(run.journal, JOURNAL_STEM, 199)).seq == 199
    assert 100 < outcome.records <= 199
    with pytest.raises(LogError, match=r"are archived in .*journal restore"):
        next(read_log(run.journal, JOURNAL_STEM, 0))
    fill(run, 3)
    assert archive(run, to, keep=1).segments == (), "nothing more may go yet"
    assert restore_segments(run, to) == len(outcome.segments)
    assert read_archived(run.journal) is None
    for name, content in files.items():
        assert (run.journal / name).read_bytes() == content
    assert [record.seq for record in read_log(run.journal, JOURNAL_STEM)] == list(range(RECORDS + 3))


def test_it_goes_on_where_it_stopped(run: RunDir, tmp_path: Path) -> None:
    to = tmp_path / "archive"
    first = archive(run, to, keep=1)
    fill(run, 200)
    second = archive(run, to, keep=1)
    assert second.segments[0] == first.segments[-1] + 1
    manifest = archives.read_manifest(to / run.run_id, run.run_id)
    assert [each.number for each in manifest] == [*first.segments, *second.segments]
    for one, two in itertools.pairwise(manifest):
        assert (one.next_index, one.head_hash) == (two.first_index, two.previous_hash)
    head(run, to)
    with pytest.raises(UserError, match="name that archive"):
        archive(run, tmp_path / "another")


def test_what_is_in_use_or_kept_or_needed_stays(run: RunDir, tmp_path: Path) -> None:
    to, count = tmp_path / "archive", len(numbers(run))
    assert archive(run, to, keep=count).segments == ()
    assert len(archive(run, to, keep=count - 2, dry_run=True).segments) == 2
    assert not to.exists(), "a dry run writes nothing"
    (run.journal / "readers").mkdir()
    (run.journal / "readers" / "journal.follower").write_text("1\n")
    outcome = archive(run, to, keep=1, dry_run=True)
    assert outcome.segments == (0,) and "needs segment 1" in outcome.kept_because
    (run.journal / "readers" / "journal.follower").unlink()
    for path in run.journal.glob("snapshot-*"):
        path.unlink()
    outcome = archive(run, to, keep=1)
    assert outcome.segments == () and "there is no snapshot" in outcome.kept_because


def test_a_snapshot_that_the_journal_does_not_know_protects_nothing(run: RunDir, tmp_path: Path) -> None:
    for path in run.journal.glob("snapshot-*"):
        path.unlink()
    write_snapshot(run.journal, Snapshot(249, b"another state"))
    assert "there is no snapshot" in archive(run, tmp_path / "archive", keep=1).kept_because


def test_a_live_writer_is_not_disturbed(run: RunDir, tmp_path: Path) -> None:
    to = tmp_path / "archive"
    with writer(run) as log:
        append(run, log, 150)
        assert log.wait_durable(10_000)
        outcome = archive(run, to, keep=1)
        assert outcome.segments and log.segment not in outcome.segments
        append(run, log, 150)
    assert head(run, to)[0] == RECORDS + 300
    fill(run, 1)
    assert head(run, to)[0] == RECORDS + 301


def test_a_damaged_journal_is_not_archived(run: RunDir, tmp_path: Path, capsys: Capture) -> None:
    path = segment_path(run.journal, JOURNAL_STEM, 1)
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)
    assert main(["journal", "archive", str(run.path), "--to", str(tmp_path / "archive")]) == 2
    assert "damaged at record" in capsys.readouterr().err
    assert not (tmp_path / "archive").exists()


# ---- damage on either side ----


def damage_file(to: Path, run: RunDir) -> str:
    path = to / run.run_id / "journal-00000002.log.gz"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    return "archived segment 2"


def lose_file(to: Path, run: RunDir) -> str:
    (to / run.run_id / "journal-00000001.log.gz").unlink()
    return "archived segment 1"


def lose_manifest(to: Path, run: RunDir) -> str:
    (to / run.run_id / "manifest.json").unlink()
    return "segment 0 is not in the archive"


def forge(to: Path, run: RunDir) -> str:
    """Another content under a manifest that agrees with it."""
    folder = to / run.run_id
    path = folder / "journal-00000001.log.gz"
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[170] ^= 1
    path.write_bytes(gzip.compress(raw))
    document = json.loads((folder / "manifest.json").read_text())
    document["segments"][1]["sha256"] = hashlib.sha256(raw).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(document))
    return "archived segment 1, record"


@pytest.mark.parametrize("harm", [damage_file, lose_file, lose_manifest, forge])
def test_damage_in_the_archive_is_named(
    run: RunDir, tmp_path: Path, harm: Callable[[Path, RunDir], str], capsys: Capture
) -> None:
    to = tmp_path / "archive"
    archive(run, to, keep=1)
    words = harm(to, run)
    verdict = judge(run, archive=to)
    assert not verdict.ok and words in verdict.problem
    assert judge(run).ok, "what is here is whole"
    if harm is not forge:
        before = numbers(run)
        with pytest.raises(UserError, match=r"is not in the archive|damaged there"):
            restore_segments(run, to)
        assert set(before) <= set(numbers(run))
        assert judge(run).ok
    else:
        assert main(["journal", "restore", str(run.path), "--from", str(to)]) == 2
        assert "damaged at record" in capsys.readouterr().err


def test_a_journal_that_does_not_follow_on_the_archive_does_not_open(run: RunDir, tmp_path: Path) -> None:
    archive(run, tmp_path / "archive", keep=1)
    last = numbers(run)[0]
    segment_path(run.journal, JOURNAL_STEM, last).unlink()
    with pytest.raises(LogError, match="is missing"):
        writer(run)
    assert not judge(run).ok
    (run.journal / "archived.json").unlink()
    with pytest.raises(LogDamaged):
        writer(run)


@pytest.mark.parametrize("change", [{"head_hash": "ab" * 32}, {"records": 3}])
def test_a_forged_marker_is_found(run: RunDir, tmp_path: Path, change: dict[str, Any]) -> None:
    archive(run, tmp_path / "archive", keep=1)
    marker = run.journal / "archived.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | change))
    with pytest.raises(LogError, match="does not follow"):
        writer(run)
    for text in ("{}", "[]", "x", json.dumps(json.loads(marker.read_text()) | {"records": "3"})):
        marker.write_text(text)
        with pytest.raises(LogError, match=r"archived\.json"):
            writer(run)


def test_what_was_kept_elsewhere_reaches_into_the_archive(run: RunDir, tmp_path: Path) -> None:
    to, asked = tmp_path / "archive", 20
    archive(run, to, keep=1)
    whole = judge(run, archive=to, kept=witness([f"{asked}:{'0' * 64}"], []))
    assert "expected hash" in whole.problem
    assert "name the archive" in judge(run, kept=witness([f"{asked}:{'0' * 64}"], [])).problem


# ---- interrupted anywhere ----


class Stop(BaseException):
    """As Ctrl-C."""


STEPS = ["_compress", "_write_manifest", "write_atomically", "sync_folder", "_holds"]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize("before", [True, False])
def test_stopped_at_any_step_nothing_is_lost(
    run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, after: int, before: bool
) -> None:
    to, whole, real, calls = tmp_path / "archive", head(run), getattr(archives, name), 0

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after + 1 and before:
            raise Stop
        answer = real(*arguments, **named)
        if calls == after + 1:
            raise Stop
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(archives, name, stopping)
        with pytest.raises(Stop):
            archive(run, to, keep=1)
    assert list(to.rglob("*.tmp")) == []
    assert head(run) == whole
    fill(run, 1)  # a restart in between
    archive(run, to, keep=1)
    assert head(run, to)[0] == RECORDS + 1
    restore_segments(run, to)
    assert [record.seq for record in read_log(run.journal, JOURNAL_STEM)] == list(range(RECORDS + 1))


@pytest.mark.parametrize("taken", range(1, 4))
def test_stopped_while_segments_are_taken_away(run: RunDir, tmp_path: Path, taken: int) -> None:
    to = tmp_path / "archive"
    spare = Path(shutil.copytree(run.journal, tmp_path / "spare"))
    outcome = archive(run, to, keep=1)
    for number in outcome.segments[taken:]:  # not all had gone
        shutil.copy(segment_path(spare, JOURNAL_STEM, number), run.journal)
    assert head(run) == head(run, to)
    fill(run, 1)
    assert archive(run, to, keep=1).segments == outcome.segments[taken:]
    head(run, to)
    restore_segments(run, to)
    assert numbers(run)[0] == 0 and read_archived(run.journal) is None


def test_killed_at_any_moment(made: RunDir, tmp_path: Path) -> None:
    """SIGKILL while it archives; each time the journal is whole, and another try ends the work."""
    unfinished = 0
    for number in range(8):
        run = RunDir(Path(shutil.copytree(made.path, tmp_path / f"run{number}")), made.run_id)
        to = tmp_path / f"archive{number}"
        command = [
            sys.executable,
            "-m",
            "engine.cli",
            "journal",
            "archive",
            "--keep",
            "1",
            "--to",
            str(to),
            str(run.path),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path) as child:
            give_up = time.monotonic() + 30
            while not to.exists() and child.poll() is None and time.monotonic() < give_up:
                os.sched_yield()
            until = time.perf_counter() + number * 0.006
            while time.perf_counter() < until:
                pass
            child.send_signal(signal.SIGKILL)
        unfinished += read_archived(run.journal) is None
        assert head(run)[0] == RECORDS
        archive(run, to, keep=1)
        assert head(run, to)[0] == RECORDS
        assert not list(to.rglob("*.tmp"))
    assert unfinished, "not one was killed in the middle"


def test_two_archivers_do_not_meet(run: RunDir, tmp_path: Path) -> None:
    folder = tmp_path / "archive" / run.run_id
    folder.mkdir(parents=True)
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(UserError, match="another process is at work"):
            archive(run, tmp_path / "archive", keep=1)
    finally:
        os.close(held)


def test_an_archive_that_cannot_be_written_loses_nothing(
    run: RunDir, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["journal", "archive", str(run.path), "--to", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert head(run)[0] == RECORDS


def test_the_commands(run: RunDir, tmp_path: Path, capsys: Capture) -> None:
    to = ["--to", str(tmp_path / "archive")]
    assert main(["journal", "archive", str(run.path), *to, "--keep", "1", "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["dry_run"] and planned["archived_bytes"] == 0
    assert main(["journal", "archive", str(run.path), *to, "--keep", "1"]) == 0
    assert f"archived: {len(planned['segments'])} segments" in capsys.readouterr().out
    assert main(["journal", "verify", str(run.path)]) == 0
    assert "not looked at: name it with --archive" in capsys.readouterr().out
    assert main(["journal", "verify", str(run.path), "--archive", str(tmp_path / "archive")]) == 0
    assert "verified, too" in capsys.readouterr().out
    assert main(["journal", "show", str(run.path), "--limit", "1"]) == 0
    told = capsys.readouterr()
    assert "are archived in" in told.err and told.out.split()[0] == str(planned["records"])
    for command in ("orders", "fills"):
        assert main([command, str(run.path)]) == 2
        assert "penstock journal restore" in capsys.readouterr().err
    (run.path / "tape").mkdir()
    assert main(["replay", str(run.path)]) == 2
    assert "penstock journal restore" in capsys.readouterr().err
    assert main(["journal", "restore", str(run.path), "--from", str(tmp_path / "archive")]) == 0
    assert f"whole: {RECORDS} records" in capsys.readouterr().out
    assert main(["journal", "show", str(run.path), "--limit", "1"]) == 0
    assert capsys.readouterr().err == ""
