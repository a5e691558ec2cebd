"""The doctor: each finding has its level and its remedy."""

from __future__ import annotations

import ctypes
import socket
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from engine import doctor
from engine.doctor import Finding, exit_code


def levels(findings: Iterator[Finding]) -> list[str]:
    found = list(findings)
    assert all(item.remedy or item.level != "failure" for item in found), "a failure has a remedy"
    return [item.level for item in found]


def test_an_examination_covers_everything(tmp_path: Path) -> None:
    findings = doctor.examine(None, tmp_path)
    checks = {finding.check for finding in findings}
    assert checks == {
        "python",
        "compiler",
        "engine",
        "kernels",
        "processor",
        "clock",
        "disk",
        "ports",
        "files",
    }


def test_exit_codes() -> None:
    fine, warning, failure = Finding("a", "ok", ""), Finding("a", "warning", ""), Finding("a", "failure", "")
    assert exit_code([fine]) == 0
    assert exit_code([fine, warning]) == 1
    assert exit_code([warning, failure]) == 2


@pytest.mark.parametrize(
    ("version", "platform", "level"),
    [((3, 11), "linux", "ok"), ((3, 13), "linux", "ok"), ((3, 10), "linux", "failure"), ((3, 14), "linux", "failure"),
     ((3, 12), "darwin", "failure")],
)  # fmt: skip
def test_python(version: tuple[int, int], platform: str, level: str) -> None:
    assert levels(doctor.check_python(version, platform)) == [level]


def test_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/cc")
    assert levels(doctor.check_compiler()) == ["ok"]
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    assert levels(doctor.check_compiler()) == ["warning"]


@pytest.mark.parametrize(
    ("owners", "level"),
    [(["penstock"], "ok"), ([], "warning"), (["other"], "warning"), (["penstock", "other"], "failure")],
)
def test_ours(monkeypatch: pytest.MonkeyPatch, owners: list[str], level: str) -> None:
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"engine": owners})
    monkeypatch.setattr(metadata, "version", lambda name: "0.1.0")
    assert levels(doctor.check_ours()) == [level]


def test_kernels() -> None:
    assert levels(doctor.check_kernels(["json"])) == ["ok"]
    assert levels(doctor.check_kernels(["native.not_built"])) == ["failure"]
    assert levels(doctor.check_kernels([])) == ["failure"]
    assert "native.hashing" in doctor.kernel_names()


def test_processor() -> None:
    assert levels(doctor.check_processor(frozenset({"avx"}))) == ["failure"]
    assert levels(doctor.check_processor(frozenset())) == ["warning"]


@pytest.mark.usefixtures("plugins")
def test_config(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('symbols = ["BTCUSDT"]\n[[strategy]]\nname = "maker"\n')
    assert levels(doctor.check_config(None)) == []
    assert levels(doctor.check_config(file)) == ["ok"]
    file.write_text('symbols = ["BTCUSDT"]\n[adapter]\nname = "nasdaq"\n[[strategy]]\nname = "taker"\n')
    assert levels(doctor.check_config(file)) == ["failure", "failure"]
    file.write_text("symbols = []\nrnu = 1\n")
    assert levels(doctor.check_config(file)) == ["failure", "failure"]


@pytest.mark.parametrize(("state", "level"), [((0, 500), "ok"), ((5, 0), "warning"), (None, "warning")])
def test_clock(monkeypatch: pytest.MonkeyPatch, state: tuple[int, int] | None, level: str) -> None:
    monkeypatch.setattr(doctor, "_adjtimex", lambda: state)
    monkeypatch.setattr(doctor, "MAX_STEP_MS", float("inf"))
    assert levels(doctor.check_clock()) == [level]


def test_the_kernel_is_asked_about_the_clock() -> None:
    state = doctor._adjtimex()
    assert state is None or 0 <= state[0] <= 5
    assert ctypes.sizeof(ctypes.c_long) == 8


def test_a_clock_that_is_set_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0, 10**9])
    monkeypatch.setattr(doctor, "_adjtimex", lambda: (0, 1))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks))
    assert levels(doctor.check_clock()) == ["warning", "ok"]


@pytest.mark.parametrize(("free", "level"), [(1 << 20, "failure"), (1 << 30, "warning"), (1 << 40, "ok")])
def test_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: type("Usage", (), {"free": free}))
    monkeypatch.setattr(doctor, "sync_ms", lambda place: 0.5)
    assert levels(doctor.check_disk(tmp_path / "not" / "there" / "yet")) == [level, "ok"]


def test_disk_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.sync_ms(tmp_path) > 0
    monkeypatch.setattr(doctor, "sync_ms", lambda place: 50.0)
    assert levels(doctor.check_disk(tmp_path))[-1] == "warning"

    def refuse(place: Path) -> float:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor, "sync_ms", refuse)
    assert levels(doctor.check_disk(tmp_path))[-1] == "failure"


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert levels(doctor.check_disk(tmp_path / "file")) == ["failure"]


def test_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(doctor.check_ports()) == ["ok"]

    def refuse(*arguments: object) -> socket.socket:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(doctor.socket, "create_server", refuse)
    assert levels(doctor.check_ports()) == ["failure"]


def test_files() -> None:
    assert levels(doctor.check_files(64)) == ["warning"]
    assert levels(doctor.check_files(4096)) == ["ok"]
