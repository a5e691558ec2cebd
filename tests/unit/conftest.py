"""What the tests of the shell share: tiny real children that stand in for core and venue."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from engine import Strategy

INHERITED = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]

VENUE = """
import json, signal, sys, tomllib
behaviour = {behaviour!r}
if behaviour == "broken":
    print("no such symbol")
    raise SystemExit(2)
facts = {{"rest_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:1/ws"}}
with open(sys.argv[sys.argv.index("--config") + 1], "rb") as file:
    settings = tomllib.load(file)
print(json.dumps(facts), flush=True)
print("key", settings["accounts"][0]["api_key"], flush=True)
print(*sys.argv[1:], flush=True)
if behaviour == "dies":
    signal.sigtimedwait([], 0.2)
    raise SystemExit(3)
signal.pause()
"""

CORE_HEAD = """
import json, os, signal, sys, time
from pathlib import Path
from engine.console.status import Status, encode
from engine.console.status_page import StatusPage

run_dir = Path(sys.argv[sys.argv.index("--run-dir") + 1])
starts = run_dir / "starts"
with starts.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
start = len(starts.read_text().splitlines())

def publish(text="ok"):
    with StatusPage.create(run_dir) as page:
        page.write(encode(Status(run_id="abcdefghijkl", mode="paper", ts_ns=time.time_ns(), pid=os.getpid())))

def finish(**facts):
    (run_dir / "summary.json").write_text(json.dumps({{"mode": "paper", "starts": start, **facts}}))
    raise SystemExit(0)

def wait_for_stop():
    signal.sigwait([signal.SIGINT, signal.SIGTERM])

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
publish()
"""


class AdapterSettings(BaseModel):
    """An adapter's own keys."""

    model_config = ConfigDict(extra="forbid")
    channel_ms: int = Field(default=10, le=100)


class Adapter:
    """An adapter, as far as a config is concerned."""

    config_type = AdapterSettings


class Maker(Strategy):
    """A strategy, as far as a config is concerned."""

    def __init__(self, *, spread_bps: int = 5) -> None:
        if spread_bps <= 0:
            raise ValueError("spread_bps must be above zero")
        self.spread_bps = spread_bps

    def check_limits(self, risk: Mapping[str, Any]) -> None:
        """A half spread must fit into the collar."""
        if self.spread_bps > risk["price_collar_bps"]:
            raise ValueError(f"spread_bps = {self.spread_bps} is over risk.price_collar_bps: raise the limit")


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the adapter mexc and strategies are installed: maker; absent, which cannot be loaded; function, which is none."""
    module = types.ModuleType("someones_plugins")
    vars(module).update(Adapter=Adapter, Maker=Maker, Function=len)
    monkeypatch.setitem(sys.modules, "someones_plugins", module)
    points = metadata.EntryPoints(
        [
            metadata.EntryPoint("mexc", "someones_plugins:Adapter", "penstock.adapters"),
            metadata.EntryPoint("maker", "someones_plugins:Maker", "penstock.strategies"),
            metadata.EntryPoint("absent", "someones_plugins:Absent", "penstock.strategies"),
            metadata.EntryPoint("function", "someones_plugins:Function", "penstock.strategies"),
        ]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda **wanted: points.select(**wanted))


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the modules tiny_core and tiny_venue; call it with the core's body and the venue's behaviour."""

    def make(core: str, venue: str = "lasting") -> None:
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / "tiny_core.py").write_text(CORE_HEAD.format() + core)
        (folder / "tiny_venue.py").write_text(VENUE.format(behaviour=venue))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *INHERITED]))

    return make
