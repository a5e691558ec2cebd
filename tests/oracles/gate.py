"""The gate in plain Python, from DESIGN 6 and the table of risk checks: exact integers, no state but what is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.core.risk.reasons import Reason
from tests.oracles.orders import PPM, Ledger

BPS = 10_000
SECOND_NS = 1_000_000_000
LOTS_MOST = 2**61
MONEY_LIMIT = 10**38  # where money saturates

Verdict = tuple[Reason, int, int] | None


@dataclass
class Market:
    """One book as far as it was last believed."""

    bids: list[tuple[int, int]] = field(default_factory=list)
    asks: list[tuple[int, int]] = field(default_factory=list)
    live: int = 1  # BookTrust
    last_trade: int = 0  # price of the newest public trade of this session, 0: none was seen

    @property
    def bid(self) -> int:
        return self.bids[0][0] if self.bids else 0

    @property
    def ask(self) -> int:
        return self.asks[0][0] if self.asks else 0


@dataclass
class World:
    """All that the gate looks at. limits: fields of limits_t, money in 10^-20 units."""

    specs: list[InstrumentSpec]
    ledger: Ledger
    limits: dict[str, int]
    markets: list[Market]
    now_ns: int = 0
    halted: bool = False
    live: int = 0
    config_live: int = 0
    reduce_only: bool = False
    disk: int = 0
    breakers: int = 0
    journal: bool = True
    reconciled: bool = True
    skew_ns: int = 0
    feed_up: dict[int, bool] = field(default_factory=dict)
    feed_heard_ns: dict[int, int] = field(default_factory=dict)
    sends_ns: list[int] = field(default_factory=list)
    capital: int = 0
    budget_since_ns: int = 0
    budget_used: int = 0
    keys: set[int] = field(default_factory=set)

    def mark(self, i: int) -> int:
        """The mid, else the last trade, else the position's average cost, else the one side that there is."""
        market, position = self.markets[i], self.ledger.position[i]
        if market.bid and market.ask:
            return (market.bid + market.ask) // 2
        if market.last_trade:
            return market.last_trade
        if position:
            return abs(self.ledger.cost[i]) // (self.specs[i].notional(1, 1) * abs(position))
        return market.bid or market.ask

    def worst(self, i: int) -> tuple[int, int]:
        """The position's worth if every open buy, and if every open sale, is executed."""
        ledger, worth = self.ledger, self.specs[i].notional
        position = ledger.position[i]
        return (
            worth(self.mark(i), position + ledger.open_lots(i, Side.BUY)),
            worth(self.mark(i), position - ledger.open_lots(i, Side.SELL)),
        )

    def equity(self) -> int:
        ledger = self.ledger
        open_profit = sum(
            spec.notional(self.mark(i), ledger.position[i]) - ledger.cost[i]
            for i, spec in enumerate(self.specs)
            if ledger.position[i]
        )
        return self.capital + sum(ledger.realised) - ledger.fees_worth + open_profit

    def open_sent(self, strategy_spent: int) -> None:
        """An order was approved."""
        self.sends_ns.append(self.now_ns)
        if self.now_ns - self.budget_since_ns >= self.limits["proposer_window_ns"]:
            self.budget_since_ns, self.budget_used = self.now_ns, 0
        self.budget_used += strategy_spent


@dataclass(frozen=True)
class Intent:
    instrument: int
    side: int
    order_type: int
    price: int
    size: int
    key: int = 0


def is_reduction(world: World, intent: Intent) -> bool:
    """Whether in no case of what is open it makes the position larger or turns it over."""
    position = world.ledger.position[intent.instrument]
    pending = world.ledger.open_lots(intent.instrument, intent.side)
    held = position if intent.side == Side.SELL else -position
    return intent.size <= held - pending


def worst_price(world: World, intent: Intent) -> int:
    """The price that the order may reach; 0 where our book does not tell."""
    if intent.order_type != OrderType.MARKET:
        return intent.price
    market, left = world.markets[intent.instrument], intent.size
    for price, lots in market.asks if intent.side == Side.BUY else market.bids:
        left -= lots
        if left <= 0:
            return price
    return 0


def reserve_price(world: World, intent: Intent) -> int:
    """What its exposure counts at: a sale may be executed at the better bid."""
    price = worst_price(world, intent)
    return max(price, world.markets[intent.instrument].bid) if intent.side == Side.SELL else price


def judge(world: World, intent: Intent) -> Verdict:
    """Nothing where the order may go, else the first reason with its limit and value."""
    if not OrderType.LIMIT <= intent.order_type <= OrderType.FOK:
        return Reason.MALFORMED_INTENT, OrderType.FOK, intent.order_type
    if not 0 <= intent.instrument < len(world.specs):
        return Reason.INSTRUMENT_UNKNOWN, len(world.specs), intent.instrument
    for check in (_mode, _health, _instrument, _price, _size, _funds, _authority):
        verdict = check(world, intent)
        if verdict is not None:
            return verdict
    return None


