"""The futures side of the venue: its contracts, when they appear and open, and what is published of them."""

from __future__ import annotations

from typing import Any

import orjson

from adapters.mexc.venue import futures_shapes
from adapters.mexc.venue.futures_contracts import Commit, Contract, merged
from adapters.mexc.venue.futures_hub import FuturesHub
from adapters.mexc.venue.listings import Listing, Listings
from adapters.mexc.venue.state import VenueState
from backtest.exchange_types import SymbolStatus

INTERVAL_MS = 100
MERGED_PER_PUSH = 2  # versions in one push of the depth that is merged ("compress", the default)
SLOW_MS = 1000  # tickers and funding rates

DEAL, DEPTH, DEPTH_RAW, TICKER, FUNDING = "deal", "depth", "depth.raw", "ticker", "funding.rate"
CONTRACT = "contract"


class Futures:
    """All contracts by their symbol."""

    def __init__(self, state: VenueState, listings: Listings, hub: FuturesHub) -> None:
        self._state = state
        self._listings = listings
        self.hub = hub
        self.contracts: dict[str, Contract] = {}
        self._numbers = 9
        self._next_ms = self._next_slow_ms = 0
        self._unsent: dict[str, list[Commit]] = {}
        listings.on_contract = self.add_listing
        for config in state.symbols.values():
            if config.has_contract:
                self._numbers += 1
                made = Contract(
                    config, self._numbers, state.config.seed,
                    create_ms=config.first_open_ms, opening_ms=0, api_allowed=True,
                )  # fmt: skip
                made.is_open = True
                self.contracts[made.symbol] = made

    def add_listing(self, listing: Listing) -> None:
        """A listing comes as a contract too: it is told now, and opens with the symbol."""
        self._numbers += 1
        made = Contract(
            listing.config, self._numbers, self._state.config.seed, create_ms=self._state.clock.now_ms(),
            opening_ms=listing.open_ms, api_allowed=listing.config.contract_api_allowed,
        )  # fmt: skip
        self.contracts[made.symbol] = made
        self._tell(made)

    def flush(self, now_ms: int) -> None:
        """Follow the spot market and publish, every 100 ms."""
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms - now_ms % INTERVAL_MS + INTERVAL_MS
        is_slow = now_ms >= self._next_slow_ms
        if is_slow:
            self._next_slow_ms = now_ms - now_ms % SLOW_MS + SLOW_MS
        for contract in list(self.contracts.values()):
            self._watch_listing(contract)
            feed = self._state.feeds.get(contract.config.symbol)
            if feed is not None and contract.is_open:
                commit, deals = contract.follow(feed)
                if commit is not None:
                    self._publish_depth(contract, commit, now_ms)
                if deals and self.hub.has(f"{DEAL}:{contract.symbol}"):
                    shown = [futures_shapes.deal(contract, deal) for deal in deals]
                    self._publish(DEAL, contract.symbol, shown, now_ms)
            if is_slow:
                self._publish_slow(contract, now_ms)

    def _watch_listing(self, contract: Contract) -> None:
        """A contract of a listing moves, opens and goes with it."""
        if not contract.opening_ms:
            return
        symbol = contract.config.symbol
        config, listing = self._state.symbols.get(symbol), self._listings.by_symbol.get(symbol)
        if config is None and listing is None:
            del self.contracts[contract.symbol]
            return
        if listing is not None and listing.open_ms != contract.opening_ms:
            contract.opening_ms = listing.open_ms
            self._tell(contract)
        if not contract.is_open and config is not None and config.status is SymbolStatus.TRADING:
            contract.is_open = True
            self._tell(contract)

    def _tell(self, contract: Contract) -> None:
        if self.hub.has(CONTRACT):
            now_ms = self._state.clock.now_ms()
            message = {"channel": "push.contract", "data": futures_shapes.detail(contract), "ts": now_ms}
            self.hub.publish(CONTRACT, orjson.dumps(message).decode())

    def _publish_depth(self, contract: Contract, commit: Commit, now_ms: int) -> None:
        raw, with_merges = f"{DEPTH_RAW}:{contract.symbol}", f"{DEPTH}:{contract.symbol}"
        if self.hub.has(raw):
            self._publish(DEPTH_RAW, contract.symbol, futures_shapes.changes(contract, commit), now_ms)
        unsent = self._unsent.setdefault(contract.symbol, [])
        unsent.append(commit)
        if len(unsent) < MERGED_PER_PUSH:
            return
        if self.hub.has(with_merges):
            data = futures_shapes.changes(contract, merged(unsent))
            span = {"begin": unsent[0].version, "end": unsent[-1].version}
            self._publish(DEPTH, contract.symbol, data | span, now_ms)
        unsent.clear()

    def _publish_slow(self, contract: Contract, now_ms: int) -> None:
        feed = self._state.feeds.get(contract.config.symbol)
        if self.hub.has(f"{TICKER}:{contract.symbol}"):
            self._publish(TICKER, contract.symbol, futures_shapes.ticker(contract, feed, now_ms), now_ms)
        if self.hub.has(f"{FUNDING}:{contract.symbol}"):
            data = {
                "symbol": contract.symbol,
                "rate": futures_shapes.FUNDING_RATE,
                "nextSettleTime": futures_shapes.next_settlement_ms(now_ms),
            }
            self._publish(FUNDING, contract.symbol, data, now_ms)

    def _publish(self, kind: str, symbol: str, data: Any, now_ms: int) -> None:
        name = f"{kind}:{symbol}"
        push = "push." + (DEPTH if kind == DEPTH_RAW else kind)
        if kind in (DEPTH, DEPTH_RAW) and self._state.faults.hit("gap", now_ms * 1_000_000, f"push.{name}"):
            return
        message = {"channel": push, "data": data, "symbol": symbol, "ts": now_ms}
        self.hub.publish(name, orjson.dumps(message).decode())
