"""The classification of a symbol's evidence in plain Python, written from the table of the facts."""

from __future__ import annotations

from dataclasses import dataclass

WEB, EXCHANGE_INFO, OFFLINE = 2, 3, 6
Row = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Symbol:
    """What the sources said of one symbol; None where nobody said it."""

    codes: tuple[int | None, int | None, int | None] = (None, None, None)
    status: int | None = None
    api_allowed: bool | None = None
    side_type: int | None = None
    order_types: int | None = None
    sources: frozenset[int] = frozenset()
    fields: frozenset[str] = frozenset()
    opens_ms: int | None = None
    boost: int = 0


@dataclass(frozen=True)
class Verdict:
    """The class, and what explains it."""

    kind: str
    minutes: int | None
    independent: int
    says: frozenset[str]
    confidence: int


POINTS = {"id": 100, "contract": 50, "price": 50, "size": 50}


def codes_row(symbol: Symbol, sources: frozenset[int], rows: list[Row]) -> Row | None:
    if WEB not in sources or None in symbol.codes:
        return None
    for row in rows:
        if all(wanted in (-1, code) for wanted, code in zip(row[:3], symbol.codes, strict=True)):
            return row
    return None


def exchange_says(symbol: Symbol, sources: frozenset[int], paused_counts: bool) -> bool:
    if EXCHANGE_INFO not in sources or not symbol.api_allowed or not symbol.order_types:
        return False
    if symbol.side_type in (3, 4):
        return False
    return symbol.status == 1 or (symbol.status == 2 and symbol.opens_ms is not None and paused_counts)


def classify(
    symbol: Symbol,
    rows: list[Row],
    groups: list[frozenset[int]],
    *,
    down: frozenset[int] = frozenset(),
    min_sources: int = 2,
    history: int = 75,
    adjustment: int = 0,
    paused_counts: bool = True,
) -> Verdict:
    sources = symbol.sources - down
    independent = sum(1 for group in groups if group & sources)
    row = codes_row(symbol, sources, rows)
    says = set()
    if row is not None and row[3] == 2:
        says.add("codes")
    if exchange_says(symbol, sources, paused_counts):
        says.add("exchange")
    if says:
        refused = symbol.api_allowed is False or symbol.status == 3 or symbol.side_type in (3, 4)
        refused = refused or OFFLINE in sources
        points = 500 + history + adjustment + symbol.boost + sum(POINTS[field] for field in symbol.fields)
        points += 300 if "codes" in says else 0
        kind = "ready" if independent >= min_sources and not refused else "pre-ready"
        return Verdict(kind, 0, independent, frozenset(says), min(1000, max(0, points)))
    if row is not None and row[3] == 1:
        return Verdict("pre-ready", row[4], independent, frozenset(), row[5])
    return Verdict("none", None, independent, frozenset(), 0)
