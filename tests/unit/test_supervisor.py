"""The supervisor with tiny real children: started, restarted, stopped and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from engine import run_dir, supervisor
from engine.children import how_it_ended
from engine.config import ConfigError, load, parse
from engine.console.status import Status
from engine.run_dir import RunDir, RunDirError
from engine.supervisor import StartError, Supervisor, venue_arguments, venue_module, venue_settings

pytestmark = pytest.mark.xdist_group("supervisor")

Children = Callable[..., None]
CONFIG = parse('symbols = ["BTCUSDT"]\n')
ALONE = parse('symbols = ["BTCUSDT"]\n[venue]\nembedded = false\n')


class Seen:
    """A view that keeps what it was shown."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.statuses: list[Status] = []
        self.closed = False

    def show(self, status: Status | None, note: str) -> None:
        if status is not None:
            self.statuses.append(status)
        if not self.notes or self.notes[-1] != note:
            self.notes.append(note)

    def close(self) -> None:
        self.closed = True


def supervise(
    tmp_path: Path, *, embedded: bool = False, seconds: float | None = None, **options: float
) -> Supervisor:
    config = CONFIG if embedded else ALONE
    place = run_dir.create(tmp_path / "runs")
    place.write_config(config)
    return Supervisor(
        config,
        place,
        Seen(),
        seconds,
        core_module="tiny_core",
        venue_module="tiny_venue",
        backoff_s=0.01,
        **options,
    )


def starts(place: RunDir) -> list[str]:
    return (place.path / "starts").read_text().splitlines()


def test_a_run_ends_by_itself_with_its_summary(tmp_path: Path, children: Children) -> None:
    children("finish(fills=3)")
    engine = supervise(tmp_path, seconds=5)
    result = engine.run()
    assert (result.exit_code, result.restarts, result.reason) == (0, 0, "ended")
    assert result.summary == {"mode": "paper", "starts": 1, "fills": 3}
    assert "--for 5.000" in starts(engine.run_dir)[0]
    assert f"--config {engine.run_dir.config_file}" in starts(engine.run_dir)[0]
    assert load(engine.run_dir.config_file) == ALONE
    assert engine.view.closed


def test_the_venue_is_started_first_and_its_addresses_passed_on(tmp_path: Path, children: Children) -> None:
    children(
        """
from engine.run_dir import open_at, adapter_options
from engine.config import load, read_secret
run = open_at(run_dir)
options = adapter_options(load(run.config_file), run)
finish(options=options, key=read_secret(options, "api_key").get_secret_value())
"""
    )
    engine = supervise(tmp_path, embedded=True)
    result = engine.run()
    assert result.exit_code == 0
    assert result.summary is not None
    assert result.summary["options"]["rest_url"] == "http://127.0.0.1:1"
    assert result.summary["options"]["ws_url"] == "ws://127.0.0.1:1/ws"
    assert f"key {result.summary['key']}" in (engine.run_dir.path / "venue.out").read_text()
    assert [path.name for path in engine.run_dir.path.glob("*.toml")] == ["config.toml"]
    assert not engine.run_dir.venue_file.exists()
    with pytest.raises(ConfigError, match="addresses cannot be read"):
        run_dir.adapter_options(CONFIG, engine.run_dir)
    assert "--market seeded --seed 1 --symbols BTCUSDT" in (engine.run_dir.path / "venue.out").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_and_the_core_ends_well(
    tmp_path: Path, children: Children, number: signal.Signals
) -> None:
    children(f"os.kill(os.getppid(), {int(number)}); wait_for_stop(); finish(stopped=True)")
    handler = signal.getsignal(number)
    engine = supervise(tmp_path)
    result = engine.run()
    assert result.exit_code == 0
    assert result.summary is not None
    assert result.summary["stopped"]
    assert signal.getsignal(number) is handler
    assert any(note.startswith("stopping on SIG") for note in engine.view.notes)
    assert engine.view.statuses


def test_a_stop_while_the_core_still_loads_is_no_failure(tmp_path: Path, children: Children) -> None:
    children(
        "signal.signal(signal.SIGINT, signal.SIG_DFL); os.kill(os.getppid(), signal.SIGINT)\n"
        "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT]); signal.pause()"
    )
    result = supervise(tmp_path).run()
    assert (result.exit_code, result.reason) == (130, "stopped before the core began")


