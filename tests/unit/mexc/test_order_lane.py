"""The native way of orders and cancels: the same bytes as the ordinary way, and none where it cannot go at once."""

from __future__ import annotations

import asyncio
import collections
import random
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.order_lane import OrderLane
from adapters.mexc.order_line import OrderLine
from adapters.mexc.orders import text_of
from adapters.mexc.rest import RestClient, parse_object
from engine.adapter import Evidence, OrderRef, PlaceTicket
from engine.core.decoder import FrameDecoder
from engine.core.enums import CommandKind, OrderReport, OrderType
from engine.core.instrument import InstrumentSpec
from engine.core.risk.gate import ApprovalVoid, Approved
from engine.execution.executor import Executor, ExecutorLimits
from engine.execution.ports import reference
from engine.execution.resolver import Resolver
from engine.rim import Rim
from engine.sequencer import Sequencer
from tests.core_session import BUY, COIN, Session, ready
from tests.unit.mexc.tls_server import ScriptServer, make_certificate

RUN_ID = "abcdef012345"


class Stand:
    """A lane over real connections, with approvals of a real gate."""

    def __init__(self, server: ScriptServer, pem: Path | None, **config: Any) -> None:
        settings = {"weight_per_10s": 500, "order_connections": 2, **config}
        self.config = MexcConfig(rest_url=server.url, ca_file=str(pem or ""), **settings)
        credentials = Credentials("mx0", "hush-hush")
        self.rest = RestClient(self.config, credentials)
        self.line = OrderLine(
            self.rest, credentials, collections.Counter[str]().__getitem__, random.Random(1)
        )
        self.session: Session = ready()
        self.core = self.session.engine
        self.specs: list[InstrumentSpec] = [COIN]
        self.line.requests.prepare(0, COIN)
        self.lane: OrderLane = self.line.lane(self.core, RUN_ID, self.specs, self.evidence, self.canceled)
        self.server = server
        self.asked: list[OrderRef] = []

    async def evidence(self, body: Coroutine[Any, Any, bytes], spec: InstrumentSpec) -> Evidence:
        assert spec is self.specs[0]
        return Evidence(
            report=OrderReport.WORKING, venue_order_id=text_of(parse_object(await body, "order"), "orderId")
        )

    async def canceled(self, order: OrderRef, body: Coroutine[Any, Any, bytes]) -> Evidence:
        self.asked.append(order)
        await body
        return Evidence(report=OrderReport.CANCELED)

    def executor(self, sequencer: Sequencer, limits: ExecutorLimits | None = None) -> Executor:
        """One that sends by the lane alone."""
        adapter: Any = SimpleNamespace(name="lane")
        executor = Executor(adapter, sequencer, RUN_ID, Resolver(adapter, sequencer, RUN_ID, seed=1), limits)
        executor.take_lane(self.lane)
        sequencer.bind_executor(executor)
        return executor

    def approved(self, price: int = 9_990, size: int = 100, order_type: int = OrderType.LIMIT) -> Approved:
        """What the gate makes of an order, now."""
        self.session.now_ns = time.time_ns()
        self.session.book()
        number, denied = self.session.place(BUY, price, size, order_type)
        assert number, denied
        return self.core.gate.take()[-1]

    def cancel(self, order_no: int) -> Approved:
        """What the gate makes of a cancel."""
        assert self.session.do(lambda puppet: puppet.cancel(order_no))
        return self.core.gate.take()[-1]

    def cancel_in_python(self, order: OrderRef, timestamp_ms: int) -> bytes:
        """The same cancel by the ordinary way."""
        return self.line.requests.cancel(order, self.specs[0], timestamp_ms)

    def in_python(self, approved: Approved, timestamp_ms: int) -> bytes:
        """The same order by the ordinary way."""
        ticket = PlaceTicket(
            approved.order_no, 0, f"{RUN_ID}-{approved.order_no}", approved.side, approved.order_type,
            approved.price_ticks, approved.size_lots,
        )  # fmt: skip
        return self.line.requests.order(ticket, self.specs[0], timestamp_ms)


async def hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - bounded by the caller
        await asyncio.sleep(0.002)


