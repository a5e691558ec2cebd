"""The real recording through the local venue's protobuf frames: the core's books are the recording's own."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.core.engine import Engine
from engine.core.enums import Side
from engine.journal.records import read_run
from engine.replay import Replay, adapter_of
from engine.run_dir import RunDir
from tests.e2e.live_run import VenueProcess, make_run

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(120)]

FILES = {"BTCUSDT": "spot_btcusdt_20240808.gz", "ETHUSDT": "spot_ethusdt_20240808.gz"}
SPEED = 20

CONFIG = """
symbols = ["BTCUSDT", "ETHUSDT"]
[adapter]
rest_url = "{rest}"
ws_url = "{ws}"
api_key_env = "PENSTOCK_E2E_KEY"
api_secret_env = "PENSTOCK_E2E_SECRET"
[venue]
embedded = false
[[strategy]]
name = "market_maker"
params = {{ half_spread_ppm = 5, tolerance_ticks = 10 }}
"""


def recorded_book(path: Path, version: int) -> dict[str, dict[str, str]]:
    """The recording's book as of a version, by its own rule: snapshot, then every later delta."""
    sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    known = None
    waiting: list[dict[str, Any]] = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            document = json.loads(line.split(" ", 1)[1])
            if "lastUpdateId" in document:
                known = document["lastUpdateId"]
                sides = {"b": dict(document["bids"]), "a": dict(document["asks"])}
            elif "depth" in document["stream"]:
                waiting.append(document["data"])
            while known is not None and waiting:
                delta = waiting.pop(0)
                if delta["u"] > version:
                    return sides
                if delta["u"] > known:
                    for name in ("b", "a"):
                        sides[name].update(delta[name])
    return sides


def core_levels(core: Engine, instrument: int, side: Side) -> list[tuple[int, int]]:
    return core.book(instrument).levels(side, 100_000)


def known_levels(core: Engine, instrument: int, side: Side, levels: dict[str, str]) -> list[tuple[int, int]]:
    """The recording's levels where the core's snapshot reached: beyond, the core says unknown and not empty."""
    spec, book = core.spec(instrument), core.book(instrument)
    found = [(spec.ticks(price), spec.lots(size)) for price, size in levels.items()]
    return sorted(
        (level for level in found if level[1] and book.knows(side, level[0])), reverse=side is Side.BUY
    )


def run_recording(tmp_path: Path, data_dir: Path) -> RunDir:
    with VenueProcess(
        tmp_path, "--market", "recorded", "--data", str(data_dir), "--speed", str(SPEED)
    ) as venue:
        place = make_run(tmp_path / "run", CONFIG.format(rest=venue.rest_url, ws=venue.facts["ws_url"]))
        assert venue.core(place, seconds=8).wait() == 0
    return place


def test_the_books_are_the_recordings(tmp_path: Path, data_dir: Path) -> None:
    place = run_recording(tmp_path, data_dir)
    summary = json.loads(place.summary_file.read_text())
    assert summary["fills"] > 0
    assert "FEED_LAGGING" not in summary["denied"], "ts_event is years back and the offset must take that"
    one = Replay(adapter_of(place.path))
    one.run(read_run(place.path))
    assert one.divergence is None
    core = one.core
    for instrument, file in enumerate(FILES.values()):
        book = core.book(instrument)
        assert book.resyncs >= 1
        assert book.holes == book.damages == 0
        expected = recorded_book(data_dir / "market" / file, book.version)
        for side, name in ((Side.BUY, "b"), (Side.SELL, "a")):
            known = [level for level in core_levels(core, instrument, side) if book.knows(side, level[0])]
            assert known == known_levels(core, instrument, side, expected[name])
            assert len(known) > 500
