"""What cannot be replayed is refused with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.replay import ReplayError, replay
from native.log_reader import segment_path
from native.log_writer import LogWriter


@pytest.mark.parametrize("missing", ["journal", "tape"])
def test_a_run_that_never_began_is_refused(tmp_path: Path, missing: str) -> None:
    for folder in {"journal", "tape"} - {missing}:
        (tmp_path / folder).mkdir()
    with pytest.raises(ReplayError, match=f"no {missing}"):
        replay(tmp_path)


def test_a_tape_that_was_cut_to_its_budget_is_refused(tmp_path: Path) -> None:
    for folder in ("journal", "tape"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tape" / "tape-00000003.log").touch()
    with pytest.raises(ReplayError, match="cut to its budget: 3 segments"):
        replay(tmp_path)


def test_a_run_that_lost_records_to_a_power_failure_is_to_be_started_first(tmp_path: Path) -> None:
    live, place = tmp_path / "live", tmp_path / "run"
    live.mkdir()
    place.mkdir()
    (place / "tape").mkdir()
    with LogWriter(live, stem="journal", run_id="abc123def456", chained=True, sync=True) as log:
        log.append(b"one")
        assert log.wait_durable(10_000)
        shutil.copytree(live, place / "journal")
    path = segment_path(place / "journal", "journal", 0)
    path.write_bytes(bytes(4096))
    with pytest.raises(ReplayError, match="start the run again"):
        replay(place)
