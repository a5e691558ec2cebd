"""Listings by seed: what each source says and when, how the symbol opens or does not, and how its market moves."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from backtest.exchange_types import SymbolSpec, SymbolStatus
from engine.core.enums import ListingSource, OrderType, Side
from engine.core.instrument import InstrumentSpec
from tests.core_session import MONEY, START_NS
from tests.simulation.listings_world import MS, SECOND, World

OUTCOMES = (
    "on_time", "early", "late", "never", "postponed", "cancelled", "not_api_tradable", "paused", "band_moved",
    "no_market_orders", "sell_suspended", "one_source",
)  # fmt: skip
BAND_PPM = 200_000
MINUTE = 60 * SECOND
LIFE = 30 * MINUTE  # of a market after its opening


@dataclass
class Script:
    """One listing. Times in ns; `announced_ns` is what the sources say, `opens_ns` what happens (0: never)."""

    number: int
    outcome: str
    announced_ns: int
    opens_ns: int
    price: int
    path: str
    is_thin: bool
    has_flag: bool  # of a symbol that takes no API orders: whether exchangeInfo says so
    symbol: str = field(init=False)
    asks: list[tuple[int, int]] = field(default_factory=list)  # (time, best ask)

    def __post_init__(self) -> None:
        self.symbol = f"N{self.number:04d}USDT"


def scripts(seed: int, count: int, spacing_ns: int = 10 * MINUTE) -> list[Script]:
    """`count` listings, all outcomes in turn, their times spread out and now and then close together."""
    dice = random.Random(f"listings {seed}")
    found, at_ns = [], START_NS + 30 * MINUTE
    for number in range(count):
        at_ns += int(dice.expovariate(1 / spacing_ns))
        outcome = OUTCOMES[number % len(OUTCOMES)]
        announced = at_ns - at_ns % MINUTE
        delays = {
            "early": -dice.randrange(2, 120) * SECOND,
            "late": dice.randrange(1, 500) * SECOND,
            "postponed": dice.randrange(10, 60) * MINUTE,
        }
        opens = announced + delays.get(outcome, 0) + dice.randrange(0, 400) * MS
        if outcome in ("never", "cancelled"):
            opens = 0
        found.append(
            Script(
                number, outcome, announced, opens, dice.randrange(2_000, 90_000), dice.choice(("pump", "dump", "flat")),
                dice.random() < 0.25, dice.random() < 0.5,
            )
        )  # fmt: skip
    return found


class Play:
    """One script in a world."""

    def __init__(self, world: World, script: Script) -> None:
        self.world, self.script = world, script
        self.dice = random.Random(f"{script.number} {script.outcome} {script.price}")
        self.mid = script.price
        self.is_trading = False
        self.sells_from = 0
        symbol, base = script.symbol, script.symbol.removesuffix("USDT")
        self.min_notional = self.dice.choice((1, 5)) * MONEY
        is_open_to_market = script.outcome != "no_market_orders"
        world.exchange.add_symbol(
            SymbolSpec(
                symbol, base, "USDT", 5, 1, min_notional=self.min_notional, max_notional=2_000 * MONEY,
                band_up_ppm=BAND_PPM, band_down_ppm=BAND_PPM, status=SymbolStatus.PAUSED,
                order_types=frozenset(
                    kind for kind in OrderType if is_open_to_market or kind is not OrderType.MARKET
                ),
            )
        )  # fmt: skip
        world.audit.listed(symbol, self.min_notional)
        self.spec = InstrumentSpec(
            symbol, base, "USDT", 5, 1, tradable=2, band_up_ppm=BAND_PPM, band_down_ppm=BAND_PPM,
            taker_fee_ppm=500, min_notional=self.min_notional, max_notional=2_000 * MONEY,
            opens_ns=script.announced_ns,
        )  # fmt: skip
        world.refusals[symbol] = self.refusal
        self.schedule()

    def refusal(self, now_ns: int, approved: object) -> int:
        """Refusals that no filter of the matching engine makes."""
        script = self.script
        if script.outcome == "not_api_tradable":
            return 10007
        is_sale = getattr(approved, "side", 0) == Side.SELL
        if script.outcome == "sell_suspended" and is_sale and now_ns < self.sells_from:
            return 30028
        return 0

    # What the sources say.

    def schedule(self) -> None:
        world, script, dice = self.world, self.script, self.dice
        t = script.announced_ns
        world.at(t - dice.randrange(20, 28) * MINUTE, self.announce)
        if script.outcome != "one_source":
            world.at(t - dice.randrange(5, 18) * MINUTE, self.list_on_exchange)
        for lead, codes in ((19, (1, 1, 1)), (12, (2, 1, 2)), (6, (2, 2, 3)), (4, (2, 2, 4))):
            world.at(t - lead * MINUTE, lambda codes=codes: self.web(codes))
        if script.outcome == "cancelled":
            world.at(t - dice.randrange(1, 200) * SECOND, self.withdraw)
        if script.outcome == "postponed":
            world.at(t - dice.randrange(1, 200) * SECOND, self.postpone)
        if script.opens_ns:
            world.at(script.opens_ns, self.open)

    def opening_ms(self) -> int:
        moved = self.script.outcome == "postponed" and self.spec.opens_ns != self.script.announced_ns
        return (self.spec.opens_ns if moved else self.script.announced_ns) // MS

    def announce(self) -> None:
        facts = {"open_time_ms": self.opening_ms(), "listing_id": f"{self.script.number:032x}", "fields": 1}
        self.world.tell(ListingSource.CALENDAR, self.script.symbol, **facts)

    def web(self, codes: tuple[int, int, int]) -> None:
        if (
            self.script.outcome == "cancelled"
            and (ListingSource.CALENDAR, self.script.symbol) not in self.world.told
        ):
            return
        self.codes = codes
        self.world.tell(
            ListingSource.WEB,
            self.script.symbol,
            venue_codes=codes,
            open_time_ms=self.opening_ms(),
            fields=15,
        )

    def exchange_row(self, status: int) -> None:
        refused = self.script.outcome == "not_api_tradable" and self.script.has_flag
        self.world.tell(
            ListingSource.EXCHANGE_INFO, self.script.symbol, status=status, api_allowed=int(not refused),
            trade_side_type=1, order_types=self.spec.order_types, open_time_ms=self.opening_ms(),
        )  # fmt: skip

    def list_on_exchange(self) -> None:
        refused = self.script.outcome == "not_api_tradable" and self.script.has_flag
        self.world.specs[self.script.symbol] = replace(self.spec, tradable=0 if refused else 2)
        self.exchange_row(2)

    def withdraw(self) -> None:
        for source in (ListingSource.CALENDAR, ListingSource.WEB, ListingSource.EXCHANGE_INFO):
            self.world.lose(source, self.script.symbol)
        if self.script.symbol in self.world.specs:
            self.world.change(self.script.symbol, tradable=0)

    def postpone(self) -> None:
        """Told some time before the old one, by one source after the other."""
        moved = self.script.opens_ns - self.script.opens_ns % MINUTE
        self.spec = replace(self.spec, opens_ns=moved)
        self.announce()
        self.world.after(self.dice.randrange(1, 900) * MS, lambda: self.web((2, 2, 4)), of_session=False)
        self.world.after(self.dice.randrange(1, 900) * MS, lambda: self.moved(moved), of_session=False)

    def moved(self, opens_ns: int) -> None:
        if self.script.symbol in self.world.specs:
            self.world.change(self.script.symbol, opens_ns=opens_ns)
            self.exchange_row(2)

    # The market.

    def open(self) -> None:
        world, script = self.world, self.script
        symbol = script.symbol
        world.exchange.change_symbol(symbol, status=SymbolStatus.TRADING)
        self.is_trading = True
        if script.outcome == "band_moved":
            world.exchange.change_symbol(symbol, band_up_ppm=self.dice.choice((2_000, 12_000)))
        delay = self.dice.randrange(300, 3_000) * MS
        if script.outcome == "early" and self.dice.random() < 0.5:
            # The exchange's row keeps its time: only trades tell that it is open.
            delay += script.announced_ns - script.opens_ns
        elif script.outcome == "early":
            self.told_open()
        world.after(delay, self.told_open, of_session=False)
        if script.outcome == "sell_suspended":
            self.sells_from = world.now_ns + self.dice.randrange(30, 400) * SECOND
        if script.outcome == "paused":
            world.after(self.dice.randrange(1_000, 20_000) * MS, self.pause, of_session=False)
        self.tick()

    def told_open(self) -> None:
        script, world = self.script, self.world
        if script.symbol in world.specs:
            refused = script.outcome == "not_api_tradable" and script.has_flag
            world.change(script.symbol, tradable=0 if refused else 1, opens_ns=0)
            self.exchange_row(1)
        if script.outcome != "one_source":
            world.tell(ListingSource.MARKET_DATA, script.symbol)

    def pause(self) -> None:
        world, script = self.world, self.script
        world.exchange.change_symbol(script.symbol, status=SymbolStatus.PAUSED)
        self.is_trading = False
        until = self.dice.randrange(10, 120) * SECOND
        world.after(self.dice.randrange(200, 2_000) * MS, self.pause_told, of_session=False)
        world.after(until, self.resume, of_session=False)

    def pause_told(self) -> None:
        if self.script.symbol in self.world.specs:
            self.world.change(self.script.symbol, tradable=0)

    def resume(self) -> None:
        self.world.exchange.change_symbol(self.script.symbol, status=SymbolStatus.TRADING)
        self.is_trading = True
        if self.script.symbol in self.world.specs:
            self.world.change(self.script.symbol, tradable=1)

    def drift_ppm(self, age_ns: int) -> int:
        early = age_ns < 2 * MINUTE
        drift = {"pump": 6_000 if early else -2_000, "dump": -5_000 if early else 0, "flat": 0}[
            self.script.path
        ]
        return drift + self.dice.randrange(-6_000, 6_001)

    def tick(self) -> None:
        """The book moves; later more seldom. Prices never fall under a tenth of the first."""
        world, script, dice = self.world, self.script, self.dice
        age_ns = world.now_ns - script.opens_ns
        if age_ns:
            self.mid = max(script.price // 10, self.mid * (1_000_000 + self.drift_ppm(age_ns)) // 1_000_000)
        half = max(1, self.mid * dice.randrange(500, 6_000) // 1_000_000)
        scale = 20_000_000 if script.is_thin else 400_000_000  # lots at a price of 1: so much money a level
        step = max(1, self.mid // 1_000)

        def side(sign: int) -> dict[int, int]:
            prices = [self.mid + sign * (half + i * step) for i in range(8)]
            return {
                price: max(1, scale // price * dice.randrange(20, 100) // 1_000)
                for price in prices
                if price > 0
            }

        asks, bids = side(1), side(-1)
        if not age_ns and dice.random() < 0.3:
            bids = {}  # the first book has one side only
        script.asks.append((world.now_ns, min(asks)))
        world.quote(script.symbol, asks, bids)
        if self.is_trading and dice.random() < (0.2 if script.is_thin else 0.6):
            price = max(bids) if bids and dice.random() < 0.5 else min(asks)
            world.trade(
                script.symbol, price, dice.randrange(1, 500), Side.BUY if price in asks else Side.SELL
            )
        if age_ns < LIFE:
            pause = 250 * MS if age_ns < 10 * SECOND else 2 * SECOND if age_ns < 5 * MINUTE else 15 * SECOND
            world.after(pause + dice.randrange(100) * MS, self.tick, of_session=False)