def stand_run(
    body: Callable[[Stand], Awaitable[None]],
    pem: Path | None = None,
    loop: Any = uvloop.new_event_loop,
    **config: Any,
) -> None:
    async def reply(request: bytes, writer: asyncio.StreamWriter) -> None:
        text = b'{"orderId":"C02__7"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

    async def main() -> None:
        async with ScriptServer(reply).running(pem) as server:
            stand = Stand(server, pem, **config)
            stand.line.pool.open()
            try:
                async with asyncio.timeout(10):
                    await until(lambda: stand.line.pool.free == 2)
                    await body(stand)
            finally:
                await stand.line.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.IOC, OrderType.MARKET])
def test_its_bytes_are_those_of_the_ordinary_way(
    certificate: Path, secure: bool, order_type: OrderType, loop: Any
) -> None:
    async def body(stand: Stand) -> None:
        for _ in range(3):
            approved = stand.approved(0 if order_type == OrderType.MARKET else 9_990, 100, order_type)
            begun = stand.lane.take(approved)
            assert begun is not None
            assert stand.line.pool.free == 1
            evidence = await begun()
            assert (evidence.report, evidence.venue_order_id) == (OrderReport.WORKING, "C02__7")
            assert stand.line.pool.free == 2
            sent = stand.server.orders[-1]
            stamp = re.search(rb"timestamp=([0-9]+)", sent)
            assert stamp is not None
            assert sent == stand.in_python(approved, int(stamp[1]))
            assert abs(int(stamp[1]) - time.time_ns() // 1_000_000) < 5_000
            with pytest.raises(ApprovalVoid, match="used before"):
                approved.redeem(0, 0)
        assert len(stand.server.orders) == 3

    stand_run(body, certificate if secure else None, loop)


@pytest.mark.parametrize("venue_order_id", ["", "C02__5%"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_cancels_bytes_are_those_of_the_ordinary_way(
    certificate: Path, secure: bool, venue_order_id: str
) -> None:
    async def body(stand: Stand) -> None:
        for _ in range(3):
            number = stand.approved().order_no
            if venue_order_id:
                stand.session.update(number, OrderReport.WORKING, venue_order_id=venue_order_id)
            approved = stand.cancel(number)
            begin = stand.lane.take(approved)
            assert begin is not None
            assert stand.line.pool.free == 1
            assert (await begin()).report == OrderReport.CANCELED
            assert stand.line.pool.free == 2
            order = stand.core.order(number)
            assert order is not None
            expected = reference(RUN_ID, order)
            assert stand.asked[-1] == expected
            sent = stand.server.orders[-1]
            stamp = re.search(rb"timestamp=([0-9]+)", sent)
            assert stamp is not None
            assert sent == stand.cancel_in_python(expected, int(stamp[1]))
            with pytest.raises(ApprovalVoid, match="used before"):
                approved.redeem(0, 0)
        assert len(stand.server.orders) == 3

    stand_run(body, certificate if secure else None)


def test_a_cancel_has_a_budget_of_its_own_and_no_halt_voids_it() -> None:
    async def body(stand: Stand) -> None:
        numbers = [stand.approved().order_no for _ in range(3)]
        cancels = [stand.cancel(number) for number in numbers]
        stand.session.command(CommandKind.HALT)
        for approved in cancels[:2]:
            begin = stand.lane.take(approved)
            assert begin is not None
            await begin()
        assert stand.lane.take(cancels[2]) is None  # the budget of two is spent
        cancels[2].redeem(0, 0)  # it was not used up
        assert [request[:6] for request in stand.server.orders] == [b"DELETE"] * 2

    stand_run(body, weight_per_10s=2)


def test_a_cancel_of_what_has_ended_or_of_another_spec_is_left_to_the_ordinary_way() -> None:
    async def body(stand: Stand) -> None:
        ended, other = stand.approved().order_no, stand.approved().order_no
        of_ended, of_other = stand.cancel(ended), stand.cancel(other)
        stand.session.update(ended, OrderReport.CANCELED)
        assert stand.lane.take(of_ended) is None
        stand.specs[0] = replace(COIN, size_decimals=COIN.size_decimals)
        assert stand.lane.take(of_other) is None
        stand.line.requests.prepare(0, stand.specs[0])
        begin = stand.lane.take(of_other)
        assert begin is not None
        await begin()
        assert len(stand.server.orders) == 1

    stand_run(body)


def test_bytes_leave_within_submit_and_what_they_do_not_need_comes_after() -> None:
    async def body(stand: Stand) -> None:
        executor = stand.executor(Sequencer(stand.core, FrameDecoder(), Rim()))
        first, second = stand.approved(), stand.approved()
        executor.submit(first)
        assert (stand.line.pool.free, executor.under_way, executor.sent) == (1, 1, 0)
        executor.submit(second)
        assert (stand.line.pool.free, executor.under_way) == (0, 2)
        await until(lambda: not executor.under_way)
        cancel = stand.cancel(first.order_no)
        executor.submit(cancel)
        assert (stand.line.pool.free, executor.under_way, stand.asked) == (1, 1, [])
        await until(lambda: not executor.under_way)
        assert [order.order_no for order in stand.asked] == [first.order_no]
        assert [request[:4] for request in stand.server.orders] == [b"POST", b"POST", b"DELE"]

    stand_run(body)


def test_an_answer_that_comes_before_it_is_waited_for_is_kept() -> None:
    async def body(stand: Stand) -> None:
        begins = []
        for number in range(3):
            begin = stand.lane.take(stand.approved())
            assert begin is not None
            begins.append(begin)
            await until(lambda number=number: len(stand.server.orders) > number and stand.line.pool.free == 2)
        for begin in begins:  # all over one connection
            assert (await begin()).venue_order_id == "C02__7"
        assert stand.line.pool.free == 2
        last = stand.lane.take(stand.approved())
        assert last is not None
        await last()
        assert len(stand.server.orders) == 4

    stand_run(body)


def test_an_answer_that_nobody_waits_for_is_not_taken_for_that_to_a_later_order() -> None:
    async def body(stand: Stand) -> None:
        async def numbered(request: bytes, writer: asyncio.StreamWriter) -> None:
            text = b'{"orderId":"v%d"}' % len(stand.server.orders)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))

        stand.server.reply = numbered
        begins = []
        for number in range(3):
            begin = stand.lane.take(stand.approved())
            assert begin is not None
            begins.append(begin)
            await until(lambda number=number: len(stand.server.orders) > number and stand.line.pool.free == 2)
        # All over one connection: the first is given up, and the others are waited for in another order.
        assert (await begins[2]()).venue_order_id == "v3"
        assert (await begins[1]()).venue_order_id == "v2"
        last = stand.lane.take(stand.approved())
        assert last is not None
        assert (await last()).venue_order_id == "v4"

    stand_run(body)


def test_a_connection_that_is_lost_before_its_answer_is_waited_for_leaves_the_order_unknown() -> None:
    async def body(stand: Stand) -> None:
        stand.server.reply = hang_up
        begin = stand.lane.take(stand.approved())
        assert begin is not None
        await until(lambda: stand.line.pool.opened == 3)  # the lost one is replaced
        with pytest.raises(VenueError) as caught:
            await begin()
        assert caught.value.error_class is ErrorClass.AMBIGUOUS

    stand_run(body)


def test_an_order_beyond_the_budget_is_left_to_the_ordinary_way_which_says_why() -> None:
    async def body(stand: Stand) -> None:
        begun = [begin() for begin in (stand.lane.take(stand.approved()) for _ in range(2)) if begin]
        assert [await each is not None for each in begun] == [True, True]
        approved = stand.approved()
        assert stand.lane.take(approved) is None
        approved.redeem(approved.halt_epoch, 0)  # it was not used up
        assert len(stand.server.orders) == 2

    stand_run(body, weight_per_10s=2)


def test_none_free_no_template_or_another_spec_is_left_to_the_ordinary_way() -> None:
    async def body(stand: Stand) -> None:
        begun = [begin() for begin in (stand.lane.take(stand.approved()) for _ in range(2)) if begin]
        assert stand.lane.take(stand.approved()) is None
        assert [await each is not None for each in begun] == [True, True]
        stand.specs[0] = replace(COIN, size_decimals=COIN.size_decimals)
        assert stand.lane.take(stand.approved()) is None
        stand.line.requests.prepare(0, stand.specs[0])
        last = stand.lane.take(stand.approved())
        assert last is not None
        await last()
        assert len(stand.server.orders) == 3

    stand_run(body)


def test_a_halt_or_an_expiry_sends_nothing() -> None:
    async def body(stand: Stand) -> None:
        late = stand.approved()
        voided = stand.approved()
        stand.session.command(CommandKind.HALT)
        assert stand.lane.take(voided) is None
        with pytest.raises(ApprovalVoid, match="halt"):
            voided.redeem(stand.core.halt_epoch, time.time_ns())
        await asyncio.sleep(max(0.0, (late.expires_ns - time.time_ns()) / 1e9) + 0.01)
        assert stand.lane.take(late) is None
        assert stand.server.orders == []

    stand_run(body)


@pytest.mark.parametrize("secure", [False, True])
def test_a_rehearsal_goes_as_far_as_the_first_byte_and_leaves_no_trace(
    certificate: Path, secure: bool
) -> None:
    async def body(stand: Stand) -> None:
        sequencer = Sequencer(stand.core, FrameDecoder(), Rim())
        executor = stand.executor(sequencer)
        before = (stand.core.full_hash(), stand.core.counts(), stand.core.seq)
        for _ in range(20):
            sequencer.rehearse(0)
        sequencer.rehearse(7)  # which there is not
        assert (stand.core.full_hash(), stand.core.counts(), stand.core.seq) == before
        assert stand.core.gate.take() == []
        assert (executor.sent, executor.under_way, stand.line.pool.free) == (0, 0, 2)
        for _ in range(3):  # the budget of three is whole
            executor.submit(stand.approved())
            await until(lambda: not executor.under_way)
        assert executor.sent == len(stand.server.orders) == 3
        sequencer.rehearse(0)  # and now it is spent
        await stand.line.close()
        sequencer.rehearse(0)  # and now there is no connection
        assert (executor.sent, executor.under_way, len(stand.server.orders)) == (3, 0, 3)

    stand_run(body, certificate if secure else None, weight_per_10s=3)


@pytest.mark.parametrize("secure", [False, True])
def test_a_rehearsal_of_a_cancel_can_never_be_sent(certificate: Path, secure: bool) -> None:
    async def body(stand: Stand) -> None:
        sequencer = Sequencer(stand.core, FrameDecoder(), Rim())
        executor = stand.executor(sequencer)
        number = stand.approved().order_no
        before = (stand.core.full_hash(), stand.core.counts(), stand.core.seq)
        for _ in range(20):
            sequencer.rehearse(0)
        assert (stand.core.full_hash(), stand.core.counts(), stand.core.seq) == before
        assert (executor.sent, executor.under_way, stand.line.pool.free) == (0, 0, 2)
        await asyncio.sleep(0.02)
        assert stand.server.orders == []
        for _ in range(3):  # the budget of three is whole
            order = stand.core.order(number)
            assert order is not None and not order.cancel_pending
            executor.submit(stand.cancel(number))
            await until(lambda: not executor.under_way)
            stand.session.update(number, OrderReport.CANCEL_REJECTED)
            number = stand.approved().order_no
        assert [request[:6] for request in stand.server.orders] == [b"DELETE"] * 3

    stand_run(body, certificate if secure else None, weight_per_10s=3)


def test_a_rehearsal_with_the_executor_full_reports_nothing() -> None:
    async def body(stand: Stand) -> None:
        sequencer = Sequencer(stand.core, FrameDecoder(), Rim())
        executor = stand.executor(sequencer, ExecutorLimits(pending_places=0))
        sequencer.rehearse(0)
        assert (executor.sent, executor.under_way, sequencer.counters) == (0, 0, {})

    stand_run(body)


def test_a_connection_that_breaks_leaves_the_order_unknown() -> None:
    async def body(stand: Stand) -> None:
        stand.server.reply = hang_up
        begun = stand.lane.take(stand.approved())
        assert begun is not None
        with pytest.raises(VenueError) as caught:
            await begun()
        assert caught.value.error_class is ErrorClass.AMBIGUOUS
        assert len(stand.server.orders) == 1

    stand_run(body)
