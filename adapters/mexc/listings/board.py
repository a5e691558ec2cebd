"""All sources of listing evidence put together, each in its own task: one that fails leaves the others alone."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from decimal import Decimal
from typing import Any

from adapters.mexc.config import MexcConfig
from adapters.mexc.futures.market import FuturesMarket
from adapters.mexc.instruments import Row
from adapters.mexc.listings import announcements, calendar, exchange_info, offline, self_symbols, symbols_v2
from adapters.mexc.listings.announcements import Announcements
from adapters.mexc.listings.calendar import Calendar
from adapters.mexc.listings.contracts import PATH as CONTRACTS_PATH
from adapters.mexc.listings.contracts import Contracts
from adapters.mexc.listings.exchange_info import ExchangeInfo
from adapters.mexc.listings.facts import ListingFacts, Reading
from adapters.mexc.listings.ledger import Ledger
from adapters.mexc.listings.market_data import MarketData
from adapters.mexc.listings.offline import Offline
from adapters.mexc.listings.openings import Openings
from adapters.mexc.listings.poller import Poller, PollPlan
from adapters.mexc.listings.self_symbols import SelfSymbols
from adapters.mexc.listings.symbols_v2 import SymbolsV2
from adapters.mexc.listings.teller import Teller
from adapters.mexc.rest import RestClient
from engine.adapter import SequencerPort, SourceStatus
from engine.core.enums import ListingChange, ListingSource
from native.decimal import parse_money

RunTask = Callable[[Coroutine[Any, Any, None], str], object]


class ListingBoard:
    """The sources that the config asks for. `now_ms` is the venue's time; `is_calm`: no watched symbol opens just now."""

    def __init__(
        self,
        config: MexcConfig,
        rest: RestClient,
        sequencer: SequencerPort,
        rng: random.Random,
        count: Callable[[str], int],
        openings: Openings,
        now_ms: Callable[[], int],
        is_calm: Callable[[], bool],
    ) -> None:
        self._config = config
        self._rest = rest
        self._sequencer = sequencer
        self._rng = rng
        self._count = count
        self._openings = openings
        self._is_calm = is_calm
        self._now_ms = now_ms
        self._web = RestClient(config.model_copy(update={"rest_url": config.web_url}), None)
        self._futures_rest = RestClient(config.model_copy(update={"rest_url": config.futures_url}), None)
        self.teller = Teller(sequencer, count, self._note)
        self.ledgers: dict[ListingSource, Ledger] = {}
        self.market_data: MarketData | None = None
        self.futures: FuturesMarket | None = None
        self._contracts = Contracts(config.listings.quotes)
        self._followed: set[str] = set()

    async def start(self, run_task: RunTask, address: Callable[[], Awaitable[str]]) -> None:
        """Open the connections and start a task per source."""
        settings = self._config.listings
        await self._web.open()
        await self._futures_rest.open()
        for plan in self._plans() if settings.enabled else []:
            ledger = self.ledgers[plan.source] = Ledger()
            poller = Poller(plan, self.teller, ledger, self._rng, settings.outage_interval_s, self._is_calm)
            run_task(poller.run(), f"listings {plan.source.name.lower()}")
        if settings.enabled and settings.market_data:
            self.market_data = MarketData(
                self._config, self._sequencer, self.teller, self._rng, address, settings.quotes
            )
            run_task(self.market_data.connection.run(), "mini tickers")
            run_task(self.market_data.run(), "mini tickers' backlog")
        if (settings.enabled and settings.futures) or self._config.futures.contracts:
            self.futures = FuturesMarket(
                self._config, self._futures_rest, self._rng, self._count,
                self._take_contract, self._take_reference, lambda: None, self._futures_fault,
            )  # fmt: skip
            run_task(self.futures.run(), "futures")

    async def close(self) -> None:
        """Close the connections; the tasks are the adapter's to end."""
        await self._web.close()
        await self._futures_rest.close()

    def follow(self, symbol: str, on: bool = True) -> None:
        """Follow the futures' reference price of a watched symbol, as soon as there is a contract; or no longer."""
        (self._followed.add if on else self._followed.discard)(symbol)
        if self.futures is not None and (name := self._contract_of(symbol)):
            self.futures.follow(name, on)

    def take_rows(self, rows: Mapping[str, Row]) -> None:
        """exchangeInfo rows of single symbols: evidence too, between two looks at the whole list."""
        ledger = self.ledgers.get(ListingSource.EXCHANGE_INFO)
        if ledger is None:
            return
        facts: dict[str, ListingFacts] = {}
        for row in rows.values():
            try:
                found = exchange_info.facts_of(row)
            except ValueError:
                self._count("listings.exchange_info.bad_row")
                continue
            facts[found.symbol] = found
        for change, found in ledger.changes(facts, is_whole=False):
            self.teller.tell(ListingSource.EXCHANGE_INFO, change, found)

    def sources(self) -> list[SourceStatus]:
        """How each source does."""
        found = [
            SourceStatus(
                name=state.source.name.lower(), state=state.state, reason=state.reason, since_ns=state.since_ns,
                answers=state.answers, failures=state.failures, rows=state.rows, skipped=state.skipped,
            )
            for state in self.teller.states.values()
        ]  # fmt: skip
        return found if self.futures is None else [*found, self.futures.status()]

    def _plans(self) -> list[PollPlan]:
        s, quote, quotes = (
            self._config.listings,
            self._config.listings.quotes[0],
            self._config.listings.quotes,
        )
        kinds, web, rest = ListingSource, self._web, self._rest
        page: dict[str, str | int] = {
            "language": s.announcements_language,
            "page": 1,
            "limit": announcements.PAGE_SIZE,
        }
        # The web site takes the time as a parameter, against caches.
        plans = [
            (s.calendar, PollPlan(kinds.CALENDAR, s.calendar_interval_s,
                lambda: web.public(calendar.PATH, {"timestamp": self._now_ms()}), Calendar(quote).parse)),
            (s.web, PollPlan(kinds.WEB, s.web_interval_s,
                lambda: web.public(symbols_v2.PATH), SymbolsV2(quotes).parse)),
            (s.exchange_info, PollPlan(kinds.EXCHANGE_INFO, s.exchange_info_interval_s,
                lambda: rest.public(exchange_info.PATH), ExchangeInfo(quotes).parse)),
            (s.self_symbols and rest.has_credentials, PollPlan(kinds.SELF, s.self_symbols_interval_s,
                lambda: rest.signed("GET", self_symbols.PATH, {}), SelfSymbols(quotes).parse)),
            (s.announcements, PollPlan(kinds.ANNOUNCEMENT, s.announcements_interval_s,
                lambda: rest.public(announcements.PATH, page), Announcements(quote).parse, is_list=False)),
            (s.offline, PollPlan(kinds.OFFLINE, s.offline_interval_s,
                lambda: rest.public(offline.PATH), Offline(quotes).parse)),
            (s.futures, PollPlan(kinds.FUTURES, s.futures_interval_s,
                lambda: self._futures_rest.public(CONTRACTS_PATH), self._parse_contracts)),
        ]  # fmt: skip
        return [plan for wanted, plan in plans if wanted]

    def _parse_contracts(self, body: bytes) -> Reading:
        return self._contracts.parse(body)

    def _note(self, source: ListingSource, change: ListingChange, facts: ListingFacts) -> None:
        """What is told changes what else is asked: when symbols open, and which contracts there are."""
        self._openings.note(source, change, facts, self._now_ms())
        if (
            source is ListingSource.FUTURES
            and change is ListingChange.SEEN
            and facts.symbol in self._followed
        ):
            self.follow(facts.symbol)

    def _contract_of(self, symbol: str) -> str:
        """The futures contract of a spot symbol that is known; "" where there is none."""
        ledger = self.ledgers.get(ListingSource.FUTURES)
        if ledger is None or symbol not in ledger.told():
            return ""
        quote = next((each for each in self._config.listings.quotes if symbol.endswith(each)), "")
        return f"{symbol.removesuffix(quote)}_{quote}"

    def _take_contract(self, name: str, row: dict[str, object]) -> None:
        """A contract changed, by the stream."""
        ledger = self.ledgers.get(ListingSource.FUTURES)
        if ledger is None:
            return
        try:
            found = self._contracts.facts_of(name, row)
        except ValueError:
            self._count("listings.futures.bad_row")
            return
        if found is not None:
            for change, facts in ledger.changes({found[0]: found[1]}, is_whole=False):
                self.teller.tell(ListingSource.FUTURES, change, facts)

    def _take_reference(self, name: str, price: Decimal, time_ms: int) -> None:
        """A reference price: the contract's facts with the price in them; a change of price alone is no change of facts."""
        base, _, quote = name.partition("_")
        ledger = self.ledgers.get(ListingSource.FUTURES)
        facts = ledger.told().get(f"{base}{quote}") if ledger is not None else None
        try:
            told = facts or ListingFacts(symbol=f"{base}{quote}")
            units = parse_money(f"{price:f}")
        except ValueError:
            self._count("listings.futures.bad_price")
            return
        self.teller.tell_price(ListingSource.FUTURES, told, units, time_ms)

    def _futures_fault(self, kind: str, text: str) -> None:
        """The stream is an addition to the polls, which go on: it is counted, the source stays as its polls say."""
        self._count(f"futures.{kind}")
