"""Real orders need both switches, and a paper run's orders never leave this machine."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from adapters.mexc import MexcAdapter, MexcConfig
from engine import cli, run_dir
from engine.config import Config, parse
from engine.config_models import LIVE_LIMITS
from engine.doctor import Finding
from engine.live import LiveRefused, check_destination, check_switches
from engine.run_dir import RunDirError
from engine.supervisor import StartError, Supervisor

pytestmark = pytest.mark.xdist_group("supervisor")

LIMITS = "[risk]\n" + "".join(f"{name} = 5\n" for name in LIVE_LIMITS)
LIVE_TEXT = f'mode = "live"\nsymbols = ["BTCUSDT"]\n[venue]\nembedded = false\n{LIMITS}'
LIVE = parse(LIVE_TEXT)
PAPER = parse('symbols = ["BTCUSDT"]\n')
KEYS: dict[str, Any] = {"api_key_env": "A_KEY", "api_secret_env": "A_SECRET"}


def test_both_switches_or_neither() -> None:
    check_switches(LIVE, True)
    check_switches(PAPER, False)
    with pytest.raises(LiveRefused, match="Add --live"):
        check_switches(LIVE, False)
    with pytest.raises(LiveRefused, match='Set mode = "live"'):
        check_switches(PAPER, True)


def test_either_switch_alone_starts_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paper, live = tmp_path / "paper.toml", tmp_path / "live.toml"
    paper.write_text('symbols = ["BTCUSDT"]\n')
    live.write_text(LIVE_TEXT)
    place = tmp_path / "run"
    assert cli.main(["run", "--config", str(live), "--run-dir", str(place)]) == 2
    assert "Add --live" in capsys.readouterr().err
    assert cli.main(["run", "--config", str(paper), "--run-dir", str(place), "--live"]) == 2
    assert 'Set mode = "live"' in capsys.readouterr().err
    assert not place.exists()
    # A restart of a live run needs it again.
    run_dir.create_at(place).write_config(LIVE)
    assert cli.main(["run", "--run-dir", str(place)]) == 2
    assert "Add --live" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "destination"),
    [
        ({}, "nowhere"),
        (KEYS, "away"),
        (KEYS | {"rest_url": "http://127.0.0.1:8000"}, "here"),
        (KEYS | {"rest_url": "https://localhost:8000"}, "here"),
        (KEYS | {"rest_url": "http://[::1]:8000"}, "here"),
        (KEYS | {"rest_url": "https://127.0.0.1.example.com"}, "away"),
        (KEYS | {"rest_url": "https://10.0.0.1"}, "away"),
        ({"api_key_file": "a", "api_secret_file": "b"}, "away"),
    ],
)
def test_where_orders_go(settings: dict[str, Any], destination: str) -> None:
    assert MexcAdapter(MexcConfig(**settings), run_id="abcdef012345").destination == destination


def test_paper_stays_here_and_live_leaves() -> None:
    check_destination(PAPER, "nowhere")
    check_destination(PAPER, "here")
    check_destination(LIVE, "here")
    check_destination(LIVE, "away")
    with pytest.raises(LiveRefused, match="another machine"):
        check_destination(PAPER, "away")
    with pytest.raises(LiveRefused, match="no order would leave"):
        check_destination(LIVE, "nowhere")


class AdapterSettings(BaseModel):
    """No keys."""


class Examined:
    """An adapter whose examination finds what the test says."""

    config_type = AdapterSettings
    findings: ClassVar[list[Finding]] = []
    asked: ClassVar[list[tuple[tuple[str, ...], int]]] = []
    closed = 0

    def __init__(self, settings: AdapterSettings, *, run_id: str, seed: int) -> None:
        self.run_id = run_id

    async def examine(self, symbols: Sequence[str], max_clock_skew_ms: int) -> list[Finding]:
        self.asked.append((tuple(symbols), max_clock_skew_ms))
        return self.findings

    async def close(self) -> None:
        type(self).closed += 1


class Unexaminable:
    """An adapter that has no examination."""

    config_type = AdapterSettings

    def __init__(self, settings: AdapterSettings, *, run_id: str, seed: int) -> None:
        self.run_id = run_id


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Callable[[type], None]:
    """Install a class as the adapter mexc."""

    def install(kind: type) -> None:
        module = types.ModuleType("someones_adapter")
        vars(module).update(Kind=kind)
        monkeypatch.setitem(__import__("sys").modules, "someones_adapter", module)
        points = metadata.EntryPoints(
            [metadata.EntryPoint("mexc", "someones_adapter:Kind", "penstock.adapters")]
        )
        monkeypatch.setattr(metadata, "entry_points", lambda **wanted: points.select(**wanted))

    return install


class Shown:
    """A view that shows nothing and knows whether the terminal was given back."""

    closed = False

    def show(self, status: Any, note: str) -> None:
        """Nothing."""

    def close(self) -> None:
        self.closed = True


def supervise(tmp_path: Path, config: Config = LIVE, *, live: bool = True) -> Supervisor:
    place = run_dir.create(tmp_path / "runs")
    place.write_config(config)
    return Supervisor(config, place, Shown(), 5, live, core_module="tiny_core", backoff_s=0.01)


def test_a_live_run_starts_after_an_examination(
    tmp_path: Path,
    children: Callable[..., None],
    adapter: Callable[[type], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    children("finish()")
    adapter(Examined)
    Examined.findings = [
        Finding("key", "ok", "fine"),
        Finding("key", "warning", "expires in 9 days", "Renew it."),
    ]
    Examined.asked.clear()
    supervisor = supervise(tmp_path)
    with caplog.at_level(logging.WARNING, "penstock.supervisor"):
        assert supervisor.run().exit_code == 0
    assert Examined.asked == [(("BTCUSDT",), 1000)]
    assert Examined.closed
    assert "expires in 9 days" in caplog.text
    (started,) = (supervisor.run_dir.path / "starts").read_text().splitlines()
    assert "--live" in started


def test_a_core_that_crashed_is_restarted_live_and_without_another_examination(
    tmp_path: Path, children: Callable[..., None], adapter: Callable[[type], None]
) -> None:
    children("finish() if start > 1 else os._exit(3)")
    adapter(Examined)
    Examined.findings = []
    Examined.asked.clear()
    supervisor = supervise(tmp_path)
    assert supervisor.run().restarts == 1
    assert len(Examined.asked) == 1
    assert all("--live" in each for each in (supervisor.run_dir.path / "starts").read_text().splitlines())


def test_a_failure_refuses_the_run_with_its_remedy(
    tmp_path: Path, children: Callable[..., None], adapter: Callable[[type], None]
) -> None:
    children("finish()")
    adapter(Examined)
    Examined.findings = [
        Finding("key", "failure", "the key may withdraw", "Make a key without it."),
        Finding("symbols", "failure", "BTCUSDT: hidden", "Take it out."),
    ]
    supervisor = supervise(tmp_path)
    with pytest.raises(StartError, match=r"the key may withdraw\n    → Make a key without it\.\n.*hidden"):
        supervisor.run()
    assert not (supervisor.run_dir.path / "starts").exists()
    assert supervisor.view.closed  # type: ignore[attr-defined]
    assert not supervisor.run_dir.is_active


def test_a_run_that_goes_on_is_looked_after_whatever_became_of_its_symbols(
    tmp_path: Path, children: Callable[..., None], adapter: Callable[[type], None]
) -> None:
    children("finish()")
    adapter(Examined)
    Examined.findings = [Finding("symbols", "failure", "BTCUSDT: hidden", "Take it out.")]
    supervisor = supervise(tmp_path)
    supervisor.run_dir.journal.mkdir()
    (supervisor.run_dir.journal / "journal-00000000.log").touch()
    assert supervisor.run().exit_code == 0


def test_an_adapter_without_an_examination_does_not_go_live(
    tmp_path: Path, children: Callable[..., None], adapter: Callable[[type], None]
) -> None:
    children("finish()")
    adapter(Unexaminable)
    with pytest.raises(StartError, match="cannot examine its venue"):
        supervise(tmp_path).run()


def test_paper_is_not_examined(
    tmp_path: Path, children: Callable[..., None], adapter: Callable[[type], None]
) -> None:
    children("finish()")
    adapter(Examined)
    Examined.asked.clear()
    config = parse('symbols = ["BTCUSDT"]\n[venue]\nembedded = false\n')
    assert supervise(tmp_path, config, live=False).run().exit_code == 0
    assert not Examined.asked


def test_a_run_keeps_its_mode(tmp_path: Path) -> None:
    place = run_dir.create_at(tmp_path / "run")
    place.write_config(LIVE)
    place.journal.mkdir()
    (place.journal / "journal-00000000.log").touch()
    with pytest.raises(RunDirError, match="another config"):
        place.write_config(PAPER)


def test_doctor_with_a_venue(
    tmp_path: Path, adapter: Callable[[type], None], capsys: pytest.CaptureFixture[str]
) -> None:
    adapter(Examined)
    Examined.findings = [Finding("key", "failure", "the key has expired", "Make a new one.")]
    file = tmp_path / "live.toml"
    file.write_text(LIVE_TEXT)
    options = ["doctor", "--run-dir", str(tmp_path)]
    assert cli.main([*options, "--venue", "mexc", "--config", str(file)]) == 2
    assert "→ Make a new one." in capsys.readouterr().out
    assert cli.main([*options, "--venue", "mexc"]) == 2
    assert "--venue needs --config" in capsys.readouterr().err
    assert cli.main([*options, "--venue", "other", "--config", str(file)]) == 2
    assert "is mexc, not other" in capsys.readouterr().err
    file.write_text('symbols = ["BTCUSDT"]\n')
    assert cli.main([*options, "--venue", "mexc", "--config", str(file)]) == 2
    assert "embeds its local venue" in capsys.readouterr().out
