"""A listing as a memo: what people see of it, and what a restart needs. Compact JSON of at most 1,000 bytes.

Amounts are decimal strings. `x` is for the restart alone. `exits` names the newest; `x.sold` counts them all.
"""

from __future__ import annotations

import json
from typing import Any

from engine import InstrumentSpec
from engine.core.enums import ListingSource
from strategies.ready_state.evidence import Evidence
from strategies.ready_state.exits import ExitPlan, Scale, Step, average_micro
from strategies.ready_state.listing import Listing, OrderRecord
from strategies.ready_state.states import State

MEMO_MOST = 1000
EXITS_SHOWN = 4
MORE_SHOWN = 2
NOTE_MOST = 100


def encode(
    listing: Listing, evidence: Evidence | None, confidence: int, spec: InstrumentSpec | None
) -> bytes:
    """The memo; older exits, and then the note, are left out where it would be too long."""
    shown, note = EXITS_SHOWN, listing.note[:NOTE_MOST]
    while True:
        exits = listing.exits[-shown:] if shown else []
        value = json.dumps(
            _document(listing, evidence, confidence, spec, exits, note), separators=(",", ":")
        ).encode()
        if len(value) <= MEMO_MOST:
            return value
        if not shown and not note:
            raise ValueError(f"the memo of {listing.symbol} has {len(value)} bytes, at most {MEMO_MOST}")
        shown, note = (shown - 1, note) if shown else (0, "")


def gist(listing: Listing, evidence: Evidence, confidence: int) -> tuple[Any, ...]:
    """What may change in a memo while its listing stays in its state; cheap to make and to compare."""
    seen = tuple(evidence.seen_ns.items())
    return (
        listing.open_ms,
        listing.listing_id,
        listing.opened_ms,
        listing.note,
        listing.result,
        confidence,
        seen,
    )


