"""Test orders ahead of an opening: what is asked, when, and what each answer is taken for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mexc.config import Credentials, MexcConfig
from adapters.mexc.error_codes import CODES, Action
from adapters.mexc.errors import ErrorClass, VenueError
from adapters.mexc.order_requests import OrderRequests
from adapters.mexc.preflight import NAME, Outcome, least_ticket, outcome_of
from adapters.mexc.rest import refusal_of
from engine.adapter import SourceStatus
from engine.core.enums import OrderType, Side
from engine.core.instrument import InstrumentSpec
from tests.unit.mexc.test_listing_board import XI, Rig, rig
from tests.unit.mexc.test_mexc_delisted import row
from tests.unit.mexc.test_mexc_watch import Daemon, Scout, listing

Run = Callable[..., None]
Rows = dict[str, dict[str, Any]]
TEST = "/api/v3/order/test"


def shown_of(source: Any) -> SourceStatus | None:
    return next((each for each in source.adapter.status().sources if each.name == NAME), None)


def counted(source: Any, outcome: Outcome) -> int:
    return int(source.adapter.status().counters.get(f"preflight.{outcome}", 0))


@pytest.fixture
def literal_run(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A venue with two symbols that open in ten minutes, whose order/test answers as the test says."""

    def start(
        body: Callable[[Rig, Rows], Any], answer: Any, opens_in_s: float = 600.0, **listings: Any
    ) -> None:
        async def main() -> None:
            async with rig(recorder, monkeypatch, **listings) as made:
                opens_ms = int((time.time() + opens_in_s) * 1000)
                rows = {name: row(name, status="2", firstOpenTime=opens_ms, quoteAmountPrecision="1")
                        for name in ("AAAUSDT", "BBBUSDT")}  # fmt: skip
                made.venue.bodies[XI] = lambda query: {
                    "symbols": [
                        rows[name] for name in rows if name in (query.get("symbol") or ",".join(rows))
                    ]
                }
                made.venue.bodies[TEST] = answer
                await body(made, rows)

        asyncio.run(asyncio.wait_for(main(), 30))

    return start


def refused(code: int, text: str = "no") -> tuple[int, str]:
    return 400, json.dumps({"code": code, "msg": text})


def test_the_request_is_that_of_an_order_signed_and_the_least_one(literal_run: Run) -> None:
    async def body(rig: Rig, rows: Rows) -> None:
        await rig.adapter.watch("AAAUSDT")
        await rig.until(lambda: counted(rig, Outcome.PASSED) == 1)
        (query,) = [query for path, query in rig.venue.queries if path == TEST]
        assert list(query) == [
            "symbol", "side", "type", "quantity", "price", "newClientOrderId", "recvWindow", "timestamp", "signature",
        ]  # fmt: skip
        assert (query["symbol"], query["side"], query["type"]) == ("AAAUSDT", "BUY", "IMMEDIATE_OR_CANCEL")
        # 2 decimals of size and 5 of price, as the row says, and a notional of twice the least, 1.
        assert (query["quantity"], query["price"]) == ("1.01", "1.98021")
        assert abs(int(query["timestamp"]) - time.time() * 1000) < 5000
        signed = "&".join(f"{name}={value}" for name, value in query.items() if name != "signature")
        assert query["signature"] == Credentials("mx0-test", "test-secret-never-shown").sign(signed)
        found = shown_of(rig)
        assert found is not None
        assert (found.state, found.reason, found.answers) == ("up", "", 1)
        assert rig.recorder.alerts == []
        # Once, until its spec changes.
        await asyncio.sleep(0.2)
        assert rig.venue.asked[TEST] == 1
        rows["AAAUSDT"]["quoteAmountPrecision"] = "5"
        await rig.until(lambda: rig.venue.asked[TEST] == 2)
        assert rig.venue.asked["/api/v3/order"] == 0

    literal_run(body, {}, near_before_s=900.0)


