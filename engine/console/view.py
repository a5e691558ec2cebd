"""Shows a run to people: a live page where there is a terminal, one line a second where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engine.console.listings import Listing, countdown
from engine.console.status import Status

LINE_INTERVAL_S = 1.0
STALE_STATUS_S = 2.0
ROWS = 12
LISTING_ROWS = 8
REASON_SHOWN = 60
WIDE_COLUMNS = 200

_GOOD, _WARN, _BAD, _DIM = "green", "yellow", "bold red", "bright_black"
_STATE_STYLE = {
    "up": _GOOD,
    "live": _GOOD,
    "ok": _GOOD,
    "buy": _GOOD,
    "open": _GOOD,
    "info": _DIM,
    "connecting": _WARN,
    "stale": _WARN,
    "resyncing": _WARN,
    "warning": _WARN,
    "partially_filled": _WARN,
    "down": _BAD,
    "failure": _BAD,
    "error": _BAD,
    "unknown": _BAD,
    "sell": "red",
    "ready": _GOOD,
    "armed": _WARN,
    "opening": _WARN,
    "managing": _GOOD,
    "blocked": _BAD,
}


class LiveView:
    """A page in the terminal, redrawn at each `show`."""

    def __init__(self, console: Console | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._live = Live(console=console or Console(), screen=True, auto_refresh=False, transient=True)
        self._now_ns = now_ns
        self._live.start()

    def show(self, status: Status | None, note: str) -> None:
        """Draw the page."""
        self._live.update(page(status, note, self._now_ns(), self._live.console.width), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


class LineView:
    """One line a second, for logs and pipes."""

    def __init__(
        self,
        out: TextIO | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._out = sys.stderr if out is None else out
        self._clock_s = clock_s
        self._now_ns = now_ns
        self._next_s = 0.0
        self._note = ""

    def show(self, status: Status | None, note: str) -> None:
        """Write the line, if it is time for it or the note is new."""
        now_s = self._clock_s()
        if status is None and note == self._note:
            return
        if note == self._note and now_s < self._next_s:
            return
        self._next_s, self._note = now_s + LINE_INTERVAL_S, note
        self._out.write(line(status, note, self._now_ns()) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to give back."""


