"""Listings: symbols that are announced, listed and opened while the venue runs, and symbols changed by hand.

Each `ListingConfig` becomes a few dated steps. What the calendar, symbolsV2, the announcements and symbol/offline show
of a listing is kept here; what exchangeInfo shows and what an order meets is the symbol's own config and the exchange.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from adapters.mexc.venue.config_symbols import (
    PRE_READY_CODES,
    READY_CODES,
    ListingConfig,
    SymbolConfig,
    WebCodes,
)
from adapters.mexc.venue.market import Market
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import SymbolStatus

KEPT_ANNOUNCEMENTS = 1000
_CLOSED = {30000: SymbolStatus.PAUSED, 30016: SymbolStatus.DISABLED}


class Step(Enum):
    """What a listing's schedule does at one moment."""

    ANNOUNCE = "announce"
    WEB = "web"
    LIST = "list"
    ALLOW = "allow"
    CONTRACT = "contract"
    POSTPONE = "postpone"
    CANCEL = "cancel"
    OPEN = "open"
    PAUSE = "pause"
    SUSPEND = "suspend"
    DELIST = "delist"


@dataclass(slots=True)
class Listing:
    """One listing: what has been said of it so far."""

    config: ListingConfig
    open_ms: int  # the opening as announced now
    opens_ms: int  # when it really opens
    in_calendar: bool = False
    codes: WebCodes | None = None  # in symbolsV2 where there are any
    state: str = "hidden"
    opened_ns: int = 0  # by the venue's clock, when it did

    @property
    def symbol(self) -> str:
        return self.config.symbol


@dataclass(frozen=True, slots=True)
class Announcement:
    """One entry of /api/v3/announcements."""

    title: str
    post_ms: int
    number: int


@dataclass(order=True, slots=True, frozen=True)
class _Due:
    at_ns: int
    number: int
    symbol: str
    step: Step
    codes: WebCodes | None = None


def schedule(config: ListingConfig) -> Iterator[tuple[float, Step, WebCodes | None]]:
    """(seconds, step, codes) of a listing, in the order in which steps of one moment are taken."""
    web_s, ready_s, opens_s = config.at_s("web_s"), config.at_s("ready_s"), config.opens_s
    yield config.at_s("announce_s"), Step.ANNOUNCE, None
    if config.outcome in ("postponed", "cancelled"):
        step = Step.POSTPONE if config.outcome == "postponed" else Step.CANCEL
        yield config.at_s("notice_s"), step, None
    for place, codes in enumerate((*PRE_READY_CODES, READY_CODES)):
        yield web_s + (ready_s - web_s) * place / len(PRE_READY_CODES), Step.WEB, codes
    yield config.at_s("list_s"), Step.LIST, None
    if config.contract_s is not None:
        yield config.at_s("contract_s"), Step.CONTRACT, None
    if config.outcome != "not_api_tradable":
        yield config.at_s("api_s"), Step.ALLOW, None
    yield opens_s, Step.OPEN, None
    if config.outcome == "paused":
        yield opens_s + config.shift_s, Step.PAUSE, None
    if config.outcome in ("buy_suspended", "sell_suspended"):
        yield opens_s + config.shift_s, Step.SUSPEND, None
    if config.delist_s is not None:
        yield config.delist_s, Step.DELIST, None


