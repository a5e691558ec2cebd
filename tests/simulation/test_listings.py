"""Listings by seed: each ends rightly, is entered once at most, and within its limits. The thousand are a command."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.enums import OrderType, Side
from tests.simulation.listings_checks import by_outcome, check_entries, simulate
from tests.simulation.listings_script import OUTCOMES, Script

PARAMS: dict[str, Any] = {
    "max_position_usdt": "50", "entry_window_s": 60, "entry_slippage_ppm": 20_000, "max_attempts": 12,
    "max_concurrent_trades": 3, "hold_s": 300, "take_profit": "scalping",
}  # fmt: skip
SESSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"order_type": "MARKET"}, {"spacing_ns": 100_000_000_000}),
    ({"order_type": "LIMIT", "resting_exits": True}, {"fee_in_base": True, "ack_loss_percent": 30, "restarts": 20}),
]  # fmt: skip


@pytest.mark.parametrize(("params", "conditions"), SESSIONS)
def test_every_listing_ends_rightly(params: dict[str, Any], conditions: dict[str, Any]) -> None:
    results, watch, world = simulate(11, 4 * len(OUTCOMES), {**PARAMS, **params}, **conditions)
    assert [
        f"{each.script.symbol} {each.script.outcome}: {each.problems}" for each in results if each.problems
    ] == []
    assert watch.problems == []
    assert set(by_outcome(results)) == set(OUTCOMES)
    assert sum(bool(each.bought_lots) for each in results) >= 20
    assert world.engine.counts()["unknown_orders"] == 0
    ahead = [each for each in results if each.is_ahead]
    assert {each.script.outcome for each in ahead} == {"early"}
    assert any(each.by_trades for each in ahead)
    assert not all(each.by_trades for each in ahead)


def test_the_same_seed_gives_the_same_actions() -> None:
    hashes = {simulate(5, 12, PARAMS, restarts=3)[2].engine.actions_hash for _ in range(2)}
    assert len(hashes) == 1
    assert simulate(6, 12, PARAMS, restarts=3)[2].engine.actions_hash not in hashes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lots": 2_000}, "worth more than"),
        ({"price": 60_000}, "over the slippage cap"),
        ({"tradable": 0}, "not tradable"),
        ({"at_ns": 0}, "from the opening"),
    ],
)
def test_the_checks_can_fail(change: dict[str, Any], words: str) -> None:
    script = Script(1, "on_time", 10**18, 10**18, 50_000, "flat", is_thin=False, has_flag=False)
    order = {
        "no": 1, "side": Side.BUY, "type": OrderType.IOC, "price": 50_500, "best_ask": 50_000, "lots": 900,
        "tradable": 1, "at_ns": 10**18,
    }  # fmt: skip
    found: list[str] = []
    check_entries(script, [order], PARAMS, found.append)
    assert found == []
    check_entries(script, [order, {**order, **change}], PARAMS, found.append)
    assert any(words in text for text in found)