def test_a_refusal_that_holds_is_told_once_and_shown_until_it_is_lifted(literal_run: Run) -> None:
    answers = {"now": refused(30002, "The minimum transaction volume cannot be less than:5USDT")}

    async def body(rig: Rig, rows: Rows) -> None:
        await rig.adapter.watch("AAAUSDT")
        await rig.until(lambda: rig.recorder.alerts)
        assert rig.recorder.alerts == [
            "AAAUSDT: a test order is refused: The minimum transaction volume cannot be less than:5USDT (code 30002); "
            "one at its opening would be, too"
        ]
        found = shown_of(rig)
        assert found is not None
        assert found.state == "down"
        assert found.reason.startswith("AAAUSDT refused: The minimum transaction volume")
        # The same again is no news; a no for now, and no answer, lift nothing and tell nothing.
        for number, answer in enumerate((answers["now"], (500, "oops")), 2):
            answers["now"] = answer
            rows["AAAUSDT"]["maxQuoteAmount"] = str(1000 + number)
            await rig.until(lambda number=number: rig.venue.asked[TEST] == number)
        await rig.until(lambda: counted(rig, Outcome.UNKNOWN) == 1)
        assert len(rig.recorder.alerts) == 1
        assert shown_of(rig) is not None
        answers["now"] = (200, "{}")
        rows["AAAUSDT"]["maxQuoteAmount"] = "3000"
        await rig.until(lambda: counted(rig, Outcome.PASSED) == 1)
        found = shown_of(rig)
        assert found is not None
        assert (found.state, found.reason) == ("up", "")
        answers["now"] = refused(30020)
        rows["AAAUSDT"]["maxQuoteAmount"] = "4000"
        await rig.until(lambda: len(rig.recorder.alerts) == 2)
        await rig.adapter.unwatch("AAAUSDT")
        assert shown_of(rig) is None

    literal_run(body, lambda query: answers["now"], near_before_s=900.0)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refused(10007, "symbol not support api"), Outcome.NOT_YET),
        (refused(30000), Outcome.NOT_YET),
        (refused(30016), Outcome.NOT_YET),
        ((404, "<html>"), Outcome.NOT_SUPPORTED),
        ((500, "oops"), Outcome.UNKNOWN),
        ((403, "<html>Access Denied</html>"), Outcome.UNKNOWN),
        (refused(777), Outcome.UNKNOWN),
        (refused(30087), Outcome.UNKNOWN),
        (refused(700003), Outcome.UNKNOWN),
        ((200, "[]"), Outcome.UNKNOWN),
    ],
)
def test_what_is_no_failure_is_counted_and_not_told(literal_run: Run, answer: Any, outcome: Outcome) -> None:
    async def body(rig: Rig, rows: Rows) -> None:
        await rig.adapter.watch("AAAUSDT")
        await rig.until(lambda: counted(rig, outcome) == 1)
        await rig.adapter.watch("BBBUSDT")
        if outcome is Outcome.NOT_SUPPORTED:
            await asyncio.sleep(0.1)
            assert rig.venue.asked[TEST] == 1
        else:
            await rig.until(lambda: counted(rig, outcome) == 2)
        assert rig.recorder.alerts == []
        assert shown_of(rig) is None
        assert "task_failures" not in rig.adapter.status().counters
        assert [each for each in rig.recorder.events if each["kind"] == "COMMAND"] == []

    literal_run(body, answer)


def test_every_code_has_an_outcome() -> None:
    told = set()
    for code, known in CODES.items():
        error = refusal_of(400, None, json.dumps({"code": code, "msg": known.text}).encode(), 1.0)
        assert error is not None
        outcome = outcome_of(error)
        assert (outcome is Outcome.NOT_YET) == (known.action is Action.NOT_YET)
        if outcome is Outcome.REFUSED:
            assert error.refused
            told.add(code)
    # No permission, not for this account, decimals, least notional, closed side or type, our own mistakes.
    assert told >= {
        700007,
        700006,
        30020,
        26,
        -1121,
        10096,
        30002,
        30003,
        30001,
        30041,
        10101,
        30027,
        33333,
        70011,
    }
    assert not told & {500, 503, 504, 429, 700003, 10007, 30000, 30016, 30010, 30087, 30029, -2013}
    assert outcome_of(VenueError(ErrorClass.NOT_SENT, "no connection")) is Outcome.UNKNOWN


