"""A signed journal of a real core: through kills and restarts, old segments in the archive, and back to the last byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from engine.core.enums import EventKind
from engine.journal.archive import archive, restore_segments
from engine.journal.checkpoints import FILE_NAME, read_checkpoints
from engine.journal.keys import make_keys, public_key
from engine.journal.records import JOURNAL_STEM, read_log
from engine.journal.verification import judge, witness
from engine.replay import replay
from engine.run_dir import RunDir
from native.log_reader import segment_numbers
from tests.e2e.live_run import CoreProcess, VenueProcess, config_text, folded, make_run

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(240)]

SIGNED = "snapshot_interval_s = 1\ncheckpoint_interval_s = 1\n"


def signed_run(folder: Path, venue: VenueProcess) -> RunDir:
    make_keys(folder / "journal.key", folder / "journal.pub")
    key = f'checkpoint_key_file = "{folder / "journal.key"}"\n'
    return make_run(folder / "run", config_text(venue).replace("snapshot_interval_s = 1\n", SIGNED + key, 1))


def trade(venue: VenueProcess, place: RunDir) -> CoreProcess:
    """A session that has traded and taken a snapshot of its own."""
    core = venue.core(place)
    before = core.wait_until(lambda status: status.gate.approved > 0 and status.health == "ok")
    newest = max(place.journal.glob("snapshot-*.bin"), default=Path())
    core.wait_until(lambda status: status.gate.approved > before.gate.approved)
    core.wait_until(lambda _: max(place.journal.glob("snapshot-*.bin"), default=Path()) != newest)
    return core


def test_a_signed_journal_through_a_kill(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = signed_run(tmp_path, venue)
        public = [public_key(tmp_path / "journal.pub")]
        core = trade(venue, place)
        core.wait_until(lambda _: len(read_checkpoints(place.journal).checkpoints) >= 2)
        live = judge(place, public)
        assert live.ok and 0 < live.signed_records <= live.report.records
        core.kill()
        killed = judge(place, public)
        assert killed.ok and killed.signed_records >= live.signed_records
        older = shutil.copytree(place.path, tmp_path / "older", ignore=shutil.ignore_patterns("*.sock"))
        core = trade(venue, place)
        assert core.end() == 0, core.output()

    verdict = judge(place, public)
    assert verdict.ok
    assert verdict.signed_records == verdict.report.records, "the last checkpoint covers the seal"
    assert verdict.newest is not None
    summary = json.loads(place.summary_file.read_text())
    result = replay(place.path)
    assert result.divergence is None and result.durable_equal
    assert (result.durable_hash, result.actions_hash) == (summary["durable_hash"], summary["actions_hash"])

    # The key is nowhere but in its file.
    secret = (tmp_path / "journal.key").read_bytes().splitlines()[1]
    files = [path for path in place.path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not [path for path in files if secret in path.read_bytes()]

    # The copy from before the restart is whole and signed; what was kept elsewhere tells.
    (tmp_path / "kept").write_bytes(verdict.newest.line)
    yesterday = RunDir(older, place.run_id)
    assert judge(yesterday, public).ok
    assert not judge(yesterday, public, kept=witness([], [tmp_path / "kept"])).ok
    # With today's checkpoints, the core does not go on from it either.
    shutil.copy(place.journal / FILE_NAME, yesterday.journal / FILE_NAME)
    assert "truncated" in judge(yesterday, public).problem
    refused = CoreProcess(yesterday)
    assert refused.wait() == 2
    assert "cut, or replaced by an older copy" in refused.output()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with VenueProcess(tmp_path) as venue:
        place = signed_run(tmp_path, venue)
        (tmp_path / "journal.key").chmod(0o644)
        core = venue.core(place)
        assert core.wait() == 2
        assert "mode 0644, not 0600" in core.output()
        assert not place.journal.exists()


def test_archived_segments_are_not_missed(tmp_path: Path) -> None:
    to = tmp_path / "archive"
    with VenueProcess(tmp_path) as venue:
        place = signed_run(tmp_path, venue)
        public = [public_key(tmp_path / "journal.pub")]
        for _ in range(5):  # each session begins a segment
            trade(venue, place).kill()
        core = trade(venue, place)
        before = core.wait_until(lambda status: status.health == "ok")
        outcome = archive(place, to, keep=1)
        assert len(outcome.segments) >= 2
        core.wait_until(lambda status: status.gate.approved > before.gate.approved)
        core.kill()
        assert segment_numbers(place.journal, JOURNAL_STEM)[0] == len(outcome.segments)
        core = trade(venue, place)
        assert core.end() == 0, core.output()

    assert judge(place, public).ok
    verdict = judge(place, public, archive=to)
    assert verdict.ok and verdict.archive_read
    assert verdict.signed_records == verdict.report.records
    assert restore_segments(place, to) == len(outcome.segments)
    restarts = [
        json.loads(record.body)["durable_hash"]
        for record in read_log(place.journal, JOURNAL_STEM)
        if record.kind == EventKind.NOTE_RESTARTED
    ]
    assert len(restarts) == 6
    summary = json.loads(place.summary_file.read_text())
    assert folded(place).durable_hash() == summary["durable_hash"]
    result = replay(place.path)
    assert result.divergence is None and result.sessions == 7
    assert result.durable_hash == summary["durable_hash"]
