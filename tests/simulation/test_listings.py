"""Listings by seed: each ends rightly, is entered once at most, and within its limits. The thousand are a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from backtest.exchange import Exchange
from backtest.exchange_types import PlaceRequest, SymbolSpec
from engine.core.enums import OrderType, Side
from strategies.ready_state.settings import Settings
from tests.core_session import MONEY, WIDE
from tests.simulation import listings_world
from tests.simulation.listings_audit import Audit, units
from tests.simulation.listings_checks import TIGHT, by_outcome, check_entries, simulate
from tests.simulation.listings_script import MINUTE, OUTCOMES, Script
from tests.simulation.listings_world import MS

PARAMS: dict[str, Any] = {
    "max_position_usdt": "50", "entry_window_s": 60, "entry_slippage_ppm": 20_000, "max_attempts": 12,
    "max_concurrent_trades": 3, "hold_s": 300, "take_profit": "scalping",
}  # fmt: skip
SESSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"order_type": "MARKET"}, {"spacing_ns": 100_000_000_000}),
    ({"order_type": "LIMIT", "resting_exits": True}, {"fee_in_base": True, "ack_loss_percent": 30, "restarts": 20}),
]  # fmt: skip
CLOSE: dict[str, Any] = {"spacing_ns": 2 * MINUTE, "limits": TIGHT}
TIGHT_SESSIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
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


@pytest.mark.parametrize(("params", "conditions"), TIGHT_SESSIONS)
def test_no_tight_limit_is_ever_exceeded(params: dict[str, Any], conditions: dict[str, Any]) -> None:
    tight = {**PARAMS, "max_position_usdt": "20", **params}
    results, watch, world = simulate(12, 4 * len(OUTCOMES), tight, **CLOSE, **conditions)
    assert [f"{each.script.symbol}: {each.problems}" for each in results if each.problems] == []
    assert watch.problems == []
    assert sum(bool(each.bought_lots) for each in results) >= 8
    # It was tight: limits were reached, and orders denied by them.
    peaks, denied = world.audit.peaks, world.engine.counts()["denied"]
    assert peaks["max_orders_per_second"] == TIGHT["max_orders_per_second"]
    assert peaks["max_order_notional"] > units("19.95")
    assert peaks["max_gross_exposure"] > units("25")  # two at a time
    assert denied.keys() >= {"ORDER_NOTIONAL", "POSITION", "ORDERS_PER_SECOND"}


def test_a_core_with_wide_limits_is_seen_to_exceed_tight_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        listings_world,
        "Audit",
        lambda risk, settings: Audit({**risk, **TIGHT, "max_open_orders": 1}, settings),
    )
    wide = {**PARAMS, "max_position_usdt": "20", "order_type": "LIMIT", "resting_exits": True}
    _, watch, _ = simulate(12, 4 * len(OUTCOMES), wide, spacing_ns=MINUTE)
    for limit in TIGHT.keys() - {"max_open_orders_per_instrument"}:  # the strategy has one at a time anyway
        assert any(f"beyond {limit}," in text for text in watch.problems), limit


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


def audit(**risk: Any) -> Audit:
    """Of one symbol at 0.5, and another, with room for one order and a half."""
    room = {"max_gross_exposure": "75", "max_net_exposure": "75", "max_position_notional": "75"}
    found = Audit({**WIDE, **room, **risk}, Settings(max_position_usdt="50", max_concurrent_trades=1))
    for symbol in ("AUSDT", "BUSDT"):
        found.listed(symbol, MONEY)
        found.quoted(0, symbol, 49_999, 50_001, is_told=True)
    return found


@dataclass
class Venue:
    """A matching engine whose record an audit hears, and orders of ours that it executes."""

    audit: Audit
    now_ns: int = 10**12

    def __post_init__(self) -> None:
        self.exchange = Exchange([SymbolSpec(f"{each}USDT", each, "USDT", 5, 1) for each in "AB"])
        self.exchange.add_account("me", {"USDT": 10**6 * MONEY})
        for symbol in ("AUSDT", "BUSDT"):
            self.exchange.set_ambient(0, symbol, Side.SELL, 50_000, 10**6)

    def buy(
        self, symbol: str = "AUSDT", lots: int = 900, price: int = 50_000, *, name: str = "1"
    ) -> list[str]:
        """An entry; what the audit has against it by now."""
        self.now_ns += 40 * MS
        kind = OrderType.LIMIT
        self.audit.arrived(self.now_ns, symbol, Side.BUY, kind, lots, price, name)
        self.exchange.place(
            self.now_ns, PlaceRequest("me", symbol, Side.BUY, kind, lots, price, client_id=name)
        )
        for record in self.exchange.take_records():
            self.audit.recorded(record)
        return self.audit.problems


def test_the_audit_of_the_venue_can_fail() -> None:
    assert Venue(audit()).buy() == []
    assert "max_position_usdt" in Venue(audit()).buy(lots=1_001)[0]
    assert "max_order_notional" in Venue(audit(max_order_notional="44.99")).buy()[0]
    assert "max_position_notional" in Venue(audit(max_position_notional="44.99")).buy()[0]
    for limit, value in (("max_orders_per_second", 1), ("max_orders_per_window", 1), ("max_open_orders", 1)):
        venue = Venue(audit(**{limit: value}))
        assert venue.buy(price=40_000) == []
        assert limit in " ".join(venue.buy("BUSDT", price=40_000, name="2"))
    twice = Venue(audit())
    twice.buy()
    assert any("a second entry" in text for text in twice.buy(lots=100, name="2"))
    assert any("entered by ['1', '2']" in text for text in twice.audit.problems)
    resting = Venue(audit(max_open_orders_per_instrument=1))
    resting.buy(price=40_000)
    found = resting.buy(lots=100, price=40_000, name="2")
    assert any("max_open_orders_per_instrument" in text for text in found)
    assert any("a second entry" in text for text in found)
    both = Venue(audit())
    both.buy()
    found = both.buy("BUSDT", name="2")
    for limit in ("max_gross_exposure", "max_net_exposure", "max_concurrent_trades"):
        assert any(limit in text for text in found)


def test_the_audit_forgives_what_the_core_could_not_know() -> None:
    """A value at the lowest of what was told of late, and of what was paid; what is left as dust is no trade any more."""
    venue = Venue(audit(max_position_notional="45"))
    venue.buy()
    venue.audit.quoted(venue.now_ns, "AUSDT", 99_999, 100_001, is_told=True)
    assert venue.buy("BUSDT", lots=590, name="2") == ["BUSDT order 2: 2 is beyond max_concurrent_trades, 1"]
    dust = Venue(audit())
    dust.buy(lots=19)  # 0.95 USDT
    dust.audit.quoted(dust.now_ns, "AUSDT", 49_999, 50_001, is_told=True)
    assert dust.buy("BUSDT", name="2") == []