def _mode(w: World, it: Intent) -> Verdict:
    if w.halted or w.disk > 1:
        return Reason.HALTED, 0, 1
    if w.live != w.config_live:
        return Reason.MODE_MISMATCH, w.config_live, w.live
    if (w.reduce_only or w.disk) and not is_reduction(w, it):
        return Reason.REDUCING_ONLY, w.ledger.position[it.instrument], it.size
    for kind in range(4):
        if is_reduction(w, it):
            break
        if w.breakers >> kind & 1:
            return Reason(Reason.BREAKER_DAILY_LOSS + kind), 0, 1
    return None


def _health(w: World, it: Intent) -> Verdict:
    source, limits = w.specs[it.instrument].source, w.limits
    silence = w.now_ns - w.feed_heard_ns.get(source, 0)
    if not w.journal:
        return Reason.JOURNAL_NOT_WRITABLE, 0, 1
    if not w.reconciled:
        return Reason.RECONCILIATION_PENDING, 0, 1
    if abs(w.skew_ns) > limits["max_clock_skew_ns"]:
        return Reason.CLOCK_SKEW, limits["max_clock_skew_ns"], abs(w.skew_ns)
    if not w.feed_up.get(source):
        return Reason.FEED_DOWN, 1, 0
    if silence > limits["max_feed_silence_ns"]:
        return Reason.FEED_STALE, limits["max_feed_silence_ns"], silence
    if w.markets[it.instrument].live != 2:
        return Reason.BOOK_NOT_LIVE, 2, w.markets[it.instrument].live
    if w.ledger.unknown(it.instrument) and not is_reduction(w, it):
        return Reason.UNKNOWN_EXPOSURE, 0, w.ledger.unknown(it.instrument)
    return None


def _instrument(w: World, it: Intent) -> Verdict:
    spec, ledger, limits = w.specs[it.instrument], w.ledger, w.limits
    room = LOTS_MOST - abs(ledger.position[it.instrument])
    room -= ledger.open_lots(it.instrument, Side.BUY) + ledger.open_lots(it.instrument, Side.SELL)
    if not spec.tradable:
        return Reason.NOT_TRADABLE, 1, 0
    if not spec.sides & it.side:
        return Reason.SIDE_NOT_ALLOWED, spec.sides, it.side
    if not spec.order_types & 1 << it.order_type:
        return Reason.ORDER_TYPE_NOT_ALLOWED, spec.order_types, it.order_type
    if it.order_type == OrderType.MARKET and it.price:
        return Reason.PRICE_OFF_TICK, 0, it.price
    if it.order_type != OrderType.MARKET and (it.price <= 0 or it.price % spec.tick_step):
        return Reason.PRICE_OFF_TICK, spec.tick_step, it.price
    if it.size <= 0 or it.size % spec.lot_step:
        return Reason.SIZE_OFF_LOT, spec.lot_step, it.size
    if it.size < spec.min_lots:
        return Reason.SIZE_BELOW_MIN, spec.min_lots, it.size
    if it.size > min(spec.max_lots, room):
        return Reason.SIZE_ABOVE_MAX, spec.max_lots if it.size > spec.max_lots else room, it.size
    earliest_ns, venue_ns = spec.opens_ns - limits["opening_early_ns"], w.now_ns - w.skew_ns
    if venue_ns < earliest_ns and not w.markets[it.instrument].last_trade:
        return Reason.NOT_OPEN_YET, earliest_ns, venue_ns
    return None


def _price(w: World, it: Intent) -> Verdict:
    spec, market, limits = w.specs[it.instrument], w.markets[it.instrument], w.limits
    if not market.bid or not market.ask:
        return Reason.BOOK_EMPTY, 1, 0
    twice_mid = market.bid + market.ask
    above = 2 * it.price - twice_mid
    if it.order_type != OrderType.MARKET:
        if abs(above) * BPS > twice_mid * limits["price_collar_bps"]:
            return Reason.PRICE_COLLAR, limits["price_collar_bps"], abs(above) * BPS // twice_mid
        band, beyond = (spec.band_up_ppm, above) if it.side == Side.BUY else (spec.band_down_ppm, -above)
        if band and beyond * PPM > twice_mid * band:
            return Reason.PRICE_BAND, band, beyond * PPM // twice_mid
    if it.order_type != OrderType.LIMIT_MAKER:
        best = market.ask if it.side == Side.BUY else market.bid
        worst = worst_price(w, it)
        away = worst - best if it.side == Side.BUY else best - worst
        if not worst:
            return Reason.SLIPPAGE, limits["max_slippage_bps"], BPS
        if away * BPS > best * limits["max_slippage_bps"]:
            return Reason.SLIPPAGE, limits["max_slippage_bps"], away * BPS // best
    for other in w.ledger.open_on(it.instrument):
        if other.side != it.side and (
            OrderType.MARKET in (it.order_type, other.order_type)
            or (it.price >= other.price if it.side == Side.BUY else it.price <= other.price)
        ):
            return Reason.SELF_TRADE, 0, 1
    return None


