"""What stands twice, in compiled code and in Python, says the same twice."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from enum import IntEnum
from pathlib import Path

import pytest

from engine.core import enums, event
from engine.core.instrument import InstrumentSpec
from engine.core.risk import limits
from engine.core.risk.reasons import CHECKS, Reason, table

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "engine" / "core"


def compiled_enum(path: Path, name: str = "") -> dict[str, int]:
    """The members of a `cdef enum` block; of the anonymous one without a name."""
    text = path.read_text()
    block = re.search(rf"cdef enum ?{name}:\n((?:(?:    .*)?\n)+)", text)
    assert block is not None, f"no enum {name!r} in {path.name}"
    return {key: int(value) for key, value in re.findall(r"^    (\w+) = (\d+)", block[1], re.MULTILINE)}


PREFIXES = {
    "EventKind": ("EVENT_", "ACTION_", "NOTE_"),
    "Side": ("SIDE_",),
    "OrderType": ("ORDER_",),
    "OrderReport": ("REPORT_",),
    "CommandKind": ("COMMAND_",),
    "ListingSource": ("LISTING_",),
    "ListingChange": ("LISTING_",),
    "Tradable": ("TRADABLE_",),
    "HealthField": ("HEALTH_",),
    "IntentState": (),
    "BookTrust": ("TRUST_",),
    "BreakerKind": ("BREAKER_",),
}


@pytest.mark.parametrize("name", PREFIXES)
def test_python_enum_equals_the_compiled_one(name: str) -> None:
    path = CORE / ("state/state.pxd" if name in ("IntentState", "BookTrust", "BreakerKind") else "event.pxd")
    found = {}
    for key, value in compiled_enum(path, name).items():
        bare = next((key[len(each) :] for each in PREFIXES[name] if key.startswith(each)), key)
        found[bare if name != "EventKind" or not key.startswith("NOTE_") else key] = value
    found.pop("COUNT", None)
    python: type[IntEnum] = getattr(enums, name)
    assert found == {member.name: member.value for member in python}


def test_every_python_enum_is_compared() -> None:
    kinds = {
        name for name, kind in vars(enums).items() if inspect.isclass(kind) and issubclass(kind, IntEnum)
    }
    assert kinds - {"IntEnum"} == set(PREFIXES)


def test_reasons_equal_the_compiled_codes() -> None:
    assert compiled_enum(CORE / "risk/reason_codes.pxd") == {reason.name: reason.value for reason in Reason}


def test_every_reason_is_explained_in_the_order_of_the_codes() -> None:
    assert list(CHECKS) == list(Reason)
    assert all(check.text.endswith(".") and check.group and check.limit for check in CHECKS.values())


def test_the_page_of_checks_is_current() -> None:
    page = (ROOT / "docs" / "risk-checks.md").read_text()
    assert page == table(), "run: make docs"


SPEC = InstrumentSpec("AAAUSDT", "AAA", "USDT", 2, 3)
BODIES = {
    "feed": (event.feed(0, True), 8),
    "timer": (event.timer(1, 2, 3), 16),
    "health": (event.health(1, 1), 16),
    "start": (event.start("r", 0, False, 0), 32),
    "instrument": (event.instrument(SPEC), 200),
    "listing": (event.listing(1, 1), 288),
    "command": (event.command(1), 56),
    "order_update": (event.order_update(1, 1), 152),
    "fill": (
        event.fill(
            1, instrument=0, side=1, price_ticks=1, size_lots=1, money=1, fee=0, fee_asset="", is_maker=False,
            trade_id="t",
        ),
        136,
    ),
    "balance": (event.balance("A", 0, 0, True), 56),
    "malformed": (event.malformed(0, 0, 0, False), 8),
    "empty book": (event.delta(0, 1, 1, [], []), 32),
    "book": (event.delta(0, 1, 1, [(1, 1)], [(1, 1)]), 64),
    "trades": (event.trades(0, [(1, 1, 1, 1)]), 40),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_sizes_are_those_that_journals_hold(name: str) -> None:
    raw, length = BODIES[name]
    assert len(raw) == event.HEADER_BYTES + length
    assert int.from_bytes(raw[32:36], "little") == length
    assert event.HEADER_BYTES == 40


def test_limits_of_rings_equal_the_compiled_ones() -> None:
    slots = compiled_enum(CORE / "state/state.pxd")
    assert limits.HIGHEST["max_orders_per_window"] == slots["SEND_SLOTS"]
    assert limits.HIGHEST["max_errors_per_window"] == slots["OUTCOME_SLOTS"] - 1
    assert limits.HIGHEST["max_rejects_per_window"] == slots["OUTCOME_SLOTS"] - 1
    assert limits.HIGHEST["max_open_orders"] < slots["ORDER_SLOTS"]


MODULES = [
    *(
        f"engine.core.{name}"
        for name in ("apply", "audience", "check", "decoder", "describe", "desk", "engine", "event", "order")
    ),
    *(f"engine.core.state.{name}" for name in ("books", "orders", "portfolio", "state")),
    *("engine.core.strategy", "engine.core.risk.breakers", "engine.core.risk.gate", "engine.sequencer"),
]


def public(names: object) -> set[str]:
    return {name for name in names if not name.startswith("_")}  # type: ignore[attr-defined]


def stub_names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


@pytest.mark.parametrize("name", MODULES)
def test_stubs_name_what_the_modules_have(name: str) -> None:
    module = importlib.import_module(name)
    stub = ast.parse((ROOT / (name.replace(".", "/") + ".pyi")).read_text())
    stubbed = stub_names(stub.body)
    own = {
        key
        for key in public(vars(module))
        if getattr(vars(module)[key], "__module__", name) == name and not inspect.ismodule(vars(module)[key])
    }
    assert public(stubbed) == own
    for key, node in stubbed.items():
        if isinstance(node, ast.ClassDef):
            assert public(stub_names(node.body)) == public(vars(getattr(module, key))), key


def test_every_compiled_module_has_a_stub() -> None:
    for path in [*CORE.rglob("*.pyx"), ROOT / "engine" / "sequencer.pyx"]:
        assert path.with_suffix(".pyi").exists(), path
