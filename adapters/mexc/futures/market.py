"""Futures market data put together: contract changes as evidence, reference prices, and the books of configured contracts."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
from collections.abc import Callable
from decimal import Decimal

from adapters.mexc.config import MexcConfig
from adapters.mexc.connection import Backoff, is_worth_a_line
from adapters.mexc.errors import VenueError
from adapters.mexc.futures.book import ContractBook
from adapters.mexc.futures.connection import FuturesConnection, request
from adapters.mexc.futures.messages import (
    DealRecord,
    FundingRecord,
    PriceRecord,
    Push,
    commits_of,
    deals_of,
    depth_of,
    funding_of,
    parse_answer,
    parse_push,
    price_of,
)  # fmt: skip
from adapters.mexc.rest import RestClient
from engine.adapter import SourceStatus

_log = logging.getLogger("penstock.mexc.futures")
_PATH = "/api/v1/contract"
_COMMITS = 1000
_ATTEMPTS = 20
_PPM = 1_000_000


@dataclasses.dataclass(slots=True)
class Contract:
    """What is known of one contract; `book` of a configured one, once its scale is known."""

    name: str
    book: ContractBook | None = None
    last_deal: DealRecord | None = None
    funding: FundingRecord | None = None
    price: PriceRecord | None = None
    deals: int = 0
    told_price: Decimal = Decimal(0)
    told_s: float = -1e9

    @property
    def reference(self) -> Decimal:
        """The fair price, else the last one; 0 where there is none."""
        if self.price is None:
            return Decimal(0)
        return self.price.fair or self.price.last


class FuturesMarket:
    """One websocket and a REST client for all contracts.

    `on_contract(name, row)` hears of contract changes, `on_reference(name, price, time_ms)` of prices, `on_up` and
    `on_fault(kind, text)` of the connection; `run_task` starts a task that ends with the adapter.
    """

    def __init__(
        self,
        config: MexcConfig,
        rest: RestClient,
        rng: random.Random,
        count: Callable[[str], int],
        on_contract: Callable[[str, dict[str, object]], None],
        on_reference: Callable[[str, Decimal, int], None],
        on_up: Callable[[], None],
        on_fault: Callable[[str, str], None],
    ) -> None:
        self.contracts: dict[str, Contract] = {name: Contract(name) for name in config.futures.contracts}
        self.connection = FuturesConnection(config, rng, self.take, self._up, self._down)
        self._config = config
        self._rest = rest
        self._backoff = Backoff(config.backoff_initial_s, config.backoff_max_s, rng)
        self._count = count
        self._on_contract = on_contract
        self._on_reference = on_reference
        self._on_up = on_up
        self._on_fault = on_fault
        self._stale: asyncio.Queue[str] = asyncio.Queue()
        self._configured = frozenset(config.futures.contracts)
        self.connection.want(request("sub.contract"))
        for name in self.contracts:
            for method in ("sub.deal", "sub.funding.rate", "sub.ticker"):
                self.connection.want(request(method, symbol=name))
            # Without "compress" false the stream merges changes, and versions jump.
            self.connection.want(request("sub.depth", symbol=name, compress=False))

    def follow(self, name: str, on: bool = True) -> None:
        """Follow the reference price of a contract, or no longer; a configured one is always followed."""
        if name in self._configured:
            return
        if on:
            self.contracts.setdefault(name, Contract(name))
        else:
            self.contracts.pop(name, None)
        self.connection.want(request("sub.ticker", symbol=name), on)

    def status(self) -> SourceStatus:
        """The stream for the status page: `rows` are live books, `skipped` the holes in them."""
        books = [each.book for each in self.contracts.values() if each.book is not None]
        live = sum(book.is_live for book in books)
        return SourceStatus(
            name="futures stream",
            state="up" if self.connection.is_up else "down",
            reason=f"{live} of {len(self._configured)} books live",
            since_ns=self.connection.since_ns,
            answers=self.connection.messages,
            failures=self.connection.faults,
            rows=live,
            skipped=sum(book.holes for book in books),
        )

    async def run(self) -> None:
        """Keep the connection and the books until cancelled."""
        await asyncio.gather(self.connection.run(), self._keep_books())

    def take(self, text: bytes) -> None:
        """One message of the stream; what cannot be read is counted."""
        try:
            push = parse_push(text)
            self._take(push)
        except ValueError as error:
            if is_worth_a_line(self._count("futures.bad_message")):
                _log.warning("futures: %s", error)

    def _take(self, push: Push) -> None:
        if push.channel == "push.contract":
            rows = push.data if isinstance(push.data, list) else [push.data]
            for row in rows:
                if isinstance(row, dict):
                    self._on_contract(str(row.get("symbol") or push.symbol), row)
        elif push.channel == "rs.error" and is_worth_a_line(self._count("futures.refused")):
            _log.warning("futures: refused: %s", str(push.data)[:120])
        contract = self.contracts.get(push.symbol)
        if contract is None:
            return
        if push.channel == "push.depth":
            self._take_depth(contract, push.data)
        elif push.channel == "push.deal":
            deals = deals_of(push.data)
            contract.deals += len(deals)
            contract.last_deal = max(deals, key=lambda deal: deal.time_ms, default=contract.last_deal)
        elif push.channel == "push.funding.rate":
            contract.funding = funding_of(push.data)
        elif push.channel in ("push.ticker", "push.fair.price"):
            contract.price = price_of(push.data)
            self._tell_reference(contract)

    def _take_depth(self, contract: Contract, data: object) -> None:
        book = contract.book
        if book is None:
            return
        was_live = book.is_live
        if not book.apply(depth_of(data)) and was_live:
            self._count("futures.holes")
            self._stale.put_nowait(contract.name)

    def _tell_reference(self, contract: Contract) -> None:
        """Not each price: one that moved enough, and not too often."""
        price, now_s = contract.reference, asyncio.get_running_loop().time()
        step = abs(price - contract.told_price) * _PPM
        if price <= 0 or step < self._config.futures.reference_step_ppm * contract.told_price or not step:
            return
        if now_s - contract.told_s >= self._config.futures.reference_interval_s:
            contract.told_price, contract.told_s = price, now_s
            self._on_reference(contract.name, price, contract.price.time_ms if contract.price else 0)

    def _up(self) -> None:
        self._on_up()
        for name in self._configured:
            self._stale.put_nowait(name)

    def _down(self, kind: str, text: str) -> None:
        for contract in self.contracts.values():
            if contract.book is not None:
                contract.book.stop()
        self._on_fault(kind, text)

    async def _keep_books(self) -> None:
        """Bring each book that is not live up again, one after another."""
        while True:
            name = await self._stale.get()
            contract = self.contracts.get(name)
            if contract is not None and not (contract.book and contract.book.is_live):
                await self._resync(contract)

    async def _resync(self, contract: Contract) -> None:
        for attempt in range(_ATTEMPTS):
            if not self.connection.is_up:
                return  # once it is up again, the book is asked for again
            if attempt:
                await asyncio.sleep(self._backoff.wait_s(attempt - 1))
            try:
                if await self._load(contract, attempt):
                    return
            except (VenueError, ValueError) as error:
                if is_worth_a_line(self._count("futures.book_failures")):
                    _log.warning("futures book of %s: %s", contract.name, error)
        self._stale.put_nowait(contract.name)

    async def _load(self, contract: Contract, attempt: int) -> bool:
        """The missing changes first, then a whole book; whether it is live then."""
        if contract.book is None:
            detail = await self._get("/detail", symbol=contract.name)
            scale = detail.get("priceScale") if isinstance(detail, dict) else None
            if not isinstance(scale, int) or not 0 <= scale <= 18:
                raise ValueError(f"{contract.name} has no price scale")
            contract.book = ContractBook(scale, self._config.futures.depth_limit)
        if contract.book.version and not attempt:
            commits = await self._get(f"/depth_commits/{contract.name}/{_COMMITS}")
            if contract.book.fill_hole(commits_of(commits)):
                self._count("futures.holes_filled")
                return True
        depth = await self._get(f"/depth/{contract.name}", limit=self._config.futures.depth_limit)
        return contract.book.load(depth_of(depth))

    async def _get(self, path: str, **params: str | int) -> object:
        return parse_answer(await self._rest.public(_PATH + path, params))