def _notional(w: World, it: Intent) -> tuple[int, int]:
    """The order's worth at its reserve price, and the taker's fee on it, rounded up."""
    spec = w.specs[it.instrument]
    worth = min(spec.notional(reserve_price(w, it), it.size), MONEY_LIMIT)
    return worth, -(-worth * spec.taker_fee_ppm // PPM)


def _size(w: World, it: Intent) -> Verdict:
    spec, limits, worth = w.specs[it.instrument], w.limits, _notional(w, it)[0]
    if worth < spec.min_notional:
        return Reason.NOTIONAL_BELOW_MIN, spec.min_notional, worth
    if worth > spec.max_notional:
        return Reason.NOTIONAL_ABOVE_MAX, spec.max_notional, worth
    if worth > limits["max_order_notional"] and not is_reduction(w, it):
        return Reason.ORDER_NOTIONAL, limits["max_order_notional"], worth
    exposed = None if is_reduction(w, it) else _exposure(w, it)
    if exposed is not None:
        return exposed
    here, everywhere = len(w.ledger.open_on(it.instrument)), len(w.ledger.open_on())
    if everywhere >= limits["max_open_orders"]:
        return Reason.OPEN_ORDERS, limits["max_open_orders"], everywhere + 1
    if here >= limits["max_open_orders_per_instrument"]:
        return Reason.OPEN_ORDERS_INSTRUMENT, limits["max_open_orders_per_instrument"], here + 1
    for reason, most, window_ns in (
        (Reason.ORDERS_PER_SECOND, limits["max_orders_per_second"], SECOND_NS),
        (Reason.ORDERS_PER_WINDOW, limits["max_orders_per_window"], limits["order_window_ns"]),
    ):
        if sum(w.now_ns - sent < window_ns for sent in w.sends_ns) >= most:
            return reason, most, most + 1
    return None


def _exposure(w: World, it: Intent) -> Verdict:
    limits, i = w.limits, it.instrument
    added = w.specs[i].notional(w.mark(i), it.size)
    longest, shortest = w.worst(i)
    worst = max(longest + added if it.side == Side.BUY else added - shortest, 0)
    if worst > limits["max_position_notional"]:
        return Reason.POSITION, limits["max_position_notional"], worst
    largest = [max(abs(a), abs(b)) for a, b in (w.worst(each) for each in range(len(w.specs)))]
    worst = max(worst, largest[i])
    gross = sum(largest) - largest[i] + worst
    if gross > limits["max_gross_exposure"]:
        return Reason.GROSS_EXPOSURE, limits["max_gross_exposure"], gross
    net = added + sum(
        w.worst(each)[0] if it.side == Side.BUY else -w.worst(each)[1] for each in range(len(w.specs))
    )
    if net > limits["max_net_exposure"]:
        return Reason.NET_EXPOSURE, limits["max_net_exposure"], net
    equity = max(w.equity(), 0)
    if worst * BPS > equity * limits["max_concentration_bps"]:
        return Reason.CONCENTRATION, equity * limits["max_concentration_bps"] // BPS, worst
    return None


def _funds(w: World, it: Intent) -> Verdict:
    spec, ledger = w.specs[it.instrument], w.ledger
    worth, fee = _notional(w, it)
    fees = ledger.fees_worth + fee
    if fees > w.limits["max_fees_per_day"] and not is_reduction(w, it):
        return Reason.FEE_BUDGET, w.limits["max_fees_per_day"], fees
    asset, need = (
        (spec.quote, worth + fee)
        if it.side == Side.BUY
        else (spec.base, it.size * 10 ** (20 - spec.size_decimals))
    )
    free = ledger.total.get(asset, 0) - ledger.reserved(asset)
    if need > free:
        return Reason.BALANCE, free, need
    return None


def _authority(w: World, it: Intent) -> Verdict:
    used = _notional(w, it)[0]
    if w.now_ns - w.budget_since_ns < w.limits["proposer_window_ns"]:
        used += w.budget_used
    if used > w.limits["proposer_budget_notional"] and not is_reduction(w, it):
        return Reason.PROPOSER_BUDGET, w.limits["proposer_budget_notional"], used
    if it.key and it.key in w.keys:
        return Reason.DUPLICATE_INTENT, 0, 1
    return None


def order_worth(world: World, intent: Intent) -> int:
    """What an approved order takes of its proposer's budget."""
    return _notional(world, intent)[0]


def note(facts: dict[str, Any]) -> tuple[Reason, int, int]:
    """A DENIED record in the twin's form."""
    return Reason[facts["reason"]], facts["limit"], facts["value"]
