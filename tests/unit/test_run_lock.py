"""The run directory's lock: one holder, a clear error, and no lock left by the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.journal.lock import LockHeld, RunLock, boot_id

HOLD = """
import sys
from pathlib import Path
from engine.journal.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(LockHeld, match=f"process {os.getpid()}") as caught:
        RunLock(tmp_path)
    assert caught.value.pid == os.getpid()


def test_released_it_is_free_again(tmp_path: Path) -> None:
    first = RunLock(tmp_path)
    first.release()
    first.release()
    second = RunLock(tmp_path)
    assert second.taken_over_from is None
    second.release()


def test_the_lock_of_a_killed_process_is_free_and_says_whose_it_was(tmp_path: Path) -> None:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(LockHeld) as caught:
        RunLock(tmp_path)
    assert caught.value.pid == child.pid
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with RunLock(tmp_path) as lock:
        assert lock.taken_over_from == child.pid


def test_a_process_id_of_another_boot_is_not_named(tmp_path: Path) -> None:
    with RunLock(tmp_path) as lock:
        lock.path.write_text("4711 00000000-0000-0000-0000-000000000000\n")
        with pytest.raises(LockHeld, match="another process") as caught:
            RunLock(tmp_path)
    assert caught.value.pid is None


def test_the_boot_id_may_be_unknown(tmp_path: Path) -> None:
    assert boot_id(tmp_path / "absent") == "unknown"
    assert boot_id()
