"""Paper fills on MEXC's public data: against the local venue's feeds, and the market alone against made books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.mexc.paper import PaperConfig, PaperMexcAdapter
from adapters.mexc.paper.adapter import trades_in
from adapters.mexc.paper.market import PaperMarket
from adapters.mexc.venue.config import SeededConfig, VenueConfig
from adapters.mexc.venue.server import Venue
from engine.adapter import OrderRef, PlaceTicket
from engine.config import parse, resolve
from engine.core import event
from engine.core.describe import describe
from engine.core.engine import Engine
from engine.core.enums import OrderReport, OrderType, Side, Tradable
from engine.core.instrument import BUY_BIT, InstrumentSpec
from engine.core.strategy import Strategy
from engine.execution.executor import Executor
from engine.execution.reconcile import Reconciler
from engine.execution.resolver import Resolver
from engine.plugins import make_adapter
from engine.rim import Rim
from engine.sequencer import Sequencer

RUN_ID = "abcdef012345"
MONEY = 10**20
COIN = InstrumentSpec(
    "AAAUSDT", "AAA", "USDT", 2, 3, taker_fee_ppm=500, maker_fee_ppm=100, min_notional=MONEY, band_up_ppm=200_000,
    band_down_ppm=200_000,
)  # fmt: skip
BIDS, ASKS = ((9_990, 1_000), (9_980, 5_000)), ((10_010, 1_000), (10_020, 5_000))


def market(usdt: int = 10_000, aaa: int = 100) -> PaperMarket:
    made = PaperMarket("T", {"USDT": usdt * MONEY, "AAA": aaa * MONEY})
    made.specify(3, COIN)
    made.set_book(1, "AAAUSDT", BIDS, ASKS)
    return made


def ticket(number: int, side: Side, price: int, lots: int, kind: OrderType = OrderType.LIMIT) -> PlaceTicket:
    return PlaceTicket(number, 3, f"c{number}", side, kind, price, lots)


def ref(number: int) -> OrderRef:
    return OrderRef(number, 3, f"c{number}")


def told(made: PaperMarket, kind: str) -> list[dict[str, Any]]:
    return [facts for each in made.take_events() if (facts := describe(each))["kind"] == kind]


def test_a_taker_is_filled_at_the_levels_opposite() -> None:
    made = market()
    evidence = made.place(2, "AAAUSDT", ticket(7, Side.BUY, 10_020, 1_500, OrderType.IOC))
    assert (evidence.report, evidence.venue_order_id) == (OrderReport.WORKING, "T-O1")
    events = [describe(each) for each in made.take_events()]
    fills = [each for each in events if each["kind"] == "FILL"]
    assert [(each["price_ticks"], each["size_lots"], each["is_maker"]) for each in fills] == [
        (10_010, 1_000, False),
        (10_020, 500, False),
    ]
    assert {(each["order_no"], each["instrument"]) for each in events} == {(7, 3)}
    assert fills[0]["fee"] == COIN.notional(10_010, 1_000) * 500 // 10**6
    assert [each["report"] for each in events if each["kind"] == "ORDER_UPDATE"] == ["WORKING", "FILLED"]
    # What was taken is gone until the venue changes the level.
    made.set_book(3, "AAAUSDT", BIDS, ASKS)
    made.place(4, "AAAUSDT", ticket(8, Side.BUY, 10_010, 500, OrderType.IOC))
    assert told(made, "FILL") == []
    made.set_book(5, "AAAUSDT", BIDS, ((10_010, 999), (10_020, 5_000)))
    made.place(6, "AAAUSDT", ticket(9, Side.BUY, 10_010, 500, OrderType.IOC))
    assert [each["size_lots"] for each in told(made, "FILL")] == [500]


def test_a_resting_order_waits_its_turn_and_is_filled_by_real_trades() -> None:
    made = market()
    made.place(2, "AAAUSDT", ticket(7, Side.BUY, 9_990, 300))
    assert made.is_resting("AAAUSDT")
    made.trade(3, "AAAUSDT", Side.SELL, 9_990, 900)
    assert told(made, "FILL") == [], "1,000 lots stand before it"
    made.trade(4, "AAAUSDT", Side.SELL, 9_990, 200)
    (fill,) = told(made, "FILL")
    assert (fill["size_lots"], fill["is_maker"], fill["price_ticks"]) == (100, True, 9_990)
    made.trade(5, "AAAUSDT", Side.SELL, 9_980, 50_000)
    assert [each["size_lots"] for each in told(made, "FILL")] == [200]
    assert not made.is_resting("AAAUSDT")


def test_a_resting_order_is_filled_where_the_book_moves_across_it() -> None:
    made = market()
    made.place(2, "AAAUSDT", ticket(7, Side.BUY, 10_000, 300, OrderType.LIMIT_MAKER))
    made.set_book(3, "AAAUSDT", ((9_980, 10),), ((9_995, 200), (10_010, 9)))
    (fill,) = told(made, "FILL")
    assert (fill["price_ticks"], fill["size_lots"]) == (10_000, 200)
    assert made.open_orders()[0].evidence.cumulative_lots == 200


def test_cancels_queries_and_balances() -> None:
    made = market(usdt=1_000)
    made.place(2, "AAAUSDT", ticket(7, Side.BUY, 9_000, 1_000))
    held = {each.asset: (each.free, each.locked) for each in made.balances()}
    locked = COIN.notional(9_000, 1_000) * (10**6 + 500) // 10**6
    assert held["USDT"] == (1_000 * MONEY - locked, locked)
    assert made.query(ref(8)) is None
    assert made.cancel(3, ref(8)) is None
    evidence = made.cancel(4, ref(7))
    assert evidence is not None
    assert (evidence.report, evidence.cumulative_lots) == (OrderReport.CANCELED, 0)
    assert [each["report"] for each in told(made, "ORDER_UPDATE")] == ["CANCELED"]
    assert made.open_orders() == []
    assert {each.asset: each.locked for each in made.balances()}["USDT"] == 0


@pytest.mark.parametrize(
    ("asked", "code", "report"),
    [
        ((Side.BUY, 10_000, 200_000), 10101, OrderReport.REJECTED),
        ((Side.SELL, 10_000, 200_000), 30004, OrderReport.REJECTED),
        ((Side.BUY, 12_500, 100), 30087, OrderReport.REJECTED),
        ((Side.BUY, 9_990, 1), 30002, OrderReport.REJECTED),
    ],
)
def test_refusals_have_the_venues_codes(asked: Any, code: int, report: OrderReport) -> None:
    made = market(usdt=100)
    evidence = made.place(2, "AAAUSDT", ticket(7, *asked))
    assert (evidence.report, evidence.venue_code) == (report, code)
    assert made.take_events() == []


def test_what_is_not_open_yet_and_what_is_closed() -> None:
    made = market()
    buy = (Side.BUY, 9_990, 100)
    for changes, expected in (
        ({"tradable": Tradable.OPENING}, (OrderReport.NOT_YET, 30000)),
        ({"tradable": Tradable.NO}, (OrderReport.REJECTED, 10007)),
        ({"sides": 0}, (OrderReport.REJECTED, 30001)),
        ({"sides": BUY_BIT}, (OrderReport.WORKING, 0)),
    ):
        fields = {name: getattr(COIN, name) for name in COIN.__slots__}
        made.specify(3, InstrumentSpec(**(fields | changes)))
        evidence = made.place(2, "AAAUSDT", ticket(7, *buy))
        assert (evidence.report, evidence.venue_code) == expected, changes


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell", "book", "trade", "cancel"]),
            st.integers(9_900, 10_100),
            st.integers(100, 3_000),
        ),
        max_size=40,
    )
)
def test_money_and_coins_add_up(steps: list[tuple[str, int, int]]) -> None:
    """Whatever happens, the account moved by exactly its fills, and open orders hold what is locked."""
    made = market()
    fills: list[dict[str, Any]] = []
    for number, (what, price, lots) in enumerate(steps, 1):
        now = 10 * number
        if what in ("buy", "sell"):
            made.place(now, "AAAUSDT", ticket(number, Side.BUY if what == "buy" else Side.SELL, price, lots))
        elif what == "book":
            made.set_book(now, "AAAUSDT", ((price, lots),), ((price + 10, lots),))
        elif what == "trade":
            made.trade(now, "AAAUSDT", Side(1 + lots % 2), price, lots)
        else:
            made.cancel(now, ref(1 + price % number))
        fills += told(made, "FILL")
    held = {each.asset: each.free + each.locked for each in made.balances()}
    bought = sum(each["size_lots"] * (1 if each["side"] == "BUY" else -1) for each in fills)
    spent = sum(each["money"] * (1 if each["side"] == "BUY" else -1) + each["fee"] for each in fills)
    assert held["AAA"] == 100 * MONEY + bought * 10**17
    assert held["USDT"] == 10_000 * MONEY - spent
    assert len({each["trade_id"] for each in fills}) == len(fills)
    for order in made.open_orders():
        assert order.evidence.report == OrderReport.WORKING


def test_trades_are_read_from_their_event() -> None:
    items = [(9_990, 5, Side.SELL, 7), (10_000, 6, Side.BUY, 8)]
    assert trades_in(event.trades(0, items)) == [(Side.SELL, 9_990, 5), (Side.BUY, 10_000, 6)]


def test_a_key_is_not_taken() -> None:
    with pytest.raises(ValidationError, match="leave api_key_env, api_secret_env away"):
        PaperConfig(api_key_env="A", api_secret_env="B")
    with pytest.raises(ValidationError, match="USDT"):
        PaperConfig(balances={"USDT": "much"})
    made = make_adapter("mexc_paper", {"balances": {"USDT": "5"}}, RUN_ID, 1)
    assert isinstance(made, PaperMexcAdapter)
    assert made.destination == "nowhere"


CONFIG = """
symbols = ["MXUSDT", "BTCUSDT"]
[[strategy]]
name = "market_maker"
id = "hand"
symbols = ["MXUSDT", "BTCUSDT"]
"""


class Hand(Strategy):
    """Trades only when the test tells it to."""

    def __init__(self) -> None:
        self.wishes: list[Callable[[Hand], None]] = []

    def on_book(self, book: Any) -> None:
        while self.wishes:
            self.wishes.pop(0)(self)


class Daemon(Rim):
    """What a daemon does for the core, and no more."""

    def __init__(self, adapter: PaperMexcAdapter) -> None:
        self.adapter, self.hand, self.core = adapter, Hand(), Engine()
        self.faults: list[Any] = []
        self.sequencer = Sequencer(self.core, adapter.decoder(), self)
        self.executor: Any = None
        self.jobs: set[Any] = set()

    def on_approved(self, approved: Any) -> None:
        self.executor.submit(approved)

    def on_resync(self, instrument: int, attempt: int) -> None:
        job = asyncio.get_running_loop().create_task(self.adapter.fetch_book(instrument, attempt))
        self.jobs.add(job)
        job.add_done_callback(self.jobs.discard)

    def on_query(self, order_no: int) -> None:
        self.executor.resolve(order_no)

    def on_fault(self, what: str, error: Exception) -> None:
        self.faults.append((what, error))

    async def start(self) -> None:
        """As the daemon starts a session."""
        resolved = resolve(parse(CONFIG))
        self.sequencer.ingest(event.start(RUN_ID, 0, False, 1))
        self.sequencer.ingest(event.config(json.dumps(resolved, sort_keys=True).encode()))
        for spec in await self.adapter.load_instruments(["MXUSDT", "BTCUSDT"]):
            self.sequencer.ingest(event.instrument(spec))
        self.core.attach(self.hand, "hand", ["MXUSDT", "BTCUSDT"])
        resolver = Resolver(self.adapter, self.sequencer, RUN_ID)
        self.executor = Executor(self.adapter, self.sequencer, RUN_ID, resolver)
        await self.adapter.start(self.sequencer, [self.core.spec(index) for index in (0, 1)])
        assert self.adapter.private_restored.is_set()
        await Reconciler(
            self.adapter, self.sequencer, RUN_ID, resolver, lambda: len(self.core.books)
        ).reconcile_until_done()
        await self.until(lambda: all(self.core.book(index).is_live for index in (0, 1)))

    async def until(self, condition: Callable[[], object], timeout_s: float = 15.0) -> None:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, (self.faults, self.sequencer.counters)
            await asyncio.sleep(0.005)

    async def wish(self, wish: Callable[[Hand], int]) -> Any:
        """The order that a wish of the strategy's became."""
        numbers: list[int] = []
        self.hand.wishes.append(lambda hand: numbers.append(wish(hand)))
        await self.until(lambda: numbers)
        assert numbers[0], self.hand.denied_reason
        return numbers[0]