def test_nothing_is_tested_near_an_opening_or_after_it(literal_run: Run) -> None:
    async def body(rig: Rig, rows: Rows) -> None:
        await rig.adapter.watch("AAAUSDT")
        await asyncio.sleep(0.3)
        assert rig.venue.asked[TEST] == 0

    literal_run(body, {}, opens_in_s=4.0)
    literal_run(body, {}, opens_in_s=-30.0)


def test_what_is_due_waits_while_another_symbol_opens(literal_run: Run) -> None:
    async def body(rig: Rig, rows: Rows) -> None:
        rows["BBBUSDT"]["firstOpenTime"] = int((time.time() + 1.5) * 1000)
        await rig.until(lambda: rig.told("EXCHANGE_INFO", "BBBUSDT"))
        await rig.adapter.watch("BBBUSDT")
        await rig.adapter.watch("AAAUSDT")
        await asyncio.sleep(0.5)
        assert rig.venue.asked[TEST] == 0
        await rig.until(lambda: counted(rig, Outcome.PASSED) == 1)
        assert [query["symbol"] for path, query in rig.venue.queries if path == TEST] == ["AAAUSDT"]

    literal_run(body, {}, calm_s=1.6)


@pytest.mark.parametrize("may_trade", [True, False])
def test_at_the_venue(rig_run: Run, may_trade: bool) -> None:
    """A paused symbol says 'not yet', a key without the permission 'never'; nothing is placed."""

    async def body(rig: Any) -> None:
        daemon = Alerted(rig, Scout(watches=False))
        await daemon.start()
        if not may_trade:
            (account,) = rig.venue.state.accounts.values()
            account.permissions = ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"]
        await rig.adapter.watch("NEWUSDT")
        if may_trade:
            await rig.until(lambda: counted(rig, Outcome.NOT_YET) == 1)
            assert shown_of(rig) is None
            assert daemon.alerts == []
        else:
            await rig.until(lambda: counted(rig, Outcome.REFUSED) == 1)
            assert [text.split(";")[0] for text in daemon.alerts] == [
                "NEWUSDT: a test order is refused: No permission to access the endpoint. (code 700007)"
            ]
            assert not daemon.core.is_halted
        assert rig.order_requests() == []
        assert daemon.faults == []

    rig_run(body, {"listings": [listing(list_s=0.0, open_s=600)], "limits": {"rest_weight_per_10s": 1_000_000}},
            weight_per_10s=100_000)  # fmt: skip


class Alerted(Daemon):
    """Keeps what is told to people."""

    def __init__(self, rig: Any, scout: Scout) -> None:
        super().__init__(rig, scout)
        self.alerts: list[str] = []

    def on_notice(self, record: dict[str, Any]) -> None:
        self.alerts.append(record["text"])


@given(
    price_decimals=st.integers(0, 10),
    size_decimals=st.integers(0, 8),
    min_lots=st.integers(1, 10**9),
    min_notional=st.sampled_from([0, 10**20, 5 * 10**20, 10**18]),
    order_types=st.sampled_from([1 << OrderType.LIMIT, 1 << OrderType.LIMIT | 1 << OrderType.IOC]),
)
def test_the_least_ticket_is_one_that_the_filters_take(
    price_decimals: int, size_decimals: int, min_lots: int, min_notional: int, order_types: int
) -> None:
    spec = InstrumentSpec(
        "ABCUSDT", "ABC", "USDT", price_decimals, size_decimals, order_types=order_types, min_lots=min_lots,
        min_notional=min_notional,
    )  # fmt: skip
    ticket = least_ticket(3, spec, "abcdef012345-test")
    assert (ticket.instrument, ticket.side) == (3, Side.BUY)
    assert order_types >> ticket.order_type & 1
    assert ticket.size_lots >= min_lots
    assert ticket.price_ticks >= 1
    notional = spec.notional(ticket.price_ticks, ticket.size_lots)
    least = 2 * min_notional or 10**20
    assert least <= notional <= least + 2 * spec.notional(1, ticket.size_lots)
    requests = OrderRequests(MexcConfig(rest_url="http://127.0.0.1:1"), Credentials("mx0", "hush"))
    assert "type=" in requests.test_query(ticket, spec, 1_700_000_000_000)
