"""Tries the order of an instrument that opens later at `POST /api/v3/order/test`, long before it counts.

The request is made by the templates of real orders and sent over the client of questions, within their budget, one at a
time, and never while an opening is near. Nothing is placed. What `order/test` checks is not documented: an answer is
evidence for people; nothing is traded, or left, for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum

from adapters.mexc.error_codes import NOT_YET_CODES
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.order_requests import TEST_PATH, OrderRequests
from adapters.mexc.rest import RestClient, parse_object
from engine.adapter import PlaceTicket, SequencerPort, SourceStatus
from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec
from engine.core.risk.limits import MONEY_DECIMALS

_log = logging.getLogger("penstock.mexc.preflight")
NAME = "order tests"
_NS_PER_S = 1_000_000_000
_LOOK_S = 0.5
# No price yet, nobody to trade with, a price out of a band that has no market yet: these say nothing of the opening.
_OF_THE_MARKET = frozenset({30010, 30025, 30087})
_PASSES = frozenset({ErrorClass.CLOCK, ErrorClass.RATE, ErrorClass.NOT_SENT})
_NO_ENDPOINT = frozenset({404, 405, 501})


class Outcome(StrEnum):
    """What an answer to a test order says; only REFUSED is told to people."""

    PASSED = "passed"
    REFUSED = "refused"  # and an order at the opening would be, for the same reason
    NOT_YET = "not_yet"
    NOT_SUPPORTED = "not_supported"
    UNKNOWN = "unknown"


def outcome_of(error: VenueError) -> Outcome:
    """What a failed test order proves."""
    if error.code in NOT_YET_CODES:
        return Outcome.NOT_YET
    if error.http_status in _NO_ENDPOINT:
        return Outcome.NOT_SUPPORTED
    if not error.refused or error.error_class in _PASSES or error.code in _OF_THE_MARKET:
        return Outcome.UNKNOWN
    return Outcome.REFUSED


def least_ticket(instrument: int, spec: InstrumentSpec, client_order_id: str) -> PlaceTicket:
    """A buy of twice the least notional: about a coin, or the least size, at whatever price that makes.

    Size and price end in their last decimals, so that these are tried, too. An IOC where the symbol takes it.
    """
    coin = 10**spec.size_decimals
    lots = -(-max(spec.min_lots, coin) // spec.lot_step) * spec.lot_step + spec.lot_step
    aim = 2 * spec.min_notional or 10**MONEY_DECIMALS
    ticks = (aim // spec.notional(1, lots) // spec.tick_step + 1) * spec.tick_step
    ticks += spec.tick_step if ticks % 10 == 0 else 0
    order_type = OrderType.IOC if spec.order_types >> OrderType.IOC & 1 else OrderType.LIMIT
    return PlaceTicket(0, instrument, client_order_id, Side.BUY, order_type, ticks, lots)


class Preflight:
    """One account's test orders. `is_calm`: no watched symbol opens just now; `calm_s`: this long before an opening there
    is no test any more."""

    def __init__(
        self,
        rest: RestClient,
        requests: OrderRequests,
        sequencer: SequencerPort,
        run_id: str,
        count: Callable[[str], int],
        is_calm: Callable[[], bool],
    ) -> None:
        self._rest = rest
        self._requests = requests
        self._sequencer = sequencer
        self._client_order_id = f"{run_id}-test"
        self._count = count
        self._is_calm = is_calm
        self._calm_ns = int(rest.config.listings.calm_s * _NS_PER_S)
        self._due: dict[int, InstrumentSpec] = {}
        self._wake = asyncio.Event()
        self._is_supported = True
        self._since_ns = 0
        self._passed: set[str] = set()
        self._refused: dict[str, str] = {}

    def note(self, instrument: int, spec: InstrumentSpec) -> None:
        """An instrument is new, or has changed: where it opens later it is tested, in its turn."""
        self._passed.discard(spec.symbol)
        if self._is_due(spec):
            self._due[instrument] = spec
            self._wake.set()
        else:
            self._due.pop(instrument, None)
            self._refused.pop(spec.symbol, None)

    async def run(self) -> None:
        """Test what is due, one after the other, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due and self._is_supported:
                if not self._is_calm():
                    await asyncio.sleep(_LOOK_S)
                    continue
                instrument = next(iter(self._due))
                spec = self._due.pop(instrument)
                if self._is_due(spec):
                    await self._test(instrument, spec)

    def sources(self) -> list[SourceStatus]:
        """The tests as a source of evidence: down while one is refused; none before the first that says something."""
        if not self._passed and not self._refused:
            return []
        reason = "; ".join(f"{symbol} {text}" for symbol, text in self._refused.items())
        return [
            SourceStatus(
                name=NAME, state="down" if reason else "up", reason=reason, since_ns=self._since_ns,
                answers=len(self._passed), failures=len(self._refused), rows=len(self._passed) + len(self._refused),
                skipped=0,
            )
        ]  # fmt: skip

    def _is_due(self, spec: InstrumentSpec) -> bool:
        now_ns = self._rest.clock.timestamp_ms(time.time_ns()) * 1_000_000
        has_type = spec.order_types >> OrderType.LIMIT & 1
        return bool(spec.source and has_type) and spec.opens_ns > now_ns + self._calm_ns

    async def _test(self, instrument: int, spec: InstrumentSpec) -> None:
        ticket = least_ticket(instrument, spec, self._client_order_id)
        try:
            body = await self._rest.built(
                "POST", TEST_PATH, lambda now_ms: self._requests.test_query(ticket, spec, now_ms)
            )
            parse_object(body, "order/test")
        except VenueError as error:
            self._take(instrument, spec, outcome_of(error), error)
        else:
            self._take(instrument, spec, Outcome.PASSED, None)

    def _take(
        self, instrument: int, spec: InstrumentSpec, outcome: Outcome, error: VenueError | None
    ) -> None:
        self._count(f"preflight.{outcome}")
        if outcome is Outcome.NOT_SUPPORTED:
            self._is_supported = False
            _log.info("orders are not tested: %s", error)
        if outcome is Outcome.UNKNOWN or not self._is_due(spec) or instrument in self._due:
            return  # it says nothing, or of a spec that is no longer
        had = bool(self._refused)
        before = self._refused.pop(spec.symbol, "")
        if outcome is Outcome.REFUSED and error is not None:
            text = self._refused[spec.symbol] = f"refused: {error.text} (code {error.code})"
            if text != before:
                self._sequencer.alert(
                    f"{spec.symbol}: a test order is {text}; one at its opening would be, too"
                )
        elif outcome is Outcome.PASSED:
            self._passed.add(spec.symbol)
        if had != bool(self._refused) or not self._since_ns:
            self._since_ns = self._sequencer.now_ns()
