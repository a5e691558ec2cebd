"""What must hold after a simulation, and what it came to."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from engine.core.enums import OrderType, Side
from strategies.ready_state.states import FINAL, State
from tests.core_session import MONEY
from tests.simulation.listings_script import MINUTE, Play, Script, scripts
from tests.simulation.listings_world import ACCOUNT, MS, SECOND, World

# Outcome of the script -> final states that are right. What was not entered for want of a slot is RECONCILED, too.
RIGHT = {
    "on_time": {State.RECONCILED},
    "early": {State.RECONCILED},
    "late": {State.RECONCILED},
    "postponed": {State.RECONCILED},
    "never": {State.STALE},
    "cancelled": {State.CANCELLED},
    "not_api_tradable": {State.RECONCILED},
    "paused": {State.RECONCILED},
    "band_moved": {State.RECONCILED},
    "no_market_orders": {State.RECONCILED},
    "sell_suspended": {State.RECONCILED},
    "one_source": {State.STALE},
}
NEVER_ENTERED = frozenset({"never", "cancelled", "not_api_tradable", "one_source"})

# An entry of 20 USDT meets the first two now and then; two trades at a time fit, three hardly; retries fill the windows.
TIGHT: dict[str, Any] = {
    "max_order_notional": "19.995", "max_position_notional": "19.59", "max_gross_exposure": "45", "max_net_exposure": "42",
    "max_open_orders": 2, "max_open_orders_per_instrument": 1, "max_orders_per_second": 2, "max_orders_per_window": 12,
}  # fmt: skip


@dataclass
class Result:
    """One listing at the end."""

    script: Script
    state: str
    result: str
    attempts: int
    bought_lots: int
    sold_lots: int
    lost_answers: int
    slippage_ppm: int | None
    is_ahead: bool = (
        False  # it was entered before its announced time, and more than the gate lets pass without a trade
    )
    by_trades: bool = False  # and the exchange's row said that it opens later: public trades alone showed it
    problems: list[str] = field(default_factory=list)


@dataclass
class Watch:
    """Follows a world while it runs: entries under way at one time, and states against the table."""

    world: World
    most_trades: int
    problems: list[str] = field(default_factory=list)
    finals: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    peak_trades: int = 0
    peak_listings: int = 0

    def look(self) -> None:
        """Once in a while, and after the end."""
        world = self.world
        held = 0
        for book in world.engine.books:
            orders = [order for order in world.engine.open_orders(book.instrument) if order.is_buy]
            if len(orders) > 1:
                self.problems.append(f"{book.symbol}: {len(orders)} entries are open at one time")
            held += bool(orders or world.is_sellable(book.instrument))
        self.peak_trades = max(self.peak_trades, held)
        if held > self.most_trades:
            self.problems.append(f"{held} trades at one time, at most {self.most_trades}")
        self.peak_listings = max(self.peak_listings, len(world.strategy.listings))
        for symbol, listing in world.strategy.listings.items():
            if listing.state in FINAL and symbol not in self.finals:
                memo = json.loads(world.strategy.memos()[symbol])
                self.finals[symbol] = listing.state.value, memo
            elif symbol in self.finals and listing.state.value != self.finals[symbol][0]:
                self.problems.append(
                    f"{symbol}: {self.finals[symbol][0]} was final, and became {listing.state}"
                )


def judge(world: World, watch: Watch, script: Script, params: dict[str, Any]) -> Result:
    """One listing against what its script allows."""
    symbol = script.symbol
    state, memo = watch.finals.get(symbol, ("none", {}))
    orders = [order for order in world.place_log if order["symbol"] == symbol]
    entries = [order for order in orders if order["side"] == Side.BUY]
    filled = [order for order in entries if world.truth.get(order["no"], {}).get("lots")]
    bought = sum(world.truth[order["no"]]["lots"] for order in filled)
    sold = sum(
        world.truth.get(order["no"], {}).get("lots", 0) for order in orders if order["side"] == Side.SELL
    )
    lost = sum(world.lost[order["no"]] for order in orders if order["no"] in world.lost)
    result = Result(script, state, memo.get("result", ""), len(entries), bought, sold, lost, None)
    problem = result.problems.append
    if state not in RIGHT[script.outcome]:
        problem(f"ended as {state}, which {script.outcome} must not")
    if len(filled) > 1:
        problem(f"entered {len(filled)} times")
    if filled and script.outcome in NEVER_ENTERED:
        problem(f"entered, though {script.outcome}")
    if script.outcome in ("never", "cancelled", "one_source") and entries:
        problem(f"{len(entries)} entries were sent, though {script.outcome}")
    check_entries(script, entries, params, problem)
    instrument = world.engine.instrument_of(symbol)
    position = world.engine.position_lots(instrument) if instrument >= 0 else 0
    if position != bought - sold:
        problem(f"the position is {position}, the fills come to {bought - sold}")
    held = world.exchange.accounts[ACCOUNT].balance(symbol.removesuffix("USDT"))
    lots = (held.free + held.locked) // (MONEY // 10)
    if (position and "dust" not in result.result and lots > 0) or held.locked:
        problem(f"{lots} lots are still held, result {result.result!r}")
    if filled:
        truth = world.truth[filled[0]["no"]]
        average_ppm = truth["money"] * 1_000_000 // (truth["lots"] * MONEY // 10**6)
        result.is_ahead = filled[0]["at_ns"] < script.announced_ns - 500 * MS
        result.by_trades = result.is_ahead and filled[0]["opens_ns"] > filled[0]["at_ns"] + 500 * MS
        result.slippage_ppm = average_ppm // filled[0]["best_ask"] - 1_000_000
    return result


def check_entries(
    script: Script, entries: list[dict[str, Any]], params: dict[str, Any], problem: Any
) -> None:
    cap = int(params["max_position_usdt"]) * 10**6  # in ticks times lots
    window_ns = params["entry_window_s"] * SECOND
    highest = 0
    for order in entries:
        is_market = order["type"] == OrderType.MARKET
        if not highest:
            # The first ask that was seen: at the latest the one at hand, at the earliest that of the opening.
            seen = [ask for at_ns, ask in script.asks if at_ns <= order["at_ns"]]
            first = max([order["best_ask"], *seen])
            highest = first * (1_000_000 + params["entry_slippage_ppm"]) // 1_000_000
        price = order["best_ask"] if is_market else order["price"]
        if price * order["lots"] > cap:
            problem(f"order {order['no']} is worth more than max_position_usdt")
        if not is_market and order["price"] > highest:
            problem(f"order {order['no']} at {order['price']} is over the slippage cap {highest}")
        if not order["tradable"]:
            problem(f"order {order['no']} was sent while the symbol was not tradable")
        opens = script.opens_ns or script.announced_ns
        earliest = (
            min(opens, script.announced_ns) if script.outcome != "postponed" else opens - opens % MINUTE
        )
        if order["at_ns"] < earliest - 500 * MS or order["at_ns"] > opens + window_ns + 5 * SECOND:
            problem(
                f"order {order['no']} was sent {(order['at_ns'] - opens) / SECOND:.1f} s from the opening"
            )
    if len(entries) > 2 * params["max_attempts"]:
        problem(f"{len(entries)} entries were sent")


def simulate(
    seed: int, count: int, params: dict[str, Any], *, restarts: int = 0, ack_loss_percent: int = 10,
    fee_in_base: bool = False, spacing_ns: int = 10 * MINUTE, limits: dict[str, Any] | None = None,
) -> tuple[list[Result], Watch, World]:  # fmt: skip
    """Play `count` listings in one run; `restarts` kills of the core on the way, `limits` of the gate in place of wide ones."""
    world = World(seed, params, fee_in_base=fee_in_base, limits=limits)
    world.ack_loss_percent = ack_loss_percent
    told = scripts(seed, count, spacing_ns)
    begin_ns = world.now_ns
    played = [Play(world, script) for script in told]
    watch = Watch(world, params["max_concurrent_trades"])
    last = max(max(script.opens_ns, script.announced_ns) for script in told) + 60 * MINUTE
    kills = sorted(world.dice.randrange(begin_ns, last) for _ in range(restarts))
    while world.now_ns < last:
        world.run(min(world.now_ns + 20 * SECOND, *(kills[:1] or [last])))
        if kills and world.now_ns >= kills[0]:
            kills.pop(0)
            world.restart()
        watch.look()
    watch.problems += world.audit.problems
    return [judge(world, watch, play.script, params) for play in played], watch, world


def by_outcome(results: list[Result]) -> dict[str, Counter[str]]:
    """Script outcome -> how its listings ended, in a word."""
    table: dict[str, Counter[str]] = {}
    for each in results:
        ended = "traded" if each.bought_lots else each.result.partition(":")[0] or each.state.lower()
        table.setdefault(each.script.outcome, Counter())[ended] += 1
    return table
