"""MEXC spot as an adapter: feeds, private feed, orders and account put together."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, ClassVar

from adapters.mexc.config import MexcConfig, load_credentials
from adapters.mexc.connection import Backoff, FeedPlan, is_worth_a_line
from adapters.mexc.decoder import MexcDecoder
from adapters.mexc.errors import NEEDS_A_PERSON, STOPS_TRADING, ErrorClass, VenueError
from adapters.mexc.instruments import specs_of
from adapters.mexc.listen_key import ListenKey
from adapters.mexc.order_lane import OrderLane
from adapters.mexc.order_line import OrderLine
from adapters.mexc.orders import (
    balance_of,
    evidence_of,
    evidence_of_error,
    fill_of,
    order_id_of,
    order_params,
    refused_report,
)  # fmt: skip
from adapters.mexc.preflight import Preflight
from adapters.mexc.rest import RestClient, parse_list, parse_object
from adapters.mexc.rolling_feed import RollingFeed
from adapters.mexc.subscriptions import MAX_PER_CONNECTION
from adapters.mexc.surroundings import Surroundings
from engine.adapter import (
    PRIVATE_SOURCE,
    AdapterStatus,
    AssetBalance,
    Evidence,
    OpenOrder,
    OrderRef,
    PlaceTicket,
    SequencerPort,
    SourceStatus,
    VenueFill,
)  # fmt: skip
from engine.config import ConfigError
from engine.core import event
from engine.core.engine import Engine
from engine.core.enums import CommandKind, HealthField, OrderReport
from engine.core.instrument import InstrumentSpec
from engine.doctor import Finding
from engine.execution.client_ids import check_run_id

_log = logging.getLogger("penstock.mexc")
_MARKET_CHANNELS = ("depth", "deals", "bookTicker")
_PRIVATE_CHANNELS = tuple(f"spot@private.{name}.v3.api.pb" for name in ("account", "deals", "orders"))
_SYMBOLS_PER_CONNECTION = MAX_PER_CONNECTION // len(_MARKET_CHANNELS)
_CANCEL_ATTEMPTS = 3
_TRADES_PAGE = 100
_NS_PER_MS = 1_000_000
# Trades of an order are looked for from this much before it was placed, but not further back than MEXC keeps them.
_PLACED_MARGIN_MS = 10_000
_TRADES_LOOK_BACK_MS = 30 * 24 * 3600 * 1000
_PARALLEL_QUESTIONS = 4
_RESYNC_PAUSE_S = 10.0


class MexcAdapter:
    """One MEXC spot account. Made without input or output; `load_instruments` opens the REST connection."""

    name: ClassVar[str] = "mexc"
    config_type: ClassVar[type[MexcConfig]] = MexcConfig

    def __init__(self, config: MexcConfig, *, run_id: str, seed: int = 0) -> None:
        self.private_restored = asyncio.Event()
        self.destination = config.destination
        self._config = config
        self._run_id = check_run_id(run_id)
        self._rng = random.Random(seed)
        self._rest = RestClient(config, None)
        self._line: OrderLine | None = None
        self._lane: OrderLane | None = None
        self._backoff = Backoff(config.backoff_initial_s, config.backoff_max_s, self._rng)
        self._sequencer: SequencerPort | None = None
        self._instruments: list[InstrumentSpec] = []
        self._connections: list[RollingFeed] = []
        self._surroundings: Surroundings | None = None
        self._preflight: Preflight | None = None
        self._listen_key: ListenKey | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._fetching: collections.defaultdict[int, asyncio.Lock] = collections.defaultdict(asyncio.Lock)
        self._questions = asyncio.Semaphore(_PARALLEL_QUESTIONS)
        self._clock_due = asyncio.Event()
        self._next_resync_s = 0.0
        self._counters: collections.Counter[str] = collections.Counter()

    def decoder(self) -> MexcDecoder:
        """A new decoder; it takes instruments through `add_instrument`."""
        return MexcDecoder(self._run_id, self._config.depth_limit)

    async def load_instruments(self, symbols: Sequence[str]) -> list[InstrumentSpec]:
        """The specs of these symbols, each with the feed that will carry its book; measures the clock too."""
        if len(set(symbols)) != len(symbols):
            raise VenueError(ErrorClass.CALLER, "a symbol is listed twice")
        await self._open()
        sources = {symbol: 1 + number // _SYMBOLS_PER_CONNECTION for number, symbol in enumerate(symbols)}
        found = specs_of(
            await self._rest.public("/api/v3/exchangeInfo", {"symbols": ",".join(symbols)}),
            sources,
            self._rest.clock.timestamp_ms(time.time_ns()),
        )
        missing = [symbol for symbol in symbols if symbol not in found]
        if missing:
            raise VenueError(ErrorClass.NOT_TRADABLE, f"no such symbol at MEXC: {', '.join(missing)}")
        return [found[symbol] for symbol in symbols]

    async def start(self, sequencer: SequencerPort, instruments: Sequence[InstrumentSpec]) -> None:
        """Open a market connection per ten symbols, the private one where there is a key, and what goes on beside them."""
        await self._open()
        self._sequencer = sequencer
        self._instruments = list(instruments)
        self._report_clock()
        self._run(self._keep_clock(), "clock")
        for plan in market_plans(self._instruments, self._config.channel_speed):
            self._connect(RollingFeed(plan, self._config, sequencer, self._rng, self._public_address))
        if self._line is not None:
            self._line.pool.open()
            self._preflight = Preflight(
                self._rest, self._line.requests, sequencer, self._run_id, self._count, self._is_calm
            )
            self._run(self._preflight.run(), "order tests")
            for number, spec in enumerate(self._instruments):
                self._prepare_orders(number, spec)
            self._start_private(sequencer)
        self._surroundings = Surroundings(
            self._config, self._rest, sequencer, self._instruments, self._rng, self._count,
            self._run, self._public_address, lambda symbol: market_channels(symbol, self._config.channel_speed),
            self._prepare_orders,
        )  # fmt: skip
        await self._surroundings.start()

    async def watch(self, symbol: str) -> None:
        """Keep a symbol's instrument and book; asks again until it is listed, or unwatched."""
        if self._surroundings is not None:
            await self._surroundings.watch(symbol)

    async def unwatch(self, symbol: str) -> None:
        """Close a watched symbol's feed; its instrument goes on with source 0."""
        if self._surroundings is not None:
            await self._surroundings.unwatch(symbol)

    async def fetch_book(self, instrument: int, attempt: int) -> None:
        """Fetch a book and hand it in; asks again, with growing waits, until there is one or the feed is closed."""
        async with self._fetching[instrument]:
            while True:
                if attempt:
                    await asyncio.sleep(self._backoff.wait_s(attempt - 1))
                attempt += 1
                spec = self._instruments[instrument]
                if not spec.source:
                    return
                try:
                    body = await self._rest.public(
                        "/api/v3/depth", {"symbol": spec.symbol, "limit": self._config.depth_limit}
                    )
                    self._port().ingest_document(spec.source, instrument, body)
                    return
                except (VenueError, ValueError) as error:
                    if is_worth_a_line(self._count("book_fetch_failures")):
                        _log.warning("book of %s: %s", spec.symbol, error)

    def place(self, ticket: PlaceTicket, before_send: Callable[[], None]) -> Awaitable[Evidence]:
        """Send one order once: within this call, where a connection is free.

        A refused timestamp is not sent again: the next order has a measured clock.
        """
        spec = self._instruments[ticket.instrument]
        sent = self._line.order(ticket, spec, before_send) if self._line is not None else _no_key()
        return self._placed(sent, spec)

    def quick_lane(self, core: Engine) -> OrderLane | None:
        """Orders and cancels in one native call."""
        if self._line is not None:
            if self._sequencer is not None:
                self._line.pool.heed = self._sequencer.heed
            self._lane = self._line.lane(core, self._run_id, self._instruments, self._placed, self._canceled)
        return self._lane

    async def _placed(self, sent: Coroutine[Any, Any, bytes], spec: InstrumentSpec) -> Evidence:
        try:
            answer = parse_object(await sent, "order")
            return Evidence(report=OrderReport.WORKING, venue_order_id=order_id_of(answer))
        except VenueError as error:
            self._note_error("place", error)
            return evidence_of_error(error, refused_report(error, spec))
        except ValueError as error:
            self._count("bad_body")
            return Evidence(report=OrderReport.AMBIGUOUS, text=f"order: {error}")

    def cancel(self, order: OrderRef) -> Awaitable[Evidence]:
        """Cancel, within this call where a connection is free; then ask what became of the order.

        The answer to a cancel does not tell for sure. Cancelling twice does no harm, so one without an answer is repeated.
        """
        return self._canceled(order, self._send_cancel(order))

    def _send_cancel(self, order: OrderRef) -> Coroutine[Any, Any, bytes]:
        spec = self._instruments[order.instrument]
        return self._line.cancel(order, spec) if self._line is not None else _no_key()

    async def _canceled(self, order: OrderRef, sent: Coroutine[Any, Any, bytes]) -> Evidence:
        failure: VenueError | None = None
        for attempt in range(_CANCEL_ATTEMPTS):
            try:
                await (sent if not attempt else self._send_cancel(order))
                failure = None
                break
            except VenueError as error:
                self._note_error("cancel", error)
                failure = error
                if error.error_class is ErrorClass.GONE:
                    break
                if error.refused and error.error_class not in (ErrorClass.NOT_SENT, ErrorClass.RATE):
                    return evidence_of_error(error, OrderReport.CANCEL_REJECTED)
                await asyncio.sleep(self._backoff.wait_s(attempt))
        return await self._after_cancel(order, failure)

    async def query(self, order: OrderRef) -> Evidence | None:
        """The order's record; None where MEXC says that it has none."""
        spec = self._instruments[order.instrument]
        try:
            body = await self._rest.signed("GET", "/api/v3/order", order_params(order, spec))
        except VenueError as error:
            if error.error_class is ErrorClass.GONE:
                return None
            self._note_error("query", error)
            raise
        return evidence_of(parse_object(body, "order"), spec)

    async def open_orders(self, instrument: int | None = None) -> list[OpenOrder]:
        """Open orders; one question per instrument, a few at a time."""
        wanted = range(len(self._instruments)) if instrument is None else [instrument]
        groups = await asyncio.gather(*(self._open_orders_of(index) for index in wanted))
        return [order for group in groups for order in group]

    async def trades_of(self, order: OrderRef) -> list[VenueFill]:
        """Executions by the venue's order id; without one, those since it was placed that carry our client id."""
        if order.venue_order_id:
            return await self._trades(order.instrument, {"orderId": order.venue_order_id})
        clock = self._rest.clock
        now_ms = clock.timestamp_ms(time.time_ns())
        start_ms = clock.timestamp_ms(order.placed_ns) - _PLACED_MARGIN_MS
        start_ms = max(start_ms, now_ms - _TRADES_LOOK_BACK_MS)
        trades = await self._trades_between(order.instrument, start_ms, now_ms)
        return [trade for trade in trades if trade.client_order_id == order.client_order_id]

    async def trades_since(self, instrument: int, since_ns: int) -> list[VenueFill]:
        """All executions from a venue time on, oldest first."""
        now_ms = self._rest.clock.timestamp_ms(time.time_ns())
        start_ms = min(max(since_ns // _NS_PER_MS, now_ms - _TRADES_LOOK_BACK_MS), now_ms)
        trades = await self._trades_between(instrument, start_ms, now_ms)
        return sorted(trades, key=lambda trade: (trade.ts_event_ns, trade.trade_id))

    async def account(self) -> list[AssetBalance]:
        """Every balance the account lists."""
        answer = parse_object(await self._rest.signed("GET", "/api/v3/account", {}), "account")
        return [balance_of(record) for record in parse_list(answer.get("balances"), "balances")]

    async def examine(self, symbols: Sequence[str], max_clock_skew_ms: int) -> list[Finding]:
        """Key, clock, symbols, fees and feeds, without placing an order (adapters.mexc.examine)."""
        from adapters.mexc.examine import examine

        return await examine(self._config, symbols, max_clock_skew_ms)

    def acceptance_window_ns(self) -> int:
        """The receive window, plus what our measure of the venue's clock may be wrong by, before and after."""
        error_ns = self._rest.clock.error_ns(time.time_ns())
        return self._config.recv_window_ms * _NS_PER_MS + 2 * error_ns

    def status(self) -> AdapterStatus:
        """Feeds, round trip and clock."""
        clock = self._rest.clock
        return AdapterStatus(
            name=self.name,
            feeds=[connection.status() for connection in (*self._connections, *self._watched_connections())],
            rest_rtt_ms=clock.rtt_ns / _NS_PER_MS,
            clock_offset_ms=clock.offset_ns / _NS_PER_MS,
            clock_error_ms=clock.error_ns(time.time_ns()) / _NS_PER_MS,
            counters=dict(self._counters),
            sources=self._sources(),
        )

    async def close(self) -> None:
        """End feeds and tasks, release the listen key, close connections."""
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=1.0)
        self._tasks.clear()
        if self._listen_key is not None:
            await self._listen_key.release()
        if self._surroundings is not None:
            await self._surroundings.close()
        if self._line is not None:
            await self._line.close()
        await self._rest.close()

    def _prepare_orders(self, instrument: int, spec: InstrumentSpec) -> None:
        """Templates of an instrument's orders, ahead of the first, and a test of one."""
        if self._line is not None:
            self._line.requests.prepare(instrument, spec)
        if self._preflight is not None:
            self._preflight.note(instrument, spec)

    def _is_calm(self) -> bool:
        return self._surroundings is None or self._surroundings.is_calm()

    def _sources(self) -> list[SourceStatus]:
        listed = [] if self._surroundings is None else self._surroundings.sources()
        return listed if self._preflight is None else [*listed, *self._preflight.sources()]

    async def _open(self) -> None:
        if self._rest.is_open:
            return
        if problem := self._config.too_often():
            raise VenueError(ErrorClass.CALLER, problem)
        try:
            credentials = load_credentials(self._config)
        except ConfigError as error:
            raise VenueError(ErrorClass.AUTH, str(error)) from None
        self._rest = RestClient(self._config, credentials)
        if credentials is not None:
            self._line = OrderLine(self._rest, credentials, self._count, self._rng)
        await self._rest.open()
        await self._rest.measure_clock()

    def _start_private(self, sequencer: SequencerPort) -> None:
        self._listen_key = ListenKey(self._rest, self._config.ws_url, self._config.listen_key_refresh_s)
        plan = FeedPlan("private", PRIVATE_SOURCE, (), _PRIVATE_CHANNELS, private=True)
        private = RollingFeed(
            plan,
            self._config,
            sequencer,
            self._rng,
            self._listen_key.address,
            on_up=self.private_restored.set,
            on_bad_key=self._listen_key.forget,
        )
        self._connect(private)
        self._run(self._listen_key.renew_forever(private.restart), "listen key")

    def _connect(self, connection: RollingFeed) -> None:
        self._connections.append(connection)
        self._run(connection.run(), f"feed {connection.plan.name}")

    def _watched_connections(self) -> list[RollingFeed]:
        return [] if self._surroundings is None else self._surroundings.connections()

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"mexc {name}")
        task.add_done_callback(self._note_end)
        self._tasks.append(task)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        """These tasks run until `close`: one that ends by itself is a mistake of ours, and is told."""
        if task.cancelled():
            # A watched symbol's feed ends with its watching.
            if task in self._tasks:
                self._tasks.remove(task)
        else:
            self._count("task_failures")
            _log.error("%s ended", task.get_name(), exc_info=task.exception())

    async def _public_address(self) -> str:
        return self._config.ws_url

    async def _keep_clock(self) -> None:
        """Measure the clock now and then, and at once when the venue refused a timestamp."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._config.clock_refresh_s):
                    await self._clock_due.wait()
            self._clock_due.clear()
            try:
                await self._rest.measure_clock()
                self._report_clock()
            except VenueError as error:
                self._note_error("clock", error)

    def _report_clock(self) -> None:
        self._port().ingest(event.health(HealthField.CLOCK_SKEW, -self._rest.clock.offset_ns))

    async def _after_cancel(self, order: OrderRef, failure: VenueError | None) -> Evidence:
        try:
            found = await self.query(order)
        except VenueError as error:
            return Evidence(
                report=OrderReport.AMBIGUOUS, venue_code=error.code, text=f"after cancel: {error.text}"
            )
        if found is None:
            return Evidence(report=OrderReport.AMBIGUOUS, text="cancelled, and the venue knows no such order")
        if failure is not None and found.report == OrderReport.WORKING:
            return evidence_of_error(failure, OrderReport.CANCEL_REJECTED)
        return found

    async def _open_orders_of(self, instrument: int) -> list[OpenOrder]:
        spec = self._instruments[instrument]
        async with self._questions:
            body = await self._rest.signed("GET", "/api/v3/openOrders", {"symbol": spec.symbol})
        orders = []
        for record in parse_list(body, "openOrders"):
            evidence = evidence_of(record, spec)
            client_id = str(record.get("clientOrderId") or "")
            orders.append(OpenOrder(client_id, evidence.venue_order_id, spec.symbol, instrument, evidence))
        return orders

    async def _trades(self, instrument: int, params: dict[str, str | int]) -> list[VenueFill]:
        spec = self._instruments[instrument]
        async with self._questions:
            body = await self._rest.signed(
                "GET", "/api/v3/myTrades", {"symbol": spec.symbol, **params, "limit": _TRADES_PAGE}
            )
        return [fill_of(record, instrument, spec) for record in parse_list(body, "myTrades")]

    async def _trades_between(self, instrument: int, start_ms: int, end_ms: int) -> list[VenueFill]:
        """All trades of a span. MEXC does not state in which order a full page cuts: look before it and behind it."""
        found: dict[str, VenueFill] = {}
        spans = [(start_ms, end_ms)]
        while spans:
            span = spans.pop()
            page = await self._trades(instrument, {"startTime": span[0], "endTime": span[1]})
            found.update((trade.trade_id, trade) for trade in page)
            if len(page) < _TRADES_PAGE:
                continue
            times_ms = [trade.ts_event_ns // _NS_PER_MS for trade in page]
            first_ms, last_ms = min(times_ms), max(times_ms)
            if first_ms == last_ms:
                self._count("trades_page_full")
                raise VenueError(ErrorClass.BAD_BODY, f"{len(page)} trades within 1 ms: some may be hidden")
            spans += [each for each in ((span[0], first_ms), (last_ms, span[1])) if each != span]
        return list(found.values())

    def _port(self) -> SequencerPort:
        if self._sequencer is None:
            raise RuntimeError("the adapter was not started")
        return self._sequencer

    def _note_error(self, what: str, error: VenueError) -> None:
        """Count each error, log each kind now and then, and halt where no further order can pass."""
        total = self._count(f"{what}.{error.error_class}")
        if error.error_class is ErrorClass.CLOCK:
            self._clock_due.set()
        if error.error_class is ErrorClass.BALANCE:
            self._resync_account()
        if is_worth_a_line(total):
            level = logging.ERROR if error.error_class in NEEDS_A_PERSON else logging.WARNING
            _log.log(level, "%s: %s (%d so far)", what, error, total)
        if error.error_class in STOPS_TRADING and what in ("place", "cancel"):
            self._port().ingest(event.command(CommandKind.HALT, f"mexc-{error.code}-{total}"))

    def _resync_account(self) -> None:
        """Our balances are not the venue's: reconcile, but not after every order that shows it."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._next_resync_s:
            self._next_resync_s = now_s + _RESYNC_PAUSE_S
            self.private_restored.set()

    def _count(self, name: str) -> int:
        self._counters[name] += 1
        if self._sequencer is not None:
            self._sequencer.count(f"mexc.{name}")
        return self._counters[name]


async def _no_key() -> bytes:
    raise VenueError(ErrorClass.AUTH, "orders need an API key and none is configured")


def market_channels(symbol: str, speed: str) -> tuple[str, ...]:
    """The channels of one symbol."""
    return tuple(f"spot@public.aggre.{channel}.v3.api.pb@{speed}@{symbol}" for channel in _MARKET_CHANNELS)


def market_plans(instruments: Sequence[InstrumentSpec], speed: str) -> list[FeedPlan]:
    """The market connections: the instruments by the feed each names; those of source 0 have none."""
    plans = []
    for source in sorted({spec.source for spec in instruments} - {0}):
        symbols = tuple(spec.symbol for spec in instruments if spec.source == source)
        channels = tuple(channel for symbol in symbols for channel in market_channels(symbol, speed))
        plans.append(FeedPlan(f"market-{source}", source, symbols, channels))
    return plans
