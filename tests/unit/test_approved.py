"""Only the gate makes an approval, and it is good for one use."""

from __future__ import annotations

import ast
import asyncio
import copy
import gc
import pickle
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.core.enums import CommandKind
from engine.core.risk.gate import ApprovalVoid, Approved, Gate
from engine.core.state.state import State
from engine.execution.executor import Executor
from tests.core_session import BUY, Session, ready

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for folder in ("engine", "native", "strategies", "adapters", "backtest")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".pyx", ".pxd", ".h")
]


def approved(session: Session, *, cancel: bool = False) -> Approved:
    number, _ = session.place(BUY, 9_990, 1_000)
    (order,) = session.engine.gate.take()
    if cancel:
        assert session.do(lambda one: one.cancel(number))
        (order,) = session.engine.gate.take()
    assert order.is_cancel is cancel
    return order


def test_carries_what_was_approved() -> None:
    session = ready(intent_ttl_ms=250)
    order = approved(session)
    record = session.outputs[-1]
    assert (order.order_no, order.instrument, order.strategy) == (1, 0, 0)
    assert (order.side, order.order_type, order.price_ticks, order.size_lots) == (1, 1, 9_990, 1_000)
    assert order.expires_ns == session.now_ns + 250_000_000 == record["expires_ns"]
    assert f"{order.intent_hash:016x}" == record["intent_hash"]
    assert order.halt_epoch == session.engine.halt_epoch == record["halt_epoch"]


def test_is_taken_once() -> None:
    session = ready()
    approved(session)
    assert session.engine.gate.take() == []
    assert Gate(State()).take() == []


@pytest.mark.parametrize(
    "make",
    [
        Approved,
        lambda: Approved(order_no=1),  # type: ignore[call-arg]
        lambda: Approved.__new__(Approved),
        lambda: object.__new__(Approved),
        lambda: type("Mine", (Approved,), {}),  # type: ignore[misc]
    ],
)
def test_cannot_be_made(make: Any) -> None:
    approved(ready())  # the gate has made one before: nothing is left open
    with pytest.raises(TypeError):
        make()


@pytest.mark.parametrize(
    "repeat",
    [copy.copy, copy.deepcopy, pickle.dumps, lambda one: one.__reduce__(), lambda one: one.__reduce_ex__(2)],
)
def test_cannot_be_repeated(repeat: Any) -> None:
    with pytest.raises(TypeError):
        repeat(approved(ready()))


def test_cannot_be_changed() -> None:
    order: Any = approved(ready())
    for name in (*(name for name in dir(order) if not name.startswith("_")), "used", "another", "__class__"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(order, name, 2)
    for name in ("order_no", "redeem"):
        with pytest.raises(TypeError):
            setattr(Approved, name, 2)
    with pytest.raises((TypeError, AttributeError)):
        order.__setstate__((1,))
    with pytest.raises((TypeError, AttributeError)):
        order.__setstate_cython__((1,))
    assert not hasattr(order, "__dict__")


def test_is_good_for_one_use() -> None:
    session = ready()
    order = approved(session)
    order.redeem(session.engine.halt_epoch, session.now_ns)
    with pytest.raises(ApprovalVoid, match="used before"):
        order.redeem(session.engine.halt_epoch, session.now_ns)


def test_a_failed_use_is_a_use() -> None:
    session = ready()
    order = approved(session)
    with pytest.raises(ApprovalVoid, match="expired"):
        order.redeem(session.engine.halt_epoch, order.expires_ns + 1)
    with pytest.raises(ApprovalVoid, match="used before"):
        order.redeem(session.engine.halt_epoch, session.now_ns)


def test_a_halt_voids_it_even_after_a_resume() -> None:
    session = ready()
    order = approved(session)
    session.command(CommandKind.HALT)
    session.command(CommandKind.RESUME)
    with pytest.raises(ApprovalVoid, match="halt"):
        order.redeem(session.engine.halt_epoch, session.now_ns)


def test_expires() -> None:
    session = ready()
    order = approved(session)
    order.redeem(session.engine.halt_epoch, order.expires_ns)  # not before its time is over
    with pytest.raises(ApprovalVoid, match="expired"):
        approved(ready()).redeem(0, order.expires_ns + 1)


def test_a_cancel_is_void_by_neither_halt_nor_time_and_still_single_use() -> None:
    session = ready()
    cancel = approved(session, cancel=True)
    session.command(CommandKind.HALT)
    cancel.redeem(session.engine.halt_epoch, 2**62)
    with pytest.raises(ApprovalVoid, match="used before"):
        cancel.redeem(session.engine.halt_epoch, session.now_ns)


def test_the_executor_takes_nothing_that_looks_like_one() -> None:
    async def submit() -> None:
        real = approved(ready())
        fields = {name: getattr(real, name) for name in dir(real) if not name.startswith("_")}
        executor = Executor(SimpleNamespace(), SimpleNamespace(), "testrun00000", SimpleNamespace())  # type: ignore[arg-type]
        for fake in (SimpleNamespace(**fields), None, 1, Approved, (real,), {"order_no": 1}):
            with pytest.raises(TypeError, match="Approved"):
                executor.submit(fake)  # type: ignore[arg-type]

    asyncio.run(submit())


def test_nothing_but_the_gate_makes_one() -> None:
    """`Approved(` and `__new__(Approved)` stand in gate.pyx alone, and its `release` is called by the desk alone."""
    for path in SOURCES:
        text = path.read_text()
        name = path.relative_to(ROOT).as_posix()
        if re.search(r"(?<!class )\bApproved\(|__new__\(Approved", text.replace('f"Approved(', "")):
            assert name == "engine/core/risk/gate.pyx"
        if re.search(r"\.release(_cancel)?\(<const event_t", text):
            assert name == "engine/core/desk.pyx"


def calls(path: Path, attribute: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute
    ]


def test_nothing_but_the_executor_uses_one_up_or_sends_an_order() -> None:
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py":
            if calls(path, "redeem"):
                assert name == "engine/execution/executor.py"
            if calls(path, "place"):
                # The backtest's exchange, the local venue and paper fills have a `place` of their own: the other side.
                assert name == "engine/execution/executor.py" or name.startswith(
                    ("backtest/", "adapters/mexc/venue/", "adapters/mexc/paper/")
                )
            if calls(path, "take") and "quick" in path.read_text():
                assert name == "engine/execution/executor.py"
        elif ".redeem(" in path.read_text():
            assert name == "adapters/mexc/order_lane.pyx", f"{name} uses an approval up"


def test_no_approval_is_left_within_reach() -> None:
    """The gate lets go of what it handed out."""
    session = ready()
    order = approved(session)
    assert [each for each in gc.get_referrers(order) if isinstance(each, list)] == []