def _document(
    listing: Listing,
    evidence: Evidence | None,
    confidence: int,
    spec: InstrumentSpec | None,
    exits: list[OrderRecord],
    note: str,
) -> dict[str, Any]:
    seen = evidence.seen_ns if evidence is not None else {}
    document: dict[str, Any] = {
        "state": listing.state.value,
        "since_ms": listing.since_ms,
        "open_ms": listing.open_ms,
        "id": listing.listing_id,
        "evidence": {ListingSource(source).name: at // 1_000_000 for source, at in sorted(seen.items())},
        "confidence": confidence,
        "attempts": listing.attempts,
        "result": listing.result,
        "note": note,
        "x": _restart_facts(listing),
    }
    if listing.entry is not None:
        document["entry"] = _order(listing.entry, spec)
    if exits:
        document["exits"] = [_order(each, spec) for each in exits]
    return {key: value for key, value in document.items() if value not in ("", {})}


def _order(record: OrderRecord, spec: InstrumentSpec | None) -> dict[str, Any]:
    found: dict[str, Any] = {"no": record.no, "lots": record.lots, "open": record.is_open}
    if spec is not None:
        micro = average_micro(record.filled_money, record.filled_lots, spec.notional(1, 1))
        found["price"] = spec.price_text(record.price_ticks)
        found["filled"] = spec.size_text(record.filled_lots)
        found["avg"] = f"{spec.price(micro // 10_000).scaleb(-2).normalize():f}"
    if record.why:
        found["why"] = record.why
    return found


def _merged(records: list[OrderRecord]) -> list[OrderRecord]:
    """The newest as they are, older ones as one, numbered less than 0: a memo has little room."""
    older, newest = records[:-MORE_SHOWN], records[-MORE_SHOWN:]
    if not older:
        return newest
    lots, money, fee_lots = (
        sum(getattr(each, name) for each in older) for name in ("filled_lots", "filled_money", "fee_lots")
    )
    return [OrderRecord(-abs(older[-1].no), lots, 0, lots, money, fee_lots), *newest]


def _restart_facts(listing: Listing) -> dict[str, Any]:
    found: dict[str, Any] = {
        "gen": listing.generation,
        "opened": listing.opened_ms,
        "last": listing.last_no,
        "cap": listing.cap_ticks,
        "tried": [int(listing.switched), int(listing.repriced)],
    }
    if listing.entry is not None:
        # Money as its 10^-20 units, exact; JSON keeps integers of any size.
        record = listing.entry
        found["in"] = [
            record.no,
            record.lots,
            record.price_ticks,
            record.filled_lots,
            record.filled_money,
            record.fee_lots,
        ]
    if more := _merged([record for record in listing.earlier if record.filled_lots]):
        found["more"] = [[each.no, each.filled_lots, each.filled_money, each.fee_lots] for each in more]
    if listing.state is State.UNKNOWN:
        found["from"] = listing.unknown_from.value
    plan = listing.exit_plan
    if plan is not None:
        live = listing.live_exit
        found |= {
            "sold": listing.sold_lots,
            "proceeds": listing.proceeds,
            "out": [live.no, live.lots, live.price_ticks, live.why] if live is not None else [],
            "until": plan.until_ms,
            "high": plan.high_ticks,
            "stop": plan.stop_ticks,
            "steps": [[step.trigger_ticks, step.until_lots] for step in plan.steps],
            "from_ticks": plan.trailing_from_ticks,
        }
    return found


def decode(symbol: str, value: bytes, slot: int) -> Listing:
    """A listing as its memo has it; ValueError where it is no memo of ours. Its exit plan comes with `restore_plan`."""
    try:
        document = json.loads(value)
        facts = document.get("x", {})
        listing = Listing(
            symbol,
            slot,
            State(document["state"]),
            int(document["since_ms"]),
            str(document.get("id", "")),
            int(facts.get("gen", 0)),
            int(document["open_ms"]),
        )
        listing.opened_ms = int(facts.get("opened", 0))
        listing.last_no = int(facts.get("last", 0))
        listing.cap_ticks = int(facts.get("cap", 0))
        listing.switched, listing.repriced = (bool(each) for each in facts.get("tried", (0, 0)))
        listing.attempts = int(document.get("attempts", 0))
        listing.result = str(document.get("result", ""))
        listing.note = str(document.get("note", ""))
        listing.unknown_from = State(facts.get("from", State.OPENING.value))
        listing.sold_lots = int(facts.get("sold", 0))
        listing.proceeds = int(facts.get("proceeds", 0))
        if "in" in facts:
            no, lots, price_ticks, filled_lots, money, fee_lots = (int(each) for each in facts["in"])
            is_open = bool(document["entry"]["open"])
            listing.entry = OrderRecord(no, lots, price_ticks, filled_lots, money, fee_lots, is_open=is_open)
        for row in facts.get("more", ()):
            no, lots, money, fee_lots = (int(each) for each in row)
            listing.earlier.append(OrderRecord(no, lots, 0, lots, money, fee_lots, is_open=False))
        if facts.get("out"):
            no, lots, price_ticks, why = facts["out"]
            listing.exits.append(OrderRecord(int(no), int(lots), int(price_ticks), why=str(why)))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"the memo of {symbol} cannot be read: {error}") from None
    return listing


def restore_plan(listing: Listing, value: bytes, spec: InstrumentSpec, trailing_ppm: int) -> ExitPlan | None:
    """The exits as the memo has them, None where it has none."""
    facts = json.loads(value).get("x", {})
    if "steps" not in facts or not listing.entries:
        return None
    micro = average_micro(listing.filled_money, listing.filled_lots, spec.notional(1, 1))
    return ExitPlan(
        Scale.of(spec),
        micro,
        listing.bought_lots,
        [Step(int(trigger), int(until)) for trigger, until in facts["steps"]],
        int(facts["stop"]),
        trailing_ppm,
        int(facts["from_ticks"]),
        int(facts["until"]),
        int(facts["high"]),
    )