def test_a_run_that_is_in_use_keeps_its_summary(tmp_path: Path) -> None:
    engine = supervise(tmp_path)
    engine.run_dir.summary_file.write_text("{}")
    with engine.run_dir.locked(), pytest.raises(RunDirError, match="in use"):
        engine.run()
    assert engine.run_dir.summary_file.exists()


def test_a_crashed_core_is_restarted_with_the_time_that_is_left(tmp_path: Path, children: Children) -> None:
    children("os.kill(os.getpid(), signal.SIGKILL) if start < 3 else finish()")
    engine = supervise(tmp_path, seconds=30)
    result = engine.run()
    assert (result.exit_code, result.restarts) == (0, 2)
    assert float(starts(engine.run_dir)[2].rpartition(" ")[2]) < 30
    assert any("restart 2" in note for note in engine.view.notes)


def test_a_core_that_keeps_crashing_is_given_up(
    tmp_path: Path, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "MAX_RESTARTS", 1)
    children("print('the reason', flush=True); raise SystemExit(7)")
    engine = supervise(tmp_path)
    result = engine.run()
    assert (result.exit_code, result.restarts, result.summary) == (1, 1, None)
    assert "exit code 7 too often" in result.reason
    assert "the reason" in result.reason
    assert str(engine.run_dir.path) in result.reason


def test_a_stop_during_the_backoff_ends_the_run(tmp_path: Path, children: Children) -> None:
    children(
        "os.kill(os.getppid(), signal.SIGTERM) if start == 9 else None; os.kill(os.getpid(), signal.SIGKILL)"
    )
    engine = supervise(tmp_path)
    engine.backoff_s = 30

    class Stops(Seen):
        def show(self, status: Status | None, note: str) -> None:
            super().show(status, note)
            if "restart 1" in note:
                os.kill(os.getpid(), signal.SIGTERM)

    engine.view = Stops()
    result = engine.run()
    assert result.exit_code == 1
    assert "stopped before it was restarted" in result.reason


def test_a_core_that_refuses_to_start_is_not_restarted(tmp_path: Path, children: Children) -> None:
    children("print('penstock: bad key', flush=True); raise SystemExit(2)")
    with pytest.raises(StartError, match="bad key"):
        supervise(tmp_path).run()


def test_a_core_that_does_not_stop_is_killed(tmp_path: Path, children: Children) -> None:
    children("os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)")
    result = supervise(tmp_path, stop_deadline_s=0.2).run()
    assert result.exit_code == 1
    assert "SIGKILL" in result.reason


