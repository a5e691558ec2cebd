"""The tutorial's package, as a user would have it: installed on its own, found by name, run, replayed."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine import InstrumentSpec, OrderType, Side, Strategy
from engine.config import load, resolve
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import EventKind, OrderReport
from engine.journal.records import parse, read_log, split

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "rebound"
MONEY = 10**20
MS = 1_000_000
SPEC = InstrumentSpec(
    symbol="BTCUSDT", base="BTC", quote="USDT", price_decimals=2, size_decimals=6, tradable=True, sides=3,
    order_types=sum(1 << kind for kind in OrderType), tick_step=1, lot_step=1, min_lots=1, max_lots=10**12,
    band_up_ppm=0, band_down_ppm=0, maker_fee_ppm=0, taker_fee_ppm=500, min_notional=MONEY,
    max_notional=10**6 * MONEY, source=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the example was built and installed into."""
    source = tmp_path_factory.mktemp("source") / "rebound"
    target = tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    done = subprocess.run([*command, "--target", target, source], capture_output=True, text=True, cwd=target)
    assert done.returncode == 0, done.stderr
    return target


def penstock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    command = [sys.executable, "-c", "from engine.cli import main; main()", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env=dict(os.environ) | {"PYTHONPATH": path},
        timeout=90,
    )


def test_it_runs_and_replays(installed: Path, tmp_path: Path) -> None:
    run_dir, summary = tmp_path / "run", tmp_path / "summary.json"
    arguments = ["--for", "4", "--no-view", "--run-dir", str(run_dir), "--summary", str(summary)]
    ran = penstock(installed, "run", "--config", str(EXAMPLE / "rebound.toml"), *arguments)
    assert ran.returncode == 0, ran.stderr
    facts = json.loads(summary.read_text())
    assert facts["unknown_orders"] == 0
    proposed = {EventKind.PLACE, EventKind.DENIED}
    by_strategy = {
        int.from_bytes(record.raw[26:28], "little")
        for record in read_log(run_dir / "journal", "journal")
        if record.kind in proposed
    }
    assert by_strategy == {0, 1}
    replayed = penstock(installed, "replay", str(run_dir))
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


class Bench:
    """One strategy in one core, fed by hand."""

    def __init__(self, strategy: Strategy) -> None:
        self.core = Engine()
        self.now_ns = 10**18
        self.seq = 0
        config = load(EXAMPLE / "rebound.toml")
        self.take(event.start("abcdefghijkl", 0, False, 1))
        self.take(event.config(json.dumps(resolve(config)).encode()))
        self.take(event.instrument(SPEC))
        self.core.attach(strategy, "rebound", ["BTCUSDT"])
        self.take(event.feed(1, True))
        self.take(event.snapshot(0, 1, [(6_000_100, 10**6)], [(6_000_000, 10**6)], source=1))
        self.take(event.balance("USDT", 10_000 * MONEY, 0, True))
        self.take(event.reconciled())

    def take(self, what: bytes, after_ms: int = 1) -> list[tuple[int, bytes]]:
        """Feed one event; the (kind, record) of what came of it."""
        self.seq += 1
        self.now_ns += after_ms * MS
        outputs = split(self.core.process_bytes(event.stamped(what, self.seq, self.now_ns)))
        return [(parse(raw).kind, raw) for raw in outputs]

    def trade(self, price_ticks: int) -> list[tuple[int, bytes]]:
        return self.take(event.trades(0, [(price_ticks, 1000, Side.SELL, 0)], source=1))

    def fill(self, order_no: int, side: Side, price_ticks: int, size_lots: int) -> list[tuple[int, bytes]]:
        done = event.order_update(order_no, OrderReport.FILLED, instrument=0, cumulative_lots=size_lots)
        money = price_ticks * size_lots * 10**12
        filled = event.fill(
            order_no, instrument=0, side=side, price_ticks=price_ticks, size_lots=size_lots, money=money, fee=0,
            fee_asset="USDT", is_maker=False, trade_id=f"t{order_no}",
        )  # fmt: skip
        return self.take(filled) + self.take(done)

    def story(self) -> list[tuple[int, bytes]]:
        """A fall, a purchase, the sale, a fall again while the feed is down."""
        records = self.trade(6_001_000) + self.trade(6_000_000)
        order = self.core.order(1)
        records += self.fill(1, Side.BUY, 6_000_100, order.size_lots)
        records += self.take(event.timer(0, 0, self.now_ns), after_ms=500)
        records += self.fill(2, Side.SELL, 6_000_000, order.size_lots)
        records += self.take(event.feed(1, False)) + self.trade(5_000_000)
        return records


def variant(installed: Path, monkeypatch: pytest.MonkeyPatch, module: str) -> type[Strategy]:
    monkeypatch.syspath_prepend(str(installed))
    found: type[Strategy] = importlib.import_module(f"rebound.{module}").Rebound
    return found


@pytest.mark.parametrize("module", ["strategy", "compiled"])
def test_it_buys_sells_and_takes_a_denial(
    installed: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    bench = Bench(variant(installed, monkeypatch, module)(notional="50", drop_bps=1))
    kinds = [kind for kind, _ in bench.story()]
    assert kinds.count(EventKind.PLACE) == 2
    assert kinds.count(EventKind.DENIED) == 1
    assert bench.core.counts()["denied"] == {"FEED_DOWN": 1}
    assert bench.core.position_lots(0) == 0


def test_both_variants_decide_the_same(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Bench(variant(installed, monkeypatch, "strategy")(drop_bps=1)).story()
    compiled = Bench(variant(installed, monkeypatch, "compiled")(drop_bps=1)).story()
    assert plain == compiled


def test_parameters_are_checked(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("strategy", "compiled"):
        with pytest.raises(ValueError, match="must be positive"):
            variant(installed, monkeypatch, module)(drop_bps=0)
