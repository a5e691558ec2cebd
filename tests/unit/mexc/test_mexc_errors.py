"""Every row of the error table: what it means for an order, what is done, and that the page says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.mexc.error_codes import (
    ACTIONS,
    CODES,
    NOT_YET_CODES,
    RANGES,
    WITHOUT_CODE,
    Action,
    ErrorClass,
    find,
    page,
)
from adapters.mexc.errors import STOPS_TRADING, VenueError, classify
from adapters.mexc.orders import evidence_of_error, refused_report
from engine.core.enums import OrderReport
from engine.core.instrument import InstrumentSpec

ROOT = Path(__file__).resolve().parents[3]
C, A = ErrorClass, Action

# The recommendations for MEXC's codes, one row each: (code, class, action).
ROWS = [
    (-2011, C.GONE, A.QUERY_ORDER), (-2013, C.GONE, A.QUERY_ORDER), (-1121, C.NOT_TRADABLE, A.CHECK_SYMBOL),
    (-1127, C.CALLER, A.FIX_REQUEST), (-1128, C.CALLER, A.FIX_REQUEST), (26, C.NOT_TRADABLE, A.REFUSE),
    (400, C.AUTH, A.HALT), (401, C.AUTH, A.HALT), (403, C.WAF, A.BACK_OFF), (429, C.RATE, A.BACK_OFF),
    (500, C.AMBIGUOUS, A.QUERY_ORDER), (503, C.AMBIGUOUS, A.QUERY_ORDER), (504, C.AMBIGUOUS, A.QUERY_ORDER),
    (602, C.AUTH, A.HALT), (700002, C.AUTH, A.HALT), (10001, C.AUTH, A.HALT), (10007, C.NOT_TRADABLE, A.NOT_YET),
    (10015, C.CALLER, A.FIX_REQUEST), (10095, C.CALLER, A.FIX_REQUEST), (10222, C.CALLER, A.FIX_REQUEST),
    (44444, C.CALLER, A.FIX_REQUEST), (10072, C.AUTH, A.HALT), (10073, C.CLOCK, A.RESYNC_CLOCK),
    (10096, C.FILTER, A.FIX_REQUEST), (10097, C.FILTER, A.FIX_REQUEST), (10102, C.FILTER, A.FIX_REQUEST),
    (10098, C.HALT, A.HALT), (10101, C.BALANCE, A.RESYNC_ACCOUNT), (30004, C.BALANCE, A.RESYNC_ACCOUNT),
    (20002, C.AMBIGUOUS, A.RETRY_QUERY), (22222, C.AMBIGUOUS, A.RETRY_QUERY), (30000, C.NOT_TRADABLE, A.NOT_YET),
    (30001, C.NOT_TRADABLE, A.REFUSE), (30002, C.FILTER, A.REFUSE), (30003, C.FILTER, A.REFUSE),
    (30005, C.BALANCE, A.RESYNC_ACCOUNT), (30010, C.NOT_TRADABLE, A.REFUSE), (30014, C.NOT_TRADABLE, A.CHECK_SYMBOL),
    (30021, C.NOT_TRADABLE, A.CHECK_SYMBOL), (30016, C.NOT_TRADABLE, A.NOT_YET), (30018, C.NOT_TRADABLE, A.USE_LIMIT),
    (30019, C.NOT_TRADABLE, A.USE_LIMIT), (30051, C.NOT_TRADABLE, A.USE_LIMIT), (30020, C.NOT_TRADABLE, A.REFUSE),
    (30025, C.NOT_TRADABLE, A.REFUSE), (30026, C.CALLER, A.FIX_REQUEST), (30027, C.SUSPENDED, A.ALERT),
    (30028, C.SUSPENDED, A.ALERT), (30029, C.RATE, A.FEWER_ORDERS), (30032, C.FILTER, A.REFUSE),
    (30041, C.NOT_TRADABLE, A.USE_LIMIT), (30087, C.FILTER, A.STAY_IN_BAND), (33333, C.CALLER, A.FIX_REQUEST),
    (60005, C.HALT, A.HALT), (70011, C.SUSPENDED, A.ALERT), (700001, C.AUTH, A.HALT), (700003, C.CLOCK, A.RESYNC_CLOCK),
    (700004, C.CALLER, A.FIX_REQUEST), (700005, C.CALLER, A.FIX_REQUEST), (700006, C.AUTH, A.HALT),
    (700007, C.AUTH, A.HALT), (700008, C.CALLER, A.FIX_REQUEST), (700013, C.CALLER, A.FIX_REQUEST),
    (11444, C.HALT, A.HALT), (10200, C.AMBIGUOUS, A.NOT_USED), (10269, C.AMBIGUOUS, A.NOT_USED),
    (140001, C.AMBIGUOUS, A.NOT_USED), (730002, C.AMBIGUOUS, A.NOT_USED), (424242, C.AMBIGUOUS, A.QUERY_ORDER),
]  # fmt: skip
# What each class makes of an order that was refused with it.
REPORTS = {
    C.GONE: OrderReport.AMBIGUOUS, C.WAF: OrderReport.AMBIGUOUS, C.AMBIGUOUS: OrderReport.AMBIGUOUS,
}  # fmt: skip


@pytest.mark.parametrize(("code", "error_class", "action"), ROWS)
def test_a_code_has_its_class_and_action(code: int, error_class: ErrorClass, action: Action) -> None:
    row = find(code, "some text")
    assert (row.error_class, row.action) == (error_class, action)
    assert classify(400, code, "some text") is error_class
    error = VenueError(error_class, row.text, code=code, http_status=400)
    wanted = REPORTS.get(error_class, OrderReport.REJECTED)
    assert evidence_of_error(error, OrderReport.REJECTED).report == wanted
    assert (error_class in STOPS_TRADING) == (action is Action.HALT)
    assert (error_class is C.CLOCK) == (action is A.RESYNC_CLOCK)
    assert (error_class is C.BALANCE) == (action is A.RESYNC_ACCOUNT)


def test_every_listed_code_is_tested() -> None:
    assert {code for code, _, _ in ROWS} >= set(CODES)
    assert all(any(first <= code <= last for code, _, _ in ROWS) for first, last, _ in RANGES)


def test_a_code_goes_before_its_range_and_a_text_before_its_code() -> None:
    assert find(10222, "").action is A.FIX_REQUEST
    assert find(99999, "api Market Order is disabled").action is A.USE_LIMIT
    assert find(30018, "account cannot order, contact support").action is A.HALT


@pytest.mark.parametrize("code", sorted(NOT_YET_CODES))
def test_an_opening_symbol_is_not_open_yet_and_any_other_refuses(code: int) -> None:
    error = VenueError(C.NOT_TRADABLE, "", code=code, http_status=400)
    for tradable, report in ((0, OrderReport.REJECTED), (1, OrderReport.REJECTED), (2, OrderReport.NOT_YET)):
        spec = InstrumentSpec("NEWUSDT", "NEW", "USDT", 4, 2, tradable=tradable)  # type: ignore[arg-type]
        assert refused_report(error, spec) == report
    assert {10007, 30000, 30016} == NOT_YET_CODES


def test_another_refusal_of_an_opening_symbol_is_a_refusal() -> None:
    opening = InstrumentSpec("NEWUSDT", "NEW", "USDT", 4, 2, tradable=2)  # type: ignore[arg-type]
    error = VenueError(C.NOT_TRADABLE, "", code=30019, http_status=400)
    assert refused_report(error, opening) == OrderReport.REJECTED


def test_every_action_is_explained_and_used() -> None:
    assert set(ACTIONS) == set(Action)
    rows = [*CODES.values(), *(row for _, _, row in RANGES), *(row for _, row in WITHOUT_CODE)]
    assert {row.action for row in rows} == set(Action)
    assert {row.error_class for row in rows} == set(ErrorClass)


def test_the_page_of_errors_is_current() -> None:
    text = (ROOT / "docs" / "mexc-errors.md").read_text()
    assert text == page(), "run: make docs"
