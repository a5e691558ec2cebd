"""ready_state under whatever sources, venue and time may do: no error, no way outside of the table, one live entry at most."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core import event
from engine.core.enums import CommandKind, ListingChange, ListingSource, OrderReport, Side
from strategies.ready_state.listing import Listing
from strategies.ready_state.states import FINAL, TRANSITIONS, State
from tests.core_session import START_NS
from tests.simulation.listings_script import MINUTE, Play, Script
from tests.simulation.listings_world import ACCOUNT, MS, SECOND, World

SYMBOL = "N0001USDT"
OPENS = START_NS + 30 * MINUTE
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([10 * MS, SECOND, 20 * SECOND, 3 * MINUTE, 15 * MINUTE])),
    st.tuples(st.just("seen"), st.sampled_from(ListingSource), st.integers(0, 2**32)),
    st.tuples(st.just("gone"), st.sampled_from(ListingSource)),
    st.tuples(st.just("source"), st.sampled_from(ListingSource), st.booleans()),
    st.tuples(st.just("row"), st.integers(0, 2), st.sampled_from([0, 1, 2, 3])),
    st.tuples(st.just("refuse"), st.sampled_from([0, 10007, 30000, 30019, 30028, 30087, 10101])),
    st.tuples(st.just("lose"), st.sampled_from([0, 50, 100])),
    st.tuples(st.just("restart")),
    st.tuples(st.just("late"), st.integers(1, 900)),
    st.tuples(st.just("trade")),
    st.tuples(st.just("command"), st.sampled_from([CommandKind.HALT, CommandKind.RESUME, CommandKind.CANCEL_ALL])),
)  # fmt: skip


def facts_of(seed: int, now_ms: int) -> dict[str, Any]:
    dice = random.Random(seed)
    return {
        "open_time_ms": dice.choice([-1, OPENS // MS, now_ms + dice.randrange(-(10**6), 10**6)]),
        "listing_id": dice.choice(["", "a" * 32]),
        "status": dice.choice([-1, 1, 2, 3]),
        "api_allowed": dice.choice([-1, 0, 1]),
        "trade_side_type": dice.choice([-1, 1, 2, 4]),
        "order_types": dice.choice([-1, 2, 62]),
        "venue_codes": dice.choice([(-1, -1, -1), (2, 2, 4), (1, 1, 1), (2, 1, 4)]),
        "price": dice.choice([0, 10**19]),
        "fields": dice.randrange(16),
        "text": dice.choice(["", "MEXC will list it"]),
    }


def do(world: World, step: tuple[Any, ...]) -> None:
    what = step[0]
    if what == "wait":
        world.run(world.now_ns + step[1])
    elif what == "seen":
        world.tell(step[1], SYMBOL, **facts_of(step[2], world.now_ns // MS))
    elif what == "gone":
        world.lose(step[1], SYMBOL)
    elif what == "source":
        change = ListingChange.SOURCE_UP if step[2] else ListingChange.SOURCE_DOWN
        world.push(event.listing(step[1], change, text="it says why"))
    elif what == "row" and SYMBOL in world.specs:
        world.change(SYMBOL, tradable=step[1], sides=step[2])
    elif what == "trade":
        world.trade(SYMBOL, 30_000, 1, Side.BUY)
    elif what == "refuse":
        world.refusals[SYMBOL] = lambda now, approved: step[1]
    elif what == "lose":
        world.ack_loss_percent = step[1]
    elif what == "restart":
        world.restart()
    elif what == "late":
        fill_late(world, step[1])
    elif what == "command":
        world.push(event.command(step[1]))


def fill_late(world: World, lots: int) -> None:
    """The newest entry that had failed was executed after all."""
    for sent in reversed(world.place_log):
        order = world.engine.order(sent["no"])
        if sent["side"] == Side.BUY and order is not None and not order.is_open and not order.filled_lots:
            break
    else:
        return
    spec, lots = world.engine.spec(order.instrument), min(lots, order.size_lots)
    world.exchange.accounts[ACCOUNT].balance(spec.base).free += lots * 10 ** (20 - spec.size_decimals)
    before = world.engine.position_lots(order.instrument)
    facts = {"cumulative_lots": lots, "cumulative_money": spec.notional(sent["price"], lots)}
    world.push(event.order_update(order.order_no, OrderReport.CANCELED, instrument=order.instrument, **facts))
    assert world.engine.position_lots(order.instrument) == before + lots
    listing = world.strategy.listings[spec.symbol]
    assert listing.state in (State.MANAGING, State.UNKNOWN, State.CLOSED)
    assert listing.held_lots >= lots or listing.state is not State.MANAGING
    assert any("executed late" in text for text in world.alerts)


def reachable(old: State, new: State) -> bool:
    """Whether a chain of the table's ways leads from one state to the other."""
    found = {old}
    while new not in found:
        grown = found | {target for state in found for target in TRANSITIONS[state]}
        if grown == found:
            return False
        found = grown
    return True


def assert_memo_is_current(world: World, listing: Listing) -> None:
    """Of a listing that goes on: it says what is known, unless it is to be written within a second."""
    evidence = world.strategy.board.by_symbol.get(SYMBOL)
    if listing.is_final or evidence is None or listing.unsaved or listing.refresh_ms:
        assert listing.refresh_ms <= world.now_ns // MS + 1_000
        return
    memo = json.loads(world.strategy.memos()[SYMBOL])
    assert (memo["state"], memo["open_ms"]) == (listing.state.value, listing.open_ms)
    assert set(memo.get("evidence", {})) == {ListingSource(source).name for source in evidence.seen_ns}


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40), st.integers(0, 1000), st.sampled_from(["pump", "dump", "flat"]))
def test_nothing_breaks_it(steps: list[tuple[Any, ...]], seed: int, path: str) -> None:
    world = World(seed, {"hold_s": 120, "keep_finished_s": 600, "stale_ready_s": 1800})
    Play(world, Script(1, "on_time", OPENS, OPENS, 30_000, path, is_thin=seed % 2 == 0, has_flag=False))
    world.run(OPENS - 90 * SECOND)
    before: dict[int, State] = {}
    for step in [*steps, ("wait", 40 * MINUTE)]:
        do(world, step)
        for listing in world.strategy.listings.values():
            old = before.get(listing.generation, State.ANNOUNCED)
            assert old not in FINAL or listing.state in (old, State.MANAGING)
            assert reachable(old, listing.state)
            before[listing.generation] = listing.state
            assert_memo_is_current(world, listing)
        for book in world.engine.books:
            assert sum(order.is_buy for order in world.engine.open_orders(book.instrument)) <= 1
    bought = [order["no"] for order in world.place_log if order["side"] == 1]
    filled = sum(bool(world.truth.get(number, {}).get("lots")) for number in bought)
    assert filled <= 1
    assert all(
        order["lots"] * order["price"] <= 50 * 10**6 for order in world.place_log if order["side"] == 1
    )
