"""A core with one strategy that does as the test says: events in by number and time, described outputs out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import CommandKind, HealthField, OrderReport
from engine.core.instrument import InstrumentSpec
from engine.core.strategy import Strategy
from engine.journal.records import split

MONEY = 10**20
NO_STRATEGY = 0xFFFF
START_NS = 1_700_000_000_000_000_000
SECOND_NS = 1_000_000_000
BUY, SELL = 1, 2
LIMIT, MARKET, LIMIT_MAKER, IOC, FOK = 1, 2, 3, 4, 5

WIDE: dict[str, Any] = {
    "currency": "USDT",
    "max_order_notional": "1000000000",
    "max_position_notional": "1000000000",
    "max_gross_exposure": "1000000000",
    "max_net_exposure": "1000000000",
    "max_concentration_bps": 10**9,
    "max_open_orders": 1024,
    "max_open_orders_per_instrument": 1024,
    "max_orders_per_second": 1024,
    "max_orders_per_window": 1024,
    "order_window_s": 60,
    "max_fees_per_day": "1000000000",
    "price_collar_bps": 9_000,
    "max_slippage_bps": 9_000,
    "max_daily_loss": "1000000000",
    "max_drawdown": "1000000000",
    "max_errors_per_window": 255,
    "max_rejects_per_window": 255,
    "breaker_window_s": 60,
    "max_volatility_bps": 10**9,
    "volatility_window_s": 10,
    "max_feed_silence_ms": 60_000,
    "max_feed_lag_ms": 60_000,
    "max_clock_skew_ms": 1_000,
    "proposer_budget_notional": "1000000000",
    "proposer_window_s": 3600,
    "intent_ttl_ms": 1_000,
    "opening_early_ms": 500,
    "on_strategy_error": "cancel",
}

COIN = InstrumentSpec("AAAUSDT", "AAA", "USDT", price_decimals=2, size_decimals=3)


class Puppet(Strategy):
    """Does what `todo` says when its timer is due, and remembers what it hears."""

    def __init__(self) -> None:
        self.todo: Callable[[Puppet], Any] = lambda _: None
        self.result: Any = None
        self.heard: list[tuple[str, Any]] = []
        self.raises: set[str] = set()

    def _hear(self, slot: str, what: Any) -> None:
        self.heard.append((slot, what))
        if slot in self.raises:
            raise RuntimeError(slot)

    def on_start(self) -> None:
        self._hear("on_start", None)

    def on_book(self, book: Any) -> None:
        self._hear("on_book", book.best_bid_ticks)

    def on_trade(self, trade: Any) -> None:
        self._hear("on_trade", trade.price_ticks)

    def on_order(self, order: Any) -> None:
        self._hear("on_order", order)

    def on_timer(self, timer_id: int) -> None:
        self._hear("on_timer", timer_id)
        self.result = self.todo(self)


class Session:
    """One engine, its inputs numbered and timed; `records` are its journal, `inputs` all that went in."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine()
        self.now_ns = START_NS
        self.seq = self.engine.seq
        self.inputs: list[bytes] = []
        self.records: list[bytes] = []
        self.puppets: list[Puppet] = []

    def push(self, what: bytes, *, step_ns: int = 0) -> list[dict[str, Any]]:
        """One event, `step_ns` after the one before; the outputs, described."""
        self.now_ns += step_ns
        self.seq += 1
        stamped = event.stamped(what, self.seq, self.now_ns)
        durable = 32 <= int.from_bytes(stamped[24:26], "little") < 64
        self.inputs.append(stamped)
        if durable:
            self.records.append(stamped)
        outputs = list(split(self.engine.process_bytes(stamped)))
        self.records += outputs
        return [describe(each) for each in outputs]

    def limits(self, mode: str = "paper", strategies: Sequence[str] = ("one",), **changes: Any) -> None:
        """A CONFIG with wide limits but for these changes."""
        strategy = [{"id": name} for name in strategies]
        self.push(
            event.config(
                json.dumps({"mode": mode, "risk": {**WIDE, **changes}, "strategy": strategy}).encode()
            )
        )

    def attach(self, names: Sequence[str] = ("one",), symbols: Sequence[str] | None = None) -> None:
        """A puppet per name, on all instruments."""
        for name in names:
            self.puppets.append(Puppet())
            known = [book.symbol for book in self.engine.books]
            self.engine.attach(self.puppets[-1], name, list(symbols or known))

    def book(
        self,
        instrument: int = 0,
        bids: Any = ((9_990, 50_000),),
        asks: Any = ((10_010, 50_000),),
        **more: Any,
    ) -> None:
        """A fresh book: the feed comes up again where need be, and a snapshot."""
        source = self.engine.spec(instrument).source
        if self.engine.books[instrument].trust != "RESYNCING":
            self.push(event.feed(source, True))
        version = self.engine.books[instrument].version + 1
        self.push(event.snapshot(instrument, version, asks, bids, source=source, **more))

    def do(self, todo: Callable[[Puppet], Any], puppet: int = 0, *, step_ns: int = 0) -> Any:
        """Let a puppet act in one event; what it answers."""
        self.puppets[puppet].todo = todo
        self.outputs = self.push(event.timer(1, self.puppets[puppet].index, self.now_ns), step_ns=step_ns)
        return self.puppets[puppet].result

    def place(
        self, side: int, price: int, size: int, order_type: int = LIMIT, *, instrument: int = 0, key: int = 0,
        puppet: int = 0, step_ns: int = 0,
    ) -> tuple[int, dict[str, Any] | None]:  # fmt: skip
        """Propose an order: its number and the denial, one of them nothing."""
        self.keep_house()

        def todo(one: Puppet) -> int:
            act = one.buy if side == BUY else one.sell
            return act(instrument, price, size, order_type, key)

        number = self.do(todo, puppet, step_ns=step_ns)
        denied = [each for each in self.outputs if each["kind"] == "DENIED"]
        return number, denied[0] if denied else None

    def keep_house(self) -> list[dict[str, Any]]:
        """The once-a-second timer."""
        return self.push(event.timer(0, NO_STRATEGY, self.now_ns))

    def command(self, kind: CommandKind, **more: Any) -> list[dict[str, Any]]:
        return self.push(event.command(kind, **more))

    def health(self, field: HealthField, value: int) -> None:
        self.push(event.health(field, value))

    def update(self, order_no: int, report: OrderReport, **more: Any) -> list[dict[str, Any]]:
        return self.push(event.order_update(order_no, report, **more))

    def fill(self, order_no: int, lots: int, price: int | None = None, **more: Any) -> list[dict[str, Any]]:
        """One execution of an order, at its price."""
        order = self.engine.order(order_no)
        price = order.price_ticks if price is None else price
        spec = self.engine.spec(order.instrument)
        facts = {
            "instrument": order.instrument, "side": order.side, "money": spec.notional(price, lots), "fee": 0,
            "fee_asset": spec.quote, "is_maker": False, "trade_id": f"t{self.seq}",
        }  # fmt: skip
        return self.push(event.fill(order_no, price_ticks=price, size_lots=lots, **{**facts, **more}))


def ready(
    *specs: InstrumentSpec, names: Sequence[str] = ("one",), money: str = "1000000", **limits: Any
) -> Session:
    """A session that trades: instruments, balances, reconciled, books LIVE."""
    session = Session()
    session.push(event.start("testrun00000", 0, False, 1))
    session.limits(strategies=names, **limits)
    for spec in specs or (COIN,):
        session.push(event.instrument(spec))
        session.push(event.balance(spec.base, int(money) * MONEY, 0, True))
    session.push(event.balance("USDT", int(money) * MONEY, 0, True))
    session.attach(names)
    session.push(event.reconciled())
    for instrument in range(len(specs or (COIN,))):
        session.book(instrument)
    return session
