"""What cannot be replayed is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.replay import ReplayError, replay


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