def test_orders_are_filled_from_the_venues_public_feeds_and_never_reach_it() -> None:
    async def body(venue: Venue, daemon: Daemon) -> None:
        core = daemon.core
        await daemon.start()
        assert core.balances()["USDT"][0] == 500 * MONEY
        assert daemon.adapter.status().feeds[-1].state == "UP"

        def take(hand: Hand) -> int:
            return hand.buy(0, core.book(0).best_ask_ticks + 5, 2_000, OrderType.IOC)

        number = await daemon.wish(take)
        await daemon.until(lambda: not core.order(number).is_open)
        taken = core.order(number)
        assert taken.filled_lots > 0
        assert core.position_lots(0) == taken.filled_lots
        assert taken.fees == taken.filled_money * core.spec(0).taker_fee_ppm // 10**6

        # At the best ask: real takers of the seeded market come through it.
        number = await daemon.wish(lambda hand: hand.sell(0, core.book(0).best_ask_ticks, 1_000))
        await daemon.until(lambda: not core.order(number).is_open)
        assert core.order(number).filled_lots == 1_000

        number = await daemon.wish(lambda hand: hand.buy(0, core.book(0).best_bid_ticks - 60, 2_000))
        await daemon.until(lambda: core.order(number).venue_order_id)
        assert [order.instrument for order in await daemon.adapter.open_orders()] == [0]
        assert await daemon.adapter.open_orders(1) == []
        assert await daemon.adapter.query(OrderRef(999, 0, "unknown")) is None
        await daemon.wish(lambda hand: int(hand.cancel(number)))
        await daemon.until(lambda: not core.order(number).is_open)
        assert core.order(number).is_canceled

        total, reserved = core.balances()["USDT"]
        held = {each.asset: each for each in await daemon.adapter.account()}
        assert (total, reserved) == (held["USDT"].free, 0)
        assert len(await daemon.adapter.trades_since(0, 0)) >= 2
        assert daemon.faults == []
        assert not venue.state.received, "no order reached the venue"
        assert not venue.state.fills.get("mx0-demo")
        findings = await daemon.adapter.examine(["MXUSDT"], 1000)
        assert {each.level for each in findings} == {"ok"}
        assert {each.check for each in findings} == {"reach", "clock", "symbols", "feeds"}
        await daemon.executor.close()

    async def main() -> None:
        seeded = SeededConfig(warm_up_steps=20, maker_rate_hz=60, taker_rate_hz=20)
        async with Venue(VenueConfig(seeded=seeded)) as venue:
            settings = PaperConfig(
                rest_url=venue.rest_url, ws_url=venue.ws_url, balances={"USDT": "500"}, latency_ms=5,
                clock_samples=2,
            )  # fmt: skip
            adapter = PaperMexcAdapter(settings, run_id=RUN_ID, seed=7)
            try:
                await body(venue, Daemon(adapter))
            finally:
                await adapter.close()

    asyncio.run(asyncio.wait_for(main(), 60))
