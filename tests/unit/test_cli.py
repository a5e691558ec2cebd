"""The command line: help with examples, JSON facts, stable exit codes, no tracebacks for users' mistakes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import types
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import typer

from engine import cli, run_dir
from engine.commands import replay as replay_command
from engine.commands.run import prepare
from engine.console.halt_flag import HaltFlag
from engine.console.status import Status, encode
from engine.console.status_page import StatusPage
from engine.control import Reply, Request
from engine.control_server import ControlServer
from engine.run_dir import RunDir
from native.log_writer import LogWriter

pytestmark = pytest.mark.xdist_group("supervisor")

CONFIG = 'symbols = ["BTCUSDT"]\n[venue]\nembedded = false\n'
ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    ["run"], ["replay"], ["doctor"], ["status"], ["halt"], ["resume"], ["cancel-all"], ["reduce-only"], ["bench"],
    ["config", "check"], ["journal", "show"], ["journal", "verify"], ["listings"], ["orders"], ["fills"], ["positions"],
    ["flatten"],
]  # fmt: skip
Capture = pytest.CaptureFixture[str]


def penstock(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def place(tmp_path: Path) -> RunDir:
    return run_dir.create(tmp_path / "runs")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str], capsys: Capture) -> None:
    assert penstock(*command, "--help") == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert f"penstock {' '.join(command)}" in text


def test_commands_are_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for command in COMMANDS:
        assert f"penstock {' '.join(command)}" in page


def test_version_and_no_arguments(capsys: Capture) -> None:
    assert penstock("--version") == 0
    assert capsys.readouterr().out.startswith("penstock ")
    assert penstock() in (0, 2)
    assert "Commands" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    script = "import sys; from engine import cli; cli.main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    loaded = set(done.stderr.split())
    assert not loaded & {
        "pydantic",
        "msgspec",
        "aiohttp",
        "uvloop",
        "picows",
        "rich.live",
        "engine.supervisor",
    }


@pytest.mark.parametrize(
    "arguments", [["fly"], ["run", "--nonsense"], ["config", "check"], ["run", "--for", "-1"]]
)
def test_wrong_usage_is_2(arguments: list[str], capsys: Capture) -> None:
    assert penstock(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_interrupts_are_quiet(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupted() -> typer.Typer:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build", interrupted)
    assert penstock("status") == 130
    assert capsys.readouterr().err == ""


def points(monkeypatch: pytest.MonkeyPatch, **commands: object) -> None:
    module = types.ModuleType("someones_commands")
    vars(module).update(commands)
    monkeypatch.setitem(sys.modules, "someones_commands", module)
    found = metadata.EntryPoints(
        [
            metadata.EntryPoint(name, f"someones_commands:{name}", "penstock.commands")
            for name in [*commands, "absent", "run"]
        ]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda group: found)


def test_commands_of_other_packages_are_mounted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def single(name: str, loud: bool = False) -> None:
        """Greet."""
        typer.echo(f"hello {name}{'!' if loud else ''}")
        raise typer.Exit(1)

    several = typer.Typer()
    several.command("one")(lambda: typer.echo("one"))
    several.command("two")(lambda: typer.echo("two"))
    points(monkeypatch, single=single, several=several)
    assert penstock("single", "you", "--loud") == 1
    assert capsys.readouterr().out == "hello you!\n"
    assert penstock("single", "--help") == 0
    assert "Greet." in capsys.readouterr().out
    assert penstock("several", "two") == 0
    assert capsys.readouterr().out == "two\n"
    assert penstock("absent") == 2
    assert "cannot be loaded" in capsys.readouterr().err
    assert penstock("run", "--help") == 0
    assert "Run the engine" in capsys.readouterr().out


@pytest.mark.usefixtures("plugins")
def test_config_check(config: Path, tmp_path: Path, capsys: Capture) -> None:
    assert penstock("config", "check", config) == 0
    assert "is good" in capsys.readouterr().out
    assert penstock("config", "check", config, "--show") == 0
    assert 'max_order_notional = "1000"' in capsys.readouterr().out
    assert penstock("config", "check", config, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"]
    config.write_text(CONFIG + "[risk]\nmax_order_notinal = 5\n")
    assert penstock("config", "check", config) == 2
    assert "Did you mean max_order_notional?" in capsys.readouterr().err
    assert penstock("config", "check", config, "--json") == 2
    assert json.loads(capsys.readouterr().out)["problems"][0]["path"] == "risk.max_order_notinal"
    assert penstock("config", "check", tmp_path / "absent.toml") == 2


SUMMARY = (
    "finish(run_dir=str(run_dir), fills=3, denied={'PRICE_COLLAR': 2}, feeds={'market': 'up'},"
    " alerts=[{'time': '12:00:00', 'level': 'warning', 'text': 'low disk'}],"
    " journal={'records': 9}, latency_us={'gate': {'p50': 0.2}})"
)


def test_run_ends_with_a_summary(
    config: Path,
    tmp_path: Path,
    children: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    children(SUMMARY)
    monkeypatch.setenv("PENSTOCK_CORE_MODULE", "tiny_core")
    place, summary = tmp_path / "place", tmp_path / "summary.json"
    assert penstock("run", "--config", config, "--run-dir", place, "--for", 5, "--summary", summary) == 0
    text = capsys.readouterr().out
    for word in (
        "fills",
        "denied: PRICE_COLLAR",
        "feeds: market",
        "journal: records",
        "latency gate, µs",
        "low disk",
    ):
        assert word in text
    assert json.loads(summary.read_text())["fills"] == 3
    assert penstock("run", "--run-dir", place, "--json") == 0
    assert json.loads(capsys.readouterr().out)["starts"] == 2


def test_a_run_that_crashed_says_so(
    config: Path,
    tmp_path: Path,
    children: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.setenv("PENSTOCK_CORE_MODULE", "tiny_core")
    monkeypatch.setattr("engine.supervisor.BACKOFF_S", 0.01)
    children("os.kill(os.getppid(), signal.SIGTERM); wait_for_stop(); raise SystemExit(5)")
    assert penstock("run", "--config", config, "--run-dir", tmp_path / "place", "--no-view") == 1
    assert "exit code 5" in capsys.readouterr().err
    children("print('penstock: no such key', flush=True); raise SystemExit(2)")
    assert penstock("run", "--run-dir", tmp_path / "place") == 2
    assert "no such key" in capsys.readouterr().err


def test_run_needs_a_config(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert penstock("run") == 2
    assert "--config configs/demo.toml" in capsys.readouterr().err
    (tmp_path / "config.toml").write_text(CONFIG)
    settings, place = prepare(tmp_path / "config.toml", None)
    assert place.path.parent == tmp_path / "runs"
    again, same = prepare(None, place.path)
    assert (again, same) == (settings, place)


@pytest.mark.parametrize("command", ["status", "halt", "resume", "cancel-all", "reduce-only"])
def test_no_run_is_said(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert penstock(command) == 2
    assert "no run is going on" in capsys.readouterr().err
    assert penstock(command, "--run-dir", tmp_path) == 2
    assert "no run directory" in capsys.readouterr().err


def test_status(place: RunDir, capsys: Capture) -> None:
    assert penstock("status", "--run-dir", place.path) == 2
    with StatusPage.create(place.path) as page:
        assert penstock("status", "--run-dir", place.path) == 2
        assert "no status yet" in capsys.readouterr().err
        page.write(encode(Status(run_id=place.run_id, mode="paper", ts_ns=time.time_ns(), seq=42)))
        assert penstock("status", "--run-dir", place.path) == 0
        assert "seq 42" in capsys.readouterr().out
        assert penstock("status", "--run-dir", place.path, "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["seq"], document["active"]) == (42, False)
        page.write(encode(Status(run_id=place.run_id, mode="paper", ts_ns=time.time_ns(), halted=True)))
        assert penstock("status", "--run-dir", place.path) == 1
        page.write(b"rubbish")
        assert penstock("status", "--run-dir", place.path) == 2


def test_status_in_a_terminal(place: RunDir, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with StatusPage.create(place.path) as page:
        page.write(encode(Status(run_id=place.run_id, mode="paper", ts_ns=time.time_ns())))
    assert penstock("status", "--run-dir", place.path) == 0
    assert "Positions" in capsys.readouterr().out


def serve(place: RunDir, talk: Callable[[], None], ok: bool = True) -> None:
    async def handler(request: Request) -> Reply:
        return Reply(request.id, ok, "" if ok else "not now", seq=9)

    async def main() -> None:
        server = ControlServer(place.path, handler)
        await server.start()
        try:
            await asyncio.to_thread(talk)
        finally:
            await server.close()

    asyncio.run(main())


@pytest.mark.parametrize("command", ["halt", "resume", "cancel-all", "reduce-only"])
def test_commands_to_the_core(command: str, place: RunDir, capsys: Capture) -> None:
    codes: list[int] = []
    serve(place, lambda: codes.append(penstock(command, "--run-dir", place.path)))
    assert codes == [0]
    assert capsys.readouterr().out == f"{command}: done, journaled as 9\n"
    serve(place, lambda: codes.append(penstock(command, "--run-dir", place.path, "--json")), ok=False)
    assert codes == [0, 1]
    assert json.loads(capsys.readouterr().out)["text"] == "not now"
    with HaltFlag(place.path) as flag:
        assert flag.is_set is (command == "halt")


def test_halt_works_without_an_answer(place: RunDir, capsys: Capture) -> None:
    assert penstock("halt", "--run-dir", place.path) == 1
    assert "the halt flag is set" in capsys.readouterr().err
    with HaltFlag(place.path) as flag:
        assert flag.is_set
    assert penstock("halt", "--run-dir", place.path, "--json") == 1
    assert json.loads(capsys.readouterr().out)["flag"]
    assert penstock("resume", "--run-dir", place.path) == 2


@dataclasses.dataclass(frozen=True)
class Divergence:
    seq: int
    recorded: dict[str, object] | None
    replayed: dict[str, object] | None


@dataclasses.dataclass(frozen=True)
class Replayed:
    equal: bool
    divergence: Divergence | None = None
    actions: int = 1234
    actions_hash: str = "ab12"


def test_replay(place: RunDir, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [Replayed(True), *[Replayed(False, Divergence(77, {"kind": "PLACE", "order_no": 3}, None))] * 2]

    def replay(path: Path, progress: Callable[[int], None] | None) -> Replayed:
        assert path == place.path
        return results.pop(0)

    monkeypatch.setitem(sys.modules, "engine.replay", types.SimpleNamespace(replay=replay))
    assert penstock("replay", place.path) == 0
    assert capsys.readouterr().out == "equal, 1,234 actions, hash ab12\n"
    assert penstock("replay", place.path) == 1
    text = capsys.readouterr().out
    for word in ("at sequence number 77", "recorded: kind=PLACE  order_no=3", "replayed: nothing"):
        assert word in text
    assert penstock("replay", place.path, "--json") == 1
    assert json.loads(capsys.readouterr().out)["divergence"]["seq"] == 77
    assert penstock("replay", place.path / "absent") == 2


def test_replay_tells_a_terminal_how_far_it_is(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert replay_command.progress() is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = iter([0.0, 0.5, 1.5, 1.5, 1.6])
    tell = replay_command.progress(lambda: next(clock))
    assert tell is not None
    for events in (10, 2000, 3000):
        tell(events)
    assert capsys.readouterr().err == "replayed 2,000 events\n"


@pytest.mark.usefixtures("plugins")
def test_doctor(config: Path, tmp_path: Path, capsys: Capture) -> None:
    code = penstock("doctor", "--run-dir", tmp_path)
    assert code in (0, 1, 2)
    assert "python" in capsys.readouterr().out
    assert penstock("doctor", "--run-dir", tmp_path, "--json") == code
    assert json.loads(capsys.readouterr().out)["exit_code"] == code
    config.write_text("symbols = []")
    assert penstock("doctor", "--config", config, "--run-dir", tmp_path) == 2


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<QqqHHiII", 7, 0, 0, kind, 0, -1, len(body), 0) + body


def log(place: RunDir) -> LogWriter:
    return LogWriter(
        place.journal, stem="journal", run_id=place.run_id, chained=True, sync=True, segment_bytes=1 << 20
    )


@pytest.fixture
def journal(place: RunDir, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    def describe(raw: bytes) -> dict[str, object]:
        return {"seq": 7, "kind": {35: "COMMAND", 64: "PLACE"}[raw[24]], "bytes": len(raw)}

    monkeypatch.setitem(sys.modules, "engine.core.describe", types.SimpleNamespace(describe=describe))
    place.journal.mkdir()
    with log(place) as writer:
        for entry in (record(35, b"halt"), record(64, b"one"), record(64, b"two")):
            writer.append(entry)
    return place


def test_journal_show(journal: RunDir, capsys: Capture) -> None:
    assert penstock("journal", "show", journal.path) == 0
    assert [row.split()[2] for row in capsys.readouterr().out.splitlines()] == ["COMMAND", "PLACE", "PLACE"]
    assert penstock("journal", "show", journal.path, "--kind", "place", "--limit", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "PLACE"
    assert penstock("journal", "show", journal.path, "--from", "1") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_record_that_is_cut_is_said(journal: RunDir, capsys: Capture) -> None:
    with log(journal) as writer:
        writer.append(record(64, b"four")[:-1])
    assert penstock("journal", "show", journal.path) == 2
    text = capsys.readouterr()
    assert len(text.out.splitlines()) == 3
    assert "where its header says" in text.err


def test_journal_verify(journal: RunDir, capsys: Capture) -> None:
    assert penstock("journal", "verify", journal.path) == 0
    assert "whole: 3 records" in capsys.readouterr().out
    (segment,) = journal.journal.glob("journal-*.log")
    segment.write_bytes(segment.read_bytes().replace(b"halt", b"hald"))
    assert penstock("journal", "verify", journal.path) == 1
    assert "changed" in capsys.readouterr().out
    assert penstock("journal", "verify", journal.path, "--json") == 1
    assert not json.loads(capsys.readouterr().out)["ok"]


def test_a_journal_to_be_recovered_first_is_said(journal: RunDir, tmp_path: Path, capsys: Capture) -> None:
    with log(journal) as writer:
        writer.append(record(64, b"four"))
        assert writer.wait_durable(10_000)
        killed = RunDir(Path(shutil.copytree(journal.path, tmp_path / "killed")), journal.run_id)
    assert penstock("journal", "show", killed.path) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert penstock("journal", "verify", killed.path) == 0
    assert "whole: 4 records" in capsys.readouterr().out
    segment = killed.journal / "journal-00000001.log"
    segment.write_bytes(bytes(segment.stat().st_size))  # the power failed: none of its pages reached the disk
    for command in ("show", "verify"):
        assert penstock("journal", command, killed.path) == 2
        assert "start the run again" in capsys.readouterr().err


def test_a_run_without_a_journal_is_said(
    place: RunDir, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "engine.core.describe", types.SimpleNamespace(describe=None))
    for command in ("show", "verify"):
        assert penstock("journal", command, place.path) == 2
        assert "cannot be read" in capsys.readouterr().err
    assert os.listdir(place.path) == ["run.json"]