class NoView:
    """Shows nothing."""

    def show(self, status: Status | None, note: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing to give back."""


def line(status: Status | None, note: str, now_ns: int) -> str:
    """The state of a run in one line."""
    if status is None:
        return note
    denied = sum(status.gate.denied.values())
    up = sum(feed.state == "up" for feed in status.feeds)
    live = sum(book.trust == "LIVE" for book in status.books)
    words = [
        f"{status.seconds:.0f} s",
        status.mode,
        "HALTED" if status.halted else "REDUCE ONLY" if status.reduce_only else status.health,
        f"seq {status.seq:,}",
        f"feeds {up}/{len(status.feeds)} up",
        f"books {live}/{len(status.books)} live",
        f"orders {len(status.orders)}",
        f"intents {status.gate.intents:,} approved {status.gate.approved:,} denied {denied:,}",
        f"equity {status.equity or '-'}",
        f"pnl {status.realised_pnl or '-'}",
        f"journal {status.journal.records:,} (+{status.journal.pending})",
        f"rss {status.rss_mb:.0f} MB",
    ]
    if status.listings:
        going_on = sum(not listing.is_finished for listing in status.listings)
        words.append(f"listings {going_on}/{len(status.listings)}")
    if status.sources:
        words.append(sources_text(status))
    age_s = (now_ns - status.ts_ns) / 1e9
    if age_s > STALE_STATUS_S:
        words.append(f"no status for {age_s:.0f} s")
    if note != "running":
        words.append(f"[{note}]")
    return "  ".join(words)


def sources_text(status: Status) -> str:
    """The sources of listing evidence: those that are not up, each with why, or how many are."""
    wrong = [source for source in status.sources if source.state != "up"]
    if not wrong:
        return f"{len(status.sources)} sources ok"
    told = ", ".join(f"{source.name} {(source.reason or source.state)[:REASON_SHOWN]}" for source in wrong)
    return f"{len(wrong)} of {len(status.sources)} sources not ok: {told}"


def page(status: Status | None, note: str, now_ns: int, width: int = 160) -> RenderableType:
    """The whole page; a terminal narrower than 200 columns has two columns in place of three."""
    if status is None:
        return Panel(Text(note, style=_DIM), title="penstock", border_style=_DIM)
    root = Layout()
    parts = [
        Layout(_head(status, note, now_ns), size=3),
        Layout(name="body"),
        Layout(_alerts(status), size=6),
    ]
    if status.listings:
        height = min(len(status.listings), LISTING_ROWS) + 3 + (len(status.listings) > LISTING_ROWS)
        parts.insert(1, Layout(_framed("Listings", _listings(status)), size=height))
    if status.sources:
        parts.insert(1, Layout(_sources(status), size=1))
    root.split_column(*parts)
    market = [_framed("Books", _books(status)), _framed("Open orders", _orders(status))]
    account = [_framed("Positions", _positions(status)), _framed("Fills", _fills(status))]
    left = [[*market, *account]] if width < WIDE_COLUMNS else [market, account]
    columns = [Layout() for _ in left]
    for column, panels in zip(columns, left, strict=True):
        column.split_column(*map(Layout, panels))
    root["body"].split_row(*columns, Layout(name="engine", size=44 if width >= WIDE_COLUMNS else 40))
    root["engine"].split_column(
        Layout(_framed("Feeds", _feeds(status)), ratio=3),
        Layout(_framed("Gate", _gate(status)), ratio=4),
        Layout(_framed("Latency, µs", _latency(status)), ratio=4),
        Layout(_framed("Journal and tape", _journal(status)), size=7),
    )
    return root


def _head(status: Status, note: str, now_ns: int) -> Panel:
    age_s = (now_ns - status.ts_ns) / 1e9
    text = Text.assemble(
        ("penstock ", "bold"),
        (f"{status.mode} ", _GOOD if status.mode == "paper" else _BAD),
        (f"{status.run_id}  ", _DIM),
        f"{int(status.seconds) // 3600:02d}:{int(status.seconds) // 60 % 60:02d}:{int(status.seconds) % 60:02d}  ",
        _styled(status.health),
        ("  HALTED" if status.halted else "", _BAD),
        ("  REDUCE ONLY" if status.reduce_only else "", _WARN),
        f"  seq {status.seq:,}",
        ("  equity ", _DIM),
        f"{status.equity or '-'} {status.currency}",
        ("  realised ", _DIM),
        _signed(status.realised_pnl),
        ("  rss ", _DIM),
        f"{status.rss_mb:.0f} MB",
        (f"  {note}" if note != "running" else "", _WARN),
        (f"  no status for {age_s:.0f} s" if age_s > STALE_STATUS_S else "", _BAD),
    )
    border = _BAD if status.halted else _DIM
    return Panel(text, border_style=border, subtitle=Text("Ctrl-C stops", style=_DIM), subtitle_align="right")


def _framed(title: str, body: RenderableType) -> Panel:
    return Panel(body, title=title, title_align="left", border_style=_DIM, padding=(0, 1))


def _table(*columns: str) -> Table:
    """A plain table; a column that starts with > is set to the right."""
    table = Table(box=None, expand=True, pad_edge=False, header_style=_DIM, padding=(0, 1, 0, 0))
    for column in columns:
        justify = "right" if column.startswith(">") else "left"
        table.add_column(column.removeprefix(">"), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def _styled(word: str) -> Text:
    return Text(word, style=_STATE_STYLE.get(word.lower(), ""))


def _signed(amount: str) -> Text:
    if not amount.strip("-0."):
        return Text(amount or "-")
    return Text(amount, style="red" if amount.startswith("-") else _GOOD)


def _amount(text: str) -> str:
    """A decimal without exponent and trailing zeros; what is none stays as it is."""
    try:
        plain = f"{Decimal(text):f}"
    except InvalidOperation:
        return text
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _age(age_ms: int) -> str:
    if age_ms < 0:
        return "-"
    return f"{age_ms} ms" if age_ms < 1000 else f"{age_ms // 1000} s"


def _more(table: Table, hidden: int) -> RenderableType:
    return Group(table, Text(f"and {hidden} more", style=_DIM)) if hidden > 0 else table


def _feeds(status: Status) -> RenderableType:
    table = _table("feed", "state", ">messages", ">age", ">lag")
    for feed in status.feeds[:ROWS]:
        table.add_row(
            feed.name, _styled(feed.state), f"{feed.messages:,}", _age(feed.age_ms), f"{feed.lag_ms} ms"
        )
    return _more(table, len(status.feeds) - ROWS)


def _sources(status: Status) -> Text:
    states = {source.state for source in status.sources}
    style = _BAD if "down" in states else _WARN if states != {"up"} else _DIM
    return Text(f"  {sources_text(status)}", style=style, no_wrap=True, overflow="ellipsis")


def _books(status: Status) -> RenderableType:
    table = _table("symbol", "state", ">bid size", ">bid", ">ask", ">ask size", ">bps", ">age")
    for book in status.books[:ROWS]:
        spread = f"{book.spread_bps:.1f}" if book.bid and book.ask else "-"
        prices = (Text(book.bid or "-", style=_GOOD), Text(book.ask or "-", style="red"))
        table.add_row(
            book.symbol,
            _styled(book.trust.lower()),
            _amount(book.bid_size),
            *prices,
            _amount(book.ask_size),
            spread,
            _age(book.age_ms),
        )
    return _more(table, len(status.books) - ROWS)


def _orders(status: Status) -> RenderableType:
    table = _table("symbol", "side", "type", ">price", ">size", ">filled", "state", ">age")
    for order in status.orders[:ROWS]:
        table.add_row(
            order.symbol, _styled(order.side.lower()), order.kind.lower().replace("_", " "), order.price,
            _amount(order.size), _amount(order.filled), _styled(order.state.lower()), _age(order.age_ms),
        )  # fmt: skip
    return _more(table, len(status.orders) - ROWS)


def _fills(status: Status) -> RenderableType:
    table = _table("time", "symbol", "side", ">price", ">size", ">fee", "")
    for fill in reversed(status.fills[-ROWS:]):
        fee = f"{_amount(fill.fee)} {fill.fee_asset}".strip()
        role = Text("maker" if fill.is_maker else "taker", style=_DIM)
        table.add_row(
            fill.time, fill.symbol, _styled(fill.side.lower()), fill.price, _amount(fill.size), fee, role
        )
    return table


def _positions(status: Status) -> RenderableType:
    table = _table("symbol", ">size", ">average", ">notional", ">realised", ">unrealised", ">fees")
    for row in status.positions[:ROWS]:
        table.add_row(
            row.symbol, _amount(row.size), row.average_price or "-", row.notional or "-", _signed(row.realised_pnl),
            _signed(row.unrealised_pnl), row.fees,
        )  # fmt: skip
    return _more(table, len(status.positions) - ROWS)


def _listings(status: Status) -> RenderableType:
    """As of the status: of a run that has ended no countdown goes on."""
    table = listing_table(status.listings[:LISTING_ROWS], status.ts_ns // 1_000_000)
    return _more(table, len(status.listings) - LISTING_ROWS)


def listing_table(listings: list[Listing], now_ms: int) -> Table:
    """The candidates with their evidence, newest first, countdown, entry, exits and result.

    Where the width does not do for all, evidence and result are cut.
    """
    table = _table("symbol", "state", ">opens in", "evidence", ">tries", "entry", "exits", "result")
    for column, least in zip(table.columns, (10, 9, 8, 0, 5, 14, 8, 0), strict=True):
        column.min_width = least or None
        column.ratio = None if least else 1
    for each in listings:
        heard = sorted(each.evidence.items(), key=lambda item: -item[1])
        table.add_row(
            each.symbol,
            _styled(each.state.lower()),
            countdown(each.open_ms, now_ms),
            ", ".join(f"{source.lower()} {clock_text(at_ms)}" for source, at_ms in heard) or "-",
            str(each.attempts) if each.attempts else "-",
            str(each.entry) or "-",
            each.exits_text or "-",
            each.result or Text(each.note, style=_DIM),
        )
    return table


def clock_text(at_ms: int) -> str:
    """A moment of today, as HH:MM:SS UTC."""
    return time.strftime("%H:%M:%S", time.gmtime(at_ms // 1000)) if at_ms else "-"


def _gate(status: Status) -> RenderableType:
    table = _table("verdict", ">count")
    table.add_row("intents", f"{status.gate.intents:,}")
    table.add_row(Text("approved", style=_GOOD), f"{status.gate.approved:,}")
    for reason, count in sorted(status.gate.denied.items(), key=lambda item: -item[1])[:ROWS]:
        table.add_row(Text(reason.lower(), style=_WARN), f"{count:,}")
    return table


def _latency(status: Status) -> RenderableType:
    table = _table("stage", ">p50", ">p99", ">p99.9", ">max")
    for stage, row in status.latency_us.items():
        table.add_row(stage, *(f"{value:.1f}" for value in (row.p50, row.p99, row.p999, row.max)))
    return table


def _journal(status: Status) -> RenderableType:
    journal, tape = status.journal, status.tape
    table = Table.grid("", "", expand=True, padding=(0, 1, 0, 0))
    table.columns[1].justify = "right"
    state = Text("writable", style=_GOOD) if journal.writable else Text("not writable", style=_BAD)
    table.add_row("journal", state)
    table.add_row("records", f"{journal.records:,}")
    table.add_row("pending", f"{journal.pending:,} ({journal.durable_lag_ms:.1f} ms)")
    share = f" ({100 * tape.bytes / tape.budget_bytes:.0f} %)" if tape.budget_bytes else ""
    table.add_row("tape frames", f"{tape.frames:,}")
    table.add_row("tape", f"{tape.bytes / 2**20:.1f} MB{share}")
    return table


def _alerts(status: Status) -> Panel:
    rows = [
        Text.assemble((f"{alert.time} ", _DIM), (alert.text, _STATE_STYLE.get(alert.level, "")))
        for alert in reversed(status.alerts[-4:])
    ]
    body: RenderableType = Group(*rows) if rows else Text("none", style=_DIM)
    return _framed("Alerts", body)
