"""A run's summary: what `penstock run --summary` writes and a script may rely on."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from engine.adapter import AdapterStatus
from engine.console.publish import latency_us, money_text
from engine.core.state.books import Book
from engine.sequencer import Sequencer
from engine.turns import Turns

MONEY_SHOWN_DECIMALS = 8


def book_facts(book: Book) -> dict[str, Any]:
    """A book at the end, and what it went through; `sha256` is of its levels (native.order_book.OrderBook.canonical_bytes)."""
    return {
        "version": book.version,
        "deltas": book.deltas,
        "duplicates": book.duplicates,
        "holes": book.holes,
        "damages": book.damages,
        "resyncs": book.resyncs,
        "sha256": hashlib.sha256(book.level_bytes()).hexdigest(),
    }


def summary(
    sequencer: Sequencer,
    adapter: AdapterStatus | None,
    *,
    run_dir: str,
    mode: str,
    config_hash: str,
    seed: int,
    seconds: float,
    orders_sent: int,
    rss_anon_mb_max: float,
    ready_s: float,
    collections: int,
    turns: Turns,
    alerts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The facts of a run as plain JSON values; money as decimal strings in the risk currency.

    `ready_s` is from the process's start until its feeds were opened; `long_turns` are turns of the loop that took more than
    1 ms of processor time, as (seconds from `began_ns`, of the system's monotonic clock, to its end; ns). These,
    `gc_collections`, `books`, `seconds`, `messages`, `orders_sent`, `latency_us` and `counters` are those of the newest
    session (`sessions` says how many there were); all else is the whole run's.
    """
    core, journal = sequencer.core, sequencer.journal
    counts, money = core.counts(), core.money()
    return {
        "run_dir": run_dir,
        "run_id": core.run_id,
        "mode": mode,
        "config_hash": config_hash,
        "seed": seed,
        "seconds": round(seconds, 3),
        "sessions": core.session + 1,
        "messages": sequencer.frames,
        "conflated": sequencer.counters.get("conflated", 0),
        "events": core.seq,
        "feeds": {} if adapter is None else {feed.name: feed.state for feed in adapter.feeds},
        "intents": counts["intents"],
        "approved": counts["approved"],
        "cancels": counts["cancels"],
        "denied": counts["denied"],
        "orders_sent": orders_sent,
        "fills": counts["fills"],
        "open_orders": counts["open_orders"],
        "unknown_orders": counts["unknown_orders"],
        "realised_pnl": money_text(money["realised_pnl"], MONEY_SHOWN_DECIMALS),
        "fees": money_text(money["fees"], MONEY_SHOWN_DECIMALS),
        "equity": money_text(money["equity"], MONEY_SHOWN_DECIMALS),
        "positions": {
            core.spec(instrument).symbol: core.spec(instrument).size_text(lots)
            for instrument, lots, _, _ in core.positions()
        },
        "journal": {
            "records": 0 if journal is None else journal.records,
            "head_hash": "" if journal is None else journal.head_hash,
        },
        "actions": counts["actions"],
        "actions_hash": core.actions_hash,
        "durable_hash": core.durable_hash(),
        "full_hash": core.full_hash(),
        "latency_us": {stage: msgspec.to_builtins(facts) for stage, facts in latency_us(sequencer).items()},
        "ready_s": round(ready_s, 3),
        "gc_collections": collections,
        "long_turns": {"count": turns.n_long, "began_ns": turns.began_ns, "newest": turns.long_turns()},
        "books": {book.symbol: book_facts(book) for book in core.books},
        "rss_anon_mb_max": round(rss_anon_mb_max, 1),
        "counters": dict(sorted(sequencer.counters.items())),
        "alerts": alerts,
    }