class Listings:
    """Adds, changes and removes symbols: by the schedule of each listing, and by hand."""

    def __init__(self, state: VenueState, market: Market) -> None:
        self._state = state
        self._market = market
        self.by_symbol: dict[str, Listing] = {}
        self._announced = 0
        self.announcements: deque[Announcement] = deque(maxlen=KEPT_ANNOUNCEMENTS)
        self.offline: dict[str, int] = {}  # symbol -> since when, in ms
        self.on_contract: Callable[[Listing], None] = lambda listing: None
        self._due: list[_Due] = []
        self._steps = 0
        for config in state.config.all_listings():
            self.add(config, state.start_ns)

    # by the schedule

    def add(self, config: ListingConfig, from_ns: int) -> Listing:
        """Schedule a listing, its times counted from `from_ns`; ValueError for a symbol that is there already."""
        self._needs_a_made_market()
        if config.symbol in self._state.symbols or config.symbol in self.by_symbol:
            raise ValueError(f"{config.symbol} is listed already")
        listing = Listing(config, _ms(from_ns, config.open_s), _ms(from_ns, config.opens_s))
        self.by_symbol[config.symbol] = listing
        for at_s, step, codes in schedule(config):
            self._steps += 1
            at_ns = from_ns + int(at_s * 1e9)
            heapq.heappush(self._due, _Due(at_ns, self._steps, config.symbol, step, codes))
        return listing

    def advance(self, now_ns: int) -> None:
        """Take all steps that are due."""
        while self._due and self._due[0].at_ns <= now_ns:
            due = heapq.heappop(self._due)
            listing = self.by_symbol.get(due.symbol)
            if listing is not None:
                self._take(listing, due, now_ns)

    def _take(self, listing: Listing, due: _Due, now_ns: int) -> None:
        step, config = due.step, listing.config
        if step is Step.ANNOUNCE:
            listing.in_calendar = True
            listing.state = "announced" if listing.state == "hidden" else listing.state
            self._announce(f"{_name(config)}: initial listing of {config.symbol}", now_ns)
        elif step is Step.WEB:
            listing.codes = due.codes
        elif step is Step.LIST:
            self._list(listing)
        elif step is Step.ALLOW:
            self._change_if_listed(listing, tradable=True)
        elif step is Step.CONTRACT:
            self.on_contract(listing)
        elif step is Step.POSTPONE:
            self._postpone(listing, now_ns)
        elif step is Step.CANCEL:
            self._announce(f"{_name(config)}: listing of {config.symbol} is cancelled", now_ns)
            self.unlist(config.symbol, now_ns, is_told=False)
        elif step is Step.OPEN:
            self._open(listing, now_ns)
        elif step is Step.PAUSE:
            listing.state = "halted"
            self._change_if_listed(listing, status=SymbolStatus.PAUSED)
        elif step is Step.SUSPEND:
            self._change_if_listed(listing, suspended=config.outcome.removesuffix("_suspended"))
        else:
            self.unlist(config.symbol, now_ns)

    def _list(self, listing: Listing) -> None:
        config = listing.config
        types = [kind for kind in config.order_types if kind != "MARKET"]
        self.add_symbol(
            config.model_copy(
                update={
                    "status": _CLOSED[config.closed_code],
                    "tradable": False,
                    "first_open_ms": listing.open_ms,
                    "order_types": types if config.outcome == "no_market_orders" else config.order_types,
                }
            )
        )
        listing.state = "listed"

    def _postpone(self, listing: Listing, now_ns: int) -> None:
        listing.open_ms = listing.opens_ms
        self._announce(f"{_name(listing.config)}: listing of {listing.symbol} is postponed", now_ns)
        self._change_if_listed(listing, first_open_ms=listing.open_ms)

    def _open(self, listing: Listing, now_ns: int) -> None:
        listing.opened_ns = now_ns
        listing.state = "open"
        moved = {"band": listing.config.moved_band} if listing.config.outcome == "band_moved" else {}
        self.change_symbol(listing.symbol, status=SymbolStatus.TRADING, **moved)

    def _change_if_listed(self, listing: Listing, **changes: object) -> None:
        if listing.symbol in self._state.symbols:
            self.change_symbol(listing.symbol, **changes)

    def _announce(self, title: str, now_ns: int) -> None:
        self._announced += 1
        self.announcements.appendleft(Announcement(title, now_ns // 1_000_000, self._announced))

    # by hand

    def add_symbol(self, config: SymbolConfig) -> None:
        """A symbol is in exchangeInfo from now on; its market starts once its status is `trading`."""
        self._needs_a_made_market()
        self.offline.pop(config.symbol, None)
        self._state.add_symbol(config)
        self._market.add(config)

    def _needs_a_made_market(self) -> None:
        if self._state.config.market != "seeded":
            raise ValueError("the market is a recording: it has no new symbols")

    def change_symbol(self, symbol: str, **changes: object) -> None:
        """Change what exchangeInfo says of a symbol; ValueError for an unknown one or what cannot change.

        A new `first_open_ms` of a listing is told everywhere: in the calendar, on the web, of its contract.
        """
        self._state.change_symbol(symbol, **changes)
        if "first_open_ms" in changes and symbol in self.by_symbol:
            self.by_symbol[symbol].open_ms = self._state.symbols[symbol].first_open_ms

    def unlist(self, symbol: str, now_ns: int, *, is_told: bool = True) -> None:
        """A symbol is gone: its orders end. `is_told`: symbol/offline has it from now on."""
        if symbol not in self._state.symbols and symbol not in self.by_symbol:
            raise ValueError(f"{symbol} is not listed")
        self.by_symbol.pop(symbol, None)
        self._due = [due for due in self._due if due.symbol != symbol]
        heapq.heapify(self._due)
        if symbol in self._state.symbols:
            self._market.remove(symbol)
            self._state.remove_symbol(symbol, now_ns)
            if is_told:
                self.offline[symbol] = now_ns // 1_000_000


def _ms(from_ns: int, seconds: float) -> int:
    return from_ns // 1_000_000 + int(seconds * 1000)


def _name(config: SymbolConfig) -> str:
    return f"{config.full_name or config.base} ({config.base})"