def test_a_second_signal_kills_at_once(tmp_path: Path, children: Children) -> None:
    children(
        "os.kill(os.getppid(), signal.SIGTERM); wait_for_stop(); os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    )
    result = supervise(tmp_path, stop_deadline_s=30).run()
    assert result.exit_code == 1
    assert "SIGKILL" in result.reason


def test_a_core_that_forgets_the_time_is_stopped(tmp_path: Path, children: Children) -> None:
    children("wait_for_stop(); finish(told=True)")
    result = supervise(tmp_path, seconds=0.1, stop_deadline_s=0.2).run()
    assert result.exit_code == 0
    assert result.summary is not None
    assert result.summary["told"]


def test_a_core_without_a_summary_did_not_end_well(tmp_path: Path, children: Children) -> None:
    children("raise SystemExit(0)")
    result = supervise(tmp_path).run()
    assert (result.exit_code, result.reason) == (1, "the core ended without a summary")


def test_a_summary_that_is_none_is_not_taken(tmp_path: Path, children: Children) -> None:
    children("(run_dir / 'summary.json').write_text('[1'); raise SystemExit(0)")
    assert supervise(tmp_path).run().summary is None


def test_a_venue_that_does_not_start_is_said(tmp_path: Path, children: Children) -> None:
    children("finish()", venue="broken")
    with pytest.raises(StartError, match="no such symbol"):
        supervise(tmp_path, embedded=True).run()


def test_a_venue_that_dies_ends_the_run(tmp_path: Path, children: Children) -> None:
    children("wait_for_stop(); finish()", venue="dies")
    result = supervise(tmp_path, embedded=True).run()
    assert result.exit_code == 1
    assert "the local venue died" in result.reason


def test_children_end_with_their_supervisor(tmp_path: Path, children: Children) -> None:
    children("wait_for_stop(); finish()")
    place = run_dir.create(tmp_path / "runs")
    place.write_config(CONFIG)
    script = f"""
from engine import run_dir
from engine.config import load
from engine.console.view import NoView
from engine.supervisor import Supervisor
place = run_dir.open_at({str(place.path)!r})
class View(NoView):
    def show(self, status, note):
        if status is not None:
            print("up", status.pid, engine._venue.pid, flush=True)
engine = Supervisor(load(place.config_file), place, View(), core_module="tiny_core", venue_module="tiny_venue")
engine.run()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        _, core_pid, venue_pid = parent.stdout.readline().split()
        assert place.is_active
        watched = [psutil.Process(int(pid)) for pid in (core_pid, venue_pid)]
        parent.kill()
    assert not psutil.wait_procs(watched, timeout=20)[1]


def test_one_supervisor_per_run(tmp_path: Path, children: Children) -> None:
    children("finish()")
    engine = supervise(tmp_path)
    with engine.run_dir.locked():
        assert engine.run_dir.is_active
        with pytest.raises(RunDirError, match="in use"):
            engine.run()
    assert not engine.run_dir.is_active


def test_run_directories_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="no run directory"):
        run_dir.open_at(tmp_path)
    for content in ("{", "[]", '{"run_id": 5}', '{"run_id": "short"}', '{"run_id": "ABCDEFGHIJKL"}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(RunDirError, match="run\\.json"):
            run_dir.open_at(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RunDirError, match="cannot be made"):
        run_dir.create_at(tmp_path / "file" / "run")


def test_the_newest_active_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match="no run is going on"):
        run_dir.newest_active(tmp_path)
    old = run_dir.create_at(tmp_path / "20250101T000000Z-old")
    new = run_dir.create_at(tmp_path / "20260101T000000Z-new")
    run_dir.create_at(tmp_path / "20270101T000000Z-ended")
    with old.locked(), new.locked():
        assert run_dir.newest_active(tmp_path) == new


def test_a_restart_keeps_its_config(tmp_path: Path) -> None:
    place = run_dir.create(tmp_path)
    assert len(place.run_id) == 12
    assert place.path.name.endswith(place.run_id)
    place.write_config(CONFIG)
    place.write_config(ALONE)
    assert not place.is_restart
    place.journal.mkdir()
    (place.journal / "000000.log").touch()
    assert place.is_restart
    place.write_config(ALONE)
    with pytest.raises(RunDirError, match="another config"):
        place.write_config(CONFIG)
    assert place.tape.name == "tape"
    assert run_dir.open_at(place.path) == place


def test_adapter_options_without_an_embedded_venue_are_the_configs(tmp_path: Path) -> None:
    config = parse('symbols = ["BTCUSDT"]\n[venue]\nembedded = false\n[adapter]\nrest_url = "http://x"\n')
    assert run_dir.adapter_options(config, run_dir.create(tmp_path)) == {"rest_url": "http://x"}


def test_a_venues_config_becomes_its_arguments() -> None:
    config = parse(
        'symbols = ["BTCUSDT", "ETHUSDT"]\n[venue]\nmarket = "recorded"\nspeed = 2.5\ndata = "/data"\n'
    )
    arguments = " ".join(venue_arguments(config))
    assert "--symbols BTCUSDT,ETHUSDT" in arguments
    assert "--speed 2.5" in arguments
    assert "--data /data" in arguments


def test_a_venues_faults_and_account_become_its_settings() -> None:
    config = parse(
        'symbols = ["BTCUSDT"]\n[venue.faults]\ngap = 0.01\nlost_ack = { count = 1, at_s = 5.0 }\n'
        '[venue.options]\nprivate_push_delay_ms = 5\naccounts = [{ balances = { USDT = "500" } }]\n'
    )
    assert venue_settings(config, "k", "s") == {
        "private_push_delay_ms": 5,
        "accounts": [{"balances": {"USDT": "500"}, "api_key": "k", "secret": "s"}],
        "faults": [{"name": "gap", "probability": 0.01}, {"name": "lost_ack", "count": 1, "at_s": 5.0}],
    }


def test_an_unknown_adapter_is_said() -> None:
    with pytest.raises(StartError, match="no adapter 'nasdaq'"):
        venue_module("nasdaq")


def test_endings_in_words() -> None:
    assert how_it_ended(-9) == "was killed by SIGKILL"
    assert how_it_ended(-120) == "was killed by signal 120"
    assert how_it_ended(3) == "ended with exit code 3"
