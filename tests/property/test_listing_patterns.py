"""The classification kernel equals its oracle, and gives the published vectors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native.listing_patterns import NONE, PRE_READY, READY, SAYS_CODES, SAYS_EXCHANGE, Sweep
from tests.oracles.listing_patterns import Row, Symbol, Verdict, classify

ROWS: list[Row] = [
    (2, 2, 4, 2, 0, 850),
    (2, 2, -1, 1, 30, 850),
    (2, 1, -1, 1, 120, 750),
    (1, 1, -1, 1, 360, 600),
    (1, 2, -1, 1, 480, 450),
]
GROUPS = [frozenset({1, 2}), frozenset({3, 4}), frozenset({5}), frozenset({7}), frozenset({8})]
FIELD_BITS = {"id": 1, "contract": 2, "price": 4, "size": 8}


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CODE = maybe(st.integers(0, 5))
SOURCES = st.frozensets(st.integers(1, 8))
SYMBOLS = st.builds(
    Symbol,
    codes=st.tuples(CODE, CODE, CODE) | st.sampled_from([(2, 2, 4), (2, 2, 3), (2, 1, 4), (1, 1, 0), (1, 2, 4)]),
    status=maybe(st.integers(1, 3)),
    api_allowed=maybe(st.booleans()),
    side_type=maybe(st.integers(1, 4)),
    order_types=maybe(st.integers(0, 62)),
    sources=SOURCES,
    fields=st.frozensets(st.sampled_from(list(FIELD_BITS))),
    opens_ms=maybe(st.integers(0, 2**41)),
    boost=st.integers(0, 250),
)  # fmt: skip
ROW = st.tuples(*[st.integers(-1, 4)] * 3, st.sampled_from([1, 2]), st.integers(0, 600), st.integers(0, 1000))


def said(value: Any) -> int:
    return -1 if value is None else int(value)


def bits(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


def put(sweep: Sweep, row: int, symbol: Symbol) -> None:
    sweep.sts[row], sweep.st[row], sweep.tt[row] = (said(code) for code in symbol.codes)
    sweep.status[row] = said(symbol.status)
    sweep.api_allowed[row] = said(symbol.api_allowed)
    sweep.side_type[row] = said(symbol.side_type)
    sweep.order_types[row] = said(symbol.order_types)
    sweep.sources[row] = bits(symbol.sources)
    sweep.fields[row] = sum(FIELD_BITS[field] for field in symbol.fields)
    sweep.opens_ms[row] = said(symbol.opens_ms)
    sweep.boost[row] = symbol.boost


def verdict(sweep: Sweep, row: int) -> Verdict:
    says = int(sweep.says[row])
    minutes = int(sweep.minutes[row])
    return Verdict(
        {NONE: "none", PRE_READY: "pre-ready", READY: "ready"}[int(sweep.kind[row])],
        None if minutes < 0 else minutes,
        int(sweep.independent[row]),
        frozenset(name for name, bit in (("codes", SAYS_CODES), ("exchange", SAYS_EXCHANGE)) if says & bit),
        int(sweep.confidence[row]),
    )


@settings(max_examples=300, deadline=None)
@given(
    symbols=st.lists(SYMBOLS, min_size=1, max_size=12),
    rows=st.just(ROWS) | st.lists(ROW, max_size=5),
    down=SOURCES,
    min_sources=st.integers(1, 3),
    history=st.integers(0, 100),
    adjustment=st.sampled_from([0, -200]),
    paused_counts=st.booleans(),
)
def test_the_kernel_equals_its_oracle(
    symbols: list[Symbol], rows: list[Row], down: frozenset[int], min_sources: int, history: int, adjustment: int,
    paused_counts: bool,
) -> None:  # fmt: skip
    options: dict[str, Any] = {"min_sources": min_sources, "history": history, "paused_counts": paused_counts}
    sweep = Sweep(16, rows, [bits(group) for group in GROUPS], **options)
    for at, symbol in enumerate(symbols):
        put(sweep, at, symbol)
    sweep.run(len(symbols), bits(down), adjustment)
    expected = [
        classify(symbol, rows, GROUPS, down=down, adjustment=adjustment, **options) for symbol in symbols
    ]
    assert [verdict(sweep, at) for at in range(len(symbols))] == expected


def one(symbol: Symbol, adjustment: int = 0) -> Verdict:
    sweep = Sweep(1, ROWS, [bits(group) for group in GROUPS])
    put(sweep, 0, symbol)
    sweep.run(1, 0, adjustment)
    return verdict(sweep, 0)


FOUR = frozenset(FIELD_BITS)


@pytest.mark.parametrize(
    ("fields", "adjustment", "confidence"),
    [(FOUR, 0, 1000), (frozenset({"id"}), 0, 975), (frozenset({"id"}), -200, 775)],
)
def test_confidence_gives_the_published_vectors(
    fields: frozenset[str], adjustment: int, confidence: int
) -> None:
    found = one(Symbol((2, 2, 4), fields=fields, sources=frozenset({2, 3})), adjustment)
    assert (found.kind, found.confidence) == ("ready", confidence)


@pytest.mark.parametrize(
    ("codes", "kind", "minutes", "confidence"),
    [
        ((2, 2, 3), "pre-ready", 30, 850),
        ((2, 1, 4), "pre-ready", 120, 750),
        ((1, 1, 1), "pre-ready", 360, 600),
        ((1, 2, 4), "pre-ready", 480, 450),
        ((3, 2, 4), "none", None, 0),
    ],
)
def test_the_codes_give_the_published_classes(
    codes: tuple[int, int, int], kind: str, minutes: int | None, confidence: int
) -> None:
    found = one(Symbol(codes, sources=frozenset({2, 3})))
    assert (found.kind, found.minutes, found.confidence) == (kind, minutes, confidence)


def test_one_web_site_is_one_source_however_often_it_is_asked() -> None:
    assert one(Symbol((2, 2, 4), sources=frozenset({1, 2}))).kind == "pre-ready"
    assert one(Symbol((2, 2, 4), sources=frozenset({1, 2, 5}))).kind == "ready"


def test_the_codes_do_not_overrule_an_exchange_that_refuses() -> None:
    agreed = Symbol((2, 2, 4), sources=frozenset({2, 3}), api_allowed=True)
    assert one(agreed).kind == "ready"
    refused = Symbol((2, 2, 4), sources=frozenset({2, 3}), api_allowed=False)
    assert one(refused).kind == "pre-ready"


def test_a_full_confidence_makes_nothing_ready() -> None:
    found = one(Symbol((2, 2, 4), fields=FOUR, boost=250, sources=frozenset({2})))
    assert (found.kind, found.confidence) == ("pre-ready", 1000)


def test_a_forgotten_row_says_nothing() -> None:
    sweep = Sweep(1, ROWS, [bits(group) for group in GROUPS])
    put(sweep, 0, Symbol((2, 2, 4), sources=frozenset({2, 3}), status=1, api_allowed=True, order_types=2))
    sweep.forget(0)
    sweep.run(1)
    assert verdict(sweep, 0) == classify(Symbol(), ROWS, GROUPS)
