"""The live view and its line, drawn into a recorded console."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pytest
from rich.console import Console

from engine.console.listings import countdown, listing_of, listings_of
from engine.console.status import (
    Alert,
    Book,
    Feed,
    Fill,
    GateCounts,
    JournalStatus,
    Latency,
    Order,
    Position,
    Source,
    Status,
    TapeStatus,
    decode,
    encode,
)
from engine.console.view import LineView, LiveView, NoView, line, listing_table, page

NOW_NS = 1_700_000_000_000_000_000
EMPTY = Status(run_id="a1b2c3d4e5f6", mode="paper", ts_ns=NOW_NS)
FULL = Status(
    run_id="a1b2c3d4e5f6",
    mode="paper",
    ts_ns=NOW_NS,
    seconds=3725.3,
    seq=1_234_567,
    health="warning",
    feeds=[Feed("market-1", "up", 123_456, age_ms=12, lag_ms=3), Feed("private", "connecting")],
    books=[
        Book("BTCUSDT", "LIVE", "60000.10", "0.02", "60000.30", "0.5", 0.03, 5),
        Book("ETHUSDT", "RESYNCING", age_ms=70_000),
    ],
    orders=[
        Order(number, "BTCUSDT", "buy", "limit", "60000.10", "0.0005", "0", "OPEN") for number in range(15)
    ],
    fills=[Fill("12:00:01.123", "SOLUSDT", "sell", "150.25", "4", "0.012", "USDT", True)],
    positions=[Position("BTCUSDT", "-0.003", "60000.1", "180.0", "1.25", "-0.33", "0.4")],
    alerts=[Alert("12:00:00", "warning", "book ETHUSDT resyncs")],
    equity="100001.25",
    realised_pnl="1.25",
    gate=GateCounts(100, 90, {"PRICE_COLLAR": 7, "BOOK_NOT_LIVE": 3}),
    latency_us={"decode": Latency(0.4, 0.9, 2, 15.2)},
    journal=JournalStatus(5000, 4990, 0.4, 1, "ab"),
    tape=TapeStatus(120_000, 33 << 20, 1 << 30),
    rss_mb=88,
)


def drawn(status: Status | None, note: str = "running", now_ns: int = NOW_NS, width: int = 200) -> str:
    console = Console(width=width, height=50, record=True, file=io.StringIO(), force_terminal=True)
    console.print(page(status, note, now_ns, width), height=50)
    return console.export_text()


@pytest.mark.parametrize(
    "word",
    [
        "a1b2c3d4e5f6", "01:02:05", "1,234,567", "100001.25 USDT", "market-1", "123,456", "connecting", "60000.30",
        "resyncing", "70 s", "and 3 more", "SOLUSDT", "maker", "-0.003", "-0.33", "price_collar", "book_not_live", "15.2",
        "5,000", "10 (0.4 ms)", "120,000", "33.0 MB (3 %)", "book ETHUSDT resyncs", "Ctrl-C stops", "writable",
    ],
)  # fmt: skip
def test_the_page_shows_everything(word: str) -> None:
    assert word in drawn(FULL)


def test_an_empty_run_can_be_drawn() -> None:
    text = drawn(EMPTY)
    assert "Alerts" in text
    assert "none" in text
    assert "starting the venue" in drawn(None, "starting the venue")


@pytest.mark.parametrize("width", [20, 60, 120, 200])
def test_narrow_terminals_do_not_break_it(width: int) -> None:
    assert all(len(row) <= width for row in drawn(FULL, width=width).splitlines())


def test_what_needs_attention_stands_out() -> None:
    halted = Status(
        run_id="a",
        mode="paper",
        ts_ns=NOW_NS,
        halted=True,
        reduce_only=True,
        journal=JournalStatus(writable=False),
    )
    text = drawn(halted, "stopping on SIGINT", NOW_NS + 7_000_000_000)
    for word in ("HALTED", "REDUCE ONLY", "stopping on SIGINT", "no status for 7 s", "not writable"):
        assert word in text


def test_markup_in_what_is_shown_is_text() -> None:
    assert "[bold]x[/]" in drawn(
        Status(run_id="a", mode="paper", ts_ns=NOW_NS, alerts=[Alert("12:00:00", "error", "[bold]x[/]")])
    )


def test_the_live_view_draws_and_gives_the_terminal_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    view = LiveView(Console(file=out, width=160, height=50, force_terminal=True), lambda: NOW_NS)
    view.show(None, "starting")
    view.show(FULL, "running")
    view.close()
    assert "BTCUSDT" in out.getvalue()
    assert out.getvalue().endswith("\x1b[?25h") or "\x1b[?1049l" in out.getvalue()


def test_a_line_says_the_state() -> None:
    text = line(FULL, "running", NOW_NS)
    for word in (
        "3725 s",
        "feeds 1/2 up",
        "books 1/2 live",
        "denied 10",
        "journal 5,000 (+10)",
        "rss 88 MB",
        "warning",
    ):
        assert word in text
    assert "[restarting]" in line(FULL, "restarting", NOW_NS)
    assert "no status for 3 s" in line(FULL, "running", NOW_NS + 3_000_000_000)
    assert "REDUCE ONLY" in line(Status(run_id="a", mode="paper", ts_ns=0, reduce_only=True), "running", 0)
    assert "HALTED" in line(Status(run_id="a", mode="paper", ts_ns=0, halted=True), "running", 0)


NAMES = ("calendar", "web", "exchange_info", "self", "announcement", "offline", "futures", "market_data")


def with_sources(**states: tuple[str, str]) -> Status:
    rows = [Source(name, *states.get(name, ("up", ""))) for name in NAMES]
    return msgspec.structs.replace(FULL, sources=rows)


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ({}, "8 sources ok"),
        ({"web": ("down", "blocked: http 403")}, "1 of 8 sources not ok: web blocked: http 403"),
        (
            {"offline": ("waiting", ""), "calendar": ("down", "shape: no data")},
            "2 of 8 sources not ok: calendar shape: no data, offline waiting",
        ),
        ({"web": ("down", "vanished: " + "x" * 500)}, "1 of 8 sources not ok: web vanished: " + "x" * 50),
    ],
)
def test_the_sources_of_evidence_take_one_line(states: dict[str, tuple[str, str]], told: str) -> None:
    status = with_sources(**states)
    assert f"  {told}" in line(status, "running", NOW_NS)
    assert [row.strip() for row in drawn(status).splitlines() if "sources" in row] == [told]
    assert all(len(row) <= 60 for row in drawn(status, width=60).splitlines())
    assert [each.name for each in decode(encode(status)).sources] == list(NAMES)
    assert "sources" not in line(FULL, "running", NOW_NS) + drawn(FULL)


def test_a_line_a_second_and_one_for_each_note() -> None:
    out, clock = io.StringIO(), [0.0]
    view = LineView(out, lambda: clock[0], lambda: NOW_NS)
    for tick in range(12):
        clock[0] = tick * 0.25
        view.show(EMPTY, "running")
    view.show(None, "running")
    view.show(EMPTY, "stopping")
    view.close()
    assert out.getvalue().count("\n") == 4
    assert out.getvalue().splitlines()[-1].endswith("[stopping]")


def test_no_view_shows_nothing() -> None:
    view = NoView()
    view.show(FULL, "running")
    view.close()


SEEN = {
    "state": "ARMED", "since_ms": 1, "open_ms": NOW_NS // 10**6 + 65_000, "confidence": 80, "attempts": 2,
    "evidence": {"CALENDAR": NOW_NS // 10**6 - 3_600_000, "WEB": NOW_NS // 10**6},
    "entry": {"no": 3, "lots": 1000, "price": "0.05", "filled": "120", "avg": "0.0512"},
    "exits": [{"no": 4, "filled": "60", "avg": "0.06", "why": "step 1"}, {"no": 5, "price": "0.07", "filled": "0"}],
}  # fmt: skip


def memo(**values: Any) -> bytes:
    return json.dumps(values).encode()


def listed(*names: str, **more: Any) -> Status:
    memos = {("ready", name): memo(**(SEEN | more)) for name in names}
    return msgspec.structs.replace(FULL, listings=listings_of(memos))


@pytest.mark.parametrize(
    "word",
    ["Listings", "NEWUSDT", "armed", "1:05", "web 22:13:20, calendar 21:13:20", "120 at 0.0512", "step 1 60 at 0.06, asked 0.07"],
)  # fmt: skip
def test_listings_are_shown_whole(word: str) -> None:
    assert word in drawn(listed("NEWUSDT"))


def test_a_countdown_stands_still_with_its_status() -> None:
    status = listed("NEWUSDT")
    text = drawn(status, "ended", status.ts_ns + 3_600 * 10**9)
    assert "1:05" in text
    assert "no status for 3600 s" in text


def test_a_run_without_listings_has_no_panel() -> None:
    assert "Listings" not in drawn(FULL)
    assert "listings" not in line(FULL, "running", NOW_NS)


def test_finished_listings_come_last_and_many_are_counted() -> None:
    memos = {
        ("ready", f"N{number:02d}USDT"): memo(**(SEEN | {"state": "CLOSED"}), result="sold")
        for number in range(7)
    }
    memos |= {("ready", f"M{number:02d}USDT"): memo(**SEEN) for number in range(3)}
    status = msgspec.structs.replace(FULL, listings=listings_of(memos))
    assert [each.symbol for each in status.listings[:3]] == ["M00USDT", "M01USDT", "M02USDT"]
    assert "listings 3/10" in line(status, "running", NOW_NS)
    text = drawn(status)
    assert "and 2 more" in text
    assert "sold" in text
    assert all(len(row) <= 120 for row in drawn(status, width=120).splitlines())


@pytest.mark.parametrize(
    "value",
    [b"armed", b"\xff\xfe", b"{}", b'{"state": ""}', b'{"state": 5, "evidence": []}', b'["state"]', b""],
)
def test_memos_of_other_shapes_are_not_shown(value: bytes) -> None:
    assert listing_of("ready", "NEWUSDT", value) is None


def test_a_listing_is_read_leniently() -> None:
    found = listing_of("ready", "NEWUSDT", memo(state="READY", evidence={"WEB": "12"}, attempts="3", later=1))
    assert found is not None
    assert (found.evidence, found.attempts, found.entry.price) == ({"WEB": 12}, 3, "")
    assert found.exits_text == ""
    odd = listing_of("ready", "NEWUSDT", memo(state="READY", exits=["by hand", {"price": []}]))
    assert odd is not None
    assert odd.exits_text == "by hand, ?"
    assert decode(encode(Status(run_id="a", mode="paper", ts_ns=1, listings=[found]))).listings == [found]


@pytest.mark.parametrize("width", [80, 116, 200])
def test_a_narrow_listing_loses_evidence_before_its_name(width: int) -> None:
    evidence = dict.fromkeys(
        ("CALENDAR", "WEB", "ANNOUNCEMENT", "EXCHANGE_INFO", "FUTURES"), 1_764_100_000_000
    )
    known = listing_of("ready", "NEWCOINUSDT", memo(state="MANAGING", evidence=evidence, result="+6.28 USDT"))
    assert known is not None
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(listing_table([known], 0))
    text = console.export_text()
    assert "NEWCOINUSDT" in text
    assert "managing" in text
    assert "symbol" in text


@pytest.mark.parametrize(
    ("open_ms", "text"),
    [
        (0, "-"), (-1, "-"), (1_000_000, "0:00"), (1_065_999, "1:05"), (4_600_000, "1:00:00"), (995_000, "-0:05"),
        (173_801_000, "2 d 0:00:01"),
    ],
)  # fmt: skip
def test_countdowns(open_ms: int, text: str) -> None:
    assert countdown(open_ms, 1_000_000) == text
